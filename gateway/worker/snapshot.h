/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration in use: what was read, and the TLS contexts and next hops
 * made from it.  Immutable, counted, shared by all workers: a session goes on
 * with the one it began with, so the one before lives as long as somebody
 * uses it.
 */
#ifndef GATEWAY_WORKER_SNAPSHOT_H
#define GATEWAY_WORKER_SNAPSHOT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/inbound/inbound.h"
#include "gateway/outbound/next_hop.h"

struct snapshot {
	struct config *config;		    /* owned reference */
	struct inbound_listener *listeners; /* one per config->listeners */
	struct next_hop *hops;		    /* one per config->routes */
	size_t hop_count;		    /* of them, made */
	atomic_uint references;
};

/* What a configuration that reads well is wrong in. */
struct snapshot_error {
	bool route;	       /* else: a listener */
	const char *subject;   /* its address, or what it matches; borrowed */
	uint32_t line, column; /* in the file */
	struct ktls_error tls;
};

/*
 * snapshot_create() - load certificates, keys and trust anchors. Blocks.
 * @config: a reference is taken. @out: returned owned (one reference).
 * Returns 0; -EINVAL with @error filled (its subject lives as long as
 * @config); -ENOMEM.
 */
int snapshot_create(struct config *config, struct snapshot **out,
		    struct snapshot_error *error);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot **snapshot); /* accepts NULL; clears */

/* snapshot_resolve() - look up the next hops of routes that are cut through
 * (the queue asks DNS itself); all of them, or those without an address.
 * Blocks; any thread. */
void snapshot_resolve(struct snapshot *snapshot, bool all);

#endif
