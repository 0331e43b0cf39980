/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams on a real ring, real TCP and real kernel TLS, against OpenSSL in
 * user space: the scenarios of tests/unit/ktls/test_ktls_stream_ways.h, and
 * all sizes up to 1 MiB.
 *
 * Needs a kernel with TLS; exits with 77 and the reason where there is none,
 * unless RINGPOST_KTLS_EXPECTED=1 says that it must be there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernel/kernel_shop.h"
#include "tests/unit/ktls/test_ktls_stream_ways.h"

static const size_t sizes[] = {1,     2,     100,   16383,  16384,  16385,
			       32768, 65536, 99999, 131072, 262145, 1048576};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void talk(struct world *w, const unsigned char *up,
		 const unsigned char *down, size_t len)
{
	w->side.in_len = w->peer.in_len = 0;
	w->peer.out_len = w->peer.out_at = 0;
	side_send(&w->side, up, len);
	peer_send(&w->peer, down, len);
	world_until(w, world_exchanged);
	world_assert_exchanged(w);
}

static void every_size_both_ways(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		bool kernel = way_in_kernel(*state, &ways[i]);
		unsigned char *up, *down;
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		up = world_bytes(&w, 1048576);
		down = world_bytes(&w, 1048576);
		for (size_t s = 0; s < SIZES; s++)
			talk(&w, up, down, sizes[s]);
		assert_int_equal(w.side.info.offload[KTLS_TX], kernel);
		assert_int_equal(w.side.info.offload[KTLS_RX], kernel);
		assert_int_equal(w.kernel.calls[KTLS_TX], kernel);
		assert_int_equal(w.kernel.calls[KTLS_RX], kernel);
		world_close(&w);
		free(up);
		free(down);
	}
}

/* One value of /proc/net/tls_stat; -1 when there is none. */
static long tls_stat(const char *name)
{
	FILE *file = fopen("/proc/net/tls_stat", "re");
	char line[128], word[64];
	long value, found = -1;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld", word, &value) == 2 &&
		    strcmp(word, name) == 0)
			found = value;
	fclose(file);
	return found;
}

static void the_kernel_counts_what_it_took(void **state)
{
	long tx = tls_stat("TlsTxSw"), rx = tls_stat("TlsRxSw");
	long made = 0;

	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		made += way_in_kernel(*state, &ways[i]);
		world_close(&w);
	}
	assert_true(tx >= 0 && rx >= 0);
	assert_int_equal(tls_stat("TlsTxSw"), tx + made);
	assert_int_equal(tls_stat("TlsRxSw"), rx + made);
}

/* Before this program: other tests break records on purpose. */
static long decrypt_errors, rekey_errors;

static long count_rekey_errors(void)
{
	return tls_stat("TlsTxRekeyError") + tls_stat("TlsRxRekeyError");
}

/* Run first: so do some that follow. */
static void nothing_failed_to_decrypt(void **state)
{
	assert_int_equal(tls_stat("TlsDecryptError"), decrypt_errors);
}

/* The kernel's own word for the keys that were changed. */
static void the_kernel_counts_new_keys(void **state)
{
	long tx = tls_stat("TlsTxRekeyOk"), rx = tls_stat("TlsRxRekeyOk");
	struct world w;

	way_secure(&w, *state, &ways[WAY_SERVER_13], 0);
	for (int i = 0; i < 3; i++) {
		peer_key_update(&w.peer, true);
		way_receive_one(&w);
	}
	world_while(&w, w.peer.key_updates < 3);
	world_close(&w);
	assert_true(tx >= 0 && rx >= 0);
	assert_int_equal(tls_stat("TlsTxRekeyOk"), tx + 3);
	assert_int_equal(tls_stat("TlsRxRekeyOk"), rx + 3);
	assert_int_equal(count_rekey_errors(), rekey_errors);
}

/* On a kernel that can change keys (mainline 6.14). */
static int run_rekey(const struct ktls_caps *caps)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_counts_new_keys),
		cmocka_unit_test(the_peers_new_keys_are_followed),
		cmocka_unit_test(new_keys_come_before_what_waits),
		cmocka_unit_test(new_keys_at_any_time),
		cmocka_unit_test(keys_are_changed_at_their_limit),
		cmocka_unit_test(a_key_update_before_the_first_reply),
		cmocka_unit_test(each_half_changes_keys),
		cmocka_unit_test(many_key_updates_with_data_are_no_flood),
		cmocka_unit_test(nothing_failed_to_decrypt),
		cmocka_unit_test(a_flood_of_key_updates_ends),
		cmocka_unit_test(refused_new_keys_end),
	};

	if (caps->rekey_tx && caps->rekey_rx)
		return cmocka_run_group_tests_name(
			"rekey", tests, kernel_shop_set_up, shop_tear_down);
	fprintf(stderr, "keys can't be changed by this kernel (expected "
			"below 6.14)\n");
	return 0;
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_both_ways),
		cmocka_unit_test(bytes_in_are_bytes_out_on_every_way),
		cmocka_unit_test(a_large_range_goes_out_whole),
		cmocka_unit_test(the_kernel_takes_both_directions),
		cmocka_unit_test(the_kernel_counts_what_it_took),
		cmocka_unit_test(
			a_client_receives_in_openssl_until_the_first_reply),
		cmocka_unit_test(tickets_reach_the_session_cache),
		cmocka_unit_test(nothing_failed_to_decrypt),
		cmocka_unit_test(close_notify_is_eof),
		cmocka_unit_test(fin_alone_is_truncation),
		cmocka_unit_test(a_truncated_stream_can_be_flushed),
		cmocka_unit_test(a_bad_record_is_a_failure),
		cmocka_unit_test(no_record_at_all_is_a_failure),
		cmocka_unit_test(a_fatal_alert_is_a_failure_with_a_name),
		cmocka_unit_test(reset_is_a_failure),
		cmocka_unit_test(late_tickets_do_no_harm),
		cmocka_unit_test(a_flood_of_tickets_ends),
		cmocka_unit_test(without_rekey_a_key_update_ends_in_order),
		cmocka_unit_test(rekey_still_sends_the_queue),
		cmocka_unit_test(keys_that_stay_are_worn_at_their_limit),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(a_slow_owner_gets_all_in_the_end),
		cmocka_unit_test(one_buffer_is_enough),
		cmocka_unit_test(pause_stops_and_resume_goes_on),
		cmocka_unit_test(aborts_at_any_time_leak_nothing),
		cmocka_unit_test(flushes_at_any_time_leak_nothing),
	};

	return cmocka_run_group_tests_name("stream", tests, kernel_shop_set_up,
					   shop_tear_down);
}

int main(void)
{
	struct ktls_caps caps;
	int there = kernel_usable(&caps);

	if (there <= 0)
		return there < 0 ? EXIT_FAILURE : KERNEL_SKIPPED;
	decrypt_errors = tls_stat("TlsDecryptError");
	rekey_errors = count_rekey_errors();
	return run_rekey(&caps) + run_all() ? EXIT_FAILURE : EXIT_SUCCESS;
}
