/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often which value was seen, in memory that doesn't grow: log-linear
 * buckets, 128 to each power of two, as HdrHistogram has them. A value that is
 * given back differs from what was added by less than 0.4 %.
 *
 * Plain data: all zero is an empty one. Nothing here locks.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Values from 2^44 on (nanoseconds: 4.8 hours) share the last one. */
	BENCH_HISTOGRAM_BITS = 44,
	BENCH_HISTOGRAM_SUB_BITS = 7,
	BENCH_HISTOGRAM_BUCKETS =
		(BENCH_HISTOGRAM_BITS - BENCH_HISTOGRAM_SUB_BITS + 1)
		<< BENCH_HISTOGRAM_SUB_BITS,
};

struct bench_histogram {
	uint64_t count;
	uint64_t min; /* as added; 0 while there is none */
	uint64_t max; /* as added */
	double sum;
	uint64_t buckets[BENCH_HISTOGRAM_BUCKETS];
};

/* Values from low to high were seen so often. */
struct bench_bucket {
	uint64_t low;
	uint64_t high;
	uint64_t count;
};

void bench_histogram_add(struct bench_histogram *h, uint64_t value);

/* Adds all that `from` has seen. */
void bench_histogram_merge(struct bench_histogram *h,
			   const struct bench_histogram *from);

/*
 * The value that `share` (0 to 1) of all values don't exceed: 0.5 is the
 * median. 0 when there are none; min and max are exact.
 */
uint64_t bench_histogram_at(const struct bench_histogram *h, double share);

double bench_histogram_mean(const struct bench_histogram *h);

/*
 * The next bucket that isn't empty, in ascending order; false at the end. *at
 * is 0 at first and belongs to this function.
 */
bool bench_histogram_next(const struct bench_histogram *h, size_t *at,
			  struct bench_bucket *ret);

#endif
