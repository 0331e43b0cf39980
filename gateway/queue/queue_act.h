/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acting on queued mail: what an operator asks for.  For the thread of the
 * queue; queue_act() may be called for entries that a queue_look shows.
 *
 * A delivery that a session has at that moment is left alone and counted as
 * busy: what becomes of it is the next hop's to say.
 */
#ifndef GATEWAY_QUEUE_QUEUE_ACT_H
#define GATEWAY_QUEUE_QUEUE_ACT_H

#include "gateway/queue/queue_look.h"

enum queue_verb {
	QUEUE_RETRY,   /* due now; what is known against its servers is
			* forgotten */
	QUEUE_HOLD,    /* not tried before it is released; survives a restart */
	QUEUE_RELEASE, /* due now */
	QUEUE_BOUNCE,  /* back to the sender */
	QUEUE_DELETE,  /* gone, and nobody hears of it */
	QUEUE_MOVE,    /* to another next hop, until the next start */
};

struct queue_action {
	enum queue_verb verb;
	uint32_t number; /* RETRY: of queue_act_number(); every destination
			  * gets one chance per number */
	const struct queue_filter *filter; /* recipients that don't fit stay */
	const char *by;			   /* "uid 0", for log and spool */
	const char *reason;		   /* BOUNCE: more text, or NULL */
	const struct config_next_hop *to;  /* MOVE; copied */
};

enum queue_acted {
	QUEUE_CHANGED,
	QUEUE_UNWANTED, /* it was so already */
	QUEUE_BUSY,	/* it is being delivered */
	QUEUE_FAILED,	/* no memory, or it can't be read */
};

/* queue_act_number() - one that was not used before. */
uint32_t queue_act_number(struct queue *queue);
/* queue_act() - do it to one delivery; nothing starts before queue_acted().
 * queue_acted() - after one or many: what is due now begins. */
enum queue_acted queue_act(struct queue *queue, const struct queue_entry *entry,
			   const struct queue_action *action);
void queue_acted(struct queue *queue);
/* queue_act_behind() - so much waits for the disk (in @spool, which may be
 * NULL) that a while should pass. */
bool queue_act_behind(const struct queue *queue, const struct spool *spool);

/* queue_act_storing() - notifications are being stored, after which results
 * are recorded. */
bool queue_act_storing(const struct queue *queue);

/* queue_suspend() - the destination of @domain, if @name (suspended.h) means
 * it: suspend it, or (@on false) let it go on. */
enum queue_acted queue_suspend(struct queue *queue,
			       const struct queue_domain *domain,
			       const char *name, bool on);

#endif
