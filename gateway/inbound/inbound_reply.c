/* SPDX-License-Identifier: Apache-2.0 */
/* The table of replies, and their way into the stream. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/inbound_session.h"

/* A client that leaves more than this unread has its commands wait. */
#define UNSENT_MAX (16 * 1024)
#define WRITES_MAX (KTLS_OUT_MAX / 2)

enum kind {
	FINE,
	REFUSES, /* logged, no fault of the client's */
	ERROR,	 /* logged, counts towards limits.errors */
};

/* clang-format off */
static const struct {
	enum kind kind;
	const char *text;
} replies[REPLIES] = {
	[REPLY_OK] = {FINE, "250 2.0.0 Ok"},
	[REPLY_SENDER_OK] = {FINE, "250 2.1.0 Ok"},
	[REPLY_RECIPIENT_OK] = {FINE, "250 2.1.5 Ok"},
	[REPLY_START_DATA] = {FINE, "354 End data with <CR><LF>.<CR><LF>"},
	[REPLY_START_TLS] = {FINE, "220 2.0.0 Ready to start TLS"},
	[REPLY_BYE] = {FINE, "221 2.0.0 Bye"},
	[REPLY_VRFY] = {FINE, "252 2.0.0 Send some mail, it will be tried"},
	[REPLY_HELP] = {FINE, "214 2.0.0 EHLO HELO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT; see RFC 5321"},

	[REPLY_TIMEOUT] = {REFUSES, "421 4.4.2 Timeout, closing connection"},
	[REPLY_SHUTDOWN] = {REFUSES, "421 4.3.2 Service shutting down, closing connection"},
	[REPLY_TOO_MANY_ERRORS] = {REFUSES, "421 4.7.0 Too many errors, closing connection"},
	[REPLY_TOO_MANY_MESSAGES] = {REFUSES, "421 4.7.0 Too many messages on this connection, closing connection"},
	[REPLY_NEW_KEYS] = {REFUSES, "421 4.7.0 New TLS keys need a new connection, closing connection"},
	[REPLY_TOO_MANY_CONNECTIONS] = {REFUSES, "421 4.3.2 Too many connections, try again later"},
	[REPLY_TOO_MANY_OF_CLIENT] = {REFUSES, "421 4.7.0 Too many connections from your address, try again later"},

	[REPLY_UNKNOWN_COMMAND] = {ERROR, "500 5.5.1 Command not recognized"},
	[REPLY_NOT_IMPLEMENTED] = {ERROR, "502 5.5.1 Command not implemented"},
	[REPLY_MALFORMED] = {ERROR, "500 5.5.2 Malformed command line"},
	[REPLY_LINE_TOO_LONG] = {ERROR, "500 5.5.2 Line too long"},
	[REPLY_ARGUMENTS] = {ERROR, "501 5.5.4 Wrong arguments"},
	[REPLY_HELLO_FIRST] = {ERROR, "503 5.5.1 Send EHLO or HELO first"},
	[REPLY_TLS_FIRST] = {ERROR, "530 5.7.0 Must issue a STARTTLS command first"},
	[REPLY_TLS_ALREADY] = {ERROR, "503 5.5.1 TLS is already active"},
	[REPLY_TLS_NOT_OFFERED] = {ERROR, "502 5.5.1 TLS is not offered here"},
	[REPLY_INJECTION] = {ERROR, "503 5.5.1 Nothing may follow STARTTLS in clear, closing connection"},
	[REPLY_NESTED_MAIL] = {ERROR, "503 5.5.1 A transaction is open already"},
	[REPLY_MAIL_FIRST] = {ERROR, "503 5.5.1 Send MAIL first"},
	[REPLY_RCPT_FIRST] = {ERROR, "503 5.5.1 Send RCPT first"},
	[REPLY_NO_VALID_RECIPIENTS] = {ERROR, "554 5.5.1 No valid recipients"},
	[REPLY_CHUNKS_BEGUN] = {ERROR, "503 5.5.1 Only BDAT may go on after BDAT"},
	[REPLY_REFUSED_BEFORE] = {ERROR, "503 5.5.1 An earlier chunk was refused, send RSET"},
	[REPLY_CHUNK_SIZE] = {ERROR, "501 5.5.4 Wrong chunk size, closing connection"},

	[REPLY_SENDER_SYNTAX] = {ERROR, "501 5.1.7 Bad sender address syntax"},
	[REPLY_RECIPIENT_SYNTAX] = {ERROR, "501 5.1.3 Bad recipient address syntax"},
	[REPLY_SENDER_UTF8] = {ERROR, "553 5.6.7 Sender address needs SMTPUTF8"},
	[REPLY_RECIPIENT_UTF8] = {ERROR, "553 5.6.7 Recipient address needs SMTPUTF8"},
	[REPLY_PARAMETER_SYNTAX] = {ERROR, "501 5.5.4 Bad parameter"},
	[REPLY_PARAMETER_UNKNOWN] = {ERROR, "555 5.5.4 Parameter not recognized"},
	[REPLY_RELAY_DENIED] = {ERROR, "554 5.7.1 Relay access denied"},
	[REPLY_NO_ROUTE] = {REFUSES, "550 5.1.2 No route to this domain"},
	[REPLY_TOO_MANY_RECIPIENTS] = {REFUSES, "452 4.5.3 Too many recipients"},
	[REPLY_ONE_DESTINATION] = {REFUSES, "452 4.5.3 One destination at a time, send this one again"},

	[REPLY_TOO_BIG] = {REFUSES, "552 5.3.4 Message too big"},
	[REPLY_BARE_LINE_END] = {REFUSES, "554 5.6.0 Bare CR or LF in the message; lines end with CRLF"},
	[REPLY_TEXT_LINE_TOO_LONG] = {REFUSES, "554 5.6.0 Line too long in the message"},
	[REPLY_LOOP] = {REFUSES, "554 5.4.6 Too many Received fields, a mail loop"},
	[REPLY_SPOOL_FULL] = {REFUSES, "452 4.3.1 Insufficient system storage"},
	[REPLY_SPOOL_FAILED] = {REFUSES, "451 4.3.0 Storage failed, try again later"},
	[REPLY_NO_MEMORY] = {REFUSES, "451 4.3.0 Out of memory, try again later"},
	[REPLY_NEXT_HOP] = {FINE, "said by the next hop"},
};
/* clang-format on */
_Static_assert(REPLIES <= 64, "inbound_session.logged has a bit for each");

const char *inbound_reply_text(enum inbound_reply_id id)
{
	return replies[id].text;
}

/* A 421 begins with our name (RFC 5321 section 4.2.3), behind its codes. */
static void say_text(struct inbound_session *s, const char *text)
{
	const size_t codes = sizeof("421 4.4.2 ") - 1;

	if (strncmp(text, "421 ", 4) == 0)
		inbound_printf(s, "%.*s%s %s\r\n", (int)codes, text,
			       s->pool->config.config->hostname, text + codes);
	else
		inbound_printf(s, "%s\r\n", text);
}

static void count_code(struct inbound_session *s, unsigned code)
{
	if (code >= INBOUND_CODE_FIRST &&
	    code < INBOUND_CODE_FIRST + INBOUND_CODES)
		s->pool->stats.refusals[code - INBOUND_CODE_FIRST]++;
}

static void say_answer(struct inbound_session *s)
{
	const struct cutthrough_answer *answer = cutthrough_answer(s->tx->leg);

	count_code(s, answer->code);
	/* With its code and line end within RFC 5321's 512 octets. */
	inbound_printf(s, "%u %.500s\r\n", answer->code, answer->text);
}

void inbound_refuse(struct inbound_session *s, enum inbound_reply_id id,
		    const char *subject)
{
	if (id == REPLY_NEXT_HOP)
		say_answer(s);
	else
		say_text(s, replies[id].text);
	if (replies[id].kind == FINE)
		return;
	if (replies[id].kind == ERROR) {
		s->errors++;
		s->pool->stats.protocol_errors++;
	}
	/* Our texts begin with their codes. */
	count_code(s, (unsigned)strtoul(replies[id].text, NULL, 10));
	inbound_log_rejected(s, id, subject);
}

void inbound_say(struct inbound_session *s, enum inbound_reply_id id)
{
	inbound_refuse(s, id, NULL);
}

void inbound_printf(struct inbound_session *s, const char *format, ...)
{
	struct inbound_output *output = &s->pool->output;
	size_t room = sizeof(output->bytes) - output->len;
	va_list args;
	int n;

	/* The longest line: a next hop's answer. */
	if (room < 520) {
		inbound_flush(s);
		room = sizeof(output->bytes);
	}
	va_start(args, format);
	n = vsnprintf(output->bytes + output->len, room, format, args);
	va_end(args);
	assert(n > 0 && (size_t)n < room);
	output->len += (size_t)n;
}

void inbound_flush(struct inbound_session *s)
{
	struct inbound_output *output = &s->pool->output;
	size_t len = output->len;
	int error;

	output->len = 0;
	if (len == 0 || !s->open)
		return;
	error = ktls_stream_write(&s->stream, output->bytes, len);
	if (error == 0)
		s->writes++;
	else if (error != -EPIPE && output->error == 0)
		output->error = error; /* -EPIPE: FAILED is on its way */
}

bool inbound_may_say(const struct inbound_session *s)
{
	return s->writes < WRITES_MAX &&
	       ktls_stream_unsent(&s->stream) < UNSENT_MAX;
}
