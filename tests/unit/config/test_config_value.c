/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, and distances between words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>

#include "gateway/config/config_value.h"

typedef int (*parse_fn)(const char *text, uint64_t *out);

static uint64_t good(parse_fn parse, const char *text)
{
	uint64_t value = 0;
	int result = parse(text, &value);

	if (result)
		fail_msg("'%s' gave %d", text, result);
	return value;
}

static int bad(parse_fn parse, const char *text)
{
	uint64_t value = 77;
	int result = parse(text, &value);

	assert_int_equal(value, 77); /* untouched */
	return result;
}

static void test_count(void **state)
{
	assert_int_equal(good(config_value_count, "0"), 0);
	assert_int_equal(good(config_value_count, "1000"), 1000);
	assert_int_equal(good(config_value_count, "18446744073709551615"),
			 UINT64_MAX);
}

static void test_count_refused(void **state)
{
	static const char *const words[] = {"",	    "-1", "+1", "1.5", "10K",
					    "0x10", " 1", "1 ", "ten"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(bad(config_value_count, words[i]), -EINVAL);
	assert_int_equal(bad(config_value_count, "18446744073709551616"),
			 -ERANGE);
}

static void test_size_units(void **state)
{
	assert_int_equal(good(config_value_size, "4096"), 4096);
	assert_int_equal(good(config_value_size, "7B"), 7);
	assert_int_equal(good(config_value_size, "4K"), 4096);
	assert_int_equal(good(config_value_size, "4KiB"), 4096);
	assert_int_equal(good(config_value_size, "4KB"), 4000);
	assert_int_equal(good(config_value_size, "10MiB"), 10 << 20);
	assert_int_equal(good(config_value_size, "25M"), 25 << 20);
	assert_int_equal(good(config_value_size, "3MB"), 3000000);
	assert_int_equal(good(config_value_size, "1G"), 1 << 30);
	assert_int_equal(good(config_value_size, "2T"), UINT64_C(2) << 40);
	assert_int_equal(good(config_value_size, "2TB"), 2000000000000);
}

static void test_size_any_case_one_blank(void **state)
{
	assert_int_equal(good(config_value_size, "10mib"), 10 << 20);
	assert_int_equal(good(config_value_size, "10 MiB"), 10 << 20);
}

static void test_size_refused(void **state)
{
	static const char *const words[] = {"",	    "K",     "10X",
					    "1.5G", "10  M", "10 ",
					    "-4K",  "4 K B", "10Kb/s"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(bad(config_value_size, words[i]), -EINVAL);
}

static void test_size_overflow(void **state)
{
	assert_int_equal(good(config_value_size, "16777215T"),
			 UINT64_C(16777215) << 40);
	assert_int_equal(bad(config_value_size, "16777216T"), -ERANGE);
	assert_int_equal(bad(config_value_size, "99999999999999999999"),
			 -ERANGE);
}

static void test_duration_units(void **state)
{
	const uint64_t second = 1000000000;

	assert_int_equal(good(config_value_duration, "500ms"), second / 2);
	assert_int_equal(good(config_value_duration, "30s"), 30 * second);
	assert_int_equal(good(config_value_duration, "5m"), 300 * second);
	assert_int_equal(good(config_value_duration, "2h"), 7200 * second);
	assert_int_equal(good(config_value_duration, "5d"), 432000 * second);
	assert_int_equal(good(config_value_duration, "1w"), 604800 * second);
	assert_int_equal(good(config_value_duration, "0"), 0);
	assert_int_equal(good(config_value_duration, "0s"), 0);
}

static void test_duration_needs_a_unit(void **state)
{
	static const char *const words[] = {"30", "5min", "5M", "1h30m",
					    "s",  "1.5h", ""};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(bad(config_value_duration, words[i]), -EINVAL);
}

static void test_duration_overflow(void **state)
{
	assert_int_equal(bad(config_value_duration, "30501w"), -ERANGE);
	assert_int_equal(good(config_value_duration, "30500w"),
			 UINT64_C(30500) * 604800 * 1000000000);
}

static void test_percent(void **state)
{
	assert_int_equal(good(config_value_percent, "10%"), 10);
	assert_int_equal(good(config_value_percent, "0"), 0);
	assert_int_equal(good(config_value_percent, "0%"), 0);
	assert_int_equal(bad(config_value_percent, "10"), -EINVAL);
	assert_int_equal(bad(config_value_percent, "10%%"), -EINVAL);
	assert_int_equal(bad(config_value_percent, "%"), -EINVAL);
	assert_int_equal(bad(config_value_percent, "0x"), -EINVAL);
}

static void test_size_text_is_shortest_and_exact(void **state)
{
	char buf[CONFIG_VALUE_TEXT];

	assert_string_equal(config_value_size_text(0, buf), "0");
	assert_string_equal(config_value_size_text(1025, buf), "1025");
	assert_string_equal(config_value_size_text(50 << 20, buf), "50MiB");
	assert_string_equal(config_value_size_text(1 << 30, buf), "1GiB");
	assert_string_equal(config_value_size_text(1536, buf), "1536");
}

static void test_duration_text_is_shortest_and_exact(void **state)
{
	char buf[CONFIG_VALUE_TEXT];
	const uint64_t second = 1000000000;

	assert_string_equal(config_value_duration_text(0, buf), "0");
	assert_string_equal(config_value_duration_text(90 * second, buf),
			    "90s");
	assert_string_equal(config_value_duration_text(300 * second, buf),
			    "5m");
	assert_string_equal(config_value_duration_text(432000 * second, buf),
			    "5d");
	assert_string_equal(config_value_duration_text(5, buf), "5ns");
}

static void test_texts_read_back(void **state)
{
	static const uint64_t values[] = {1, 1000, 1024, 5 << 20, 3000000000};
	char buf[CONFIG_VALUE_TEXT];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_int_equal(good(config_value_size,
				      config_value_size_text(values[i], buf)),
				 values[i]);
}

static void test_distance(void **state)
{
	assert_int_equal(config_value_distance("", ""), 0);
	assert_int_equal(config_value_distance("", "abc"), 3);
	assert_int_equal(config_value_distance("hostname", "hostname"), 0);
	assert_int_equal(config_value_distance("hostnam", "hostname"), 1);
	assert_int_equal(config_value_distance("hostnames", "hostname"), 1);
	assert_int_equal(config_value_distance("hostnane", "hostname"), 1);
	assert_int_equal(config_value_distance("normalize", "normalise"), 1);
	assert_int_equal(config_value_distance("abc", "xyz"), 3);
}

static void test_distance_swap_is_one(void **state)
{
	assert_int_equal(config_value_distance("lisetn", "listen"), 1);
	assert_int_equal(config_value_distance("ab", "ba"), 1);
}

static void test_distance_of_long_words(void **state)
{
	assert_int_equal(
		config_value_distance("123456789012345678901234567890123",
				      "123456789012345678901234567890123"),
		UINT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_count_refused),
		cmocka_unit_test(test_size_units),
		cmocka_unit_test(test_size_any_case_one_blank),
		cmocka_unit_test(test_size_refused),
		cmocka_unit_test(test_size_overflow),
		cmocka_unit_test(test_duration_units),
		cmocka_unit_test(test_duration_needs_a_unit),
		cmocka_unit_test(test_duration_overflow),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_size_text_is_shortest_and_exact),
		cmocka_unit_test(test_duration_text_is_shortest_and_exact),
		cmocka_unit_test(test_texts_read_back),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_distance_swap_is_one),
		cmocka_unit_test(test_distance_of_long_words),
	};

	return cmocka_run_group_tests_name("config_value", tests, NULL, NULL);
}
