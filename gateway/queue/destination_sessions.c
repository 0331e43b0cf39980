/* SPDX-License-Identifier: Apache-2.0 */
/* A destination's sessions: opening them, giving them mail, their ends. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "gateway/queue/queue_private.h"
#include "gateway/queue/retry.h"
#include "uring/uring.h"

/* A session that had that much is asked first when somebody else has none. */
#define TURN_TIME     (5 * URING_SEC)
#define TURN_MESSAGES 100
/* How long one that changes TLS keys is kept out of a kernel that can't follow:
 * it will go on doing so, and each time may cost a duplicate. */
#define REKEYS_MEMORY (24 * 3600 * URING_SEC)

static struct uring *ring_of(const struct destination *d)
{
	return d->queue->config.env->ring;
}

static uint64_t now_of(const struct destination *d)
{
	return uring_now(ring_of(d));
}

static struct destination_session *find(struct destination *d,
					const struct outbound_session *session)
{
	for (unsigned i = 0; i < d->session_count; i++)
		if (d->sessions[i].session == session)
			return &d->sessions[i];
	assert(!"a session of another destination");
	return NULL;
}

/* The only writer of place->use, but for its beginning. */
static void set_use(struct destination *d, struct destination_session *place,
		    enum destination_use use)
{
	d->opening -= place->use == DESTINATION_OPENING;
	d->opening += use == DESTINATION_OPENING;
	if (place->use == DESTINATION_IDLE && use != DESTINATION_IDLE)
		throttle_idle(&d->claim, -1);
	if (place->use != DESTINATION_IDLE && use == DESTINATION_IDLE)
		throttle_idle(&d->claim, 1);
	place->use = use;
}

static struct destination_session *any_idle(struct destination *d)
{
	if (d->claim.idle == 0)
		return NULL;
	for (unsigned i = 0; i < d->session_count; i++)
		if (d->sessions[i].use == DESTINATION_IDLE)
			return &d->sessions[i];
	return NULL;
}

/* --- when --- */

/* Mail that may not be sent is looked at that often: its time may be over. */
#define EXPIRE_TIME (600 * URING_SEC)

/* Look again at @at. */
static void pace(struct destination *d, uint64_t at)
{
	if (at > now_of(d) + EXPIRE_TIME)
		at = now_of(d) + EXPIRE_TIME;
	if (d->paced.armed && d->paced_until <= at)
		return;
	d->paced_until = at;
	uring_timer_set(ring_of(d), &d->paced, at - now_of(d));
}

/* Is there mail that may be sent now? If it may be later, the timer is set. */
static bool sendable(struct destination *d)
{
	uint64_t now = now_of(d), at;

	if (d->ready_count == 0 || d->queue->stopping)
		return false;
	at = throttle_suspended(d->claim.throttle, now);
	if (at == 0)
		at = throttle_message_at(&d->claim, now);
	if (at <= now)
		return true;
	pace(d, at);
	return false;
}

/* --- which address --- */

/* The best that is not known to be out of reach, any of equals. NULL: none,
 * and the first may be tried again at *until. */
static const struct destination_target *choose(struct destination *d,
					       uint64_t *until)
{
	const struct destination_target *best = NULL;
	uint64_t now = uring_now(ring_of(d)), equals = 0;

	*until = UINT64_MAX;
	for (size_t i = 0; i < d->target_count; i++) {
		const struct destination_target *t = &d->targets[i];
		uint64_t not_before =
			reach_until(&d->queue->reach, &t->address);

		if (best && t->preference > best->preference)
			break;
		if (not_before > now) {
			if (not_before < *until)
				*until = not_before;
			continue;
		}
		if (queue_random(d->queue, ++equals) == 0)
			best = t;
	}
	return best;
}

static bool any_target(struct destination *d)
{
	uint64_t until;

	return choose(d, &until) != NULL;
}

/* No address can be tried: wait for the first that may be again. */
static void block(struct destination *d)
{
	uint64_t until, now = uring_now(ring_of(d));

	if (d->queue->stopping || choose(d, &until))
		return;
	uring_timer_set(ring_of(d), &d->blocked, until - now);
}

/* --- opening --- */

static bool make_room(struct destination *d)
{
	unsigned room = d->session_room ? d->session_room * 2 : 4;
	struct destination_session *more;

	if (d->session_count < d->session_room)
		return true;
	more = reallocarray(d->sessions, room, sizeof(*more));
	if (!more)
		return false;
	d->sessions = more;
	d->session_room = room;
	return true;
}

static struct outbound_session *open_to(struct destination *d,
					const struct destination_target *t,
					int *error)
{
	uint64_t now = uring_now(ring_of(d));
	struct outbound_target target = {
		.hop = d->hop,
		.address = &t->address.any,
		.length = dns_address_len(&t->address),
		.host = t->host,
		.terms = &d->terms,
		.plain = reach_plain(&d->queue->reach, &t->address, now),
		.rekeys = reach_rekeys(&d->queue->reach, &t->address, now),
		.expected = destination_expected(d),
	};
	struct outbound_session *s;

	*error = ENOMEM;
	if (!make_room(d))
		return NULL;
	s = outbound_open(d->queue->outbound, &target, d, error);
	if (!s)
		return NULL;
	reach_probe(&d->queue->reach, &t->address, now);
	d->opening++;
	d->sessions[d->session_count++] = (struct destination_session){
		.session = s,
		.use = DESTINATION_OPENING,
		.opened = now,
		.address = t->address,
	};
	return s;
}

static void unreachable(struct destination *d,
			const struct outbound_answer *answer);

/* Nothing that the server has done: no memory, no descriptor, no such source
 * address. */
static void open_failed(struct destination *d, const char *host, int error)
{
	char text[128];
	struct outbound_answer answer = {.code = 451,
					 .enhanced = "4.4.1",
					 .text = text,
					 .where = "connect"};

	snprintf(text, sizeof(text), "no connection to %.60s can be made: %s",
		 host, strerror(error));
	unreachable(d, &answer);
	uring_timer_set(
		ring_of(d), &d->blocked,
		retry_delay(&d->queue->config.config->retry, d->failures));
}

/* May one be opened now? If it may be later, we will be told. */
static bool may_open(struct destination *d)
{
	uint64_t now = now_of(d), at = throttle_connection_at(&d->claim, now);

	if (at > now) {
		pace(d, at);
		return false;
	}
	d->in_line = !throttle_open(&d->claim);
	return !d->in_line;
}

static bool open_one(struct destination *d)
{
	uint64_t until;
	const struct destination_target *target = choose(d, &until);
	int error = 0;

	if (!target) {
		block(d);
		return false;
	}
	if (!may_open(d))
		return false;
	if (open_to(d, target, &error)) {
		throttle_connection_used(&d->claim);
		return true;
	}
	throttle_close(&d->claim, false);
	open_failed(d, target->host, error);
	return false;
}

/* A further session is worth it when more is ready than is on its way. */
static bool wants_session(struct destination *d)
{
	if (d->blocked.armed || d->opening >= d->ready_count || !sendable(d))
		return false;
	return d->failures == 0 || d->opening == 0;
}

/* Out of the line when another connection is of no use any more: else somebody
 * gives one up for nothing. */
static void leave_line(struct destination *d)
{
	if (!d->in_line || wants_session(d))
		return;
	d->in_line = false;
	throttle_settle(&d->claim, false);
}

static void expire(struct destination *d, const struct outbound_answer *answer);

/* What waits for a suspension's end or for its place in a rate does not wait
 * for ever. */
static void expire_paced(struct destination *d)
{
	static const struct outbound_answer over = {
		.code = 451,
		.enhanced = "4.4.7",
		.text = "the destination was suspended, or takes less mail in "
			"a time than there is",
		.where = "queue",
	};

	if (d->paced.armed && !d->queue->stopping)
		expire(d, &over);
}

void destination_pump(struct destination *d)
{
	struct destination_session *idle;

	destination_ref(d);
	while ((idle = any_idle(d)) && sendable(d)) {
		struct outbound_session *session = idle->session;

		set_use(d, idle, DESTINATION_BUSY);
		outbound_wake(session);
		idle = any_idle(d);
		if (idle && idle->session == session)
			break; /* it can't: no memory */
	}
	/* Whoever is in line will be told. */
	while (!d->in_line && wants_session(d))
		if (!open_one(d))
			break;
	leave_line(d);
	expire_paced(d);
	destination_put(d);
}

/* --- for others --- */

static bool turn_over(struct destination *d,
		      const struct destination_session *place)
{
	return now_of(d) - place->opened >= TURN_TIME ||
	       outbound_messages(place->session) >= TURN_MESSAGES;
}

/* True: the session ends, when it is waked or asks for more. */
static bool yields(struct destination *d, struct destination_session *place)
{
	bool idle = place->use == DESTINATION_IDLE;

	if (place->yielding ||
	    !throttle_yields(&d->claim, turn_over(d, place), idle))
		return false;
	place->yielding = true;
	set_use(d, place, DESTINATION_BUSY);
	outbound_retire(place->session);
	return true;
}

void destination_attend(struct destination *d)
{
	struct destination_session *idle;

	destination_ref(d);
	while ((idle = any_idle(d)) && yields(d, idle))
		outbound_wake(idle->session);
	d->in_line = false;
	destination_pump(d);
	/* What was given and not used is for others. */
	d->in_line = wants_session(d) && d->in_line;
	throttle_settle(&d->claim, d->in_line);
	destination_put(d);
}

/* --- what sessions say --- */

static void damaged(struct delivery *delivery)
{
	delivery->domain->queue->stats.damaged++;
	log_error("queue.damaged", L_ID(spool_message_id(delivery->message)),
		  L_STR("error", "the spool's checksum does not match; the "
				 "message stays in the log and is not "
				 "delivered"));
	queue_drop(delivery);
}

/* No more recipients than the destination takes in one transaction: the others
 * are next. Without memory for that they go along. */
static void cut(struct destination *d, struct delivery *delivery)
{
	struct delivery *rest;

	if (delivery->recipient_count <= d->rule->recipients)
		return;
	rest = queue_split(delivery, d->rule->recipients);
	if (!rest)
		return;
	rest->destination = destination_ref(d);
	destination_push_front(d, rest);
}

/* The next delivery whose message can be read. NULL: none now. */
static struct delivery *begin_next(struct destination *d)
{
	struct delivery *delivery;

	while (sendable(d) && (delivery = destination_pop(d))) {
		int r;

		cut(d, delivery);
		r = delivery_begin(delivery);
		if (r == 0)
			return delivery;
		if (r != -EBADMSG) { /* no memory now: keep it */
			destination_push_front(d, delivery);
			break;
		}
		damaged(delivery);
	}
	return NULL;
}

static struct outbound_delivery *on_next(void *owner,
					 struct outbound_session *session)
{
	struct destination *d = owner;
	struct destination_session *place = find(d, session);
	struct delivery *delivery;

	set_use(d, place, DESTINATION_BUSY);
	if (d->retired) {
		outbound_retire(session);
		return NULL;
	}
	if (yields(d, place))
		return NULL;
	delivery = begin_next(d);
	if (!delivery) {
		leave_line(d);
		set_use(d, place, DESTINATION_IDLE);
		(void)yields(d, place);
		return NULL;
	}
	throttle_message_used(&d->claim);
	destination_carry(d, place, delivery);
	delivery->run->began = now_of(d);
	snprintf(delivery->run->remote, sizeof(delivery->run->remote), "%s",
		 outbound_host(session));
	return &delivery->run->outbound;
}

static struct delivery *delivery_of(struct outbound_delivery *outbound)
{
	return ((struct delivery_run *)(void *)outbound)->delivery;
}

static void on_answered(void *owner, struct outbound_delivery *delivery,
			size_t index, const struct outbound_answer *answer)
{
	struct destination *d = owner;
	const struct config_backoff *rule = NULL;

	if (answer->code < 400)
		destination_delivered(d);
	else if (answer->said)
		rule = destination_refused(d, answer);
	queue_answered(delivery_of(delivery), index, answer, rule);
}

static void on_finished(void *owner, struct outbound_delivery *delivery)
{
	queue_finished(delivery_of(delivery));
}

/* It takes mail: whatever was held against this address is over. */
static void works(struct destination *d, const struct dns_address *address)
{
	reach_works(&d->queue->reach, address);
	if (d->failures > 0)
		log_info("queue.reachable", L_STR("next_hop", d->text));
	d->failures = 0;
	uring_timer_clear(ring_of(d), &d->blocked);
}

static void on_ready(void *owner, struct outbound_session *session)
{
	struct destination *d = owner;

	works(d, &find(d, session)->address);
	throttle_reached(d->claim.throttle);
	/* The probe got through: others may be opened beside it. It counts as
	 * on its way until it asks for its first delivery, right after this. */
	destination_pump(d);
}

/* The oldest are in front: those that are too old go now. */
static void expire(struct destination *d, const struct outbound_answer *answer)
{
	const struct config_retry *retry = &d->queue->config.config->retry;
	uint64_t now = queue_wall(d->queue);
	struct delivery *delivery;

	for (int tried = 0; tried < 2; tried++)
		while ((delivery = d->ready[tried].first) &&
		       retry_expired(retry, delivery->arrival, now)) {
			destination_remove(d, delivery);
			queue_unreachable(delivery, answer);
		}
}

/* The route has another way for what can't be delivered here. */
static void fall_back(struct destination *d)
{
	struct delivery *delivery;

	if (d->ready_count == 0 || d->failures < d->route->fallback_after)
		return;
	while ((delivery = destination_pop(d))) {
		if (!domain_fall_back(delivery)) {
			destination_push_front(d, delivery);
			break;
		}
		delivery->destination = NULL;
		destination_put(d);
		domain_push(delivery);
	}
	domains_pump(d->queue);
}

/* None of its hosts takes mail now. */
static void unreachable(struct destination *d,
			const struct outbound_answer *answer)
{
	struct delivery *first = destination_pop(d);
	uint64_t until, now = uring_now(ring_of(d));

	d->failures++;
	(void)choose(d, &until);
	log_warning("queue.unreachable", L_STR("next_hop", d->text),
		    L_STR("error", answer->text), L_STR("at", answer->where),
		    L_UINT("failures", d->failures),
		    L_SECONDS("retry_in", until > now && until != UINT64_MAX
						  ? until - now
						  : 0));
	if (first)
		queue_unreachable(first, answer);
	expire(d, answer);
	fall_back(d);
}

/* No mail could be given to a session. While another host may do, or another
 * session still goes on, nothing is deferred for that. */
static void failed(struct destination *d,
		   const struct destination_session *ended,
		   const struct outbound_answer *failure)
{
	reach_failed(&d->queue->reach, &ended->address, ended->opened,
		     uring_now(ring_of(d)));
	if (any_target(d) || d->session_count > 0)
		return;
	unreachable(d, failure);
	block(d);
}

/* True: the next session to it will do better. */
static bool remember(struct destination *d,
		     const struct outbound_session *session,
		     const struct dns_address *address)
{
	struct reach *reach = &d->queue->reach;
	uint64_t now = uring_now(ring_of(d));

	if (outbound_rekeys(session))
		return reach_set_rekeys(reach, address, now + REKEYS_MEMORY);
	if (outbound_retry_plain(session))
		return reach_set_plain(reach, address,
				       now + d->rule->remember_broken_tls);
	return false;
}

static void on_ended(void *owner, struct outbound_session *session,
		     const struct outbound_answer *failure)
{
	struct destination *d = owner;
	struct destination_session *place = find(d, session), ended = *place;
	bool better = remember(d, session, &ended.address);

	destination_ref(d);
	set_use(d, place, DESTINATION_BUSY);
	*place = d->sessions[--d->session_count];
	throttle_close(&d->claim, ended.yielding);
	destination_carried(d, &ended);
	if (failure && !d->queue->stopping) {
		if (!outbound_rekeys(session))
			destination_session_failed(d, failure);
		if (!better)
			failed(d, &ended, failure);
	} else if (ended.use != DESTINATION_OPENING) {
		works(d, &ended.address);
	}
	destination_pump(d);
	destination_put(d);
}

/* --- the configuration changes --- */

static void retire(struct table_node *node, void *arg)
{
	struct destination *d = (struct destination *)node;
	struct destination_session *idle;
	struct delivery *delivery;

	if (d->retired)
		return;
	destination_ref(d);
	d->retired = true;
	d->queue->retired++;
	while ((delivery = destination_pop(d))) {
		delivery->destination = NULL;
		destination_put(d);
		domain_push(delivery);
	}
	leave_line(d);
	while ((idle = any_idle(d))) {
		struct outbound_session *session = idle->session;

		set_use(d, idle, DESTINATION_BUSY);
		outbound_retire(session);
		outbound_wake(session);
	}
	destination_put(d);
}

void destinations_retire(struct queue *queue)
{
	table_walk(&queue->destinations, retire, NULL);
}

const struct outbound_ops destination_ops = {
	.next = on_next,
	.answered = on_answered,
	.finished = on_finished,
	.ready = on_ready,
	.ended = on_ended,
};
