/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this server says: one table of replies (RFC 5321 section 4.2, enhanced
 * codes of RFC 3463 as RFC 2034 wants them), gathered into one write per
 * event (RFC 2920).
 */
#ifndef GATEWAY_INBOUND_INBOUND_REPLY_H
#define GATEWAY_INBOUND_INBOUND_REPLY_H

#include <stdbool.h>
#include <stddef.h>

struct inbound_session;

/* At most 64: a session notes in one word which of them it has logged. */
enum inbound_reply_id {
	REPLY_OK,
	REPLY_SENDER_OK,
	REPLY_RECIPIENT_OK,
	REPLY_START_DATA,
	REPLY_START_TLS,
	REPLY_BYE,
	REPLY_VRFY,
	REPLY_HELP,

	/* 421: said, then the connection is closed */
	REPLY_TIMEOUT,
	REPLY_SHUTDOWN,
	REPLY_TOO_MANY_ERRORS,
	REPLY_TOO_MANY_MESSAGES,
	REPLY_NEW_KEYS,
	REPLY_TOO_MANY_CONNECTIONS,
	REPLY_TOO_MANY_OF_CLIENT,

	/* commands */
	REPLY_UNKNOWN_COMMAND,
	REPLY_NOT_IMPLEMENTED,
	REPLY_MALFORMED,
	REPLY_LINE_TOO_LONG,
	REPLY_ARGUMENTS,
	REPLY_HELLO_FIRST,
	REPLY_TLS_FIRST,
	REPLY_TLS_ALREADY,
	REPLY_TLS_NOT_OFFERED,
	REPLY_INJECTION,
	REPLY_NESTED_MAIL,
	REPLY_MAIL_FIRST,
	REPLY_RCPT_FIRST,
	REPLY_NO_VALID_RECIPIENTS,
	REPLY_CHUNKS_BEGUN,
	REPLY_REFUSED_BEFORE,
	REPLY_CHUNK_SIZE,

	/* the envelope */
	REPLY_SENDER_SYNTAX,
	REPLY_RECIPIENT_SYNTAX,
	REPLY_SENDER_UTF8,
	REPLY_RECIPIENT_UTF8,
	REPLY_PARAMETER_SYNTAX,
	REPLY_PARAMETER_UNKNOWN,
	REPLY_RELAY_DENIED,
	REPLY_NO_ROUTE,
	REPLY_TOO_MANY_RECIPIENTS,
	REPLY_ONE_DESTINATION,

	/* the message */
	REPLY_TOO_BIG,
	REPLY_BARE_LINE_END,
	REPLY_TEXT_LINE_TOO_LONG,
	REPLY_LOOP,
	REPLY_SPOOL_FULL,
	REPLY_SPOOL_FAILED,
	REPLY_NO_MEMORY,
	REPLY_NEXT_HOP, /* what the next hop said */
	REPLIES
};

/* The replies of one event, on their way into the stream. */
struct inbound_output {
	int error; /* the first -errno that the stream gave, other than -EPIPE */
	size_t len;
	char bytes[8192];
};

/* inbound_say() - a reply of the table. Refusals are counted and logged. */
void inbound_say(struct inbound_session *s, enum inbound_reply_id id);
/* inbound_refuse() - the same; @subject (mailbox, command) goes to the log. */
void inbound_refuse(struct inbound_session *s, enum inbound_reply_id id,
		    const char *subject);
/* inbound_printf() - a line of its own kind, with its line end. */
void inbound_printf(struct inbound_session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* inbound_flush() - what was said goes to the stream, in one write. */
void inbound_flush(struct inbound_session *s);
/* inbound_may_say() - may another command be answered? Otherwise the client
 * does not read its replies; WRITTEN will come. */
bool inbound_may_say(const struct inbound_session *s);

/* inbound_reply_text() - as in the log, without line end; static. */
const char *inbound_reply_text(enum inbound_reply_id id);

#endif
