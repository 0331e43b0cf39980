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

/* How long a server whose TLS is broken is spoken to in clear (`may`). */
#define PLAIN_MEMORY (600 * URING_SEC)

static struct uring *ring_of(const struct destination *d)
{
	return d->queue->config.env->ring;
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

static unsigned count(const struct destination *d, enum destination_use use)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->session_count; i++)
		n += d->sessions[i].use == use;
	return n;
}

static struct outbound_session *any_idle(struct destination *d)
{
	for (unsigned i = 0; i < d->session_count; i++) {
		if (d->sessions[i].use != DESTINATION_IDLE)
			continue;
		d->sessions[i].use = DESTINATION_BUSY;
		return d->sessions[i].session;
	}
	return NULL;
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
		.plain = reach_plain(&d->queue->reach, &t->address, now),
	};
	struct outbound_session *s;

	*error = ENOMEM;
	if (!make_room(d))
		return NULL;
	s = outbound_open(d->queue->outbound, &target, d, error);
	if (!s)
		return NULL;
	reach_probe(&d->queue->reach, &t->address, now);
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

static bool open_one(struct destination *d)
{
	uint64_t until;
	const struct destination_target *target = choose(d, &until);
	int error = 0;
	char text[128];
	struct outbound_answer answer = {.code = 451,
					 .enhanced = "4.4.1",
					 .text = text,
					 .where = "connect"};

	if (!target) {
		block(d);
		return false;
	}
	if (open_to(d, target, &error))
		return true;
	/* Nothing that the server has done: no memory, no descriptor. */
	snprintf(text, sizeof(text), "no connection to %.60s can be made: %s",
		 target->host, strerror(error));
	unreachable(d, &answer);
	uring_timer_set(
		ring_of(d), &d->blocked,
		retry_delay(&d->queue->config.config->retry, d->failures));
	return false;
}

/* A further session is worth it when more is ready than is on its way. */
static bool wants_session(const struct destination *d)
{
	unsigned opening = count(d, DESTINATION_OPENING);

	if (d->queue->stopping || d->blocked.armed)
		return false;
	if (d->session_count >= d->limit || opening >= d->ready.count)
		return false;
	return d->failures == 0 || opening == 0;
}

void destination_pump(struct destination *d)
{
	struct outbound_session *idle;

	destination_ref(d);
	while (d->ready.first && !d->queue->stopping && (idle = any_idle(d)))
		outbound_wake(idle);
	while (wants_session(d))
		if (!open_one(d))
			break;
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

static struct outbound_delivery *on_next(void *owner,
					 struct outbound_session *session)
{
	struct destination *d = owner;
	struct delivery *delivery;

	while (!d->queue->stopping && (delivery = destination_pop(d))) {
		int r = delivery_begin(delivery);

		if (r == 0) {
			find(d, session)->use = DESTINATION_BUSY;
			snprintf(delivery->run->remote,
				 sizeof(delivery->run->remote), "%s",
				 outbound_host(session));
			return &delivery->run->outbound;
		}
		if (r != -EBADMSG) { /* no memory now: keep it */
			destination_push_front(d, delivery);
			break;
		}
		damaged(delivery);
	}
	find(d, session)->use = DESTINATION_IDLE;
	return NULL;
}

static struct delivery *delivery_of(struct outbound_delivery *outbound)
{
	return ((struct delivery_run *)(void *)outbound)->delivery;
}

static void on_answered(void *owner, struct outbound_delivery *delivery,
			size_t index, const struct outbound_answer *answer)
{
	queue_answered(delivery_of(delivery), index, answer);
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
	/* The probe got through: others may be opened beside it. It counts as
	 * on its way until it asks for its first delivery, right after this. */
	destination_pump(d);
}

/* The oldest are in front: those that are too old go now. */
static void expire(struct destination *d, const struct outbound_answer *answer)
{
	const struct config_retry *retry = &d->queue->config.config->retry;

	while (d->ready.first && retry_expired(retry, d->ready.first->arrival,
					       queue_wall(d->queue)))
		queue_unreachable(destination_pop(d), answer);
}

/* The route has another way for what can't be delivered here. */
static void fall_back(struct destination *d)
{
	struct delivery *delivery;

	if (!d->ready.first || d->failures < d->route->fallback_after)
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

static void on_ended(void *owner, struct outbound_session *session,
		     const struct outbound_answer *failure)
{
	struct destination *d = owner;
	struct destination_session *place = find(d, session), ended = *place;

	destination_ref(d);
	*place = d->sessions[--d->session_count];
	if (failure && !d->queue->stopping) {
		if (!outbound_retry_plain(session) ||
		    !reach_set_plain(&d->queue->reach, &ended.address,
				     uring_now(ring_of(d)) + PLAIN_MEMORY))
			failed(d, &ended, failure);
	} else if (ended.use != DESTINATION_OPENING) {
		works(d, &ended.address);
	}
	destination_pump(d);
	destination_put(d);
}

const struct outbound_ops destination_ops = {
	.next = on_next,
	.answered = on_answered,
	.finished = on_finished,
	.ready = on_ready,
	.ended = on_ended,
};
