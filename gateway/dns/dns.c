/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of one worker: which of them run, which wait. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/dns_private.h"

/* Lookups at a time, so that a queue full of domains at start does not ask for
 * all of them at once. Those of dead domains take their whole time and must not
 * keep others from beginning: whatever has taken long counts no more, but for
 * a bound on all. */
#define LONG_TIME  URING_SEC
#define ACTIVE_MAX 8192

static void on_admit(void *owner)
{
	dns_next(owner);
}

int dns_create(const struct dns_config *config, struct dns **out)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	int r = -ENOMEM;

	if (!dns)
		return r;
	dns->config = config->config;
	dns->ring = config->ring;
	dns->source = config->source;
	dns->admit = (struct uring_timer){.fn = on_admit, .owner = dns};
	r = dns_self_init(&dns->self, config->config);
	if (r == 0 && !dns->source) {
		r = dns_unbound_create(&config->config->resolver, config->ring,
				       &dns->own_source);
		dns->source = dns->own_source;
	}
	if (r < 0)
		dns_destroy(&dns);
	*out = dns;
	return r;
}

void dns_destroy(struct dns **pointer)
{
	struct dns *dns = *pointer;

	if (!dns)
		return;
	assert(dns->waiting.count == 0 && dns->active.count == 0);
	if (dns->own_source)
		dns->own_source->ops->destroy(dns->own_source);
	dns_self_deinit(&dns->self);
	free(dns);
	*pointer = NULL;
}

void dns_stop(struct dns *dns)
{
	uring_timer_clear(dns->ring, &dns->admit);
	dns->source->ops->stop(dns->source);
}

bool dns_stopped(const struct dns *dns)
{
	return !dns->source->ops->stopped ||
	       dns->source->ops->stopped(dns->source);
}

void dns_reload(struct dns *dns, const struct config *config)
{
	dns->config = config;
	dns->self.hostname = config->hostname;
}

/* --- lists --- */

void dns_list_add(struct dns_list *list, struct dns_lookup *lookup)
{
	lookup->list = list;
	lookup->next = NULL;
	lookup->prev = list->last;
	if (list->last)
		list->last->next = lookup;
	else
		list->first = lookup;
	list->last = lookup;
	list->count++;
}

void dns_list_remove(struct dns_lookup *lookup)
{
	struct dns_list *list = lookup->list;

	if (lookup->prev)
		lookup->prev->next = lookup->next;
	else
		list->first = lookup->next;
	if (lookup->next)
		lookup->next->prev = lookup->prev;
	else
		list->last = lookup->prev;
	list->count--;
	lookup->list = NULL;
}

/* May one more begin? If one may at a certain time, *at says when. */
static bool may_begin(const struct dns *dns, uint64_t now, uint64_t *at)
{
	uint64_t begun = dns->begun[dns->begun_count % DNS_BEGINNING_MAX];

	*at = 0;
	if (dns->active.count < DNS_BEGINNING_MAX)
		return true;
	if (dns->active.count >= ACTIVE_MAX)
		return false;
	*at = begun + LONG_TIME;
	return *at <= now;
}

/* Lookups begin by their timer, so that none ends inside of dns_mx(). */
void dns_next(struct dns *dns)
{
	uint64_t now = uring_now(dns->ring), at = 0;
	struct dns_lookup *lookup;

	while ((lookup = dns->waiting.first) && may_begin(dns, now, &at)) {
		dns->begun[dns->begun_count++ % DNS_BEGINNING_MAX] = now;
		dns_list_remove(lookup);
		dns_list_add(&dns->active, lookup);
		uring_timer_set(dns->ring, &lookup->timer, 0);
	}
	if (lookup && at > now)
		uring_timer_set(dns->ring, &dns->admit, at - now);
}

/* --- one lookup --- */

static struct dns_lookup *start(struct dns *dns, const char *name,
				uint16_t port, dns_done_fn done, void *arg,
				bool mx)
{
	struct dns_lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return NULL;
	lookup->dns = dns;
	lookup->timer.fn = dns_lookup_on_timer;
	lookup->timer.owner = lookup;
	lookup->done = done;
	lookup->arg = arg;
	lookup->port = port;
	lookup->mx = mx;
	lookup->ttl = UINT32_MAX;
	/* What is cut short here is longer than a name can be. */
	snprintf(lookup->name, sizeof(lookup->name), "%s", name);
	dns_list_add(&dns->waiting, lookup);
	dns_next(dns);
	return lookup;
}

struct dns_lookup *dns_mx(struct dns *dns, const char *domain, uint16_t port,
			  dns_done_fn done, void *arg)
{
	return start(dns, domain, port, done, arg, true);
}

struct dns_lookup *dns_host(struct dns *dns, const char *host, uint16_t port,
			    dns_done_fn done, void *arg)
{
	return start(dns, host, port, done, arg, false);
}

static void forget(struct dns *dns, struct dns_query *query)
{
	if (query->source)
		dns->source->ops->forget(dns->source, query);
	assert(!query->source);
}

void dns_lookup_free(struct dns_lookup *lookup)
{
	struct dns *dns = lookup->dns;

	uring_timer_clear(dns->ring, &lookup->timer);
	forget(dns, &lookup->query);
	for (size_t i = 0; i < lookup->ask_count; i++) {
		forget(dns, &lookup->asks[i].query[0]);
		forget(dns, &lookup->asks[i].query[1]);
	}
	dns_list_remove(lookup);
	free(lookup->hosts);
	free(lookup->asks);
	free(lookup);
	dns_next(dns);
}

void dns_cancel(struct dns_lookup **lookup)
{
	if (*lookup)
		dns_lookup_free(*lookup);
	*lookup = NULL;
}

/* --- addresses --- */

socklen_t dns_address_len(const struct dns_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6)
						  : sizeof(address->v4);
}

bool dns_address_equal(const struct dns_address *a, const struct dns_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}
