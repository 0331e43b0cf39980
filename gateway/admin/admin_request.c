/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a request (admin_request.h). */
#include "gateway/admin/admin_request.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_address.h"
#include "gateway/config/config_value.h"
#include "gateway/log/log.h"

#define DEFAULT_LIMIT	 100
#define ADMIN_REASON_MAX 200
/* Destinations with most mail, beside all others together. */
#define ADMIN_STATUS_ROWS 20

/* What a command takes beside its name. */
enum takes {
	TAKES_FILTER = 1,
	TAKES_LIMIT = 2,
	TAKES_AFTER = 4,
	TAKES_BY = 8,
	TAKES_CONTENT = 16,
	NEEDS_ID = 32,	 /* exactly one */
	NEEDS_SOME = 64, /* a filter, or all */
	TAKES_REASON = 128,
	NEEDS_DESTINATION = 256,
	NEEDS_TO = 512,
	NEEDS_TARGET = 1024, /* a destination, or one id */
};

static const struct {
	const char *name;
	unsigned takes;
} commands[ADMIN_COMMANDS] = {
	[ADMIN_SUMMARY] = {"summary", TAKES_LIMIT | TAKES_BY},
	[ADMIN_LIST] = {"list", TAKES_FILTER | TAKES_LIMIT | TAKES_AFTER},
	[ADMIN_SHOW] = {"show", TAKES_FILTER | TAKES_CONTENT | NEEDS_ID},
	[ADMIN_RETRY] = {"retry", TAKES_FILTER | NEEDS_SOME},
	[ADMIN_HOLD] = {"hold", TAKES_FILTER | NEEDS_SOME},
	[ADMIN_RELEASE] = {"release", TAKES_FILTER | NEEDS_SOME},
	[ADMIN_BOUNCE] = {"bounce", TAKES_FILTER | NEEDS_SOME | TAKES_REASON},
	[ADMIN_DELETE] = {"delete", TAKES_FILTER | NEEDS_SOME},
	[ADMIN_MOVE] = {"move", TAKES_FILTER | NEEDS_SOME | NEEDS_TO},
	[ADMIN_SUSPEND] = {"suspend", NEEDS_DESTINATION},
	[ADMIN_RESUME] = {"resume", NEEDS_DESTINATION},
	[ADMIN_TRACE] = {"trace", TAKES_FILTER | TAKES_LIMIT | NEEDS_TARGET},
	[ADMIN_RELOAD] = {"reload", 0},
	[ADMIN_RESTART] = {"restart", 0},
	[ADMIN_INSTANCE] = {"instance", 0},
	[ADMIN_STATUS] = {"status", TAKES_LIMIT},
};

const char *admin_command_name(enum admin_command command)
{
	return commands[command].name;
}

struct reading {
	struct admin_request *request;
	struct admin_error *error;
	uint64_t now;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reading *r,
							 const char *format,
							 ...)
{
	va_list ap;

	r->error->code = "usage";
	va_start(ap, format);
	(void)vsnprintf(r->error->text, sizeof(r->error->text), format, ap);
	va_end(ap);
	return false;
}

/* --- values --- */

static bool read_text(struct reading *r, const char *key, const json_t *value,
		      const char **out)
{
	if (!json_is_string(value) ||
	    json_string_length(value) > ADMIN_WORD_MAX)
		return refuse(r, "'%s' must be a text of at most %d octets",
			      key, ADMIN_WORD_MAX);
	*out = json_string_value(value);
	return true;
}

/* A domain, a destination, a part of a reply: "" would mean all or nothing. */
static bool read_word(struct reading *r, const char *key, const json_t *value,
		      const char **out)
{
	if (!read_text(r, key, value, out))
		return false;
	return **out || refuse(r, "'%s' is empty; leave it out instead", key);
}

static bool read_flag(struct reading *r, const char *key, const json_t *value,
		      bool *out)
{
	if (!json_is_boolean(value))
		return refuse(r, "'%s' must be true or false", key);
	*out = json_is_true(value);
	return true;
}

static bool read_number(struct reading *r, const char *key, const json_t *value,
			uint64_t *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return refuse(r, "'%s' must be a number from 0", key);
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static bool read_id(struct reading *r, const char *key, const json_t *value,
		    uint64_t *out)
{
	const char *text;

	if (!read_text(r, key, value, &text))
		return false;
	return log_id_parse(text, out) ||
	       refuse(r,
		      "'%.40s' is no message id; expected 13 letters and "
		      "digits as the log shows them",
		      text);
}

/* "2h" is so many nanoseconds before now. */
static bool read_age(struct reading *r, const char *key, const json_t *value,
		     uint64_t *out)
{
	const char *text;
	uint64_t age;

	if (!read_text(r, key, value, &text))
		return false;
	if (config_value_duration(text, &age))
		return refuse(r,
			      "'%s' is '%.40s'; expected a time such as "
			      "30s, 5m, 2h or 3d",
			      key, text);
	/* 0 would mean any time. */
	*out = age < r->now ? r->now - age : 1;
	return true;
}

/* --- the filter --- */

static bool read_state(struct reading *r, const json_t *value, unsigned *out)
{
	const char *text;

	if (!read_text(r, "state", value, &text))
		return false;
	for (unsigned s = 0; s < QUEUE_STATES; s++) {
		if (strcmp(text, queue_state_name(s)) != 0)
			continue;
		*out |= 1u << s;
		return true;
	}
	return refuse(r,
		      "'state' is '%.40s'; expected ready, active, deferred or "
		      "held",
		      text);
}

static bool read_states(struct reading *r, const json_t *value, unsigned *out)
{
	if (!json_is_array(value))
		return read_state(r, value, out);
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!read_state(r, json_array_get(value, i), out))
			return false;
	return true;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool read_ids(struct reading *r, const json_t *value)
{
	struct admin_request *request = r->request;
	size_t count = json_array_size(value);

	if (!json_is_array(value) || count == 0 || count > ADMIN_IDS_MAX)
		return refuse(r, "'ids' must be a list of 1 to %d message ids",
			      ADMIN_IDS_MAX);
	if (request->ids)
		return refuse(r, "'ids' is given twice");
	request->ids = calloc(count, sizeof(uint64_t));
	if (!request->ids)
		return refuse(r, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (!read_id(r, "ids", json_array_get(value, i),
			     &request->ids[i]))
			return false;
	qsort(request->ids, count, sizeof(uint64_t), compare_ids);
	request->filter.ids = request->ids;
	request->filter.id_count = count;
	return true;
}

static bool read_filter_key(struct reading *r, const char *key,
			    const json_t *value)
{
	struct queue_filter *f = &r->request->filter;

	if (strcmp(key, "domain") == 0)
		return read_word(r, key, value, &f->domain);
	if (strcmp(key, "destination") == 0)
		return read_word(r, key, value, &f->destination);
	if (strcmp(key, "sender") == 0)
		return read_text(r, key, value, &f->sender);
	if (strcmp(key, "recipient") == 0)
		return read_word(r, key, value, &f->recipient);
	if (strcmp(key, "reply") == 0)
		return read_word(r, key, value, &f->reply);
	if (strcmp(key, "older_than") == 0)
		return read_age(r, key, value, &f->before);
	if (strcmp(key, "newer_than") == 0)
		return read_age(r, key, value, &f->since);
	if (strcmp(key, "state") == 0)
		return read_states(r, value, &f->states);
	if (strcmp(key, "ids") == 0)
		return read_ids(r, value);
	return refuse(r,
		      "unknown filter '%.40s'; expected domain, destination, "
		      "sender, recipient, reply, older_than, newer_than, state "
		      "or ids",
		      key);
}

static bool read_filter(struct reading *r, json_t *value)
{
	const char *key;
	json_t *item;

	if (!json_is_object(value))
		return refuse(r, "'filter' must be an object");
	json_object_foreach(
		value, key,
		item) if (!read_filter_key(r, key, item)) return false;
	return true;
}

/* --- the rest --- */

static bool read_by(struct reading *r, const json_t *value)
{
	const char *text;

	if (!read_text(r, "by", value, &text))
		return false;
	r->request->by_domain = strcmp(text, "domain") == 0;
	return r->request->by_domain || strcmp(text, "destination") == 0 ||
	       refuse(r, "'by' must be domain or destination");
}

/* It stands in notifications, logs and the spool. */
static bool read_reason(struct reading *r, const json_t *value)
{
	const char **out = &r->request->reason;

	if (!read_word(r, "reason", value, out))
		return false;
	if (strlen(*out) > ADMIN_REASON_MAX)
		return refuse(r, "'reason' is longer than %d octets",
			      ADMIN_REASON_MAX);
	for (const char *at = *out; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			return refuse(r, "'reason' must be printable ASCII");
	return true;
}

static bool read_to(struct reading *r, const json_t *value)
{
	struct config_next_hop *to = &r->request->to;
	const char *text, *wrong;

	if (!read_word(r, "to", value, &text))
		return false;
	wrong = config_address_next_hop(text, to);
	if (!wrong && to->host && to->text && strlen(to->text) < 300)
		return true;
	return refuse(r, "'to' is '%.80s': %s; expected host:port", text,
		      wrong ? wrong : "it is too long");
}

/* "expected domain, by..." would repeat the manual: the command's name and the
 * wrong key are enough. */
static bool read_key(struct reading *r, const char *key, json_t *value)
{
	struct admin_request *request = r->request;
	unsigned takes = commands[request->command].takes;

	if (strcmp(key, "command") == 0)
		return true;
	if ((takes & TAKES_FILTER) && strcmp(key, "filter") == 0)
		return read_filter(r, value);
	if ((takes & TAKES_LIMIT) && strcmp(key, "limit") == 0)
		return read_number(r, key, value, &request->limit);
	if ((takes & TAKES_AFTER) && strcmp(key, "after") == 0)
		return read_id(r, key, value, &request->after);
	if ((takes & TAKES_BY) && strcmp(key, "by") == 0)
		return read_by(r, value);
	if ((takes & TAKES_CONTENT) && strcmp(key, "content") == 0)
		return read_flag(r, key, value, &request->content);
	if ((takes & NEEDS_SOME) && strcmp(key, "all") == 0)
		return read_flag(r, key, value, &request->all);
	if ((takes & TAKES_REASON) && strcmp(key, "reason") == 0)
		return read_reason(r, value);
	if ((takes & NEEDS_TO) && strcmp(key, "to") == 0)
		return read_to(r, value);
	if ((takes & (NEEDS_DESTINATION | NEEDS_TARGET)) &&
	    strcmp(key, "destination") == 0)
		return read_word(r, key, value, &request->destination);
	return refuse(r, "'%s' does not take '%.40s'",
		      commands[request->command].name, key);
}

static bool read_command(struct reading *r, const json_t *root)
{
	const json_t *value = json_object_get(root, "command");
	const char *text;

	if (!value)
		return refuse(r, "'command' is missing");
	if (!read_text(r, "command", value, &text))
		return false;
	for (unsigned c = 0; c < ADMIN_COMMANDS; c++) {
		if (strcmp(text, commands[c].name) != 0)
			continue;
		r->request->command = c;
		return true;
	}
	return refuse(r, "unknown command '%.40s'", text);
}

static bool is_any(const struct queue_filter *f)
{
	return !f->states && !f->domain && !f->destination && !f->sender &&
	       !f->recipient && !f->reply && !f->before && !f->since &&
	       !f->id_count;
}

static bool check_needs(struct reading *r)
{
	const struct admin_request *request = r->request;
	const char *name = commands[request->command].name;
	unsigned takes = commands[request->command].takes;

	if ((takes & NEEDS_ID) && request->filter.id_count != 1)
		return refuse(r, "'%s' needs one message id", name);
	if ((takes & NEEDS_SOME) && is_any(&request->filter) && !request->all)
		return refuse(r, "'%s' what? expected ids or a filter, or all",
			      name);
	if ((takes & NEEDS_DESTINATION) && !request->destination)
		return refuse(r, "'%s' needs a destination or a domain", name);
	if ((takes & NEEDS_TARGET) && !request->destination &&
	    request->filter.id_count != 1)
		return refuse(r,
			      "'%s' needs a destination, a domain or one "
			      "message id",
			      name);
	if ((takes & NEEDS_TO) && !request->to.text)
		return refuse(r, "'%s' needs 'to', a host:port", name);
	return true;
}

static bool read_all(struct reading *r, json_t *root)
{
	struct admin_request *request = r->request;
	const char *key;
	json_t *value;

	if (!json_is_object(root))
		return refuse(r, "expected a JSON object");
	if (!read_command(r, root))
		return false;
	if (request->command == ADMIN_LIST)
		request->limit = DEFAULT_LIMIT;
	else if (request->command == ADMIN_STATUS)
		request->limit = ADMIN_STATUS_ROWS;
	json_object_foreach(root, key,
			    value) if (!read_key(r, key, value)) return false;
	if (!check_needs(r))
		return false;
	/* Nothing else can be released: no need to look at it. */
	if (request->command == ADMIN_RELEASE && !request->filter.states)
		request->filter.states = 1u << QUEUE_HELD;
	return true;
}

int admin_request_parse(const char *text, size_t len, uint64_t now,
			struct admin_request **out, struct admin_error *error)
{
	struct admin_request *request = calloc(1, sizeof(*request));
	struct reading r = {.request = request, .error = error, .now = now};
	json_error_t json_error;

	*out = NULL;
	if (!request)
		return -ENOMEM;
	atomic_init(&request->users, 1);
	if (len <= ADMIN_REQUEST_MAX)
		request->owned = json_loadb(text, len, JSON_REJECT_DUPLICATES,
					    &json_error);
	if (len > ADMIN_REQUEST_MAX)
		refuse(&r,
		       "the request is too long; expected at most %d "
		       "octets",
		       ADMIN_REQUEST_MAX);
	else if (!request->owned)
		refuse(&r, "no JSON: %.160s", json_error.text);
	else if (read_all(&r, request->owned))
		*out = request;
	if (*out)
		return 0;
	admin_request_unref(&request);
	return -EINVAL;
}

struct admin_request *admin_request_ref(struct admin_request *request)
{
	atomic_fetch_add(&request->users, 1);
	return request;
}

void admin_request_unref(struct admin_request **pointer)
{
	struct admin_request *request = *pointer;

	*pointer = NULL;
	if (!request || atomic_fetch_sub(&request->users, 1) > 1)
		return;
	json_decref(request->owned);
	free(request->ids);
	free(request->to.host);
	free(request->to.text);
	free(request);
}
