/* SPDX-License-Identifier: Apache-2.0 */
/* What sessions tell those who keep account of messages (event.h). */
#include <stdio.h>
#include <string.h>

#include "gateway/event/event.h"
#include "gateway/inbound/inbound_session.h"
#include "gateway/log/log_tls.h"
#include "gateway/smtp/smtp_trace.h"

void inbound_event_connected(const struct inbound_session *s, bool begins)
{
	char client[INBOUND_CLIENT_SIZE];

	if (!event_wanted() || s->peer.any.sa_family == AF_UNIX)
		return;
	event_publish(&(const struct event){
		.kind = begins ? EVENT_CONNECTED : EVENT_DISCONNECTED,
		.client = inbound_client(s, client),
	});
}

static const char *protocol_of(const struct inbound_session *s)
{
	const struct smtp_trace trace = {
		.extended = s->extended,
		.utf8 = s->tx && s->tx->smtputf8,
		.version = s->secure ? "TLS" : NULL,
		.protocol = s->listener->protocol,
	};

	return smtp_trace_protocol(&trace);
}

void inbound_event_accepted(const struct inbound_session *s, bool client_gone)
{
	const struct inbound_transaction *tx = s->tx;
	struct ktls_stream_info info = {.tls = false};
	char client[INBOUND_CLIENT_SIZE];
	struct log_tls words;

	if (!event_wanted())
		return;
	if (s->open && !client_gone)
		ktls_stream_info(&s->stream, &info);
	log_tls_words(&info, &words);
	event_publish(&(const struct event){
		.kind = EVENT_RECEPTION,
		.id = tx->id,
		.sender = tx->reverse_path,
		.recipient_count = tx->recipient_count,
		.size = tx->data.stored,
		.message_id = tx->header.message_id,
		.client = inbound_client(s, client),
		.helo = s->helo,
		.protocol = protocol_of(s),
		.tls = client_gone ? NULL : words.version,
		.cipher = words.cipher,
		.offload = info.tls ? words.offload : NULL,
		.why = info.tls ? words.why : NULL,
		.created = tx->arrival,
	});
}

/* Replies that turn mail away; of others there is nothing to account. */
static const char *stage_of(enum inbound_reply_id reply)
{
	static const struct {
		enum inbound_reply_id reply;
		const char *stage;
	} stages[] = {
		{REPLY_SENDER_SYNTAX, "MAIL"},
		{REPLY_SENDER_UTF8, "MAIL"},
		{REPLY_RECIPIENT_SYNTAX, "RCPT"},
		{REPLY_RECIPIENT_UTF8, "RCPT"},
		{REPLY_RELAY_DENIED, "RCPT"},
		{REPLY_NO_ROUTE, "RCPT"},
		{REPLY_TOO_MANY_RECIPIENTS, "RCPT"},
		{REPLY_ONE_DESTINATION, "RCPT"},
		{REPLY_TOO_BIG, "END-OF-MESSAGE"},
		{REPLY_BARE_LINE_END, "END-OF-MESSAGE"},
		{REPLY_TEXT_LINE_TOO_LONG, "END-OF-MESSAGE"},
		{REPLY_LOOP, "END-OF-MESSAGE"},
		{REPLY_SPOOL_FULL, "END-OF-MESSAGE"},
		{REPLY_SPOOL_FAILED, "END-OF-MESSAGE"},
		{REPLY_NO_MEMORY, "END-OF-MESSAGE"},
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (stages[i].reply == reply)
			return stages[i].stage;
	return NULL;
}

/* "<a@b> NOTIFY=..." without brackets and what follows. */
static const char *path_of(const char *args, char out[512])
{
	size_t len;

	if (!args || args[0] != '<')
		return args;
	len = strcspn(args + 1, ">");
	snprintf(out, 512, "%.*s", len < 511 ? (int)len : 511, args + 1);
	return out;
}

void inbound_event_rejected(const struct inbound_session *s,
			    enum inbound_reply_id reply, const char *subject)
{
	const char *stage = stage_of(reply);
	char client[INBOUND_CLIENT_SIZE], path[512];
	bool mail;

	if (!stage || !event_wanted())
		return;
	mail = strcmp(stage, "MAIL") == 0;
	event_publish(&(const struct event){
		.kind = EVENT_REJECTION,
		.sender = mail	  ? path_of(subject, path)
			  : s->tx ? s->tx->reverse_path
				  : NULL,
		.recipient = mail ? NULL : path_of(subject, path),
		.client = inbound_client(s, client),
		.helo = s->helo,
		.protocol = protocol_of(s),
		.reply = inbound_reply_text(reply),
		.command = stage,
	});
}
