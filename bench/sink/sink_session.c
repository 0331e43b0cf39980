/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMTP server of the sink: one thread, blocking calls. It does what it
 * advertises, checks what the client sends, and fails where the script says.
 */
#include "bench/sink/sink_session.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

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

void sink_reply_good(struct sink_session *s, const char *text)
{
	const char *instead = s->instead;

	s->instead = NULL;
	if (!instead)
		sink_reply(s, text);
	else if (bench_conn_write(s->conn, instead, strlen(instead)))
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

void sink_reset(struct sink_session *s)
{
	sink_message_end(&s->message);
	s->sender = NULL;
	s->ambush.set = false;
	memset(s->hit, 0, sizeof(s->hit));
	if (s->state > SINK_READY && s->state != SINK_GONE)
		s->state = SINK_READY;
}

static unsigned all_offers(const struct sink_session *s)
{
	const struct sink_config *c = s->config;
	unsigned offers = SINK_OFFER_SIZE | SINK_OFFER_STATUS;

	if (c->tls == BENCH_TLS_STARTTLS && !s->conn->ssl)
		offers |= SINK_OFFER_STARTTLS;
	if (!c->no_pipelining)
		offers |= SINK_OFFER_PIPELINING;
	if (!c->no_chunking)
		offers |= SINK_OFFER_CHUNKING;
	if (!c->no_eight_bit)
		offers |= SINK_OFFER_8BITMIME;
	return offers;
}

static void reply_to_ehlo(struct sink_session *s)
{
	char size[32];
	const struct {
		unsigned bit;
		const char *text;
	} offers[] = {
		{SINK_OFFER_STARTTLS, "STARTTLS"},
		{SINK_OFFER_PIPELINING, "PIPELINING"},
		{SINK_OFFER_CHUNKING, "CHUNKING"},
		{SINK_OFFER_8BITMIME, "8BITMIME\r\n250-SMTPUTF8"},
		{SINK_OFFER_SIZE, size},
		{SINK_OFFER_STATUS, "ENHANCEDSTATUSCODES"},
	};
	char text[600], *last;
	size_t len = (size_t)sprintf(text, "250-%.255s", s->config->hostname);

	sprintf(size, "SIZE %llu", (unsigned long long)s->config->max_size);
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		if (!(s->offers & offers[i].bit))
			continue;
		len += (size_t)sprintf(text + len, "\r\n250-%s",
				       offers[i].text);
	}
	last = strrchr(text, '\n');
	last = last ? last + 1 : text;
	last[3] = ' ';
	sink_reply_good(s, text);
}

static void do_ehlo(struct sink_session *s, char *arg)
{
	snprintf(s->helo, sizeof(s->helo), "%s", arg);
	s->offers = all_offers(s);
	if (sink_fault(s, SINK_AT_EHLO))
		return;
	if (!*arg) {
		sink_reply_bad(s, "501 5.5.4 Who are you?");
		return;
	}
	sink_reset(s);
	s->state = SINK_READY;
	reply_to_ehlo(s);
}

static void do_helo(struct sink_session *s, char *arg)
{
	char text[300];

	snprintf(s->helo, sizeof(s->helo), "%s", arg);
	if (sink_fault(s, SINK_AT_EHLO))
		return;
	sink_reset(s);
	s->state = SINK_READY;
	snprintf(text, sizeof(text), "250 %.255s", s->config->hostname);
	sink_reply_good(s, text);
}

static void do_starttls(struct sink_session *s, char *arg)
{
	if (!(s->offers & SINK_OFFER_STARTTLS) || s->conn->ssl) {
		sink_reply_bad(s, "502 5.5.1 Not here");
		return;
	}
	if (sink_fault(s, SINK_AT_STARTTLS))
		return;
	if (bench_conn_pending(s->conn)) {
		sink_blame(s, "octets in clear behind STARTTLS");
		sink_reply(s, "501 5.5.4 Nothing may follow STARTTLS");
		s->state = SINK_GONE;
		return;
	}
	sink_reset(s);
	sink_reply_good(s, "220 2.0.0 Go ahead");
	sink_settle(s);
	if (s->state == SINK_GONE)
		return;
	s->state = SINK_NEW; /* RFC 3207 4.2: all that was known is gone */
	sink_handshake(s);
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
	if (sink_fault(s, SINK_AT_QUIT))
		return;
	sink_reply_good(s, "221 2.0.0 Bye");
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
		if (!(s->offers & SINK_OFFER_PIPELINING) &&
		    c->run != sink_do_bdat && bench_conn_pending(s->conn))
			sink_blame(s, "pipelined without being offered it");
		c->run(s, line + len + strspn(line + len, " "));
		sink_settle(s);
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

static void set_client(struct sink_session *s, int fd)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	char host[64] = "?";

	if (!getpeername(fd, (struct sockaddr *)&ss, &len))
		getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host),
			    NULL, 0, NI_NUMERICHOST);
	snprintf(s->client, sizeof(s->client), "%s",
		 strncmp(host, "::ffff:", 7) ? host : host + 7);
}

static void greet(struct sink_session *s)
{
	char text[300];

	if (s->state == SINK_GONE || sink_fault(s, SINK_AT_CONNECT))
		return;
	snprintf(text, sizeof(text), "220 %.255s ESMTP ringpost-bench",
		 s->config->hostname);
	sink_reply_good(s, text);
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
	set_client(&s, fd);
	s.offers = all_offers(&s);
	if (!s.hash)
		s.state = SINK_GONE;
	else if (s.config->tls == BENCH_TLS_IMPLICIT)
		sink_handshake(&s);
	greet(&s);
	sink_settle(&s);
	while (s.state != SINK_GONE)
		one_command(&s);
	end_session(&s);
}
