/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwards on the fake kernel: the scenarios of test_ktls_forward.h, and
 * splices that are refused.
 */
#include <errno.h>
#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_forward.h"

static void splices_that_fail_now_and_then(void **state)
{
	static const int errors[] = {EAGAIN, EINTR, EINVAL};
	const size_t size = 400000;

	for (uint64_t seed = 0; seed < 48; seed++) {
		struct line_config config = {.seed = seed,
					     .from = line_ways[seed % 4].from,
					     .to = line_ways[seed % 4].to,
					     .path = KTLS_PATH_SPLICE};
		int error = errors[seed % 3];
		struct line l;

		line_open(&l, *state, &config);
		line_client_sends(&l, &size, 1);
		for (unsigned n = 0; n < 8; n++)
			uring_fake_fail(l.from.fake, IORING_OP_SPLICE,
					2 * n * (error == EINVAL ? 0 : 5),
					error, 1);
		line_start(&l, size);
		world_while(&l.from, !l.ended);
		assert_int_equal(l.end, KTLS_FORWARD_DONE);
		line_expect_command(&l);
		line_expect_arrived(&l, 0, size);
		line_close(&l);
	}
}

/* As kernels do whose sockets can't splice. */
static void sockets_that_never_splice_are_copied(void **state)
{
	const size_t size = 400000;

	for (uint64_t seed = 0; seed < 8; seed++) {
		struct line_config config = {.seed = seed,
					     .from = line_ways[seed % 4].from,
					     .to = line_ways[seed % 4].to};
		struct line l;

		line_open(&l, *state, &config);
		line_client_sends(&l, &size, 1);
		uring_fake_fail(l.from.fake, IORING_OP_SPLICE, 0, EINVAL, 9999);
		assert_int_equal(line_forward(&l, size), KTLS_FORWARD_DONE);
		assert_int_equal(l.forward.spliced, 0);
		line_expect_command(&l);
		line_expect_arrived(&l, 0, size);
		line_close(&l);
	}
}

static void without_a_pipe_bytes_are_copied(void **state)
{
	struct ktls_paths_config none = {.policy = ktls_policy_measured,
					 .pipes = KTLS_PATHS_NONE};
	struct line_config config = {.from = line_ways[0].from,
				     .to = line_ways[0].to};
	const size_t size = 400000;
	struct line l;

	line_open(&l, *state, &config);
	ktls_paths_destroy(&l.paths);
	assert_int_equal(ktls_paths_create(&none, &l.paths), 0);
	l.from.env.paths = l.to.env.paths = l.paths;
	line_client_sends(&l, &size, 1);
	assert_int_equal(line_forward(&l, size), KTLS_FORWARD_DONE);
	assert_int_equal(l.forward.spliced, 0);
	line_expect_command(&l);
	line_expect_arrived(&l, 0, size);
	line_close(&l);
}

int main(void)
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
		cmocka_unit_test(empty_records_in_a_chunk),
		cmocka_unit_test(a_key_update_in_a_chunk),
		cmocka_unit_test(a_key_update_of_the_next_hop),
		cmocka_unit_test(a_key_update_that_cant_be_followed),
		cmocka_unit_test(splices_that_fail_now_and_then),
		cmocka_unit_test(sockets_that_never_splice_are_copied),
		cmocka_unit_test(without_a_pipe_bytes_are_copied),
	};

	return cmocka_run_group_tests(tests, shop_set_up, shop_tear_down);
}
