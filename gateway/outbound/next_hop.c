/* SPDX-License-Identifier: Apache-2.0 */
/* Where a route leads: addresses and TLS context. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "gateway/outbound/next_hop.h"

/* Sessions kept for resumption: a next hop has few names, so few suffice; MX
 * hosts are many. */
#define SESSION_CACHE	 256
#define SESSION_CACHE_MX 10000

int next_hop_init(struct next_hop *hop, const struct config_route *route,
		  struct ktls_error *error)
{
	struct ktls_ctx_config tls = {
		.role = KTLS_CLIENT,
		.min_version = route->min_version,
		.ciphers = route->ciphers,
		.ciphersuites = route->ciphersuites,
		.ca_file = route->ca_file,
		.session_cache = route->next_hop.mx ? SESSION_CACHE_MX
						    : SESSION_CACHE,
	};

	*hop = (struct next_hop){.route = route};
	pthread_mutex_init(&hop->lock, NULL);
	if (!route->may_need_tls)
		return 0;
	return ktls_ctx_create(&tls, &hop->ctx, error);
}

void next_hop_deinit(struct next_hop *hop)
{
	ktls_ctx_unref(&hop->ctx);
	pthread_mutex_destroy(&hop->lock);
}

int next_hop_resolve(struct next_hop *hop)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct addrinfo *list = NULL, *a;
	char port[8];
	int r;

	/* Numeric addresses need no interface of their family to be known. */
	snprintf(port, sizeof(port), "%u", hop->route->next_hop.port);
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	r = getaddrinfo(hop->route->next_hop.host, port, &hints, &list);
	if (r == EAI_NONAME) {
		hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
		r = getaddrinfo(hop->route->next_hop.host, port, &hints, &list);
	}
	if (r != 0)
		return r;
	pthread_mutex_lock(&hop->lock);
	hop->count = 0;
	for (a = list; a && hop->count < NEXT_HOP_ADDRESSES; a = a->ai_next) {
		memcpy(&hop->addresses[hop->count], a->ai_addr, a->ai_addrlen);
		hop->lengths[hop->count++] = a->ai_addrlen;
	}
	pthread_mutex_unlock(&hop->lock);
	freeaddrinfo(list);
	return 0;
}

socklen_t next_hop_address(struct next_hop *hop, unsigned turn,
			   struct sockaddr_storage *out)
{
	socklen_t len = 0;

	pthread_mutex_lock(&hop->lock);
	if (hop->count > 0) {
		*out = hop->addresses[turn % hop->count];
		len = hop->lengths[turn % hop->count];
	}
	pthread_mutex_unlock(&hop->lock);
	return len;
}
