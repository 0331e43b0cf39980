/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a route speaks to its next hops: its TLS level and its TLS context.
 * Shared by all workers.  The addresses here are for routes that pass mail
 * through; the queue finds those of its own.
 */
#ifndef GATEWAY_OUTBOUND_NEXT_HOP_H
#define GATEWAY_OUTBOUND_NEXT_HOP_H

#include <pthread.h>
#include <sys/socket.h>

#include "gateway/config/config.h"
#include "ktls/ktls_ctx.h"

#define NEXT_HOP_ADDRESSES 16

struct next_hop {
	const struct config_route *route; /* borrowed from the snapshot */
	struct ktls_ctx *ctx; /* owned reference; NULL: level none */
	pthread_mutex_t lock; /* guards what follows */
	struct sockaddr_storage addresses[NEXT_HOP_ADDRESSES];
	socklen_t lengths[NEXT_HOP_ADDRESSES];
	unsigned count; /* 0: the name could not be resolved (yet) */
};

/*
 * next_hop_init() - make the TLS context that the route asks for.
 * @route: borrowed, outlives the hop. 0 or -errno with @error filled.
 */
int next_hop_init(struct next_hop *hop, const struct config_route *route,
		  struct ktls_error *error);
void next_hop_deinit(struct next_hop *hop);

/* next_hop_resolve() - look the host up (getaddrinfo(3), blocking: control
 * thread). Keeps the old addresses when it fails. 0 or an EAI_ code. */
int next_hop_resolve(struct next_hop *hop);

/* next_hop_address() - the @turn-th address (counted round). Returns its
 * length, 0 when there is none. */
socklen_t next_hop_address(struct next_hop *hop, unsigned turn,
			   struct sockaddr_storage *out);

#endif
