/* SPDX-License-Identifier: Apache-2.0 */
/* Command line values: what is taken, what it means, what is refused. */
#include "tests/unit/bench/unit.h"

#include <errno.h>
#include <string.h>

#include "bench/bench_parse.h"
#include "bench/bench_rng.h"

static uint64_t size_of(const char *text)
{
	uint64_t value = 0;

	assert_int_equal(bench_parse_size(text, &value), 0);
	return value;
}

static void size_units_are_powers_of_1024(void **state)
{
	assert_int_equal(size_of("512"), 512);
	assert_int_equal(size_of("4K"), 4096);
	assert_int_equal(size_of("4kib"), 4096);
	assert_int_equal(size_of("5M"), 5 << 20);
	assert_int_equal(size_of("1G"), 1 << 30);
}

static void size_refuses_what_is_no_size(void **state)
{
	static const char *const bad[] = {"",	"K",  "-1",  " 1",
					  "+1", "4X", "4K ", "1.5K"};
	uint64_t value = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(bench_parse_size(bad[i], &value), -EINVAL);
	assert_int_equal(value, 77);
}

static void size_refuses_overflow(void **state)
{
	uint64_t value;

	assert_int_equal(bench_parse_size("18446744073709551616", &value),
			 -ERANGE);
	assert_int_equal(bench_parse_size("17179869184G", &value), -ERANGE);
	assert_int_equal(bench_parse_size("17179869183G", &value), 0);
}

static void range_of_one_size_is_fixed(void **state)
{
	struct bench_size_range range;

	assert_int_equal(bench_parse_size_range("4K", &range), 0);
	assert_int_equal(range.min, 4096);
	assert_int_equal(range.max, 4096);
}

static void range_has_two_ends(void **state)
{
	struct bench_size_range range;

	assert_int_equal(bench_parse_size_range("1K-5M", &range), 0);
	assert_int_equal(range.min, 1024);
	assert_int_equal(range.max, 5 << 20);
}

static void range_refuses_zero_and_backwards(void **state)
{
	struct bench_size_range range;

	assert_int_equal(bench_parse_size_range("0", &range), -EINVAL);
	assert_int_equal(bench_parse_size_range("5M-1K", &range), -EINVAL);
	assert_int_equal(bench_parse_size_range("-5M", &range), -EINVAL);
	assert_int_equal(bench_parse_size_range("1K-", &range), -EINVAL);
}

static void decimal_may_have_a_point(void **state)
{
	double value;

	assert_int_equal(bench_parse_decimal("12", &value), 0);
	assert_true(value == 12);
	assert_int_equal(bench_parse_decimal("0.25", &value), 0);
	assert_true(value == 0.25);
}

static void decimal_refuses_what_is_no_number(void **state)
{
	static const char *const bad[] = {"",	 "x",	".5",	"5.",
					  "-1",	 "+1",	" 1",	"1e3",
					  "0x1", "nan", "1.2.3"};
	double value = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(bench_parse_decimal(bad[i], &value), -EINVAL);
	assert_int_equal(bench_parse_decimal("1000000000000000", &value),
			 -ERANGE);
	assert_true(value == 7);
}

static void share_has_percent_and_decimals(void **state)
{
	uint32_t share;

	assert_int_equal(bench_parse_share("30%", &share), 0);
	assert_int_equal(share, 300000);
	assert_int_equal(bench_parse_share("0.5", &share), 0);
	assert_int_equal(share, 5000);
	assert_int_equal(bench_parse_share("100%", &share), 0);
	assert_int_equal(share, BENCH_SHARE_ALL);
	assert_int_equal(bench_parse_share("0.0001%", &share), 0);
	assert_int_equal(share, 1);
}

static void share_refuses_more_than_all(void **state)
{
	uint32_t share;

	assert_int_equal(bench_parse_share("101%", &share), -ERANGE);
	assert_int_equal(bench_parse_share("100.1%", &share), -ERANGE);
}

static void share_refuses_what_is_no_share(void **state)
{
	uint32_t share;

	assert_int_equal(bench_parse_share("x", &share), -EINVAL);
	assert_int_equal(bench_parse_share("1.%", &share), -EINVAL);
	assert_int_equal(bench_parse_share("1.00001%", &share), -EINVAL);
	assert_int_equal(bench_parse_share("5%%", &share), -EINVAL);
}

static void addr_is_host_and_port(void **state)
{
	struct bench_addr addr;

	assert_int_equal(bench_parse_addr("127.0.0.1:2525", &addr), 0);
	assert_string_equal(addr.host, "127.0.0.1");
	assert_string_equal(addr.port, "2525");
}

static void addr_of_ipv6_needs_brackets(void **state)
{
	struct bench_addr addr;

	assert_int_equal(bench_parse_addr("[::1]:25", &addr), 0);
	assert_string_equal(addr.host, "::1");
	assert_int_equal(bench_parse_addr("::1:25", &addr), -EINVAL);
}

static void addr_refuses_bad_ports_and_hosts(void **state)
{
	static const char *const bad[] = {"host",
					  "host:",
					  ":25",
					  "host:65536",
					  "host:x",
					  "[]:25",
					  "host:0000000000000000025"};
	struct bench_addr addr;
	char longest[400];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(bench_parse_addr(bad[i], &addr), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	strcpy(longest + 300, ":25");
	assert_int_equal(bench_parse_addr(longest, &addr), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_units_are_powers_of_1024),
		cmocka_unit_test(size_refuses_what_is_no_size),
		cmocka_unit_test(size_refuses_overflow),
		cmocka_unit_test(range_of_one_size_is_fixed),
		cmocka_unit_test(range_has_two_ends),
		cmocka_unit_test(range_refuses_zero_and_backwards),
		cmocka_unit_test(decimal_may_have_a_point),
		cmocka_unit_test(decimal_refuses_what_is_no_number),
		cmocka_unit_test(share_has_percent_and_decimals),
		cmocka_unit_test(share_refuses_more_than_all),
		cmocka_unit_test(share_refuses_what_is_no_share),
		cmocka_unit_test(addr_is_host_and_port),
		cmocka_unit_test(addr_of_ipv6_needs_brackets),
		cmocka_unit_test(addr_refuses_bad_ports_and_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
