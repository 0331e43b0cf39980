/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing the two ledgers: was everything that was answered 250 delivered,
 * once, to every recipient, with the same body?
 */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct bench_verify {
	uint64_t accepted;   /* messages in the source's ledger */
	uint64_t delivered;  /* of them, those all recipients have got */
	uint64_t lost;	     /* the others */
	uint64_t partial;    /* of the lost, those some recipients have got */
	uint64_t duplicated; /* copies that repeat a recipient of a message */
	uint64_t different;  /* copies with another hash or size */
	uint64_t unchecked;  /* copies without a hash to compare */
	uint64_t extra;	     /* copies of what the source never saw accepted */
	uint64_t foreign;    /* copies without an id */
	uint64_t torn;	     /* ledgers whose last line was cut by a crash */
};

/*
 * Reads both ledgers. 0 or -errno with the reason in error: -ENOENT and the
 * like, or -EINVAL for a line that is none. The first few ids of each kind
 * of trouble go to `details` (may be NULL), a line each.
 */
int bench_verify(const char *accepted_path, const char *delivered_path,
		 struct bench_verify *ret, FILE *details, char *error,
		 size_t cap);

#endif
