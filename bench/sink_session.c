/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMTP server of the sink: one thread, blocking calls. It does what it
 * advertises, checks what the client sends, and fails where the script says.
 */
#include "bench/sink_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "bench/bench_rng.h"
#include "bench/sink_message.h"

enum {
	COMMAND_MAX = 2048, /* RFC 5321 says 512 and more with extensions */
	ADDRESS_MAX = 320,
	BAD_COMMANDS_MAX = 20,
	COMPLAINTS_MAX = 50,
	LINGER_S = 2,
};

enum sink_state {
	SINK_NEW,   /* no EHLO yet, or none since STARTTLS */
	SINK_READY, /* between transactions */
	SINK_MAIL,  /* MAIL was accepted */
	SINK_RCPT,  /* and at least one RCPT */
	SINK_BDAT,  /* and a BDAT that was not the last */
	SINK_GONE,  /* over */
};

struct session {
	struct sink_shared *shared;
	const struct sink_config *config;
	struct bench_conn *conn;
	struct bench_hash *hash;
	enum sink_state state;
	uint64_t number;
	uint64_t rng;
	unsigned messages;
	unsigned bad_commands;
	char tls[96];
	struct sink_message message;
};

static void reply(struct session *s, const char *text)
{
	if (bench_conn_write(s->conn, text, strlen(text)) ||
	    bench_conn_write(s->conn, "\r\n", 2))
		s->state = SINK_GONE;
}

/* The client did what a correct one doesn't. */
static void blame(struct session *s, const char *what)
{
	unsigned n = atomic_fetch_add(&s->shared->complaints, 1);

	if (n < COMPLAINTS_MAX)
		fprintf(stderr, "ringpost-bench sink: connection %llu: %s\n",
			(unsigned long long)s->number, what);
	pthread_mutex_lock(&s->shared->lock);
	s->shared->totals.protocol_errors++;
	pthread_mutex_unlock(&s->shared->lock);
}

static void bad_command(struct session *s, const char *text)
{
	if (++s->bad_commands <= BAD_COMMANDS_MAX) {
		reply(s, text);
		return;
	}
	reply(s, "421 4.7.0 Too many errors");
	s->state = SINK_GONE;
}

static void pause_ms(struct session *s, unsigned ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	if (!ms)
		return;
	if (bench_conn_flush(s->conn)) /* earlier answers don't wait */
		s->state = SINK_GONE;
	nanosleep(&ts, NULL);
}

/* True when the script has dealt with the command. */
static bool fault(struct session *s, enum bench_phase phase)
{
	struct bench_fault f =
		bench_faults_roll(&s->config->faults, phase, &s->rng);
	char text[64];

	pause_ms(s, f.delay_ms);
	if (f.kind == BENCH_FAULT_NONE)
		return false;
	pthread_mutex_lock(&s->shared->lock);
	s->shared->totals.faults++;
	pthread_mutex_unlock(&s->shared->lock);
	if (f.kind == BENCH_FAULT_HANG_UP) {
		s->conn->out_len = 0;
		s->state = SINK_GONE;
		bench_conn_drop(s->conn);
		return true;
	}
	snprintf(text, sizeof(text), "%u %u.0.0 As the script says", f.code,
		 f.code / 100);
	reply(s, text);
	if (f.code == 421)
		s->state = SINK_GONE;
	return true;
}

static void drop_transaction(struct session *s)
{
	sink_message_end(&s->message);
	if (s->state > SINK_READY && s->state != SINK_GONE)
		s->state = SINK_READY;
}

static bool tls_possible(const struct session *s)
{
	return s->config->tls == BENCH_TLS_STARTTLS && !s->conn->ssl;
}

static void do_ehlo(struct session *s, char *arg)
{
	const struct sink_config *c = s->config;

	if (fault(s, BENCH_PHASE_EHLO))
		return;
	if (!*arg) {
		bad_command(s, "501 5.5.4 Who are you?");
		return;
	}
	drop_transaction(s);
	s->state = SINK_READY;
	bench_conn_printf(s->conn, "250-%.255s\r\n", c->hostname);
	if (tls_possible(s))
		reply(s, "250-STARTTLS");
	if (!c->no_pipelining)
		reply(s, "250-PIPELINING");
	if (!c->no_chunking)
		reply(s, "250-CHUNKING");
	if (!c->no_eight_bit)
		reply(s, "250-8BITMIME\r\n250-SMTPUTF8");
	bench_conn_printf(s->conn, "250-SIZE %llu\r\n",
			  (unsigned long long)c->max_size);
	reply(s, "250 ENHANCEDSTATUSCODES");
}

static void do_helo(struct session *s, char *arg)
{
	if (fault(s, BENCH_PHASE_EHLO))
		return;
	drop_transaction(s);
	s->state = SINK_READY;
	bench_conn_printf(s->conn, "250 %.255s\r\n", s->config->hostname);
}

static void note_handshake(struct session *s, bool good)
{
	struct sink_totals *t = &s->shared->totals;

	pthread_mutex_lock(&s->shared->lock);
	t->handshakes += good;
	t->handshake_failures += !good;
	if (good) {
		t->resumed += (uint64_t)SSL_session_reused(s->conn->ssl);
		if (!t->tls[0])
			memcpy(t->tls, s->tls, sizeof(t->tls));
		else if (strcmp(t->tls, s->tls))
			strcpy(t->tls, "mixed");
	}
	pthread_mutex_unlock(&s->shared->lock);
}

static void handshake(struct session *s)
{
	int err = bench_conn_accept_tls(s->conn, s->shared->ctx);

	if (err) {
		blame(s, s->conn->error);
		s->state = SINK_GONE;
	} else {
		snprintf(s->tls, sizeof(s->tls), "%s %s",
			 SSL_get_version(s->conn->ssl),
			 SSL_get_cipher_name(s->conn->ssl));
	}
	note_handshake(s, !err);
}

static void do_starttls(struct session *s, char *arg)
{
	if (!tls_possible(s)) {
		bad_command(s, "502 5.5.1 Not here");
		return;
	}
	if (fault(s, BENCH_PHASE_STARTTLS))
		return;
	if (bench_conn_pending(s->conn)) {
		blame(s, "octets in clear behind STARTTLS");
		reply(s, "501 5.5.4 Nothing may follow STARTTLS");
		s->state = SINK_GONE;
		return;
	}
	drop_transaction(s);
	reply(s, "220 2.0.0 Go ahead");
	s->state = SINK_NEW; /* RFC 3207 4.2: all that was known is gone */
	handshake(s);
}

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
static bool mail_parameter(struct session *s, const char *word)
{
	const struct sink_config *c = s->config;
	uint64_t size;

	if (!strncasecmp(word, "SIZE=", 5)) {
		if (bench_parse_u64(word + 5, &size)) {
			bad_command(s, "501 5.5.4 That is no size");
			return false;
		}
		if (size <= c->max_size)
			return true;
		reply(s, "552 5.3.4 Too big");
		return false;
	}
	if (!c->no_eight_bit &&
	    (!strcasecmp(word, "BODY=8BITMIME") ||
	     !strcasecmp(word, "BODY=7BIT") || !strcasecmp(word, "SMTPUTF8")))
		return true;
	blame(s, "a MAIL parameter that was not offered");
	bad_command(s, "555 5.5.4 Parameter not offered");
	return false;
}

static bool mail_parameters(struct session *s, char *rest)
{
	char *save;

	for (char *word = strtok_r(rest, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		if (!mail_parameter(s, word))
			return false;
	}
	return true;
}

static bool mail_allowed(struct session *s)
{
	if (s->state != SINK_READY) {
		bad_command(s, s->state == SINK_NEW
				       ? "503 5.5.1 EHLO first"
				       : "503 5.5.1 One at a time");
		return false;
	}
	if (s->config->require_tls && !s->conn->ssl) {
		reply(s, "530 5.7.0 STARTTLS first");
		return false;
	}
	if (s->config->close_after && s->messages >= s->config->close_after) {
		reply(s, "421 4.3.2 Enough for one connection");
		s->state = SINK_GONE;
		return false;
	}
	return true;
}

static void do_mail(struct session *s, char *arg)
{
	char *rest, *from;

	if (!mail_allowed(s) || fault(s, BENCH_PHASE_MAIL))
		return;
	from = take_address(arg, "FROM:", &rest);
	if (!from) {
		bad_command(s, "501 5.1.7 MAIL FROM:<address>");
		return;
	}
	if (!mail_parameters(s, rest))
		return;
	sink_message_start(&s->message, from);
	s->state = SINK_MAIL;
	reply(s, "250 2.1.0 Ok");
}

static void do_rcpt(struct session *s, char *arg)
{
	char *rest, *rcpt;

	if (s->state != SINK_MAIL && s->state != SINK_RCPT) {
		bad_command(s, "503 5.5.1 MAIL first");
		return;
	}
	if (fault(s, BENCH_PHASE_RCPT))
		return;
	rcpt = take_address(arg, "TO:", &rest);
	if (!rcpt || !*rcpt || *rest) {
		bad_command(s, "501 5.1.3 RCPT TO:<address>");
		return;
	}
	if (s->message.rcpt_count >= s->config->max_rcpts) {
		reply(s, "452 4.5.3 Too many recipients");
		return;
	}
	if (sink_message_add_rcpt(&s->message, rcpt)) {
		reply(s, "452 4.3.1 Out of memory");
		return;
	}
	s->state = SINK_RCPT;
	reply(s, "250 2.1.5 Ok");
}

/* The whole message is there. */
static void finish_message(struct session *s, bool by_bdat)
{
	struct sink_delivery how = {
		.by_bdat = by_bdat, .in_clear = !s->conn->ssl, .tls = s->tls};

	if (s->message.lines.bare_cr || s->message.lines.bare_lf)
		blame(s, "bare CR or LF in a message");
	if (s->message.too_big)
		reply(s, "552 5.3.4 Too big");
	else if (fault(s, BENCH_PHASE_EOD))
		(void)0; /* answered, or gone */
	else if (sink_message_note(&s->message, s->shared, &how))
		reply(s, "451 4.3.0 The ledger could not be written");
	else if (!fault(s, BENCH_PHASE_ACK))
		reply(s, "250 2.0.0 Ok, thrown away");
	s->messages++;
	drop_transaction(s);
}

/* Somewhere in the message: after what has come in with the first read. */
static bool hang_up_in_body(struct session *s)
{
	struct bench_fault f = bench_faults_roll(&s->config->faults,
						 BENCH_PHASE_BODY, &s->rng);

	if (f.kind != BENCH_FAULT_HANG_UP)
		return false;
	bench_conn_fill(s->conn);
	pthread_mutex_lock(&s->shared->lock);
	s->shared->totals.faults++;
	pthread_mutex_unlock(&s->shared->lock);
	s->state = SINK_GONE;
	bench_conn_drop(s->conn);
	return true;
}

/* Input is there, or the session is over. */
static bool more_input(struct session *s)
{
	if (bench_conn_pending(s->conn) || bench_conn_fill(s->conn) > 0)
		return true;
	s->state = SINK_GONE;
	return false;
}

static void do_data(struct session *s, char *arg)
{
	struct bench_conn *c = s->conn;

	if (s->state != SINK_RCPT) {
		bad_command(s, s->state == SINK_MAIL
				       ? "554 5.5.1 No valid recipients"
				       : "503 5.5.1 MAIL and RCPT first");
		return;
	}
	if (fault(s, BENCH_PHASE_DATA))
		return;
	if (bench_conn_pending(c))
		blame(s, "a message before DATA was answered");
	reply(s, "354 Go ahead");
	if (s->state == SINK_GONE || hang_up_in_body(s))
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
static bool read_chunk(struct session *s, uint64_t left, bool keep)
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
static bool begin_chunk(struct session *s)
{
	if (s->state == SINK_BDAT)
		return true;
	if (s->state != SINK_RCPT)
		return false;
	sink_message_open(&s->message, s->shared, s->hash, true);
	s->state = SINK_BDAT;
	return true;
}

static void do_bdat(struct session *s, char *arg)
{
	bool first = s->state == SINK_RCPT, last, keep;
	uint64_t size;

	if (s->config->no_chunking) {
		blame(s, "BDAT was not offered");
		s->state = SINK_GONE; /* what follows is no command */
		reply(s, "502 5.5.1 Not here");
		return;
	}
	if (!parse_bdat(arg, &size, &last)) {
		reply(s, "501 5.5.4 BDAT size [LAST]");
		s->state = SINK_GONE;
		return;
	}
	keep = begin_chunk(s);
	if (keep && first && hang_up_in_body(s))
		return;
	if (!read_chunk(s, size, keep))
		return;
	if (!keep)
		bad_command(s, "503 5.5.1 MAIL and RCPT first");
	else if (first && fault(s, BENCH_PHASE_DATA))
		drop_transaction(s);
	else if (last)
		finish_message(s, true);
	else
		reply(s, "250 2.0.0 Ok, go on");
}

static void do_rset(struct session *s, char *arg)
{
	drop_transaction(s);
	reply(s, "250 2.0.0 Ok");
}

static void do_noop(struct session *s, char *arg)
{
	reply(s, "250 2.0.0 Ok");
}

static void do_vrfy(struct session *s, char *arg)
{
	reply(s, "252 2.5.0 Send and see");
}

static void do_quit(struct session *s, char *arg)
{
	reply(s, "221 2.0.0 Bye");
	s->state = SINK_GONE;
}

/* clang-format off */
static const struct command {
	const char *verb;
	void (*run)(struct session *s, char *arg);
	bool ends_flight; /* RFC 2920 3.1: nothing may be sent behind it */
} commands[] = {
	{"EHLO",     do_ehlo,     true},
	{"HELO",     do_helo,     true},
	{"STARTTLS", do_starttls, true},
	{"MAIL",     do_mail,     false},
	{"RCPT",     do_rcpt,     false},
	{"DATA",     do_data,     true},
	{"BDAT",     do_bdat,     false},
	{"RSET",     do_rset,     false},
	{"NOOP",     do_noop,     true},
	{"VRFY",     do_vrfy,     true},
	{"QUIT",     do_quit,     true},
};
/* clang-format on */

static void dispatch(struct session *s, char *line)
{
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strlen(c->verb) != len || strncasecmp(line, c->verb, len))
			continue;
		if (s->config->no_pipelining && c->run != do_bdat &&
		    bench_conn_pending(s->conn))
			blame(s, "pipelined without being offered it");
		c->run(s, line + len + strspn(line + len, " "));
		return;
	}
	bad_command(s, "500 5.5.2 What?");
}

static void stop_serving(struct session *s)
{
	reply(s, "421 4.3.2 Shutting down");
	s->state = SINK_GONE;
}

static void one_command(struct session *s)
{
	bool idle = s->state <= SINK_READY, crlf;
	char *line;
	int n;

	n = idle ? bench_conn_wait(s->conn, s->shared->wake_fd,
				   s->config->timeout_s)
		 : 1;
	if (n == 0) {
		stop_serving(s);
		return;
	}
	if (n > 0)
		n = bench_conn_line(s->conn, COMMAND_MAX, &line, &crlf);
	if (n > 0) {
		if (!crlf)
			blame(s, "a command ended by a bare LF");
		dispatch(s, line);
		return;
	}
	if (n == -EMSGSIZE)
		reply(s, "500 5.5.2 Line too long");
	if (n == -ETIMEDOUT)
		reply(s, "421 4.4.2 Too slow");
	s->state = SINK_GONE;
}

static void end_session(struct session *s)
{
	bool tls = s->conn->ssl != NULL;

	bench_conn_close(s->conn, LINGER_S);
	pthread_mutex_lock(&s->shared->lock);
	s->shared->totals.tls_clean_ends += tls && s->conn->clean_end;
	s->shared->totals.tls_unclean_ends += tls && !s->conn->clean_end;
	pthread_mutex_unlock(&s->shared->lock);
	sink_message_deinit(&s->message);
	bench_hash_free(s->hash);
}

void sink_session_serve(struct sink_shared *shared, struct bench_conn *conn,
			int fd, uint64_t number)
{
	struct session s = {
		.shared = shared,
		.config = shared->config,
		.conn = conn,
		.hash = bench_hash_new(shared->config->hash),
		.number = number,
		.rng = bench_rng_stream(shared->config->seed, number),
		.tls = "none",
	};

	bench_conn_init(conn, fd, shared->config->timeout_s);
	conn->slow = shared->config->slow_read;
	if (!s.hash)
		s.state = SINK_GONE;
	else if (s.config->tls == BENCH_TLS_IMPLICIT)
		handshake(&s);
	if (s.state != SINK_GONE && !fault(&s, BENCH_PHASE_CONNECT))
		bench_conn_printf(conn, "220 %.255s ESMTP ringpost-bench\r\n",
				  s.config->hostname);
	while (s.state != SINK_GONE)
		one_command(&s);
	end_session(&s);
}
