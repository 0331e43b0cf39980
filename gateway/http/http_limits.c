/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd ends a connection on which nothing moves. A client that sends
 * an octet now and then would keep its place for ever: here each request has
 * its time.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/http/http_private.h"

#define SECOND UINT64_C(1000000000)

struct http_connection {
	struct http_connection *next, *prev;
	int fd; /* libmicrohttpd's */
	uint64_t since;
	bool busy; /* the request is whole */
};

static void begin(struct http_server *server, struct MHD_Connection *connection,
		  void **state)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_connection *c = calloc(1, sizeof(*c));

	*state = c;
	if (!c)
		return;
	c->fd = info ? info->connect_fd : -1;
	c->since = http_now();
	c->next = server->connections;
	if (c->next)
		c->next->prev = c;
	server->connections = c;
}

static void end(struct http_server *server, struct http_connection *c)
{
	if (!c)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		server->connections = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

void http_on_connection(void *server, struct MHD_Connection *connection,
			void **state, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		begin(server, connection, state);
	} else {
		end(server, *state);
		*state = NULL;
	}
}

void http_connection_busy(struct http_request *request, bool busy)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_connection *c = info ? info->socket_context : NULL;

	if (!c)
		return;
	c->busy = busy;
	c->since = http_now();
}

void http_limits_turn(struct http_server *server, uint64_t now)
{
	for (struct http_connection *c = server->connections; c; c = c->next)
		if (!c->busy && now > c->since &&
		    now - c->since > HTTP_PATIENCE * SECOND)
			(void)shutdown(c->fd, SHUT_RDWR);
}
