/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool's life from a seed: mail comes, is aborted, deferred, delivered;
 * operations fail; and now and then the machine crashes and loses a part of
 * the unsynced bytes, and unlinks that were not synced come undone.  Then
 * every promise must hold:
 *  - answered "ok" and not delivered to all: it is there, byte for byte;
 *  - answered "no", aborted, or delivered to all and that result synced: not;
 *  - a synced result still stands, and nothing is called damaged.
 */
#ifndef TESTS_UNIT_SPOOL_SPOOL_MODEL_H
#define TESTS_UNIT_SPOOL_SPOOL_MODEL_H

#include "tests/unit/spool/spool_world.h"

struct model;

/* What a crash takes of the bytes that no sync has covered. */
enum model_loss {
	LOSS_SOME, /* sectors that the seed chooses */
	LOSS_NONE, /* all had reached the disk */
	LOSS_ALL,
	LOSS_TORN, /* all but the first few sectors */
};

/* Where the log's writing is. */
struct model_log {
	uint32_t segment;
	uint64_t synced, end; /* offsets: what a crash may take */
	int round;
	bool naming;
};

struct model *model_start(uint64_t seed);
/* Even seeds: mail of all sizes; odd ones: small mail, many segments. */
bool model_is_small(const struct model *m);
/* Something happens; asserts that the promises are kept. */
void model_step(struct model *m);
/* What would be, if it crashed now; for LOSS_TORN with so many sectors kept. */
void model_peek(struct model *m, enum model_loss loss, uint64_t kept);
struct model_log model_log(const struct model *m);
void model_end(struct model *m);

#endif
