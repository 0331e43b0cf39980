/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mail transaction of the sink: MAIL, RCPT, DATA, BDAT, RSET. Commands out
 * of order are refused without a grudge: a client that pipelines sends RCPT and
 * DATA before it knows that MAIL was refused.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bench/bench_parse.h"
#include "bench/sink/sink_state.h"

enum {
	ADDRESS_MAX = 320
};

/* The address in <>, cut out of arg; *rest is what follows. NULL: none. */
static char *take_address(char *arg, const char *prefix, char **rest)
{
	size_t len = strlen(prefix);
	bool quoted = false;
	char *from, *p;

	if (strncasecmp(arg, prefix, len))
		return NULL;
	arg += len + strspn(arg + len, " ");
	if (*arg != '<')
		return NULL;
	from = ++arg;
	for (p = from; *p && (quoted || *p != '>'); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (*p == '\\' && p[1])
			p++;
	}
	if (*p != '>' || (p[1] && p[1] != ' '))
		return NULL;
	*p = '\0';
	*rest = p + 1;
	return p - from > ADDRESS_MAX ? NULL : from;
}

/* Answers and returns false for a parameter that was not offered. */
static bool mail_parameter(struct sink_session *s, const char *word)
{
	const struct sink_config *c = s->config;
	uint64_t size;

	if (!strncasecmp(word, "SIZE=", 5)) {
		if (bench_parse_u64(word + 5, &size)) {
			sink_reply_bad(s, "501 5.5.4 That is no size");
			return false;
		}
		if (size <= c->max_size)
			return true;
		sink_reply(s, "552 5.3.4 Too big");
		return false;
	}
	if (!c->no_eight_bit &&
	    (!strcasecmp(word, "BODY=8BITMIME") ||
	     !strcasecmp(word, "BODY=7BIT") || !strcasecmp(word, "SMTPUTF8")))
		return true;
	sink_blame(s, "a MAIL parameter that was not offered");
	sink_reply_bad(s, "555 5.5.4 Parameter not offered");
	return false;
}

static bool mail_parameters(struct sink_session *s, char *rest)
{
	char *save;

	for (char *word = strtok_r(rest, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		if (!mail_parameter(s, word))
			return false;
	}
	return true;
}

static bool mail_allowed(struct sink_session *s)
{
	if (s->state != SINK_READY) {
		sink_reply(s, s->state == SINK_NEW ? "503 5.5.1 EHLO first"
						   : "503 5.5.1 One at a time");
		return false;
	}
	if (s->config->require_tls && !s->conn->ssl) {
		sink_reply(s, "530 5.7.0 STARTTLS first");
		return false;
	}
	if (s->config->close_after && s->messages >= s->config->close_after) {
		sink_reply(s, "421 4.3.2 Enough for one connection");
		s->state = SINK_GONE;
		return false;
	}
	return true;
}

void sink_do_mail(struct sink_session *s, char *arg)
{
	char *rest, *from;

	if (!mail_allowed(s) || sink_fault(s, BENCH_PHASE_MAIL))
		return;
	from = take_address(arg, "FROM:", &rest);
	if (!from) {
		sink_reply_bad(s, "501 5.1.7 MAIL FROM:<address>");
		return;
	}
	if (!mail_parameters(s, rest))
		return;
	sink_message_start(&s->message, from);
	s->state = SINK_MAIL;
	sink_reply(s, "250 2.1.0 Ok");
}

void sink_do_rcpt(struct sink_session *s, char *arg)
{
	char *rest, *rcpt;

	if (s->state != SINK_MAIL && s->state != SINK_RCPT) {
		sink_reply(s, "503 5.5.1 MAIL first");
		return;
	}
	if (sink_fault(s, BENCH_PHASE_RCPT))
		return;
	rcpt = take_address(arg, "TO:", &rest);
	if (!rcpt || !*rcpt || *rest) {
		sink_reply_bad(s, "501 5.1.3 RCPT TO:<address>");
		return;
	}
	if (s->message.rcpt_count >= s->config->max_rcpts) {
		sink_reply(s, "452 4.5.3 Too many recipients");
		return;
	}
	if (sink_message_add_rcpt(&s->message, rcpt)) {
		sink_reply(s, "452 4.3.1 Out of memory");
		return;
	}
	s->state = SINK_RCPT;
	sink_reply(s, "250 2.1.5 Ok");
}

/* Every so many messages the keys change in front of the reply. False: the
 * client has gone, and nobody promised it anything. */
static bool update_key(struct sink_session *s)
{
	unsigned every = s->config->key_update;
	bool sent = false;
	int n;

	if (!every || (s->messages + 1) % every)
		return true;
	n = bench_conn_key_update_now(s->conn, s->config->key_update_ask,
				      s->config->key_update_wait, &sent);
	pthread_mutex_lock(&s->shared->lock);
	s->shared->totals.key_updates_sent += sent;
	s->shared->totals.key_updates_final += n < 0;
	pthread_mutex_unlock(&s->shared->lock);
	if (n < 0)
		s->state = SINK_GONE;
	return n >= 0;
}

/* The whole message is there. */
static void finish_message(struct sink_session *s, bool by_bdat)
{
	struct sink_delivery how = {
		.by_bdat = by_bdat, .in_clear = !s->conn->ssl, .tls = s->tls};

	if (!update_key(s))
		return;
	if (s->message.lines.bare_cr || s->message.lines.bare_lf)
		sink_blame(s, "bare CR or LF in a message");
	if (s->message.too_big)
		sink_reply(s, "552 5.3.4 Too big");
	else if (sink_fault(s, BENCH_PHASE_EOD))
		(void)0; /* answered, or gone */
	else if (sink_message_note(&s->message, s->shared, &how))
		sink_reply(s, "451 4.3.0 The ledger could not be written");
	else if (!sink_fault(s, BENCH_PHASE_ACK))
		sink_reply(s, "250 2.0.0 Ok, thrown away");
	s->messages++;
	sink_reset(s);
}

/* Somewhere in the message: after what has come in with the first read. It must
 * not wait for more than the client is about to send (`expected` octets). */
static bool hang_up_in_body(struct sink_session *s, uint64_t expected)
{
	struct bench_fault f = bench_faults_roll(&s->config->faults,
						 BENCH_PHASE_BODY, &s->rng);

	if (f.kind != BENCH_FAULT_HANG_UP)
		return false;
	if (expected && !bench_conn_pending(s->conn))
		bench_conn_fill(s->conn);
	sink_hang_up(s);
	return true;
}

/* Input is there, or the session is over. */
static bool more_input(struct sink_session *s)
{
	if (bench_conn_pending(s->conn) || bench_conn_fill(s->conn) > 0)
		return true;
	s->state = SINK_GONE;
	return false;
}

void sink_do_data(struct sink_session *s, char *arg)
{
	struct bench_conn *c = s->conn;

	if (s->state != SINK_RCPT) {
		sink_reply(s, s->state == SINK_MAIL
				      ? "554 5.5.1 No valid recipients"
				      : "503 5.5.1 MAIL and RCPT first");
		return;
	}
	if (sink_fault(s, BENCH_PHASE_DATA))
		return;
	if (bench_conn_pending(c))
		sink_blame(s, "a message before DATA was answered");
	sink_reply(s, "354 Go ahead");
	if (s->state == SINK_GONE || hang_up_in_body(s, 3)) /* ".CRLF" */
		return;
	sink_message_open(&s->message, s->shared, s->hash, false);
	while (s->message.lines.state != BENCH_DOT_END) {
		if (!more_input(s))
			return;
		c->in_at += sink_message_add(&s->message, s->shared,
					     c->in + c->in_at,
					     bench_conn_pending(c));
	}
	finish_message(s, false);
}

/* The octets of a chunk, into the message or nowhere. */
static bool read_chunk(struct sink_session *s, uint64_t left, bool keep)
{
	struct bench_conn *c = s->conn;

	while (left) {
		size_t n;

		if (!more_input(s))
			return false;
		n = bench_conn_pending(c);
		if (n > left)
			n = (size_t)left;
		if (keep)
			sink_message_add(&s->message, s->shared,
					 c->in + c->in_at, n);
		c->in_at += n;
		left -= n;
	}
	return true;
}

static bool parse_bdat(char *arg, uint64_t *size, bool *last)
{
	char *space = strchr(arg, ' ');

	*last = false;
	if (space) {
		*space++ = '\0';
		*last = !strcasecmp(space, "LAST");
		if (!*last)
			return false;
	}
	return !bench_parse_u64(arg, size);
}

/* May this chunk be part of a message? Otherwise it is read and refused. */
static bool begin_chunk(struct sink_session *s)
{
	if (s->state == SINK_BDAT)
		return true;
	if (s->state != SINK_RCPT)
		return false;
	sink_message_open(&s->message, s->shared, s->hash, true);
	s->state = SINK_BDAT;
	return true;
}

void sink_do_bdat(struct sink_session *s, char *arg)
{
	bool first = s->state == SINK_RCPT, last, keep;
	uint64_t size;

	if (s->config->no_chunking) {
		sink_blame(s, "BDAT was not offered");
		s->state = SINK_GONE; /* what follows is no command */
		sink_reply(s, "502 5.5.1 Not here");
		return;
	}
	if (!parse_bdat(arg, &size, &last)) {
		sink_reply(s, "501 5.5.4 BDAT size [LAST]");
		s->state = SINK_GONE;
		return;
	}
	keep = begin_chunk(s);
	if (keep && first && hang_up_in_body(s, size))
		return;
	if (!read_chunk(s, size, keep))
		return;
	if (!keep)
		sink_reply(s, "503 5.5.1 MAIL and RCPT first");
	else if (first && sink_fault(s, BENCH_PHASE_DATA))
		sink_reset(s);
	else if (last)
		finish_message(s, true);
	else
		sink_reply(s, "250 2.0.0 Ok, go on");
}

void sink_do_rset(struct sink_session *s, char *arg)
{
	sink_reset(s);
	sink_reply(s, "250 2.0.0 Ok");
}
