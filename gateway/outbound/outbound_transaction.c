/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message's way: READY, ENVELOPE, BODY, FINAL, and RESET for transactions
 * that come to nothing.
 *
 * With PIPELINING (RFC 2920) the whole envelope goes out in one write, and
 * with CHUNKING (RFC 3030) a small message behind it, so that mail costs one
 * round trip.  Replies come in the order of the commands: session->got counts
 * them; command 0 is MAIL, then one RCPT each, the last is DATA or BDAT.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/outbound/outbound_session.h"
#include "uring/uring.h"

/* A body up to this size is sent along with its envelope: should all
 * recipients be refused, no more than this was sent in vain. */
#define INLINE_BODY 65536

/* --- READY --- */

static bool exhausted(const struct outbound_session *s)
{
	unsigned most = s->terms.messages;

	return s->stopping || (most > 0 && s->messages >= most) ||
	       ktls_stream_worn(&s->stream);
}

enum outbound_state outbound_ready_enter(struct outbound_session *s)
{
	if (!s->was_ready) {
		s->was_ready = true;
		s->pool->config.ops->ready(s->destination, s);
	}
	if (exhausted(s))
		return OUTBOUND_QUIT;
	return outbound_ready_on_wake(s);
}

enum outbound_state outbound_ready_on_wake(struct outbound_session *s)
{
	assert(!s->delivery);
	if (s->stopping)
		return OUTBOUND_QUIT;
	s->delivery = s->pool->config.ops->next(s->destination, s);
	if (!s->delivery) /* it may have been retired just now */
		return s->stopping ? OUTBOUND_QUIT : OUTBOUND_READY;
	s->messages++;
	s->begun = uring_now(s->pool->config.env->ring);
	s->pool->stats.messages++;
	return s->delivery->loan.ops ? OUTBOUND_LENT : OUTBOUND_ENVELOPE;
}

/* Unasked: 421 before the server closes, usually. */
enum outbound_state outbound_ready_on_reply(struct outbound_session *s)
{
	return OUTBOUND_CLOSING;
}

enum outbound_state outbound_ready_on_lost(struct outbound_session *s)
{
	return OUTBOUND_CLOSING;
}

enum outbound_state outbound_ready_on_idle(struct outbound_session *s)
{
	return OUTBOUND_QUIT;
}

/* --- ENVELOPE --- */

/* RFC 3461 section 5.2: only who announces the extension is told. */
static bool knows_dsn(const struct outbound_session *s)
{
	return s->extensions & SMTP_EXT_DSN;
}

static size_t put_mail(const struct outbound_session *s, char *out, size_t room)
{
	const struct spool_envelope *e = &s->delivery->view->envelope;
	char size[40] = "";
	bool body8 = (e->flags & (SPOOL_8BITMIME | SPOOL_8BIT)) &&
		     (s->extensions & SMTP_EXT_8BITMIME);
	bool utf8 = (e->flags & SPOOL_SMTPUTF8) &&
		    (s->extensions & SMTP_EXT_SMTPUTF8);

	if (s->extensions & SMTP_EXT_SIZE)
		snprintf(size, sizeof(size), " SIZE=%llu",
			 (unsigned long long)outbound_body_octets(s));
	return (size_t)snprintf(
		out, room, "MAIL FROM:<%s>%s%s%s%s\r\n", e->reverse_path, size,
		body8 ? " BODY=8BITMIME" : "", utf8 ? " SMTPUTF8" : "",
		e->dsn && knows_dsn(s) ? e->dsn : "");
}

static size_t put_rcpt(const struct outbound_session *s, size_t recipient,
		       char *out, size_t room)
{
	const struct outbound_delivery *d = s->delivery;
	const struct spool_envelope *e = &d->view->envelope;
	uint32_t i = d->recipients[recipient];

	return (size_t)snprintf(
		out, room, "RCPT TO:<%s>%s\r\n", e->recipients[i],
		e->recipients_dsn && knows_dsn(s) ? e->recipients_dsn[i] : "");
}

/* Command number @i of the transaction as text; *len is its length. */
static void put_command(const struct outbound_session *s, size_t i, char *out,
			size_t room, size_t *len)
{
	if (i == 0)
		*len = put_mail(s, out, room);
	else if (i < s->commands - 1)
		*len = put_rcpt(s, i - 1, out, room);
	else if (s->transfer == OUTBOUND_BDAT)
		*len = (size_t)snprintf(
			out, room, "BDAT %llu LAST\r\n",
			(unsigned long long)outbound_body_octets(s));
	else
		*len = (size_t)snprintf(out, room, "DATA\r\n");
	assert(*len < room);
}

/* The longest command line: MAIL or RCPT with a path that the inbound side
 * accepted, and its parameters. */
#define COMMAND_ROOM 1200

/* Queue the commands up to (not including) number @end in one write. */
static bool send_commands(struct outbound_session *s, size_t end)
{
	size_t count = end - s->sent, used = 0, len;
	char *text = outbound_scratch(s->pool, count * COMMAND_ROOM);

	if (!text)
		return false;
	for (; s->sent < end; s->sent++) {
		put_command(s, s->sent, text + used, COMMAND_ROOM, &len);
		used += len;
	}
	if (outbound_traced(s))
		outbound_trace_sent(s, text, used);
	(void)ktls_stream_write(&s->stream, text, used);
	return true;
}

/* May the message follow its envelope without waiting for replies? */
static bool body_inline(const struct outbound_session *s)
{
	return (s->extensions & SMTP_EXT_PIPELINING) &&
	       s->transfer == OUTBOUND_BDAT &&
	       outbound_body_octets(s) <= INLINE_BODY;
}

/* How many commands may be out before more replies are in. */
static size_t command_window(const struct outbound_session *s)
{
	if (!(s->extensions & SMTP_EXT_PIPELINING))
		return s->got + 1;
	/* A big chunk waits until somebody wants it. */
	if (s->transfer == OUTBOUND_BDAT && !body_inline(s))
		return s->commands - 1;
	return s->commands;
}

/* What this next hop can't take, said without trying. NULL: fine. */
static const char *unfit(const struct outbound_session *s,
			 const char **enhanced)
{
	const struct spool_envelope *e = &s->delivery->view->envelope;

	if ((e->flags & SPOOL_SMTPUTF8) &&
	    !(s->extensions & SMTP_EXT_SMTPUTF8)) {
		*enhanced = "5.6.7";
		return "the next hop does not take SMTPUTF8 mail";
	}
	if (s->size_limit > 0 && outbound_body_octets(s) > s->size_limit) {
		*enhanced = "5.3.4";
		return "the message is larger than the next hop accepts";
	}
	return NULL;
}

/* Back to READY, through RSET when the server still holds half an envelope. */
static enum outbound_state conclude(struct outbound_session *s, bool reset)
{
	outbound_finish(s);
	return reset ? OUTBOUND_RESET : OUTBOUND_READY;
}

enum outbound_state outbound_envelope_enter(struct outbound_session *s)
{
	struct outbound_answer no = {.code = 554, .where = "message"};

	if (!outbound_answers_begin(s)) {
		/* No memory to keep count: it goes back as not tried. */
		outbound_finish(s);
		return OUTBOUND_QUIT;
	}
	no.text = unfit(s, &no.enhanced);
	if (no.text) {
		outbound_answer_open(s, &no);
		return conclude(s, false);
	}
	s->transfer = outbound_body_choose(s);
	s->commands = s->delivery->recipient_count + 2;
	s->sent = 0;
	s->got = 0;
	s->unsent = 0;
	outbound_body_begin(s);
	outbound_timer_rearm(s);
	if (!send_commands(s, command_window(s)))
		return outbound_fail_text(s, "4.3.0", "out of memory");
	if (s->sent == s->commands && body_inline(s) &&
	    outbound_body_queue(s) < 0)
		return outbound_fail_text(s, "4.3.0", "out of memory");
	return s->state;
}

/* The reply to MAIL or to one RCPT. */
static void take_envelope_reply(struct outbound_session *s, size_t command)
{
	const struct smtp_reply *reply = &s->parser.reply;
	struct outbound_answer answer;

	if (command == 0) {
		answer = outbound_answer_of(reply, "MAIL");
		if (reply->code / 100 != 2)
			outbound_answer_open(s, &answer);
		return;
	}
	if (s->recipients[command - 1] == OUTBOUND_RCPT_ANSWERED)
		return; /* MAIL has failed: this is its echo */
	if (reply->code / 100 == 2) {
		s->recipients[command - 1] = OUTBOUND_RCPT_ACCEPTED;
		s->accepted++;
		return;
	}
	answer = outbound_answer_of(reply, "RCPT");
	outbound_answer_one(s, command - 1, &answer);
}

static bool all_answered(const struct outbound_session *s)
{
	for (size_t i = 0; i < s->delivery->recipient_count; i++)
		if (s->recipients[i] != OUTBOUND_RCPT_ANSWERED)
			return false;
	return true;
}

/* The message has its final reply. A refused chunk leaves the transaction
 * open at the server (RFC 3030 section 2): RSET ends it. */
static enum outbound_state message_answered(struct outbound_session *s,
					    uint16_t code)
{
	bool taken = code / 100 == 2;

	if (code == 421)
		return OUTBOUND_CLOSING;
	if (ktls_stream_unsent(&s->stream) > 0)
		return taken ? OUTBOUND_ANSWERED : OUTBOUND_CLOSING;
	return conclude(s, !taken && s->transfer == OUTBOUND_BDAT);
}

/* The reply to the last command. */
static enum outbound_state take_last_reply(struct outbound_session *s)
{
	struct outbound_answer answer = outbound_answer_of(
		&s->parser.reply,
		s->transfer == OUTBOUND_BDAT ? "message" : "DATA");

	if (s->transfer == OUTBOUND_BDAT) {
		outbound_answer_open(s, &answer);
		return message_answered(s, answer.code);
	}
	if (answer.code == 354)
		return OUTBOUND_BODY;
	if (answer.code < 400) /* 2xx to DATA is no answer of SMTP */
		return outbound_fail_text(s, "4.5.0",
					  "the server answered DATA wrongly");
	outbound_answer_open(s, &answer);
	return conclude(s, true);
}

/* Send what the reply allows to be sent now. */
static enum outbound_state go_on(struct outbound_session *s)
{
	if (s->got < s->sent)
		return s->state; /* more replies of this window first */
	if (all_answered(s))
		return conclude(s, true); /* nobody left to send to */
	if (s->sent == s->commands - 1 && s->transfer == OUTBOUND_BDAT) {
		if (!send_commands(s, s->commands))
			return outbound_fail_text(s, "4.3.0", "out of memory");
		return OUTBOUND_BODY;
	}
	if (!send_commands(s, s->got + 1))
		return outbound_fail_text(s, "4.3.0", "out of memory");
	return s->state;
}

/* A server that has had enough of this connection (421, RFC 5321 3.8) before
 * it said anything about this message: it takes a new one, untried. On a first
 * transaction it is the answer. */
static bool wants_a_new_connection(const struct outbound_session *s)
{
	return s->parser.reply.code == 421 && s->got == 0 && s->messages > 1;
}

enum outbound_state outbound_envelope_on_reply(struct outbound_session *s)
{
	size_t command = s->got;

	if (wants_a_new_connection(s))
		return OUTBOUND_CLOSING;
	if (command >= s->sent || s->parser.reply.code == 421)
		return outbound_fail_reply(s);
	s->got++;
	if (command == s->commands - 1)
		return take_last_reply(s);
	take_envelope_reply(s, command);
	outbound_timer_rearm(s);
	return go_on(s);
}

/* A connection that idled is often closed by the server just as new mail is
 * sent. When it said nothing at all to this transaction, the delivery counts
 * as not tried (closing hands it back unanswered) and takes a new connection;
 * on a first transaction a silent end is the server's answer. */
enum outbound_state outbound_envelope_on_lost(struct outbound_session *s)
{
	if (s->messages > 1 && s->got == 0 && !s->rekeyed)
		return OUTBOUND_CLOSING;
	return outbound_on_lost(s);
}

/* --- BODY and FINAL --- */

enum outbound_state outbound_body_enter(struct outbound_session *s)
{
	return outbound_body_on_written(s);
}

enum outbound_state outbound_body_on_written(struct outbound_session *s)
{
	int r = outbound_body_queue(s);

	if (r < 0)
		return outbound_fail_text(s, "4.3.0", "out of memory");
	if (r == 0) {
		outbound_timer_arm(s, s->terms.timeouts.transmit);
		return OUTBOUND_BODY;
	}
	return OUTBOUND_FINAL;
}

/* The server speaks before it has all: a refusal, or nonsense. Half a message
 * is out, so the connection can't be used again. */
enum outbound_state outbound_body_on_reply(struct outbound_session *s)
{
	struct outbound_answer answer =
		outbound_answer_of(&s->parser.reply, "message");

	if (answer.code < 400)
		return outbound_fail_text(s, "4.5.0",
					  "the server answered out of turn");
	outbound_answer_open(s, &answer);
	return OUTBOUND_CLOSING;
}

/* Slow is allowed, stuck is not. */
enum outbound_state outbound_body_on_timeout(struct outbound_session *s)
{
	uint64_t unsent = ktls_stream_unsent(&s->stream);

	if (unsent == 0 || unsent == s->unsent)
		return outbound_on_timeout(s);
	s->unsent = unsent;
	outbound_timer_arm(s, s->terms.timeouts.transmit);
	return s->state;
}

enum outbound_state outbound_final_on_written(struct outbound_session *s)
{
	outbound_timer_arm(s, s->terms.timeouts.final);
	return s->state;
}

enum outbound_state outbound_final_on_reply(struct outbound_session *s)
{
	struct outbound_answer answer =
		outbound_answer_of(&s->parser.reply, "message");

	if (answer.code / 100 == 3)
		return outbound_fail_text(s, "4.5.0",
					  "the server answered out of turn");
	outbound_answer_open(s, &answer);
	return message_answered(s, answer.code);
}

enum outbound_state outbound_answered_on_written(struct outbound_session *s)
{
	return conclude(s, false);
}

/* --- RESET --- */

enum outbound_state outbound_reset_enter(struct outbound_session *s)
{
	outbound_command(s, "RSET");
	return s->state;
}

enum outbound_state outbound_reset_on_reply(struct outbound_session *s)
{
	if (s->parser.reply.code / 100 != 2)
		return OUTBOUND_QUIT;
	return OUTBOUND_READY;
}
