/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the queue: what its files share. Not for other folders. */
#ifndef GATEWAY_QUEUE_QUEUE_PRIVATE_H
#define GATEWAY_QUEUE_QUEUE_PRIVATE_H

#include "gateway/outbound/outbound_trace.h"
#include "gateway/queue/deferrals.h"
#include "gateway/queue/deferred.h"
#include "gateway/queue/delivery.h"
#include "gateway/queue/destination.h"
#include "gateway/queue/domain.h"
#include "gateway/queue/order.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/reach.h"
#include "gateway/queue/replies.h"
#include "uring/uring_timer.h"

struct queue {
	struct queue_config config;
	struct outbound *outbound;
	struct table domains;	   /* struct domain */
	struct table destinations; /* struct destination */
	struct reach reach;
	struct throttles *throttles, *own_throttles; /* own: owned */
	struct uring_timer attention;		/* for throttles_attend() */
	struct domain *touched, **touched_tail; /* to be pumped */
	struct domain *later;	      /* stale: there is more to reroute */
	struct uring_timer rerouting; /* for them */
	unsigned retired;	      /* destinations */
	bool pumping;
	struct domain_list busy, idle; /* idle: longest first */
	struct domain_walk *walks;     /* through busy */
	unsigned moved;		       /* domains that mail was moved to */
	uint32_t walk_number;	       /* of the last one, from 1 */
	struct order mail;	       /* all deliveries */
	struct queue_trace *traces;    /* who listens */
	struct outbound_trace tracer;
	struct delivery_pool pool;
	struct replies replies; /* what deliveries heard last */
	uint64_t random;	/* state */
	struct deferred deferred;
	struct uring_timer due;	   /* for deferred's top */
	struct ktls_traffic sizes; /* of single messages given to sessions */
	struct queue_stats stats;
	struct deferrals deferrals; /* the last ones */
	unsigned bouncing; /* deliveries whose bounce is being stored */
	bool stopping;
};

/* queue.c: what a finished transaction means. @rule: what the configuration
 * says about such an answer, or NULL. */
void queue_answered(struct delivery *delivery, size_t index,
		    const struct outbound_answer *answer,
		    const struct config_backoff *rule);
void queue_finished(struct delivery *delivery);
/* The transaction is over, and its results may be recorded. */
void queue_settle(struct delivery *delivery);
/* A delivery that could not be tried because its hop can't be reached, or is
 * not known. */
void queue_unreachable(struct delivery *delivery,
		       const struct outbound_answer *answer);
/* queue_split() - a delivery of its own, without destination, for the recipients
 * from number @keep on. NULL: no memory, nothing changed. */
struct delivery *queue_split(struct delivery *delivery, uint32_t keep);
/* Free a delivery that does not run; what it is for stays in the spool. */
void queue_drop(struct delivery *delivery);
/* Wait until delivery->due; without memory for that, try at once again. */
void queue_defer(struct queue *queue, struct delivery *delivery);
/* domain_reload.c: handler of queue->rerouting. */
void queue_on_rerouting(void *owner);
uint64_t queue_wall(const struct queue *queue);
/* A number below @below, which is not 0. */
uint64_t queue_random(struct queue *queue, uint64_t below);

#endif
