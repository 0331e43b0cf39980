/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected, counted over all workers. Thread-safe; a lock is taken
 * once when a connection begins and once when it ends.
 *
 * A client is an IPv4 address or an IPv6 /64: whoever has one address of a
 * /64 has them all.
 */
#ifndef GATEWAY_INBOUND_INBOUND_ADMISSION_H
#define GATEWAY_INBOUND_INBOUND_ADMISSION_H

#include <sys/socket.h>

#include "gateway/inbound/inbound.h"

enum inbound_admitted {
	INBOUND_ADMITTED,    /* counted: leave must follow */
	INBOUND_TOO_MANY,    /* limits.connections */
	INBOUND_CLIENT_MANY, /* limits.connections_per_client */
	INBOUND_NO_MEMORY,
};

enum inbound_admitted inbound_admission_enter(
	struct inbound_admission *admission, const struct config_limits *limits,
	const struct sockaddr *client);
void inbound_admission_leave(struct inbound_admission *admission,
			     const struct sockaddr *client);

#endif
