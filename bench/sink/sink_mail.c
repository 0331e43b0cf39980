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
	if ((s->offers & SINK_OFFER_8BITMIME) &&
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

	if (!mail_allowed(s))
		return;
	from = take_address(arg, "FROM:", &rest);
	if (!from) {
		sink_reply_bad(s, "501 5.1.7 MAIL FROM:<address>");
		return;
	}
	s->sender = from;
	if (sink_fault(s, SINK_AT_MAIL) || !mail_parameters(s, rest)) {
		s->sender = NULL;
		return;
	}
	sink_message_start(&s->message, from);
	s->sender = s->message.from;
	s->state = SINK_MAIL;
	sink_reply_good(s, "250 2.1.0 Ok");
}

static void add_recipient(struct sink_session *s, const char *rcpt)
{
	if (s->message.rcpt_count >= s->config->max_rcpts) {
		sink_reply(s, "452 4.5.3 Too many recipients");
		return;
	}
	if (sink_message_add_rcpt(&s->message, rcpt)) {
		sink_reply(s, "452 4.3.1 Out of memory");
		return;
	}
	sink_rules_hit(&s->config->rules, rcpt, s->hit);
	s->state = SINK_RCPT;
	sink_reply_good(s, "250 2.1.5 Ok");
}

void sink_do_rcpt(struct sink_session *s, char *arg)
{
	char *rest, *rcpt;

	if (s->state != SINK_MAIL && s->state != SINK_RCPT) {
		sink_reply(s, "503 5.5.1 MAIL first");
		return;
	}
	rcpt = take_address(arg, "TO:", &rest);
	if (!rcpt || !*rcpt || *rest) {
		sink_reply_bad(s, "501 5.1.3 RCPT TO:<address>");
		return;
	}
	s->recipient = rcpt;
	if (!sink_fault(s, SINK_AT_RCPT))
		add_recipient(s, rcpt);
	s->recipient = NULL;
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

/* The client has its answer, and then. */
static void after_the_reply(struct sink_session *s)
{
	struct sink_verdict v;

	if (s->state == SINK_GONE)
		return;
	v = sink_ask(s, SINK_AT_DONE);
	if (!v.rule && !v.delay_ms)
		return;
	sink_settle(s);
	if (bench_conn_flush(s->conn))
		s->state = SINK_GONE;
	else
		sink_strike(s, SINK_AT_DONE, &v);
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
	else if (sink_fault(s, SINK_AT_EOD))
		(void)0; /* answered, or gone */
	else if (sink_message_note(&s->message, s->shared, &how))
		sink_reply(s, "451 4.3.0 The ledger could not be written");
	else if (!sink_fault(s, SINK_AT_ACK))
		sink_reply_good(s, "250 2.0.0 Ok, thrown away");
	after_the_reply(s);
	s->messages++;
	sink_reset(s);
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
	if (sink_fault(s, SINK_AT_DATA))
		return;
	if (bench_conn_pending(c))
		sink_blame(s, "a message before DATA was answered");
	sink_reply_good(s, "354 Go ahead");
	sink_settle(s);
	if (s->state == SINK_GONE)
		return;
	sink_message_open(&s->message, s->shared, s->hash, false);
	sink_ambush_set(s);
	while (s->message.lines.state != BENCH_DOT_END) {
		size_t n;

		if (!more_input(s) || !sink_ambush_pass(s))
			return;
		n = sink_message_add(&s->message, s->shared, c->in + c->in_at,
				     sink_ambush_far(s, bench_conn_pending(c)));
		c->in_at += n;
		s->body_octets += n;
	}
	finish_message(s, false);
}

/* The octets of a chunk, into the message or nowhere. */
static bool read_chunk(struct sink_session *s, uint64_t left, bool keep)
{
	struct bench_conn *c = s->conn;

	while (left) {
		size_t n;

		if (!more_input(s) || !sink_ambush_pass(s))
			return false;
		n = sink_ambush_far(s, bench_conn_pending(c));
		if (n > left)
			n = (size_t)left;
		if (keep)
			sink_message_add(&s->message, s->shared,
					 c->in + c->in_at, n);
		c->in_at += n;
		s->body_octets += n;
		left -= n;
	}
	return sink_ambush_pass(s);
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
	sink_ambush_set(s);
	s->state = SINK_BDAT;
	return true;
}

void sink_do_bdat(struct sink_session *s, char *arg)
{
	bool first = s->state == SINK_RCPT, last, keep;
	uint64_t size;

	if (!(s->offers & SINK_OFFER_CHUNKING)) {
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
	if (!read_chunk(s, size, keep))
		return;
	if (!keep)
		sink_reply(s, "503 5.5.1 MAIL and RCPT first");
	else if (first && sink_fault(s, SINK_AT_DATA))
		sink_reset(s);
	else if (last)
		finish_message(s, true);
	else
		sink_reply(s, "250 2.0.0 Ok, go on");
}

void sink_do_rset(struct sink_session *s, char *arg)
{
	if (sink_fault(s, SINK_AT_RSET))
		return;
	sink_reset(s);
	sink_reply_good(s, "250 2.0.0 Ok");
}
