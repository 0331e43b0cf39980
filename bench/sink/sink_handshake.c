/* SPDX-License-Identifier: Apache-2.0 */
/* The sink's side of a TLS handshake: a good one, or one as the rules want. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/bench_rng.h"
#include "bench/sink/sink_state.h"

static void note(struct sink_session *s, bool good)
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

static void good_tls(struct sink_session *s)
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
	note(s, !err);
}

/* Something from the client, in clear; false: it went, or the sink stops. */
static bool hear(struct sink_session *s)
{
	return bench_conn_wait(s->conn, s->shared->wake_fd,
			       s->config->timeout_s) > 0 &&
	       bench_conn_fill(s->conn) > 0;
}

static void bad_garbage(struct sink_session *s)
{
	char octets[256];

	if (!hear(s))
		return;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (char)bench_rng_next(&s->rng);
	octets[0] = (char)0xff; /* no type of a record */
	bench_conn_write(s->conn, octets, sizeof(octets));
}

static void bad_clear(struct sink_session *s)
{
	if (hear(s))
		sink_reply(s, "454 4.7.0 TLS is not available after all");
}

static void bad_silence(struct sink_session *s)
{
	time_t until = time(NULL) + s->config->timeout_s;

	while (time(NULL) <= until && hear(s))
		s->conn->in_at = s->conn->in_len = 0;
}

static void bad_alert(struct sink_session *s)
{
	static const char alert[] = {21, 3, 3, 0, 2, 2, 40}; /* fatal */

	if (hear(s))
		bench_conn_write(s->conn, alert, sizeof(alert));
}

/* OpenSSL answers into memory; false: it wants more, or nothing at all. */
static bool answer(struct sink_session *s, SSL *ssl)
{
	struct bench_conn *c = s->conn;
	BIO *out = SSL_get_wbio(ssl);
	char flight[16 * 1024];
	int len;

	BIO_write(SSL_get_rbio(ssl), c->in + c->in_at,
		  (int)bench_conn_pending(c));
	c->in_at = c->in_len = 0;
	SSL_accept(ssl);
	len = BIO_read(out, flight, sizeof(flight));
	if (len <= 0)
		return false;
	bench_conn_write(c, flight, (size_t)len / 2);
	bench_conn_flush(c);
	return true;
}

static void bad_half(struct sink_session *s)
{
	enum {
		READS_MAX = 64
	};
	SSL *ssl = SSL_new(s->shared->ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	bool done = false;

	if (ssl && in && out) {
		SSL_set_bio(ssl, in, out);
		for (int i = 0; i < READS_MAX && !done && hear(s); i++)
			done = answer(s, ssl);
	} else {
		BIO_free(in);
		BIO_free(out);
	}
	SSL_free(ssl);
	bench_conn_drop(s->conn);
}

static void bad_tls(struct sink_session *s, enum sink_bad_tls how)
{
	static void (*const ways[])(struct sink_session *) = {
		[SINK_TLS_GARBAGE] = bad_garbage, [SINK_TLS_CLEAR] = bad_clear,
		[SINK_TLS_SILENCE] = bad_silence, [SINK_TLS_ALERT] = bad_alert,
		[SINK_TLS_HALF] = bad_half,
	};

	ways[how](s);
	s->state = SINK_GONE;
	note(s, false);
}

void sink_handshake(struct sink_session *s)
{
	struct sink_verdict v = sink_ask(s, SINK_AT_HANDSHAKE);
	bool struck = sink_strike(s, SINK_AT_HANDSHAKE, &v);

	if (s->state == SINK_GONE)
		note(s, false);
	else if (struck)
		bad_tls(s, v.rule->bad_tls);
	else
		good_tls(s);
}
