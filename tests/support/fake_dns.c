/* SPDX-License-Identifier: Apache-2.0 */
/* A name server in memory. */
#include "tests/support/fake_dns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static struct fake_dns *fake_of(struct dns_source *source)
{
	return (struct fake_dns *)source;
}

static void reply_to(struct fake_dns *f, struct dns_query *query,
		     const char *name, enum dns_type type)
{
	const unsigned char *data[FAKE_DNS_RECORDS];
	int len[FAKE_DNS_RECORDS];
	struct dns_reply reply = {.outcome = DNS_NO_NAME, .ttl = 300};

	for (unsigned i = 0; i < f->record_count; i++) {
		const struct fake_dns_record *r = &f->records[i];

		if (strcasecmp(r->name, name) != 0)
			continue;
		if (r->silent)
			return;
		if (r->outcome != DNS_DATA)
			reply.outcome = r->outcome;
		else if (reply.outcome == DNS_NO_NAME)
			reply.outcome = DNS_EMPTY;
		if (r->outcome != DNS_DATA || r->type != type)
			continue;
		reply.outcome = DNS_DATA;
		data[reply.count] = r->data;
		len[reply.count++] = r->len;
	}
	reply.data = data;
	reply.len = len;
	query->source = NULL;
	query->fn(query->owner, &reply);
}

static void on_timer(void *owner)
{
	struct fake_dns *f = owner;
	unsigned count = f->pending_count;

	/* Replies may ask more: those come behind and wait for the next. */
	for (unsigned i = 0; i < count; i++) {
		struct dns_query *query = f->pending[i].query;

		if (!query)
			continue;
		f->pending[i].query = NULL;
		reply_to(f, query, f->pending[i].name, f->pending[i].type);
	}
	memmove(f->pending, f->pending + count,
		(f->pending_count - count) * sizeof(f->pending[0]));
	f->pending_count -= count;
	if (f->pending_count > 0)
		uring_timer_set(f->ring, &f->timer, 0);
}

static int ask(struct dns_source *source, const char *name, enum dns_type type,
	       struct dns_query *query)
{
	struct fake_dns *f = fake_of(source);

	if (f->deaf)
		return -EIO;
	assert(f->pending_count < FAKE_DNS_QUERIES);
	f->asked++;
	query->source = source;
	f->pending[f->pending_count].query = query;
	f->pending[f->pending_count].name = name;
	f->pending[f->pending_count++].type = type;
	uring_timer_set(f->ring, &f->timer, 0);
	return 0;
}

static void forget(struct dns_source *source, struct dns_query *query)
{
	struct fake_dns *f = fake_of(source);

	for (unsigned i = 0; i < f->pending_count; i++)
		if (f->pending[i].query == query)
			f->pending[i].query = NULL;
	query->source = NULL;
}

static void stop(struct dns_source *source)
{
	struct fake_dns *f = fake_of(source);

	uring_timer_clear(f->ring, &f->timer);
}

static const struct dns_source_ops ops = {
	.ask = ask,
	.forget = forget,
	.stop = stop,
};

void fake_dns_init(struct fake_dns *f, struct uring *ring)
{
	*f = (struct fake_dns){.source = {.ops = &ops}, .ring = ring};
	f->timer = (struct uring_timer){.fn = on_timer, .owner = f};
}

static struct fake_dns_record *add(struct fake_dns *f, const char *name,
				   enum dns_type type)
{
	struct fake_dns_record *r = &f->records[f->record_count++];

	assert(f->record_count <= FAKE_DNS_RECORDS);
	*r = (struct fake_dns_record){.name = name, .type = type};
	return r;
}

void fake_dns_mx(struct fake_dns *f, const char *domain, unsigned preference,
		 const char *host)
{
	struct fake_dns_record *r = add(f, domain, DNS_MX);
	int at = 2;

	r->data[0] = (unsigned char)(preference >> 8);
	r->data[1] = (unsigned char)preference;
	while (*host) {
		size_t label = strcspn(host, ".");

		r->data[at++] = (unsigned char)label;
		memcpy(r->data + at, host, label);
		at += (int)label;
		host += label + (host[label] == '.');
	}
	r->data[at++] = 0;
	r->len = at;
}

void fake_dns_a(struct fake_dns *f, const char *host, const char *address)
{
	bool v6 = strchr(address, ':') != NULL;
	struct fake_dns_record *r = add(f, host, v6 ? DNS_AAAA : DNS_A);

	assert(inet_pton(v6 ? AF_INET6 : AF_INET, address, r->data) == 1);
	r->len = v6 ? 16 : 4;
}

void fake_dns_bad(struct fake_dns *f, const char *name,
		  enum dns_outcome outcome, bool silent)
{
	struct fake_dns_record *r = add(f, name, DNS_A);

	r->outcome = outcome;
	r->silent = silent;
}

void fake_dns_raw(struct fake_dns *f, const char *domain, const void *data,
		  int len)
{
	struct fake_dns_record *r = add(f, domain, DNS_MX);

	memcpy(r->data, data, (size_t)len);
	r->len = len;
}

void fake_dns_clear(struct fake_dns *f)
{
	f->record_count = 0;
}
