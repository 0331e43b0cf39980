/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as JSON (admin_row.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/admin/admin_row.h"
#include "gateway/log/log.h"
#include "gateway/log/log_utf8.h"

/* What a peer sent need not be UTF-8; JSON must be. */
static json_t *repaired(const char *text)
{
	static const char unknown[] = "\xef\xbf\xbd"; /* U+FFFD */
	size_t len = strlen(text), at = 0;
	char *out = malloc(3 * len + 1), *end = out;
	json_t *json;

	if (!out)
		return NULL;
	while (at < len) {
		uint32_t code;
		size_t n = log_utf8_decode(text + at, len - at, &code);

		end = n ? mempcpy(end, text + at, n)
			: mempcpy(end, unknown, sizeof(unknown) - 1);
		at += n ? n : 1;
	}
	json = json_stringn(out, (size_t)(end - out));
	free(out);
	return json;
}

json_t *admin_json_text(const char *text)
{
	json_t *json;

	if (!text)
		return json_null();
	json = json_string(text);
	return json ? json : repaired(text);
}

json_t *admin_json_time(uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000u);
	char text[48];
	struct tm tm;
	size_t n;

	if (ns == 0)
		return json_null();
	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03uZ",
		 (unsigned)(ns / 1000000 % 1000));
	return json_string(text);
}

static json_t *id_json(uint64_t id)
{
	char text[LOG_ID_SIZE];

	return json_string(log_id_text(id, text));
}

static json_int_t age(uint64_t then, uint64_t now)
{
	return now > then ? (json_int_t)((now - then) / 1000000000u) : 0;
}

static const char *state_name(unsigned state)
{
	return state == ADMIN_DONE ? "done" : queue_state_name(state);
}

/* The part that entries and recipients share. */
static json_t *progress(const struct admin_row *row)
{
	json_t *o = json_pack(
		"{s:s, s:i, s:o, s:o, s:o}", "state", state_name(row->state),
		"attempts", (int)row->attempts, "next_attempt",
		admin_json_time(row->due), "destination",
		admin_json_text(row->destination), "domain",
		admin_json_text(row->domain && row->domain[0] ? row->domain
							      : NULL));

	if (row->code)
		json_object_set_new(o, "code", json_integer(row->code));
	if (row->code)
		json_object_set_new(o, "reply", admin_json_text(row->reply));
	return o;
}

static json_t *entry_json(const struct admin_row *row, uint64_t now)
{
	json_t *o = json_pack("{s:s, s:o, s:o, s:I, s:o, s:o, s:I, s:I}",
			      "type", "entry", "id", id_json(row->id),
			      "arrival", admin_json_time(row->arrival), "age",
			      age(row->arrival, now), "sender",
			      admin_json_text(row->sender), "recipient",
			      admin_json_text(row->recipient), "recipients",
			      (json_int_t)row->recipient_count, "size",
			      (json_int_t)row->message_size);
	json_t *more = progress(row);

	json_object_update_missing(o, more);
	json_decref(more);
	return o;
}

static json_t *message_json(const struct admin_row *row, uint64_t now)
{
	return json_pack("{s:s, s:o, s:o, s:I, s:o, s:o, s:I, s:I, s:b, s:b}",
			 "type", "message", "id", id_json(row->id), "arrival",
			 admin_json_time(row->arrival), "age",
			 age(row->arrival, now), "sender",
			 admin_json_text(row->sender), "client",
			 admin_json_text(row->client), "recipients",
			 (json_int_t)row->recipient_count, "size",
			 (json_int_t)row->message_size, "8bitmime",
			 !!(row->flags & SPOOL_8BITMIME), "smtputf8",
			 !!(row->flags & SPOOL_SMTPUTF8));
}

static json_t *recipient_json(const struct admin_row *row)
{
	json_t *o = json_pack("{s:s, s:o}", "type", "recipient", "recipient",
			      admin_json_text(row->recipient));
	json_t *more;

	if (row->state == ADMIN_DONE) {
		json_object_set_new(o, "state", json_string("done"));
		return o;
	}
	more = progress(row);
	json_object_update_missing(o, more);
	json_decref(more);
	return o;
}

/* Bytes of a message are not text: base64 (RFC 4648). */
static json_t *bytes_json(const struct admin_row *row)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc((row->len + 2) / 3 * 4 + 1), *at = text;
	json_t *o = NULL;

	if (!text)
		return NULL;
	for (size_t i = 0; i < row->len; i += 3) {
		size_t left = row->len - i;
		unsigned v = (unsigned)row->bytes[i] << 16;

		v |= left > 1 ? (unsigned)row->bytes[i + 1] << 8 : 0;
		v |= left > 2 ? row->bytes[i + 2] : 0;
		*at++ = digits[v >> 18];
		*at++ = digits[v >> 12 & 63];
		*at++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*at++ = left > 2 ? digits[v & 63] : '=';
	}
	o = json_pack("{s:s, s:o, s:s#}", "type", "bytes", "id",
		      id_json(row->id), "base64", text, (int)(at - text));
	free(text);
	return o;
}

static json_t *domain_json(const struct admin_row *row, uint64_t now)
{
	size_t queued = 0;
	json_t *o;

	for (unsigned s = 0; s < QUEUE_STATES; s++)
		queued += row->count[s];
	o = json_pack("{s:s, s:o, s:o, s:I, s:I, s:b, s:b}", "type",
		      row->domain ? "domain" : "destination", "destination",
		      admin_json_text(row->destination), "oldest",
		      admin_json_time(row->arrival), "connections",
		      (json_int_t)row->sessions, "queued", (json_int_t)queued,
		      "unreachable", row->unreachable, "suspended",
		      row->suspended);
	if (row->domain)
		json_object_set_new(
			o, "domain",
			admin_json_text(row->domain[0] ? row->domain : NULL));
	for (unsigned s = 0; s < QUEUE_STATES; s++)
		json_object_set_new(o, queue_state_name(s),
				    json_integer((json_int_t)row->count[s]));
	if (row->arrival)
		json_object_set_new(o, "oldest_age",
				    json_integer(age(row->arrival, now)));
	if (row->code) {
		json_object_set_new(o, "code", json_integer(row->code));
		json_object_set_new(o, "reply", admin_json_text(row->reply));
		json_object_set_new(o, "reply_time",
				    admin_json_time(row->reply_at));
	}
	return o;
}

static json_t *deferral_json(const struct admin_row *row)
{
	return json_pack("{s:o, s:o, s:o, s:i, s:o, s:o}", "time",
			 admin_json_time(row->arrival), "domain",
			 admin_json_text(row->domain), "destination",
			 admin_json_text(row->destination), "code",
			 (int)row->code, "reply", admin_json_text(row->reply),
			 "at", admin_json_text(row->sender));
}

static json_t *trace_json(const struct admin_row *row)
{
	static const char *const kinds[] = {
		[OUTBOUND_TRACE_NOTE] = "note",
		[OUTBOUND_TRACE_SENT] = "sent",
		[OUTBOUND_TRACE_RECEIVED] = "received",
	};
	json_t *o = json_pack("{s:s, s:I, s:o, s:s, s:o, s:o, s:o}", "type",
			      "line", "session", (json_int_t)row->session,
			      "time", admin_json_time(row->arrival), "kind",
			      kinds[row->state], "text",
			      admin_json_text(row->reply), "relay",
			      admin_json_text(row->client), "host",
			      admin_json_text(row->destination));

	if (row->id)
		json_object_set_new(o, "id", id_json(row->id));
	if (row->dropped)
		json_object_set_new(o, "dropped",
				    json_integer((json_int_t)row->dropped));
	return o;
}

json_t *admin_row_json(const struct admin_row *row, uint64_t now)
{
	switch (row->kind) {
	case ADMIN_ROW_ENTRY:
		return entry_json(row, now);
	case ADMIN_ROW_DOMAIN:
		return domain_json(row, now);
	case ADMIN_ROW_MESSAGE:
		return message_json(row, now);
	case ADMIN_ROW_RECIPIENT:
		return recipient_json(row);
	case ADMIN_ROW_BYTES:
		return bytes_json(row);
	case ADMIN_ROW_TRACE:
		return trace_json(row);
	case ADMIN_ROW_DEFERRAL:
		return deferral_json(row);
	}
	return NULL;
}
