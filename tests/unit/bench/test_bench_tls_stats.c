/* SPDX-License-Identifier: Apache-2.0 */
/* Medians and quartiles of a few repeats. */
#include "tests/unit/bench/unit.h"

#include <math.h>

#include "bench/tls/tls_stats.h"

#define UNKNOWN ((double)NAN)

static struct tls_stats stats_of(const double *values, size_t count)
{
	struct tls_stats s;

	assert_int_equal(tls_stats_of(values, count, &s), 0);
	return s;
}

static void assert_close(double got, double want)
{
	assert_true(fabs(got - want) < 1e-9);
}

static void one_value_is_everything(void **state)
{
	const double values[] = {7};
	struct tls_stats s = stats_of(values, 1);

	assert_int_equal(s.count, 1);
	assert_close(s.median, 7);
	assert_close(s.low, 7);
	assert_close(s.high, 7);
	assert_close(tls_stats_spread(&s), 0);
}

static void order_does_not_matter(void **state)
{
	const double values[] = {5, 1, 4, 2, 3};
	struct tls_stats s = stats_of(values, 5);

	assert_close(s.median, 3);
	assert_close(s.low, 2);
	assert_close(s.high, 4);
	assert_close(s.min, 1);
	assert_close(s.max, 5);
}

static void between_two_values_is_their_middle(void **state)
{
	const double values[] = {10, 20, 30, 40};
	struct tls_stats s = stats_of(values, 4);

	assert_close(s.median, 25);
	assert_close(s.low, 17.5); /* as R's type 7 and NumPy have it */
	assert_close(s.high, 32.5);
}

static void an_outlier_moves_neither_median_nor_spread(void **state)
{
	const double calm[] = {10, 11, 12, 13, 14};
	const double wild[] = {10, 11, 12, 13, 99999};
	struct tls_stats a = stats_of(calm, 5), b = stats_of(wild, 5);

	assert_close(a.median, b.median);
	assert_close(tls_stats_spread(&a), tls_stats_spread(&b));
	assert_close(b.max, 99999);
}

static void spread_is_a_share_of_the_median(void **state)
{
	const double values[] = {90, 95, 100, 105, 110};
	struct tls_stats s = stats_of(values, 5);

	assert_close(tls_stats_spread(&s), 0.1);
}

static void unknown_values_are_left_out(void **state)
{
	const double values[] = {UNKNOWN, 2, UNKNOWN, 4};
	struct tls_stats s = stats_of(values, 4);

	assert_int_equal(s.count, 2);
	assert_close(s.median, 3);
}

static void nothing_known_has_no_median(void **state)
{
	const double values[] = {UNKNOWN, UNKNOWN};
	struct tls_stats s = stats_of(values, 2);

	assert_int_equal(s.count, 0);
	assert_true(isnan(s.median));
	assert_true(isnan(tls_stats_spread(&s)));
	s = stats_of(values, 0);
	assert_int_equal(s.count, 0);
}

static void spread_around_zero_is_unknown(void **state)
{
	const double values[] = {0, 0, 0};
	struct tls_stats s = stats_of(values, 3);

	assert_close(s.median, 0);
	assert_true(isnan(tls_stats_spread(&s)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_value_is_everything),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(between_two_values_is_their_middle),
		cmocka_unit_test(an_outlier_moves_neither_median_nor_spread),
		cmocka_unit_test(spread_is_a_share_of_the_median),
		cmocka_unit_test(unknown_values_are_left_out),
		cmocka_unit_test(nothing_known_has_no_median),
		cmocka_unit_test(spread_around_zero_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
