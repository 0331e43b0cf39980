/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the HTTP server: one thread, which everything here belongs to but
 * what the lock guards. */
#ifndef GATEWAY_HTTP_HTTP_PRIVATE_H
#define GATEWAY_HTTP_HTTP_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gateway/admin/admin_core.h"
#include "gateway/http/http_server.h"

#define HTTP_CONNECTIONS_MAX 64
#define HTTP_PATIENCE	     30 /* seconds: for a request, between octets */
#define HTTP_MEMORY	     (32 * 1024) /* of a connection: headers */

struct http_connection; /* for its time limit */

enum http_waits {
	HTTP_WAITS_NOT,
	HTTP_WAITS_POLL, /* for the figures of all workers */
	HTTP_WAITS_CALL, /* for lines of its call */
};

/* A request, from its first line to the end of its answer. */
struct http_request {
	struct http_server *server;
	struct http_request *next, *prev; /* in server->requests */
	struct MHD_Connection *connection;
	const struct http_route *route; /* NULL: refused already */
	bool begun;			/* headers were seen */
	enum http_waits waits;
	bool suspended; /* in libmicrohttpd's sense */
	char from[80];	/* "http 127.0.0.1:40000" */
	/* POST: what came so far, then what goes out */
	char *in;
	size_t in_len;
	struct admin_call *call; /* owned */
	bool over;		 /* no more lines will come */
	bool answering;		 /* its status is said */
	char *out;		 /* owned */
	size_t out_from, out_to, out_room;
	bool lost;	/* no memory for a line */
	uint64_t moved; /* when something last went out */
};

/* The figures of all workers, gathered once for all that want them. */
struct http_poll {
	struct admin_call *call; /* under way */
	uint64_t deadline;
	uint64_t gathered; /* when; 0: never */
	char *status, *metrics, *ready;
	size_t status_len, metrics_len, ready_len;
	bool is_ready;
};

struct http_server {
	char *hostname; /* owned */
	struct suspended *suspended;
	struct host_meter *meter;
	const struct admin_health *health;
	char *token;		 /* owned; NULL: none */
	char *certificate, *key; /* owned PEM; NULL: no TLS */
	struct MHD_Daemon *daemon;
	int fd, news_fd, epoll_fd;
	pthread_t thread;
	bool has_thread;
	atomic_bool stopping;

	pthread_mutex_t lock;	     /* guards attached */
	struct admin_core *attached; /* for core, at the next wake */
	struct admin_core *core;     /* owned; NULL: no workers yet */

	struct http_poll poll;
	struct http_request *requests;
	struct http_connection *connections;
};

uint64_t http_now(void); /* monotonic, ns */

/* --- http_route.c --- */
enum MHD_Result http_on_request(void *server, struct MHD_Connection *connection,
				const char *url, const char *method,
				const char *version, const char *data,
				size_t *size, void **state);
void http_on_completed(void *server, struct MHD_Connection *connection,
		       void **state, enum MHD_RequestTerminationCode code);
void http_suspend(struct http_request *request, enum http_waits waits);
/* http_wake() - go on with a request that waited. */
void http_wake(struct http_request *request);
/* http_reply() - queue a whole answer; @body is copied. */
enum MHD_Result http_reply(struct http_request *request, unsigned status,
			   const char *type, const char *body, size_t len);
enum MHD_Result http_error(struct http_request *request, unsigned status,
			   const char *code, const char *text);
/* http_dress() - the headers that each answer has. */
void http_dress(struct MHD_Response *response, const char *type);

/* --- http_poll.c --- */
/* True: the figures are new enough; else they are asked for, and waiting
 * requests are waked. */
bool http_poll_want(struct http_server *server);
void http_poll_turn(struct http_server *server, uint64_t now);
void http_poll_end(struct http_server *server);
enum MHD_Result http_get_metrics(struct http_request *request);
enum MHD_Result http_get_status(struct http_request *request);
enum MHD_Result http_get_ready(struct http_request *request);

/* --- http_admin.c --- */
enum MHD_Result http_post_admin(struct http_request *request);
void http_admin_turn(struct http_request *request, uint64_t now);
void http_admin_end(struct http_request *request);

/* --- http_limits.c --- */
void http_on_connection(void *server, struct MHD_Connection *connection,
			void **state, enum MHD_ConnectionNotificationCode code);
/* A request is complete: the time limit is its answer's business. */
void http_connection_busy(struct http_request *request, bool busy);
/* http_limits_turn() - end connections that had their time. */
void http_limits_turn(struct http_server *server, uint64_t now);

#endif
