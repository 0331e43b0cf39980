/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of servers, by address: that one can't be reached and
 * when to try again, that the TLS of one is broken, or not for the kernel.  It outlives destinations
 * and serves all that share a server.
 */
#ifndef GATEWAY_QUEUE_REACH_H
#define GATEWAY_QUEUE_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/dns/dns.h"
#include "gateway/queue/table.h"

struct reach_entry;

struct reach {
	const struct config_retry *retry; /* borrowed */
	struct table table;
	struct reach_entry *oldest, *newest;
};

void reach_init(struct reach *reach, const struct config_retry *retry,
		uint64_t seed);
void reach_deinit(struct reach *reach);

/* All times: ring time, ns. */

/* reach_until() - not to be tried before; 0: nothing is known against it. */
uint64_t reach_until(const struct reach *reach, const struct dns_address *a);
/* reach_probe() - it is tried: when it has failed before, nobody else needs to
 * for a while. */
void reach_probe(struct reach *reach, const struct dns_address *a,
		 uint64_t now);
/* reach_failed() - a session that was opened at @opened came to nothing.
 * Sessions opened before the last failure make nothing worse. */
void reach_failed(struct reach *reach, const struct dns_address *a,
		  uint64_t opened, uint64_t now);
void reach_works(struct reach *reach, const struct dns_address *a);

/* reach_set_plain() - TLS failed there, and level `may` allows going on without
 * until @until. False: no memory to remember that. */
bool reach_set_plain(struct reach *reach, const struct dns_address *a,
		     uint64_t until);
bool reach_plain(const struct reach *reach, const struct dns_address *a,
		 uint64_t now);

/* reach_set_rekeys() - it changes TLS keys in ways that kernel TLS can't follow
 * (outbound_rekeys()): user space until @until. False: no memory. */
bool reach_set_rekeys(struct reach *reach, const struct dns_address *a,
		      uint64_t until);
bool reach_rekeys(const struct reach *reach, const struct dns_address *a,
		  uint64_t now);

#endif
