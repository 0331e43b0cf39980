/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of HTTP injection. Not for other folders. */
#ifndef GATEWAY_INJECT_INJECT_HTTP_PRIVATE_H
#define GATEWAY_INJECT_INJECT_HTTP_PRIVATE_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "gateway/inject/inject_buffer.h"
#include "gateway/inject/inject_http.h"
#include "gateway/inject/inject_keys.h"

struct inject_http {
	struct MHD_Daemon *daemon;
	struct inject_door *door;
	struct inject_keys *keys; /* owned */
	int fd;
	char *hostname, *token, *certificate, *tls_key; /* owned */
	size_t body_max;
	atomic_size_t held; /* octets of bodies, of all requests */
};

/* One request, a thread's own. */
struct inject_request {
	struct inject_http *http;
	struct MHD_Connection *connection;
	struct inject_buffer body;
	size_t held; /* of http->held */
	/* Said when its body is over, so that a client that is still sending it
	 * hears it; 0: nothing is wrong so far. */
	unsigned refused;
	const char *code, *why; /* static */
	size_t discarded;	/* octets of its body */
};

/* inject_http_run.c: the body is there; answers. */
enum MHD_Result inject_http_run(struct inject_request *request);
/* inject_http.c: an answer of JSON; @body is copied. */
enum MHD_Result inject_http_reply(struct inject_request *request,
				  unsigned status, const char *body);
enum MHD_Result inject_http_error(struct inject_request *request,
				  unsigned status, const char *code,
				  const char *text);

#endif
