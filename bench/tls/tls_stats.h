/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Median and spread of a few repeats. Numbers that a run could not know are
 * NAN and are left out.
 */
#ifndef BENCH_TLS_STATS_H
#define BENCH_TLS_STATS_H

#include <stddef.h>

struct tls_stats {
	size_t count; /* of the known values; 0: all that follows is NAN */
	double median;
	double low, high; /* quartiles, between neighbours interpolated */
	double min, max;
};

/* tls_stats_of() - of `count` values in any order. 0, or -ENOMEM. */
int tls_stats_of(const double *values, size_t count, struct tls_stats *out);

/* tls_stats_spread() - distance of the quartiles as a share of the median
 * (0.04: 4 %); NAN without values or with a median of 0. */
double tls_stats_spread(const struct tls_stats *stats);

#endif
