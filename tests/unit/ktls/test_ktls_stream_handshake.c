/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From clear text to TLS: the STARTTLS conversation, what may and may not be
 * in flight then, and handshakes that fail.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_peer.h"
#include "tests/unit/ktls/test_ktls_stream_ways.h"

#define SEEDS 100

/* --- STARTTLS as SMTP has it --- */

/* Server: "STARTTLS" is answered, then TLS. Client: the answer starts it. */
static void converse(struct side *side, enum ktls_event event)
{
	bool server = side->world->peer.out_len == 10;
	const char *line = server ? "STARTTLS\r\n" : "220 go ahead\r\n";

	if (event != KTLS_EVENT_READABLE || side->in_len < strlen(line))
		return;
	if (side->count[KTLS_EVENT_SECURE] > 0)
		return;
	assert_memory_equal(side->in, line, strlen(line));
	if (server)
		ktls_stream_write(&side->stream, "220 go ahead\r\n", 14);
	assert_int_equal(world_start_tls(side->world,
					 server ? KTLS_SERVER : KTLS_CLIENT,
					 KTLS_OFFLOAD_AUTO),
			 0);
}

static void starttls_as_a_server(void **state)
{
	for (size_t i = 0; i < SEEDS; i++) {
		const struct way *way = &ways[i % 6];
		struct world w;

		way_open(&w, *state, way, i);
		w.side.on = converse;
		peer_send(&w.peer, "STARTTLS\r\n", 10);
		world_while(&w, w.peer.in_len < 14);
		assert_int_equal(w.peer.in_len, 14);
		assert_memory_equal(w.peer.in, "220 go ahead\r\n", 14);
		world_peer_tls(&w, KTLS_SERVER);
		world_until_event(&w, KTLS_EVENT_SECURE);
		w.side.in_len = w.peer.in_len = 0;
		way_receive_one(&w);
		assert_true(w.side.info.offload[KTLS_RX]);
		world_close(&w);
	}
}

static void starttls_as_a_client(void **state)
{
	for (size_t i = 0; i < SEEDS; i++) {
		const struct way *way = &ways[6 + i % 6];
		struct world w;

		way_open(&w, *state, way, i);
		w.side.on = converse;
		side_send(&w.side, "STARTTLS\r\n", 10);
		world_while(&w, w.peer.in_len < 10);
		peer_send_raw(&w.peer, "220 go ahead\r\n", 14);
		world_while(&w, w.peer.in_len == 10);
		/* what came behind it is the ClientHello */
		assert_int_equal(w.peer.in[10], KTLS_HANDSHAKE);
		world_peer_tls(&w, KTLS_CLIENT);
		BIO_write(SSL_get_rbio(w.peer.ssl), w.peer.in + 10,
			  (int)(w.peer.in_len - 10));
		world_until_event(&w, KTLS_EVENT_SECURE);
		w.side.in_len = w.peer.in_len = 0;
		way_receive_one(&w);
		assert_true(w.side.info.offload[KTLS_RX]);
		world_close(&w);
	}
}

/* What is queued before start_tls goes in clear, what is queued behind it
 * never does. */
static void the_queue_is_cut_at_start_tls(void **state)
{
	for (size_t i = 0; i < SEEDS; i++) {
		unsigned char *clear, *secret;
		struct world w;

		way_open(&w, *state, &ways[i % way_count], i);
		clear = world_bytes(&w, 30000);
		secret = world_bytes(&w, 30000);
		ktls_stream_send(&w.side.stream, clear, 29000);
		ktls_stream_write(&w.side.stream, clear + 29000, 1000);
		assert_int_equal(world_start_tls(&w, ways[i % way_count].role,
						 KTLS_OFFLOAD_AUTO),
				 0);
		ktls_stream_write(&w.side.stream, secret, 10);
		ktls_stream_send(&w.side.stream, secret + 10, 29990);
		world_while(&w, w.peer.raw_len < 30000);
		assert_memory_equal(w.peer.raw, clear, 30000);
		world_peer_tls(&w, ways[i % way_count].role);
		if (w.peer.in_len > 30000)
			BIO_write(SSL_get_rbio(w.peer.ssl), w.peer.in + 30000,
				  (int)(w.peer.in_len - 30000));
		w.peer.in_len = 0;
		world_while(&w, w.peer.in_len < 30000);
		assert_memory_equal(w.peer.in, secret, 30000);
		assert_null(memmem(w.peer.raw, w.peer.raw_len, secret, 10));
		assert_null(
			memmem(w.peer.raw, w.peer.raw_len, secret + 10, 16));
		world_close(&w);
		free(clear);
		free(secret);
	}
}

/* A close in the middle doesn't send the rest in clear either. */
static void closing_before_the_handshake_sends_no_secret(void **state)
{
	for (size_t i = 0; i < SEEDS; i++) {
		struct world w;

		way_open(&w, *state, &ways[i % way_count], i);
		ktls_stream_write(&w.side.stream, "220 go ahead\r\n", 14);
		world_start_tls(&w, ways[i % way_count].role,
				KTLS_OFFLOAD_AUTO);
		ktls_stream_write(&w.side.stream, "MAIL FROM:<secret>\r\n", 20);
		world_turns(&w, world_below(&w, 10));
		ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
		world_while(&w, !w.peer.fin);
		assert_memory_equal(w.peer.raw, "220 go ahead\r\n", 14);
		assert_null(memmem(w.peer.raw, w.peer.raw_len, "secret", 6));
		peer_close(&w.peer);
		world_until(&w, side_closed);
		world_close(&w);
	}
}

/* --- what was in flight --- */

static void injected(struct shop *shop, enum ktls_role role, uint64_t seed)
{
	const struct way *way = &ways[role == KTLS_SERVER ? 0 : 6];
	struct world w;

	way_open(&w, shop, way, seed);
	world_turns(&w, 3); /* a receive is in flight */
	peer_send_raw(&w.peer, "RSET\r\nMAIL FROM:<a>\r\n", 21);
	while (w.peer.wire_len > 0)
		peer_pump(&w.peer);
	ktls_stream_write(&w.side.stream, "220 go ahead\r\n", 14);
	assert_int_equal(world_start_tls(&w, role, KTLS_OFFLOAD_AUTO), 0);
	world_until(&w, side_failed);
	/* either it was seen as what it is, or it met the engine */
	assert_true(w.side.failure.kind == KTLS_FAILURE_INJECTION ||
		    w.side.failure.kind == KTLS_FAILURE_HANDSHAKE);
	assert_int_equal(w.side.in_len, 0);
	assert_int_equal(w.side.count[KTLS_EVENT_READABLE], 0);
	world_close(&w);
}

static void clear_bytes_in_flight_never_reach_the_owner(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		injected(*state, KTLS_SERVER, seed);
		injected(*state, KTLS_CLIENT, seed);
	}
}

static void clear_bytes_before_our_answer_are_injected(void **state)
{
	struct world_config config = {.level = URING_LEVEL_BEST,
				      .socket_buffer = 1000};
	unsigned char *answer;
	struct world w;

	world_open(&w, *state, &config);
	world_start(&w);
	answer = world_bytes(&w, 5000);
	w.peer.stalled = true;
	world_turns(&w, 3);
	ktls_stream_write(&w.side.stream, answer, 5000);
	world_turns(&w, 3); /* the answer is stuck */
	uring_fake_peer_write(w.fake, w.peer.fd, "EHLO a\r\n", 8);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 0);
	world_turns(&w, 5);
	if (!side_failed(&w)) { /* the cancel won: it meets the engine */
		w.peer.stalled = false;
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_HANDSHAKE);
	} else {
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_INJECTION);
	}
	world_close(&w);
	free(answer);
}

/* An implicit TLS port whose owner took a while to say so. */
static void a_client_hello_in_flight_is_not_lost(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		const struct way *way = &ways[seed % 6];
		struct world w;

		way_open(&w, *state, way, seed);
		world_turns(&w, 3);
		world_peer_tls(&w, KTLS_SERVER);
		do
			peer_pump(&w.peer);
		while (w.peer.wire_len > 0);
		assert_int_equal(
			world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO), 0);
		world_until_event(&w, KTLS_EVENT_SECURE);
		way_receive_one(&w);
		assert_true(w.side.info.offload[KTLS_RX]);
		world_close(&w);
	}
}

static void implicit_tls_right_after_open(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		const struct way *way = &ways[seed % way_count];
		struct world w;

		way_secure(&w, *state, way, seed);
		assert_int_equal(w.side.count[KTLS_EVENT_READABLE], 0);
		assert_int_equal(w.side.count[KTLS_EVENT_SECURE], 1);
		world_close(&w);
	}
}

/* --- calls at the wrong time --- */

static void start_tls_at_the_wrong_time(void **state)
{
	struct world w;

	way_open(&w, *state, &ways[WAY_SERVER_13], 0);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 0);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 -EALREADY);
	world_peer_tls(&w, KTLS_SERVER);
	world_until_event(&w, KTLS_EVENT_SECURE);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 -EALREADY);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 -EPIPE);
	world_close(&w);
}

static void start_tls_needs_a_peer_that_still_speaks(void **state)
{
	struct world w;

	way_open(&w, *state, &ways[WAY_SERVER_13], 0);
	peer_fin(&w.peer);
	world_until(&w, side_eof);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 -EPIPE);
	world_close(&w);
}

/* --- handshakes that fail --- */

static void fail_with(struct shop *shop, enum ktls_role role, const void *bytes,
		      size_t len, const char *text)
{
	struct world w;

	way_open(&w, shop,
		 &ways[role == KTLS_SERVER ? WAY_SERVER_13 : WAY_CLIENT_13], 2);
	assert_int_equal(world_start_tls(&w, role, KTLS_OFFLOAD_AUTO), 0);
	peer_send_raw(&w.peer, bytes, len);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_HANDSHAKE);
	if (text)
		assert_string_equal(w.side.failure_text, text);
	assert_true(strlen(w.side.failure_text) > 0);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_while(&w, !w.peer.fin && !w.peer.reset);
	peer_close(&w.peer);
	world_until(&w, side_closed);
	world_close(&w);
}

static void what_is_no_tls_is_named(void **state)
{
	static const unsigned char long_record[] = {22, 3, 1, 0xff, 0xff, 1};
	static const unsigned char odd_version[] = {22, 2, 0, 0, 1, 1};
	static const unsigned char bad_hello[] = {22, 3, 1, 0, 4, 99, 0, 0, 0};
	unsigned char empty[40 * 5];
	static const char no_tls[] = "peer does not speak TLS";

	for (size_t at = 0; at < sizeof(empty); at += 5)
		memcpy(empty + at, "\x16\x03\x01\x00\x00", 5);
	fail_with(*state, KTLS_CLIENT, "500 what?\r\n", 11, no_tls);
	fail_with(*state, KTLS_SERVER, "EHLO me\r\n", 9, no_tls);
	fail_with(*state, KTLS_SERVER, long_record, sizeof(long_record),
		  no_tls);
	fail_with(*state, KTLS_SERVER, odd_version, sizeof(odd_version),
		  no_tls);
	fail_with(*state, KTLS_SERVER, bad_hello, sizeof(bad_hello), NULL);
	fail_with(*state, KTLS_SERVER, empty, sizeof(empty), NULL);
}

static void fin_in_the_handshake(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		const struct way *way = &ways[seed % way_count];
		struct world w;

		way_open(&w, *state, way, seed);
		assert_int_equal(
			world_start_tls(&w, way->role, KTLS_OFFLOAD_AUTO), 0);
		if (seed % 3)
			world_peer_tls(&w, way->role);
		world_turns(&w, world_below(&w, 8));
		w.peer.stalled = true;
		if (side_secure(&w)) {
			world_close(&w);
			continue;
		}
		peer_fin(&w.peer);
		world_turns(&w, 200);
		/* done on its side in time, or not */
		assert_true(side_secure(&w) || side_failed(&w));
		if (!side_secure(&w))
			assert_int_equal(w.side.failure.kind,
					 KTLS_FAILURE_HANDSHAKE);
		world_close(&w);
	}
}

static void a_wrong_name_is_not_accepted(void **state)
{
	struct shop *shop = *state;
	struct ktls_engine_config config = {.server_name = "other.example.test",
					    .verify = KTLS_VERIFY_NAME};

	for (int i = 0; i < 2; i++) {
		struct world w;

		way_open(&w, shop, &ways[i ? WAY_CLIENT_12 : WAY_CLIENT_13], 1);
		assert_int_equal(ktls_stream_start_tls(&w.side.stream,
						       shop->client, &config,
						       KTLS_OFFLOAD_AUTO),
				 0);
		world_peer_tls(&w, KTLS_CLIENT);
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_VERIFY);
		world_while(&w, w.peer.alert < 0);
		assert_true(w.peer.alert > 0); /* it is told why */
		world_close(&w);
	}
}

static void nothing_in_common_is_told_both(void **state)
{
	struct world_config config = {
		.version = KTLS_TLS_1_2,
		.suite = "ECDHE-RSA-AES128-GCM-SHA256", /* the key is no RSA */
	};
	struct world w;

	world_open(&w, *state, &config);
	world_start(&w);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 0);
	world_peer_tls(&w, KTLS_SERVER);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_HANDSHAKE);
	world_while(&w, w.peer.alert < 0);
	assert_int_equal(w.peer.alert, 40 /* handshake_failure */);
	world_close(&w);
}

static void many_handshake_bytes_end(void **state)
{
	unsigned char *flood = calloc(1, 400000);
	struct world w;

	assert_non_null(flood);
	/* a ClientHello of 16 MiB, in records of 16 KiB */
	for (size_t at = 0; at + 16389 <= 400000; at += 16389) {
		memcpy(flood + at, "\x16\x03\x01\x40\x00", 5);
		if (at == 0)
			memcpy(flood + 5, "\x01\xff\xff\xff", 4);
	}
	way_open(&w, *state, &ways[WAY_SERVER_13], 0);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 0);
	peer_send_raw(&w.peer, flood, 400000);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_HANDSHAKE);
	world_close(&w);
	free(flood);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starttls_as_a_server),
		cmocka_unit_test(starttls_as_a_client),
		cmocka_unit_test(the_queue_is_cut_at_start_tls),
		cmocka_unit_test(closing_before_the_handshake_sends_no_secret),
		cmocka_unit_test(clear_bytes_in_flight_never_reach_the_owner),
		cmocka_unit_test(clear_bytes_before_our_answer_are_injected),
		cmocka_unit_test(a_client_hello_in_flight_is_not_lost),
		cmocka_unit_test(implicit_tls_right_after_open),
		cmocka_unit_test(start_tls_at_the_wrong_time),
		cmocka_unit_test(start_tls_needs_a_peer_that_still_speaks),
		cmocka_unit_test(what_is_no_tls_is_named),
		cmocka_unit_test(fin_in_the_handshake),
		cmocka_unit_test(a_wrong_name_is_not_accepted),
		cmocka_unit_test(nothing_in_common_is_told_both),
		cmocka_unit_test(many_handshake_bytes_end),
	};

	return cmocka_run_group_tests(tests, shop_set_up, shop_tear_down);
}
