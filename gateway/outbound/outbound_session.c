/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of outbound sessions: the table of states, the one function that
 * writes session->state, and the translation of stream events.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "gateway/outbound/outbound_session.h"
#include "uring/uring.h"

/* Which of the configuration's times bounds a state. */
enum outbound_clock {
	CLOCK_NONE,
	CLOCK_CONNECT,
	CLOCK_GREETING,
	CLOCK_HELO,
	CLOCK_TLS,
	CLOCK_ENVELOPE,
	CLOCK_TRANSMIT,
	CLOCK_IDLE,
	CLOCK_CLOSE,
};

struct outbound_step {
	const char *name;
	enum outbound_clock clock;
	outbound_handler enter;
	outbound_handler on[OUTBOUND_EVENTS];
};

/* An event that changes nothing in this state. */
static enum outbound_state stay(struct outbound_session *s)
{
	return s->state;
}

/* The stream's contract says that this event can't come in this state. */
static enum outbound_state never(struct outbound_session *s)
{
	assert(!"event against the stream's contract");
	return s->state;
}

/* Clear or unasked-for words of the server: nothing it says can be trusted to
 * belong to a command of ours any more. */
static enum outbound_state unasked(struct outbound_session *s)
{
	return outbound_fail_text(s, "4.5.0",
				  "the server answered out of turn");
}

/* Shutdown while waiting for the server: what was not begun can wait. */
static enum outbound_state stop_early(struct outbound_session *s)
{
	return outbound_close_now(s);
}

/* clang-format off */
#define ON(connected, secure, reply, written, lost, timeout, wake, shutdown, closed) \
	{ [OUTBOUND_ON_CONNECTED] = (connected), [OUTBOUND_ON_SECURE] = (secure), \
	  [OUTBOUND_ON_REPLY] = (reply), [OUTBOUND_ON_WRITTEN] = (written), \
	  [OUTBOUND_ON_LOST] = (lost), [OUTBOUND_ON_TIMEOUT] = (timeout), \
	  [OUTBOUND_ON_WAKE] = (wake), [OUTBOUND_ON_SHUTDOWN] = (shutdown), \
	  [OUTBOUND_ON_CLOSED] = (closed) }

static const struct outbound_step steps[OUTBOUND_STATES] = {
	/* state: name, clock, enter, and per event:
	 *  CONNECTED SECURE REPLY WRITTEN LOST TIMEOUT WAKE SHUTDOWN CLOSED */
	[OUTBOUND_CONNECT] = {"connect", CLOCK_CONNECT, NULL,
		ON(outbound_connect_on_connected, never, never, never,
		   outbound_on_lost, outbound_on_timeout, stay, stop_early, never)},
	[OUTBOUND_GREETING] = {"greeting", CLOCK_GREETING, NULL,
		ON(never, never, outbound_greeting_on_reply, stay,
		   outbound_on_lost, outbound_on_timeout, stay, stop_early, never)},
	[OUTBOUND_EHLO] = {"ehlo", CLOCK_HELO, outbound_ehlo_enter,
		ON(never, never, outbound_ehlo_on_reply, stay,
		   outbound_on_lost, outbound_on_timeout, stay, stop_early, never)},
	[OUTBOUND_HELO] = {"helo", CLOCK_HELO, outbound_helo_enter,
		ON(never, never, outbound_helo_on_reply, stay,
		   outbound_on_lost, outbound_on_timeout, stay, stop_early, never)},
	[OUTBOUND_STARTTLS] = {"starttls", CLOCK_HELO, outbound_starttls_enter,
		ON(never, never, outbound_starttls_on_reply, stay,
		   outbound_tls_on_lost, outbound_tls_on_timeout, stay, stop_early, never)},
	[OUTBOUND_TLS] = {"tls", CLOCK_TLS, outbound_tls_enter,
		ON(never, outbound_tls_on_secure, unasked, stay,
		   outbound_tls_on_lost, outbound_tls_on_timeout, stay, stop_early, never)},
	[OUTBOUND_READY] = {"ready", CLOCK_IDLE, outbound_ready_enter,
		ON(never, never, outbound_ready_on_reply, stay,
		   outbound_ready_on_lost, outbound_ready_on_idle,
		   outbound_ready_on_wake, outbound_ready_on_idle, never)},
	[OUTBOUND_LENT] = {"lent", CLOCK_NONE, outbound_lent_enter,
		ON(never, never, outbound_lent_on_reply, outbound_lent_on_written,
		   outbound_on_lost, never, stay, stay, never)},
	[OUTBOUND_ENVELOPE] = {"envelope", CLOCK_ENVELOPE, outbound_envelope_enter,
		ON(never, never, outbound_envelope_on_reply, stay,
		   outbound_envelope_on_lost, outbound_on_timeout, stay, stay, never)},
	[OUTBOUND_BODY] = {"body", CLOCK_TRANSMIT, outbound_body_enter,
		ON(never, never, outbound_body_on_reply, outbound_body_on_written,
		   outbound_on_lost, outbound_body_on_timeout, stay, stay, never)},
	[OUTBOUND_FINAL] = {"final", CLOCK_TRANSMIT, NULL,
		ON(never, never, outbound_final_on_reply, outbound_final_on_written,
		   outbound_on_lost, outbound_body_on_timeout, stay, stay, never)},
	[OUTBOUND_ANSWERED] = {"answered", CLOCK_TRANSMIT, NULL,
		ON(never, never, unasked, outbound_answered_on_written,
		   outbound_close_now, outbound_on_timeout, stay, stay, never)},
	[OUTBOUND_RESET] = {"reset", CLOCK_HELO, outbound_reset_enter,
		ON(never, never, outbound_reset_on_reply, stay,
		   outbound_on_lost, outbound_on_timeout, stay, stop_early, never)},
	[OUTBOUND_QUIT] = {"quit", CLOCK_CLOSE, outbound_quit_enter,
		ON(never, never, outbound_quit_on_reply, stay,
		   outbound_quit_on_lost, outbound_close_now, stay, stay, never)},
	[OUTBOUND_CLOSING] = {"closing", CLOCK_CLOSE, outbound_closing_enter,
		ON(never, never, never, never, never,
		   outbound_closing_on_timeout, stay, stay, outbound_closing_on_closed)},
	[OUTBOUND_CLOSED] = {"closed", CLOCK_NONE, NULL,
		ON(never, never, never, never, never, never, stay, stay, never)},
};
/* clang-format on */

const char *outbound_state_name(enum outbound_state state)
{
	return steps[state].name;
}

/* The commands are out, their replies come one by one. */
static uint64_t envelope_clock(const struct outbound_session *s)
{
	const struct config_destination_timeouts *t = &s->terms.timeouts;

	if (s->got == 0)
		return t->mail;
	if (s->got < s->commands - 1)
		return t->rcpt;
	/* The reply to a chunk is the one to the message. */
	return s->transfer == OUTBOUND_BDAT ? t->final : t->data;
}

static uint64_t clock_of(const struct outbound_session *s)
{
	const struct config_destination_timeouts *t = &s->terms.timeouts;

	switch (steps[s->state].clock) {
	case CLOCK_CONNECT:
		return t->connect;
	case CLOCK_GREETING:
		return t->greeting;
	case CLOCK_HELO:
		return t->helo;
	case CLOCK_TLS:
		return t->tls;
	case CLOCK_ENVELOPE:
		return envelope_clock(s);
	case CLOCK_TRANSMIT:
		return t->transmit;
	case CLOCK_IDLE:
		return t->idle;
	case CLOCK_CLOSE:
		return 5 * URING_SEC;
	case CLOCK_NONE:
		break;
	}
	return 0;
}

void outbound_timer_arm(struct outbound_session *s, uint64_t delay)
{
	uring_timer_set(s->pool->config.env->ring, &s->timer, delay);
}

void outbound_timer_rearm(struct outbound_session *s)
{
	outbound_timer_arm(s, clock_of(s));
}

void outbound_timer_clear(struct outbound_session *s)
{
	uring_timer_clear(s->pool->config.env->ring, &s->timer);
}

static void release(struct outbound_session *s)
{
	struct outbound *pool = s->pool;

	uring_timer_clear(pool->config.env->ring, &s->timer);
	if (s->prev)
		s->prev->next = s->next;
	else
		pool->sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	pool->count--;
	free(s->recipients);
	free(s->host);
	free(s);
}

/* The only writer of s->state. */
static void enter(struct outbound_session *s, enum outbound_state next)
{
	while (next != s->state) {
		if (log_enabled(CONFIG_LOG_DEBUG))
			log_debug("outbound.state", L_STR("relay", s->relay),
				  L_STR("from", steps[s->state].name),
				  L_STR("to", steps[next].name));
		s->state = next;
		if (steps[next].clock != CLOCK_NONE)
			outbound_timer_arm(s, clock_of(s));
		if (steps[next].enter)
			next = steps[next].enter(s);
	}
	if (s->state == OUTBOUND_CLOSED)
		release(s);
}

void outbound_move(struct outbound_session *s, enum outbound_state next)
{
	enter(s, next);
}

void outbound_dispatch(struct outbound_session *s, enum outbound_event event)
{
	assert(s->state < OUTBOUND_STATES && event < OUTBOUND_EVENTS);
	enter(s, steps[s->state].on[event](s));
}

void outbound_session_abort(struct outbound_session *s)
{
	if (s->state != OUTBOUND_CLOSING)
		enter(s, OUTBOUND_CLOSING);
	ktls_stream_close(&s->stream, KTLS_CLOSE_ABORT);
}

/* Feed what has arrived to the reply parser, one reply at a time: each may
 * change the state (and begin TLS, before which nothing else may be read). */
static void read_replies(struct outbound_session *s)
{
	const unsigned char *data;
	size_t len, used;

	while (s->state < OUTBOUND_CLOSING &&
	       (len = ktls_stream_peek(&s->stream, &data)) > 0) {
		enum smtp_reply_result r =
			smtp_reply_feed(&s->parser, data, len, &used);

		ktls_stream_consume(&s->stream, used);
		if (r == SMTP_REPLY_MORE)
			continue;
		if (r == SMTP_REPLY_ERROR) {
			enter(s, outbound_fail_text(
					 s, "4.5.0",
					 "the server does not speak SMTP"));
			return;
		}
		if (outbound_traced(s))
			outbound_trace_reply(s);
		outbound_dispatch(s, OUTBOUND_ON_REPLY);
		smtp_reply_start(&s->parser, s->state == OUTBOUND_EHLO);
	}
}

static void note_failure(struct outbound_session *s)
{
	struct ktls_failure_info why;

	ktls_stream_failure(&s->stream, &why);
	s->rekeyed = why.kind == KTLS_FAILURE_REKEY;
}

static void on_stream(void *owner, enum ktls_event event)
{
	struct outbound_session *s = owner;

	switch (event) {
	case KTLS_EVENT_CONNECTED:
		if (outbound_traced(s))
			outbound_trace_note(s, "connected");
		outbound_dispatch(s, OUTBOUND_ON_CONNECTED);
		return;
	case KTLS_EVENT_SECURE:
		if (outbound_traced(s))
			outbound_trace_tls(s);
		outbound_dispatch(s, OUTBOUND_ON_SECURE);
		return;
	case KTLS_EVENT_READABLE:
		read_replies(s);
		return;
	case KTLS_EVENT_WRITTEN:
		outbound_dispatch(s, OUTBOUND_ON_WRITTEN);
		return;
	case KTLS_EVENT_FAILED:
		note_failure(s);
		outbound_dispatch(s, OUTBOUND_ON_LOST);
		return;
	case KTLS_EVENT_EOF:
		outbound_dispatch(s, OUTBOUND_ON_LOST);
		return;
	case KTLS_EVENT_CLOSED:
		outbound_dispatch(s, OUTBOUND_ON_CLOSED);
		return;
	}
}

static void on_timer(void *owner)
{
	outbound_dispatch(owner, OUTBOUND_ON_TIMEOUT);
}

void outbound_command(struct outbound_session *s, const char *format, ...)
{
	char line[1024];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(line, sizeof(line) - 2, format, ap);
	va_end(ap);
	assert(len > 0 && (size_t)len < sizeof(line) - 2);
	memcpy(line + len, "\r\n", 2);
	if (outbound_traced(s))
		outbound_trace_sent(s, line, (size_t)len + 2);
	/* A stream that can't take it has failed and says so by an event. */
	(void)ktls_stream_write(&s->stream, line, (size_t)len + 2);
}

/* Begin the connection of a fresh session; the descriptor is taken. */
int outbound_session_start(struct outbound_session *s, int fd,
			   const struct sockaddr *addr, socklen_t len)
{
	s->state = OUTBOUND_CONNECT;
	s->timer.fn = on_timer;
	s->timer.owner = s;
	smtp_reply_start(&s->parser, false);
	int r = ktls_stream_connect(&s->stream, s->pool->config.env, fd, addr,
				    len, on_stream, s);
	if (r == 0)
		outbound_timer_arm(s, clock_of(s));
	return r;
}
