/* SPDX-License-Identifier: Apache-2.0 */
/* Distributions: what is taken, and that what is drawn is spread like it. */
#include "tests/unit/bench/unit.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "bench/bench_dist.h"
#include "bench/bench_rng.h"

enum {
	MANY = 20000
};

static void a_size_is_always_that(void **state)
{
	struct bench_dist d;
	uint64_t rng = 1;

	assert_int_equal(bench_dist_parse("4K", &d), 0);
	assert_int_equal(d.max, 4096);
	for (int i = 0; i < 100; i++)
		assert_int_equal(bench_dist_draw(&d, &rng), 4096);
}

static void a_range_is_log_uniform(void **state)
{
	struct bench_dist d;
	uint64_t rng = 1;
	unsigned small = 0;

	assert_int_equal(bench_dist_parse("1K-1M", &d), 0);
	for (int i = 0; i < MANY; i++) {
		uint64_t size = bench_dist_draw(&d, &rng);

		assert_in_range(size, 1024, 1 << 20);
		small += size < 32768; /* the geometric middle */
	}
	assert_in_range(small, MANY * 48 / 100, MANY * 52 / 100);
}

static void a_list_is_drawn_by_weight(void **state)
{
	struct bench_dist d;
	uint64_t rng = 1;
	unsigned small = 0, medium = 0, large = 0;

	assert_int_equal(bench_dist_parse("4K:70,100K:25,1M-10M:4.5,9:0.5", &d),
			 0);
	assert_int_equal(d.max, 10 << 20);
	for (int i = 0; i < MANY; i++) {
		uint64_t size = bench_dist_draw(&d, &rng);

		small += size == 4096;
		medium += size == 102400;
		large += size >= 1 << 20;
	}
	assert_in_range(small, MANY * 69 / 100, MANY * 71 / 100);
	assert_in_range(medium, MANY * 24 / 100, MANY * 26 / 100);
	assert_in_range(large, MANY * 4 / 100, MANY * 5 / 100);
	assert_in_range(MANY - small - medium - large, 1, MANY / 100);
}

static void a_list_without_weights_is_drawn_evenly(void **state)
{
	struct bench_dist d;
	uint64_t rng = 1;
	unsigned small = 0;

	assert_int_equal(bench_dist_parse("1K,2K", &d), 0);
	for (int i = 0; i < MANY; i++)
		small += bench_dist_draw(&d, &rng) == 1024;
	assert_in_range(small, MANY * 48 / 100, MANY * 52 / 100);
}

static void weight_0_is_never_drawn(void **state)
{
	struct bench_dist d;
	uint64_t rng = 1;

	assert_int_equal(bench_dist_parse("1K:0,2K,4K:0", &d), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bench_dist_draw(&d, &rng), 2048);
}

/* The share of draws at most this large. */
static double share_up_to(const struct bench_dist *d, double limit)
{
	uint64_t rng = 1;
	unsigned below = 0;

	for (int i = 0; i < MANY; i++)
		below += (double)bench_dist_draw(d, &rng) <= limit;
	return (double)below / MANY;
}

static void lognormal_has_its_median_and_sigma(void **state)
{
	struct bench_dist d;

	assert_int_equal(bench_dist_parse("lognormal:30K,1.5", &d), 0);
	assert_true(fabs(share_up_to(&d, 30720) - 0.5) < 0.015);
	/* 68.27 % of a normal distribution are within one sigma. */
	assert_true(fabs(share_up_to(&d, 30720 * exp(1.5)) - 0.8413) < 0.015);
	assert_true(fabs(share_up_to(&d, 30720 * exp(-1.5)) - 0.1587) < 0.015);
}

static void lognormal_is_cut_at_its_largest(void **state)
{
	struct bench_dist d;
	uint64_t rng = 1;
	unsigned cut = 0;

	assert_int_equal(bench_dist_parse("lognormal:30K,3,60K", &d), 0);
	assert_int_equal(d.max, 61440);
	for (int i = 0; i < MANY; i++) {
		uint64_t size = bench_dist_draw(&d, &rng);

		assert_in_range(size, 1, 61440);
		cut += size == 61440;
	}
	assert_in_range(cut, MANY / 3, MANY / 2);
}

static void lognormal_without_sigma_is_its_median(void **state)
{
	struct bench_dist d;
	uint64_t rng = 1;

	assert_int_equal(bench_dist_parse("lognormal:5000,0", &d), 0);
	for (int i = 0; i < 100; i++)
		assert_in_range(bench_dist_draw(&d, &rng), 4999, 5000);
}

static void the_same_stream_gives_the_same_numbers(void **state)
{
	static const char *const texts[] = {"1K-1M", "4K:2,1K-9K",
					    "lognormal:8K,2"};

	for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
		uint64_t one = 77, two = 77, other = 78;
		unsigned same = 0;
		struct bench_dist d;

		assert_int_equal(bench_dist_parse(texts[t], &d), 0);
		for (int i = 0; i < 100; i++) {
			uint64_t size = bench_dist_draw(&d, &one);

			assert_int_equal(size, bench_dist_draw(&d, &two));
			same += size == bench_dist_draw(&d, &other);
		}
		assert_true(same < 90);
	}
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"0",
		"4K:",
		"4K:x",
		"4K:-1",
		"4K:0",
		"4K,",
		",4K",
		"5M-1K",
		"4K:1:2",
		"lognormal:",
		"lognormal:4K",
		"lognormal:,1",
		"lognormal:4K,x",
		"lognormal:4K,1,",
		"lognormal:4K,1,1M,2",
		"4K:1e3",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bench_dist d = {.max = 5};

		assert_int_equal(bench_dist_parse(bad[i], &d), -EINVAL);
		assert_int_equal(d.max, 5);
	}
}

static void what_is_too_much_is_refused(void **state)
{
	struct bench_dist d;
	char many[8 * 40] = "1";

	for (int i = 0; i < BENCH_DIST_ITEMS; i++)
		strcat(many, ",1");
	assert_int_equal(bench_dist_parse(many, &d), -ERANGE);
	many[strlen(many) - 2] = '\0';
	assert_int_equal(bench_dist_parse(many, &d), 0);
	assert_int_equal(bench_dist_parse("lognormal:4K,1,3K", &d), -ERANGE);
	assert_int_equal(bench_dist_parse("lognormal:0,1", &d), -ERANGE);
	assert_int_equal(bench_dist_parse("lognormal:4K,11", &d), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_is_always_that),
		cmocka_unit_test(a_range_is_log_uniform),
		cmocka_unit_test(a_list_is_drawn_by_weight),
		cmocka_unit_test(a_list_without_weights_is_drawn_evenly),
		cmocka_unit_test(weight_0_is_never_drawn),
		cmocka_unit_test(lognormal_has_its_median_and_sigma),
		cmocka_unit_test(lognormal_is_cut_at_its_largest),
		cmocka_unit_test(lognormal_without_sigma_is_its_median),
		cmocka_unit_test(the_same_stream_gives_the_same_numbers),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(what_is_too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
