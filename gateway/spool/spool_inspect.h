/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that no relay runs on: looking at it without changing a byte, and
 * making it usable again.  Blocking, without a ring; for tools.
 */
#ifndef GATEWAY_SPOOL_SPOOL_INSPECT_H
#define GATEWAY_SPOOL_SPOOL_INSPECT_H

#include <limits.h>

#include "gateway/spool/spool.h"

enum spool_lock {
	SPOOL_LOCK_FREE,
	SPOOL_LOCK_HELD,    /* a relay runs on this log now */
	SPOOL_LOCK_MISSING, /* no such file: nothing runs, it is made anew */
};

struct spool_inspection {
	enum spool_lock lock;
	struct spool_report report;
};

/*
 * spool_inspect() - read a log and judge it as a start would; nothing is
 * written, nothing is kept locked. While a relay runs on it what is just being
 * written may show as torn.
 * @path: the folder of one log.  @damage(@arg): told of each damage.
 * Returns 0 (also for a damaged log), or -errno when it can't be read, said
 * in @error_text.
 */
int spool_inspect(const char *path, spool_damage_fn damage, void *arg,
		  struct spool_inspection *out, char error_text[256]);

struct spool_repaired {
	struct spool_report before, after;
	char folder[PATH_MAX]; /* what was set aside; "": nothing was */
	uint64_t files_copied; /* segments with damage, as they were */
	uint64_t files_moved;  /* what is no segment, or can't be read */
	uint64_t messages_cut; /* what is left of them: <id>.eml there */
	uint64_t headers_made; /* of segments that had lost theirs */
	uint64_t ranges_given_up;
};

/*
 * spool_repair() - make a damaged log usable: what is broken is copied to a
 * new folder in the log's (aside-<time>), then a segment is added that says
 * that the damaged stretches and messages are given up, then the log is
 * recovered as at any start.  A message that can be read stays. Each step
 * leaves a log that the next try, or a relay, can read.
 * Parameters as in spool_inspect(); @damage is told of what was found before.
 * Returns 0, -EWOULDBLOCK (a relay runs on it; nothing was touched), -errno.
 */
int spool_repair(const char *path, spool_damage_fn damage, void *arg,
		 struct spool_repaired *out, char error_text[256]);

#endif
