/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination: bringing its ready deliveries and its sessions together.
 *
 * An idle session takes the next delivery before a new one is opened; a new
 * one is opened only when more deliveries are ready than sessions are on
 * their way, as far as the throttle allows.  A session goes to the most preferred host that
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

static uint64_t now_of(const struct destination *d)
{
	return uring_now(ring_of(d));
}

static void on_timer(void *owner)
{
	destination_pump(owner);
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
				  const struct config_destination *rule,
				  const char *text, uint64_t hash)
{
	struct table_node *node = table_first(&queue->destinations, hash);

	for (; node; node = table_next(node)) {
		struct destination *d = (struct destination *)node;

		if (!d->retired && d->route == route && d->rule == rule &&
		    strcmp(d->text, text) == 0)
			return d;
	}
	return NULL;
}

static void put_words(FILE *out, const struct config_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		fprintf(out, " %s", words->list[i]);
	fputc('|', out);
}

/*
 * What shares limits: all of a provider, otherwise the destination, whose
 * number of connections may be its route's.  Said by what they are, so that
 * they are the same after a reload that did not change them, and others when
 * it did. Owned; NULL: no memory.
 */
static char *claim_key(const struct destination *d, unsigned limit)
{
	const struct config_destination *rule = d->rule;
	char *key = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&key, &size);

	if (!out)
		return NULL;
	put_words(out, &rule->match);
	put_words(out, &rule->mx);
	fprintf(out, "%s|%u|%llu/%llu|%llu/%llu|",
		rule->next_hop ? rule->next_hop : "", limit,
		(unsigned long long)rule->connection_rate.count,
		(unsigned long long)rule->connection_rate.period,
		(unsigned long long)rule->message_rate.count,
		(unsigned long long)rule->message_rate.period);
	if (!config_destination_is_provider(rule))
		fprintf(out, "%s|%s", rule->connections ? "" : d->route->match,
			d->text);
	if (fclose(out) == 0)
		return key;
	free(key);
	return NULL;
}

static bool make_claim(struct destination *d)
{
	const struct queue *queue = d->queue;
	unsigned limit = d->rule->connections ? d->rule->connections
					      : d->route->connections;
	char *key = claim_key(d, limit);
	bool good = key &&
		    throttle_claim(queue->throttles, queue->config.worker, key,
				   d->rule, limit, d, &d->claim, now_of(d));

	free(key);
	return good;
}

static struct destination *create(struct queue *queue,
				  const struct config_route *route,
				  const struct config_destination *rule,
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
	d->rule = rule;
	outbound_terms_of(config, route, rule, &d->terms);
	d->blocked = (struct uring_timer){.fn = on_timer, .owner = d};
	d->paced = (struct uring_timer){.fn = on_timer, .owner = d};
	memcpy(d->text, text, len);
	if (make_claim(d) && table_add(&queue->destinations, &d->node, hash))
		return d;
	throttle_disclaim(&d->claim, now_of(d));
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
	assert(d->ready_count == 0);
	uring_timer_clear(ring_of(d), &d->blocked);
	uring_timer_clear(ring_of(d), &d->paced);
	throttle_disclaim(&d->claim, now_of(d));
	table_remove(&d->queue->destinations, &d->node);
	d->queue->retired -= d->retired;
	free(d->sessions);
	free(d->targets);
	free(d->names);
	free(d);
}

struct destination *destination_get(struct queue *queue,
				    const struct config_route *route,
				    const struct config_destination *rule,
				    uint16_t port,
				    const struct dns_answer *answer)
{
	char *text = text_of(answer, port);
	struct destination *d = NULL;
	uint64_t hash;

	if (!text)
		return NULL;
	hash = table_hash(&queue->destinations, text, strlen(text));
	d = lookup(queue, route, rule, text, hash);
	if (!d)
		d = create(queue, route, rule, text, hash);
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

/* Of as many ready ones, one that was tried before comes as every tenth: new
 * mail goes first, but old mail moves. */
#define FRESH_IN_A_ROW 9

static struct delivery_list *list_of(struct destination *d,
				     const struct delivery *delivery)
{
	return &d->ready[delivery->attempts > 0];
}

static void now_ready(struct destination *d, struct delivery *delivery)
{
	delivery_place(delivery, DELIVERY_READY);
	d->ready_count++;
	d->queue->stats.ready++;
}

void destination_push(struct destination *d, struct delivery *delivery)
{
	delivery_list_append(list_of(d, delivery), delivery);
	now_ready(d, delivery);
}

void destination_push_front(struct destination *d, struct delivery *delivery)
{
	delivery_list_prepend(list_of(d, delivery), delivery);
	now_ready(d, delivery);
}

void destination_remove(struct destination *d, struct delivery *delivery)
{
	delivery_list_remove(list_of(d, delivery), delivery);
	delivery_place(delivery, DELIVERY_AT_HAND);
	d->ready_count--;
	d->queue->stats.ready--;
}

struct delivery *destination_pop(struct destination *d)
{
	struct delivery *fresh = d->ready[0].first, *tried = d->ready[1].first;
	struct delivery *delivery = fresh;

	if (!fresh || (tried && d->fresh_in_a_row >= FRESH_IN_A_ROW))
		delivery = tried;
	if (!delivery)
		return NULL;
	d->fresh_in_a_row = delivery == fresh ? d->fresh_in_a_row + 1 : 0;
	destination_remove(d, delivery);
	return delivery;
}

/* --- the end --- */

static void stop_one(struct table_node *node, void *arg)
{
	struct destination *d = (struct destination *)node;

	uring_timer_clear(ring_of(d), &d->blocked);
	uring_timer_clear(ring_of(d), &d->paced);
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
