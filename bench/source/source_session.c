/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMTP client: one thread, blocking calls, commands in one flight where
 * the server offers PIPELINING (RFC 2920).
 */
#include "bench/source/source_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench_clock.h"
#include "bench/bench_dot.h"

enum {
	LINGER_S = 2
};

/* A transaction under way: what was asked and what was answered. */
struct transaction {
	struct source_session *s;
	struct bench_message *m;
	unsigned mail;	 /* reply codes; 0: none yet */
	unsigned data;	 /* of DATA; 0 with BDAT */
	unsigned final;	 /* of the end of data or the first bad chunk */
	unsigned chunks; /* BDAT commands not yet answered */
	unsigned rcpt_ok;
	unsigned rcpt_temp; /* answered 4xx */
	unsigned rcpt_perm; /* answered 5xx */
	bool new_keys;	    /* behind the message */
	struct source_send_times times;
};

static int broken(struct source_session *s, int err)
{
	if (!s->closing) /* a 421 tells more than the end that follows it */
		snprintf(s->why, sizeof(s->why), "%s", s->conn->error);
	return err;
}

static int read_reply(struct source_session *s, struct bench_caps *caps,
		      unsigned *code)
{
	struct bench_reply r;
	int err = bench_reply_read(s->conn, &r, caps);

	if (err)
		return broken(s, err);
	if (r.code >= 400)
		snprintf(s->why, sizeof(s->why), "%u %.240s", r.code, r.text);
	if (r.code == 421)
		s->closing = true;
	*code = r.code;
	return 0;
}

static int expect(struct source_session *s, struct bench_caps *caps,
		  unsigned class)
{
	unsigned code;
	int err = read_reply(s, caps, &code);

	if (err)
		return err;
	return code / 100 == class ? 0 : -EPROTO;
}

/* The step that began at *from is done. */
static void note_step(struct source_session *s, enum source_phase step,
		      uint64_t *from)
{
	uint64_t now = bench_clock_ns();

	s->open_times.took[step] = now - *from;
	*from = now;
}

static int ehlo(struct source_session *s)
{
	memset(&s->caps, 0, sizeof(s->caps));
	bench_conn_printf(s->conn, "EHLO %.255s\r\n", s->config->helo);
	return expect(s, &s->caps, 2);
}

static int handshake(struct source_session *s)
{
	int err = bench_conn_connect_tls(s->conn, s->ctx, s->config->sni,
					 s->tls_session);

	if (err)
		return broken(s, err);
	s->resumed = SSL_session_reused(s->conn->ssl);
	return 0;
}

static int starttls(struct source_session *s, uint64_t *from)
{
	int err;

	if (!s->caps.starttls) {
		snprintf(s->why, sizeof(s->why), "STARTTLS is not offered");
		return -EPROTO;
	}
	bench_conn_write(s->conn, "STARTTLS\r\n", 10);
	err = expect(s, NULL, 2);
	if (err)
		return err;
	if (bench_conn_pending(s->conn)) {
		snprintf(s->why, sizeof(s->why),
			 "octets in clear behind the reply to STARTTLS");
		return -EPROTO;
	}
	err = handshake(s);
	if (err)
		return err;
	note_step(s, SOURCE_PHASE_HANDSHAKE, from);
	err = ehlo(s);
	note_step(s, SOURCE_PHASE_EHLO, from);
	return err;
}

static int greet(struct source_session *s, uint64_t *from)
{
	int err;

	if (s->config->tls == BENCH_TLS_IMPLICIT) {
		err = handshake(s);
		if (err)
			return err;
		note_step(s, SOURCE_PHASE_HANDSHAKE, from);
	}
	err = expect(s, NULL, 2);
	if (!err)
		err = ehlo(s);
	if (err)
		return err;
	note_step(s, SOURCE_PHASE_GREETING, from);
	return s->config->tls == BENCH_TLS_STARTTLS ? starttls(s, from) : 0;
}

int source_session_open(struct source_session *s)
{
	uint64_t from = bench_clock_ns();
	int err =
		bench_conn_open(s->conn, &s->config->to, s->config->timeout_s);

	if (err)
		return broken(s, err);
	memset(&s->open_times, 0, sizeof(s->open_times));
	note_step(s, SOURCE_PHASE_CONNECT, &from);
	s->sent = 0;
	s->closing = false;
	s->resumed = false;
	err = greet(s, &from);
	if (err)
		source_session_drop(s);
	return err;
}

/* What the server had to say to new keys; n is what listening gave. */
static int after_keys(struct source_session *s, int n)
{
	unsigned code;

	if (n == 0)
		return 0;
	s->key_updates_final++;
	if (n < 0)
		return broken(s, n);
	n = read_reply(s, NULL, &code);
	return n ? n : -EPIPE;
}

/* The keys change here. -errno: the server took it as the end. */
static int update_keys(struct source_session *s, unsigned wait_ms)
{
	bool sent;
	int n = bench_conn_key_update_now(s->conn, s->config->key_update_ask,
					  wait_ms, &sent);

	s->key_updates += sent;
	return after_keys(s, n);
}

/* Behind a message that was answered: it may be the last one here. */
static void listen_for_end(struct source_session *s)
{
	int n = bench_conn_listen(s->conn, s->config->key_update_wait);

	if (after_keys(s, n))
		s->closing = true;
}

static bool pipelined(const struct source_session *s)
{
	return s->config->pipelining && s->caps.pipelining;
}

static int read_mail(struct transaction *t)
{
	return read_reply(t->s, NULL, &t->mail);
}

static int read_rcpt(struct transaction *t)
{
	unsigned code;
	int err = read_reply(t->s, NULL, &code);

	if (err)
		return err;
	if (code < 300)
		t->rcpt_ok++;
	else if (code < 500)
		t->rcpt_temp++;
	else
		t->rcpt_perm++;
	return 0;
}

static int send_mail(struct transaction *t)
{
	struct source_session *s = t->s;
	char size[32] = "";

	if (s->caps.size)
		snprintf(size, sizeof(size), " SIZE=%llu",
			 (unsigned long long)t->m->size);
	return bench_conn_printf(s->conn, "MAIL FROM:<%.320s>%s%s\r\n",
				 s->config->plan.from, size,
				 t->m->eight_bit ? " BODY=8BITMIME" : "");
}

/* MAIL and all RCPT; the replies are read as well unless pipelined. */
static int send_envelope(struct transaction *t, bool pipe)
{
	const struct bench_plan *plan = &t->s->config->plan;
	int err;

	t->times.begun = bench_clock_ns();
	err = send_mail(t);

	if (!err && !pipe)
		err = read_mail(t);
	if (!err && !pipe && t->mail >= 300)
		return 0;
	for (unsigned k = 0; k < t->m->rcpts && !err; k++) {
		char rcpt[BENCH_RCPT_SIZE];

		bench_message_rcpt(plan, t->m->index, k, rcpt);
		err = bench_conn_printf(t->s->conn, "RCPT TO:<%s>\r\n", rcpt);
		if (!err && !pipe)
			err = read_rcpt(t);
	}
	return err;
}

static int read_envelope(struct transaction *t)
{
	int err = read_mail(t);

	for (unsigned k = 0; k < t->m->rcpts && !err; k++)
		err = read_rcpt(t);
	return err;
}

struct body_out {
	struct bench_conn *conn;
	int err;
};

static void body_take(void *ctx, const char *data, size_t len)
{
	struct body_out *out = ctx;

	if (!out->err)
		out->err = bench_conn_write(out->conn, data, len);
}

static int send_data_body(struct transaction *t)
{
	struct bench_stuffer stuffer = {0};
	struct body_out out = {.conn = t->s->conn};
	const struct bench_sinkhole hole = {body_take, &out};
	struct bench_slice slice;

	while (!out.err && bench_message_next(t->m, &slice)) {
		bench_hash_add(t->s->hash, slice.data, slice.len);
		if (t->m->dotted)
			bench_stuff(&stuffer, slice.data, slice.len, &hole);
		else
			body_take(&out, slice.data, slice.len);
	}
	body_take(&out, ".\r\n", 3);
	return out.err;
}

/* Nothing of the message is left in a buffer of ours. */
static int flush_body(struct transaction *t)
{
	int err = bench_conn_flush(t->s->conn);

	t->times.sent = bench_clock_ns();
	return err;
}

/* DATA was let through: the body, or nothing when nobody is to get it. */
static int finish_data(struct transaction *t)
{
	int err;

	t->times.go = bench_clock_ns();
	if (t->rcpt_ok)
		err = send_data_body(t);
	else
		err = bench_conn_write(t->s->conn, ".\r\n", 3);
	if (!err)
		err = flush_body(t);
	if (!err && t->new_keys)
		err = update_keys(t->s, 0);
	return err ? err : read_reply(t->s, NULL, &t->final);
}

static int send_by_data(struct transaction *t, bool pipe)
{
	int err = send_envelope(t, pipe);

	if (err || (!pipe && !t->rcpt_ok))
		return err;
	bench_conn_write(t->s->conn, "DATA\r\n", 6);
	if (pipe)
		err = read_envelope(t);
	if (!err)
		err = read_reply(t->s, NULL, &t->data);
	if (err || t->data != 354)
		return err;
	return finish_data(t);
}

static int read_chunk(struct transaction *t)
{
	unsigned code;
	int err = read_reply(t->s, NULL, &code);

	if (err)
		return err;
	t->chunks--;
	if (t->final < 300) /* the first bad one tells why */
		t->final = code;
	return 0;
}

/* The command of the next chunk; without PIPELINING the last one's reply. */
static int start_chunk(struct transaction *t, uint64_t left, bool pipe,
		       uint64_t *chunk)
{
	uint64_t most = t->s->config->bdat_chunk;
	int err = 0;

	*chunk = most && most < left ? most : left;
	if (!pipe && t->chunks)
		err = read_chunk(t);
	if (err || (!pipe && t->final >= 300))
		return err;
	t->chunks++;
	return bench_conn_printf(t->s->conn, "BDAT %llu%s\r\n",
				 (unsigned long long)*chunk,
				 *chunk == left ? " LAST" : "");
}

static int send_chunks(struct transaction *t, bool pipe)
{
	uint64_t left = t->m->size, chunk = 0;
	struct bench_slice slice;

	while (bench_message_next(t->m, &slice)) {
		bench_hash_add(t->s->hash, slice.data, slice.len);
		while (slice.len) {
			size_t n;
			int err = 0;

			if (!chunk)
				err = start_chunk(t, left, pipe, &chunk);
			if (err || (!pipe && t->final >= 300))
				return err;
			n = slice.len < chunk ? slice.len : (size_t)chunk;
			err = bench_conn_write(t->s->conn, slice.data, n);
			if (err)
				return err;
			slice.data += n;
			slice.len -= n;
			chunk -= n;
			left -= n;
		}
	}
	return 0;
}

static int send_by_bdat(struct transaction *t, bool pipe)
{
	int err = send_envelope(t, pipe);

	if (err || (!pipe && !t->rcpt_ok))
		return err;
	if (!pipe)
		t->times.go = bench_clock_ns();
	err = send_chunks(t, pipe);
	if (!err)
		err = flush_body(t);
	if (!err && t->new_keys)
		err = update_keys(t->s, 0);
	if (!err && pipe)
		err = read_envelope(t);
	while (!err && t->chunks)
		err = read_chunk(t);
	return err;
}

static enum source_outcome classify(unsigned code)
{
	if (code < 300)
		return SOURCE_ACCEPTED;
	return code < 500 ? SOURCE_DEFERRED : SOURCE_REFUSED;
}

static enum source_outcome judge(const struct transaction *t)
{
	if (t->mail >= 300)
		return classify(t->mail);
	if (!t->rcpt_ok)
		return t->rcpt_temp ? SOURCE_DEFERRED : SOURCE_REFUSED;
	if (t->data &&
	    t->data != 354) /* a 2xx here is nonsense: no body went */
		return t->data < 300 ? SOURCE_REFUSED : classify(t->data);
	return classify(t->final);
}

/* Leaves no transaction behind for the next message to fall over. */
static void reset(struct source_session *s)
{
	unsigned code;

	if (s->closing)
		return;
	bench_conn_write(s->conn, "RSET\r\n", 6);
	if (read_reply(s, NULL, &code) || code >= 300)
		s->closing = true;
}

static bool message_fits(struct source_session *s, struct bench_message *m)
{
	if (m->eight_bit && !s->caps.eight_bit_mime) {
		snprintf(s->why, sizeof(s->why), "8BITMIME is not offered");
		return false;
	}
	return true;
}

void source_session_send(struct source_session *s, struct bench_message *m,
			 struct source_result *ret)
{
	struct transaction t = {.s = s, .m = m};
	bool pipe = pipelined(s);
	char why[sizeof(s->why)];
	int err = 0;

	memset(ret, 0, sizeof(*ret));
	ret->outcome = SOURCE_UNFIT;
	if (!message_fits(s, m))
		return;
	bench_message_rewind(m);
	bench_hash_start(s->hash);
	s->sent++;
	if (s->config->key_update && s->sent % s->config->key_update == 0) {
		t.new_keys = s->config->key_update_behind;
		if (!t.new_keys)
			err = update_keys(s, s->config->key_update_wait);
	}
	ret->by_bdat = m->bdat && s->caps.chunking;
	if (!err)
		err = ret->by_bdat ? send_by_bdat(&t, pipe)
				   : send_by_data(&t, pipe);
	if (err) /* 421 to a pipelined command, then the end: not accepted */
		ret->outcome = s->closing ? SOURCE_DEFERRED : SOURCE_BROKEN;
	else
		ret->outcome = judge(&t);
	t.times.answered = bench_clock_ns();
	ret->times = t.times;
	bench_hash_text(s->hash, ret->hash);
	ret->rcpts_accepted = t.rcpt_ok;
	ret->rcpts_refused = t.rcpt_temp + t.rcpt_perm;
	if (!err && t.new_keys && !s->closing)
		listen_for_end(s);
	if (err) {
		source_session_drop(s);
	} else if (ret->outcome != SOURCE_ACCEPTED) {
		memcpy(why, s->why, sizeof(why));
		reset(s);
		memcpy(s->why, why, sizeof(why));
	}
}

static void keep_tls_session(struct source_session *s)
{
	SSL_SESSION *session;

	if (!s->config->resume || !s->conn->ssl)
		return;
	session = SSL_get1_session(s->conn->ssl);
	if (session && SSL_SESSION_is_resumable(session)) {
		SSL_SESSION_free(s->tls_session);
		s->tls_session = session;
	} else {
		SSL_SESSION_free(session);
	}
}

void source_session_quit(struct source_session *s)
{
	bool tls = s->conn->ssl != NULL;
	unsigned code;

	if (s->conn->fd < 0)
		return;
	if (!s->closing && !bench_conn_write(s->conn, "QUIT\r\n", 6))
		read_reply(s, NULL, &code);
	keep_tls_session(s);
	bench_conn_close(s->conn, LINGER_S);
	s->tls_clean_ends += tls && s->conn->clean_end;
	s->tls_unclean_ends += tls && !s->conn->clean_end;
}

void source_session_drop(struct source_session *s)
{
	bench_conn_drop(s->conn);
}

void source_session_deinit(struct source_session *s)
{
	SSL_SESSION_free(s->tls_session);
	s->tls_session = NULL;
}
