/* SPDX-License-Identifier: Apache-2.0 */
/* Acting on queued mail (queue_act.h). */
#include "gateway/queue/queue_act.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/log/log.h"
#include "gateway/queue/queue_private.h"
#include "gateway/queue/suspended.h"
#include "uring/uring.h"

/* Bounces being stored, and results on their way to the disk. */
#define BOUNCING_MAX 64
#define RECORDS_MAX  8192

/* --- out of whatever it waits in --- */

/* False: a session or a bounce has it. */
static bool take_away(struct queue *queue, struct delivery *d)
{
	switch ((enum delivery_place)d->place) {
	case DELIVERY_WAITING:
		domain_remove(d);
		return true;
	case DELIVERY_READY:
		destination_remove(d->destination, d);
		destination_put(d->destination);
		d->destination = NULL;
		return true;
	case DELIVERY_DEFERRED:
		deferred_remove(&queue->deferred, d);
		delivery_place(d, DELIVERY_AT_HAND);
		return true;
	case DELIVERY_HELD:
		delivery_place(d, DELIVERY_AT_HAND);
		return true;
	case DELIVERY_AT_HAND:
	case DELIVERY_PLACES:
		break;
	}
	return false;
}

/* The same for each of its recipients. */
static void record(const struct delivery *d, enum spool_result result,
		   uint64_t next_attempt, const char *why)
{
	struct spool *spool = spool_message_spool(d->message);

	for (size_t i = 0; i < d->recipient_count; i++)
		spool_record(spool, d->message, d->recipients[i], result,
			     d->attempts, next_attempt, why);
}

/* --- recipients that don't fit --- */

/* Those that fit behind those that don't, each in their order. Returns how
 * many don't; all: nothing can be read. */
static uint32_t partition(struct delivery *d, const struct queue_filter *f)
{
	uint32_t *fitting = calloc(d->recipient_count, sizeof(uint32_t));
	uint32_t keep = 0, fit = 0, at = 0;
	struct spool_glance glance;
	const char *recipient;

	if (!fitting || spool_glance(d->message, &glance) < 0) {
		free(fitting);
		return d->recipient_count;
	}
	recipient = glance.first;
	for (uint32_t i = 0; i < d->recipient_count; i++) {
		uint32_t index = d->recipients[i];

		assert(index < glance.recipient_count);
		for (; at < index; at++)
			recipient = spool_glance_next(recipient);
		if (queue_filter_recipient(f, recipient))
			fitting[fit++] = index;
		else
			d->recipients[keep++] = index;
	}
	memcpy(&d->recipients[keep], fitting, fit * sizeof(uint32_t));
	free(fitting);
	return keep;
}

/* The delivery to act on: @d, or one of its own for the recipients that fit.
 * NULL: no memory. */
static struct delivery *fitting_part(struct delivery *d,
				     const struct queue_filter *f)
{
	uint32_t keep;

	if (d->recipient_count == 1 || !(f->recipient || f->domain))
		return d;
	keep = partition(d, f);
	if (keep == 0)
		return d;
	return keep < d->recipient_count ? queue_split(d, keep) : NULL;
}

/* --- the verbs; the delivery is at hand, and nothing runs --- */

/* What is known against the servers of a domain is forgotten. */
static void give_chance(struct domain *domain, uint32_t number)
{
	struct destination *d = domain->destination;

	if (!d || d->chance == number)
		return;
	d->chance = number;
	for (size_t i = 0; i < d->target_count; i++)
		reach_works(&d->queue->reach, &d->targets[i].address);
	if (d->blocked.armed)
		uring_timer_set(d->queue->config.env->ring, &d->blocked, 0);
}

static void due_now(struct delivery *d)
{
	d->due = queue_wall(d->domain->queue);
	domain_push(d);
}

static void hold(struct delivery *d, const struct queue_action *action)
{
	char why[64];

	snprintf(why, sizeof(why), "held by %s", action->by);
	record(d, SPOOL_DEFERRED, SPOOL_HELD, why);
	d->due = SPOOL_HELD;
	delivery_place(d, DELIVERY_HELD);
}

static void release(struct delivery *d, const struct queue_action *action)
{
	char why[64];

	snprintf(why, sizeof(why), "released by %s", action->by);
	record(d, SPOOL_DEFERRED, queue_wall(d->domain->queue), why);
	due_now(d);
}

static void drop(struct delivery *d, const struct queue_action *action)
{
	char why[64];

	snprintf(why, sizeof(why), "deleted by %s", action->by);
	record(d, SPOOL_BOUNCED, 0, why);
	queue_drop(d);
}

/* As if a server had refused it for good. */
static enum queue_acted bounce(struct delivery *d,
			       const struct queue_action *action)
{
	char text[256];
	struct outbound_answer answer = {.code = 550,
					 .enhanced = "5.7.0",
					 .text = text,
					 .where = "queue"};

	snprintf(text, sizeof(text), "returned by the postmaster%s%.200s",
		 action->reason ? ": " : "",
		 action->reason ? action->reason : "");
	if (delivery_begin(d) < 0) {
		due_now(d);
		return QUEUE_FAILED;
	}
	for (size_t i = 0; i < d->recipient_count; i++)
		queue_answered(d, i, &answer, NULL);
	queue_finished(d);
	return QUEUE_CHANGED;
}

static enum queue_acted move(struct delivery *d,
			     const struct queue_action *action, bool held)
{
	enum queue_acted r =
		domain_move(d, action->to) ? QUEUE_CHANGED : QUEUE_FAILED;

	if (held)
		delivery_place(d, DELIVERY_HELD);
	else
		due_now(d);
	return r;
}

static void log_act(const struct delivery *d, const struct queue_action *action)
{
	static const char *const events[] = {
		[QUEUE_RETRY] = "queue.retry",
		[QUEUE_HOLD] = "queue.held",
		[QUEUE_RELEASE] = "queue.released",
		[QUEUE_BOUNCE] = "queue.returned",
		[QUEUE_DELETE] = "queue.deleted",
		[QUEUE_MOVE] = "queue.moved",
	};
	struct spool_glance glance;
	bool known = spool_glance(d->message, &glance) == 0;

	/* A retry changes nothing that anybody would look for later. */
	if (action->verb == QUEUE_RETRY)
		return;
	log_info(events[action->verb], L_ID(spool_message_id(d->message)),
		 L_STR("from", known ? glance.sender : NULL),
		 L_UINT("recipients", d->recipient_count),
		 L_STR("to", action->to ? action->to->text : NULL),
		 L_STR("by", action->by));
}

static enum queue_acted act_on(struct queue *queue, struct delivery *d,
			       const struct queue_action *action, bool held)
{
	log_act(d, action);
	switch (action->verb) {
	case QUEUE_RETRY:
		give_chance(d->domain, action->number);
		due_now(d);
		return QUEUE_CHANGED;
	case QUEUE_HOLD:
		hold(d, action);
		return QUEUE_CHANGED;
	case QUEUE_RELEASE:
		release(d, action);
		return QUEUE_CHANGED;
	case QUEUE_BOUNCE:
		return bounce(d, action);
	case QUEUE_DELETE:
		drop(d, action);
		return QUEUE_CHANGED;
	case QUEUE_MOVE:
		return move(d, action, held);
	}
	return QUEUE_FAILED;
}

/* Is there nothing to do? */
static bool is_so(const struct delivery *d, const struct queue_action *action)
{
	bool held = d->place == DELIVERY_HELD;

	switch (action->verb) {
	case QUEUE_RETRY:
		return held; /* to be released */
	case QUEUE_HOLD:
		return held;
	case QUEUE_RELEASE:
		return !held;
	case QUEUE_BOUNCE:
	case QUEUE_DELETE:
	case QUEUE_MOVE:
		break;
	}
	return false;
}

enum queue_acted queue_act(struct queue *queue, const struct queue_entry *entry,
			   const struct queue_action *action)
{
	struct delivery *d = entry->delivery, *part;
	bool held = d->place == DELIVERY_HELD;

	if (queue->stopping)
		return QUEUE_FAILED;
	if (is_so(d, action))
		return QUEUE_UNWANTED;
	if (d->place == DELIVERY_AT_HAND)
		return QUEUE_BUSY;
	part = fitting_part(d, action->filter);
	if (!part)
		return QUEUE_FAILED;
	/* A part of its own is in no list yet. */
	if (part == d && !take_away(queue, d))
		return QUEUE_BUSY;
	return act_on(queue, part, action, held);
}

uint32_t queue_act_number(struct queue *queue)
{
	return ++queue->walk_number;
}

void queue_acted(struct queue *queue)
{
	domains_pump(queue);
}

bool queue_act_behind(const struct queue *queue, const struct spool *spool)
{
	return queue->bouncing >= BOUNCING_MAX ||
	       (spool && spool_sync_pending(spool) >= RECORDS_MAX);
}

bool queue_act_storing(const struct queue *queue)
{
	return queue->bouncing > 0;
}

enum queue_acted queue_suspend(struct queue *queue,
			       const struct queue_domain *domain,
			       const char *name, bool on)
{
	struct destination *d = domain->handle->destination;
	uint64_t now = uring_now(queue->config.env->ring);
	bool is;

	if (!d || (strcasecmp(name, domain->domain) != 0 &&
		   !queue_filter_destination(name, d->text)))
		return QUEUE_UNWANTED;
	is = throttle_suspended(d->claim.throttle, now) > 0;
	throttle_suspend(d->claim.throttle, on ? now + SUSPENDED_TIME : 0);
	return is == on ? QUEUE_UNWANTED : QUEUE_CHANGED;
}
