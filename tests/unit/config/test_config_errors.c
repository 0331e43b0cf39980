/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about mistakes, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_errors.h"
#include "gateway/config/config_yaml.h"
#include "tests/unit/config/fixture.h"

static void test_all_mistakes_in_the_order_of_the_file(void **state)
{
	expect_errors(
		"hostname: relay.example.test\n"
		"spool: {path: spool, durability: synk}\n"
		"listen: [{address: \"127.0.0.1\"}]\n"
		"routes:\n"
		"- {match: \"*\", next_hop: \"127.0.0.1:0\"}\n"
		"offlaod: auto\n"
		"limits: {recipients: 5, message_size: 10XB}\n"
		"timeouts: {command: 30}\n",
		"test.yaml:2:34: 'durability' is 'synk' (did you mean "
		"'sync'?); expected sync or async\n"
		"test.yaml:3:20: 'address' is '127.0.0.1' (no port); "
		"expected a numeric address with a port, such as "
		"127.0.0.1:25, 0.0.0.0:25 or \"[::]:25\"\n"
		"test.yaml:5:26: 'next_hop' is '127.0.0.1:0' (the port "
		"is not a number from 1 to 65535); expected mx, or "
		"host:port, such as smtp.example.test:587, 192.0.2.1 "
		"or \"[2001:db8::1]:25\"\n"
		"test.yaml:6:1: unknown key 'offlaod' (did you mean "
		"'offload'?); expected hostname, spool, listen, "
		"relay_from, offload, body_path, routes, destinations, limits, "
		"timeouts, retry, resolver, bounce, admin, inject, webhooks, "
		"bare_line_ends, log, workers or uring\n"
		"test.yaml:7:22: 'recipients' is '5' (too small); "
		"expected a number from 100 to 100000\n"
		"test.yaml:7:39: 'message_size' is '10XB'; expected a "
		"size such as 64K, 10MiB or 1G, from 64KiB to 2GiB\n"
		"test.yaml:8:21: 'command' is '30'; expected a time such "
		"as 500ms, 30s, 5m, 2h or 5d, from 10ms to 1d\n");
}

static void test_empty_file_names_what_is_needed(void **state)
{
	const char *lines =
		"test.yaml:1:1: 'hostname' is missing; expected this relay's "
		"name in DNS, such as relay.example.test, or auto\n"
		"test.yaml:1:1: 'spool' is missing; expected a mapping ('key: "
		"value' lines, or {key: value, ...})\n"
		"test.yaml:1:1: 'listen' is missing; expected a list of "
		"{address: ..., tls: {...}}\n"
		"test.yaml:1:1: 'routes' is missing; expected a list of "
		"{match: ..., next_hop: ..., tls: ...}\n";

	expect_errors("", lines);
	expect_errors("# only a comment\n", lines);
	expect_errors("---\n...\n", lines);
}

static void test_missing_key_at_its_mapping(void **state)
{
	expect_error_has("a: 1\nspool: {}\n",
			 "test.yaml:2:8: 'path' is missing; expected the "
			 "folder for queued messages\n");
}

static void test_file_that_is_no_mapping(void **state)
{
	expect_errors("- a\n", "test.yaml:1:1: the file is a list; expected "
			       "'key: value' lines\n");
	expect_errors("hello\n", "test.yaml:1:1: the file is a single value; "
				 "expected 'key: value' lines\n");
}

static void test_key_twice(void **state)
{
	expect_errors(LEAST "offload: auto\nworkers: 2\noffload: never\n",
		      "test.yaml:7:1: 'offload' is given twice, first on line "
		      "5; expected once\n");
	expect_errors(LEAST "limits: {errors: 1, errors: 2}\n",
		      "test.yaml:5:21: 'errors' is given twice, first on line "
		      "5; expected once\n");
}

static void test_key_three_times_is_said_twice(void **state)
{
	expect_errors(LEAST "uring: best\nuring: best\nuring: best\n",
		      "test.yaml:6:1: 'uring' is given twice, first on line 5; "
		      "expected once\n"
		      "test.yaml:7:1: 'uring' is given twice, first on line 5; "
		      "expected once\n");
}

static void test_unknown_key_far_from_all(void **state)
{
	expect_error_has(LEAST "log: {colour: red}\n",
			 "test.yaml:5:7: unknown key 'colour'; expected "
			 "format, level, file or delivery\n");
}

static void test_did_you_mean_in_mappings(void **state)
{
	expect_error_has(LEAST "limits: {recipient: 100}\n",
			 "unknown key 'recipient' (did you mean "
			 "'recipients'?)");
	expect_error_has("listen: [{adress: x}]\n",
			 "unknown key 'adress' (did you mean 'address'?)");
	expect_error_has("routes: [{nexthop: x}]\n",
			 "unknown key 'nexthop' (did you mean 'next_hop'?)");
	expect_error_has("routes: [{tls: {levle: may}}]\n",
			 "unknown key 'levle' (did you mean 'level'?)");
}

static void test_wrong_shapes(void **state)
{
	expect_error_has(LEAST "limits: [1]\n",
			 "test.yaml:5:9: 'limits' is a list; expected a "
			 "mapping");
	expect_error_has(LEAST "limits: 5\n", "'limits' is '5'; expected a "
					      "mapping");
	expect_error_has(LEAST "relay_from: ::1\n",
			 "'relay_from' is '::1'; expected a list of networks");
	expect_error_has(LEAST "relay_from:\n",
			 "test.yaml:5:1: 'relay_from' has no value; expected a "
			 "list of networks");
	expect_error_has(LEAST "offload: {a: b}\n",
			 "'offload' is a mapping; expected auto");
}

static void test_mapping_with_nothing_in_it(void **state)
{
	struct parsed p = expect_good(LEAST "limits:\n#  errors: 1\nlog: {}\n");

	assert_int_equal(p.config->limits.errors, 20);
	parsed_free(&p);
}

static void test_spool_with_nothing_in_it(void **state)
{
	expect_error_has("spool:\n", "test.yaml:1:1: 'path' is missing");
}

/* --- YAML itself --- */

static void expect_syntax(const char *text, const char *place)
{
	char part[64];

	snprintf(part, sizeof(part), "test.yaml:%s: not YAML: ", place);
	expect_error_has(text, part);
}

static void test_syntax(void **state)
{
	expect_syntax("a: b: c\n", "1:5");
	expect_syntax("a: [1, 2\n", "2:1");
	expect_syntax("a: \"open\nb: c\n", "1:4");
	expect_syntax("a: 1\n\tb: c\n", "1:4");
}

static void test_syntax_says_what_is_expected(void **state)
{
	expect_error_has("a: b: c\n", "; expected 'key: value' lines");
}

static void test_not_utf8(void **state)
{
	expect_errors("a: 1\nb: caf\xe9\n",
		      "test.yaml:2:7: octet 0xe9 is not UTF-8; expected UTF-8 "
		      "text\n");
}

static void test_column_counts_characters(void **state)
{
	expect_errors("h\xc3\xa9llo: \xff\n",
		      "test.yaml:1:8: octet 0xff is not UTF-8; expected UTF-8 "
		      "text\n");
}

static void test_nul(void **state)
{
	struct parsed p = parse_named("a: x\0y\n", 7, "test.yaml");

	assert_string_equal(p.errors, "test.yaml:1:5: control character 0x00; "
				      "expected text\n");
	parsed_free(&p);
}

static void test_escaped_control_characters(void **state)
{
	expect_error_has("hostname: \"a\\0b\"\n",
			 "test.yaml:1:11: control character 0x00 in a value; "
			 "expected text on one line\n");
	expect_error_has("spool: {path: \"a\\nb\"}\n",
			 "control character 0x0a in a value");
}

static void test_alias_and_tag(void **state)
{
	expect_errors("a: &x 1\nb: *x\n",
		      "test.yaml:2:4: a YAML alias (*name); expected the value "
		      "itself\n");
	expect_error_has("a: !!str 1\n", "a YAML tag; expected a value");
	expect_error_has("a: !x {}\n", "a YAML tag; expected a value");
}

static void test_second_document(void **state)
{
	expect_error_has("a: 1\n---\nb: 2\n",
			 "test.yaml:2:1: a second YAML document; expected one");
}

static void test_key_that_is_no_word(void **state)
{
	expect_error_has("? [a]\n: b\n",
			 "test.yaml:1:3: a list stands as a key; expected a "
			 "word");
}

/* --- bounds --- */

static void test_too_deep(void **state)
{
	char text[2 * CONFIG_YAML_DEPTH_MAX + 8] = "a: ";

	memset(text + 3, '[', CONFIG_YAML_DEPTH_MAX);
	memset(text + 3 + CONFIG_YAML_DEPTH_MAX, ']', CONFIG_YAML_DEPTH_MAX);
	expect_error_has(text, "nested too deep; expected at most 16 levels");
}

static void test_too_many_keys(void **state)
{
	char text[64 * 8 + 16] = "";
	size_t len = 0;

	for (unsigned i = 0; i < CONFIG_YAML_KEYS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"k%u: 1\n", i);
	expect_error_has(text, "unknown key 'k63'");
	snprintf(text + len, sizeof(text) - len, "kk: 1\n");
	expect_error_has(text, "test.yaml:65:1: too many keys; expected at "
			       "most 64");
}

static void test_too_many_values(void **state)
{
	size_t size = 3 * (CONFIG_YAML_NODES_MAX + 8);
	char *text = calloc(1, size);
	size_t len = 0;

	assert_non_null(text);
	text[len++] = '[';
	while (len + 4 < size) {
		memcpy(text + len, "a, ", 3);
		len += 3;
	}
	text[len++] = ']';
	expect_error_has(text, "too many values; expected at most 65536");
	free(text);
}

static void test_more_mistakes_than_are_said(void **state)
{
	char text[8192] = "relay_from:\n";
	size_t len = strlen(text);
	struct parsed p;
	unsigned lines = 0;

	for (unsigned i = 0; i < CONFIG_MISTAKES_MAX + 2; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"- x%u\n", i);
	p = parse(text);
	for (const char *at = p.errors; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, CONFIG_MISTAKES_MAX + 1);
	/* the four missing keys come on top of the 102 */
	assert_non_null(strstr(p.errors, "test.yaml: 6 more mistakes; mend "
					 "these first\n"));
	parsed_free(&p);
}

static void test_long_values_are_cut(void **state)
{
	char text[300] = "offload: ";

	memset(text + 9, 'x', 200);
	expect_error_has(text, "'offload' is 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'; "
			       "expected auto");
}

static void test_quote_keeps_characters_whole(void **state)
{
	char text[CONFIG_QUOTE_SIZE * 2] = "", buf[CONFIG_QUOTE_SIZE];

	for (size_t i = 0; i < CONFIG_QUOTE_SIZE / 2; i++)
		strcat(text, "\xc3\xa9");
	config_errors_quote(text, strlen(text), buf);
	assert_string_equal(buf + strlen(buf) - 5, "\xc3\xa9...");
	assert_int_equal(strlen(buf) % 2, 1);
	assert_string_equal(config_errors_quote("a\x1b\xff", 3, buf), "a??");
	assert_string_equal(config_errors_quote("", 0, buf), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_mistakes_in_the_order_of_the_file),
		cmocka_unit_test(test_empty_file_names_what_is_needed),
		cmocka_unit_test(test_missing_key_at_its_mapping),
		cmocka_unit_test(test_file_that_is_no_mapping),
		cmocka_unit_test(test_key_twice),
		cmocka_unit_test(test_key_three_times_is_said_twice),
		cmocka_unit_test(test_unknown_key_far_from_all),
		cmocka_unit_test(test_did_you_mean_in_mappings),
		cmocka_unit_test(test_wrong_shapes),
		cmocka_unit_test(test_mapping_with_nothing_in_it),
		cmocka_unit_test(test_spool_with_nothing_in_it),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_syntax_says_what_is_expected),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_column_counts_characters),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_escaped_control_characters),
		cmocka_unit_test(test_alias_and_tag),
		cmocka_unit_test(test_second_document),
		cmocka_unit_test(test_key_that_is_no_word),
		cmocka_unit_test(test_too_deep),
		cmocka_unit_test(test_too_many_keys),
		cmocka_unit_test(test_too_many_values),
		cmocka_unit_test(test_more_mistakes_than_are_said),
		cmocka_unit_test(test_long_values_are_cut),
		cmocka_unit_test(test_quote_keeps_characters_whole),
	};

	unsetenv("RINGPOST_URING");
	return cmocka_run_group_tests_name("config_errors", tests, NULL, NULL);
}
