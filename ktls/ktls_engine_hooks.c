/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What OpenSSL calls: the engine's wire as a BIO, the secrets by the keylog
 * callback, the count of records and the key changes by the message callback,
 * the tickets by the session callback.
 */
#include <assert.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <string.h>

#include "ktls/ktls_engine_private.h"

static struct ktls_engine *engine_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* --- the wire --- */

size_t ktls_engine_record(const unsigned char *p)
{
	size_t len = KTLS_RECORD_HEADER + (((size_t)p[3] << 8) | p[4]);

	return len > KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX ? 0 : len;
}

/* How much of @p OpenSSL may see: whole records only, so that a part of one
 * never hides inside it. A length that no record may have is shown by its
 * header, which is enough for OpenSSL to refuse it. */
static size_t readable(const unsigned char *p, size_t have)
{
	size_t len;

	if (have < KTLS_RECORD_HEADER)
		return 0;
	len = ktls_engine_record(p);
	if (!len)
		return KTLS_RECORD_HEADER;
	return have < len ? 0 : len;
}

/* Bytes that are whole records come from where they lie. */
static const unsigned char *wire_front(const struct ktls_engine *engine,
				       size_t *have)
{
	const struct engine_lent *lent = &engine->lent;

	*have = engine->in.len;
	if (*have > 0)
		return ktls_buf_front(&engine->in);
	*have = lent->len - lent->used;
	return lent->data ? lent->data + lent->used : NULL;
}

static void wire_drop(struct ktls_engine *engine, size_t len)
{
	if (engine->in.len > 0)
		ktls_buf_drop(&engine->in, len);
	else
		engine->lent.used += len;
	engine->in_record -= len;
}

static int wire_read(BIO *bio, char *out, int size)
{
	struct ktls_engine *engine = BIO_get_data(bio);
	const unsigned char *from;
	size_t have, n;

	BIO_clear_retry_flags(bio);
	from = wire_front(engine, &have);
	if (!engine->in_record)
		engine->in_record = readable(from, have);
	n = engine->in_record;
	if (!n || size <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (n > (size_t)size)
		n = (size_t)size;
	memcpy(out, from, n);
	wire_drop(engine, n);
	return (int)n;
}

/* Follows the records through the output, in whatever pieces it comes, for
 * the explicit nonce in front of each TLS 1.2 AES-GCM record (RFC 5288). */
static void note_nonce(struct ktls_engine *engine, const unsigned char *p,
		       size_t len)
{
	struct engine_out_record *rec = &engine->out_record;

	for (; len; p++, len--) {
		if (rec->pos < KTLS_RECORD_HEADER)
			rec->header[rec->pos] = *p;
		else if (rec->pos < KTLS_RECORD_HEADER + sizeof(rec->nonce))
			rec->nonce[rec->pos - KTLS_RECORD_HEADER] = *p;
		rec->pos++;
		if (rec->pos == KTLS_RECORD_HEADER)
			rec->end = KTLS_RECORD_HEADER +
				   (((size_t)rec->header[3] << 8) |
				    rec->header[4]);
		/* Bodies are long: step over what is of no interest. */
		if (rec->pos >= KTLS_RECORD_HEADER + sizeof(rec->nonce) &&
		    rec->pos < rec->end) {
			size_t skip = rec->end - rec->pos;

			if (skip > len - 1)
				skip = len - 1;
			p += skip;
			len -= skip;
			rec->pos += skip;
		}
		if (rec->pos >= KTLS_RECORD_HEADER && rec->pos >= rec->end)
			rec->pos = 0;
	}
}

static int wire_write(BIO *bio, const char *data, int size)
{
	struct ktls_engine *engine = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	if (ktls_buf_append(&engine->out, data, (size_t)size) < 0)
		return -1;
	note_nonce(engine, (const unsigned char *)data, (size_t)size);
	return size;
}

static long wire_ctrl(BIO *bio, int command, long num, void *ptr)
{
	switch (command) {
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DUP:
		return 1;
	default:
		return 0;
	}
}

static int wire_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *ktls_engine_bio_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ktls_engine");

	if (!method)
		return NULL;
	if (!BIO_meth_set_read(method, wire_read) ||
	    !BIO_meth_set_write(method, wire_write) ||
	    !BIO_meth_set_ctrl(method, wire_ctrl) ||
	    !BIO_meth_set_create(method, wire_create)) {
		BIO_meth_free(method);
		return NULL;
	}
	return method;
}

/* --- the secrets --- */

/* "LABEL hex hex": returns the second number's hex when the label is ours. */
static const char *keylog_value(const char *line, const char *label)
{
	size_t len = strlen(label);

	if (strncmp(line, label, len) != 0 || line[len] != ' ')
		return NULL;
	line = strchr(line + len + 1, ' ');
	return line ? line + 1 : NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Returns the bytes decoded; 0 when they are malformed or too many. */
static size_t unhex(const char *hex, unsigned char *out, size_t max)
{
	size_t n = 0;

	while (*hex) {
		int high = hex_digit(hex[0]);
		int low = high < 0 ? -1 : hex_digit(hex[1]);

		if (low < 0 || n == max) {
			OPENSSL_cleanse(out, max);
			return 0;
		}
		out[n++] = (unsigned char)(high << 4 | low);
		hex += 2;
	}
	return n;
}

void ktls_engine_keylog(const SSL *ssl, const char *line)
{
	struct ktls_engine *engine = engine_of(ssl);
	bool client = ktls_ctx_role(engine->ctx) == KTLS_CLIENT;
	struct engine_dir *ours = &engine->dir[client ? KTLS_TX : KTLS_RX];
	struct engine_dir *theirs = &engine->dir[client ? KTLS_RX : KTLS_TX];
	const char *hex;

	hex = keylog_value(line, "CLIENT_TRAFFIC_SECRET_0");
	if (hex)
		ours->secret_len =
			unhex(hex, ours->secret, sizeof(ours->secret));
	hex = keylog_value(line, "SERVER_TRAFFIC_SECRET_0");
	if (hex)
		theirs->secret_len =
			unhex(hex, theirs->secret, sizeof(theirs->secret));
	hex = keylog_value(line, "CLIENT_RANDOM");
	if (hex)
		engine->have_master =
			unhex(hex, engine->master, sizeof(engine->master)) ==
			sizeof(engine->master);
}

/* --- records and key changes --- */

/* A record begins, in the order in which OpenSSL makes or takes them. In
 * TLS 1.2 what follows a ChangeCipherSpec is under new keys; in 1.3 only
 * records that look like application data are encrypted, and Finished and
 * KeyUpdate mark the changes. */
static void on_record(struct ktls_engine *engine, enum ktls_direction dir,
		      unsigned char type, bool tls13)
{
	if (type == KTLS_CHANGE_CIPHER_SPEC) {
		if (engine->state == ENGINE_HANDSHAKE)
			engine->dir[dir].records = 0;
		return;
	}
	if (!tls13 || type == KTLS_APPLICATION_DATA)
		engine->dir[dir].records++;
}

static void on_handshake_message(struct ktls_engine *engine,
				 enum ktls_direction dir, unsigned char type,
				 bool tls13)
{
	if (!tls13)
		return;
	if (type == SSL3_MT_FINISHED)
		engine->dir[dir].records = 0;
	if (type != SSL3_MT_KEY_UPDATE)
		return;
	engine->key_updates += dir == KTLS_RX;
	ktls_engine_rotate(engine, dir);
}

/* RFC 8446 section 6: there all but two alerts end the connection, whatever
 * their level says. */
static void on_alert(struct ktls_engine *engine, bool sent,
		     const unsigned char *alert, bool tls13)
{
	bool fatal = alert[0] == SSL3_AL_FATAL;

	if (tls13)
		fatal = alert[1] != SSL3_AD_CLOSE_NOTIFY &&
			alert[1] != TLS1_AD_USER_CANCELLED;
	if (!fatal || engine->alert_sent || engine->alert_received)
		return;
	engine->alert = alert[1];
	if (sent)
		engine->alert_sent = true;
	else
		engine->alert_received = true;
}

void ktls_engine_message(int write, int version, int type, const void *data,
			 size_t len, SSL *ssl, void *arg)
{
	struct ktls_engine *engine = engine_of(ssl);
	enum ktls_direction dir = write ? KTLS_TX : KTLS_RX;
	bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
	const unsigned char *bytes = data;

	if (type == SSL3_RT_HEADER && len >= KTLS_RECORD_HEADER)
		on_record(engine, dir, bytes[0], tls13);
	else if (type == SSL3_RT_HANDSHAKE && len > 0)
		on_handshake_message(engine, dir, bytes[0], tls13);
	else if (type == SSL3_RT_ALERT && len >= 2)
		on_alert(engine, write, bytes, tls13);
}

/* --- tickets --- */

int ktls_engine_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct ktls_engine *engine = engine_of(ssl);
	struct ktls_session_id id = {engine->session_key, engine->server_name};

	if (engine->session_key && engine->ctx->sessions &&
	    SSL_SESSION_is_resumable(session))
		ktls_sessions_put(engine->ctx->sessions, &id, session,
				  ktls_engine_verified(engine));
	return 0; /* we keep a copy, not this one */
}
