/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domains when the configuration changes.
 *
 * A domain that is found by its name finds its new route by it. One that holds
 * the mail of a route to one next hop goes on with the route at the same place,
 * if all that match before it match the same: then every recipient takes that
 * route as before. Otherwise it becomes stale: its deliveries have to be looked
 * at one by one, which needs their envelopes, and is done when they are due and
 * those are read anyway.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "gateway/log/log.h"
#include "gateway/queue/queue_private.h"
#include "gateway/queue/retry.h"
#include "uring/uring.h"

/* Deliveries in a turn. */
#define REROUTE_MAX 256

/* --- domains --- */

static bool is_named(const struct domain *domain)
{
	return domain->name[0] && !domain->moved;
}

static const struct config_route *same_place(const struct domain *domain,
					     const struct config *before,
					     const struct config *after)
{
	size_t at = (size_t)(domain->route - before->routes);
	const struct config_route *route;

	if (at >= after->route_count)
		return NULL;
	for (size_t i = 0; i <= at; i++)
		if (strcasecmp(before->routes[i].match,
			       after->routes[i].match) != 0)
			return NULL;
	route = &after->routes[at];
	if (domain->fallback)
		return route->fallback.host ? route : NULL;
	return domain->moved || !route->next_hop.mx ? route : NULL;
}

/* NULL: none; the domain becomes stale. */
static const struct config_route *counterpart(const struct domain *domain,
					      const struct config *before,
					      const struct config *after)
{
	const struct config_route *route;

	if (domain->stale)
		return NULL;
	if (!is_named(domain))
		return same_place(domain, before, after);
	route = config_route_for(after, domain->name);
	return route && route->next_hop.mx ? route : NULL;
}

static const struct config_next_hop *hop_of(const struct domain *domain)
{
	if (domain->moved)
		return domain->moved;
	if (domain->stale || domain->route->next_hop.mx)
		return domain->fallback && !domain->stale
			       ? &domain->route->fallback
			       : NULL;
	return domain->fallback ? &domain->route->fallback
				: &domain->route->next_hop;
}

static void convert(struct domain *domain, const struct config *before)
{
	struct queue *queue = domain->queue;
	const struct config *after = queue->config.config;
	const struct config_route *route = counterpart(domain, before, after);
	size_t at = (size_t)(domain->route - before->routes);

	table_remove(&queue->domains, &domain->node);
	domain->stale = !route;
	/* A stale one has any, for those who look at it. */
	domain->route = route			  ? route
			: at < after->route_count ? &after->routes[at]
						  : &after->routes[0];
	domain->hop = hop_of(domain);
	/* It was in there: there is room. */
	(void)table_add(&queue->domains, &domain->node,
			domain_hash(queue, domain->route, domain->fallback,
				    domain->name));
	dns_cancel(&domain->lookup);
	destination_put(domain->destination);
	domain->destination = NULL;
	domain->valid_until = 0;
	if (domain->waiting.first)
		domain_touch(domain);
}

void domains_reload(struct queue *queue, const struct config *before)
{
	assert(queue->config.config->route_count > 0);
	while (queue->idle.first)
		domain_forget(queue->idle.first);
	for (struct domain *d = queue->busy.first; d; d = d->behind)
		convert(d, before);
}

/* --- deliveries of stale ones --- */

/* Those that go where the first goes are put in front; returns their number. */
static uint32_t gather(struct queue *queue, struct delivery *delivery,
		       const struct spool_envelope *e,
		       const struct domain *domain)
{
	uint32_t n = 1;

	for (uint32_t i = 1; i < delivery->recipient_count; i++) {
		uint32_t recipient = delivery->recipients[i];
		bool no_route;
		struct domain *other =
			domain_get(queue, e->recipients[recipient], &no_route);

		if (other)
			domain_put(other);
		if (other != domain)
			continue;
		delivery->recipients[i] = delivery->recipients[n];
		delivery->recipients[n++] = recipient;
	}
	return n;
}

static void wait_for_route(struct queue *queue, struct delivery *delivery,
			   const char *to, bool no_route)
{
	log_warning("queue.no_route", L_ID(spool_message_id(delivery->message)),
		    L_STR("to", to),
		    L_STR("error", no_route ? "no route matches the domain; "
					      "the recipient waits for one"
					    : "out of memory"));
	delivery->due = queue_wall(queue) +
			retry_delay(&queue->config.config->retry, 1);
	queue_defer(queue, delivery);
}

/* Its first recipients to their domain; returns the others as a delivery of
 * their own, or NULL. */
static struct delivery *give(struct queue *queue, struct delivery *delivery,
			     const struct spool_envelope *e)
{
	const char *to = e->recipients[delivery->recipients[0]];
	bool no_route = false;
	struct domain *domain = domain_get(queue, to, &no_route);
	struct delivery *rest = NULL;
	uint32_t n = gather(queue, delivery, e, domain);

	/* Without memory the others go along once more. */
	if (n < delivery->recipient_count)
		rest = queue_split(delivery, n);
	if (!domain || !domain_change(delivery, domain)) {
		if (domain)
			domain_put(domain);
		wait_for_route(queue, delivery, to, no_route);
	} else {
		domain_push(delivery);
	}
	return rest;
}

static void reroute(struct queue *queue, struct delivery *delivery)
{
	struct spool *spool = spool_message_spool(delivery->message);
	struct spool_view view;
	int r = spool_view_envelope(spool, delivery->message, &view);

	if (r < 0) {
		log_error("queue.unreadable",
			  L_ID(spool_message_id(delivery->message)),
			  L_STR("error", strerror(-r)));
		delivery->due = queue_wall(queue) +
				retry_delay(&queue->config.config->retry, 1);
		queue_defer(queue, delivery);
		return;
	}
	while (delivery)
		delivery = give(queue, delivery, &view.envelope);
	spool_release_view(spool, &view);
}

static void later(struct domain *domain)
{
	struct queue *queue = domain->queue;

	if (domain->touched)
		return;
	domain->touched = true;
	domain->next_touched = queue->later;
	queue->later = domain;
	uring_timer_set(queue->config.env->ring, &queue->rerouting, 0);
}

void queue_on_rerouting(void *owner)
{
	struct queue *queue = owner;
	struct domain *domain;

	while ((domain = queue->later)) {
		queue->later = domain->next_touched;
		domain->touched = false;
		domain_touch(domain);
	}
	domains_pump(queue);
}

void domain_reroute(struct domain *domain)
{
	struct delivery *delivery;

	for (int i = 0; i < REROUTE_MAX && (delivery = domain_pop(domain)); i++)
		reroute(domain->queue, delivery);
	if (domain->waiting.first)
		later(domain);
}

/* --- the queue --- */

void queue_reload(struct queue *queue, const struct config *config,
		  struct next_hop *hops, struct dns *dns)
{
	const struct config *before = queue->config.config;

	queue->config.config = config;
	queue->config.hops = hops;
	queue->config.dns = dns;
	queue->reach.retry = &config->retry;
	outbound_reload(queue->outbound, config);
	domains_reload(queue, before);
	destinations_retire(queue);
	domains_pump(queue);
}

unsigned queue_retired(const struct queue *queue)
{
	return queue->retired;
}
