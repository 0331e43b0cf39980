/* SPDX-License-Identifier: Apache-2.0 */
/* Retry times, and the heap of deferred deliveries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/queue/deferred.h"
#include "gateway/queue/delivery.h"
#include "gateway/queue/retry.h"
#include "tests/support/sim_random.h"

static uint64_t schedule[] = {10, 20, 60};
static const struct config_retry retry = {
	.schedule = schedule, .count = 3, .expire = 1000};

static void follows_the_schedule(void **state)
{
	assert_int_equal(retry_delay(&retry, 0), 0);
	assert_int_equal(retry_delay(&retry, 1), 10);
	assert_int_equal(retry_delay(&retry, 3), 60);
}

static void repeats_the_last_delay(void **state)
{
	assert_int_equal(retry_delay(&retry, 4), 60);
	assert_int_equal(retry_delay(&retry, 4000000000u), 60);
}

static void grows_by_its_factor_up_to_the_most(void **state)
{
	const struct config_retry growing = {
		.first = 300, .factor = 2, .max = 14400, .expire = 432000};

	assert_int_equal(retry_delay(&growing, 0), 0);
	assert_int_equal(retry_delay(&growing, 1), 300);
	assert_int_equal(retry_delay(&growing, 2), 600);
	assert_int_equal(retry_delay(&growing, 6), 9600);
	assert_int_equal(retry_delay(&growing, 7), 14400);
	assert_int_equal(retry_delay(&growing, 4000000000u), 14400);
}

static void a_factor_of_one_is_a_steady_beat(void **state)
{
	const struct config_retry steady = {
		.first = 300, .factor = 1, .max = 14400, .expire = 432000};

	assert_int_equal(retry_delay(&steady, 4000000000u), 300);
}

static void expires_at_its_age(void **state)
{
	assert_false(retry_expired(&retry, 5000, 5999));
	assert_true(retry_expired(&retry, 5000, 6000));
}

static void a_clock_set_back_expires_nothing(void **state)
{
	assert_false(retry_expired(&retry, 5000, 10));
}

static void gives_the_earliest_first(void **state)
{
	struct sim_random r = {7};
	struct delivery_pool pool = {0};
	struct deferred d = {0};
	uint32_t recipient = 0;
	uint64_t last = 0;

	for (size_t i = 0; i < 200; i++) {
		struct delivery *delivery =
			delivery_create(&pool, NULL, &recipient, 1);

		assert_non_null(delivery);
		delivery->due = sim_random_below(&r, 50);
		assert_true(deferred_push(&d, delivery));
	}
	for (size_t i = 0; i < 200; i++) {
		struct delivery *top = deferred_top(&d);

		assert_ptr_equal(deferred_pop(&d), top);
		assert_true(top->due >= last);
		last = top->due;
		delivery_free(&pool, top);
	}
	assert_null(deferred_top(&d));
	assert_null(deferred_pop(&d));
	deferred_deinit(&d);
	delivery_pool_deinit(&pool);
}

static void any_may_leave(void **state)
{
	struct delivery *all[300];
	struct sim_random r = {9};
	struct delivery_pool pool = {0};
	struct deferred d = {0};
	uint32_t recipient = 0;
	uint64_t last = 0;

	for (size_t i = 0; i < 300; i++) {
		all[i] = delivery_create(&pool, NULL, &recipient, 1);
		assert_non_null(all[i]);
		all[i]->due = sim_random_below(&r, 100);
		assert_true(deferred_push(&d, all[i]));
	}
	for (size_t i = 0; i < 300; i += 2) {
		deferred_remove(&d, all[i]);
		delivery_free(&pool, all[i]);
	}
	assert_int_equal(d.count, 150);
	for (size_t i = 0; i < 150; i++) {
		struct delivery *top = deferred_pop(&d);

		assert_true(top->due >= last);
		last = top->due;
		delivery_free(&pool, top);
	}
	assert_null(deferred_top(&d));
	deferred_deinit(&d);
	delivery_pool_deinit(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_schedule),
		cmocka_unit_test(repeats_the_last_delay),
		cmocka_unit_test(grows_by_its_factor_up_to_the_most),
		cmocka_unit_test(a_factor_of_one_is_a_steady_beat),
		cmocka_unit_test(expires_at_its_age),
		cmocka_unit_test(a_clock_set_back_expires_nothing),
		cmocka_unit_test(gives_the_earliest_first),
		cmocka_unit_test(any_may_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
