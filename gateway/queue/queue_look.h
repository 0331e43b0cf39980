/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a queue, a little at a time: its deliveries in order of
 * acceptance, and its domains.  For the thread of the queue, between whose
 * looks it changes.
 */
#ifndef GATEWAY_QUEUE_QUEUE_LOOK_H
#define GATEWAY_QUEUE_QUEUE_LOOK_H

#include "gateway/queue/order.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/queue_filter.h"

struct delivery;
struct domain;

/* One delivery: a message for one domain or next hop. Borrowed for the call
 * that it is given to. */
struct queue_entry {
	struct delivery *delivery; /* for queue_act.h */
	struct spool *spool;
	struct spool_message *message;
	uint64_t id;
	uint64_t arrival; /* wall clock, ns */
	uint64_t due;	  /* the next attempt; 0: none is planned */
	enum queue_state state;
	unsigned attempts;
	const char *domain;	    /* "" where all goes to one next hop */
	const char *destination;    /* NULL: not known (yet) */
	unsigned code;		    /* of the last reply; 0: none since start */
	const char *reply;	    /* NULL: none */
	const uint32_t *recipients; /* open ones, indices in the envelope */
	size_t recipient_count;
};

/* How much is done at a time: an entry looked at costs 1, reading an envelope
 * QUEUE_LOOK_ENVELOPE. */
#define QUEUE_LOOK_ENVELOPE 8

/* False: enough for now; the rest of this message's entries come all the
 * same. It may act on the entry, see queue_act.h. */
typedef bool (*queue_entry_fn)(void *arg, const struct queue_entry *entry);

#define QUEUE_LOOK_DOMAINS 64

/* A walk; the fields are its own. */
struct queue_look {
	struct queue *queue;
	const struct queue_filter *filter;
	const struct config_route *route; /* the filter's domain's */
	uint64_t next;			  /* id */
	size_t next_id;			  /* in filter->ids */
	uint64_t until;			  /* the highest id to be shown */
	struct queue_look_track {
		const struct order *order;
		struct domain *domain; /* counted; NULL: all mail */
		struct delivery *head; /* the next one, or NULL */
		struct order_at at;
		uint64_t changes; /* of the order, when head was found */
	} tracks[QUEUE_LOOK_DOMAINS];
	unsigned track_count;
	struct delivery **group; /* owned: those of one message */
	size_t group_room;
	int budget;
	bool done;
};

/*
 * queue_look_begin() - entries that fit @filter (borrowed until the end) with
 * an id above @after, and up to the highest that is there now. queue_look_on() - call @fn for some; returns whether
 * there may be more. queue_look_end() - also when more would come.
 */
void queue_look_begin(struct queue_look *look, struct queue *queue,
		      const struct queue_filter *filter, uint64_t after);
bool queue_look_on(struct queue_look *look, int budget, queue_entry_fn fn,
		   void *arg);
void queue_look_end(struct queue_look *look);

/* A domain (or all mail of a route to one next hop) and what it has queued. */
struct queue_domain {
	struct domain *handle;	 /* for queue_act.h */
	const char *domain;	 /* "" where all goes to one next hop */
	const char *route;	 /* its match */
	const char *destination; /* NULL: not known (yet) */
	bool fallback;
	size_t count[QUEUE_STATES]; /* deliveries */
	uint64_t oldest;	    /* arrival; 0: nothing is queued */
	unsigned code;		    /* of the last reply; 0: none since start */
	const char *reply;
	uint64_t reply_at;
	/* Of the destination, and only with the first of its domains. */
	unsigned sessions, limit;
	bool unreachable; /* none of its hosts takes mail at present */
	bool suspended;	  /* nothing is sent at present */
};

typedef void (*queue_domain_fn)(void *arg, const struct queue_domain *domain);

struct queue_domains;

/* queue_domains_begin() - a walk through the domains that have mail; NULL: no
 * memory. queue_domains_on() - call @fn for at most @budget of them; returns
 * whether there may be more. */
struct queue_domains *queue_domains_begin(struct queue *queue);
bool queue_domains_on(struct queue_domains *walk, int budget,
		      queue_domain_fn fn, void *arg);
void queue_domains_end(struct queue_domains **walk); /* accepts NULL; clears */

#endif
