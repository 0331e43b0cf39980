/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody else's TLS: an OpenSSL connection on memory BIOs that may do what
 * our engine never does (renegotiate, update keys, ask for small records, show
 * a bad certificate).
 */
#ifndef TESTS_UNIT_KTLS_PLAIN_PEER_H
#define TESTS_UNIT_KTLS_PLAIN_PEER_H

#include <openssl/ssl.h>

#include "tests/unit/ktls/engine_pair.h"

struct plain_peer {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
};

/* @certificate, @key: for a server; NULL for a client. The SSL is made and may
 * be changed before the handshake. @version NONE: both. */
void plain_open(struct plain_peer *peer, enum ktls_role role,
		enum ktls_version version, const char *certificate,
		const char *key);
void plain_close(struct plain_peer *peer);

/* Handshake of @engine (not started) with @peer. Returns the engine's step. */
enum ktls_step plain_handshake(struct plain_peer *peer,
			       struct ktls_engine *engine);

/* Whole output of one into the other, after the handshake. */
void plain_to_engine(struct plain_peer *peer, struct ktls_engine *engine);
void engine_to_plain(struct ktls_engine *engine, struct plain_peer *peer);

/* @peer sends @text and the engine must read just that; and the reverse. */
void plain_says(struct plain_peer *peer, struct ktls_engine *engine,
		const char *text);
void engine_says(struct ktls_engine *engine, struct plain_peer *peer,
		 const char *text);

#endif
