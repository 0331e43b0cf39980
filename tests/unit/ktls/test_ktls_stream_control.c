/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control records of kernel TLS, of every kind and make: after the handshake
 * the fake kernel's records have no cipher, so that the peer can write any.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_ways.h"

#define SEEDS 20

/* A stream with both directions in the kernel, the peer's first words read. */
static void open_kernel(struct world *w, struct shop *shop, unsigned way,
			uint64_t seed)
{
	struct world_config config = way_config(shop, &ways[way], seed);

	config.clear_records = true;
	world_open(w, shop, &config);
	world_start(w);
	world_secure(w, ways[way].role, KTLS_OFFLOAD_AUTO);
	world_while(w, !w->peer.done);
	if (ways[way].role == KTLS_CLIENT &&
	    ways[way].version == KTLS_TLS_1_3) {
		peer_send(&w->peer, "x", 1); /* by OpenSSL, with its tickets */
		world_while(w, w->side.in_len < 1);
		w->side.in_len = 0;
	}
	world_turns(w, 3);
	assert_true(w->side.info.offload[KTLS_RX]);
}

static const unsigned kernel_ways[] = {WAY_SERVER_13, WAY_SERVER_12,
				       WAY_CLIENT_13, WAY_CLIENT_12};

static bool is_13(unsigned way)
{
	return ways[way].version == KTLS_TLS_1_3;
}

static void expect_failure(struct world *w, enum ktls_failure kind,
			   const char *text)
{
	world_until(w, side_failed);
	assert_int_equal(w->side.failure.kind, kind);
	assert_non_null(strstr(w->side.failure_text, text));
}

/* The last record on the wire is this alert. */
static void expect_alert(struct world *w, uint8_t level, uint8_t description)
{
	unsigned char alert[] = {21, 3, 3, 0, 2, level, description};
	const struct peer *peer = &w->peer;

	world_turns(w, 50);
	assert_true(peer->raw_len > sizeof(alert));
	assert_memory_equal(peer->raw + peer->raw_len - sizeof(alert), alert,
			    sizeof(alert));
}

static void one_bad_record(struct shop *shop, unsigned way, uint8_t type,
			   const void *data, size_t len, const char *text)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct world w;

		open_kernel(&w, shop, way, seed);
		peer_send_record(&w.peer, type, data, len);
		expect_failure(&w, KTLS_FAILURE_RECORD, text);
		expect_alert(&w, 2, 10);
		world_close(&w);
	}
}

static void what_does_not_belong_there_ends(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned way = kernel_ways[i];

		one_bad_record(*state, way, 21, "\2", 1, "malformed alert");
		one_bad_record(*state, way, 21, "\1\0\1", 3, "malformed alert");
		one_bad_record(*state, way, 20, "\1", 1, "unexpected record");
		one_bad_record(*state, way, 24, "\1\0\1", 3,
			       "unexpected record");
		one_bad_record(*state, way, 22, "", 0, "empty record");
		one_bad_record(*state, way, 21, "", 0, "empty record");
		one_bad_record(*state, way, 22, "\2\0\0\1x", 5,
			       "unexpected handshake message");
	}
}

static void messages_have_their_side_and_version(void **state)
{
	one_bad_record(*state, WAY_SERVER_13, 22, "\4\0\0\1x", 5,
		       "unexpected handshake message");
	one_bad_record(*state, WAY_SERVER_12, 22, "\1\0\0\1x", 5,
		       "renegotiate");
	one_bad_record(*state, WAY_SERVER_12, 22, "\0\0\0\0", 4,
		       "unexpected handshake message");
	one_bad_record(*state, WAY_CLIENT_12, 22, "\30\0\0\1\0", 5,
		       "unexpected handshake message");
}

static void a_fatal_alert_is_named(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct world w;

		open_kernel(&w, *state, kernel_ways[i], i);
		peer_send_record(&w.peer, 21, "\2\50", 2); /* 40 */
		expect_failure(&w, KTLS_FAILURE_ALERT, "handshake");
		world_close(&w);
		open_kernel(&w, *state, kernel_ways[i], i);
		peer_send_record(&w.peer, 21, "\2\377", 2);
		expect_failure(&w, KTLS_FAILURE_ALERT, "255");
		world_close(&w);
	}
}

/* In TLS 1.3 the level is not to be believed (RFC 8446 section 6). */
static void warnings_go_by_the_version(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct world w;

		open_kernel(&w, *state, kernel_ways[i], i);
		peer_send_record(&w.peer, 21, "\1\132", 2); /* user_canceled */
		peer_send_record(&w.peer, 23, "go on", 5);
		world_while(&w, w.side.in_len < 5);
		peer_send_record(&w.peer, 21, "\1\144", 2); /* 100 */
		peer_send_record(&w.peer, 23, "go on", 5);
		if (is_13(kernel_ways[i]))
			expect_failure(&w, KTLS_FAILURE_ALERT, "100");
		else
			world_while(&w, w.side.in_len < 10);
		world_close(&w);
	}
}

static void nothing_behind_close_notify(struct shop *shop, unsigned way,
					uint64_t seed)
{
	struct world w;

	open_kernel(&w, shop, way, seed);
	peer_send_record(&w.peer, 23, "last", 4);
	peer_send_record(&w.peer, 21, "\1\0", 2);
	peer_send_record(&w.peer, 23, "more", 4);
	peer_send_record(&w.peer, 21, "\2\50", 2);
	world_until(&w, side_eof);
	world_turns(&w, 20);
	assert_int_equal(w.side.in_len, 4);
	assert_int_equal(w.side.count[KTLS_EVENT_EOF], 1);
	assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
	w.side.close_when_written = true;
	side_send(&w.side, "bye", 3); /* our half is open */
	world_while(&w, !w.peer.fin);
	expect_alert(&w, 1, 0);
	peer_close(&w.peer);
	world_until(&w, side_closed);
	world_close(&w);
}

static void behind_close_notify_nothing_counts(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		for (uint64_t seed = 0; seed < SEEDS; seed++)
			nothing_behind_close_notify(*state, kernel_ways[i],
						    seed);
}

/* Sends @len bytes of handshake messages cut into records at random. */
static void send_cut(struct world *w, const unsigned char *data, size_t len)
{
	while (len > 0) {
		size_t n = 1 + world_below(w, (unsigned)len);

		peer_send_record(&w->peer, 22, data, n);
		data += n;
		len -= n;
		if (world_below(w, 2) == 0)
			peer_send_record(&w->peer, 23, "", 0);
	}
}

static void tickets_may_be_cut_anywhere(void **state)
{
	static const unsigned char key_update[] = {24, 0, 0, 1, 0};

	for (uint64_t seed = 0; seed < 10 * SEEDS; seed++) {
		unsigned char tickets[600] = {0};
		struct world w;

		/* two of them, with bodies of 296 bytes */
		tickets[0] = tickets[300] = 4;
		tickets[2] = tickets[302] = 1;
		tickets[3] = tickets[303] = 40;
		open_kernel(&w, *state, WAY_CLIENT_13, seed);
		send_cut(&w, tickets, sizeof(tickets));
		peer_send_record(&w.peer, 23, "data", 4);
		world_while(&w, w.side.in_len < 4 && !side_failed(&w));
		assert_false(side_failed(&w));
		send_cut(&w, key_update, sizeof(key_update));
		expect_failure(&w, KTLS_FAILURE_REKEY, "keys");
		world_close(&w);
	}
}

static void a_hello_request_is_ignored(void **state)
{
	struct world w;

	open_kernel(&w, *state, WAY_CLIENT_12, 3);
	peer_send_record(&w.peer, 22, "\0\0\0\0", 4);
	peer_send_record(&w.peer, 23, "data", 4);
	world_while(&w, w.side.in_len < 4);
	assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
	world_close(&w);
}

static void harmless_records_have_an_end(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct world w;

		open_kernel(&w, *state, kernel_ways[i], i);
		for (unsigned n = 0; n <= KSTREAM_CONTROL_RECORDS; n++)
			peer_send_record(&w.peer, 21, "\1\132", 2);
		expect_failure(&w, KTLS_FAILURE_RECORD, "too many");
		world_close(&w);
	}
}

/* The bytes in front of what ends the connection are read first. */
static void data_comes_before_the_failure_behind_it(void **state)
{
	for (uint64_t seed = 0; seed < 5 * SEEDS; seed++) {
		struct world w;

		open_kernel(&w, *state, kernel_ways[seed % 4], seed);
		peer_send_record(&w.peer, 23, "221 bye\r\n", 9);
		peer_send_record(&w.peer, 21, "\2\50", 2);
		world_until(&w, side_failed);
		assert_int_equal(w.side.in_len, 9);
		world_close(&w);
	}
}

static void empty_data_is_nothing(void **state)
{
	struct world w;

	open_kernel(&w, *state, WAY_SERVER_13, 1);
	for (unsigned n = 0; n < 200; n++)
		peer_send_record(&w.peer, 23, "", 0);
	peer_send_record(&w.peer, 23, "data", 4);
	world_while(&w, w.side.in_len < 4);
	assert_int_equal(w.side.count[KTLS_EVENT_EOF], 0);
	world_close(&w);
}

static void a_version_that_is_none_ends(void **state)
{
	struct world w;

	open_kernel(&w, *state, WAY_SERVER_13, 1);
	peer_send_raw(&w.peer, "\x17\x02\x00\x00\x01x", 6);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_RECORD);
	assert_int_equal(w.side.failure.error, EINVAL);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_does_not_belong_there_ends),
		cmocka_unit_test(messages_have_their_side_and_version),
		cmocka_unit_test(a_fatal_alert_is_named),
		cmocka_unit_test(warnings_go_by_the_version),
		cmocka_unit_test(behind_close_notify_nothing_counts),
		cmocka_unit_test(tickets_may_be_cut_anywhere),
		cmocka_unit_test(a_hello_request_is_ignored),
		cmocka_unit_test(harmless_records_have_an_end),
		cmocka_unit_test(data_comes_before_the_failure_behind_it),
		cmocka_unit_test(empty_data_is_nothing),
		cmocka_unit_test(a_version_that_is_none_ends),
	};

	return cmocka_run_group_tests(tests, shop_set_up, shop_tear_down);
}
