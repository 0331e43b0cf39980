/* SPDX-License-Identifier: Apache-2.0 */
/* Domains: found by name, resolved, and forgotten when nobody needs them. */
#include "gateway/queue/domain.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "gateway/queue/queue_private.h"
#include "gateway/queue/suspended.h"
#include "uring/uring.h"

/* How long, and how many, domains without mail are remembered. */
#define IDLE_TIME (600 * URING_SEC)
#define IDLE_MAX  20000
/* An old answer is used that long when DNS has no new one. */
#define STALE_TIME (60 * URING_SEC)

static uint64_t now_of(const struct queue *queue)
{
	return uring_now(queue->config.env->ring);
}

const char *domain_name(const struct domain *domain)
{
	return domain->hop ? domain->hop->text : domain->name;
}

/* --- idle ones --- */

/* An idle one. */
void domain_forget(struct domain *domain)
{
	assert(domain->users == 0 && domain->mail.total == 0);
	assert(!domain->waiting.first && !domain->touched);
	domain_list_remove(&domain->queue->idle, domain);
	order_deinit(&domain->mail);
	replies_drop(&domain->queue->replies, domain->reply);
	dns_cancel(&domain->lookup);
	destination_put(domain->destination);
	table_remove(&domain->queue->domains, &domain->node);
	if (domain->moved)
		domain->queue->moved--;
	free(domain->moved);
	free(domain);
}

/* As many as were added since: never much work at once. */
static void forget_idle(struct queue *queue)
{
	for (int i = 0; i < 2 && queue->idle.first; i++) {
		struct domain *domain = queue->idle.first;

		if (queue->idle.count <= IDLE_MAX &&
		    now_of(queue) - domain->idle_since < IDLE_TIME)
			return;
		domain_forget(domain);
	}
}

/* --- found by name --- */

uint64_t domain_hash(const struct queue *queue,
		     const struct config_route *route, bool fallback,
		     const char *name)
{
	uint64_t route_number =
		(uint64_t)(route - queue->config.config->routes);

	return table_hash(&queue->domains, name, strlen(name)) ^
	       (route_number << 1 | fallback) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct domain *find(const struct queue *queue,
			   const struct config_route *route, bool fallback,
			   const char *name, uint64_t hash)
{
	struct table_node *node = table_first(&queue->domains, hash);

	for (; node; node = table_next(node)) {
		struct domain *domain = (struct domain *)node;

		if (!domain->stale && domain->route == route &&
		    domain->fallback == fallback &&
		    strcmp(domain->name, name) == 0)
			return domain;
	}
	return NULL;
}

struct domain *domain_find(const struct queue *queue,
			   const struct config_route *route, bool fallback,
			   const char *name)
{
	return find(queue, route, fallback, name,
		    domain_hash(queue, route, fallback, name));
}

static struct domain *create(struct queue *queue,
			     const struct config_route *route, bool fallback,
			     const char *name, uint64_t hash)
{
	size_t len = strlen(name) + 1;
	struct domain *domain = calloc(1, sizeof(*domain) + len);

	if (!domain)
		return NULL;
	domain->queue = queue;
	domain->route = route;
	domain->fallback = fallback;
	if (fallback)
		domain->hop = &route->fallback;
	else if (!route->next_hop.mx)
		domain->hop = &route->next_hop;
	order_init(&domain->mail, delivery_id);
	memcpy(domain->name, name, len);
	if (table_add(&queue->domains, &domain->node, hash))
		return domain;
	free(domain);
	return NULL;
}

static struct domain *get(struct queue *queue, const struct config_route *route,
			  bool fallback, const char *name)
{
	uint64_t hash = domain_hash(queue, route, fallback, name);
	struct domain *domain = find(queue, route, fallback, name, hash);

	if (domain)
		return domain_ref(domain);
	forget_idle(queue);
	domain = create(queue, route, fallback, name, hash);
	if (!domain)
		return NULL;
	domain->users = 1;
	domain_list_append(&queue->busy, domain);
	return domain;
}

/* What stands behind the '@', in lower case. False: longer than any domain. */
static bool domain_of(const char *recipient, char *out, size_t room)
{
	const char *at = strrchr(recipient, '@'), *from = at ? at + 1 : "";
	size_t len = strlen(from);

	if (len >= room)
		return false;
	for (size_t i = 0; i <= len; i++)
		out[i] = (char)((unsigned char)from[i] < 0x80
					? tolower((unsigned char)from[i])
					: from[i]);
	return true;
}

struct domain *domain_get(struct queue *queue, const char *recipient,
			  bool *no_route)
{
	char name[1024];
	const struct config_route *route = NULL;

	if (domain_of(recipient, name, sizeof(name)))
		route = config_route_for(queue->config.config, name);
	*no_route = !route;
	if (!route)
		return NULL;
	return get(queue, route, false, route->next_hop.mx ? name : "");
}

struct domain *domain_ref(struct domain *domain)
{
	if (domain->users++ == 0)
		domain_make_busy(domain);
	return domain;
}

void domain_put(struct domain *domain)
{
	assert(domain->users > 0);
	if (--domain->users == 0)
		domain_make_idle(domain);
}

/* --- its deliveries --- */

bool domain_enter(struct domain *domain, struct delivery *delivery)
{
	struct queue *queue = domain->queue;

	assert(!delivery->domain);
	if (!order_add(&queue->mail, delivery))
		return false;
	if (!order_add(&domain->mail, delivery)) {
		order_remove(&queue->mail, delivery);
		return false;
	}
	delivery->domain = domain_ref(domain);
	domain->places[delivery->place]++;
	return true;
}

void domain_leave(struct delivery *delivery)
{
	struct domain *domain = delivery->domain;

	order_remove(&domain->queue->mail, delivery);
	order_remove(&domain->mail, delivery);
	domain->places[delivery->place]--;
	delivery->domain = NULL;
	domain_put(domain);
}

/* @to is counted already. */
bool domain_change(struct delivery *delivery, struct domain *to)
{
	struct domain *from = delivery->domain;

	if (!order_add(&to->mail, delivery))
		return false;
	order_remove(&from->mail, delivery);
	from->places[delivery->place]--;
	to->places[delivery->place]++;
	delivery->domain = to;
	domain_put(from);
	return true;
}

/* --- waiting deliveries --- */

void domain_remove(struct delivery *delivery)
{
	struct domain *domain = delivery->domain;

	delivery_list_remove(&domain->waiting, delivery);
	delivery_place(delivery, DELIVERY_AT_HAND);
	domain->queue->stats.ready--;
}

struct delivery *domain_pop(struct domain *domain)
{
	struct delivery *delivery = domain->waiting.first;

	if (delivery)
		domain_remove(delivery);
	return delivery;
}

static void append(struct domain *domain, struct delivery *delivery)
{
	delivery_list_append(&domain->waiting, delivery);
	delivery_place(delivery, DELIVERY_WAITING);
	domain->queue->stats.ready++;
	domain_touch(domain);
}

void domain_touch(struct domain *domain)
{
	struct queue *queue = domain->queue;

	if (domain->touched)
		return;
	domain->touched = true;
	domain->next_touched = NULL;
	*queue->touched_tail = domain;
	queue->touched_tail = &domain->next_touched;
}

bool domain_fall_back(struct delivery *delivery)
{
	struct domain *domain = delivery->domain, *other;

	if (domain->fallback || domain->moved || domain->stale ||
	    !domain->route->fallback.host)
		return false;
	other = get(domain->queue, domain->route, true, "");
	if (!other)
		return false;
	if (domain_change(delivery, other))
		return true;
	domain_put(other);
	return false;
}

/* One piece of memory. */
static struct config_next_hop *copy_of(const struct config_next_hop *hop)
{
	size_t host = strlen(hop->host) + 1, text = strlen(hop->text) + 1;
	struct config_next_hop *copy = malloc(sizeof(*copy) + host + text);

	if (!copy)
		return NULL;
	*copy = *hop;
	copy->host = memcpy(copy + 1, hop->host, host);
	copy->text = memcpy(copy->host + host, hop->text, text);
	return copy;
}

static bool make_moved(struct domain *domain, const struct config_next_hop *hop)
{
	if (domain->moved)
		return true;
	domain->moved = copy_of(hop);
	if (!domain->moved)
		return false;
	domain->hop = domain->moved;
	domain->queue->moved++;
	return true;
}

bool domain_move(struct delivery *delivery, const struct config_next_hop *hop)
{
	struct domain *domain = delivery->domain;
	char name[512];
	struct domain *other;

	/* No recipient's domain has a '>' in it. */
	snprintf(name, sizeof(name), ">%s", hop->text);
	other = get(domain->queue, domain->route, false, name);
	if (!other)
		return false;
	if (make_moved(other, hop) &&
	    (other == domain || domain_change(delivery, other))) {
		if (other == domain)
			domain_put(other);
		return true;
	}
	domain_put(other);
	return false;
}

void domain_push(struct delivery *delivery)
{
	assert(!delivery->destination);
	if (delivery->attempts >= delivery->domain->route->fallback_after)
		(void)domain_fall_back(delivery);
	append(delivery->domain, delivery);
}

/* --- to the destination, or not --- */

static void hand_over(struct domain *domain)
{
	struct destination *d = domain->destination;
	struct delivery *delivery;

	while ((delivery = domain_pop(domain))) {
		delivery->destination = destination_ref(d);
		destination_push(d, delivery);
	}
	destination_pump(d);
}

static void fail_all(struct domain *domain, const struct dns_answer *answer)
{
	struct outbound_answer no = {
		.code = answer->code,
		.enhanced = answer->enhanced,
		.text = answer->text,
		.where = "DNS",
	};
	size_t count = domain->waiting.count;

	log_warning("queue.unresolved", L_STR("domain", domain_name(domain)),
		    L_UINT("code", no.code), L_STR("dsn", no.enhanced),
		    L_STR("error", no.text));
	/* Those that wait now: one that can't be put off comes back. */
	domain_ref(domain);
	while (count-- > 0)
		queue_unreachable(domain_pop(domain), &no);
	domain_put(domain);
}

/* From now on @d takes the domain's mail; counted already. */
static void settle_on(struct domain *domain, struct destination *d,
		      uint64_t ttl)
{
	destination_put(domain->destination);
	domain->destination = d;
	domain->valid_until = now_of(domain->queue) + ttl;
}

static uint16_t port_of(const struct domain *domain)
{
	return domain->hop ? domain->hop->port : domain->route->next_hop.port;
}

/* The entry of destinations: for mail of this domain to these hosts. */
static const struct config_destination *rule_for(
	const struct domain *domain, const struct dns_answer *answer)
{
	const char *hosts[DNS_HOSTS_MAX];
	struct config_destination_query query = {.hosts = hosts};

	if (domain->hop) {
		query.next_hop = domain->hop->text;
	} else {
		query.domain = domain->name;
		while (query.host_count < answer->host_count &&
		       answer->hosts[query.host_count].preference ==
			       answer->hosts[0].preference) {
			hosts[query.host_count] =
				answer->hosts[query.host_count].name;
			query.host_count++;
		}
	}
	return config_destination_for(domain->queue->config.config, &query);
}

static void take_answer(struct domain *domain, const struct dns_answer *answer)
{
	static const struct dns_answer no_memory = {
		.code = 451, .enhanced = "4.3.0", .text = "out of memory"};
	struct destination *d;

	if (answer->status != DNS_FOUND && answer->code < 500 &&
	    domain->destination) {
		domain->valid_until = now_of(domain->queue) + STALE_TIME;
		hand_over(domain);
		return;
	}
	if (answer->status != DNS_FOUND) {
		fail_all(domain, answer);
		return;
	}
	d = destination_get(domain->queue, domain->route,
			    rule_for(domain, answer), port_of(domain), answer);
	if (!d) {
		fail_all(domain, &no_memory);
		return;
	}
	settle_on(domain, d, answer->ttl);
	if (suspended_has(domain->queue->config.suspended, d->text,
			  domain->hop ? NULL : domain->name))
		throttle_suspend(d->claim.throttle,
				 now_of(domain->queue) + SUSPENDED_TIME);
	hand_over(domain);
}

static void on_answer(void *arg, const struct dns_answer *answer)
{
	struct domain *domain = arg;
	struct queue *queue = domain->queue;

	domain->lookup = NULL;
	if (queue->stopping)
		return;
	take_answer(domain, answer);
	domains_pump(queue);
}

/* A next hop that is an address needs nobody to ask. */
static bool is_numeric(struct domain *domain)
{
	struct dns_host host = {.address_count = 1};
	struct dns_answer answer = {.status = DNS_FOUND,
				    .hosts = &host,
				    .host_count = 1,
				    .ttl = IDLE_TIME};

	if (!domain->hop ||
	    !dns_address_parse(domain->hop->host, domain->hop->port,
			       &host.addresses[0]))
		return false;
	memcpy(host.name, domain->hop->host, strlen(domain->hop->host) + 1);
	take_answer(domain, &answer);
	return true;
}

static void resolve(struct domain *domain)
{
	static const struct dns_answer nobody = {
		.code = 451,
		.enhanced = "4.4.3",
		.text = "no name server can be asked"};
	struct dns *dns = domain->queue->config.dns;

	if (domain->lookup || is_numeric(domain))
		return;
	if (dns && domain->hop)
		domain->lookup = dns_host(dns, domain->hop->host,
					  domain->hop->port, on_answer, domain);
	else if (dns)
		domain->lookup = dns_mx(dns, domain->name, port_of(domain),
					on_answer, domain);
	if (!domain->lookup)
		fail_all(domain, &nobody);
}

static void pump(struct domain *domain)
{
	if (!domain->waiting.first)
		return;
	if (domain->stale)
		domain_reroute(domain);
	else if (domain->destination &&
		 now_of(domain->queue) < domain->valid_until)
		hand_over(domain);
	else
		resolve(domain);
}

void domains_pump(struct queue *queue)
{
	struct domain *domain;

	/* What is pumped may push more: one loop takes it all. */
	if (queue->pumping || queue->stopping)
		return;
	queue->pumping = true;
	while ((domain = queue->touched)) {
		queue->touched = domain->next_touched;
		if (!queue->touched)
			queue->touched_tail = &queue->touched;
		domain->touched = false;
		domain_ref(domain);
		pump(domain);
		domain_put(domain);
	}
	queue->pumping = false;
}

/* --- the end --- */

static void stop_one(struct table_node *node, void *arg)
{
	dns_cancel(&((struct domain *)node)->lookup);
}

void domains_stop(struct queue *queue)
{
	table_walk(&queue->domains, stop_one, NULL);
}

static void free_one(struct table_node *node, void *arg)
{
	struct domain *domain = (struct domain *)node;
	struct delivery *delivery;

	domain->touched = false;
	domain_ref(domain);
	while ((delivery = domain_pop(domain)))
		queue_drop(delivery);
	domain_put(domain);
	domain_forget(domain);
}

void domains_free(struct queue *queue)
{
	queue->touched = NULL;
	queue->touched_tail = &queue->touched;
	table_walk(&queue->domains, free_one, NULL);
	table_deinit(&queue->domains);
}
