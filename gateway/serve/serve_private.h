/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of `ringpost serve`: the control thread's things. Not for other
 * folders. */
#ifndef GATEWAY_SERVE_SERVE_PRIVATE_H
#define GATEWAY_SERVE_SERVE_PRIVATE_H

#include <jansson.h>
#include <signal.h>
#include <stdint.h>

#include "gateway/admin/admin_health.h"
#include "gateway/admin/admin_server.h"
#include "gateway/http/http_server.h"
#include "gateway/inject/inject_door.h"
#include "gateway/inject/inject_http.h"
#include "gateway/serve/watch.h"
#include "gateway/metrics/host_stats.h"
#include "gateway/webhook/webhook.h"
#include "gateway/worker/snapshot.h"
#include "gateway/worker/worker.h"

/* A copy of a listening socket that a worker has. */
struct serve_socket {
	int fd; /* owned */
	char address[64];
};

struct serve {
	struct snapshot *snapshot; /* owned reference; for new sessions */
	struct worker_shared shared;
	struct worker **workers; /* config->workers of them */
	unsigned started;
	sigset_t signals;
	int signal_fd; /* readable when one of them is there */
	struct admin_server *admin;
	struct inject_door *door; /* of local mail */
	struct inject_http *inject_http; /* NULL: not wanted */
	uint64_t begun;		  /* ns of CLOCK_MONOTONIC */
	struct webhooks *webhooks;
	bool finishing;		  /* nothing is changed any more */

	/* serve_sockets.c, serve_restart.c */
	struct inherited *inherited;  /* owned; while the workers start */
	struct serve_socket *sockets; /* owned */
	size_t socket_count;
	char *program;	 /* owned; its path at the start; NULL: not known */
	bool restarting; /* become the program that is there now */

	/* serve_reload.c: files of the snapshot, as they were when it was made;
	 * as they were at the last look, if otherwise; as they were when they
	 * could not be used. Owned. */
	struct watch *watch, *seen, *tried;

	/* serve_watchdog.c */
	uint64_t watchdog; /* ns; 0: nobody waits for a sign of life */
	uint64_t signed_at;
	uint64_t *turns; /* of each worker, at the last look; owned */
	struct host_meter *meter;
	struct admin_health health;
	struct http_server *http; /* NULL: not wanted */
};

/* serve.c: ns of CLOCK_MONOTONIC. */
uint64_t serve_monotonic(void);

/* serve_shared.c: what all workers use, whatever the configuration. A
 * sysexits code. */
int serve_make_shared(struct serve *s);
void serve_unmake_shared(struct serve *s);
/* Requests of operators, once the workers are there. */
int serve_open_admin(struct serve *s);

/* serve_webhooks.c: before the workers are there. */
int serve_open_webhooks(struct serve *s);

/* serve_http.c: health and metrics, before the workers have read their spools;
 * and with what they say once they are there. */
int serve_open_http(struct serve *s);
int serve_attach_http(struct serve *s);
void serve_phase(struct serve *s, enum admin_phase phase);

/* serve_inject.c: the socket for local mail, once the workers are there. */
int serve_open_inject(struct serve *s);

/* serve_workers.c. serve_start_workers() - EX_OK when all accept mail. */
int serve_start_workers(struct serve *s);
void serve_order_all(struct serve *s, enum worker_order order);
bool serve_all_running(const struct serve *s);
bool serve_any_running(const struct serve *s);
/* Returns @result, or what a worker ended with if that was EX_OK. */
int serve_join_workers(struct serve *s, int result);

/* serve_reload.c: the control thread's, while workers run. serve_reload() - read
 * the file again, for @by; returns the answer's last line for operators.
 * serve_watch_files() - once a second: certificates that have changed. */
json_t *serve_reload(struct serve *s, const char *by);
void serve_watch_files(struct serve *s);

/* serve_sockets.c. serve_socket() - a listening socket for a worker, who owns
 * it; @alone: as in listener_bind(). -errno. serve_sockets_keep() - give up
 * what @config (NULL: nothing) does not listen on. */
int serve_socket(struct serve *s, const struct config_endpoint *address,
		 bool alone);
void serve_sockets_keep(struct serve *s, const struct config *config);

/* serve_restart.c. serve_program() - this program's path, owned; at its start,
 * before another may lie there. serve_restart() - have the program that is
 * there now look at the configuration; when it is content, s->restarting is set,
 * and the rest is for the control loop. Returns the answer's last line.
 * serve_instance() - which of this process's lives it is, for who waits for the
 * next one.
 * serve_become() - become that program, serving @file; with no thread left.
 * Returns only when that failed, -errno. */
char *serve_program(void);
json_t *serve_restart(struct serve *s, const char *by);
json_t *serve_instance(const struct serve *s);
int serve_become(struct serve *s, const char *file);

/* serve_watchdog.c: tell the service manager that all workers live, if they
 * do; called often. */
void serve_watchdog(struct serve *s);

/* serve_signals.c: they are taken by the control thread alone.
 * serve_wait_signal() - one of ours, or 0 after @ns; requests of operators
 * are served meanwhile. */
void serve_take_signals(struct serve *s);
int serve_wait_signal(struct serve *s, uint64_t ns);

#endif
