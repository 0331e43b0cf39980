/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resumption: tickets reach the client's cache and come back, for the same
 * peer, never verified weaker than asked, once each in TLS 1.3.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ktls/ktls_ctx_private.h"
#include "tests/unit/ktls/engine_pair.h"

#define NAME "mx.example.test"

static const struct ktls_engine_config usual = {.server_name = NAME,
						.session_key = "mx:25",
						.verify = KTLS_VERIFY_NAME};

static int set_up(void **state)
{
	struct test_certs *certs = calloc(1, sizeof(*certs));
	static const char *const names[] = {NAME, "mx2.example.test", NULL};
	const struct test_cert_spec spec = {.file = "server", .names = names};
	static const char *const same[] = {NAME, NULL};
	const struct test_cert_spec self = {
		.file = "self", .names = same, .self_signed = true};

	test_certs_open(certs);
	test_certs_make(certs, &spec);
	test_certs_make(certs, &self);
	*state = certs;
	return 0;
}

static int tear_down(void **state)
{
	test_certs_close(*state);
	free(*state);
	return 0;
}

static void open_pair(struct engine_pair *pair, void **state,
		      enum ktls_version version, unsigned tickets, size_t cache)
{
	struct pair_config config = {
		.version = version, .tickets = tickets, .session_cache = cache};

	pair_open(pair, *state, &config);
}

/* Connects, reads the tickets, closes in order; was it resumed? */
static bool visit(struct engine_pair *pair,
		  const struct ktls_engine_config *config)
{
	struct ktls_info client, server;
	char text[8];

	pair_connect(pair, config);
	ktls_engine_info(pair->client, &client);
	ktls_engine_info(pair->server, &server);
	assert_int_equal(client.resumed, server.resumed);
	wire_deliver(&pair->down, pair->client);
	assert_int_equal(ktls_engine_read(pair->client, text, 8), -EAGAIN);
	pair_engines_free(pair);
	return client.resumed;
}

static void test_second_visit_resumes(void **state)
{
	for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		struct engine_pair pair;

		open_pair(&pair, state, v, 2, 8);
		assert_false(visit(&pair, &usual));
		assert_true(visit(&pair, &usual));
		assert_true(visit(&pair, &usual));
		pair_close(&pair);
	}
}

static void test_resumed_session_is_still_verified(void **state)
{
	for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		struct engine_pair pair;
		struct ktls_info info;

		open_pair(&pair, state, v, 2, 8);
		visit(&pair, &usual);
		pair_connect(&pair, &usual);
		ktls_engine_info(pair.client, &info);
		assert_true(info.resumed);
		assert_true(info.verified);
		pair_close(&pair);
	}
}

static void test_statistics(void **state)
{
	struct ktls_ctx_stats stats;
	struct engine_pair pair;

	open_pair(&pair, state, KTLS_TLS_1_3, 3, 8);
	visit(&pair, &usual);
	ktls_ctx_stats(pair.client_ctx, &stats);
	assert_int_equal(stats.sessions_stored, 3);
	assert_int_equal(stats.sessions_used, 0);
	visit(&pair, &usual);
	ktls_ctx_stats(pair.client_ctx, &stats);
	assert_int_equal(stats.sessions_used, 1);
	ktls_ctx_stats(pair.server_ctx, &stats);
	assert_int_equal(stats.sessions_stored, 0);
	pair_close(&pair);
}

/* Three connections at once, two tickets: two resume, none shares one. */
static void test_tls13_ticket_serves_once(void **state)
{
	struct ktls_engine *other;
	struct ktls_ctx_stats stats;
	struct engine_pair pair;

	open_pair(&pair, state, KTLS_TLS_1_3, 2, 8);
	visit(&pair, &usual);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			ktls_engine_create(pair.client_ctx, &usual, &other), 0);
		ktls_engine_free(&other);
	}
	ktls_ctx_stats(pair.client_ctx, &stats);
	assert_int_equal(stats.sessions_used, 2);
	pair_close(&pair);
}

static void test_without_tickets_nothing_resumes(void **state)
{
	for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		struct engine_pair pair;

		open_pair(&pair, state, v, 0, 8);
		assert_false(visit(&pair, &usual));
		assert_false(visit(&pair, &usual));
		pair_close(&pair);
	}
}

static void test_without_a_cache_nothing_resumes(void **state)
{
	for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		struct engine_pair pair;

		open_pair(&pair, state, v, 2, 0);
		assert_false(visit(&pair, &usual));
		assert_false(visit(&pair, &usual));
		pair_close(&pair);
	}
}

static void test_without_a_key_nothing_resumes(void **state)
{
	const struct ktls_engine_config keyless = {.server_name = NAME};
	struct engine_pair pair;

	open_pair(&pair, state, KTLS_TLS_1_3, 2, 8);
	assert_false(visit(&pair, &keyless));
	assert_false(visit(&pair, &keyless));
	pair_close(&pair);
}

static void test_sessions_are_by_peer_and_name(void **state)
{
	struct ktls_engine_config other = usual;
	struct engine_pair pair;

	open_pair(&pair, state, KTLS_TLS_1_3, 2, 8);
	visit(&pair, &usual);
	other.session_key = "mx:26";
	assert_false(visit(&pair, &other));
	other = usual;
	other.server_name = "mx2.example.test";
	assert_false(visit(&pair, &other));
	other.server_name = NULL;
	other.verify = KTLS_VERIFY_NONE;
	assert_false(visit(&pair, &other));
	assert_true(visit(&pair, &usual));
	pair_close(&pair);
}

/* A ticket from a server that nobody verified must not get around the
 * verification later. */
static void test_unverified_session_is_not_used_for_a_verified_visit(
	void **state)
{
	struct test_certs *certs = *state;
	const struct ktls_cert_files self = {
		test_certs_path(certs, "self.pem"),
		test_certs_path(certs, "self.key")};
	struct ktls_engine_config anybody = usual;

	anybody.verify = KTLS_VERIFY_NONE;
	for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		struct pair_config config = {.version = v,
					     .tickets = 2,
					     .session_cache = 8,
					     .certs = &self,
					     .cert_count = 1};
		struct engine_pair pair;
		enum ktls_step server;

		pair_open(&pair, certs, &config);
		assert_false(visit(&pair, &anybody));
		assert_true(visit(&pair, &anybody));
		pair_engines(&pair, &usual);
		assert_int_equal(pair_handshake(&pair, &server),
				 KTLS_STEP_FAILED);
		assert_int_equal(ktls_engine_fault(pair.client),
				 KTLS_FAULT_VERIFY);
		pair_close(&pair);
	}
}

/* Whoever did not ask but met a good certificate has a good session. */
static void test_session_that_happened_to_be_good_serves_both(void **state)
{
	struct ktls_engine_config anybody = usual;
	struct engine_pair pair;

	anybody.verify = KTLS_VERIFY_NONE;
	open_pair(&pair, state, KTLS_TLS_1_3, 2, 8);
	assert_false(visit(&pair, &anybody));
	assert_true(visit(&pair, &usual));
	pair_close(&pair);
}

static void test_failed_resumption_forgets_the_peer(void **state)
{
	static const unsigned char junk[] = {23, 3, 3, 0, 1, 0};

	for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		struct engine_pair pair;

		open_pair(&pair, state, v, 4, 8);
		visit(&pair, &usual);
		pair_engines(&pair, &usual);
		ktls_engine_start(pair.client);
		assert_int_equal(
			ktls_engine_feed(pair.client, junk, sizeof(junk)),
			KTLS_STEP_FAILED);
		assert_false(visit(&pair, &usual));
		pair_close(&pair);
	}
}

/* A restarted server has new ticket keys: a full handshake, no failure. */
static void test_server_that_lost_its_ticket_keys(void **state)
{
	for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		struct engine_pair pair, other;
		struct ktls_ctx *swap;

		open_pair(&pair, state, v, 2, 8);
		open_pair(&other, state, v, 2, 8);
		visit(&pair, &usual);
		swap = pair.server_ctx;
		pair.server_ctx = other.server_ctx;
		other.server_ctx = swap;
		assert_false(visit(&pair, &usual));
		assert_true(visit(&pair, &usual));
		pair_close(&pair);
		pair_close(&other);
	}
}

/* --- the server's ticket keys --- */

static uint64_t the_time;

static uint64_t fake_clock(void)
{
	return the_time;
}

static void open_clocked(struct engine_pair *pair, void **state,
			 enum ktls_version version)
{
	struct pair_config config = {.version = version,
				     .tickets = 1,
				     .session_cache = 8,
				     .ticket_key_lifetime = 100,
				     .clock = fake_clock};

	the_time = 1000;
	pair_open(pair, *state, &config);
}

static void test_ticket_keys_change_with_time(void **state)
{
	for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		struct engine_pair pair;

		open_clocked(&pair, state, v);
		assert_false(visit(&pair, &usual));
		the_time += 99;
		assert_true(visit(&pair, &usual));
		the_time += 99; /* another one seals, the first one opens */
		assert_true(visit(&pair, &usual));
		the_time += 1000; /* neither is left */
		assert_false(visit(&pair, &usual));
		assert_true(visit(&pair, &usual));
		pair_close(&pair);
	}
}

/* OpenSSL's client keeps its first TLS 1.2 ticket, so its end can be seen. */
static void test_a_ticket_is_good_for_two_lifetimes_of_its_key(void **state)
{
	struct engine_pair pair;

	open_clocked(&pair, state, KTLS_TLS_1_2);
	assert_false(visit(&pair, &usual));
	the_time += 199;
	assert_true(visit(&pair, &usual));
	the_time += 1;
	assert_false(visit(&pair, &usual));
	pair_close(&pair);
}

/* TLS 1.3 has a new ticket with each visit. */
static void test_who_comes_often_resumes_for_ever(void **state)
{
	struct engine_pair pair;

	open_clocked(&pair, state, KTLS_TLS_1_3);
	assert_false(visit(&pair, &usual));
	for (int i = 0; i < 10; i++) {
		the_time += 100;
		assert_true(visit(&pair, &usual));
	}
	pair_close(&pair);
}

static void test_no_ticket_key_outlives_its_time(void **state)
{
	struct engine_pair pair;
	struct ktls_tickets *tickets;

	open_clocked(&pair, state, KTLS_TLS_1_2);
	tickets = pair.server_ctx->tickets;
	assert_int_equal(ktls_tickets_keys(tickets), 0);
	visit(&pair, &usual);
	assert_int_equal(ktls_tickets_keys(tickets), 1);
	the_time += 100;
	visit(&pair, &usual);
	assert_int_equal(ktls_tickets_keys(tickets), 2);
	the_time += 100;
	visit(&pair, &usual);
	assert_int_equal(ktls_tickets_keys(tickets), 2);
	the_time += 1000;
	visit(&pair, &usual);
	assert_int_equal(ktls_tickets_keys(tickets), 1);
	pair_close(&pair);
}

static void test_cache_is_bounded_and_drops_the_oldest(void **state)
{
	struct ktls_engine_config peers[3] = {usual, usual, usual};
	struct engine_pair pair;

	peers[1].session_key = "b:25";
	peers[2].session_key = "c:25";
	open_pair(&pair, state, KTLS_TLS_1_2, 1, 2);
	for (int i = 0; i < 3; i++)
		assert_false(visit(&pair, &peers[i]));
	assert_true(visit(&pair, &peers[2]));
	assert_true(visit(&pair, &peers[1]));
	assert_false(visit(&pair, &peers[0]));
	pair_close(&pair);
}

static void test_one_peer_cannot_fill_the_cache(void **state)
{
	struct ktls_engine_config quiet = usual;
	struct engine_pair pair;

	quiet.session_key = "quiet:25";
	open_pair(&pair, state, KTLS_TLS_1_3, 12, 10);
	visit(&pair, &quiet);
	visit(&pair, &usual); /* 12 tickets, more than all there is room for */
	assert_true(visit(&pair, &quiet));
	pair_close(&pair);
}

/* --- the cache by itself --- */

static SSL_SESSION *make_session(long life)
{
	SSL_SESSION *session = SSL_SESSION_new();

	assert_non_null(session);
	SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION);
	SSL_SESSION_set_timeout(session, life);
	return session;
}

static void test_expired_session_is_not_given(void **state)
{
	const struct ktls_session_id id = {"mx:25", NAME};
	struct ktls_sessions *cache = ktls_sessions_create(4);
	SSL_SESSION *dead = make_session(0), *alive = make_session(1000);
	SSL_SESSION *got;

	ktls_sessions_put(cache, &id, dead, true);
	assert_null(ktls_sessions_take(cache, &id, false));
	ktls_sessions_put(cache, &id, alive, true);
	got = ktls_sessions_take(cache, &id, true);
	assert_non_null(got);
	SSL_SESSION_free(got);
	SSL_SESSION_free(dead);
	SSL_SESSION_free(alive);
	ktls_sessions_free(&cache);
	assert_null(cache);
	ktls_sessions_free(&cache);
}

#define THREADS 4

static void *hammer(void *arg)
{
	struct ktls_sessions *cache = arg;
	SSL_SESSION *session = make_session(1000);
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};

	for (int i = 0; i < 3000; i++) {
		struct ktls_session_id id = {keys[i % 6], NULL};
		SSL_SESSION *got;

		if (i % 3 == 0)
			ktls_sessions_put(cache, &id, session, i % 2);
		if (i % 31 == 0)
			ktls_sessions_forget(cache, &id);
		got = ktls_sessions_take(cache, &id, i % 5 == 0);
		SSL_SESSION_free(got);
	}
	SSL_SESSION_free(session);
	return NULL;
}

static void test_threads_share_a_cache(void **state)
{
	struct ktls_sessions *cache = ktls_sessions_create(4);
	struct ktls_ctx_stats stats;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, hammer, cache), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ktls_sessions_stats(cache, &stats);
	assert_int_equal(stats.sessions_stored, THREADS * 1000);
	ktls_sessions_free(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_visit_resumes),
		cmocka_unit_test(test_resumed_session_is_still_verified),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_tls13_ticket_serves_once),
		cmocka_unit_test(test_ticket_keys_change_with_time),
		cmocka_unit_test(
			test_a_ticket_is_good_for_two_lifetimes_of_its_key),
		cmocka_unit_test(test_who_comes_often_resumes_for_ever),
		cmocka_unit_test(test_no_ticket_key_outlives_its_time),
		cmocka_unit_test(test_without_tickets_nothing_resumes),
		cmocka_unit_test(test_without_a_cache_nothing_resumes),
		cmocka_unit_test(test_without_a_key_nothing_resumes),
		cmocka_unit_test(test_sessions_are_by_peer_and_name),
		cmocka_unit_test(
			test_unverified_session_is_not_used_for_a_verified_visit),
		cmocka_unit_test(
			test_session_that_happened_to_be_good_serves_both),
		cmocka_unit_test(test_failed_resumption_forgets_the_peer),
		cmocka_unit_test(test_server_that_lost_its_ticket_keys),
		cmocka_unit_test(test_cache_is_bounded_and_drops_the_oldest),
		cmocka_unit_test(test_one_peer_cannot_fill_the_cache),
		cmocka_unit_test(test_expired_session_is_not_given),
		cmocka_unit_test(test_threads_share_a_cache),
	};

	return cmocka_run_group_tests_name("ktls_resume", tests, set_up,
					   tear_down);
}
