/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client engine and a server engine with a wire between them that keeps
 * every byte.
 */
#ifndef TESTS_UNIT_KTLS_ENGINE_PAIR_H
#define TESTS_UNIT_KTLS_ENGINE_PAIR_H

#include "ktls/ktls_ctx.h"
#include "ktls/ktls_engine.h"
#include "tests/support/test_cert.h"

#define WIRE_MAX (4 * 1024 * 1024)

/* All bytes that one end has sent. */
struct wire {
	unsigned char *data;
	size_t len;
	size_t taken; /* of them, given to the other end */
};

struct engine_pair {
	struct ktls_ctx *client_ctx, *server_ctx;
	struct ktls_engine *client, *server;
	struct wire up, down; /* client's, server's bytes */
};

/* The contexts' settings; server certificate DIR/server.pem for
 * "mx.example.test" unless certs are given. */
struct pair_config {
	enum ktls_version version; /* NONE: both */
	const char *ciphers, *ciphersuites;
	const char *client_ciphers;
	unsigned tickets;
	uint64_t ticket_key_lifetime;
	uint64_t (*clock)(void);
	size_t session_cache;
	const struct ktls_cert_files *certs;
	size_t cert_count;
	const char *ca_file;
};

/* One line per kernel cipher and version, with OpenSSL's names. */
struct suite {
	enum ktls_version version;
	enum ktls_cipher cipher;
	const char *name; /* OpenSSL's */
	const char *iana;
};
extern const struct suite pair_suites[];
extern const size_t pair_suite_count;
void pair_config_suite(struct pair_config *config, const struct suite *suite);

void pair_open(struct engine_pair *pair, struct test_certs *certs,
	       const struct pair_config *config);
void pair_close(struct engine_pair *pair);

/* New engines on the pair's contexts; the wire is empty again. */
void pair_engines(struct engine_pair *pair,
		  const struct ktls_engine_config *client);
void pair_engines_free(struct engine_pair *pair);

/* Runs both to their end; returns the client's and fills the server's. */
enum ktls_step pair_handshake(struct engine_pair *pair, enum ktls_step *server);
/* Handshake that must succeed. */
void pair_connect(struct engine_pair *pair,
		  const struct ktls_engine_config *client);

/* Moves the engine's output onto the wire; returns the number of bytes. */
size_t wire_collect(struct wire *wire, struct ktls_engine *engine);
/* Length of the whole record at @p, 0 if there is none. */
size_t wire_record(const unsigned char *p, size_t len);
/* Puts all that is not yet taken into an engine that is past its handshake. */
void wire_deliver(struct wire *wire, struct ktls_engine *engine);

#endif
