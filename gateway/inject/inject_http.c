/* SPDX-License-Identifier: Apache-2.0 */
/* The server: who may, how much, and where requests begin and end. */
#include "gateway/inject/inject_http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "gateway/inject/inject_http_private.h"
#include "gateway/worker/listener.h"
#include "ktls/ktls_hmac.h"

#define CONNECTIONS_MAX 64
#define PATIENCE	30 /* seconds: between octets of a request */
#define HEADERS_MAX	(32 * 1024)
/* Octets of bodies that are in memory at once. */
#define HELD_MAX ((size_t)256 << 20)
/* Of a body that is refused already; then the connection is cut. */
#define DISCARD_MAX ((size_t)4 << 20)
#define FILE_MAX    (256 * 1024)
#define TOKEN_MIN   16

/* --- answers --- */

enum MHD_Result inject_http_reply(struct inject_request *r, unsigned status,
				  const char *body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, "Content-Type",
				      "application/json");
	(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	if (status == MHD_HTTP_UNAUTHORIZED)
		(void)MHD_add_response_header(response, "WWW-Authenticate",
					      "Bearer realm=\"ringpost\"");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		(void)MHD_add_response_header(response, "Retry-After", "10");
	result = MHD_queue_response(r->connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result inject_http_error(struct inject_request *r, unsigned status,
				  const char *code, const char *text)
{
	json_t *said = json_pack("{s:b, s:s, s:s}", "accepted", 0, "error",
				 code, "text", text);
	char *body = said ? json_dumps(said, JSON_COMPACT) : NULL;
	enum MHD_Result result =
		inject_http_reply(r, status, body ? body : "{}");

	free(body);
	json_decref(said);
	return result;
}

/* --- who may --- */

/* Digests are compared, so that its length does not show either. */
static bool shows_token(const struct inject_request *r)
{
	const char *header = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Authorization");
	unsigned char a[KTLS_HMAC_SIZE], b[KTLS_HMAC_SIZE];
	struct ktls_hmac_piece ours, theirs;

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return false;
	ours = (struct ktls_hmac_piece){r->http->token, strlen(r->http->token)};
	theirs = (struct ktls_hmac_piece){header + 7, strlen(header + 7)};
	return ktls_hmac_sha256("token", 5, &ours, 1, a) == 0 &&
	       ktls_hmac_sha256("token", 5, &theirs, 1, b) == 0 &&
	       ktls_equal_secret(a, b, sizeof(a));
}

static bool is_too_long(const struct inject_request *r)
{
	const char *length = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Content-Length");

	return length && strtoull(length, NULL, 10) > r->http->body_max;
}

static void refuse(struct inject_request *r, unsigned status, const char *code,
		   const char *why)
{
	r->refused = status;
	r->code = code;
	r->why = why;
}

static void head(struct inject_request *r, const char *url, const char *method)
{
	if (strcmp(url, "/v1/messages") != 0)
		refuse(r, MHD_HTTP_NOT_FOUND, "not_found",
		       "there is POST /v1/messages");
	else if (strcmp(method, "POST") != 0)
		refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "method",
		       "POST is wanted here");
	else if (!shows_token(r))
		refuse(r, MHD_HTTP_UNAUTHORIZED, "token",
		       "the token is missing or wrong");
	else if (is_too_long(r))
		refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "size",
		       "the request is too long");
}

/* --- bodies --- */

static enum MHD_Result discard(struct inject_request *r, size_t len)
{
	r->discarded += len;
	return r->discarded <= DISCARD_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result body(struct inject_request *r, const char *data,
			    size_t len)
{
	size_t before;

	if (r->refused)
		return discard(r, len);
	before = atomic_fetch_add(&r->http->held, len);
	r->held += len;
	if (before + len > HELD_MAX)
		refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "later",
		       "too many messages at once");
	else if (!inject_buffer_add(&r->body, data, len))
		refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "size",
		       "the request is too long");
	return MHD_YES;
}

static struct inject_request *make(struct inject_http *http,
				   struct MHD_Connection *connection)
{
	struct inject_request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->http = http;
	r->connection = connection;
	inject_buffer_init(&r->body, http->body_max);
	return r;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *data,
				  size_t *size, void **state)
{
	struct inject_request *r = *state;
	size_t len = *size;

	if (!r) {
		r = make(arg, connection);
		*state = r;
		if (!r)
			return MHD_NO;
		head(r, url, method);
		return MHD_YES;
	}
	*size = 0;
	if (len > 0)
		return body(r, data, len);
	return r->refused ? inject_http_error(r, r->refused, r->code, r->why)
			  : inject_http_run(r);
}

static void on_completed(void *arg, struct MHD_Connection *connection,
			 void **state, enum MHD_RequestTerminationCode code)
{
	struct inject_request *r = *state;

	if (!r)
		return;
	*state = NULL;
	atomic_fetch_sub(&r->http->held, r->held);
	inject_buffer_free(&r->body);
	free(r);
}

/* --- opening --- */

static char *read_file(const char *path)
{
	struct inject_buffer text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	inject_buffer_init(&text, FILE_MAX);
	if (r == 0)
		r = inject_buffer_read(&text, fd);
	if (fd >= 0)
		close(fd);
	if (r == 0 && inject_buffer_add(&text, "", 1))
		return text.bytes;
	inject_buffer_free(&text);
	return NULL;
}

static int load(struct inject_http *http,
		const struct config_inject_http *config, const char **what)
{
	*what = "token_file";
	http->token = read_file(config->token_file);
	if (!http->token)
		return -EACCES;
	http->token[strcspn(http->token, "\r\n")] = '\0';
	if (strlen(http->token) < TOKEN_MIN) {
		*what = "token_file: a token has at least 16 characters";
		return -EINVAL;
	}
	if (!config->certificate)
		return 0;
	*what = "certificate or key";
	http->certificate = read_file(config->certificate);
	http->tls_key = read_file(config->key);
	return http->certificate && http->tls_key ? 0 : -EACCES;
}

static int start_daemon(struct inject_http *http)
{
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION |
			 MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_KEY, 0, http->tls_key},
		{MHD_OPTION_HTTPS_MEM_CERT, 0, http->certificate},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

	if (http->certificate)
		flags |= MHD_USE_TLS;
	http->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, http->fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)PATIENCE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HEADERS_MAX, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		http, MHD_OPTION_ARRAY, http->certificate ? tls : none,
		MHD_OPTION_END);
	if (!http->daemon)
		return -EINVAL;
	http->fd = -1; /* the daemon's now */
	return 0;
}

static int open_keys(struct inject_http *http, const struct config *config)
{
	char *file = NULL;
	int r;

	if (asprintf(&file, "%s/inject-keys", config->spool.path) < 0)
		return -ENOMEM;
	r = inject_keys_open(file, &http->keys);
	free(file);
	return r;
}

static int open_all(struct inject_http *http, const struct config *config,
		    const char **what)
{
	int r = load(http, &config->inject.http, what);

	if (r < 0)
		return r;
	*what = "file of idempotency keys";
	r = open_keys(http, config);
	if (r < 0)
		return r;
	*what = "its address";
	http->fd = listener_bind(&config->inject.http.address, true);
	if (http->fd < 0)
		return http->fd;
	r = listener_start(http->fd);
	if (r < 0)
		return r;
	*what = "libmicrohttpd, or certificate and key";
	return start_daemon(http);
}

int inject_http_open(const struct inject_http_config *config,
		     struct inject_http **out, const char **what)
{
	struct inject_http *http = calloc(1, sizeof(*http));
	int r;

	*what = "out of memory";
	if (!http)
		return -ENOMEM;
	http->fd = -1;
	http->door = config->door;
	/* Base64 within JSON takes more than what it stands for. */
	http->body_max = config->config->limits.message_size * 2 + 65536;
	http->hostname = strdup(config->config->hostname);
	r = http->hostname ? open_all(http, config->config, what) : -ENOMEM;
	if (r < 0)
		inject_http_close(&http);
	*out = http;
	return r;
}

static void wipe(char *secret)
{
	if (secret)
		ktls_wipe(secret, strlen(secret));
	free(secret);
}

void inject_http_close(struct inject_http **pointer)
{
	struct inject_http *http = *pointer;

	if (!http)
		return;
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	if (http->fd >= 0)
		close(http->fd);
	inject_keys_close(&http->keys);
	wipe(http->token);
	wipe(http->tls_key);
	free(http->certificate);
	free(http->hostname);
	free(http);
	*pointer = NULL;
}
