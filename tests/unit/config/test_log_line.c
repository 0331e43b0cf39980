/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the log: shapes, escaping, cutting; ids; UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log_line.h"
#include "gateway/log/log_utf8.h"

#define FIELDS(...) ((const struct log_field[]){__VA_ARGS__, LOG_LAST})
#define NO_FIELDS   ((const struct log_field[]){LOG_LAST})

/* 2024-02-29T12:34:56.007008Z */
static const struct timespec leap_day = {.tv_sec = 1709210096,
					 .tv_nsec = 7008999};

static struct log_line *format_at(enum log_shape shape,
				  const struct timespec *now,
				  const struct log_field *fields)
{
	struct log_line *line = malloc(sizeof(*line));

	assert_non_null(line);
	memset(line, 0xee, sizeof(*line));
	log_line_format(line, shape, now, CONFIG_LOG_INFO, "area.what", fields);
	assert_in_range(line->len, 1, LOG_LINE_MAX);
	assert_int_equal(line->text[line->len - 1], '\n');
	assert_ptr_equal(memchr(line->text, '\n', line->len),
			 line->text + line->len - 1);
	return line;
}

static json_t *json_of(const struct log_field *fields)
{
	struct log_line *line = format_at(LOG_SHAPE_JSON, &leap_day, fields);
	json_error_t error;
	json_t *json = json_loadb(line->text, line->len, JSON_REJECT_DUPLICATES,
				  &error);

	if (!json)
		fail_msg("%s in: %.*s", error.text, (int)line->len, line->text);
	free(line);
	return json;
}

static void expect_line(enum log_shape shape, const struct log_field *fields,
			const char *expected)
{
	struct log_line *line = format_at(shape, &leap_day, fields);
	char *text = strndup(line->text, line->len);

	assert_string_equal(text, expected);
	free(text);
	free(line);
}

/* --- shapes --- */

static void test_json(void **state)
{
	expect_line(LOG_SHAPE_JSON,
		    FIELDS(L_STR("from", "a@b.test"), L_UINT("size", 7)),
		    "{\"time\":\"2024-02-29T12:34:56.007008Z\",\"level\":"
		    "\"info\",\"event\":\"area.what\",\"from\":\"a@b.test\","
		    "\"size\":7}\n");
}

static void test_text(void **state)
{
	expect_line(LOG_SHAPE_TEXT, FIELDS(L_STR("from", "<a@b.test>")),
		    "2024-02-29T12:34:56.007008Z info    area.what "
		    "from=<a@b.test>\n");
}

static void test_terminal(void **state)
{
	expect_line(LOG_SHAPE_TERMINAL, FIELDS(L_INT("n", -1)),
		    "12:34:56.007 info    area.what n=-1\n");
}

static void test_no_fields(void **state)
{
	expect_line(LOG_SHAPE_TERMINAL, NO_FIELDS,
		    "12:34:56.007 info    area.what\n");
}

static void test_types(void **state)
{
	json_t *json = json_of(
		FIELDS(L_INT("int", -5), L_INT("least", INT64_MIN),
		       L_UINT("uint", INT64_MAX), L_BOOL("yes", true),
		       L_BOOL("no", false), L_SECONDS("seconds", 1500000000),
		       L_STRN("part", "abcdef", 3), L_ID(31)));

	assert_int_equal(json_integer_value(json_object_get(json, "int")), -5);
	assert_true(json_integer_value(json_object_get(json, "least")) ==
		    INT64_MIN);
	assert_true(json_integer_value(json_object_get(json, "uint")) ==
		    INT64_MAX);
	assert_true(json_is_true(json_object_get(json, "yes")));
	assert_true(json_is_false(json_object_get(json, "no")));
	assert_true(json_real_value(json_object_get(json, "seconds")) == 1.5);
	assert_string_equal(json_string_value(json_object_get(json, "part")),
			    "abc");
	assert_string_equal(json_string_value(json_object_get(json, "id")),
			    "000000000000Z");
	json_decref(json);
}

static void test_seconds_have_three_digits(void **state)
{
	expect_line(LOG_SHAPE_TERMINAL,
		    FIELDS(L_SECONDS("a", 0), L_SECONDS("b", 1000000),
			   L_SECONDS("c", 61999999999)),
		    "12:34:56.007 info    area.what a=0.000 b=0.001 "
		    "c=61.999\n");
}

static void test_null_strings_are_left_out(void **state)
{
	expect_line(
		LOG_SHAPE_TERMINAL,
		FIELDS(L_STR("a", NULL), L_STRN("b", NULL, 9), L_STR("c", "d")),
		"12:34:56.007 info    area.what c=d\n");
}

/* --- time --- */

static void test_time_agrees_with_gmtime(void **state)
{
	/* Over 400 years, in steps that hit every kind of day. */
	for (int64_t t = 0; t < INT64_C(12622780800); t += 8640007) {
		struct timespec now = {.tv_sec = t, .tv_nsec = 123456789};
		struct log_line *line =
			format_at(LOG_SHAPE_TEXT, &now, NO_FIELDS);
		char expected[64];
		struct tm tm;

		assert_non_null(gmtime_r(&now.tv_sec, &tm));
		strftime(expected, sizeof(expected),
			 "%Y-%m-%dT%H:%M:%S.123456Z", &tm);
		assert_memory_equal(line->text, expected, strlen(expected));
		free(line);
	}
}

/* --- hostile values --- */

static void expect_json_value(const char *value, size_t len,
			      const char *expected)
{
	json_t *json = json_of(FIELDS(L_STRN("v", value, len)));

	assert_string_equal(json_string_value(json_object_get(json, "v")),
			    expected);
	json_decref(json);
}

static void test_json_keeps_quotes_and_backslashes(void **state)
{
	expect_json_value("a\"b\\c\"", 6, "a\"b\\c\"");
	expect_json_value("\",\"id\":\"x", 9, "\",\"id\":\"x");
}

static void test_json_escapes_control_characters(void **state)
{
	expect_json_value("a\r\nb\x1b[2J\x7f", 9, "a\r\nb\x1b[2J\x7f");
	expect_line(LOG_SHAPE_JSON, FIELDS(L_STR("v", "\x1b\n\xc2\x85")),
		    "{\"time\":\"2024-02-29T12:34:56.007008Z\",\"level\":"
		    "\"info\",\"event\":\"area.what\",\"v\":"
		    "\"\\u001b\\u000a\\u0085\"}\n");
}

static void test_json_replaces_what_is_no_utf8(void **state)
{
	expect_json_value("caf\xe9!", 5, "caf\xef\xbf\xbd!");
	expect_json_value("\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd");
	expect_json_value("\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd");
	expect_json_value("\xed\xa0\x80", 3,
			  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_json_passes_utf8(void **state)
{
	expect_json_value("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xae",
			  15,
			  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93"
			  "\xae");
}

static void test_json_with_every_octet(void **state)
{
	char value[256];

	for (unsigned i = 0; i < sizeof(value); i++)
		value[i] = (char)i;
	/* NUL can't be in jansson's C string: it must still parse */
	json_decref(json_of(FIELDS(L_STRN("v", value + 1, 255))));
	for (unsigned i = 1; i < sizeof(value); i++)
		json_decref(json_of(FIELDS(L_STRN("v", value + i, 1))));
}

static void expect_text_value(const char *value, size_t len,
			      const char *expected)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "12:34:56.007 info    area.what v=%s\n",
		 expected);
	expect_line(LOG_SHAPE_TERMINAL, FIELDS(L_STRN("v", value, len)), whole);
}

static void test_text_quotes_what_is_no_word(void **state)
{
	expect_text_value("plain.word@host:25", 18, "plain.word@host:25");
	expect_text_value("two words", 9, "\"two words\"");
	expect_text_value("", 0, "\"\"");
	expect_text_value("a=b", 3, "\"a=b\"");
	expect_text_value("a\"b", 3, "\"a\\\"b\"");
	expect_text_value("a\\b", 3, "\"a\\\\b\"");
}

static void test_text_escapes_control_characters(void **state)
{
	expect_text_value("a\nb\x1b[2J\x7f", 8, "\"a\\x0ab\\x1b[2J\\x7f\"");
	expect_text_value("\xc2\x9b", 2, "\"\\xc2\\x9b\"");
	expect_text_value("\xe2\x80\xae", 3, "\"\\xe2\\x80\\xae\"");
	expect_text_value("a\0b", 3, "\"a\\x00b\"");
}

static void test_text_shows_bad_octets(void **state)
{
	expect_text_value("caf\xe9", 4, "\"caf\\xe9\"");
	expect_text_value("gr\xc3\xbcn", 5, "\"gr\xc3\xbcn\"");
}

/* --- cutting --- */

static void test_long_value_is_cut_and_said(void **state)
{
	char *value = calloc(1, 10001);
	json_t *json;
	const char *got;

	assert_non_null(value);
	memset(value, 'x', 10000);
	json = json_of(FIELDS(L_STR("v", value), L_UINT("after", 1)));
	got = json_string_value(json_object_get(json, "v"));
	assert_in_range(strlen(got), 500, 2000);
	assert_true(json_is_true(json_object_get(json, "cut")));
	assert_int_equal(json_integer_value(json_object_get(json, "after")), 1);
	json_decref(json);
	free(value);
}

static void test_cut_never_splits_a_character_or_an_escape(void **state)
{
	char *value = calloc(1, 8001);

	assert_non_null(value);
	for (unsigned shift = 0; shift < 8; shift++) {
		memset(value, 'x', shift);
		for (size_t i = shift; i + 4 <= 8000; i += 4)
			memcpy(value + i, "\xf0\x9f\x93\xae", 4);
		json_decref(json_of(FIELDS(L_STR("v", value))));
		memset(value + shift, '\n', 8000 - shift);
		json_decref(json_of(FIELDS(L_STR("v", value))));
	}
	free(value);
}

static void test_fields_without_room_are_left_out_whole(void **state)
{
	char value[1001];
	json_t *json;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	json = json_of(FIELDS(L_STR("a", value), L_STR("b", value),
			      L_STR("c", value), L_STR("d", value),
			      L_STR("e", value), L_STR("f", value)));
	assert_true(json_is_true(json_object_get(json, "cut")));
	assert_string_equal(json_string_value(json_object_get(json, "a")),
			    value);
	assert_string_equal(json_string_value(json_object_get(json, "c")),
			    value);
	assert_null(json_object_get(json, "f"));
	json_decref(json);
}

static void test_any_number_of_fields_makes_a_line(void **state)
{
	struct log_field fields[513] = {{0}};

	for (size_t n = 1; n < 512; n++) {
		struct log_line *line;

		fields[n - 1] = L_STR("k", "0123456789\n");
		fields[n] = (struct log_field){LOG_END, NULL, NULL, 0};
		line = format_at(LOG_SHAPE_JSON, &leap_day, fields);
		assert_memory_equal(line->text + line->len - 2, "}\n", 2);
		free(line);
	}
}

static void test_text_says_that_it_is_cut(void **state)
{
	char value[5000];
	struct log_line *line;

	memset(value, 'x', sizeof(value));
	line = format_at(LOG_SHAPE_TEXT, &leap_day,
			 FIELDS(L_STRN("v", value, sizeof(value))));
	assert_memory_equal(line->text + line->len - 10, " cut=true\n", 10);
	free(line);
}

static void test_short_line_is_not_cut(void **state)
{
	json_t *json = json_of(FIELDS(L_STR("v", "x")));

	assert_null(json_object_get(json, "cut"));
	json_decref(json);
}

/* --- ids --- */

static void expect_id(uint64_t id, const char *text)
{
	char buf[LOG_ID_SIZE];

	assert_ptr_equal(log_id_text(id, buf), buf);
	assert_string_equal(buf, text);
}

static void test_ids(void **state)
{
	expect_id(0, "0000000000000");
	expect_id(1, "0000000000001");
	expect_id(32, "0000000000010");
	expect_id(UINT64_MAX, "FZZZZZZZZZZZZ");
	expect_id(UINT64_C(0x0123456789abcdef), "028T5CY4TQKFF");
}

static void test_ids_sort_as_numbers(void **state)
{
	char before[LOG_ID_SIZE] = "", now[LOG_ID_SIZE];

	for (uint64_t id = 1; id < UINT64_MAX / 7; id *= 7) {
		log_id_text(id, now);
		assert_true(strcmp(before, now) < 0);
		memcpy(before, now, sizeof(now));
	}
}

/* --- UTF-8 --- */

static void test_utf8_bounds(void **state)
{
	static const struct {
		const char *octets;
		size_t len;
		uint32_t code; /* 0: refused */
	} rows[] = {
		{"\x7f", 1, 0x7f},
		{"\x80", 0, 0},
		{"\xc1\xbf", 0, 0},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\x9f\xbf", 0, 0},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xed\x9f\xbf", 3, 0xd7ff},
		{"\xed\xa0\x80", 0, 0},
		{"\xee\x80\x80", 3, 0xe000},
		{"\xef\xbf\xbf", 3, 0xffff},
		{"\xf0\x8f\xbf\xbf", 0, 0},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"\xf4\x90\x80\x80", 0, 0},
		{"\xf8\x88\x80\x80", 0, 0},
		{"\xff", 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t code = 0;

		assert_int_equal(log_utf8_decode(rows[i].octets,
						 strlen(rows[i].octets), &code),
				 rows[i].len);
		assert_int_equal(code, rows[i].code);
	}
}

static void test_utf8_cut(void **state)
{
	uint32_t code;

	assert_int_equal(log_utf8_decode("", 0, &code), 0);
	for (size_t len = 0; len < 4; len++)
		assert_int_equal(
			log_utf8_decode("\xf0\x90\x80\x80", len, &code), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_no_fields),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_seconds_have_three_digits),
		cmocka_unit_test(test_null_strings_are_left_out),
		cmocka_unit_test(test_time_agrees_with_gmtime),
		cmocka_unit_test(test_json_keeps_quotes_and_backslashes),
		cmocka_unit_test(test_json_escapes_control_characters),
		cmocka_unit_test(test_json_replaces_what_is_no_utf8),
		cmocka_unit_test(test_json_passes_utf8),
		cmocka_unit_test(test_json_with_every_octet),
		cmocka_unit_test(test_text_quotes_what_is_no_word),
		cmocka_unit_test(test_text_escapes_control_characters),
		cmocka_unit_test(test_text_shows_bad_octets),
		cmocka_unit_test(test_long_value_is_cut_and_said),
		cmocka_unit_test(
			test_cut_never_splits_a_character_or_an_escape),
		cmocka_unit_test(test_fields_without_room_are_left_out_whole),
		cmocka_unit_test(test_any_number_of_fields_makes_a_line),
		cmocka_unit_test(test_text_says_that_it_is_cut),
		cmocka_unit_test(test_short_line_is_not_cut),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_ids_sort_as_numbers),
		cmocka_unit_test(test_utf8_bounds),
		cmocka_unit_test(test_utf8_cut),
	};

	return cmocka_run_group_tests_name("log_line", tests, NULL, NULL);
}
