/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a connection is counted once, where it belongs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/metrics/tls_stats.h"

static const struct ktls_stream_info sent_by_kernel = {
	.tls = true,
	.agreed = {.version = KTLS_TLS_1_3,
		   .cipher = KTLS_AES_256_GCM,
		   .resumed = true},
	.offload = {[KTLS_TX] = true},
	.reason = {[KTLS_RX] = KTLS_REASON_NOT_YET},
	.bytes_in = 7,
	.bytes_out = 1000,
	.rekeys = {[KTLS_TX] = 2},
};

static void test_handshake_by_version_cipher_and_resumption(void **state)
{
	struct tls_stats s = {0};

	tls_stats_secured(&s, &sent_by_kernel);
	assert_int_equal(s.handshakes[KTLS_TLS_1_3][KTLS_AES_256_GCM][true], 1);
	assert_int_equal(tls_stats_handshakes(&s), 1);
}

static void test_each_direction_has_its_place(void **state)
{
	struct tls_stats s = {0};

	tls_stats_ended(&s, &sent_by_kernel);
	assert_int_equal(s.bytes[KTLS_TX][TLS_PLACE_KERNEL], 1000);
	assert_int_equal(s.bytes[KTLS_RX][TLS_PLACE_USER], 7);
	assert_int_equal(s.offload[KTLS_TX][KTLS_REASON_NONE], 1);
	assert_int_equal(s.offload[KTLS_RX][KTLS_REASON_NOT_YET], 1);
	assert_int_equal(s.rekeys[KTLS_TX], 2);
	assert_int_equal(tls_stats_offloads(&s, KTLS_TX, true), 1);
	assert_int_equal(tls_stats_offloads(&s, KTLS_RX, false), 1);
}

static void test_clear_text_is_no_fallback(void **state)
{
	struct ktls_stream_info clear = {
		.reason = {KTLS_REASON_PLAIN, KTLS_REASON_PLAIN},
		.bytes_in = 5,
	};
	struct tls_stats s = {0};

	tls_stats_ended(&s, &clear);
	assert_int_equal(s.bytes[KTLS_RX][TLS_PLACE_NONE], 5);
	assert_int_equal(tls_stats_offloads(&s, KTLS_RX, false), 0);
	assert_int_equal(tls_stats_offloads(&s, KTLS_RX, true), 0);
}

/* A copy has the bytes so far of what is open, and how it is protected; what
 * has ended is not open. */
static void test_open_connections_are_in_the_copy(void **state)
{
	struct tls_stats s = {0}, copy;

	tls_stats_ended(&s, &sent_by_kernel);
	copy = s;
	tls_stats_open(&copy, &sent_by_kernel);
	assert_int_equal(copy.bytes[KTLS_TX][TLS_PLACE_KERNEL], 2000);
	assert_int_equal(copy.open[KTLS_TX][TLS_PLACE_KERNEL], 1);
	assert_int_equal(copy.open[KTLS_RX][TLS_PLACE_USER], 1);
	assert_int_equal(tls_stats_offloads(&copy, KTLS_TX, true), 1);
	assert_int_equal(s.open[KTLS_TX][TLS_PLACE_KERNEL], 0);
}

static void test_every_failure_of_a_stream_has_a_name(void **state)
{
	for (int f = KTLS_FAILURE_NONE; f <= KTLS_FAILURE_INTERNAL; f++) {
		enum tls_failed how = tls_stats_failure(f);

		assert_true(how < TLS_FAILED_KINDS);
		assert_non_null(tls_failed_name(how));
	}
	assert_int_equal(tls_stats_failure(KTLS_FAILURE_VERIFY),
			 TLS_FAILED_VERIFY);
	assert_int_equal(tls_stats_failure(KTLS_FAILURE_ALERT),
			 TLS_FAILED_ALERT);
}

static void test_workers_add_up(void **state)
{
	struct tls_stats a = {0}, b = {0};

	tls_stats_failed(&a, TLS_FAILED_TIMEOUT);
	tls_stats_failed(&b, TLS_FAILED_TIMEOUT);
	tls_stats_failed(&b, TLS_FAILED_ALERT);
	tls_stats_add(&a, &b);
	assert_int_equal(a.failed[TLS_FAILED_TIMEOUT], 2);
	assert_int_equal(tls_stats_failures(&a), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_handshake_by_version_cipher_and_resumption),
		cmocka_unit_test(test_each_direction_has_its_place),
		cmocka_unit_test(test_clear_text_is_no_fallback),
		cmocka_unit_test(test_open_connections_are_in_the_copy),
		cmocka_unit_test(test_every_failure_of_a_stream_has_a_name),
		cmocka_unit_test(test_workers_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
