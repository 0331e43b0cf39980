/* SPDX-License-Identifier: Apache-2.0 */
/* Recipient domains: names, sets, weights. */
#include "tests/unit/bench/unit.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_domains.h"

enum {
	MANY = 20000,
	SEED = 3
};

static struct bench_domains *make(const char *text)
{
	char error[256];
	struct bench_domains *d = bench_domains_new(text, error, sizeof(error));

	if (!d)
		fail_msg("%s: %s", text, error);
	return d;
}

static void assert_name(const struct bench_domains *d, size_t i,
			const char *want)
{
	char name[BENCH_DOMAIN_SIZE];

	bench_domains_name(d, i, name);
	assert_string_equal(name, want);
}

/* The share of MANY messages to one recipient that each domain gets. */
static double *shares(const struct bench_domains *d)
{
	double *share = calloc(bench_domains_count(d), sizeof(*share));

	for (uint64_t i = 0; i < MANY; i++)
		share[bench_domains_pick(d, SEED, i, 0)] += 1.0 / MANY;
	return share;
}

static void assert_near(double got, double want)
{
	if (fabs(got - want) > 0.015)
		fail_msg("%f instead of %f", got, want);
}

static void domains_are_taken_in_turn(void **state)
{
	struct bench_domains *d = make("a.test,b.test,c.test");

	assert_int_equal(bench_domains_count(d), 3);
	assert_name(d, 1, "b.test");
	for (uint64_t i = 0; i < 9; i++) {
		assert_int_equal(bench_domains_pick(d, SEED, i, 0), i % 3);
		assert_int_equal(bench_domains_pick(d, SEED, i, 2),
				 (i + 2) % 3);
	}
	bench_domains_free(d);
}

static void a_set_has_numbers(void **state)
{
	struct bench_domains *d = make("x.test,d#.in.test*1000,#*2,z#*1");

	assert_int_equal(bench_domains_count(d), 1004);
	assert_name(d, 0, "x.test");
	assert_name(d, 1, "d0.in.test");
	assert_name(d, 1000, "d999.in.test");
	assert_name(d, 1001, "0");
	assert_name(d, 1002, "1");
	assert_name(d, 1003, "z0");
	assert_int_equal(bench_domains_pick(d, SEED, 1005, 0), 1);
	bench_domains_free(d);
}

static void weights_are_kept(void **state)
{
	struct bench_domains *d = make("a.test:10,b.test:1,c.test:0,d.test:9");
	double *share = shares(d);

	assert_near(share[0], 0.5);
	assert_near(share[1], 0.05);
	assert_true(share[2] == 0);
	assert_near(share[3], 0.45);
	free(share);
	bench_domains_free(d);
}

static void a_set_shares_its_weight(void **state)
{
	struct bench_domains *d = make("a.test:10,d#.test*4:30");
	double *share = shares(d);

	assert_near(share[0], 0.25);
	for (size_t i = 1; i <= 4; i++)
		assert_near(share[i], 0.1875);
	free(share);
	bench_domains_free(d);
}

static void a_set_weighs_its_count_unless_told(void **state)
{
	struct bench_domains *d = make("a.test:6,d#.test*4");
	double *share = shares(d);

	assert_near(share[0], 0.6);
	assert_near(share[3], 0.1);
	free(share);
	bench_domains_free(d);
}

static void a_slope_makes_a_few_large_and_many_small(void **state)
{
	struct bench_domains *d = make("d#.test*100~1");
	double *share = shares(d), harmonic = 0;

	for (int n = 1; n <= 100; n++)
		harmonic += 1.0 / n;
	assert_near(share[0], 1 / harmonic);
	assert_near(share[1], 1 / harmonic / 2);
	assert_near(share[9], 1 / harmonic / 10);
	free(share);
	bench_domains_free(d);
}

static void picks_repeat_by_seed(void **state)
{
	struct bench_domains *d = make("d#.test*1000:1");
	unsigned same = 0, moved = 0;

	for (uint64_t i = 0; i < 100; i++) {
		size_t at = bench_domains_pick(d, SEED, i, 0);

		assert_true(at < 1000);
		assert_int_equal(at, bench_domains_pick(d, SEED, i, 0));
		same += at == bench_domains_pick(d, SEED + 1, i, 0);
		moved += at != bench_domains_pick(d, SEED, i, 1);
	}
	assert_true(same < 10);
	assert_true(moved > 90);
	bench_domains_free(d);
}

static void a_million_is_the_most(void **state)
{
	struct bench_domains *d = make("d#.test*1000000~0.5");
	char error[256];

	assert_name(d, 999999, "d999999.test");
	bench_domains_free(d);
	assert_null(bench_domains_new("d#.test*1000001", error, 256));
	assert_non_null(strstr(error, "out of range"));
	assert_null(bench_domains_new("a.test,d#.test*1000000", error, 256));
	assert_null(bench_domains_new("d#.test*0", error, 256));
}

static void an_address_literal_is_a_domain(void **state)
{
	struct bench_domains *d = make("[IPv6:::1],[192.0.2.1]:3");

	assert_name(d, 0, "[IPv6:::1]");
	assert_name(d, 1, "[192.0.2.1]");
	bench_domains_free(d);
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",	     ",",	   "a.test,",	    "a b.test",
		"a@b.test",  "a.test>",	   "a\r\n.test",    "a.test*5",
		"d#.test",   "d##*5",	   "d#.test*x",	    "d#.test*5~",
		"d#.test~1", "a.test:x",   "a.test:",	    "a.test:-1",
		"a.test:0",  "d#.test*-1", "d#.test*5~1~2", ":5",
	};
	char error[256], longest[300];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error[0] = '\0';
		if (bench_domains_new(bad[i], error, sizeof(error)))
			fail_msg("%s was taken", bad[i]);
		assert_true(error[0] && strcmp(error, "out of memory") != 0);
	}
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(bench_domains_new(longest, error, sizeof(error)));
}

static void a_name_never_outgrows_its_buffer(void **state)
{
	char text[BENCH_DOMAIN_SIZE + 16], name[BENCH_DOMAIN_SIZE];
	char error[256];
	struct bench_domains *d;
	size_t len = BENCH_DOMAIN_SIZE;

	do { /* the longest that is taken */
		memset(text, 'a', --len);
		strcpy(text + len, "#*1000000");
		d = bench_domains_new(text, error, sizeof(error));
	} while (!d);
	bench_domains_name(d, 999999, name);
	assert_int_equal(strlen(name), len + 6);
	assert_true(len + 6 < sizeof(name));
	bench_domains_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domains_are_taken_in_turn),
		cmocka_unit_test(a_set_has_numbers),
		cmocka_unit_test(weights_are_kept),
		cmocka_unit_test(a_set_shares_its_weight),
		cmocka_unit_test(a_set_weighs_its_count_unless_told),
		cmocka_unit_test(a_slope_makes_a_few_large_and_many_small),
		cmocka_unit_test(picks_repeat_by_seed),
		cmocka_unit_test(a_million_is_the_most),
		cmocka_unit_test(an_address_literal_is_a_domain),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(a_name_never_outgrows_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
