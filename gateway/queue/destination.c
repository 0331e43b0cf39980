/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination: bringing its ready deliveries and its sessions together.
 *
 * An idle session takes the next delivery before a new one is opened; a new
 * one is opened only when more deliveries are ready than sessions are on
 * their way, up to the limit.  A session goes to the most preferred host that
 * is not known to be out of reach, at random among equals.  When none is left,
 * one delivery pays for the attempt (it is deferred with the reason), the
 * others wait, and only one session probes at a time until one gets through.
 */
#include "gateway/queue/destination.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/queue/queue_private.h"
#include "uring/uring.h"

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

/* --- found by hosts --- */

/* The hosts in words, which tell destinations apart as well: hosts of one
 * preference joined by ',', those behind them by ';'. Owned; NULL: no
 * memory. */
static char *text_of(const struct dns_answer *answer, uint16_t port)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < answer->host_count; i++) {
		const struct dns_host *h = &answer->hosts[i];

		if (i > 0)
			fputc(h->preference == h[-1].preference ? ',' : ';',
			      out);
		fprintf(out, strchr(h->name, ':') ? "[%s]" : "%s", h->name);
	}
	fprintf(out, ":%u", port);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static struct destination *lookup(const struct queue *queue,
				  const struct config_route *route,
				  const char *text, uint64_t hash)
{
	struct table_node *node = table_first(&queue->destinations, hash);

	for (; node; node = table_next(node)) {
		struct destination *d = (struct destination *)node;

		if (d->route == route && strcmp(d->text, text) == 0)
			return d;
	}
	return NULL;
}

static struct destination *create(struct queue *queue,
				  const struct config_route *route,
				  const char *text, uint64_t hash)
{
	const struct config *config = queue->config.config;
	size_t len = strlen(text) + 1;
	struct destination *d = calloc(1, sizeof(*d) + len);

	if (!d)
		return NULL;
	d->queue = queue;
	d->route = route;
	d->hop = &queue->config.hops[route - config->routes];
	d->limit = share_of(config, route);
	d->blocked = (struct uring_timer){.fn = on_unblocked, .owner = d};
	memcpy(d->text, text, len);
	if (table_add(&queue->destinations, &d->node, hash))
		return d;
	free(d);
	return NULL;
}

/* The addresses of @answer instead of those from before. */
static bool set_targets(struct destination *d, const struct dns_answer *answer)
{
	size_t count = 0, size = 0;
	struct destination_target *targets, *t;
	char *names, *name;

	for (size_t i = 0; i < answer->host_count; i++) {
		count += answer->hosts[i].address_count;
		size += strlen(answer->hosts[i].name) + 1;
	}
	t = targets = calloc(count, sizeof(*targets));
	name = names = malloc(size);
	if (!targets || !names) {
		free(targets);
		free(names);
		return false;
	}
	for (size_t i = 0; i < answer->host_count; i++) {
		const struct dns_host *h = &answer->hosts[i];

		for (unsigned a = 0; a < h->address_count; a++)
			*t++ = (struct destination_target){
				.address = h->addresses[a],
				.preference = h->preference,
				.host = name,
			};
		name = stpcpy(name, h->name) + 1;
	}
	free(d->targets);
	free(d->names);
	d->targets = targets;
	d->target_count = count;
	d->names = names;
	return true;
}

static void let_go(struct destination *d)
{
	if (d->users > 0 || d->session_count > 0)
		return;
	assert(!d->ready.first);
	uring_timer_clear(ring_of(d), &d->blocked);
	table_remove(&d->queue->destinations, &d->node);
	free(d->sessions);
	free(d->targets);
	free(d->names);
	free(d);
}

struct destination *destination_get(struct queue *queue,
				    const struct config_route *route,
				    uint16_t port,
				    const struct dns_answer *answer)
{
	char *text = text_of(answer, port);
	struct destination *d = NULL;
	uint64_t hash;

	if (!text)
		return NULL;
	hash = table_hash(&queue->destinations, text, strlen(text));
	d = lookup(queue, route, text, hash);
	if (!d)
		d = create(queue, route, text, hash);
	free(text);
	if (!d)
		return NULL;
	d->users++;
	/* Without memory the old addresses must do, if there are any. */
	if (!set_targets(d, answer) && d->target_count == 0) {
		destination_put(d);
		return NULL;
	}
	uring_timer_clear(ring_of(d), &d->blocked);
	return d;
}

struct destination *destination_ref(struct destination *d)
{
	d->users++;
	return d;
}

void destination_put(struct destination *d)
{
	if (!d)
		return;
	assert(d->users > 0);
	d->users--;
	let_go(d);
}

/* --- ready deliveries --- */

static void now_ready(struct destination *d, struct delivery *delivery)
{
	delivery_place(delivery, DELIVERY_READY);
	d->queue->stats.ready++;
}

void destination_push(struct destination *d, struct delivery *delivery)
{
	delivery_list_append(&d->ready, delivery);
	now_ready(d, delivery);
}

void destination_push_front(struct destination *d, struct delivery *delivery)
{
	delivery_list_prepend(&d->ready, delivery);
	now_ready(d, delivery);
}

void destination_remove(struct destination *d, struct delivery *delivery)
{
	delivery_list_remove(&d->ready, delivery);
	delivery_place(delivery, DELIVERY_AT_HAND);
	d->queue->stats.ready--;
}

struct delivery *destination_pop(struct destination *d)
{
	struct delivery *delivery = d->ready.first;

	if (delivery)
		destination_remove(d, delivery);
	return delivery;
}

/* --- the end --- */

static void stop_one(struct table_node *node, void *arg)
{
	struct destination *d = (struct destination *)node;

	uring_timer_clear(ring_of(d), &d->blocked);
}

void destinations_stop(struct queue *queue)
{
	table_walk(&queue->destinations, stop_one, NULL);
}

static void drop_ready(struct table_node *node, void *arg)
{
	struct destination *d = (struct destination *)node;
	struct delivery *delivery;

	assert(d->session_count == 0);
	destination_ref(d);
	while ((delivery = destination_pop(d)))
		queue_drop(delivery);
	destination_put(d);
}

void destinations_free(struct queue *queue)
{
	table_walk(&queue->destinations, drop_ready, NULL);
}
