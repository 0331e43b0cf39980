/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination: a next hop with the deliveries due for it and the sessions
 * to it. Inside of the queue; not for other folders.
 */
#ifndef GATEWAY_QUEUE_DESTINATION_H
#define GATEWAY_QUEUE_DESTINATION_H

#include "gateway/queue/deferred.h"
#include "gateway/queue/delivery.h"
#include "gateway/queue/queue.h"
#include "uring/uring_timer.h"

/* What one of its sessions is doing. */
enum destination_use {
	DESTINATION_OPENING, /* has not asked for mail yet */
	DESTINATION_BUSY,    /* has a delivery, or is on its way to an end */
	DESTINATION_IDLE,    /* takes the next delivery at once */
};

struct destination_session {
	struct outbound_session *session;
	enum destination_use use;
};

struct destination {
	struct queue *queue;
	const struct config_route *route;
	struct next_hop *hop;
	struct delivery *ready, **ready_tail; /* due, oldest first */
	size_t ready_count;
	struct destination_session *sessions; /* limit of them */
	unsigned session_count, limit;
	/* After failures to connect: nothing is opened until the timer fires.*/
	unsigned failures;
	struct uring_timer blocked;
	uint64_t plain_until; /* ring time: TLS failed, level `may` */
};

struct queue {
	struct queue_config config;
	struct outbound *outbound;
	struct destination *destinations; /* one per route */
	struct deferred deferred;
	struct uring_timer due; /* for deferred's top */
	struct queue_stats stats;
	unsigned bouncing; /* deliveries whose bounce is being stored */
	bool stopping;
};

int destination_init(struct destination *d, struct queue *queue, size_t route);
void destination_deinit(struct destination *d);

/* destination_push() - a delivery is due; _push_front(): it is due again.
 * Neither starts anything: destination_pump() does. */
void destination_push(struct destination *d, struct delivery *delivery);
void destination_push_front(struct destination *d, struct delivery *delivery);
/* destination_pump() - bring ready deliveries and sessions together. */
void destination_pump(struct destination *d);
void destination_stop(struct destination *d);

/* The face shown to outbound. */
extern const struct outbound_ops destination_ops;

/* queue.c: what a finished transaction means. */
void queue_answered(struct delivery *delivery, size_t index,
		    const struct outbound_answer *answer);
void queue_finished(struct delivery *delivery);
/* A delivery that could not be tried because its hop can't be reached. False:
 * it could not be read now and is ready again. */
bool queue_unreachable(struct delivery *delivery,
		       const struct outbound_answer *answer);
uint64_t queue_wall(const struct queue *queue);

#endif
