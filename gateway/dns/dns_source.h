/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers single questions: libunbound, or a table in a test.
 */
#ifndef GATEWAY_DNS_DNS_SOURCE_H
#define GATEWAY_DNS_DNS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_resolver;
struct dns_source;
struct uring;

enum dns_type { /* RFC 1035 3.2.2, RFC 3596 */
	DNS_A = 1,
	DNS_MX = 15,
	DNS_AAAA = 28,
};

enum dns_outcome {
	DNS_DATA,
	DNS_EMPTY,   /* the name exists, the type doesn't */
	DNS_NO_NAME, /* NXDOMAIN */
	DNS_FAILED,  /* SERVFAIL, no answer, anything else */
	DNS_FORGED,  /* DNSSEC validation failed */
};

struct dns_reply {
	enum dns_outcome outcome;
	uint32_t ttl; /* seconds */
	size_t count; /* DNS_DATA: records */
	/* Their RDATA, names in it not compressed (RFC 1035 4.1). */
	const unsigned char *const *data;
	const int *len;
};

/* A question in flight; embedded in whoever asks. */
struct dns_query {
	void (*fn)(void *owner, const struct dns_reply *reply);
	void *owner;
	struct dns_source *source; /* NULL: not in flight; the source's */
	int handle;		   /* the source's */
};

struct dns_source_ops {
	/* ask() - 0, or -errno: no reply will come. query->fn is called once
	 * from a later uring_turn(). */
	int (*ask)(struct dns_source *source, const char *name,
		   enum dns_type type, struct dns_query *query);
	/* forget() - no reply shall come for this one. */
	void (*forget)(struct dns_source *source, struct dns_query *query);
	void (*stop)(struct dns_source *source);
	/* stopped() - after stop(): does the ring hold nothing of it any more?
	 * NULL: it never does. */
	bool (*stopped)(const struct dns_source *source);
	void (*destroy)(struct dns_source *source);
};

struct dns_source {
	const struct dns_source_ops *ops;
};

/*
 * dns_unbound_create() - libunbound with a thread of its own; its answers are
 * taken in turns of @ring.
 * @out: returned owned, freed by ops->destroy(). 0 or -errno.
 */
int dns_unbound_create(const struct config_resolver *config, struct uring *ring,
		       struct dns_source **out);

#endif
