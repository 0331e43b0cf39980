/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of all workers. However many ask, workers are asked once a
 * second at most, and one that does not answer holds nobody up for long: its
 * last figures are shown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/admin_health.h"
#include "gateway/admin/admin_status.h"
#include "gateway/http/http_private.h"
#include "gateway/metrics/metrics_view.h"

#define SECOND UINT64_C(1000000000)
#define FRESH  SECOND
#define LIMIT  (2 * SECOND)

static const char request_text[] = "{\"command\": \"status\"}";

/* --- what is kept --- */

static void keep(char **to, size_t *to_len, char *text, size_t len)
{
	free(*to);
	*to = text;
	*to_len = text ? len : 0;
}

static void keep_metrics(struct http_poll *poll,
			 const struct metrics_view *view)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	metrics_write(view, out);
	if (fclose(out) == 0)
		keep(&poll->metrics, &poll->metrics_len, text, len);
	else
		free(text);
}

static void keep_ready(struct http_server *server,
		       const struct metrics_view *view)
{
	const char *reasons[ADMIN_HEALTH_REASONS];
	json_t *json = admin_health_json(server->health, view);
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (!text)
		return;
	server->poll.is_ready =
		admin_health_reasons(server->health, view, reasons) == 0;
	keep(&server->poll.ready, &server->poll.ready_len, text, strlen(text));
}

/* The first line is the answer. */
static bool on_line(void *arg, const char *line, size_t len)
{
	struct http_poll *poll = arg;
	char *text;

	if (len < 16 || !memmem(line, 16, "\"status\"", 8))
		return true;
	text = malloc(len + 1);
	if (!text)
		return true;
	memcpy(text, line, len);
	text[len] = '\0';
	keep(&poll->status, &poll->status_len, text, len);
	return true;
}

static void wake_all(struct http_server *server)
{
	struct http_request *next;

	for (struct http_request *r = server->requests; r; r = next) {
		next = r->next;
		if (r->waits == HTTP_WAITS_POLL)
			http_wake(r);
	}
}

static void gathered(struct http_server *server,
		     const struct metrics_view *view)
{
	server->poll.gathered = http_now();
	if (view) {
		keep_metrics(&server->poll, view);
		keep_ready(server, view);
	}
	wake_all(server);
}

/* --- gathering --- */

/* Before there are workers the process is all there is. */
static void gather_alone(struct http_server *server)
{
	struct metrics_view *view = calloc(1, sizeof(*view));
	static const char starting[] =
		"{\"type\":\"status\",\"ready\":false}\n";

	if (!view)
		return;
	if (server->meter)
		host_meter_read(server->meter, &view->host);
	(void)on_line(&server->poll, starting, sizeof(starting) - 1);
	gathered(server, view);
	free(view);
}

static void begin(struct http_server *server)
{
	struct admin_sink sink = {.write = on_line, .arg = &server->poll};
	struct admin_who who = {.from = "http"};

	server->poll.call =
		admin_call_begin(server->core, request_text,
				 sizeof(request_text) - 1, &who, &sink);
	server->poll.deadline = http_now() + LIMIT;
}

bool http_poll_want(struct http_server *server)
{
	struct http_poll *poll = &server->poll;

	if (poll->call)
		return false;
	if (!server->core) {
		gather_alone(server);
		return true;
	}
	if (poll->gathered && http_now() - poll->gathered < FRESH)
		return true;
	begin(server);
	return !poll->call;
}

void http_poll_turn(struct http_server *server, uint64_t now)
{
	struct http_poll *poll = &server->poll;

	if (!poll->call)
		return;
	if (!admin_call_pump(poll->call)) {
		if (now < poll->deadline)
			return;
		admin_call_hurry(poll->call);
	}
	gathered(server, admin_call_view(poll->call));
	admin_call_end(&poll->call);
}

void http_poll_end(struct http_server *server)
{
	struct http_poll *poll = &server->poll;

	admin_call_end(&poll->call);
	free(poll->status);
	free(poll->metrics);
	free(poll->ready);
}

/* --- who asks --- */

static enum MHD_Result give(struct http_request *r, unsigned status,
			    const char *type, const char *text, size_t len)
{
	if (!text)
		return http_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
				  "out of memory");
	return http_reply(r, status, type, text, len);
}

enum MHD_Result http_get_metrics(struct http_request *r)
{
	const struct http_poll *poll = &r->server->poll;

	return give(r, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
		    poll->metrics, poll->metrics_len);
}

enum MHD_Result http_get_status(struct http_request *r)
{
	const struct http_poll *poll = &r->server->poll;

	return give(r, MHD_HTTP_OK, "application/json", poll->status,
		    poll->status_len);
}

enum MHD_Result http_get_ready(struct http_request *r)
{
	const struct http_poll *poll = &r->server->poll;

	return give(r,
		    poll->is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
		    "application/json", poll->ready, poll->ready_len);
}
