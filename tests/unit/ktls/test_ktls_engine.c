/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's handshake: what is agreed, who is believed, and what is
 * refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "ktls/ktls_engine_private.h"
#include "tests/unit/ktls/engine_pair.h"
#include "tests/unit/ktls/plain_peer.h"

#define NAME "mx.example.test"

static const struct ktls_engine_config by_name = {.server_name = NAME,
						  .verify = KTLS_VERIFY_NAME};
static const struct ktls_engine_config anybody = {.server_name = NAME,
						  .verify = KTLS_VERIFY_NONE};

static int set_up(void **state)
{
	static const char *const rsa_names[] = {"rsa.example.test", NULL};
	static const char *const wild_names[] = {"*.wild.test", "wild.test",
						 NULL};
	const struct test_cert_spec rsa = {
		.file = "rsa", .names = rsa_names, .key = TEST_KEY_RSA2048};
	const struct test_cert_spec wild = {.file = "wild",
					    .names = wild_names};
	const struct test_cert_spec cn = {.file = "cn",
					  .common_name = "cn.example.test"};
	static const char *const names[] = {NAME, NULL};
	const struct test_cert_spec self = {
		.file = "self", .names = names, .self_signed = true};
	const struct test_cert_spec old = {
		.file = "old", .names = names, .from = -7200, .until = -3600};
	struct test_certs *certs = calloc(1, sizeof(*certs));

	test_certs_open(certs);
	test_certs_make_simple(certs, "server", NAME);
	test_certs_make(certs, &rsa);
	test_certs_make(certs, &wild);
	test_certs_make(certs, &cn);
	test_certs_make(certs, &self);
	test_certs_make(certs, &old);
	*state = certs;
	return 0;
}

static int tear_down(void **state)
{
	test_certs_close(*state);
	free(*state);
	return 0;
}

/* --- what is agreed --- */

static void check_info(struct engine_pair *pair, const struct suite *suite)
{
	unsigned bits = suite->cipher == KTLS_AES_128_GCM ? 128 : 256;
	struct ktls_info client, server;
	char name[KTLS_SERVER_NAME_MAX];

	ktls_engine_info(pair->client, &client);
	ktls_engine_info(pair->server, &server);
	assert_int_equal(client.version, suite->version);
	assert_int_equal(client.cipher, suite->cipher);
	assert_string_equal(client.suite, suite->iana);
	assert_int_equal(client.cipher_bits, bits);
	assert_true(client.verified);
	assert_false(client.resumed || client.small_records);
	assert_int_equal(server.version, suite->version);
	assert_int_equal(server.cipher, suite->cipher);
	assert_string_equal(server.suite, suite->iana);
	ktls_engine_server_name(pair->server, name);
	assert_string_equal(name, NAME);
	ktls_engine_server_name(pair->client, name);
	assert_string_equal(name, "");
	assert_false(server.verified);
}

static void test_info_of_every_suite(void **state)
{
	for (size_t i = 0; i < pair_suite_count; i++) {
		struct pair_config config = {.tickets = 0};
		struct engine_pair pair;

		pair_config_suite(&config, &pair_suites[i]);
		pair_open(&pair, *state, &config);
		pair_connect(&pair, &by_name);
		check_info(&pair, &pair_suites[i]);
		assert_string_equal(ktls_engine_error(pair.client), "");
		assert_int_equal(ktls_engine_fault(pair.client),
				 KTLS_FAULT_NONE);
		pair_close(&pair);
	}
}

static void test_defaults_are_tls13_with_aes_128(void **state)
{
	struct pair_config config = {.tickets = 0};
	struct engine_pair pair;
	struct ktls_info info;

	pair_open(&pair, *state, &config);
	pair_connect(&pair, &by_name);
	ktls_engine_info(pair.client, &info);
	assert_int_equal(info.version, KTLS_TLS_1_3);
	assert_int_equal(info.cipher, KTLS_AES_128_GCM);
	pair_close(&pair);
}

/* A handshake that must fail on both sides. */
static void must_fail(struct engine_pair *pair,
		      const struct ktls_engine_config *client)
{
	enum ktls_step ours, theirs;

	pair_engines(pair, client);
	ours = pair_handshake(pair, &theirs);
	assert_int_equal(ours, KTLS_STEP_FAILED);
	assert_int_equal(theirs, KTLS_STEP_FAILED);
}

static void test_client_below_the_servers_lowest_version(void **state)
{
	struct ktls_engine *engine;
	struct plain_peer peer;
	struct engine_pair pair;
	struct pair_config config = {.version = KTLS_TLS_1_3};

	pair_open(&pair, *state, &config);
	plain_open(&peer, KTLS_CLIENT, KTLS_TLS_1_2, NULL, NULL);
	assert_int_equal(ktls_engine_create(pair.server_ctx, NULL, &engine), 0);
	assert_int_equal(plain_handshake(&peer, engine), KTLS_STEP_FAILED);
	assert_int_equal(ktls_engine_fault(engine), KTLS_FAULT_PROTOCOL);
	assert_non_null(strstr(ktls_engine_error(engine), "protocol_version"));
	ktls_engine_free(&engine);
	plain_close(&peer);
	pair_close(&pair);
}

static void test_old_tls_is_never_spoken(void **state)
{
	struct ktls_engine *engine;
	struct plain_peer peer;
	struct engine_pair pair;
	struct pair_config config = {.tickets = 0};

	pair_open(&pair, *state, &config);
	plain_open(&peer, KTLS_CLIENT, KTLS_VERSION_NONE, NULL, NULL);
	SSL_set_security_level(peer.ssl, 0);
	SSL_set_cipher_list(peer.ssl, "ALL:@SECLEVEL=0");
	SSL_set_min_proto_version(peer.ssl, TLS1_VERSION);
	SSL_set_max_proto_version(peer.ssl, TLS1_1_VERSION);
	assert_int_equal(ktls_engine_create(pair.server_ctx, NULL, &engine), 0);
	assert_int_equal(plain_handshake(&peer, engine), KTLS_STEP_FAILED);
	ktls_engine_free(&engine);
	plain_close(&peer);
	pair_close(&pair);
}

static void test_no_cipher_in_common(void **state)
{
	struct pair_config config = {.version = KTLS_TLS_1_2,
				     .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
				     .client_ciphers =
					     "ECDHE-ECDSA-AES128-GCM-SHA256"};
	struct engine_pair pair;

	pair_open(&pair, *state, &config);
	must_fail(&pair, &by_name);
	assert_int_equal(ktls_engine_fault(pair.server), KTLS_FAULT_PROTOCOL);
	assert_non_null(
		strstr(ktls_engine_error(pair.server), "shared cipher"));
	assert_int_equal(ktls_engine_fault(pair.client), KTLS_FAULT_ALERT);
	assert_non_null(
		strstr(ktls_engine_error(pair.client), "handshake_failure"));
	pair_close(&pair);
}

static void test_small_records_are_seen(void **state)
{
	static const enum ktls_version versions[] = {KTLS_TLS_1_2,
						     KTLS_TLS_1_3};
	struct pair_config config = {.tickets = 0};
	struct engine_pair pair;

	pair_open(&pair, *state, &config);
	for (int i = 0; i < 2; i++) {
		struct ktls_engine *engine;
		struct plain_peer peer;
		struct ktls_info info;

		plain_open(&peer, KTLS_CLIENT, versions[i], NULL, NULL);
		assert_int_equal(
			SSL_set_tlsext_max_fragment_length(
				peer.ssl, TLSEXT_max_fragment_length_1024),
			1);
		assert_int_equal(
			ktls_engine_create(pair.server_ctx, NULL, &engine), 0);
		assert_int_equal(plain_handshake(&peer, engine),
				 KTLS_STEP_DONE);
		ktls_engine_info(engine, &info);
		assert_true(info.small_records);
		ktls_engine_free(&engine);
		plain_close(&peer);
	}
	pair_close(&pair);
}

static void test_name_with_odd_letters_is_harmless(void **state)
{
	char name[] = "a\r\nb c.test";
	struct pair_config config = {.tickets = 0};
	struct ktls_engine *engine;
	struct engine_pair pair;
	struct plain_peer peer;
	char seen[KTLS_SERVER_NAME_MAX];

	pair_open(&pair, *state, &config);
	plain_open(&peer, KTLS_CLIENT, KTLS_VERSION_NONE, NULL, NULL);
	SSL_set_tlsext_host_name(peer.ssl, name);
	assert_int_equal(ktls_engine_create(pair.server_ctx, NULL, &engine), 0);
	assert_int_equal(plain_handshake(&peer, engine), KTLS_STEP_DONE);
	ktls_engine_server_name(engine, seen);
	assert_string_equal(seen, "a??b?c.test");
	ktls_engine_free(&engine);
	plain_close(&peer);
	pair_close(&pair);
}

/* --- certificates by name --- */

static const char *const sni_files[] = {"server", "rsa", "wild", "cn"};

static void open_sni(struct engine_pair *pair, struct test_certs *certs)
{
	struct ktls_cert_files files[4];
	struct pair_config config = {.certs = files, .cert_count = 4};
	char paths[8][300];

	for (int i = 0; i < 4; i++) {
		snprintf(paths[2 * i], 300, "%s/%s.pem", certs->dir,
			 sni_files[i]);
		snprintf(paths[2 * i + 1], 300, "%s/%s.key", certs->dir,
			 sni_files[i]);
		files[i].certificate = paths[2 * i];
		files[i].key = paths[2 * i + 1];
	}
	pair_open(pair, certs, &config);
}

static void test_sni_chooses_the_certificate(void **state)
{
	static const char *const names[] = {NAME, "rsa.example.test",
					    "a.wild.test", "WILD.test",
					    "cn.example.test"};
	struct engine_pair pair;

	open_sni(&pair, *state);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct ktls_engine_config client = {
			.server_name = names[i], .verify = KTLS_VERIFY_NAME};

		pair_connect(&pair, &client); /* verifies the name */
	}
	pair_close(&pair);
}

/* Whether the server showed its first certificate. */
static bool got_default(struct engine_pair *pair, const char *name)
{
	const struct ktls_engine_config client = {.server_name = name};

	pair_connect(pair, &client);
	return X509_check_host(SSL_get0_peer_certificate(pair->client->ssl),
			       NAME, 0, 0, NULL) == 1;
}

static void test_unknown_or_missing_name_gets_the_default(void **state)
{
	struct engine_pair pair;

	open_sni(&pair, *state);
	assert_true(got_default(&pair, "nobody.example.test"));
	assert_true(got_default(&pair, NULL));
	assert_true(got_default(&pair, "a.b.wild.test"));
	assert_false(got_default(&pair, "a.wild.test"));
	pair_close(&pair);
}

/* The default has an ECDSA key, the named one RSA: a client that likes ECDSA
 * better must still get the right name. */
static void test_named_certificate_wins_over_a_better_liked_key_type(
	void **state)
{
	char sigalgs[] = "ECDSA+SHA256:RSA-PSS+SHA256";
	char name[] = "rsa.example.test";
	struct engine_pair pair;
	struct ktls_engine *engine;
	struct plain_peer peer;

	open_sni(&pair, *state);
	plain_open(&peer, KTLS_CLIENT, KTLS_TLS_1_3, NULL, NULL);
	SSL_set1_sigalgs_list(peer.ssl, sigalgs);
	SSL_set_tlsext_host_name(peer.ssl, name);
	assert_int_equal(ktls_engine_create(pair.server_ctx, NULL, &engine), 0);
	assert_int_equal(plain_handshake(&peer, engine), KTLS_STEP_DONE);
	assert_int_equal(X509_check_host(SSL_get0_peer_certificate(peer.ssl),
					 name, 0, 0, NULL),
			 1);
	ktls_engine_free(&engine);
	plain_close(&peer);
	pair_close(&pair);
}

/* --- verification --- */

/* A handshake with a plain server that shows DIR/@file. */
static enum ktls_step meet(struct test_certs *certs, const char *file,
			   const struct ktls_engine_config *config,
			   struct ktls_engine **engine)
{
	const struct ktls_ctx_config client = {.role = KTLS_CLIENT,
					       .ca_file = certs->ca};
	char certificate[300], key[300];
	struct plain_peer peer;
	struct ktls_ctx *ctx;
	enum ktls_step step;

	snprintf(certificate, sizeof(certificate), "%s/%s.pem", certs->dir,
		 file);
	snprintf(key, sizeof(key), "%s/%s.key", certs->dir, file);
	assert_int_equal(ktls_ctx_create(&client, &ctx, NULL), 0);
	plain_open(&peer, KTLS_SERVER, KTLS_VERSION_NONE, certificate, key);
	assert_int_equal(ktls_engine_create(ctx, config, engine), 0);
	ktls_ctx_unref(&ctx); /* the engine has its own reference */
	step = plain_handshake(&peer, *engine);
	plain_close(&peer);
	return step;
}

static void must_not_verify(struct test_certs *certs, const char *file,
			    const struct ktls_engine_config *config,
			    const char *why)
{
	struct ktls_engine *engine;

	assert_int_equal(meet(certs, file, config, &engine), KTLS_STEP_FAILED);
	assert_int_equal(ktls_engine_fault(engine), KTLS_FAULT_VERIFY);
	if (!strstr(ktls_engine_error(engine), why))
		fail_msg("\"%s\" lacks \"%s\"", ktls_engine_error(engine), why);
	ktls_engine_free(&engine);
}

static void test_good_name_verifies(void **state)
{
	struct ktls_engine *engine;
	struct ktls_info info;

	assert_int_equal(meet(*state, "server", &by_name, &engine),
			 KTLS_STEP_DONE);
	ktls_engine_info(engine, &info);
	assert_true(info.verified);
	ktls_engine_free(&engine);
}

static void test_wrong_name_fails(void **state)
{
	must_not_verify(*state, "wild", &by_name, "hostname mismatch");
	must_not_verify(*state, "wild", &by_name, NAME);
}

static void test_expired_certificate_fails(void **state)
{
	must_not_verify(*state, "old", &by_name, "expired");
}

static void test_self_signed_certificate_fails(void **state)
{
	must_not_verify(*state, "self", &by_name, "self-signed");
}

static void test_address_is_checked_as_an_address(void **state)
{
	const struct ktls_engine_config config = {.server_name = "127.0.0.1",
						  .verify = KTLS_VERIFY_NAME};

	must_not_verify(*state, "server", &config, "IP address mismatch");
}

static void test_failure_of_verification_sends_an_alert(void **state)
{
	struct pair_config config = {.tickets = 0};
	const struct ktls_engine_config other = {.server_name =
							 "other.example.test",
						 .verify = KTLS_VERIFY_NAME};
	struct engine_pair pair;

	pair_open(&pair, *state, &config);
	must_fail(&pair, &other);
	assert_int_equal(ktls_engine_fault(pair.client), KTLS_FAULT_VERIFY);
	assert_int_equal(ktls_engine_fault(pair.server), KTLS_FAULT_ALERT);
	assert_non_null(
		strstr(ktls_engine_error(pair.server), "bad_certificate"));
	pair_close(&pair);
}

static void test_without_verification_anybody_will_do(void **state)
{
	static const char *const files[] = {"self", "old", "wild"};

	for (int i = 0; i < 3; i++) {
		struct ktls_engine *engine;
		struct ktls_info info;

		assert_int_equal(meet(*state, files[i], &anybody, &engine),
				 KTLS_STEP_DONE);
		ktls_engine_info(engine, &info);
		assert_false(info.verified);
		ktls_engine_free(&engine);
	}
}

static void test_without_verification_a_good_one_still_shows(void **state)
{
	struct ktls_engine *engine;
	struct ktls_info info;

	assert_int_equal(meet(*state, "server", &anybody, &engine),
			 KTLS_STEP_DONE);
	ktls_engine_info(engine, &info);
	assert_true(info.verified);
	ktls_engine_free(&engine);
}

/* A good chain proves nothing when no name was asked for. */
static void test_without_a_name_nothing_is_verified(void **state)
{
	const struct ktls_engine_config nameless = {.server_name = NULL};
	struct ktls_engine *engine;
	struct ktls_info info;

	assert_int_equal(meet(*state, "server", &nameless, &engine),
			 KTLS_STEP_DONE);
	ktls_engine_info(engine, &info);
	assert_false(info.verified);
	ktls_engine_free(&engine);
}

static void test_verifying_nobody_in_particular_is_refused(void **state)
{
	const struct ktls_engine_config config = {.verify = KTLS_VERIFY_NAME};
	const struct ktls_ctx_config client = {.role = KTLS_CLIENT};
	struct ktls_engine *engine;
	struct ktls_ctx *ctx;

	assert_int_equal(ktls_ctx_create(&client, &ctx, NULL), 0);
	assert_int_equal(ktls_engine_create(ctx, &config, &engine), -EINVAL);
	assert_null(engine);
	ktls_ctx_unref(&ctx);
}

/* To OpenSSL "" means no check at all and ".test" anything below it. */
static void test_names_that_would_loosen_the_check_are_refused(void **state)
{
	static const char *const names[] = {
		"", ".", ".example.test", "..", "a b", "mx\n.test", "*.test"};
	const struct ktls_ctx_config client = {.role = KTLS_CLIENT};
	struct ktls_engine *engine;
	struct ktls_ctx *ctx;

	assert_int_equal(ktls_ctx_create(&client, &ctx, NULL), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct ktls_engine_config config = {
			.server_name = names[i], .verify = KTLS_VERIFY_NAME};

		assert_int_equal(ktls_engine_create(ctx, &config, &engine),
				 -EINVAL);
	}
	ktls_ctx_unref(&ctx);
}

static void test_final_dot_of_dns_is_dropped(void **state)
{
	const struct ktls_engine_config config = {.server_name = NAME ".",
						  .verify = KTLS_VERIFY_NAME};
	struct pair_config settings = {.tickets = 0};
	struct engine_pair pair;
	char name[KTLS_SERVER_NAME_MAX];

	pair_open(&pair, *state, &settings);
	pair_connect(&pair, &config);
	ktls_engine_server_name(pair.server, name);
	assert_string_equal(name, NAME);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info_of_every_suite),
		cmocka_unit_test(test_defaults_are_tls13_with_aes_128),
		cmocka_unit_test(test_client_below_the_servers_lowest_version),
		cmocka_unit_test(test_old_tls_is_never_spoken),
		cmocka_unit_test(test_no_cipher_in_common),
		cmocka_unit_test(test_small_records_are_seen),
		cmocka_unit_test(test_name_with_odd_letters_is_harmless),
		cmocka_unit_test(test_sni_chooses_the_certificate),
		cmocka_unit_test(test_unknown_or_missing_name_gets_the_default),
		cmocka_unit_test(
			test_named_certificate_wins_over_a_better_liked_key_type),
		cmocka_unit_test(test_good_name_verifies),
		cmocka_unit_test(test_wrong_name_fails),
		cmocka_unit_test(test_expired_certificate_fails),
		cmocka_unit_test(test_self_signed_certificate_fails),
		cmocka_unit_test(test_address_is_checked_as_an_address),
		cmocka_unit_test(test_failure_of_verification_sends_an_alert),
		cmocka_unit_test(test_without_verification_anybody_will_do),
		cmocka_unit_test(
			test_without_verification_a_good_one_still_shows),
		cmocka_unit_test(test_without_a_name_nothing_is_verified),
		cmocka_unit_test(
			test_verifying_nobody_in_particular_is_refused),
		cmocka_unit_test(
			test_names_that_would_loosen_the_check_are_refused),
		cmocka_unit_test(test_final_dot_of_dns_is_dropped),
	};

	return cmocka_run_group_tests_name("ktls_engine", tests, set_up,
					   tear_down);
}
