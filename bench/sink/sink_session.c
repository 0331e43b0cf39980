/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMTP server of the sink: one thread, blocking calls. It does what it
 * advertises, checks what the client sends, and fails where the script says.
 */
#include "bench/sink/sink_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "bench/bench_rng.h"
#include "bench/sink/sink_state.h"

enum {
	COMMAND_MAX = 2048, /* RFC 5321 says 512 and more with extensions */
	BAD_COMMANDS_MAX = 20,
	COMPLAINTS_MAX = 50,
	LINGER_S = 2,
};

void sink_reply(struct sink_session *s, const char *text)
{
	if (bench_conn_write(s->conn, text, strlen(text)) ||
	    bench_conn_write(s->conn, "\r\n", 2))
		s->state = SINK_GONE;
}

/* The client did what a correct one doesn't. */
void sink_blame(struct sink_session *s, const char *what)
{
	unsigned n = atomic_fetch_add(&s->shared->complaints, 1);

	if (n < COMPLAINTS_MAX)
		fprintf(stderr, "ringpost-bench sink: connection %llu: %s\n",
			(unsigned long long)s->number, what);
	pthread_mutex_lock(&s->shared->lock);
	s->shared->totals.protocol_errors++;
	pthread_mutex_unlock(&s->shared->lock);
}

void sink_reply_bad(struct sink_session *s, const char *text)
{
	if (++s->bad_commands <= BAD_COMMANDS_MAX) {
		sink_reply(s, text);
		return;
	}
	sink_reply(s, "421 4.7.0 Too many errors");
	s->state = SINK_GONE;
}

static void pause_ms(struct sink_session *s, unsigned ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	if (!ms)
		return;
	if (bench_conn_flush(s->conn)) /* earlier answers don't wait */
		s->state = SINK_GONE;
	nanosleep(&ts, NULL);
}

static void count_fault(struct sink_session *s)
{
	pthread_mutex_lock(&s->shared->lock);
	s->shared->totals.faults++;
	pthread_mutex_unlock(&s->shared->lock);
}

void sink_hang_up(struct sink_session *s)
{
	count_fault(s);
	s->state = SINK_GONE;
	bench_conn_drop(s->conn);
}

bool sink_fault(struct sink_session *s, enum bench_phase phase)
{
	struct bench_fault f =
		bench_faults_roll(&s->config->faults, phase, &s->rng);
	char text[64];

	pause_ms(s, f.delay_ms);
	if (f.kind == BENCH_FAULT_NONE)
		return false;
	if (f.kind == BENCH_FAULT_HANG_UP) {
		sink_hang_up(s);
		return true;
	}
	count_fault(s);
	snprintf(text, sizeof(text), "%u %u.0.0 As the script says", f.code,
		 f.code / 100);
	sink_reply(s, text);
	if (f.code == 421)
		s->state = SINK_GONE;
	return true;
}

void sink_reset(struct sink_session *s)
{
	sink_message_end(&s->message);
	if (s->state > SINK_READY && s->state != SINK_GONE)
		s->state = SINK_READY;
}

static bool tls_possible(const struct sink_session *s)
{
	return s->config->tls == BENCH_TLS_STARTTLS && !s->conn->ssl;
}

static void do_ehlo(struct sink_session *s, char *arg)
{
	const struct sink_config *c = s->config;

	if (sink_fault(s, BENCH_PHASE_EHLO))
		return;
	if (!*arg) {
		sink_reply_bad(s, "501 5.5.4 Who are you?");
		return;
	}
	sink_reset(s);
	s->state = SINK_READY;
	bench_conn_printf(s->conn, "250-%.255s\r\n", c->hostname);
	if (tls_possible(s))
		sink_reply(s, "250-STARTTLS");
	if (!c->no_pipelining)
		sink_reply(s, "250-PIPELINING");
	if (!c->no_chunking)
		sink_reply(s, "250-CHUNKING");
	if (!c->no_eight_bit)
		sink_reply(s, "250-8BITMIME\r\n250-SMTPUTF8");
	bench_conn_printf(s->conn, "250-SIZE %llu\r\n",
			  (unsigned long long)c->max_size);
	sink_reply(s, "250 ENHANCEDSTATUSCODES");
}

static void do_helo(struct sink_session *s, char *arg)
{
	if (sink_fault(s, BENCH_PHASE_EHLO))
		return;
	sink_reset(s);
	s->state = SINK_READY;
	bench_conn_printf(s->conn, "250 %.255s\r\n", s->config->hostname);
}

static void note_handshake(struct sink_session *s, bool good)
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

static void handshake(struct sink_session *s)
{
	int err = bench_conn_accept_tls(s->conn, s->shared->ctx);

	if (err) {
		sink_blame(s, s->conn->error);
		s->state = SINK_GONE;
	} else {
		snprintf(s->tls, sizeof(s->tls), "%s %s",
			 SSL_get_version(s->conn->ssl),
			 SSL_get_cipher_name(s->conn->ssl));
	}
	note_handshake(s, !err);
}

static void do_starttls(struct sink_session *s, char *arg)
{
	if (!tls_possible(s)) {
		sink_reply_bad(s, "502 5.5.1 Not here");
		return;
	}
	if (sink_fault(s, BENCH_PHASE_STARTTLS))
		return;
	if (bench_conn_pending(s->conn)) {
		sink_blame(s, "octets in clear behind STARTTLS");
		sink_reply(s, "501 5.5.4 Nothing may follow STARTTLS");
		s->state = SINK_GONE;
		return;
	}
	sink_reset(s);
	sink_reply(s, "220 2.0.0 Go ahead");
	s->state = SINK_NEW; /* RFC 3207 4.2: all that was known is gone */
	handshake(s);
}

static void do_noop(struct sink_session *s, char *arg)
{
	sink_reply(s, "250 2.0.0 Ok");
}

static void do_vrfy(struct sink_session *s, char *arg)
{
	sink_reply(s, "252 2.5.0 Send and see");
}

static void do_quit(struct sink_session *s, char *arg)
{
	sink_reply(s, "221 2.0.0 Bye");
	s->state = SINK_GONE;
}

/* clang-format off */
static const struct command {
	const char *verb;
	void (*run)(struct sink_session *s, char *arg);
	bool ends_flight; /* RFC 2920 3.1: nothing may be sent behind it */
} commands[] = {
	{"EHLO",     do_ehlo,     true},
	{"HELO",     do_helo,     true},
	{"STARTTLS", do_starttls, true},
	{"MAIL",     sink_do_mail,     false},
	{"RCPT",     sink_do_rcpt,     false},
	{"DATA",     sink_do_data,     true},
	{"BDAT",     sink_do_bdat,     false},
	{"RSET",     sink_do_rset,     false},
	{"NOOP",     do_noop,     true},
	{"VRFY",     do_vrfy,     true},
	{"QUIT",     do_quit,     true},
};
/* clang-format on */

static void dispatch(struct sink_session *s, char *line)
{
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strlen(c->verb) != len || strncasecmp(line, c->verb, len))
			continue;
		if (s->config->no_pipelining && c->run != sink_do_bdat &&
		    bench_conn_pending(s->conn))
			sink_blame(s, "pipelined without being offered it");
		c->run(s, line + len + strspn(line + len, " "));
		return;
	}
	sink_reply_bad(s, "500 5.5.2 What?");
}

static void stop_serving(struct sink_session *s)
{
	sink_reply(s, "421 4.3.2 Shutting down");
	s->state = SINK_GONE;
}

static void one_command(struct sink_session *s)
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
			sink_blame(s, "a command ended by a bare LF");
		dispatch(s, line);
		return;
	}
	if (n == -EMSGSIZE)
		sink_reply(s, "500 5.5.2 Line too long");
	if (n == -ETIMEDOUT)
		sink_reply(s, "421 4.4.2 Too slow");
	s->state = SINK_GONE;
}

static void end_session(struct sink_session *s)
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
	struct sink_session s = {
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
	if (s.state != SINK_GONE && !sink_fault(&s, BENCH_PHASE_CONNECT))
		bench_conn_printf(conn, "220 %.255s ESMTP ringpost-bench\r\n",
				  s.config->hostname);
	while (s.state != SINK_GONE)
		one_command(&s);
	end_session(&s);
}
