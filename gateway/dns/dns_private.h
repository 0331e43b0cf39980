/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of gateway/dns: a lookup and its parts. Not for other folders. */
#ifndef GATEWAY_DNS_DNS_PRIVATE_H
#define GATEWAY_DNS_DNS_PRIVATE_H

#include "gateway/dns/dns.h"
#include "gateway/dns/dns_source.h"
#include "uring/uring.h"
#include "uring/uring_timer.h"

/* What this relay is called and where it listens. */
struct dns_self {
	const char *hostname; /* borrowed */
	struct dns_address *addresses;
	size_t count;
};

/* The questions for one host. */
struct dns_ask {
	struct dns_lookup *lookup;
	struct dns_host *host;
	struct dns_query query[2]; /* A, AAAA */
};

struct dns_list {
	struct dns_lookup *first, *last;
	unsigned count;
};

struct dns_lookup {
	struct dns *dns;
	struct dns_list *list; /* dns->waiting or dns->active */
	struct dns_lookup *next, *prev;
	struct uring_timer timer; /* waiting: its turn; active: time is over */
	dns_done_fn done;
	void *arg;
	uint16_t port;
	bool mx;       /* asked for, not only a host */
	bool implicit; /* but there is none: the domain is its host */
	struct dns_query query;
	struct dns_host *hosts; /* owned, host_count of them */
	size_t host_count;
	struct dns_ask *asks; /* owned, ask_count of them */
	size_t ask_count;
	unsigned open;	 /* questions about hosts */
	bool failed;	 /* one of them had no answer */
	bool bogus;	 /* or a forged one */
	bool looped;	 /* hosts were cut off because one is this relay */
	uint32_t ttl;	 /* least of all answers, seconds */
	char name[1024]; /* as asked for; ASCII once begun */
};

/* Lookups that may run at a time, not counting those that take long. */
#define DNS_BEGINNING_MAX 512

struct dns {
	const struct config *config;
	struct uring *ring;
	struct dns_source *source, *own_source; /* owned if own_ */
	struct dns_self self;
	struct dns_list waiting, active;
	uint64_t begun[DNS_BEGINNING_MAX]; /* when the last ones began: a
					    * ring, by begun_count */
	uint64_t begun_count;
	struct uring_timer admit; /* when the next of waiting may begin */
};

/* dns.c: where lookups are kept. */
void dns_list_add(struct dns_list *list, struct dns_lookup *lookup);
void dns_list_remove(struct dns_lookup *lookup);
/* The next waiting lookup may begin. */
void dns_next(struct dns *dns);
void dns_lookup_free(struct dns_lookup *lookup);

/* dns_lookup.c: handler of lookup->timer. */
void dns_lookup_on_timer(void *owner);

/* dns_mx.c: the records of an MX answer to hosts, by preference and name, at
 * most DNS_HOSTS_MAX, no host twice. Returns their number, 0 for none that can
 * be used; *null is true for a null MX (RFC 7505). */
size_t dns_mx_read(const struct dns_reply *reply, struct dns_host *out,
		   bool *null);
/* Cut off hosts with a preference of @least and above (RFC 5321 5.1). */
size_t dns_mx_cut(struct dns_host *hosts, size_t count, uint16_t least);

/* dns_name.c */
/* Any name to lower case ASCII without last dot, in place. False: it is no
 * domain name. */
bool dns_name_ascii(char *name, size_t room);
/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
bool dns_name_literal(const char *name, uint16_t port, struct dns_address *out);
/* A name of an answer in wire format to text in lower case. False: it isn't
 * one, or one that no host has. */
bool dns_name_read(const unsigned char *wire, size_t len,
		   char out[DNS_NAME_MAX + 1]);

/* dns_self.c */
int dns_self_init(struct dns_self *self, const struct config *config);
void dns_self_deinit(struct dns_self *self);
bool dns_self_name(const struct dns_self *self, const char *name);
bool dns_self_address(const struct dns_self *self,
		      const struct dns_address *address);

#endif
