/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one lookup: MX, then A and AAAA of all hosts at once, then the
 * answer.  RFC 5321 section 5.1.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/dns_private.h"

/* Bounds for what records say, in seconds. */
#define TTL_MIN	  5
#define TTL_MAX	  3600
#define TTL_AGAIN 60 /* when a part of the answer was missing */

/* clang-format off */
static const struct {
	uint16_t code;
	const char *enhanced, *text;
} words[] = {
	[DNS_FOUND] = {0, "", ""},
	[DNS_NO_DOMAIN] = {550, "5.1.2",
		"the domain does not exist or takes no mail"},
	[DNS_NO_MAIL] = {556, "5.1.10",
		"the domain takes no mail (null MX)"},
	[DNS_NO_HOST] = {550, "5.4.4",
		"none of the domain's mail hosts has an address"},
	[DNS_LOOP] = {554, "5.4.6",
		"the domain's best mail host is this relay: mail would loop"},
	[DNS_LATER] = {451, "4.4.3",
		"DNS has no answer about the domain at present"},
	[DNS_BOGUS] = {451, "4.7.0",
		"DNSSEC validation of the domain's records failed"},
};
/* clang-format on */

/* The end: tell, and be gone. */
static void conclude(struct dns_lookup *lookup, enum dns_status status)
{
	struct dns_answer answer = {
		.status = status,
		.code = words[status].code,
		.enhanced = words[status].enhanced,
		.text = words[status].text,
		.hosts = lookup->hosts,
		.host_count = status == DNS_FOUND ? lookup->host_count : 0,
	};
	uint32_t ttl = lookup->ttl;

	if (ttl > TTL_MAX)
		ttl = TTL_MAX;
	if ((lookup->failed || lookup->bogus) && ttl > TTL_AGAIN)
		ttl = TTL_AGAIN;
	if (ttl < TTL_MIN)
		ttl = TTL_MIN;
	answer.ttl = ttl * URING_SEC;
	lookup->done(lookup->arg, &answer);
	dns_lookup_free(lookup);
}

/* --- addresses of hosts --- */

static uint16_t least_of_self(const struct dns_lookup *lookup, bool *found)
{
	const struct dns_self *self = &lookup->dns->self;

	*found = false;
	for (size_t i = 0; i < lookup->host_count; i++) {
		const struct dns_host *h = &lookup->hosts[i];

		*found = dns_self_name(self, h->name);
		for (unsigned a = 0; !*found && a < h->address_count; a++)
			*found = dns_self_address(self, &h->addresses[a]);
		if (*found)
			return h->preference;
	}
	return 0;
}

/* This relay among the hosts: it and all behind it are no way on. The hosts
 * stay allocated; those cut off are just not counted. */
static void cut_self(struct dns_lookup *lookup)
{
	bool found;
	uint16_t least = least_of_self(lookup, &found);

	if (!found)
		return;
	lookup->looped = true;
	lookup->host_count =
		dns_mx_cut(lookup->hosts, lookup->host_count, least);
}

static void drop_without_address(struct dns_lookup *lookup)
{
	size_t kept = 0;

	for (size_t i = 0; i < lookup->host_count; i++)
		if (lookup->hosts[i].address_count > 0)
			lookup->hosts[kept++] = lookup->hosts[i];
	lookup->host_count = kept;
}

static enum dns_status without_hosts(const struct dns_lookup *lookup)
{
	if (lookup->bogus)
		return DNS_BOGUS;
	if (lookup->failed)
		return DNS_LATER;
	if (lookup->looped)
		return DNS_LOOP;
	return lookup->mx && !lookup->implicit ? DNS_NO_HOST : DNS_NO_DOMAIN;
}

/* All questions are answered. */
static void judge(struct dns_lookup *lookup)
{
	assert(lookup->open == 0);
	if (lookup->mx)
		cut_self(lookup);
	drop_without_address(lookup);
	conclude(lookup,
		 lookup->host_count > 0 ? DNS_FOUND : without_hosts(lookup));
}

static void take_address(struct dns_lookup *lookup, struct dns_host *host,
			 const unsigned char *data, int len)
{
	struct dns_address *a;

	if (host->address_count == DNS_HOST_ADDRESSES_MAX ||
	    (len != 4 && len != 16))
		return;
	a = &host->addresses[host->address_count++];
	memset(a, 0, sizeof(*a));
	if (len == 4) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(lookup->port);
		memcpy(&a->v4.sin_addr, data, 4);
	} else {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(lookup->port);
		memcpy(&a->v6.sin6_addr, data, 16);
	}
}

static void note(struct dns_lookup *lookup, const struct dns_reply *reply)
{
	lookup->failed |= reply->outcome == DNS_FAILED;
	lookup->bogus |= reply->outcome == DNS_FORGED;
	if (reply->outcome == DNS_DATA && reply->ttl < lookup->ttl)
		lookup->ttl = reply->ttl;
}

static void on_addresses(void *owner, const struct dns_reply *reply)
{
	struct dns_ask *ask = owner;
	struct dns_lookup *lookup = ask->lookup;

	note(lookup, reply);
	for (size_t i = 0; reply->outcome == DNS_DATA && i < reply->count; i++)
		take_address(lookup, ask->host, reply->data[i], reply->len[i]);
	if (--lookup->open == 0)
		judge(lookup);
}

static void ask_about(struct dns_lookup *lookup, struct dns_ask *ask)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};
	struct dns_source *source = lookup->dns->source;

	for (unsigned i = 0; i < 2; i++) {
		ask->query[i].fn = on_addresses;
		ask->query[i].owner = ask;
		if (source->ops->ask(source, ask->host->name, types[i],
				     &ask->query[i]) == 0)
			lookup->open++;
		else
			lookup->failed = true;
	}
}

static void ask_hosts(struct dns_lookup *lookup)
{
	size_t n = lookup->host_count;

	lookup->asks = calloc(n, sizeof(lookup->asks[0]));
	if (!lookup->asks) {
		conclude(lookup, DNS_LATER);
		return;
	}
	lookup->ask_count = n;
	for (size_t i = 0; i < n; i++) {
		lookup->asks[i].lookup = lookup;
		lookup->asks[i].host = &lookup->hosts[i];
		ask_about(lookup, &lookup->asks[i]);
	}
	if (lookup->open == 0)
		judge(lookup);
}

/* Only the name itself to ask for: a next hop, or a domain without MX. */
static void ask_name(struct dns_lookup *lookup)
{
	lookup->hosts = calloc(1, sizeof(lookup->hosts[0]));
	if (!lookup->hosts) {
		conclude(lookup, DNS_LATER);
		return;
	}
	lookup->host_count = 1;
	memcpy(lookup->hosts[0].name, lookup->name, strlen(lookup->name) + 1);
	ask_hosts(lookup);
}

/* --- MX --- */

static void take_mx(struct dns_lookup *lookup, const struct dns_reply *reply)
{
	bool null;

	lookup->hosts = calloc(DNS_HOSTS_MAX, sizeof(lookup->hosts[0]));
	if (!lookup->hosts) {
		conclude(lookup, DNS_LATER);
		return;
	}
	lookup->host_count = dns_mx_read(reply, lookup->hosts, &null);
	if (null) {
		conclude(lookup, DNS_NO_MAIL);
		return;
	}
	if (lookup->host_count == 0) {
		conclude(lookup, DNS_NO_HOST);
		return;
	}
	cut_self(lookup); /* by name; by address when those are known */
	if (lookup->host_count == 0)
		conclude(lookup, DNS_LOOP);
	else
		ask_hosts(lookup);
}

static void on_mx(void *owner, const struct dns_reply *reply)
{
	struct dns_lookup *lookup = owner;

	note(lookup, reply);
	switch (reply->outcome) {
	case DNS_DATA:
		take_mx(lookup, reply);
		return;
	case DNS_EMPTY:
		lookup->implicit = true;
		ask_name(lookup);
		return;
	case DNS_NO_NAME:
		conclude(lookup, DNS_NO_DOMAIN);
		return;
	case DNS_FORGED:
		conclude(lookup, DNS_BOGUS);
		return;
	case DNS_FAILED:
		break;
	}
	conclude(lookup, DNS_LATER);
}

/* --- begin and time --- */

static bool is_address(struct dns_lookup *lookup)
{
	struct dns_address a;

	if (lookup->mx ? !dns_name_literal(lookup->name, lookup->port, &a)
		       : !dns_address_parse(lookup->name, lookup->port, &a))
		return false;
	lookup->hosts = calloc(1, sizeof(lookup->hosts[0]));
	if (!lookup->hosts)
		return false;
	lookup->host_count = 1;
	lookup->hosts[0].address_count = 1;
	lookup->hosts[0].addresses[0] = a;
	inet_ntop(a.any.sa_family,
		  a.any.sa_family == AF_INET6 ? (void *)&a.v6.sin6_addr
					      : (void *)&a.v4.sin_addr,
		  lookup->hosts[0].name, sizeof(lookup->hosts[0].name));
	return true;
}

static void begin(struct dns_lookup *lookup)
{
	struct dns_source *source = lookup->dns->source;

	if (is_address(lookup)) {
		judge(lookup);
		return;
	}
	if (!dns_name_ascii(lookup->name, sizeof(lookup->name))) {
		conclude(lookup, DNS_NO_DOMAIN);
		return;
	}
	uring_timer_set(lookup->dns->ring, &lookup->timer,
			lookup->dns->config->resolver.timeout);
	lookup->query.fn = on_mx;
	lookup->query.owner = lookup;
	if (!lookup->mx)
		ask_name(lookup);
	else if (source->ops->ask(source, lookup->name, DNS_MX,
				  &lookup->query) < 0)
		conclude(lookup, DNS_LATER);
}

/* What has come in time may do; else the mail waits. */
static void time_over(struct dns_lookup *lookup)
{
	lookup->failed = true;
	lookup->open = 0;
	if (lookup->asks)
		judge(lookup);
	else
		conclude(lookup, DNS_LATER);
}

void dns_lookup_on_timer(void *owner)
{
	struct dns_lookup *lookup = owner;

	if (lookup->query.fn)
		time_over(lookup);
	else
		begin(lookup);
}
