/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of (message, recipient) pairs, by 128-bit hash: 16 octets each, so that
 * millions of deliveries can be told from their duplicates. One thread at a
 * time.
 */
#ifndef BENCH_SEEN_H
#define BENCH_SEEN_H

#include <stddef.h>

struct bench_seen;

/* Returned owned; NULL without memory. */
struct bench_seen *bench_seen_new(void);
void bench_seen_free(struct bench_seen *seen); /* accepts NULL */

/* 1: new, and now in the set; 0: was in it already; -ENOMEM. */
int bench_seen_add(struct bench_seen *seen, const char *id, const char *rcpt,
		   size_t rcpt_len);

#endif
