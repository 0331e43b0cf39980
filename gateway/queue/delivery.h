/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message for one destination: the recipients that share a next hop.
 *
 * A delivery is small and lives as long as one of its recipients is open; the
 * message itself stays in the log.  What a transaction needs besides (the view
 * of the message, the answers) exists only while it runs.
 */
#ifndef GATEWAY_QUEUE_DELIVERY_H
#define GATEWAY_QUEUE_DELIVERY_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/outbound/outbound.h"
#include "gateway/queue/delivery_pool.h"
#include "gateway/spool/spool.h"

struct destination;
struct domain;
struct delivery_run;

/* Where a delivery is; nothing but delivery_place() changes it. */
enum delivery_place {
	DELIVERY_AT_HAND,  /* with a session or a bounce, or on its way */
	DELIVERY_WAITING,  /* in its domain's list */
	DELIVERY_READY,	   /* in its destination's list */
	DELIVERY_DEFERRED, /* in the heap, until due */
	DELIVERY_HELD,	   /* nowhere, until somebody releases it */
	DELIVERY_PLACES
};

struct delivery {
	struct spool_message
		*message; /* the spool's; valid while a recipient is open */
	struct domain *domain;		 /* counted */
	struct destination *destination; /* counted; NULL: not ready */
	struct delivery *next;		 /* WAITING, READY: in that list */
	union {
		struct delivery *prev; /* likewise */
		size_t heap_at;	       /* DEFERRED: where in the heap */
	};
	struct delivery_run *run; /* owned; NULL when no transaction runs */
	uint64_t due;		  /* wall clock, ns; when deferred */
	uint64_t arrival;	  /* wall clock, ns */
	uint16_t attempts;	  /* transactions that ended with an answer */
	uint8_t place;		  /* enum delivery_place */
	uint8_t repeats;	  /* outbound_delivery's, since the last one */
	uint8_t warned;		  /* steps of bounce.delay_warning passed */
	bool pooled;		  /* its memory is the pool's */
	uint32_t reply;		  /* the last one, in queue->replies; counted */
	uint32_t recipient_count; /* open ones */
	uint32_t recipients[];	  /* their indices in the envelope */
};

static_assert(offsetof(struct delivery, recipients) <= 84,
	      "88 bytes with one recipient: docs/spool.md");

/* A recipient's answer, kept until the transaction is over and the log may
 * forget the message. */
struct delivery_answer {
	bool given;
	bool expired; /* BOUNCED because its time was over */
	enum spool_result result;
	uint16_t code;
	uint16_t said;	 /* see struct outbound_answer */
	bool tells;	 /* likewise */
	char status[12]; /* RFC 3463; "" if none was given */
	char reply[256];
	char *transcript; /* owned; what reply is too short for, or NULL */
};

/* What exists while a transaction runs. */
struct delivery_run {
	struct outbound_delivery outbound; /* what the session sees */
	struct spool_view view;
	struct delivery *delivery;
	uint64_t began;	  /* uring_now() at a session; 0: at none */
	uint64_t wait;	  /* ns; at least, until the next attempt */
	size_t told;	  /* recipients that a notification speaks of */
	uint8_t warned;	  /* delivery->warned once it is stored */
	uint8_t gravest;  /* enum dsn_action of it */
	char remote[256]; /* the host it goes to; "": none was reached */
	struct delivery_answer answers[]; /* one per open recipient */
};

/* delivery_create() - for @count recipients (indices copied); NULL: no
 * memory. Freed with delivery_free() to the same @pool; it accepts NULL. */
struct delivery *delivery_create(struct delivery_pool *pool,
				 struct spool_message *message,
				 const uint32_t *recipients, size_t count);
void delivery_free(struct delivery_pool *pool, struct delivery *delivery);

/* delivery_place() - it is in @place now; its domain counts that. */
void delivery_place(struct delivery *delivery, enum delivery_place place);
/* delivery_id() - its message's; in the form that an order asks for. */
uint64_t delivery_id(const void *delivery);

/* delivery_begin() - open the view for a transaction. 0, -EBADMSG (the log is
 * damaged there), -errno. */
int delivery_begin(struct delivery *delivery);
/* delivery_answered() - keep the answer for recipient @index. */
void delivery_answered(struct delivery *delivery, size_t index,
		       const struct outbound_answer *answer,
		       enum spool_result result);
/* delivery_end() - close the view, keep only the recipients still open (no
 * answer, or deferred), record the answers. Returns how many of them were
 * deferred. */
size_t delivery_end(struct delivery *delivery);

#endif
