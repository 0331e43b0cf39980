/* SPDX-License-Identifier: Apache-2.0 */
/* A message on its way into the sink: checked, hashed, noted, thrown away. */
#ifndef BENCH_SINK_MESSAGE_H
#define BENCH_SINK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/bench_dot.h"
#include "bench/bench_region.h"
#include "bench/sink/sink_session.h"

/* Zero-initialise; one per session, used message after message. */
struct sink_message {
	struct bench_region region;
	struct bench_unstuffer lines;
	uint64_t octets; /* of the whole message, headers and all */
	bool too_big;
	char *rcpts; /* owned; the ledger's last column */
	size_t rcpts_len;
	size_t rcpts_cap;
	unsigned rcpt_count;
	char from[512];
	FILE *save; /* owned; NULL: not saved */
	char save_path[512];
};

/* What the ledger and the totals need to know beside the message. */
struct sink_delivery {
	bool by_bdat;
	bool in_clear;
	const char *tls; /* version and cipher, or "none" */
};

/* A new envelope; `from` without its brackets. */
void sink_message_start(struct sink_message *m, const char *from);
/* 0 or -ENOMEM. */
int sink_message_add_rcpt(struct sink_message *m, const char *rcpt);

/* The content begins. `raw`: by BDAT. `hash` as in bench_region_start(). */
void sink_message_open(struct sink_message *m, struct sink_shared *shared,
		       struct bench_hash *hash, bool raw);

/* As bench_unstuff(): octets used, less than len only at the end of DATA. */
size_t sink_message_add(struct sink_message *m,
			const struct sink_shared *shared, const char *data,
			size_t len);

/* Writes the ledger line and counts the message. 0 or -errno: the message
 * must not be answered 250. */
int sink_message_note(struct sink_message *m, struct sink_shared *shared,
		      const struct sink_delivery *how);

/* Ends the message, noted or not; the next may start. */
void sink_message_end(struct sink_message *m);
void sink_message_deinit(struct sink_message *m);

#endif
