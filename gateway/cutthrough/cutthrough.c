/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's cut-through: the connections of each route, and the legs that
 * wait for one.  An idle connection is used before a new one is opened, and
 * one that is being reset is waited for; a new one is opened for each that
 * waits, up to the route's limit.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cutthrough/cutthrough_leg.h"
#include "uring/uring.h"

/* How long a next hop whose TLS is broken is spoken to in clear (`may`). */
#define PLAIN_MEMORY (600 * URING_SEC)
/* How long one that changes TLS keys is kept out of a kernel that can't
 * follow. */
#define REKEYS_MEMORY (24 * 3600 * URING_SEC)

static uint64_t now(const struct cutthrough *pool)
{
	return uring_now(pool->config.env->ring);
}

/* --- those that wait --- */

void cutthrough_wait(struct cutthrough_leg *leg, bool in_front)
{
	struct cutthrough_hop *hop = leg->hop;

	if (in_front) {
		leg->next = hop->waiting;
		if (!hop->waiting)
			hop->waiting_tail = &leg->next;
		hop->waiting = leg;
	} else {
		leg->next = NULL;
		*hop->waiting_tail = leg;
		hop->waiting_tail = &leg->next;
	}
	hop->waiting_count++;
}

void cutthrough_unwait(struct cutthrough_leg *leg)
{
	struct cutthrough_hop *hop = leg->hop;
	struct cutthrough_leg **link = &hop->waiting;

	while (*link != leg)
		link = &(*link)->next;
	*link = leg->next;
	if (hop->waiting_tail == &leg->next)
		hop->waiting_tail = link;
	leg->next = NULL;
	hop->waiting_count--;
}

static void fail_first(struct cutthrough_hop *hop,
		       const struct outbound_answer *why)
{
	struct cutthrough_leg *leg = hop->waiting;

	if (!leg)
		return;
	cutthrough_unwait(leg);
	cutthrough_unreachable(leg, why);
}

/* --- connections --- */

/* To any of its addresses, in turn. */
static struct outbound_session *open_session(struct cutthrough_hop *hop,
					     struct cutthrough_via *via,
					     int *error)
{
	struct cutthrough *pool = hop->pool;
	unsigned turn = (unsigned)outbound_stats(pool->outbound)->connections;
	struct sockaddr_storage address;
	struct outbound_target target = {
		.hop = hop->hop,
		.address = (const struct sockaddr *)&address,
		.length = next_hop_address(hop->hop, turn, &address),
		.host = hop->route->next_hop.host,
		.plain = now(pool) < hop->plain_until,
		.rekeys = now(pool) < hop->rekeys_until,
	};

	*error = EADDRNOTAVAIL;
	if (target.length == 0)
		return NULL;
	return outbound_open(pool->outbound, &target, via, error);
}

static int open_one(struct cutthrough_hop *hop)
{
	struct cutthrough_via *via = calloc(1, sizeof(*via));
	int error = ENOMEM;

	if (via) {
		via->hop = hop;
		via->opening = true;
		via->session = open_session(hop, via, &error);
	}
	if (!via || !via->session) {
		free(via);
		return -error;
	}
	via->next = hop->vias;
	hop->vias = via;
	hop->via_count++;
	hop->opening_count++;
	return 0;
}

static void open_failed(struct cutthrough_hop *hop, int error)
{
	char text[160];
	struct outbound_answer why = {.code = 451,
				      .enhanced = "4.4.1",
				      .text = text,
				      .where = "connect"};

	snprintf(text, sizeof(text), "no connection to %.64s can be made: %s",
		 hop->route->next_hop.text, strerror(-error));
	fail_first(hop, &why);
}

static struct cutthrough_via *any_idle(const struct cutthrough_hop *hop)
{
	struct cutthrough_via *via = hop->vias;

	while (via && !outbound_idle(via->session))
		via = via->next;
	return via;
}

/* Those that will take the next leg without anybody's doing. */
static unsigned soon_ready(const struct cutthrough_hop *hop)
{
	unsigned count = hop->opening_count;

	for (const struct cutthrough_via *via = hop->vias; via; via = via->next)
		count += outbound_resetting(via->session);
	return count;
}

static void end_waiting(struct cutthrough_hop *hop)
{
	static const struct outbound_answer why = {
		.code = 451,
		.enhanced = "4.3.2",
		.text = "shutting down",
		.where = "connect",
	};

	while (hop->waiting)
		fail_first(hop, &why);
}

void cutthrough_pump(struct cutthrough_hop *hop)
{
	struct cutthrough_via *idle;

	if (hop->pool->stopping)
		end_waiting(hop);
	while (hop->waiting && (idle = any_idle(hop)))
		outbound_wake(idle->session);
	while (hop->waiting_count > soon_ready(hop) &&
	       hop->via_count < hop->limit) {
		int error = open_one(hop);

		if (error < 0)
			open_failed(hop, error);
	}
}

/* --- what sessions say --- */

static struct outbound_delivery *on_next(void *owner,
					 struct outbound_session *session)
{
	struct cutthrough_via *via = owner;
	struct cutthrough_leg *leg = via->hop->waiting;

	if (!leg || via->hop->pool->stopping)
		return NULL;
	cutthrough_unwait(leg);
	leg->via = via;
	via->uses++;
	via->delivery = (struct outbound_delivery){
		.id = leg->mail.id,
		.loan = {.ops = &cutthrough_loan_ops, .borrower = leg},
	};
	return &via->delivery;
}

static void on_answered(void *owner, struct outbound_delivery *delivery,
			size_t index, const struct outbound_answer *answer)
{
	assert(!"a loan has no recipients");
}

static void on_finished(void *owner, struct outbound_delivery *delivery)
{
}

static void on_ready(void *owner, struct outbound_session *session)
{
	struct cutthrough_via *via = owner;

	via->opening = false;
	via->hop->opening_count--;
}

static void unlink_via(struct cutthrough_via *via)
{
	struct cutthrough_via **link = &via->hop->vias;

	while (*link != via)
		link = &(*link)->next;
	*link = via->next;
	via->hop->via_count--;
	if (via->opening)
		via->hop->opening_count--;
}

static void on_ended(void *owner, struct outbound_session *session,
		     const struct outbound_answer *failure)
{
	struct cutthrough_via *via = owner;
	struct cutthrough_hop *hop = via->hop;

	unlink_via(via);
	free(via);
	if (outbound_rekeys(session))
		hop->rekeys_until = now(hop->pool) + REKEYS_MEMORY;
	else if (failure && outbound_retry_plain(session))
		hop->plain_until = now(hop->pool) + PLAIN_MEMORY;
	else if (failure)
		fail_first(hop, failure);
	cutthrough_pump(hop);
}

static const struct outbound_ops via_ops = {
	.next = on_next,
	.answered = on_answered,
	.finished = on_finished,
	.ready = on_ready,
	.ended = on_ended,
};

/* --- life --- */

/* Workers share a route's connections evenly; each has at least one. */
static unsigned share_of(const struct config *config,
			 const struct config_route *route)
{
	unsigned share = route->connections / config->workers;

	return share > 0 ? share : 1;
}

static void init_hop(struct cutthrough *pool, size_t i)
{
	struct cutthrough_hop *hop = &pool->hops[i];

	hop->pool = pool;
	hop->hop = &pool->config.hops[i];
	hop->route = &pool->config.config->routes[i];
	hop->waiting_tail = &hop->waiting;
	hop->limit = share_of(pool->config.config, hop->route);
}

int cutthrough_create(const struct cutthrough_config *config,
		      struct cutthrough **out)
{
	struct outbound_config outbound = {
		.config = config->config,
		.env = config->env,
		.ops = &via_ops,
		.socket = config->socket,
		.socket_arg = config->socket_arg,
	};
	size_t routes = config->config->route_count;
	struct cutthrough *pool = calloc(1, sizeof(*pool));
	int r = -ENOMEM;

	if (!pool)
		return r;
	pool->config = *config;
	pool->hops = calloc(routes, sizeof(pool->hops[0]));
	if (pool->hops)
		r = outbound_create(&outbound, &pool->outbound);
	if (r < 0) {
		cutthrough_destroy(&pool);
		return r;
	}
	for (size_t i = 0; i < routes; i++)
		init_hop(pool, i);
	*out = pool;
	return 0;
}

void cutthrough_destroy(struct cutthrough **cutthrough)
{
	struct cutthrough *pool = *cutthrough;

	if (!pool)
		return;
	outbound_destroy(&pool->outbound);
	free(pool->hops);
	free(pool);
	*cutthrough = NULL;
}

static void stop(struct cutthrough *pool)
{
	pool->stopping = true;
	for (size_t i = 0; i < pool->config.config->route_count; i++)
		end_waiting(&pool->hops[i]);
}

void cutthrough_shutdown(struct cutthrough *pool)
{
	stop(pool);
	outbound_shutdown(pool->outbound);
}

void cutthrough_abort(struct cutthrough *pool)
{
	stop(pool);
	outbound_abort(pool->outbound);
}

unsigned cutthrough_sessions(const struct cutthrough *pool)
{
	return outbound_sessions(pool->outbound);
}

const struct cutthrough_stats *cutthrough_stats(const struct cutthrough *pool)
{
	return &pool->stats;
}

const struct outbound *cutthrough_outbound(const struct cutthrough *pool)
{
	return pool->outbound;
}
