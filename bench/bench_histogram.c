/* SPDX-License-Identifier: Apache-2.0 */
/* Log-linear buckets; see bench_histogram.h. */
#include "bench/bench_histogram.h"

#include <assert.h>
#include <math.h>

enum {
	SUB_BITS = BENCH_HISTOGRAM_SUB_BITS,
	SUBS = 1 << SUB_BITS,
};

/* Below 2 * SUBS each value has a bucket; above, the bits behind the first
 * SUB_BITS + 1 are dropped. */
static size_t bucket_of(uint64_t value)
{
	unsigned drop;

	if (value >> BENCH_HISTOGRAM_BITS)
		return BENCH_HISTOGRAM_BUCKETS - 1;
	if (value < 2 * SUBS)
		return (size_t)value;
	drop = 63 - SUB_BITS - (unsigned)__builtin_clzll(value);
	return ((size_t)drop << SUB_BITS) + (size_t)(value >> drop);
}

static struct bench_bucket bounds_of(size_t i)
{
	unsigned drop = i < SUBS ? 0 : (unsigned)(i >> SUB_BITS) - 1;
	uint64_t low = (uint64_t)(i - ((size_t)drop << SUB_BITS)) << drop;

	return (struct bench_bucket){low, low + (1ull << drop) - 1, 0};
}

void bench_histogram_add(struct bench_histogram *h, uint64_t value)
{
	if (!h->count || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += (double)value;
	h->buckets[bucket_of(value)]++;
}

void bench_histogram_merge(struct bench_histogram *h,
			   const struct bench_histogram *from)
{
	if (!from->count)
		return;
	if (!h->count || from->min < h->min)
		h->min = from->min;
	if (from->max > h->max)
		h->max = from->max;
	h->count += from->count;
	h->sum += from->sum;
	for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
}

/* The middle of a bucket, but never outside of what was seen. */
static uint64_t value_of(const struct bench_histogram *h, size_t i)
{
	struct bench_bucket b = bounds_of(i);
	uint64_t value = b.low + (b.high - b.low) / 2;

	if (i == BENCH_HISTOGRAM_BUCKETS - 1 || value > h->max)
		return h->max;
	return value < h->min ? h->min : value;
}

uint64_t bench_histogram_at(const struct bench_histogram *h, double share)
{
	double rank = ceil(share * (double)h->count);
	uint64_t seen = 0;

	assert(share >= 0 && share <= 1);
	if (rank <= 1)
		return h->min;
	for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen == h->count && rank >= (double)h->count)
			break;
		if ((double)seen >= rank)
			return value_of(h, i);
	}
	return h->max;
}

double bench_histogram_mean(const struct bench_histogram *h)
{
	return h->count ? h->sum / (double)h->count : 0;
}

bool bench_histogram_next(const struct bench_histogram *h, size_t *at,
			  struct bench_bucket *ret)
{
	while (*at < BENCH_HISTOGRAM_BUCKETS && !h->buckets[*at])
		++*at;
	if (*at == BENCH_HISTOGRAM_BUCKETS)
		return false;
	*ret = bounds_of(*at);
	ret->count = h->buckets[(*at)++];
	if (ret->high < h->max && *at == BENCH_HISTOGRAM_BUCKETS)
		ret->high = h->max;
	return true;
}
