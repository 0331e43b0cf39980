/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker has counted, for metrics; all of it is its thread's own. */
#include "gateway/metrics/sum.h"
#include "gateway/worker/worker_private.h"

void worker_face_measure(const struct worker_face *face,
			 struct worker_stats *sum)
{
	struct inbound_stats inbound;
	struct outbound_stats outbound;

	inbound_stats_now(face->inbound, &inbound);
	inbound_stats_add(&sum->inbound, &inbound);
	outbound_stats_now(cutthrough_outbound(face->cutthrough), &outbound);
	outbound_stats_add(&sum->cutthrough, &outbound);
	SUM_INTO(&sum->relayed, cutthrough_stats(face->cutthrough));
}

void worker_measure(void *worker, struct worker_stats *out)
{
	const struct worker *w = worker;
	enum spool_status takes = spool_takes(spool_set_own(&w->spools));

	*out = w->past;
	out->workers = 1;
	out->ring = *uring_stats(w->env.ring);
	out->ring_inflight = uring_inflight(w->env.ring);
	out->buffers = WORKER_RECEIVE_BUFFERS;
	out->buffers_out = uring_bufs_out(w->env.bufs);
	out->spool_full = takes == SPOOL_FULL;
	out->spool_failed = takes == SPOOL_FAILED;
	worker_face_measure(w->face, out);
	for (const struct worker_face *f = w->old_faces; f; f = f->next)
		worker_face_measure(f, out);
	outbound_stats_now(queue_outbound(w->queue), &out->outbound);
	queue_stats(w->queue, &out->queue);
	spool_set_stats(&w->spools, &out->spool);
	ktls_paths_stats(w->env.paths, &out->paths);
}
