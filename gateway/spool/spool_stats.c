/* SPDX-License-Identifier: Apache-2.0 */
/* How many messages share a commit, and how long it takes. */
#include "gateway/spool/spool_private.h"

/* The first bucket whose bound, @unit doubled with each, is not below @value. */
static unsigned bucket(uint64_t value, uint64_t unit)
{
	unsigned i = 0;

	while (i + 1 < SPOOL_BUCKETS && unit << i < value)
		i++;
	return i;
}

void spool_stats_commit(struct spool_stats *stats, unsigned batch, uint64_t ns)
{
	stats->commits++;
	stats->batch_sum += batch;
	stats->commit_ns += ns;
	if (stats->batch_max < batch)
		stats->batch_max = batch;
	if (stats->commit_ns_max < ns)
		stats->commit_ns_max = ns;
	stats->batch_buckets[bucket(batch, 1)]++;
	stats->time_buckets[bucket(ns, SPOOL_BUCKET_NS)]++;
}

enum spool_status spool_takes(const struct spool *spool)
{
	if (spool->prepare_status != SPOOL_OK)
		return spool->prepare_status;
	return spool->space_low ? SPOOL_FULL : SPOOL_OK;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void spool_stats_add(struct spool_stats *to, const struct spool_stats *from)
{
	to->batch_sum += from->batch_sum;
	to->batch_max = higher(to->batch_max, from->batch_max);
	to->commit_ns += from->commit_ns;
	to->commit_ns_max = higher(to->commit_ns_max, from->commit_ns_max);
	for (unsigned i = 0; i < SPOOL_BUCKETS; i++) {
		to->batch_buckets[i] += from->batch_buckets[i];
		to->time_buckets[i] += from->time_buckets[i];
	}
	to->accepted += from->accepted;
	to->finished += from->finished;
	to->commits += from->commits;
	to->committed += from->committed;
	to->results += from->results;
	to->bytes_written += from->bytes_written;
	to->bytes_live += from->bytes_live;
	to->segments += from->segments;
	to->failures += from->failures;
}
