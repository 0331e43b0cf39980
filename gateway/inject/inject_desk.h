/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections on their way to a worker: others put them down, the worker takes
 * them up when it is woken.
 */
#ifndef GATEWAY_INJECT_INJECT_DESK_H
#define GATEWAY_INJECT_INJECT_DESK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct inbound;

/* They wait for one turn of a worker's ring. */
#define INJECT_DESK_ROOM 64

enum inject_way {
	INJECT_BY_SOCKET, /* a local process */
	INJECT_BY_HTTP,	  /* an application, already known by its token */
};

/* Who hands mail in. */
struct inject_guest {
	int fd;
	enum inject_way way;
	/* BY_SOCKET: struct inbound_local; BY_HTTP: the application's. */
	struct sockaddr_storage peer;
	socklen_t peer_len;
};

struct inject_desk {
	pthread_mutex_t lock; /* guards the rest */
	struct inject_guest guests[INJECT_DESK_ROOM];
	size_t count;
	bool open;
	void (*wake)(void *arg);
	void *arg;
};

/* inject_desk_open() - @wake: tells the worker, from any thread. */
void inject_desk_open(struct inject_desk *desk, void (*wake)(void *arg),
		      void *arg);
/* inject_desk_put() - guest->fd is taken if true; false: closed, or full. */
bool inject_desk_put(struct inject_desk *desk,
		     const struct inject_guest *guest);

/* The worker's. inject_desk_serve() - all become sessions of @inbound. */
void inject_desk_serve(struct inject_desk *desk, struct inbound *inbound);
/* inject_desk_close() - no more; those that wait are hung up on. */
void inject_desk_close(struct inject_desk *desk);

#endif
