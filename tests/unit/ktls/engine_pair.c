/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two engines and a wire.
 */
#include "tests/unit/ktls/engine_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
const struct suite pair_suites[] = {
	{KTLS_TLS_1_2, KTLS_AES_128_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256",
	 "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
	{KTLS_TLS_1_2, KTLS_AES_256_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384",
	 "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
	{KTLS_TLS_1_2, KTLS_CHACHA20_POLY1305, "ECDHE-ECDSA-CHACHA20-POLY1305",
	 "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
	{KTLS_TLS_1_3, KTLS_AES_128_GCM, "TLS_AES_128_GCM_SHA256",
	 "TLS_AES_128_GCM_SHA256"},
	{KTLS_TLS_1_3, KTLS_AES_256_GCM, "TLS_AES_256_GCM_SHA384",
	 "TLS_AES_256_GCM_SHA384"},
	{KTLS_TLS_1_3, KTLS_CHACHA20_POLY1305, "TLS_CHACHA20_POLY1305_SHA256",
	 "TLS_CHACHA20_POLY1305_SHA256"},
};
/* clang-format on */
const size_t pair_suite_count = sizeof(pair_suites) / sizeof(pair_suites[0]);

void pair_config_suite(struct pair_config *config, const struct suite *suite)
{
	config->version = suite->version;
	config->ciphers = config->ciphersuites = NULL;
	if (suite->version == KTLS_TLS_1_2)
		config->ciphers = suite->name;
	else
		config->ciphersuites = suite->name;
}

static void open_ctx(struct ktls_ctx **out, struct ktls_ctx_config *config,
		     const struct pair_config *pair)
{
	struct ktls_error error = {""};

	config->min_version = config->max_version = pair->version;
	config->ciphersuites = pair->ciphersuites;
	if (!config->ciphers)
		config->ciphers = pair->ciphers;
	if (ktls_ctx_create(config, out, &error) != 0)
		fail_msg("ktls_ctx_create: %s", error.text);
}

void pair_open(struct engine_pair *pair, struct test_certs *certs,
	       const struct pair_config *config)
{
	const struct ktls_cert_files own = {
		test_certs_path(certs, "server.pem"),
		test_certs_path(certs, "server.key")};
	struct ktls_ctx_config server = {
		.role = KTLS_SERVER,
		.certs = config->certs ? config->certs : &own,
		.cert_count = config->certs ? config->cert_count : 1,
		.tickets = config->tickets,
		.ticket_key_lifetime = config->ticket_key_lifetime,
		.clock = config->clock,
	};
	struct ktls_ctx_config client = {
		.role = KTLS_CLIENT,
		.ciphers = config->client_ciphers,
		.ca_file = config->ca_file ? config->ca_file : certs->ca,
		.session_cache = config->session_cache,
	};

	memset(pair, 0, sizeof(*pair));
	open_ctx(&pair->server_ctx, &server, config);
	open_ctx(&pair->client_ctx, &client, config);
	pair->up.data = malloc(WIRE_MAX);
	pair->down.data = malloc(WIRE_MAX);
	assert_non_null(pair->up.data);
	assert_non_null(pair->down.data);
}

void pair_engines_free(struct engine_pair *pair)
{
	ktls_engine_free(&pair->client);
	ktls_engine_free(&pair->server);
	pair->up.len = pair->up.taken = 0;
	pair->down.len = pair->down.taken = 0;
}

void pair_close(struct engine_pair *pair)
{
	pair_engines_free(pair);
	ktls_ctx_unref(&pair->client_ctx);
	ktls_ctx_unref(&pair->server_ctx);
	free(pair->up.data);
	free(pair->down.data);
}

void pair_engines(struct engine_pair *pair,
		  const struct ktls_engine_config *client)
{
	pair_engines_free(pair);
	assert_int_equal(
		ktls_engine_create(pair->client_ctx, client, &pair->client), 0);
	assert_int_equal(
		ktls_engine_create(pair->server_ctx, NULL, &pair->server), 0);
}

size_t wire_collect(struct wire *wire, struct ktls_engine *engine)
{
	size_t len;
	const unsigned char *data = ktls_engine_output(engine, &len);

	if (!len)
		return 0;
	assert_true(wire->len + len <= WIRE_MAX);
	memcpy(wire->data + wire->len, data, len);
	wire->len += len;
	ktls_engine_output_drop(engine, len);
	return len;
}

size_t wire_record(const unsigned char *p, size_t len)
{
	size_t need;

	if (len < KTLS_RECORD_HEADER)
		return 0;
	need = KTLS_RECORD_HEADER + (((size_t)p[3] << 8) | p[4]);
	return len < need ? 0 : need;
}

/* One record to @engine; false when there is none. */
static bool feed_one(struct wire *wire, struct ktls_engine *engine,
		     enum ktls_step *step)
{
	const unsigned char *p = wire->data + wire->taken;
	size_t len = wire_record(p, wire->len - wire->taken);

	if (!len)
		return false;
	wire->taken += len;
	*step = ktls_engine_feed(engine, p, len);
	return true;
}

enum ktls_step pair_handshake(struct engine_pair *pair, enum ktls_step *server)
{
	enum ktls_step client = ktls_engine_start(pair->client);
	bool moved = true;

	*server = ktls_engine_start(pair->server);
	wire_collect(&pair->up, pair->client);
	while (moved && client != KTLS_STEP_FAILED &&
	       *server != KTLS_STEP_FAILED) {
		moved = false;
		if (*server == KTLS_STEP_MORE)
			moved |= feed_one(&pair->up, pair->server, server);
		wire_collect(&pair->down, pair->server);
		if (client == KTLS_STEP_MORE)
			moved |= feed_one(&pair->down, pair->client, &client);
		wire_collect(&pair->up, pair->client);
	}
	/* The other end's last word may be an alert. */
	if (client == KTLS_STEP_FAILED && *server == KTLS_STEP_MORE)
		while (*server == KTLS_STEP_MORE &&
		       feed_one(&pair->up, pair->server, server))
			;
	if (*server == KTLS_STEP_FAILED && client == KTLS_STEP_MORE)
		while (client == KTLS_STEP_MORE &&
		       feed_one(&pair->down, pair->client, &client))
			;
	return client;
}

void pair_connect(struct engine_pair *pair,
		  const struct ktls_engine_config *client)
{
	enum ktls_step ours, theirs;

	pair_engines(pair, client);
	ours = pair_handshake(pair, &theirs);
	if (ours != KTLS_STEP_DONE || theirs != KTLS_STEP_DONE)
		fail_msg("handshake: client \"%s\", server \"%s\"",
			 ktls_engine_error(pair->client),
			 ktls_engine_error(pair->server));
}

void wire_deliver(struct wire *wire, struct ktls_engine *engine)
{
	size_t len = wire->len - wire->taken;

	assert_int_equal(ktls_engine_put(engine, wire->data + wire->taken, len),
			 0);
	wire->taken = wire->len;
}
