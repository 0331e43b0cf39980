/* SPDX-License-Identifier: Apache-2.0 */
/* Postfix's lines. */
#include "gateway/event/event_postfix.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/log/log_utf8.h"

/* Of one value. */
#define VALUE_MAX 900

__attribute__((format(printf, 2, 3))) static void add(struct event_postfix *out,
						      const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out->text + out->len, sizeof(out->text) - out->len,
		      format, args);
	va_end(args);
	if (n > 0)
		out->len += (size_t)n;
	if (out->len >= sizeof(out->text))
		out->len = sizeof(out->text) - 1;
}

/* What a peer said. Of '<' and '>' only those around it must stand, or an
 * address could look like two. */
static void add_value(struct event_postfix *out, const char *value, bool path)
{
	size_t len = value ? strlen(value) : 0, at = 0, used = 0;

	while (at < len && used < VALUE_MAX) {
		uint32_t code = 0;
		size_t n = log_utf8_decode(value + at, len - at, &code);
		bool bad = !n || log_utf8_is_control(code) ||
			   (path && (code == '<' || code == '>'));

		if (bad)
			add(out, "?");
		else
			add(out, "%.*s", (int)n, value + at);
		at += n ? n : 1;
		used += n ? n : 1;
	}
}

static void add_path(struct event_postfix *out, const char *key,
		     const char *value)
{
	add(out, "%s=<", key);
	add_value(out, value, true);
	add(out, ">");
}

/* --- line by line --- */

/* localtime_r() looks at the zone each time; a second has many lines. */
static const char *stamp(const struct timespec *now)
{
	static _Thread_local time_t when = -1;
	static _Thread_local char text[32];
	struct tm tm;

	if (now->tv_sec != when && localtime_r(&now->tv_sec, &tm)) {
		static const char months[][4] = {"Jan", "Feb", "Mar", "Apr",
						 "May", "Jun", "Jul", "Aug",
						 "Sep", "Oct", "Nov", "Dec"};

		snprintf(text, sizeof(text), "%s %2d %02d:%02d:%02d",
			 months[tm.tm_mon % 12], tm.tm_mday, tm.tm_hour,
			 tm.tm_min, tm.tm_sec);
		when = now->tv_sec;
	}
	return text;
}

static void begin(struct event_postfix *out, const struct timespec *now,
		  const char *program)
{
	add(out, "%s %.*s %s/%s[%d]: ", stamp(now),
	    (int)strcspn(out->hostname, "."), out->hostname, out->name, program,
	    (int)getpid());
}

static void begin_id(struct event_postfix *out, const struct timespec *now,
		     const char *program, uint64_t id)
{
	char text[LOG_ID_SIZE];

	begin(out, now, program);
	add(out, "%s: ", log_id_text(id, text));
}

static void end(struct event_postfix *out)
{
	/* There is always room for one more. */
	if (out->len > sizeof(out->text) - 2)
		out->len = sizeof(out->text) - 2;
	out->text[out->len++] = '\n';
	out->text[out->len] = '\0';
}

/* "name[address]" as Postfix has it; local users have neither. */
static void add_client(struct event_postfix *out, const char *client)
{
	char address[64];
	unsigned port;

	if (client && event_split(client, address, &port))
		add(out, "unknown[%s]", address);
	else
		add(out, "localhost[127.0.0.1]");
}

static void received(struct event_postfix *out, const struct timespec *now,
		     const struct event *e)
{
	const char *uid = e->client ? strstr(e->client, "uid=") : NULL;

	if (uid) {
		begin_id(out, now, "pickup", e->id);
		add(out, "%s ", uid);
		add_path(out, "from", e->sender);
	} else if (e->client) {
		begin_id(out, now, "smtpd", e->id);
		add(out, "client=");
		add_client(out, e->client);
	}
	if (e->client)
		end(out);
	begin_id(out, now, "cleanup", e->id);
	add(out, "message-id=");
	if (e->message_id && e->message_id[0] == '<')
		add_value(out, e->message_id, false);
	else
		add(out, "<>");
	end(out);
	begin_id(out, now, "qmgr", e->id);
	add_path(out, "from", e->sender);
	add(out, ", size=%" PRIu64 ", nrcpt=%" PRIu64 " (queue active)",
	    e->size, e->recipient_count);
	end(out);
}

static double seconds(uint64_t ns)
{
	return (double)(ns / 1000000) / 1000;
}

/* Two digits that count, as Postfix does. */
static void add_delay(struct event_postfix *out, const char *mark, uint64_t ns)
{
	double s = seconds(ns);

	if (s >= 10)
		add(out, "%s%.0f", mark, s);
	else
		add(out, "%s%.2g", mark, s);
}

static void add_relay(struct event_postfix *out, const struct event *e)
{
	char address[64];
	unsigned port;

	add(out, ", relay=");
	if (!e->relay_address || !event_split(e->relay_address, address, &port))
		add(out, "none");
	else {
		add_value(out, e->relay_host ? e->relay_host : "unknown", true);
		add(out, "[%s]:%u", address, port);
	}
	if (e->connection_use > 1)
		add(out, ", conn_use=%" PRIu64, e->connection_use);
}

static void add_status(struct event_postfix *out, const struct event *e)
{
	static const char *const words[EVENT_KINDS] = {
		[EVENT_DELIVERY] = "sent",
		[EVENT_TRANSIENT] = "deferred",
		[EVENT_BOUNCE] = "bounced",
		[EVENT_EXPIRATION] = "deferred",
		[EVENT_ADMIN_BOUNCE] = "bounced",
	};
	bool sent = e->kind == EVENT_DELIVERY;
	char digit = e->enhanced && e->enhanced[0] ? 0
		     : e->code >= 500		   ? '5'
		     : e->code >= 400		   ? '4'
						   : '2';

	if (digit)
		add(out, ", dsn=%c.0.0", digit);
	else
		add(out, ", dsn=%s", e->enhanced);
	add(out, ", status=%s (", words[e->kind]);
	if (!sent && e->relay_address)
		add(out, "host %s said: ", e->relay_host ? e->relay_host : "");
	if (e->code && (sent || e->relay_address))
		add(out, "%u ", e->code);
	add_value(out, e->reply, false);
	if (!sent && e->relay_address && e->command)
		add(out, " (in reply to %s command)", e->command);
	add(out, ")");
}

static void attempted(struct event_postfix *out, const struct timespec *now,
		      const struct event *e)
{
	begin_id(out, now, "smtp", e->id);
	add_path(out, "to", e->recipient);
	add_relay(out, e);
	add_delay(out, ", delay=", e->delay);
	/* Postfix's first part, before the queue, is in nobody's books here. */
	add(out, ", delays=0");
	for (int i = 0; i < EVENT_PARTS; i++)
		add_delay(out, "/", e->parts[i]);
	add_status(out, e);
	end(out);
	if (e->kind != EVENT_EXPIRATION)
		return;
	begin_id(out, now, "qmgr", e->id);
	add_path(out, "from", e->sender);
	add(out, ", status=expired, returned to sender");
	end(out);
}

static void notified(struct event_postfix *out, const struct timespec *now,
		     const struct event *e)
{
	static const char *const kinds[][2] = {
		{"failed", "non-delivery"},
		{"delayed", "delay"},
	};
	const char *kind = "delivery status";
	char id[LOG_ID_SIZE];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (e->command && strcmp(e->command, kinds[i][0]) == 0)
			kind = kinds[i][1];
	begin_id(out, now, "bounce", e->about);
	add(out, "sender %s notification: %s", kind, log_id_text(e->id, id));
	end(out);
	received(out, now, e);
}

static void rejected(struct event_postfix *out, const struct timespec *now,
		     const struct event *e)
{
	begin(out, now, "smtpd");
	add(out, "NOQUEUE: reject: %s from ", e->command ? e->command : "RCPT");
	add_client(out, e->client);
	add(out, ": ");
	add_value(out, e->reply, false);
	add(out, "; ");
	add_path(out, "from", e->sender);
	if (e->recipient) {
		add(out, " ");
		add_path(out, "to", e->recipient);
	}
	add(out, " proto=%s ", e->protocol ? e->protocol : "ESMTP");
	add_path(out, "helo", e->helo);
	end(out);
}

static void removed(struct event_postfix *out, const struct timespec *now,
		    const struct event *e)
{
	begin_id(out, now, "qmgr", e->id);
	add(out, "removed");
	end(out);
}

static void connected(struct event_postfix *out, const struct timespec *now,
		      const struct event *e)
{
	begin(out, now, "smtpd");
	add(out, "%s from ",
	    e->kind == EVENT_CONNECTED ? "connect" : "disconnect");
	add_client(out, e->client);
	end(out);
}

void event_postfix_format(struct event_postfix *out, const struct timespec *now,
			  const struct event *event)
{
	static void (*const writers[EVENT_KINDS])(struct event_postfix *,
						  const struct timespec *,
						  const struct event *) = {
		[EVENT_RECEPTION] = received,
		[EVENT_DELIVERY] = attempted,
		[EVENT_TRANSIENT] = attempted,
		[EVENT_BOUNCE] = attempted,
		[EVENT_EXPIRATION] = attempted,
		[EVENT_ADMIN_BOUNCE] = attempted,
		[EVENT_NOTIFICATION] = notified,
		[EVENT_REMOVAL] = removed,
		[EVENT_REJECTION] = rejected,
		[EVENT_CONNECTED] = connected,
		[EVENT_DISCONNECTED] = connected,
	};

	out->len = 0;
	writers[event->kind](out, now, event);
}
