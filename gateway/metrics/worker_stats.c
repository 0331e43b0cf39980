/* SPDX-License-Identifier: Apache-2.0 */
/* What workers count, added up (worker_stats.h). */
#include "gateway/metrics/worker_stats.h"

#include "gateway/metrics/sum.h"

static void add_paths(struct ktls_paths_stats *to,
		      const struct ktls_paths_stats *from)
{
	for (unsigned i = 0; i < KTLS_PATHS; i++)
		to->bytes[i] += from->bytes[i];
	to->no_pipe += from->no_pipe;
	to->no_buffer += from->no_buffer;
	to->pipes += from->pipes;
	to->buffers += from->buffers;
	to->pipes_out += from->pipes_out;
	to->buffers_out += from->buffers_out;
}

void worker_stats_add(struct worker_stats *to, const struct worker_stats *from)
{
	inbound_stats_add(&to->inbound, &from->inbound);
	outbound_stats_add(&to->outbound, &from->outbound);
	outbound_stats_add(&to->cutthrough, &from->cutthrough);
	SUM_INTO(&to->relayed, &from->relayed);
	queue_stats_add(&to->queue, &from->queue);
	spool_stats_add(&to->spool, &from->spool);
	add_paths(&to->paths, &from->paths);
	SUM_INTO(&to->ring, &from->ring);
	to->ring_inflight += from->ring_inflight;
	to->buffers += from->buffers;
	to->buffers_out += from->buffers_out;
	to->workers += from->workers;
	to->spool_full += from->spool_full;
	to->spool_failed += from->spool_failed;
}
