/* SPDX-License-Identifier: Apache-2.0 */
/* A name server in memory: a table instead of libunbound. */
#ifndef TESTS_SUPPORT_FAKE_DNS_H
#define TESTS_SUPPORT_FAKE_DNS_H

#include <stdbool.h>

#include "gateway/dns/dns_source.h"
#include "uring/uring_timer.h"

#define FAKE_DNS_RECORDS 128
#define FAKE_DNS_QUERIES 4096

struct fake_dns_record {
	const char *name; /* borrowed */
	enum dns_type type;
	enum dns_outcome outcome;
	bool silent; /* no reply comes, ever */
	unsigned char data[300];
	int len;
};

struct fake_dns {
	struct dns_source source; /* first: the pointers are the same */
	struct uring *ring;
	struct uring_timer timer;
	struct fake_dns_record records[FAKE_DNS_RECORDS];
	unsigned record_count;
	struct {
		struct dns_query *query; /* NULL: forgotten */
		const char *name;
		enum dns_type type;
	} pending[FAKE_DNS_QUERIES];
	unsigned pending_count;
	unsigned asked; /* in all */
	bool deaf;	/* asking fails */
};

void fake_dns_init(struct fake_dns *dns, struct uring *ring);
/* fake_dns_mx() - @host "" for the root. fake_dns_a() - IPv4 or IPv6. Names
 * without any record do not exist. */
void fake_dns_mx(struct fake_dns *dns, const char *domain, unsigned preference,
		 const char *host);
void fake_dns_a(struct fake_dns *dns, const char *host, const char *address);
/* The same for every type of @name: it fails, is forged, or stays silent. */
void fake_dns_bad(struct fake_dns *dns, const char *name,
		  enum dns_outcome outcome, bool silent);
/* fake_dns_raw() - any bytes as an MX record. */
void fake_dns_raw(struct fake_dns *dns, const char *domain, const void *data,
		  int len);
void fake_dns_clear(struct fake_dns *dns);

#endif
