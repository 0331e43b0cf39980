/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP for operators: /metrics, /healthz, /readyz, the status page and its
 * data, and the admin interface (docs/admin-http.md).  libmicrohttpd in a
 * thread of its own, which asks workers as the admin socket does; no worker
 * ever waits for it.
 */
#ifndef GATEWAY_HTTP_HTTP_SERVER_H
#define GATEWAY_HTTP_HTTP_SERVER_H

#include "gateway/admin/admin_core.h"
#include "gateway/config/config_http.h"

struct http_server;

/* Borrowed until http_server_close(), but for what is said. */
struct http_server_config {
	const struct config_http *http; /* with an address; for the call */
	const char *hostname;		/* copied */
	struct suspended *suspended;
	struct host_meter *meter;
	const struct admin_health *health;
};

/*
 * http_server_open() - listen and serve; there are no workers yet, so metrics
 * are the process's only and requests are "unavailable".
 * @out: returned owned. 0 or -errno; *@what says (static) what failed.
 */
int http_server_open(const struct http_server_config *config,
		     struct http_server **out, const char **what);
/* http_server_attach() - the workers are there (copied; once). 0, -ENOMEM. */
int http_server_attach(struct http_server *server,
		       const struct admin_worker *workers, unsigned count);
/* http_server_close() - end all requests and the thread; accepts NULL; clears.
 * The workers may be stopping, but must be there. */
void http_server_close(struct http_server **server);

#endif
