/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms whose buckets double (or more): one thread adds, without a lock;
 * copies of several are added up.
 */
#ifndef GATEWAY_METRICS_HISTOGRAM_H
#define GATEWAY_METRICS_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 20

/* Bucket i holds what is at most unit << (i * shift) and did not fit in the
 * one before it; the last one all that is more. */
struct histogram_scale {
	uint64_t unit;
	unsigned shift, buckets;
};

struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS];
	uint64_t sum;
};

/* Nanoseconds. From acceptance to the next hop's answer: 1 ms to 12 days, each
 * four times as long. From giving a message to a session to its answer: 1 ms
 * to 4 minutes. */
extern const struct histogram_scale histogram_queue_time;
extern const struct histogram_scale histogram_attempt_time;

void histogram_add(struct histogram *histogram,
		   const struct histogram_scale *scale, uint64_t value);
/* histogram_bound() - the highest value of bucket @i, which is not the last. */
uint64_t histogram_bound(const struct histogram_scale *scale, unsigned i);
/* histogram_join() - @to has what both have. */
void histogram_join(struct histogram *to, const struct histogram *from);

#endif
