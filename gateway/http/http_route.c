/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which path is what, who may have it, and the forms of answers.
 *
 * With a token everything but the page itself and the two health checks needs
 * it. Without one nobody can act, and whoever can connect may look; then a page
 * of some other site in a browser on this machine must not be able to, by a
 * name of its own that points here: Host must be ours.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/admin/admin_request.h"
#include "gateway/http/http_page.h"
#include "gateway/http/http_private.h"
#include "gateway/log/log.h"

struct http_route {
	const char *method, *path;
	bool open;  /* for everybody who can connect */
	bool acts;  /* never without a token */
	bool polls; /* wants the figures of all workers */
	enum MHD_Result (*fn)(struct http_request *request);
};

static enum MHD_Result get_live(struct http_request *r)
{
	static const char live[] = "{\"status\":\"live\"}";

	return http_reply(r, MHD_HTTP_OK, "application/json", live,
			  sizeof(live) - 1);
}

static enum MHD_Result get_page(struct http_request *r)
{
	return http_reply(r, MHD_HTTP_OK, "text/html; charset=utf-8", http_page,
			  http_page_len);
}

/* clang-format off */
static const struct http_route routes[] = {
	{"GET",  "/",            true,  false, false, get_page},
	{"GET",  "/healthz",     true,  false, false, get_live},
	{"GET",  "/readyz",      true,  false, true,  http_get_ready},
	{"GET",  "/metrics",     false, false, true,  http_get_metrics},
	{"GET",  "/status.json", false, false, true,  http_get_status},
	{"POST", "/admin",       false, true,  false, http_post_admin},
};
/* clang-format on */

/* --- answers --- */

void http_dress(struct MHD_Response *response, const char *type)
{
	static const struct {
		const char *name, *value;
	} headers[] = {
		{"Cache-Control", "no-store"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Content-Security-Policy", HTTP_PAGE_POLICY},
	};

	(void)MHD_add_response_header(response, "Content-Type", type);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		(void)MHD_add_response_header(response, headers[i].name,
					      headers[i].value);
}

static enum MHD_Result queue(struct http_request *r, unsigned status,
			     struct MHD_Response *response, const char *type)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	http_dress(response, type);
	if (status == MHD_HTTP_UNAUTHORIZED)
		(void)MHD_add_response_header(response, "WWW-Authenticate",
					      "Bearer realm=\"ringpost\"");
	r->answering = true;
	result = MHD_queue_response(r->connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result http_reply(struct http_request *r, unsigned status,
			   const char *type, const char *body, size_t len)
{
	/* The library does not write there. */
	return queue(r, status,
		     MHD_create_response_from_buffer(len,
						     (void *)(uintptr_t)body,
						     MHD_RESPMEM_MUST_COPY),
		     type);
}

enum MHD_Result http_error(struct http_request *r, unsigned status,
			   const char *code, const char *text)
{
	char body[256];
	int len = snprintf(body, sizeof(body),
			   "{\"type\":\"error\",\"code\":\"%s\","
			   "\"error\":\"%s\"}\n",
			   code, text);

	return http_reply(r, status, "application/json", body, (size_t)len);
}

/* --- waiting --- */

void http_suspend(struct http_request *r, enum http_waits waits)
{
	r->waits = waits;
	r->suspended = true;
	MHD_suspend_connection(r->connection);
}

void http_wake(struct http_request *r)
{
	r->waits = HTTP_WAITS_NOT;
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->connection);
}

/* --- who may --- */

/* In a time that does not tell how much of it was right. */
static bool is_token(const char *token, const char *shown)
{
	size_t len = strlen(token), shown_len = strlen(shown);
	unsigned char wrong = len != shown_len;

	for (size_t i = 0; i < shown_len; i++)
		wrong |= (unsigned char)(shown[i] ^ token[i % len]);
	return !wrong;
}

static bool shows_token(const struct http_request *r)
{
	const char *header = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Authorization");

	return header && strncasecmp(header, "Bearer ", 7) == 0 &&
	       is_token(r->server->token, header + 7);
}

/* A numeric address, localhost or the relay's name; a port may follow. */
static bool is_our_host(const struct http_server *server, const char *host)
{
	size_t len = strlen(host);
	char name[256], *colon;
	struct in_addr v4;

	if (host[0] == '[')
		return true;
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len + 1);
	colon = strchr(name, ':');
	if (colon)
		*colon = '\0';
	return inet_pton(AF_INET, name, &v4) == 1 ||
	       strcasecmp(name, "localhost") == 0 ||
	       strcasecmp(name, server->hostname) == 0;
}

static enum MHD_Result deny(struct http_request *r, unsigned status,
			    const char *text)
{
	log_warning("http.denied", L_STR("from", r->from),
		    L_STR("path", r->route->path), L_STR("why", text));
	return http_error(r, status, "denied", text);
}

/* 0: it may. */
static unsigned refusal(const struct http_request *r, const char **why)
{
	const struct http_server *server = r->server;
	const char *host = MHD_lookup_connection_value(r->connection,
						       MHD_HEADER_KIND, "Host");

	if (r->route->open)
		return 0;
	*why = "the token is missing or wrong";
	if (server->token)
		return shows_token(r) ? 0 : MHD_HTTP_UNAUTHORIZED;
	*why = "acting needs a token: admin.http.token_file";
	if (r->route->acts)
		return MHD_HTTP_FORBIDDEN;
	*why = "Host is not this relay";
	return !host || is_our_host(server, host)
		       ? 0
		       : MHD_HTTP_MISDIRECTED_REQUEST;
}

/* --- a request --- */

static const struct http_route *find(const char *method, const char *path,
				     bool *other_method)
{
	*other_method = false;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		if (strcmp(routes[i].method, method) == 0 ||
		    (strcmp(method, "HEAD") == 0 &&
		     strcmp(routes[i].method, "GET") == 0))
			return &routes[i];
		*other_method = true;
	}
	return NULL;
}

static bool is_too_long(struct http_request *r)
{
	const char *length = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Content-Length");

	return length && strtoull(length, NULL, 10) > ADMIN_REQUEST_MAX;
}

/* Headers are there, and a body may follow. */
static enum MHD_Result head(struct http_request *r, const char *method,
			    const char *path)
{
	bool other_method;
	const char *why = NULL;
	unsigned status;

	r->begun = true;
	r->route = find(method, path, &other_method);
	if (!r->route && other_method)
		return http_error(r, MHD_HTTP_METHOD_NOT_ALLOWED, "usage",
				  "another method is wanted here");
	if (!r->route)
		return http_error(r, MHD_HTTP_NOT_FOUND, "usage",
				  "there is /, /metrics, /healthz, /readyz, "
				  "/status.json and POST /admin");
	status = refusal(r, &why);
	if (status)
		return deny(r, status, why);
	if (is_too_long(r))
		return http_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "usage",
				  "the request is too long");
	return MHD_YES;
}

static enum MHD_Result body(struct http_request *r, const char *data,
			    size_t len)
{
	char *more;

	/* Who sends more without having said so is cut off. */
	if (r->in_len + len > ADMIN_REQUEST_MAX)
		return MHD_NO;
	more = realloc(r->in, r->in_len + len);
	if (!more)
		return MHD_NO;
	r->in = more;
	memcpy(r->in + r->in_len, data, len);
	r->in_len += len;
	return MHD_YES;
}

static enum MHD_Result run(struct http_request *r)
{
	http_connection_busy(r, true);
	if (r->route->polls && !http_poll_want(r->server)) {
		http_suspend(r, HTTP_WAITS_POLL);
		return MHD_YES;
	}
	return r->route->fn(r);
}

static struct http_request *make(struct http_server *server,
				 struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct http_request *r = calloc(1, sizeof(*r));
	char host[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_in *v4;
	const struct sockaddr_in6 *v6;

	if (!r)
		return NULL;
	r->server = server;
	r->connection = connection;
	v4 = info ? (const void *)info->client_addr : NULL;
	v6 = (const void *)v4;
	if (v4 && v4->sin_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
	else if (v6 && v6->sin6_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
	snprintf(r->from, sizeof(r->from), "http %s", host);
	r->next = server->requests;
	if (r->next)
		r->next->prev = r;
	server->requests = r;
	return r;
}

/* Called with the headers, with each piece of a body, at its end, and after
 * each wait. */
enum MHD_Result http_on_request(void *arg, struct MHD_Connection *connection,
				const char *url, const char *method,
				const char *version, const char *data,
				size_t *size, void **state)
{
	struct http_request *r = *state;
	size_t len = *size;

	if (!r) {
		r = make(arg, connection);
		*state = r;
		if (!r)
			return MHD_NO;
	}
	if (!r->begun)
		return head(r, method, url);
	*size = 0;
	if (len > 0)
		return body(r, data, len);
	return run(r);
}

void http_on_completed(void *arg, struct MHD_Connection *connection,
		       void **state, enum MHD_RequestTerminationCode code)
{
	struct http_request *r = *state;
	struct http_server *server = arg;

	if (!r)
		return;
	*state = NULL;
	http_connection_busy(r, false);
	if (r->prev)
		r->prev->next = r->next;
	else
		server->requests = r->next;
	if (r->next)
		r->next->prev = r->prev;
	http_admin_end(r);
	free(r);
}
