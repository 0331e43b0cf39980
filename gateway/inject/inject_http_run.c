/* SPDX-License-Identifier: Apache-2.0 */
/* A request that is all there: to a message, to the relay, to an answer. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include <jansson.h>

#include "gateway/inject/inject_client.h"
#include "gateway/inject/inject_http_private.h"
#include "gateway/inject/inject_json.h"
#include "gateway/log/log.h"

#define KEY_MAX 128

/* What is made on the way, and freed at the end. */
struct run {
	struct inject_request *r;
	struct inject_recipients to;
	struct inject_buffer mime, message;
	char sender[512];
	bool raw;
	const char *from; /* raw: the query's */
	const char *wrong;
	uint64_t now; /* ns since 1970 */
};

/* --- the message --- */

static enum MHD_Result on_argument(void *arg, enum MHD_ValueKind kind,
				   const char *key, const char *value)
{
	struct run *run = arg;

	if (strcmp(key, "from") == 0 && value)
		run->from = value;
	else if (strcmp(key, "to") != 0 || !value)
		run->wrong = "the query may have from and to";
	else if (!inject_recipients_read(&run->to, value, strlen(value)))
		run->wrong = run->to.wrong ? run->to.wrong : "out of memory";
	return MHD_YES;
}

static void make_raw(struct run *run)
{
	(void)MHD_get_connection_values(
		run->r->connection, MHD_GET_ARGUMENT_KIND, on_argument, run);
	if (run->wrong)
		return;
	if (!run->from)
		run->wrong = "the query has no from";
	else if (!inject_sender(run->from, run->r->http->hostname, run->sender))
		run->wrong = "from is no address";
}

static bool random_number(uint64_t *out)
{
	return getrandom(out, sizeof(*out), 0) == (ssize_t)sizeof(*out);
}

static void make_mime(struct run *run)
{
	uint64_t a, b;
	char boundary[40];

	if (!random_number(&a) || !random_number(&b)) {
		run->wrong = "out of memory";
		return;
	}
	snprintf(boundary, sizeof(boundary), "%016" PRIx64 "%016" PRIx64, a, b);
	run->wrong =
		inject_json_make(run->r->body.bytes, run->r->body.len, boundary,
				 &run->to, run->sender, &run->mime);
}

/* The sender of the envelope may be the null path; From has a mailbox. */
static void make_message(struct run *run)
{
	const struct inject_buffer *from =
		run->raw ? &run->r->body : &run->mime;
	struct inject_job job = {
		.text = from->bytes ? from->bytes : "",
		.len = from->len,
		.recipients = run->raw && run->to.count == 0,
		.sender = run->sender,
		.hostname = run->r->http->hostname,
		.now = run->now,
	};

	if (!random_number(&job.unique))
		run->wrong = "out of memory";
	else
		run->wrong = inject_message_make(&job, &run->to, &run->message);
	if (!run->wrong && run->to.count == 0)
		run->wrong = "nobody to send it to";
}

static void make(struct run *run)
{
	if (run->raw)
		make_raw(run);
	else
		make_mime(run);
	if (!run->wrong)
		make_message(run);
}

/* --- the relay --- */

static void lose(struct inject_result *result, const char *why)
{
	*result = (struct inject_result){.status = INJECT_LOST};
	snprintf(result->text, sizeof(result->text), "%s", why);
}

static void hand_in(struct run *run, struct inject_result *result)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		run->r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *peer = info ? info->client_addr : NULL;
	const struct inject_mail mail = {
		.sender = run->sender,
		.recipients = run->to.list,
		.recipient_count = run->to.count,
		.bytes = run->message.bytes,
		.len = run->message.len,
	};
	struct inject_client client;
	int fd;

	if (!peer) {
		lose(result, "the connection is gone");
		return;
	}
	fd = inject_door_connect(run->r->http->door, peer,
				 peer->sa_family == AF_INET6
					 ? sizeof(struct sockaddr_in6)
					 : sizeof(struct sockaddr_in));
	if (fd < 0) {
		lose(result, "the relay is busy or stopping");
		return;
	}
	if (inject_client_start(&client, fd, NULL, result) == INJECT_DONE)
		(void)inject_client_send(&client, &mail, result);
	inject_client_end(&client);
}

/* --- the answer --- */

static enum MHD_Result accept_it(struct inject_request *r, const char *id)
{
	char body[64 + LOG_ID_SIZE];

	snprintf(body, sizeof(body), "{\"accepted\":true,\"id\":\"%s\"}", id);
	return inject_http_reply(r, MHD_HTTP_OK, body);
}

static enum MHD_Result say_refused(struct inject_request *r,
				   const struct inject_result *result)
{
	bool refused = result->status == INJECT_REFUSED;
	json_t *said =
		json_pack("{s:b, s:s, s:i, s:s, s:s}", "accepted", 0, "error",
			  refused ? "refused" : "later", "code", result->code,
			  "enhanced", result->enhanced, "text", result->text);
	char *body;
	enum MHD_Result answer;

	if (said && result->recipient)
		json_object_set_new(said, "recipient",
				    json_string(result->recipient));
	body = said ? json_dumps(said, JSON_COMPACT) : NULL;
	answer = inject_http_reply(r,
				   refused ? MHD_HTTP_UNPROCESSABLE_CONTENT
					   : MHD_HTTP_SERVICE_UNAVAILABLE,
				   body ? body : "{}");
	free(body);
	json_decref(said);
	return answer;
}

static void settle(struct run *run, const char *key, const char *id)
{
	int r = inject_keys_settle(run->r->http->keys, key, id,
				   run->now / UINT64_C(1000000000));

	if (r < 0)
		log_error("inject.key", L_STR("id", id),
			  L_STR("error", strerror(-r)));
}

static enum MHD_Result send_it(struct run *run, const char *key)
{
	struct inject_result result = {0};
	bool done;

	make(run);
	if (!run->wrong)
		hand_in(run, &result);
	done = !run->wrong && result.status == INJECT_DONE;
	if (key)
		settle(run, key, done ? result.id : NULL);
	if (run->wrong)
		return inject_http_error(run->r, MHD_HTTP_BAD_REQUEST,
					 "message", run->wrong);
	return done ? accept_it(run->r, result.id)
		    : say_refused(run->r, &result);
}

static bool is_key(const char *key)
{
	size_t len = strlen(key);

	for (const char *at = key; *at; at++)
		if (*at < ' ' || *at > '~')
			return false;
	return len > 0 && len <= KEY_MAX;
}

static enum MHD_Result with_key(struct run *run, const char *key)
{
	struct inject_request *r = run->r;
	char id[LOG_ID_SIZE];

	if (!is_key(key))
		return inject_http_error(r, MHD_HTTP_BAD_REQUEST, "key",
					 "Idempotency-Key has 1 to 128 "
					 "printable characters");
	switch (inject_keys_claim(
		r->http->keys, key, r->body.bytes ? r->body.bytes : "",
		r->body.len, run->now / UINT64_C(1000000000), id)) {
	case INJECT_KEY_NEW:
		return send_it(run, key);
	case INJECT_KEY_DONE:
		return accept_it(r, id);
	case INJECT_KEY_BUSY:
		return inject_http_error(r, MHD_HTTP_CONFLICT, "busy",
					 "a request with this key is under "
					 "way");
	case INJECT_KEY_OTHER:
		break;
	}
	return inject_http_error(r, MHD_HTTP_CONFLICT, "key",
				 "this key was used for another message");
}

static bool is_type(const char *type, const char *name)
{
	size_t len = strlen(name);

	return type && strncasecmp(type, name, len) == 0 &&
	       (!type[len] || strchr("; ", type[len]));
}

enum MHD_Result inject_http_run(struct inject_request *r)
{
	const char *type = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Content-Type");
	const char *key = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Idempotency-Key");
	struct run run = {.r = r,
			  .raw = is_type(type, "message/rfc822"),
			  .to = {.hostname = r->http->hostname}};
	struct timespec now;
	enum MHD_Result result;

	if (!run.raw && !is_type(type, "application/json"))
		return inject_http_error(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
					 "type",
					 "Content-Type is application/json or "
					 "message/rfc822");
	clock_gettime(CLOCK_REALTIME, &now);
	run.now = (uint64_t)now.tv_sec * UINT64_C(1000000000);
	inject_buffer_init(&run.mime, 2 * r->http->body_max);
	inject_buffer_init(&run.message, 2 * r->http->body_max);
	result = key ? with_key(&run, key) : send_it(&run, NULL);
	inject_buffer_free(&run.mime);
	inject_buffer_free(&run.message);
	inject_recipients_free(&run.to);
	return result;
}
