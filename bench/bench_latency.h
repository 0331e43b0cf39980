/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms of nanoseconds, told to people and to programs. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "bench/bench_histogram.h"

/* A row; one without any values is left out everywhere. */
struct bench_latency {
	const char *name;
	const struct bench_histogram *histogram; /* borrowed */
};

/* A table of count, min, percentiles and max, in milliseconds. */
void bench_latency_print(FILE *to, const struct bench_latency *rows,
			 size_t count);

/* The same as an object of objects, in microseconds; returned owned, NULL
 * without memory. */
json_t *bench_latency_json(const struct bench_latency *rows, size_t count);

/*
 * All buckets as CSV (RFC 4180), so that runs can be added up and plotted:
 * name, lowest and highest nanoseconds, count, share of all values up to
 * there. 0, or -errno when not all of it was written.
 */
int bench_latency_write(FILE *to, const struct bench_latency *rows,
			size_t count);

#endif
