/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of one worker: what is delivered where and when.
 *
 * A message in the spool becomes one delivery per domain (or next hop); the
 * domain finds its destination, in DNS if need be.  A destination gives its
 * deliveries, oldest first, to its sessions, opens sessions as far as its limit
 * allows, and waits when none of its hosts can be reached.  Deferred deliveries
 * wait in a heap for their time.
 */
#ifndef GATEWAY_QUEUE_QUEUE_H
#define GATEWAY_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/metrics/histogram.h"
#include "gateway/outbound/outbound.h"
#include "gateway/spool/spool.h"
#include "ktls/ktls_stream.h"

struct deferrals;
struct dns;
struct queue;
struct throttles;

struct queue_config {
	const struct config *config; /* borrowed, outlives the queue */
	const struct ktls_env *env;  /* borrowed */
	const struct next_hop *hops; /* one per route, in the order of
				      * config->routes; borrowed, shared */
	struct dns *dns; /* borrowed; NULL: next hops must be numeric */
	/* What is shared with the queues of other workers; borrowed. NULL:
	 * nothing, and worker is 0. */
	struct throttles *throttles;
	unsigned worker;	     /* which one this is, from 0 */
	struct suspended *suspended; /* by operators; borrowed; may be NULL */
	/* Called by any thread, locks held: queue_attend() shall be called
	 * soon. NULL, for a single thread: a timer does. */
	void (*wake)(void *arg);
	void *wake_arg;
	/* socket(2) for outbound sessions; NULL: the system's */
	int (*socket)(void *arg, int family);
	void *socket_arg;
	/* As in struct outbound_config. */
	int (*bind)(void *arg, int fd, const struct sockaddr *address,
		    socklen_t length);
	/* Wall clock, ns since 1970; NULL: CLOCK_REALTIME. */
	uint64_t (*wall_clock)(void);
};

/* queue_create() - @out returned owned. 0 or -errno. */
int queue_create(const struct queue_config *config, struct queue **out);
/* queue_destroy() - with no session left; accepts NULL; clears. Undelivered
 * messages stay in their spool. */
void queue_destroy(struct queue **queue);

/*
 * queue_add() - a message of @spool, accepted just now or found at start,
 * shall be delivered. @message stays the spool's.
 */
void queue_add(struct queue *queue, struct spool *spool,
	       struct spool_message *message);

/*
 * queue_reload() - go by @config, @hops and @dns (as in struct queue_config)
 * from now on; no lookup of the resolver before is left.  Open sessions keep what they were opened with, and end when they are
 * done with the message they have.  The configuration before must live until
 * queue_retired() is 0: destinations that still use one that is not the last.
 */
void queue_reload(struct queue *queue, const struct config *config,
		  struct next_hop *hops, struct dns *dns);
unsigned queue_retired(const struct queue *queue);

/* queue_attend() - after queue_config.wake: what others have left for it. */
void queue_attend(struct queue *queue);

/* queue_shutdown() - give out no more; running transactions finish.
 * queue_abort() - end them now (their mail is tried again after a start). */
void queue_shutdown(struct queue *queue);
void queue_abort(struct queue *queue);
/* queue_sessions() - sessions and bounces under way; 0: may be destroyed. */
unsigned queue_sessions(const struct queue *queue);

/* Numbers only: queue_stats_add(). */
struct queue_stats {
	uint64_t added;	    /* messages */
	uint64_t delivered; /* recipients */
	uint64_t deferred;  /* recipient attempts */
	uint64_t failed;    /* recipients, 5xx or expired */
	uint64_t expired;   /* of them */
	uint64_t damaged;   /* deliveries set aside */
	uint64_t ready;	    /* deliveries due, now */
	uint64_t waiting;   /* deliveries waiting for their time, now */
	struct histogram time;	  /* of delivered recipients, since acceptance */
	struct histogram attempt; /* of transactions that ended with answers */
};
void queue_stats(const struct queue *queue, struct queue_stats *out);
void queue_stats_add(struct queue_stats *to, const struct queue_stats *from);
/* Its sessions; borrowed, for their statistics. */
const struct outbound *queue_outbound(const struct queue *queue);
/* queue_deferrals() - the last ones; borrowed, for the thread of the queue. */
const struct deferrals *queue_deferrals(const struct queue *queue);

#endif
