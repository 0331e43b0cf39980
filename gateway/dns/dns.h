/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where mail for a domain goes: its MX hosts and their addresses (RFC 5321
 * section 5), or the addresses of a host that the configuration names.
 *
 * One struct dns per worker; answers come from uring_turn() of its ring,
 * nothing here waits.  Who is asked is behind a seam (dns_source.h).
 */
#ifndef GATEWAY_DNS_DNS_H
#define GATEWAY_DNS_DNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "gateway/config/config.h"

struct dns;
struct dns_lookup;
struct dns_source;
struct uring;

#define DNS_NAME_MAX 253 /* octets of a name as text, without a last dot */
/* More is not looked at: nobody needs it, and it all would be asked for. */
#define DNS_HOSTS_MAX	       32
#define DNS_HOST_ADDRESSES_MAX 16

struct dns_address { /* with the port that was asked for */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

struct dns_host {
	char name[DNS_NAME_MAX + 1]; /* lower case, no last dot */
	uint16_t preference;	     /* 0 for hosts that are no MX */
	unsigned address_count;
	struct dns_address addresses[DNS_HOST_ADDRESSES_MAX];
};

enum dns_status {
	DNS_FOUND,
	DNS_NO_DOMAIN, /* it does not exist, or has neither MX nor address */
	DNS_NO_MAIL,   /* it says that it takes none (RFC 7505) */
	DNS_NO_HOST,   /* none of its MX hosts has an address */
	DNS_LOOP,      /* its best MX host is this relay (RFC 5321 5.1) */
	DNS_LATER,     /* no answer, or one that is no use */
	DNS_BOGUS,     /* DNSSEC says that the answer is not to be trusted */
};

struct dns_answer {
	enum dns_status status;
	/* For mail that can't be sent: an SMTP code (4xx: may pass), the
	 * enhanced code (static) and words. */
	uint16_t code;
	const char *enhanced;
	const char *text;
	uint64_t ttl; /* ns that this may be used for */
	/* DNS_FOUND: hosts with at least one address, by preference, then by
	 * name; at least one. */
	const struct dns_host *hosts;
	size_t host_count;
};

/* Valid during the call, as is @answer. The lookup is gone. */
typedef void (*dns_done_fn)(void *arg, const struct dns_answer *answer);

struct dns_config {
	const struct config *config; /* borrowed, outlives dns */
	struct uring *ring;	     /* borrowed */
	/* Borrowed, outlives dns; NULL: libunbound. */
	struct dns_source *source;
};

/* dns_create() - @out returned owned. 0 or -errno. */
int dns_create(const struct dns_config *config, struct dns **out);
/* dns_destroy() - with no lookup left, before or after the ring; accepts NULL;
 * clears. */
void dns_destroy(struct dns **dns);
/* dns_stop() - nothing is asked any more: take back what the ring holds. Needed
 * before the ring is destroyed. */
void dns_stop(struct dns *dns);
/* dns_stopped() - after dns_stop(), with no lookup left: does the ring hold
 * nothing of it? Then it may be destroyed while the ring goes on. */
bool dns_stopped(const struct dns *dns);
/* dns_reload() - @config (borrowed, as in struct dns_config) from now on; it
 * has the same resolver, hostname and addresses. */
void dns_reload(struct dns *dns, const struct config *config);

/*
 * dns_mx() - look up who takes mail for @domain: a domain in any case, also
 * with letters beyond ASCII (UTF-8), or an address literal ("[192.0.2.1]").
 * dns_host() - look up the addresses of @host.
 * The text is copied. @done is called once, from a later uring_turn(), unless
 * the lookup is cancelled. NULL: no memory.
 */
struct dns_lookup *dns_mx(struct dns *dns, const char *domain, uint16_t port,
			  dns_done_fn done, void *arg);
struct dns_lookup *dns_host(struct dns *dns, const char *host, uint16_t port,
			    dns_done_fn done, void *arg);
/* dns_cancel() - accepts NULL; clears. */
void dns_cancel(struct dns_lookup **lookup);

/* dns_address_parse() - @host as a numeric address. False: it is none. */
bool dns_address_parse(const char *host, uint16_t port,
		       struct dns_address *out);
socklen_t dns_address_len(const struct dns_address *address);
bool dns_address_equal(const struct dns_address *a,
		       const struct dns_address *b);

#endif
