/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /admin: a request as on the admin socket, answered in the same lines of
 * JSON, as they come.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/http_private.h"

#define SECOND UINT64_C(1000000000)
/* Lines that wait for the client; beyond it no more are asked for. */
#define OUT_ENOUGH (256 * 1024)
#define OUT_MAX	   (64 * 1024 * 1024)
#define BLOCK	   (32 * 1024)
/* A long silence is broken by an empty line: otherwise nobody would notice that
 * the client is gone. */
#define SILENCE (15 * SECOND)

/* --- lines --- */

static bool make_room(struct http_request *r, size_t len)
{
	size_t used = r->out_to - r->out_from;
	size_t room = r->out_room ? r->out_room : 16384;
	char *more;

	if (r->out_from > 0) {
		memmove(r->out, r->out + r->out_from, used);
		r->out_from = 0;
		r->out_to = used;
	}
	while (room < used + len)
		room *= 2;
	if (room == r->out_room)
		return true;
	more = room <= OUT_MAX ? realloc(r->out, room) : NULL;
	if (!more)
		return false;
	r->out = more;
	r->out_room = room;
	return true;
}

static bool on_line(void *arg, const char *line, size_t len)
{
	struct http_request *r = arg;

	/* What is cut must not look whole. */
	if (r->lost || (r->out_to + len > r->out_room && !make_room(r, len))) {
		r->lost = true;
		return false;
	}
	memcpy(r->out + r->out_to, line, len);
	r->out_to += len;
	return r->out_to - r->out_from < OUT_ENOUGH;
}

static bool has_lines(const struct http_request *r)
{
	return r->out_from < r->out_to;
}

static void pump(struct http_request *r)
{
	while (!r->over && !r->lost && r->out_to - r->out_from < OUT_ENOUGH) {
		size_t before = r->out_to - r->out_from;

		r->over = admin_call_pump(r->call);
		if (r->out_to - r->out_from == before)
			return;
	}
}

/* --- the answer --- */

/* What the first line says decides the status. */
static unsigned status_of(const struct http_request *r)
{
	static const struct {
		const char *code;
		unsigned status;
	} codes[] = {
		{"usage", MHD_HTTP_BAD_REQUEST},
		{"denied", MHD_HTTP_FORBIDDEN},
		{"not_found", MHD_HTTP_NOT_FOUND},
		{"unavailable", MHD_HTTP_SERVICE_UNAVAILABLE},
	};
	json_t *line = json_loadb(r->out + r->out_from, r->out_to - r->out_from,
				  JSON_DISABLE_EOF_CHECK, NULL);
	const char *type = json_string_value(json_object_get(line, "type"));
	const char *code = json_string_value(json_object_get(line, "code"));
	unsigned status = MHD_HTTP_OK;

	if (type && code && strcmp(type, "error") == 0) {
		status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
			if (strcmp(codes[i].code, code) == 0)
				status = codes[i].status;
	}
	json_decref(line);
	return status;
}

static ssize_t on_read(void *arg, uint64_t position, char *to, size_t room)
{
	struct http_request *r = arg;
	size_t len;

	if (!has_lines(r))
		pump(r);
	len = r->out_to - r->out_from;
	if (r->lost)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (len == 0 && r->over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	r->moved = http_now();
	if (len == 0) {
		http_suspend(r, HTTP_WAITS_CALL);
		return 0;
	}
	if (len > room)
		len = room;
	memcpy(to, r->out + r->out_from, len);
	r->out_from += len;
	return (ssize_t)len;
}

static enum MHD_Result answer(struct http_request *r)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK, on_read, r, NULL);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	http_dress(response, "application/x-ndjson");
	r->answering = true;
	result = MHD_queue_response(r->connection, status_of(r), response);
	MHD_destroy_response(response);
	return result;
}

static bool begin(struct http_request *r)
{
	struct admin_sink sink = {.write = on_line, .arg = r};
	struct admin_who who = {.from = r->from};

	r->call = admin_call_begin(r->server->core, r->in ? r->in : "",
				   r->in_len, &who, &sink);
	r->moved = http_now();
	return r->call != NULL;
}

/* Called again after a wait. */
enum MHD_Result http_post_admin(struct http_request *r)
{
	if (!r->server->core)
		return http_error(r, MHD_HTTP_SERVICE_UNAVAILABLE,
				  "unavailable", "the relay is starting");
	if (!r->call && !begin(r))
		return MHD_NO;
	pump(r);
	if (has_lines(r) || r->over)
		return answer(r);
	if (r->lost)
		return MHD_NO;
	http_suspend(r, HTTP_WAITS_CALL);
	return MHD_YES;
}

void http_admin_turn(struct http_request *r, uint64_t now)
{
	pump(r);
	if (r->answering && !has_lines(r) && !r->over && !r->lost &&
	    now > r->moved && now - r->moved > SILENCE)
		(void)on_line(r, "\n", 1);
	if (has_lines(r) || r->over || r->lost)
		http_wake(r);
}

void http_admin_end(struct http_request *r)
{
	admin_call_end(&r->call);
	free(r->in);
	free(r->out);
}
