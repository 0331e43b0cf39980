/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL on memory BIOs.
 */
#include "tests/unit/ktls/plain_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHUNK 65536

static int number(enum ktls_version version)
{
	if (version == KTLS_VERSION_NONE)
		return 0;
	return version == KTLS_TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

void plain_open(struct plain_peer *peer, enum ktls_role role,
		enum ktls_version version, const char *certificate,
		const char *key)
{
	memset(peer, 0, sizeof(*peer));
	peer->ctx = SSL_CTX_new(TLS_method());
	assert_non_null(peer->ctx);
	SSL_CTX_set_min_proto_version(peer->ctx, number(version));
	SSL_CTX_set_max_proto_version(peer->ctx, number(version));
	if (certificate) {
		assert_int_equal(SSL_CTX_use_certificate_chain_file(
					 peer->ctx, certificate),
				 1);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(peer->ctx, key,
							     SSL_FILETYPE_PEM),
				 1);
	}
	peer->ssl = SSL_new(peer->ctx);
	peer->in = BIO_new(BIO_s_mem());
	peer->out = BIO_new(BIO_s_mem());
	assert_true(peer->ssl && peer->in && peer->out);
	SSL_set_bio(peer->ssl, peer->in, peer->out);
	if (role == KTLS_SERVER)
		SSL_set_accept_state(peer->ssl);
	else
		SSL_set_connect_state(peer->ssl);
}

void plain_close(struct plain_peer *peer)
{
	SSL_free(peer->ssl);
	SSL_CTX_free(peer->ctx);
}

/* The next record of the peer's output into @buf; 0: none. */
static size_t next_record(struct plain_peer *peer, unsigned char *buf)
{
	size_t body;

	if (BIO_pending(peer->out) < KTLS_RECORD_HEADER)
		return 0;
	assert_int_equal(BIO_read(peer->out, buf, KTLS_RECORD_HEADER),
			 KTLS_RECORD_HEADER);
	body = ((size_t)buf[3] << 8) | buf[4];
	assert_int_equal(
		BIO_read(peer->out, buf + KTLS_RECORD_HEADER, (int)body), body);
	return KTLS_RECORD_HEADER + body;
}

void engine_to_plain(struct ktls_engine *engine, struct plain_peer *peer)
{
	size_t len;
	const unsigned char *data = ktls_engine_output(engine, &len);

	if (!len)
		return;
	assert_int_equal(BIO_write(peer->in, data, (int)len), len);
	ktls_engine_output_drop(engine, len);
}

void plain_to_engine(struct plain_peer *peer, struct ktls_engine *engine)
{
	unsigned char buf[CHUNK];
	size_t len;

	while ((len = next_record(peer, buf)))
		assert_int_equal(ktls_engine_put(engine, buf, len), 0);
}

enum ktls_step plain_handshake(struct plain_peer *peer,
			       struct ktls_engine *engine)
{
	enum ktls_step step = ktls_engine_start(engine);
	unsigned char buf[CHUNK];
	size_t len;

	for (int turn = 0; turn < 100 && step == KTLS_STEP_MORE; turn++) {
		engine_to_plain(engine, peer);
		SSL_do_handshake(peer->ssl);
		while (step == KTLS_STEP_MORE && (len = next_record(peer, buf)))
			step = ktls_engine_feed(engine, buf, len);
	}
	engine_to_plain(engine, peer);
	SSL_do_handshake(peer->ssl);
	return step;
}

void plain_says(struct plain_peer *peer, struct ktls_engine *engine,
		const char *text)
{
	size_t len = strlen(text);
	char got[256];

	assert_int_equal(SSL_write(peer->ssl, text, (int)len), len);
	plain_to_engine(peer, engine);
	assert_int_equal(ktls_engine_read(engine, got, sizeof(got)), len);
	assert_memory_equal(got, text, len);
}

void engine_says(struct ktls_engine *engine, struct plain_peer *peer,
		 const char *text)
{
	size_t len = strlen(text);
	char got[256];

	assert_int_equal(ktls_engine_write(engine, text, len), len);
	engine_to_plain(engine, peer);
	assert_int_equal(SSL_read(peer->ssl, got, sizeof(got)), len);
	assert_memory_equal(got, text, len);
}
