/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination: bringing its ready deliveries and its sessions together.
 *
 * An idle session takes the next delivery before a new one is opened; a new
 * one is opened only when more deliveries are ready than sessions are on
 * their way, up to the limit.  When the next hop can't be reached, one
 * delivery pays for the attempt (it is deferred with the reason), the others
 * wait, and only one session probes at a time until one gets through.
 */
#include "gateway/queue/destination.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "gateway/queue/retry.h"
#include "uring/uring.h"

/* How long a next hop whose TLS is broken is spoken to in clear (`may`). */
#define PLAIN_MEMORY (600 * URING_SEC)

static struct uring *ring_of(const struct destination *d)
{
	return d->queue->config.env->ring;
}

static void on_unblocked(void *owner)
{
	destination_pump(owner);
}

/* Workers share a route's connections evenly; each has at least one. */
static unsigned share_of(const struct config *config,
			 const struct config_route *route)
{
	unsigned share = route->connections / config->workers;

	return share > 0 ? share : 1;
}

int destination_init(struct destination *d, struct queue *queue, size_t route)
{
	*d = (struct destination){
		.queue = queue,
		.route = &queue->config.config->routes[route],
		.hop = &queue->config.hops[route],
		.blocked = {.fn = on_unblocked, .owner = d},
	};
	d->ready_tail = &d->ready;
	d->limit = share_of(queue->config.config, d->route);
	d->sessions = calloc(d->limit, sizeof(d->sessions[0]));
	return d->sessions ? 0 : -ENOMEM;
}

void destination_deinit(struct destination *d)
{
	struct delivery *next;

	assert(d->session_count == 0);
	uring_timer_clear(ring_of(d), &d->blocked);
	for (; d->ready; d->ready = next) {
		next = d->ready->next;
		delivery_free(d->ready);
	}
	free(d->sessions);
}

/* --- ready deliveries --- */

void destination_push(struct destination *d, struct delivery *delivery)
{
	delivery->next = NULL;
	*d->ready_tail = delivery;
	d->ready_tail = &delivery->next;
	d->ready_count++;
}

void destination_push_front(struct destination *d, struct delivery *delivery)
{
	delivery->next = d->ready;
	if (!d->ready)
		d->ready_tail = &delivery->next;
	d->ready = delivery;
	d->ready_count++;
}

static struct delivery *pop(struct destination *d)
{
	struct delivery *delivery = d->ready;

	if (!delivery)
		return NULL;
	d->ready = delivery->next;
	if (!d->ready)
		d->ready_tail = &d->ready;
	d->ready_count--;
	return delivery;
}

/* --- sessions --- */

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

static void unreachable(struct destination *d,
			const struct outbound_answer *answer);

static bool open_one(struct destination *d)
{
	bool plain = uring_now(ring_of(d)) < d->plain_until;
	int error = 0;
	struct outbound_session *s =
		outbound_open(d->queue->outbound, d->hop, d, plain, &error);
	char text[128];
	struct outbound_answer answer = {.code = 451,
					 .enhanced = "4.4.1",
					 .text = text,
					 .where = "connect"};

	if (s) {
		d->sessions[d->session_count++] = (struct destination_session){
			.session = s, .use = DESTINATION_OPENING};
		return true;
	}
	snprintf(text, sizeof(text), "no connection to %s can be made: %s",
		 d->route->next_hop.text, strerror(error));
	unreachable(d, &answer);
	return false;
}

/* A further session is worth it when more is ready than is on its way. */
static bool wants_session(const struct destination *d)
{
	unsigned opening = count(d, DESTINATION_OPENING);

	if (d->queue->stopping || d->blocked.armed)
		return false;
	if (d->session_count >= d->limit || opening >= d->ready_count)
		return false;
	return d->failures == 0 || opening == 0;
}

void destination_pump(struct destination *d)
{
	struct outbound_session *idle;

	while (d->ready && !d->queue->stopping && (idle = any_idle(d)))
		outbound_wake(idle);
	while (wants_session(d))
		if (!open_one(d))
			return;
}

void destination_stop(struct destination *d)
{
	uring_timer_clear(ring_of(d), &d->blocked);
}

/* --- what sessions say --- */

static struct outbound_delivery *on_next(void *owner,
					 struct outbound_session *session)
{
	struct destination *d = owner;
	struct delivery *delivery;

	while (!d->queue->stopping && (delivery = pop(d))) {
		int r = delivery_begin(delivery);

		if (r == 0) {
			find(d, session)->use = DESTINATION_BUSY;
			return &delivery->run->outbound;
		}
		if (r != -EBADMSG) { /* no memory now: keep it */
			destination_push_front(d, delivery);
			break;
		}
		d->queue->stats.damaged++;
		log_error("queue.damaged",
			  L_ID(spool_message_id(delivery->message)),
			  L_STR("error", "the spool's checksum does not match; "
					 "the message stays in the log and is "
					 "not delivered"));
		delivery_free(delivery);
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

static void on_ready(void *owner, struct outbound_session *session)
{
	struct destination *d = owner;

	if (d->failures > 0)
		log_info("queue.reachable",
			 L_STR("next_hop", d->route->next_hop.text));
	d->failures = 0;
	uring_timer_clear(ring_of(d), &d->blocked);
	/* The probe got through: others may be opened beside it. It counts as
	 * on its way until it asks for its first delivery, right after this. */
	destination_pump(d);
}

/* The next hop can't be reached: block it for a while. */
static void unreachable(struct destination *d,
			const struct outbound_answer *answer)
{
	const struct config *config = d->queue->config.config;
	uint64_t wait = retry_delay(&config->retry, ++d->failures);
	struct delivery *first = pop(d);

	log_warning(
		"queue.unreachable", L_STR("next_hop", d->route->next_hop.text),
		L_STR("error", answer->text), L_STR("at", answer->where),
		L_UINT("failures", d->failures), L_SECONDS("retry_in", wait));
	uring_timer_set(ring_of(d), &d->blocked, wait);
	if (first)
		queue_unreachable(first, answer);
	/* The oldest are in front: those that are too old go now. */
	while (d->ready && retry_expired(&config->retry, d->ready->arrival,
					 queue_wall(d->queue)))
		if (!queue_unreachable(pop(d), answer))
			break;
}

static void on_ended(void *owner, struct outbound_session *session,
		     const struct outbound_answer *failure)
{
	struct destination *d = owner;

	*find(d, session) = d->sessions[d->session_count - 1];
	d->session_count--;
	if (failure && !d->queue->stopping) {
		if (outbound_retry_plain(session))
			d->plain_until = uring_now(ring_of(d)) + PLAIN_MEMORY;
		else
			unreachable(d, failure);
	}
	destination_pump(d);
}

const struct outbound_ops destination_ops = {
	.next = on_next,
	.answered = on_answered,
	.finished = on_finished,
	.ready = on_ready,
	.ended = on_ended,
};
