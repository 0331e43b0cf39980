/* SPDX-License-Identifier: Apache-2.0 */
/* Percentiles from buckets, against the same from a sorted list. */
#include "tests/unit/bench/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_histogram.h"
#include "bench/bench_rng.h"

enum {
	MANY = 20000
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct bench_histogram));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void assert_near(uint64_t got, uint64_t want)
{
	double error = fabs((double)got - (double)want);

	if (error > (double)want * 0.004)
		fail_msg("%llu instead of %llu", (unsigned long long)got,
			 (unsigned long long)want);
}

static void an_empty_one_has_no_values(void **state)
{
	struct bench_histogram *h = *state;
	struct bench_bucket b;
	size_t at = 0;

	assert_int_equal(bench_histogram_at(h, 0.5), 0);
	assert_int_equal(bench_histogram_at(h, 1), 0);
	assert_true(bench_histogram_mean(h) == 0);
	assert_false(bench_histogram_next(h, &at, &b));
}

static void each_value_is_near_what_was_added(void **state)
{
	struct bench_histogram *h = *state;

	for (unsigned bit = 0; bit < BENCH_HISTOGRAM_BITS; bit++) {
		for (int off = -1; off <= 1; off++) {
			uint64_t value = (1ull << bit) + (uint64_t)off;

			memset(h, 0, sizeof(*h));
			/* Neighbours, lest min and max give the answer. */
			bench_histogram_add(h, 0);
			bench_histogram_add(h, value);
			bench_histogram_add(h, UINT64_MAX);
			if (value >> BENCH_HISTOGRAM_BITS)
				continue;
			assert_near(bench_histogram_at(h, 0.5), value);
		}
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void percentiles_are_those_of_a_sorted_list(void **state)
{
	static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999};
	struct bench_histogram *h = *state;
	uint64_t *all = malloc(MANY * sizeof(*all));
	uint64_t rng = 5;

	for (size_t i = 0; i < MANY; i++) {
		/* As many of each length in bits. */
		all[i] = bench_rng_next(&rng) >> (24 + i % 40);
		bench_histogram_add(h, all[i]);
	}
	qsort(all, MANY, sizeof(*all), compare);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		assert_near(bench_histogram_at(h, shares[i]),
			    all[(size_t)(shares[i] * MANY) - 1]);
	assert_int_equal(bench_histogram_at(h, 0), all[0]);
	assert_int_equal(bench_histogram_at(h, 1), all[MANY - 1]);
	free(all);
}

static void min_max_and_mean_are_exact(void **state)
{
	struct bench_histogram *h = *state;

	bench_histogram_add(h, 1000003);
	bench_histogram_add(h, 3000005);
	assert_int_equal(h->min, 1000003);
	assert_int_equal(h->max, 3000005);
	assert_int_equal(bench_histogram_at(h, 0), 1000003);
	assert_int_equal(bench_histogram_at(h, 1), 3000005);
	assert_true(bench_histogram_mean(h) == 2000004);
}

static void a_single_value_is_every_percentile(void **state)
{
	struct bench_histogram *h = *state;

	bench_histogram_add(h, 123456789);
	assert_int_equal(bench_histogram_at(h, 0.001), 123456789);
	assert_int_equal(bench_histogram_at(h, 0.5), 123456789);
	assert_int_equal(bench_histogram_at(h, 0.999), 123456789);
}

static void what_is_too_large_counts_as_the_largest(void **state)
{
	struct bench_histogram *h = *state;
	struct bench_bucket b;
	size_t at = 0;

	bench_histogram_add(h, 1);
	bench_histogram_add(h, 1ull << 50);
	bench_histogram_add(h, UINT64_MAX);
	assert_int_equal(bench_histogram_at(h, 0.6), UINT64_MAX);
	assert_true(bench_histogram_next(h, &at, &b));
	assert_true(bench_histogram_next(h, &at, &b));
	assert_int_equal(b.count, 2);
	assert_int_equal(b.high, UINT64_MAX);
	assert_false(bench_histogram_next(h, &at, &b));
}

static void buckets_join_without_gaps(void **state)
{
	struct bench_histogram *h = *state;
	struct bench_bucket b;
	uint64_t next = 0;
	size_t at = 0, seen = 0;

	for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
		h->buckets[i] = 1;
	while (bench_histogram_next(h, &at, &b)) {
		assert_int_equal(b.low, next);
		assert_true(b.high >= b.low);
		next = b.high + 1;
		seen++;
	}
	assert_int_equal(seen, BENCH_HISTOGRAM_BUCKETS);
	assert_int_equal(next, 1ull << BENCH_HISTOGRAM_BITS);
}

static void merged_is_as_if_added_to_one(void **state)
{
	struct bench_histogram *h = *state;
	struct bench_histogram *parts = calloc(3, sizeof(*parts));
	uint64_t rng = 9;

	for (size_t i = 0; i < 1000; i++) {
		uint64_t value = bench_rng_below(&rng, 5000000);

		bench_histogram_add(h, value);
		bench_histogram_add(&parts[i % 2], value);
	}
	bench_histogram_merge(&parts[2], &parts[0]);
	bench_histogram_merge(&parts[2], &parts[1]);
	assert_memory_equal(h, &parts[2], sizeof(*h));
	memset(&parts[0], 0, sizeof(parts[0]));
	bench_histogram_merge(&parts[2], &parts[0]);
	assert_memory_equal(h, &parts[2], sizeof(*h));
	free(parts);
}

#define WITH_HISTOGRAM(test) \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HISTOGRAM(an_empty_one_has_no_values),
		WITH_HISTOGRAM(each_value_is_near_what_was_added),
		WITH_HISTOGRAM(percentiles_are_those_of_a_sorted_list),
		WITH_HISTOGRAM(min_max_and_mean_are_exact),
		WITH_HISTOGRAM(a_single_value_is_every_percentile),
		WITH_HISTOGRAM(what_is_too_large_counts_as_the_largest),
		WITH_HISTOGRAM(buckets_join_without_gaps),
		WITH_HISTOGRAM(merged_is_as_if_added_to_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
