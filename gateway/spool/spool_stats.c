/* SPDX-License-Identifier: Apache-2.0 */
/* How many messages share a commit, and how long it takes. */
#include "gateway/spool/spool_private.h"

#define BUCKET_NS UINT64_C(64000)

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
	stats->time_buckets[bucket(ns, BUCKET_NS)]++;
}
