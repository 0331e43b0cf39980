/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination: the set of MX hosts that takes mail for some domains, or one
 * next hop, with the deliveries due for it and the sessions to it.  Domains
 * behind the same hosts share it, and so its limits.  It goes away when no
 * domain, delivery or session needs it.  Inside of the queue; not for other
 * folders.
 */
#ifndef GATEWAY_QUEUE_DESTINATION_H
#define GATEWAY_QUEUE_DESTINATION_H

#include "gateway/dns/dns.h"
#include "gateway/outbound/outbound.h"
#include "gateway/queue/delivery.h"
#include "gateway/queue/delivery_list.h"
#include "gateway/queue/table.h"
#include "uring/uring_timer.h"

struct queue;

/* What one of its sessions is doing. */
enum destination_use {
	DESTINATION_OPENING, /* has not asked for mail yet */
	DESTINATION_BUSY,    /* has a delivery, or is on its way to an end */
	DESTINATION_IDLE,    /* takes the next delivery at once */
};

struct destination_session {
	struct outbound_session *session;
	enum destination_use use;
	uint64_t opened; /* ring time */
	struct dns_address address;
};

/* An address of one of its hosts. */
struct destination_target {
	struct dns_address address;
	uint16_t preference;
	const char *host; /* into names */
};

struct destination {
	struct table_node node; /* first: the pointers are the same */
	struct queue *queue;
	const struct config_route *route;
	const struct next_hop *hop;
	unsigned users;			      /* domains and deliveries */
	struct delivery_list ready;	      /* due, oldest first */
	struct destination_session *sessions; /* owned, room for limit */
	unsigned session_count, session_room, limit;
	struct destination_target *targets; /* owned, by preference */
	size_t target_count;
	char *names; /* owned */
	/* When no target can be reached nothing is opened until the timer
	 * fires. */
	unsigned failures;
	struct uring_timer blocked;
	char text[]; /* "mx1.example,mx2.example:25" */
};

/*
 * destination_get() - the one for the hosts of @answer (which was found) in
 * @route, with the addresses of @answer from now on. Counted: give it back
 * with destination_put(). NULL: no memory.
 */
struct destination *destination_get(struct queue *queue,
				    const struct config_route *route,
				    uint16_t port,
				    const struct dns_answer *answer);
struct destination *destination_ref(struct destination *d);
/* destination_put() - accepts NULL. */
void destination_put(struct destination *d);

/* destination_push() - a delivery is due; _push_front(): it is due again.
 * Neither starts anything: destination_pump() does. */
void destination_push(struct destination *d, struct delivery *delivery);
void destination_push_front(struct destination *d, struct delivery *delivery);
/* destination_pop() - the next one ready, or NULL. */
struct delivery *destination_pop(struct destination *d);
/* destination_remove() - @delivery, which is ready here, no longer is. */
void destination_remove(struct destination *d, struct delivery *delivery);
/* destination_pump() - bring ready deliveries and sessions together. */
void destination_pump(struct destination *d);

/* destinations_stop() - no timer runs any more. destinations_free() - with no
 * session left: forget what is ready. They themselves go with their domains. */
void destinations_stop(struct queue *queue);
void destinations_free(struct queue *queue);

/* The face shown to outbound. */
extern const struct outbound_ops destination_ops;

#endif
