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
#include "gateway/queue/throttle.h"
#include "ktls/ktls_traffic.h"
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
	uint64_t opened;  /* ring time */
	bool yielding;	  /* ends for others: throttle_yields() */
	uint64_t carried; /* so far, as ktls_traffic_worth() */
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
	const struct config_destination *rule; /* borrowed */
	struct outbound_terms terms;
	struct throttle_claim claim;
	bool in_line;	 /* of the throttle, for a connection */
	bool retired;	 /* of the configuration before: takes no more mail */
	unsigned users;	 /* domains and deliveries */
	uint32_t shown;	 /* see struct domain */
	uint32_t chance; /* number of the last retry that gave it one */
	/* Due, oldest first: those never tried, and the others. */
	struct delivery_list ready[2];
	size_t ready_count;
	unsigned fresh_in_a_row;
	struct destination_session *sessions; /* owned */
	unsigned session_count, session_room;
	unsigned opening;		    /* of them */
	struct destination_target *targets; /* owned, by preference */
	size_t target_count;
	char *names; /* owned */
	/* When no target can be reached nothing is opened until the timer
	 * fires. */
	unsigned failures;
	struct ktls_traffic traffic; /* of its sessions that took mail */
	struct uring_timer blocked;
	/* Suspended, or ahead of a rate: until then. */
	struct uring_timer paced;
	uint64_t paced_until; /* ring time, while it is armed */
	char text[];	      /* "mx1.example,mx2.example:25" */
};

/*
 * destination_get() - the one for the hosts of @answer (which was found) in
 * @route under @rule, with the addresses of @answer from now on. Counted: give it back
 * with destination_put(). NULL: no memory.
 */
struct destination *destination_get(struct queue *queue,
				    const struct config_route *route,
				    const struct config_destination *rule,
				    uint16_t port,
				    const struct dns_answer *answer);
struct destination *destination_ref(struct destination *d);
/* destination_put() - accepts NULL. */
void destination_put(struct destination *d);

/* destination_push() - a delivery is due; _push_front(): it is due again.
 * Neither starts anything: destination_pump() does. */
void destination_push(struct destination *d, struct delivery *delivery);
void destination_push_front(struct destination *d, struct delivery *delivery);
/* destination_pop() - the next one ready, or NULL: those never tried first, but
 * one of ten is one that was. */
struct delivery *destination_pop(struct destination *d);
/* destination_remove() - @delivery, which is ready here, no longer is. */
void destination_remove(struct destination *d, struct delivery *delivery);
/* destination_pump() - bring ready deliveries and sessions together. */
void destination_pump(struct destination *d);
/* destination_attend() - others want a connection, or gave one, or the
 * destination is no longer suspended. */
void destination_attend(struct destination *d);

/* destination_backoff.c: what the configuration says about refusals and
 * failures is done. destination_refused() - returns the rule that matches what
 * a server said, or NULL. */
const struct config_backoff *destination_refused(
	struct destination *d, const struct outbound_answer *answer);
void destination_delivered(struct destination *d);
void destination_session_failed(struct destination *d,
				const struct outbound_answer *failure);

/* destination_traffic.c. destination_expected() - what a new session will
 * carry: as much as others did before it, or its share of what is ready, if
 * that is more; 0: nobody knows. _carry() - a session has got this delivery.
 * _carried() - it has ended. */
uint64_t destination_expected(const struct destination *d);
void destination_carry(struct destination *d, struct destination_session *place,
		       const struct delivery *delivery);
void destination_carried(struct destination *d,
			 const struct destination_session *ended);

/* destinations_retire() - the configuration changes: what is ready goes back to
 * its domains, sessions end when they are done with what they have. */
void destinations_retire(struct queue *queue);

/* destinations_stop() - no timer runs any more. destinations_free() - with no
 * session left: forget what is ready. They themselves go with their domains. */
void destinations_stop(struct queue *queue);
void destinations_free(struct queue *queue);

/* The face shown to outbound. */
extern const struct outbound_ops destination_ops;

#endif
