/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a queue, a little at a time (queue_look.h). */
#include "gateway/queue/queue_look.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/queue/queue_private.h"
#include "uring/uring.h"

/* --- what is shown --- */

static enum queue_state state_of(const struct delivery *d)
{
	switch ((enum delivery_place)d->place) {
	case DELIVERY_WAITING:
	case DELIVERY_READY:
		return QUEUE_READY;
	case DELIVERY_DEFERRED:
		return QUEUE_DEFERRED;
	case DELIVERY_HELD:
		return QUEUE_HELD;
	case DELIVERY_AT_HAND:
	case DELIVERY_PLACES:
		break;
	}
	return QUEUE_ACTIVE;
}

static void count_states(const struct domain *d, size_t out[QUEUE_STATES])
{
	out[QUEUE_READY] =
		d->places[DELIVERY_WAITING] + d->places[DELIVERY_READY];
	out[QUEUE_ACTIVE] = d->places[DELIVERY_AT_HAND];
	out[QUEUE_DEFERRED] = d->places[DELIVERY_DEFERRED];
	out[QUEUE_HELD] = d->places[DELIVERY_HELD];
}

static const char *destination_of(const struct domain *domain)
{
	if (domain->destination)
		return domain->destination->text;
	return domain->hop ? domain->hop->text : NULL;
}

static struct queue_entry entry_of(struct delivery *d)
{
	const struct domain *domain = d->domain;
	struct queue_entry e = {
		.delivery = d,
		.spool = spool_message_spool(d->message),
		.message = d->message,
		.id = delivery_id(d),
		.arrival = d->arrival,
		.state = state_of(d),
		.attempts = d->attempts,
		.domain = domain->hop ? "" : domain->name,
		.destination = destination_of(domain),
		.recipients = d->recipients,
		.recipient_count = d->recipient_count,
	};

	if (e.state == QUEUE_DEFERRED)
		e.due = d->due;
	e.reply = replies_get(&domain->queue->replies, d->reply, &e.code);
	return e;
}

/* --- what fits --- */

static bool cheap_fits(const struct queue_filter *f,
		       const struct queue_entry *e)
{
	if (f->states && !(f->states & 1u << e->state))
		return false;
	if ((f->before && e->arrival >= f->before) ||
	    (f->since && e->arrival < f->since))
		return false;
	if (f->destination &&
	    (!e->destination ||
	     !queue_filter_destination(f->destination, e->destination)))
		return false;
	if (f->domain && e->domain[0] && strcasecmp(f->domain, e->domain) != 0)
		return false;
	return queue_filter_reply(f, e->code, e->reply);
}

/* One of the open recipients must fit; both lists are ascending. */
static bool any_recipient_fits(const struct queue_filter *f,
			       const struct queue_entry *e,
			       const struct spool_glance *glance)
{
	const char *recipient = glance->first;
	uint32_t at = 0;

	for (size_t i = 0; i < e->recipient_count; i++) {
		if (e->recipients[i] >= glance->recipient_count)
			return false;
		for (; at < e->recipients[i]; at++)
			recipient = spool_glance_next(recipient);
		if (queue_filter_recipient(f, recipient))
			return true;
	}
	return false;
}

static bool envelope_fits(const struct queue_filter *f,
			  const struct queue_entry *e)
{
	struct spool_glance glance;

	return spool_glance(e->message, &glance) == 0 &&
	       queue_filter_sender(f, glance.sender) &&
	       any_recipient_fits(f, e, &glance);
}

static bool fits(struct queue_look *look, const struct queue_entry *e)
{
	const struct queue_filter *f = look->filter;

	look->budget--;
	if (f->domain && !e->delivery->domain->stale &&
	    e->delivery->domain->route != look->route)
		return false;
	if (!cheap_fits(f, e))
		return false;
	/* A domain's own mail needs no envelope to tell its domain. */
	if (!f->sender && !f->recipient && (!f->domain || e->domain[0]))
		return true;
	look->budget -= QUEUE_LOOK_ENVELOPE;
	return envelope_fits(f, e);
}

/* --- which domains to walk through --- */

/* Domains that may be asked, at some 20 ns each. */
#define LOOKED_MAX 20000

static bool has_state(const struct domain *d, unsigned states)
{
	size_t count[QUEUE_STATES];

	count_states(d, count);
	for (unsigned s = 0; s < QUEUE_STATES; s++)
		if ((states & 1u << s) && count[s] > 0)
			return true;
	return false;
}

static bool may_have(const struct queue_look *look, const struct domain *d)
{
	const struct queue_filter *f = look->filter;
	const char *destination = destination_of(d);

	if (f->destination &&
	    (!destination ||
	     !queue_filter_destination(f->destination, destination)))
		return false;
	if (f->states && !has_state(d, f->states))
		return false;
	if (!f->domain)
		return true;
	return d->stale || (d->route == look->route &&
			    (d->hop || strcasecmp(f->domain, d->name) == 0));
}

static void forget_tracks(struct queue_look *look)
{
	while (look->track_count > 0) {
		struct domain *d = look->tracks[--look->track_count].domain;

		if (d)
			domain_put(d);
	}
}

static void add_track(struct queue_look *look, const struct order *order,
		      struct domain *domain)
{
	look->tracks[look->track_count++] = (struct queue_look_track){
		.order = order,
		.domain = domain ? domain_ref(domain) : NULL,
		.changes = order->changes - 1, /* head is not known */
	};
}

/* The mail of one domain: its own, or its route's. */
static void choose_one_domain(struct queue_look *look)
{
	const struct queue_filter *f = look->filter;
	const struct config_route *route = look->route;
	char name[1024];
	struct domain *found[3] = {0};
	size_t len = strlen(f->domain);

	if (!route || len >= sizeof(name))
		return;
	for (size_t i = 0; i <= len; i++)
		name[i] = (char)((unsigned char)f->domain[i] < 0x80
					 ? tolower((unsigned char)f->domain[i])
					 : f->domain[i]);
	found[0] = domain_find(look->queue, route, false, name);
	found[1] = domain_find(look->queue, route, false, "");
	found[2] = domain_find(look->queue, route, true, "");
	for (int i = 0; i < 3; i++)
		if (found[i] && found[i]->mail.total > 0 &&
		    may_have(look, found[i]))
			add_track(look, &found[i]->mail, found[i]);
}

/* A few domains that hold little of the mail are walked through side by side.
 * False: all mail must be. */
static bool choose_domains(struct queue_look *look)
{
	struct queue *queue = look->queue;
	size_t total = 0;
	unsigned looked = 0;

	if (look->filter->domain && queue->moved == 0) {
		choose_one_domain(look);
		return true;
	}
	if (!look->filter->domain && !look->filter->destination &&
	    !look->filter->states)
		return false;
	for (struct domain *d = queue->busy.first; d; d = d->behind) {
		/* This is one turn's work. */
		if (++looked > LOOKED_MAX) {
			forget_tracks(look);
			return false;
		}
		if (d->mail.total == 0 || !may_have(look, d))
			continue;
		total += d->mail.total;
		if (look->track_count == QUEUE_LOOK_DOMAINS ||
		    total > queue->mail.total / 2) {
			forget_tracks(look);
			return false;
		}
		add_track(look, &d->mail, d);
	}
	return true;
}

void queue_look_begin(struct queue_look *look, struct queue *queue,
		      const struct queue_filter *filter, uint64_t after)
{
	*look = (struct queue_look){
		.queue = queue,
		.filter = filter,
		.next = after + 1,
	};
	const struct delivery *last = order_last(&queue->mail);

	/* All mail of a domain takes one route. */
	if (filter->domain)
		look->route =
			config_route_for(queue->config.config, filter->domain);

	look->until = last ? delivery_id(last) : 0;
	if (!choose_domains(look))
		add_track(look, &queue->mail, NULL);
}

void queue_look_end(struct queue_look *look)
{
	forget_tracks(look);
	free(look->group);
	look->group = NULL;
	look->done = true;
}

/* --- walking --- */

/* The first of the track that was not shown yet, or NULL. */
static struct delivery *head_of(struct queue_look *look,
				struct queue_look_track *t)
{
	if (t->changes != t->order->changes) {
		t->head = order_from(t->order, look->next, &t->at);
		t->changes = t->order->changes;
	}
	return t->head;
}

/* Without memory for all of them the rest of a message is passed over. */
static bool add_to_group(struct queue_look *look, size_t count,
			 struct delivery *d)
{
	if (count == look->group_room) {
		size_t room = count ? count * 2 : 64;
		struct delivery **more = reallocarray(
			look->group, room, sizeof(struct delivery *));

		if (!more)
			return false;
		look->group = more;
		look->group_room = room;
	}
	look->group[count] = d;
	return true;
}

/* The lowest id on all tracks; UINT64_MAX: there is nothing more. */
static uint64_t lowest(struct queue_look *look)
{
	uint64_t id = UINT64_MAX;

	for (unsigned i = 0; i < look->track_count; i++) {
		const struct delivery *d = head_of(look, &look->tracks[i]);

		if (d && delivery_id(d) < id)
			id = delivery_id(d);
	}
	return id;
}

/* The deliveries of message @id, and the tracks beyond them. */
static size_t gather(struct queue_look *look, uint64_t id)
{
	size_t count = 0;

	for (unsigned i = 0; i < look->track_count; i++) {
		struct queue_look_track *t = &look->tracks[i];

		while (t->head && delivery_id(t->head) == id) {
			count += add_to_group(look, count, t->head);
			t->head = order_next(t->order, &t->at);
		}
	}
	look->next = id + 1;
	return count;
}

/* Call @fn for the deliveries of one message. False: it wants no more. */
static bool show_message(struct queue_look *look, size_t count,
			 queue_entry_fn fn, void *arg)
{
	bool more = true;

	for (size_t i = 0; i < count; i++) {
		struct queue_entry e = entry_of(look->group[i]);

		if (fits(look, &e))
			more &= fn(arg, &e);
	}
	return more;
}

/* The next message to look at; UINT64_MAX: none is left. */
static uint64_t next_message(struct queue_look *look)
{
	const struct queue_filter *f = look->filter;

	while (look->next_id < f->id_count) {
		uint64_t id = f->ids[look->next_id++];

		if (id < look->next)
			continue;
		look->next = id;
		for (unsigned i = 0; i < look->track_count; i++)
			look->tracks[i].changes =
				look->tracks[i].order->changes - 1;
		look->budget--;
		if (lowest(look) == id)
			return id;
	}
	return f->id_count ? UINT64_MAX : lowest(look);
}

bool queue_look_on(struct queue_look *look, int budget, queue_entry_fn fn,
		   void *arg)
{
	const struct queue_filter *filter = look->filter;
	bool more = true;

	/* The configuration may have changed since the last look. */
	if (filter->domain)
		look->route = config_route_for(look->queue->config.config,
					       filter->domain);
	look->budget = budget;
	while (more && !look->done && look->budget > 0) {
		uint64_t id = next_message(look);

		if (id > look->until)
			look->done = true;
		else
			more = show_message(look, gather(look, id), fn, arg);
	}
	return !look->done;
}

/* --- domains --- */

struct queue_domains {
	struct domain_walk walk;
	struct queue *queue;
	uint32_t number; /* of this walk, to know what was shown */
};

struct queue_domains *queue_domains_begin(struct queue *queue)
{
	struct queue_domains *walk = calloc(1, sizeof(*walk));

	if (!walk)
		return NULL;
	walk->queue = queue;
	walk->number = ++queue->walk_number;
	domain_walk_begin(queue, &walk->walk);
	return walk;
}

static void add_destination(const struct queue_domains *walk,
			    struct destination *d, struct queue_domain *out)
{
	uint64_t now = uring_now(walk->queue->config.env->ring);

	if (!d || d->shown == walk->number)
		return;
	d->shown = walk->number;
	out->sessions = d->session_count;
	out->limit = throttle_limit(d->claim.throttle);
	out->suspended = throttle_suspended(d->claim.throttle, now) > 0;
	out->unreachable = d->blocked.armed;
}

static void show_domain(const struct queue_domains *walk, struct domain *d,
			queue_domain_fn fn, void *arg)
{
	const struct delivery *oldest;
	struct order_at at;
	struct queue_domain out = {
		.handle = d,
		.domain = d->hop ? "" : d->name,
		.route = d->route->match,
		.destination = destination_of(d),
		.fallback = d->fallback,
		.reply_at = d->reply_at,
	};

	count_states(d, out.count);
	oldest = order_from(&d->mail, 0, &at);
	if (oldest)
		out.oldest = oldest->arrival;
	out.reply = replies_get(&walk->queue->replies, d->reply, &out.code);
	add_destination(walk, d->destination, &out);
	fn(arg, &out);
}

bool queue_domains_on(struct queue_domains *walk, int budget,
		      queue_domain_fn fn, void *arg)
{
	while (budget-- > 0) {
		struct domain *d = domain_walk_next(&walk->walk);

		if (!d)
			return false;
		/* One that was idle meanwhile stands behind us again. */
		if (d->shown == walk->number || d->mail.total == 0)
			continue;
		d->shown = walk->number;
		show_domain(walk, d, fn, arg);
	}
	return true;
}

void queue_domains_end(struct queue_domains **pointer)
{
	struct queue_domains *walk = *pointer;

	if (!walk)
		return;
	domain_walk_end(walk->queue, &walk->walk);
	free(walk);
	*pointer = NULL;
}
