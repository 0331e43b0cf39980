/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On every way: how a connection ends, and what else comes after the handshake.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_ways.h"

/* --- ends --- */

void close_notify_is_eof(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		for (int early = 0; early < 2; early++) {
			struct world w;

			way_secure(&w, *state, &ways[i], i);
			if (!early)
				way_receive_one(&w);
			world_while(&w, !w.peer.done);
			peer_close_notify(&w.peer);
			world_until(&w, side_eof);
			assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
			world_turns(&w, 5);
			peer_fin(&w.peer);
			world_turns(&w, 5);
			assert_int_equal(w.side.count[KTLS_EVENT_EOF], 1);
			assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
			world_close(&w);
		}
	}
}

void fin_alone_is_truncation(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		peer_send(&w.peer, "last words", 10);
		world_while(&w, w.peer.out_at < 10 || w.peer.wire_len > 0);
		peer_fin(&w.peer);
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_TRUNCATED);
		assert_int_equal(w.side.in_len, 10);
		assert_int_equal(w.side.count[KTLS_EVENT_EOF], 0);
		world_close(&w);
	}
}

/* After a truncation our side may still end in order. */
void a_truncated_stream_can_be_flushed(void **state)
{
	struct world w;

	way_secure(&w, *state, &ways[WAY_SERVER_13], 2);
	way_receive_one(&w);
	peer_fin(&w.peer);
	world_until(&w, side_failed);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_until(&w, side_closed);
	world_turns(&w, 5);
	assert_true(w.peer.notify);
	world_close(&w);
}

void a_bad_record_is_a_failure(void **state)
{
	unsigned char record[5 + 40] = {23, 3, 3, 0, 40};

	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		peer_send_raw(&w.peer, record, sizeof(record));
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_RECORD);
		assert_true(strlen(w.side.failure_text) > 0);
		world_while(&w, w.peer.alert < 0);
		assert_int_equal(w.peer.alert, 20 /* bad_record_mac */);
		world_close(&w);
	}
}

void no_record_at_all_is_a_failure(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		for (int early = 0; early < 2; early++) {
			struct world w;

			way_secure(&w, *state, &ways[i], i);
			if (!early)
				way_receive_one(&w);
			peer_send_raw(&w.peer, "GET / HTTP/1.0\r\n\r\n......",
				      24);
			world_turns(&w, 20);
			peer_fin(&w.peer);
			world_until(&w, side_failed);
			assert_true(
				w.side.failure.kind == KTLS_FAILURE_RECORD ||
				w.side.failure.kind == KTLS_FAILURE_TRUNCATED);
			world_close(&w);
		}
	}
}

/* The peer gets a record that it can't open, and says so. */
void a_fatal_alert_is_a_failure_with_a_name(void **state)
{
	unsigned char record[5 + 40] = {23, 3, 3, 0, 40};

	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		BIO_write(SSL_get_rbio(w.peer.ssl), record, sizeof(record));
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_ALERT);
		assert_non_null(strstr(w.side.failure_text, "bad"));
		world_close(&w);
	}
}

void reset_is_a_failure(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		peer_reset(&w.peer);
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_IO);
		assert_int_equal(w.side.failure.error, ECONNRESET);
		world_close(&w);
	}
}

/* --- after the handshake --- */

static bool is_13(const struct way *way)
{
	return way->version == KTLS_TLS_1_3;
}

void late_tickets_do_no_harm(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		if (ways[i].role != KTLS_CLIENT || !is_13(&ways[i]))
			continue;
		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		for (int t = 0; t < 5; t++) {
			assert_true(SSL_new_session_ticket(w.peer.ssl));
			way_receive_one(&w);
		}
		assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
		world_close(&w);
	}
}

void a_flood_of_tickets_ends(void **state)
{
	struct world w;

	way_secure(&w, *state, &ways[WAY_CLIENT_13], 0);
	way_receive_one(&w);
	for (int t = 0; t < 4 * KSTREAM_CONTROL_RECORDS && !side_failed(&w);
	     t++) {
		SSL_new_session_ticket(w.peer.ssl);
		peer_send(&w.peer, "x", 1);
		world_while(&w, !side_failed(&w) && w.side.in_len < 1);
		w.side.in_len = 0;
		world_turns(&w, 5);
		w.peer.out_len = w.peer.out_at = 0;
	}
	assert_true(side_failed(&w));
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_RECORD);
	world_close(&w);
}

/* What was queued before the peer changed its keys still goes out. */
void rekey_still_sends_the_queue(void **state)
{
	unsigned char *up;
	struct world w;

	way_open(&w, *state, &ways[WAY_SERVER_13], 1);
	w.caps.rekey_tx = w.caps.rekey_rx = false;
	world_secure(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO);
	way_receive_one(&w);
	up = world_bytes(&w, 90000);
	w.peer.stalled = true;
	side_send(&w.side, up, 90000);
	w.peer.stalled = false;
	assert_true(SSL_key_update(w.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
	SSL_do_handshake(w.peer.ssl);
	world_until(&w, side_failed);
	assert_int_equal(w.side.out_at, 90000);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_while(&w, !w.peer.fin);
	assert_int_equal(w.peer.in_len, 90000);
	assert_memory_equal(w.peer.in, up, 90000);
	assert_true(w.peer.notify);
	peer_close(&w.peer);
	world_until(&w, side_closed);
	world_close(&w);
	free(up);
}

void renegotiation_is_refused(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		if (is_13(&ways[i]) || ways[i].role != KTLS_SERVER)
			continue;
		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		if (!SSL_renegotiate(w.peer.ssl)) {
			world_close(&w);
			continue;
		}
		SSL_do_handshake(w.peer.ssl);
		world_turns(&w, 200);
		/* OpenSSL refuses with a warning; the kernel path ends */
		assert_true(w.peer.broken || w.peer.fin || side_failed(&w));
		world_close(&w);
	}
}
