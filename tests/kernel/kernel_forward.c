/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwards between streams on a real ring, real TCP and real kernel TLS, with
 * OpenSSL in user space at both ends: the scenarios of
 * tests/unit/ktls/test_ktls_forward.h.
 *
 * Exits with 77 and the reason where there is no kernel TLS, unless
 * RINGPOST_KTLS_EXPECTED=1 says that it must be there.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/kernel/kernel_shop.h"
#include "tests/unit/ktls/test_ktls_forward.h"

static int run_rekey(const struct ktls_caps *caps)
{
	const struct CMUnitTest can[] = {
		cmocka_unit_test(a_key_update_in_a_chunk),
		cmocka_unit_test(a_key_update_of_the_next_hop),
	};
	const struct CMUnitTest cannot[] = {
		cmocka_unit_test(a_key_update_that_cant_be_followed),
	};

	if (caps->rekey_tx && caps->rekey_rx)
		return cmocka_run_group_tests_name(
			"rekey", can, kernel_shop_set_up, shop_tear_down);
	fprintf(stderr, "keys can't be changed by this kernel (expected "
			"below 6.14)\n");
	return cmocka_run_group_tests_name("no rekey", cannot,
					   kernel_shop_set_up, shop_tear_down);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_is_forwarded_exactly),
		cmocka_unit_test(sixty_four_mebibytes_are_forwarded),
		cmocka_unit_test(what_was_received_before_is_forwarded_too),
		cmocka_unit_test(a_slow_client_is_waited_for),
		cmocka_unit_test(a_slow_next_hop_is_waited_for),
		cmocka_unit_test(a_forward_that_is_stopped_is_exact),
		cmocka_unit_test(replies_of_the_next_hop_wait),
		cmocka_unit_test(a_client_that_ends_is_the_sources_end),
		cmocka_unit_test(a_client_that_ends_behind_the_last_byte),
		cmocka_unit_test(a_client_that_resets),
		cmocka_unit_test(a_next_hop_that_ends_is_the_sinks_end),
		cmocka_unit_test(a_next_hop_that_resets),
		cmocka_unit_test(a_bad_record_in_a_chunk),
		cmocka_unit_test(streams_closed_at_any_time),
	};

	return cmocka_run_group_tests_name("forward", tests, kernel_shop_set_up,
					   shop_tear_down);
}

int main(void)
{
	struct ktls_caps caps;
	int there = kernel_usable(&caps);

	signal(SIGPIPE, SIG_IGN); /* as ktls_forward.h wants it */
	if (there <= 0)
		return there < 0 ? EXIT_FAILURE : KERNEL_SKIPPED;
	return run_rekey(&caps) + run_all() ? EXIT_FAILURE : EXIT_SUCCESS;
}
