/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that one worker counts, copied by its own thread when somebody
 * asks: workers write without locks and atomics, and nobody reads over their
 * shoulders.
 */
#ifndef GATEWAY_METRICS_WORKER_STATS_H
#define GATEWAY_METRICS_WORKER_STATS_H

#include "gateway/cutthrough/cutthrough.h"
#include "gateway/inbound/inbound.h"
#include "gateway/outbound/outbound.h"
#include "gateway/queue/queue.h"
#include "gateway/spool/spool.h"
#include "ktls/ktls_paths.h"
#include "uring/uring.h"

struct worker_stats {
	struct inbound_stats inbound;
	struct outbound_stats outbound;	  /* from the queue */
	struct outbound_stats cutthrough; /* passed on as it comes */
	struct cutthrough_stats relayed;  /* likewise */
	struct queue_stats queue;
	struct spool_stats spool;
	struct ktls_paths_stats paths;
	struct uring_stats ring;
	uint64_t ring_inflight;		   /* operations */
	uint64_t buffers, buffers_out;	   /* for receiving */
	uint64_t workers;		   /* in the sum */
	uint64_t spool_full, spool_failed; /* of them: they take no mail */
};

/* worker_stats_add() - @to is of both. */
void worker_stats_add(struct worker_stats *to, const struct worker_stats *from);

#endif
