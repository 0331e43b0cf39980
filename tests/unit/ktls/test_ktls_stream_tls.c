/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams under TLS, in user space and on the fake's kernel TLS, against
 * OpenSSL: the same behaviour on every way; and what is said when the kernel
 * takes less than everything.
 */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_ways.h"

/* --- why not --- */

static void offload_never_is_policy(void **state)
{
	struct world w;

	way_open(&w, *state, &ways[WAY_SERVER_13], 3);
	world_secure(&w, KTLS_SERVER, KTLS_OFFLOAD_NEVER);
	way_receive_one(&w);
	assert_int_equal(w.side.info.reason[KTLS_TX], KTLS_REASON_POLICY);
	assert_int_equal(w.side.info.reason[KTLS_RX], KTLS_REASON_POLICY);
	assert_non_null(strstr(w.side.described, "offload=none why=policy"));
	assert_int_equal(w.kernel.calls[KTLS_TX], 0);
	world_close(&w);
}

static void one_direction_alone_can_be_in_the_kernel(void **state)
{
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		for (size_t i = 0; i < way_count; i += 3) {
			unsigned char *up, *down;
			struct world w;

			if (!ways[i].kernel)
				continue;
			way_open(&w, *state, &ways[i], i);
			for (unsigned c = 0; c < KTLS_CIPHERS; c++)
				w.caps.cipher[c][ways[i].version][dir] = false;
			world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
			up = world_bytes(&w, 50000);
			down = world_bytes(&w, 50000);
			side_send(&w.side, up, 50000);
			peer_send(&w.peer, down, 50000);
			world_until(&w, world_exchanged);
			world_assert_exchanged(&w);
			assert_int_equal(w.side.info.reason[dir],
					 KTLS_REASON_NO_CIPHER);
			assert_true(w.side.info.offload[!dir]);
			world_close(&w);
			free(up);
			free(down);
		}
	}
}

static void refused(struct shop *shop, const struct way *way, int name,
		    enum ktls_reason reason)
{
	struct world w;

	way_open(&w, shop, way, 5);
	w.kernel.fail_name = name;
	w.kernel.fail_error = ENOENT;
	world_secure(&w, way->role, KTLS_OFFLOAD_AUTO);
	way_receive_one(&w);
	assert_int_equal(w.side.info.reason[KTLS_TX], reason);
	assert_int_equal(w.side.info.reason[KTLS_RX], reason);
	assert_int_equal(w.side.info.reason_error, ENOENT);
	assert_false(w.side.info.offload[KTLS_TX]);
	world_close(&w);
}

static void a_refusal_before_the_first_key_is_no_failure(void **state)
{
	refused(*state, &ways[WAY_SERVER_13], TCP_ULP, KTLS_REASON_NO_ULP);
	refused(*state, &ways[WAY_SERVER_13], TLS_RX, KTLS_REASON_SETSOCKOPT);
	refused(*state, &ways[WAY_SERVER_12], TLS_RX, KTLS_REASON_SETSOCKOPT);
	refused(*state, &ways[WAY_CLIENT_12], TLS_RX, KTLS_REASON_SETSOCKOPT);
}

static void a_refusal_after_the_first_key_is_one(void **state)
{
	struct world w;

	way_open(&w, *state, &ways[WAY_SERVER_13], 5);
	w.kernel.fail_name = TLS_TX;
	w.kernel.fail_error = EINVAL;
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 0);
	world_peer_tls(&w, KTLS_SERVER);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_INSTALL);
	assert_int_equal(w.side.failure.error, EINVAL);
	assert_int_equal(w.side.count[KTLS_EVENT_SECURE], 0);
	world_close(&w);
}

static void a_late_refusal_is_one_too(void **state)
{
	struct world w;

	way_open(&w, *state, &ways[WAY_CLIENT_13], 5);
	w.kernel.fail_name = TLS_RX;
	w.kernel.fail_error = EINVAL;
	world_secure(&w, KTLS_CLIENT, KTLS_OFFLOAD_AUTO);
	peer_send(&w.peer, "250 ok\r\n", 8);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_INSTALL);
	assert_true(w.side.in_len > 0); /* what came was good */
	world_close(&w);
}

static void offload_always_insists(void **state)
{
	struct world w;

	way_open(&w, *state, &ways[WAY_SERVER_13_USER], 5);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_ALWAYS),
			 0);
	world_peer_tls(&w, KTLS_SERVER);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_INSTALL);
	assert_string_equal(w.side.failure_text,
			    ktls_reason_text(KTLS_REASON_NO_ULP));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_in_are_bytes_out_on_every_way),
		cmocka_unit_test(a_large_range_goes_out_whole),
		cmocka_unit_test(the_kernel_takes_both_directions),
		cmocka_unit_test(
			a_client_receives_in_openssl_until_the_first_reply),
		cmocka_unit_test(an_idle_kernel_stream_is_small),
		cmocka_unit_test(tickets_reach_the_session_cache),
		cmocka_unit_test(offload_never_is_policy),
		cmocka_unit_test(one_direction_alone_can_be_in_the_kernel),
		cmocka_unit_test(a_refusal_before_the_first_key_is_no_failure),
		cmocka_unit_test(a_refusal_after_the_first_key_is_one),
		cmocka_unit_test(a_late_refusal_is_one_too),
		cmocka_unit_test(offload_always_insists),
		cmocka_unit_test(close_notify_is_eof),
		cmocka_unit_test(fin_alone_is_truncation),
		cmocka_unit_test(a_truncated_stream_can_be_flushed),
		cmocka_unit_test(a_bad_record_is_a_failure),
		cmocka_unit_test(no_record_at_all_is_a_failure),
		cmocka_unit_test(a_fatal_alert_is_a_failure_with_a_name),
		cmocka_unit_test(reset_is_a_failure),
		cmocka_unit_test(late_tickets_do_no_harm),
		cmocka_unit_test(a_flood_of_tickets_ends),
		cmocka_unit_test(rekey_still_sends_the_queue),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(unread_bytes_stop_the_receiving),
		cmocka_unit_test(unread_bytes_leave_buffers_for_others),
		cmocka_unit_test(a_slow_owner_gets_all_in_the_end),
		cmocka_unit_test(one_buffer_is_enough),
		cmocka_unit_test(pause_stops_and_resume_goes_on),
		cmocka_unit_test(aborts_at_any_time_leak_nothing),
		cmocka_unit_test(flushes_at_any_time_leak_nothing),
		cmocka_unit_test(resets_at_any_time_leak_nothing),
	};

	return cmocka_run_group_tests(tests, shop_set_up, shop_tear_down);
}
