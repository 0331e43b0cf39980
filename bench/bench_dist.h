/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as they are spread in real traffic: one, a range, several with
 * weights, or log-normal. What is drawn depends on the random stream alone.
 */
#ifndef BENCH_DIST_H
#define BENCH_DIST_H

#include <stdint.h>

#include "bench/bench_parse.h"

enum {
	BENCH_DIST_ITEMS = 32,
};

/* Largest number that a log-normal distribution gives unless told. */
#define BENCH_DIST_MAX (64ull << 20)

struct bench_dist {
	unsigned count; /* of items; 0: log-normal */
	struct bench_dist_item {
		struct bench_size_range range; /* drawn log-uniform */
		double upto; /* share of this item and those before */
	} items[BENCH_DIST_ITEMS];
	double median; /* of the log-normal one */
	double sigma;  /* standard deviation of the natural logarithm */
	uint64_t max;  /* the largest number that may be drawn */
};

/*
 * "4K", "1K-5M", "4K:70,100K:25,1M-10M:5" (a weight is 1 unless given),
 * "lognormal:30K,1.5" or "lognormal:30K,1.5,10M". 0, -EINVAL or -ERANGE, which
 * leave *ret alone.
 */
int bench_dist_parse(const char *text, struct bench_dist *ret);

/* Option parser into a struct bench_dist. */
int bench_dist_opt(const char *text, void *field);

/* Log-uniform between the two; the same: always that. */
struct bench_dist bench_dist_range(uint64_t min, uint64_t max);

/* From 1 to d->max. */
uint64_t bench_dist_draw(const struct bench_dist *d, uint64_t *rng);

#endif
