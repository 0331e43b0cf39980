/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways for an outbound session to end: in order (QUIT), by failure, by the
 * peer, by time.  Answers are given at once; the delivery itself is handed
 * back when the stream is closed, because the ring may still be reading from
 * its view.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/log/log.h"
#include "gateway/log/log_tls.h"
#include "gateway/outbound/outbound_session.h"
#include "uring/uring.h"

/* What was going on, in words for a log and a bounce. */
static const char *where_of(const struct outbound_session *s)
{
	switch (s->state) {
	case OUTBOUND_CONNECT:
		return "connect";
	case OUTBOUND_GREETING:
		return "greeting";
	case OUTBOUND_EHLO:
		return "EHLO";
	case OUTBOUND_HELO:
		return "HELO";
	case OUTBOUND_STARTTLS:
		return "STARTTLS";
	case OUTBOUND_TLS:
		return "TLS handshake";
	case OUTBOUND_ENVELOPE:
		return s->got == 0		  ? "MAIL"
		       : s->got < s->commands - 1 ? "RCPT"
						  : "DATA";
	case OUTBOUND_BODY:
	case OUTBOUND_FINAL:
		return "message";
	case OUTBOUND_RESET:
		return "RSET";
	case OUTBOUND_READY:
	case OUTBOUND_LENT:
	case OUTBOUND_ANSWERED:
	case OUTBOUND_QUIT:
	case OUTBOUND_CLOSING:
	case OUTBOUND_CLOSED:
	case OUTBOUND_STATES:
		break;
	}
	return "connection";
}

/* Before it was ready. */
static enum outbound_failed how_far(const struct outbound_session *s)
{
	switch (s->state) {
	case OUTBOUND_CONNECT:
		return OUTBOUND_FAILED_CONNECT;
	case OUTBOUND_GREETING:
		return OUTBOUND_FAILED_GREETING;
	case OUTBOUND_STARTTLS:
		return OUTBOUND_FAILED_STARTTLS;
	case OUTBOUND_TLS:
		return OUTBOUND_FAILED_TLS;
	case OUTBOUND_EHLO:
	case OUTBOUND_HELO:
	case OUTBOUND_READY:
	case OUTBOUND_LENT:
	case OUTBOUND_ENVELOPE:
	case OUTBOUND_BODY:
	case OUTBOUND_FINAL:
	case OUTBOUND_ANSWERED:
	case OUTBOUND_RESET:
	case OUTBOUND_QUIT:
	case OUTBOUND_CLOSING:
	case OUTBOUND_CLOSED:
	case OUTBOUND_STATES:
		break;
	}
	return OUTBOUND_FAILED_EHLO;
}

enum outbound_state outbound_fail(struct outbound_session *s,
				  const struct outbound_answer *answer)
{
	if (!s->was_ready) {
		s->failure.code = answer->code;
		s->failure.said = answer->said;
		s->failure.where = answer->where;
		snprintf(s->failure.enhanced, sizeof(s->failure.enhanced), "%s",
			 answer->enhanced);
		snprintf(s->failure.text, sizeof(s->failure.text), "%s",
			 answer->text);
		s->pool->stats.failed[how_far(s)]++;
	}
	outbound_answer_open(s, answer);
	return OUTBOUND_CLOSING;
}

/* A failure in our own words; always one that may pass. */
enum outbound_state outbound_fail_text(struct outbound_session *s,
				       const char *enhanced, const char *text)
{
	struct outbound_answer answer = {
		.code = 451,
		.enhanced = enhanced,
		.text = text,
		.where = where_of(s),
	};

	return outbound_fail(s, &answer);
}

/* The server refuses the session itself. Even a 5xx says nothing about the
 * recipients: the mail is tried again later. */
enum outbound_state outbound_fail_reply(struct outbound_session *s)
{
	struct outbound_answer answer =
		outbound_answer_of(&s->parser.reply, where_of(s));

	if (answer.code < 400 || answer.code >= 500) {
		answer.code = 451;
		answer.enhanced = "";
	}
	return outbound_fail(s, &answer);
}

/* May the message go again at once? What the server makes of it can't be read
 * any more, but neither did it refuse anything. */
static bool may_repeat(const struct outbound_session *s)
{
	return s->rekeyed && s->delivery && !s->delivery->loan.ops &&
	       s->delivery->repeats < OUTBOUND_REPEATS;
}

static enum outbound_state repeat(struct outbound_session *s, const char *why)
{
	s->delivery->repeat = true;
	s->pool->stats.repeats++;
	log_info("outbound.repeated", L_ID(s->delivery->id),
		 L_STR("relay", s->relay), L_STR("error", why),
		 L_STR("at", where_of(s)),
		 L_UINT("repeats", s->delivery->repeats + 1));
	return OUTBOUND_CLOSING;
}

enum outbound_state outbound_on_lost(struct outbound_session *s)
{
	struct ktls_failure_info why;
	char text[320];

	ktls_stream_failure(&s->stream, &why);
	if (may_repeat(s))
		return repeat(s, why.text);
	if (why.kind == KTLS_FAILURE_NONE)
		snprintf(text, sizeof(text),
			 "the server closed the connection (%s)", where_of(s));
	else
		snprintf(text, sizeof(text), "%s (%s)", why.text, where_of(s));
	return outbound_fail_text(
		s, s->state == OUTBOUND_CONNECT ? "4.4.1" : "4.4.2", text);
}

enum outbound_state outbound_on_timeout(struct outbound_session *s)
{
	char text[96];

	snprintf(text, sizeof(text), "the server took too long (%s)",
		 where_of(s));
	return outbound_fail_text(
		s, s->state == OUTBOUND_CONNECT ? "4.4.1" : "4.4.2", text);
}

/* End without blaming anyone. */
enum outbound_state outbound_close_now(struct outbound_session *s)
{
	return OUTBOUND_CLOSING;
}

enum outbound_state outbound_quit_enter(struct outbound_session *s)
{
	outbound_command(s, "QUIT");
	return s->state;
}

enum outbound_state outbound_quit_on_reply(struct outbound_session *s)
{
	return OUTBOUND_CLOSING;
}

enum outbound_state outbound_quit_on_lost(struct outbound_session *s)
{
	return OUTBOUND_CLOSING;
}

enum outbound_state outbound_closing_enter(struct outbound_session *s)
{
	static const struct outbound_answer over = {
		.code = 451,
		.enhanced = "4.3.2",
		.text = "the connection was closed",
		.where = "connection",
	};

	outbound_loan_lost(s, &over);
	outbound_log_end(s);
	/* What is still queued belongs to a transaction that has failed: half
	 * a message must not be completed by a later flush. */
	ktls_stream_close(&s->stream, ktls_stream_unsent(&s->stream)
					      ? KTLS_CLOSE_ABORT
					      : KTLS_CLOSE_FLUSH);
	return s->state;
}

enum outbound_state outbound_closing_on_timeout(struct outbound_session *s)
{
	ktls_stream_close(&s->stream, KTLS_CLOSE_ABORT);
	return s->state;
}

enum outbound_state outbound_closing_on_closed(struct outbound_session *s)
{
	struct outbound_answer failure = {
		.code = s->failure.code,
		.said = s->failure.said,
		.enhanced = s->failure.enhanced,
		.text = s->failure.text,
		.where = s->failure.where,
	};

	outbound_finish(s);
	s->pool->config.ops->ended(s->destination, s,
				   s->failure.text[0] ? &failure : NULL);
	return OUTBOUND_CLOSED;
}

/* One line for every connection: what protected it, and why so. */
void outbound_log_end(struct outbound_session *s)
{
	struct ktls_stream_info info;
	struct ktls_failure_info why;
	struct log_tls words;
	uint64_t now = uring_now(s->pool->config.env->ring);

	if (outbound_traced(s))
		outbound_trace_end(s);

	ktls_stream_info(&s->stream, &info);
	ktls_stream_failure(&s->stream, &why);
	tls_stats_ended(&s->pool->stats.tls, &info);
	s->pool->stats.ended += s->was_ready;
	log_tls_words(&info, &words);
	log_info("outbound.closed", L_STR("relay", s->relay),
		 L_STR("tls", words.version), L_STR("cipher", words.cipher),
		 L_STR("resumed", words.resumed),
		 L_STR("offload", words.offload), L_STR("why", words.why),
		 L_STR("path", words.path), L_UINT("messages", s->messages),
		 L_UINT("bytes", info.bytes_out),
		 L_SECONDS("seconds", now - s->opened),
		 L_STR("error", s->failure.text[0] ? s->failure.text
				: why.kind	   ? why.text
						   : NULL));
}
