/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms: each value in exactly one bucket, the first that takes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/metrics/histogram.h"

static const struct histogram_scale doubling = {
	.unit = 10,
	.shift = 1,
	.buckets = 4,
};
static const struct histogram_scale quadrupling = {
	.unit = 10,
	.shift = 2,
	.buckets = 4,
};

static void expect_in(const struct histogram_scale *scale, uint64_t value,
		      unsigned bucket)
{
	struct histogram h = {.sum = 5};

	histogram_add(&h, scale, value);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		assert_int_equal(h.count[i], i == bucket);
	assert_int_equal(h.sum, 5 + value);
}

static void test_bounds_belong_to_their_bucket(void **state)
{
	expect_in(&doubling, 0, 0);
	expect_in(&doubling, 10, 0);
	expect_in(&doubling, 11, 1);
	expect_in(&doubling, 20, 1);
	expect_in(&doubling, 21, 2);
	expect_in(&doubling, 40, 2);
}

static void test_what_is_more_is_in_the_last(void **state)
{
	expect_in(&doubling, 41, 3);
	expect_in(&doubling, UINT64_MAX - 5, 3);
}

static void test_wider_steps(void **state)
{
	expect_in(&quadrupling, 10, 0);
	expect_in(&quadrupling, 11, 1);
	expect_in(&quadrupling, 40, 1);
	expect_in(&quadrupling, 41, 2);
	expect_in(&quadrupling, 160, 2);
	expect_in(&quadrupling, 161, 3);
}

/* For all scales in use: a bound is in its bucket, one more is in the next. */
static void test_bounds_are_what_is_counted_by(void **state)
{
	const struct histogram_scale *scales[] = {&histogram_queue_time,
						  &histogram_attempt_time};

	for (unsigned s = 0; s < 2; s++) {
		assert_true(scales[s]->buckets <= HISTOGRAM_BUCKETS);
		for (unsigned i = 0; i + 1 < scales[s]->buckets; i++) {
			uint64_t bound = histogram_bound(scales[s], i);

			expect_in(scales[s], bound, i);
			expect_in(scales[s], bound + 1, i + 1);
		}
	}
}

static void test_join_adds_up(void **state)
{
	struct histogram a = {0}, b = {0};

	histogram_add(&a, &doubling, 5);
	histogram_add(&b, &doubling, 5);
	histogram_add(&b, &doubling, 1000);
	histogram_join(&a, &b);
	assert_int_equal(a.count[0], 2);
	assert_int_equal(a.count[3], 1);
	assert_int_equal(a.sum, 1010);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds_belong_to_their_bucket),
		cmocka_unit_test(test_what_is_more_is_in_the_last),
		cmocka_unit_test(test_wider_steps),
		cmocka_unit_test(test_bounds_are_what_is_counted_by),
		cmocka_unit_test(test_join_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
