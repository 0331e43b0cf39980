/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's own socket for local mail: a thread of its own takes connections
 * and hands them to the workers in turn.  Whoever can reach the socket may send
 * mail; who it was stands in the Received field and in the log.
 */
#ifndef GATEWAY_INJECT_INJECT_DOOR_H
#define GATEWAY_INJECT_INJECT_DOOR_H

#include <stddef.h>
#include <sys/socket.h>

#include "gateway/inject/inject_desk.h"

struct inject_door;

struct inject_door_config {
	const char *path;	    /* of the socket; copied */
	struct inject_desk **desks; /* of the workers; copied */
	size_t desk_count;
};

/* inject_door_open() - @out returned owned. 0 or -errno. */
int inject_door_open(const struct inject_door_config *config,
		     struct inject_door **out);
/* inject_door_close() - no more connections; the socket is removed. Accepts
 * NULL; clears. */
void inject_door_close(struct inject_door **door);

/* inject_door_connect() - a connection as if through the socket, for an
 * application at @peer that came in over HTTP. A descriptor, or -errno. Any
 * thread, between open and close. */
int inject_door_connect(struct inject_door *door, const struct sockaddr *peer,
			socklen_t peer_len);

#endif
