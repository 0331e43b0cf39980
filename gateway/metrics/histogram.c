/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms (histogram.h). */
#include "gateway/metrics/histogram.h"

const struct histogram_scale histogram_queue_time = {
	.unit = 1000000,
	.shift = 2,
	.buckets = 17,
};
const struct histogram_scale histogram_attempt_time = {
	.unit = 1000000,
	.shift = 1,
	.buckets = 20,
};

uint64_t histogram_bound(const struct histogram_scale *scale, unsigned i)
{
	return scale->unit << (i * scale->shift);
}

void histogram_add(struct histogram *h, const struct histogram_scale *scale,
		   uint64_t value)
{
	/* value <= unit << bits, for the first time */
	uint64_t units = value ? (value - 1) / scale->unit : 0;
	unsigned bits = units ? 64 - (unsigned)__builtin_clzll(units) : 0;
	unsigned i = (bits + scale->shift - 1) / scale->shift;

	if (i >= scale->buckets)
		i = scale->buckets - 1;
	h->count[i]++;
	h->sum += value;
}

void histogram_join(struct histogram *to, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->count[i] += from->count[i];
	to->sum += from->sum;
}
