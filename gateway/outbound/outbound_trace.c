/* SPDX-License-Identifier: Apache-2.0 */
/* The dialogue of sessions (outbound_trace.h). */
#include "gateway/outbound/outbound_trace.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/log/log_tls.h"
#include "gateway/outbound/outbound_session.h"

void outbound_set_trace(struct outbound *outbound,
			const struct outbound_trace *trace)
{
	outbound->trace = trace;
}

static void tell(struct outbound_session *s, enum outbound_trace_kind kind,
		 const char *text, size_t len)
{
	const struct outbound_trace *trace = s->pool->trace;
	struct outbound_trace_line line = {
		.kind = kind,
		.session = s->number,
		.destination = s->destination,
		.delivery = s->delivery,
		.relay = s->relay,
		.host = s->host,
		.text = text,
		.len = len,
	};

	trace->fn(trace->arg, &line);
}

/* A secret is nobody's business, however it got into a line. */
static void tell_sent(struct outbound_session *s, const char *text, size_t len)
{
	static const char masked[] = "AUTH ***";

	if (len >= 4 && strncasecmp(text, "AUTH", 4) == 0)
		tell(s, OUTBOUND_TRACE_SENT, masked, sizeof(masked) - 1);
	else
		tell(s, OUTBOUND_TRACE_SENT, text, len);
}

void outbound_trace_sent(struct outbound_session *s, const char *text,
			 size_t len)
{
	const char *end;

	for (; len > 0 && (end = memchr(text, '\r', len));) {
		size_t line = (size_t)(end - text);

		tell_sent(s, text, line);
		line += len > line + 1 ? 2 : 1; /* CRLF */
		text += line;
		len -= line;
	}
}

void outbound_trace_reply(struct outbound_session *s)
{
	const struct smtp_reply *reply = &s->parser.reply;
	char line[SMTP_REPLY_TEXT_MAX + 8];
	int len =
		snprintf(line, sizeof(line), "%u %s", reply->code, reply->text);

	tell(s, OUTBOUND_TRACE_RECEIVED, line,
	     (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

void outbound_trace_note(struct outbound_session *s, const char *text)
{
	tell(s, OUTBOUND_TRACE_NOTE, text, strlen(text));
}

void outbound_trace_body(struct outbound_session *s)
{
	char text[64];

	snprintf(text, sizeof(text), "message, %llu octets",
		 (unsigned long long)outbound_body_octets(s));
	outbound_trace_note(s, text);
}

void outbound_trace_tls(struct outbound_session *s)
{
	struct ktls_stream_info info;
	struct log_tls words;
	char text[256];

	ktls_stream_info(&s->stream, &info);
	log_tls_words(&info, &words);
	snprintf(text, sizeof(text), "%s %s, resumed: %s",
		 words.version ? words.version : "TLS",
		 words.cipher ? words.cipher : "",
		 words.resumed ? words.resumed : "no");
	outbound_trace_note(s, text);
}

void outbound_trace_end(struct outbound_session *s)
{
	struct ktls_stream_info info;
	struct log_tls words;
	char text[SMTP_REPLY_TEXT_MAX + 256];

	ktls_stream_info(&s->stream, &info);
	log_tls_words(&info, &words);
	snprintf(text, sizeof(text), "closed, tls=%s offload=%s%s%s%s%s",
		 words.version ? words.version : "none",
		 words.offload ? words.offload : "none",
		 words.why ? " why=" : "", words.why ? words.why : "",
		 s->failure.text[0] ? ": " : "", s->failure.text);
	outbound_trace_note(s, text);
}
