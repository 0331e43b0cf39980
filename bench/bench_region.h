/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a delivered message is compared: everything from the X-Bench-Id line
 * to the end, whatever headers relays have put above it. A message without
 * that line in its header (sent by another program) has no id; its body after
 * the empty line is hashed instead.
 */
#ifndef BENCH_REGION_H
#define BENCH_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/bench_hash.h"
#include "bench/bench_message.h"

struct bench_region {
	struct bench_hash *hash; /* borrowed */
	uint64_t size;		 /* octets hashed */
	char id[BENCH_ID_SIZE];	 /* "" until found; then without blanks */

	/* Private. */
	enum {
		BENCH_REGION_HEADER, /* looking for the line */
		BENCH_REGION_ID,     /* in the line, hashing */
		BENCH_REGION_INSIDE, /* hashing */
	} state;
	size_t column; /* octets of the current header line */
	size_t match;  /* of them equal to "X-Bench-Id:" */
	size_t id_len;
	char held[16]; /* those octets, as they came */
};

/* `hash` must live as long as the region; it is started here. */
void bench_region_start(struct bench_region *r, struct bench_hash *hash);

/* The next octets of the message, in any cut. */
void bench_region_add(struct bench_region *r, const char *data, size_t len);

/*
 * Ends the hash and writes it to text. True when the message had a usable id.
 * An id with other characters than bench_run_valid() takes is no id.
 */
bool bench_region_end(struct bench_region *r, char text[BENCH_HASH_TEXT]);

#endif
