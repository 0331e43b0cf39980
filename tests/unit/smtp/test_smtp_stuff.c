/* SPDX-License-Identifier: Apache-2.0 */
/* Dot-stuffing: every body, cut at every byte, has one wire form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/smtp_stuff.h"

struct wire {
	char bytes[256];
	size_t len;
};

static void put(struct wire *wire, const void *data, size_t len)
{
	assert_true(wire->len + len < sizeof(wire->bytes));
	memcpy(wire->bytes + wire->len, data, len);
	wire->len += len;
	wire->bytes[wire->len] = '\0';
}

static void run(struct smtp_stuff *stuff, struct wire *wire, const char *data,
		size_t len)
{
	while (len > 0) {
		bool dot;
		size_t n = smtp_stuff_run(stuff, (const unsigned char *)data,
					  len, &dot);

		put(wire, data, n);
		if (dot)
			put(wire, ".", 1);
		else
			assert_int_equal(n, len);
		data += n;
		len -= n;
	}
}

static void check(const char *body, const char *expected)
{
	size_t len = strlen(body);

	for (size_t cut = 0; cut <= len; cut++) {
		struct smtp_stuff stuff;
		struct wire wire = {.len = 0};

		smtp_stuff_start(&stuff);
		run(&stuff, &wire, body, cut);
		run(&stuff, &wire, body + cut, len - cut);
		put(&wire, smtp_stuff_end(&stuff),
		    strlen(smtp_stuff_end(&stuff)));
		assert_string_equal(wire.bytes, expected);
	}
	for (size_t step = 1; step <= 3; step++) {
		struct smtp_stuff stuff;
		struct wire wire = {.len = 0};

		smtp_stuff_start(&stuff);
		for (size_t at = 0; at < len; at += step)
			run(&stuff, &wire, body + at,
			    len - at < step ? len - at : step);
		put(&wire, smtp_stuff_end(&stuff),
		    strlen(smtp_stuff_end(&stuff)));
		assert_string_equal(wire.bytes, expected);
	}
}

static void test_body_without_dots_goes_out_as_it_is(void **state)
{
	check("one\r\ntwo\r\n", "one\r\ntwo\r\n.\r\n");
}

static void test_dot_inside_a_line_is_left_alone(void **state)
{
	check("a.b\r\nc.\r\n", "a.b\r\nc.\r\n.\r\n");
}

static void test_leading_dot_is_doubled(void **state)
{
	check(".one\r\n..two\r\n.\r\n", "..one\r\n...two\r\n..\r\n.\r\n");
}

static void test_first_byte_begins_a_line(void **state)
{
	check(".", "..\r\n.\r\n");
}

static void test_empty_body_is_only_the_end(void **state)
{
	check("", ".\r\n");
}

static void test_missing_last_line_end_is_supplied(void **state)
{
	check("one\r\ntwo", "one\r\ntwo\r\n.\r\n");
	check("one\r", "one\r\r\n.\r\n");
}

static void test_only_crlf_begins_a_line(void **state)
{
	check("a\n.b\r\n", "a\n.b\r\n.\r\n");
	check("a\r.b\r\n", "a\r.b\r\n.\r\n");
	check("a\r\r\n.b\r\n", "a\r\r\n..b\r\n.\r\n");
}

static void test_lines_of_dots_only(void **state)
{
	check("...\r\n....\r\n", "....\r\n.....\r\n.\r\n");
}

static void test_a_run_is_as_long_as_it_can_be(void **state)
{
	static const char body[] = "a.b.c\r\nd.e\r\n.f\r\n";
	struct smtp_stuff stuff;
	bool dot;

	smtp_stuff_start(&stuff);
	assert_int_equal(smtp_stuff_run(&stuff, (const unsigned char *)body,
					sizeof(body) - 1, &dot),
			 12);
	assert_true(dot);
	assert_int_equal(smtp_stuff_run(&stuff,
					(const unsigned char *)body + 12,
					sizeof(body) - 1 - 12, &dot),
			 4);
	assert_false(dot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body_without_dots_goes_out_as_it_is),
		cmocka_unit_test(test_dot_inside_a_line_is_left_alone),
		cmocka_unit_test(test_leading_dot_is_doubled),
		cmocka_unit_test(test_first_byte_begins_a_line),
		cmocka_unit_test(test_empty_body_is_only_the_end),
		cmocka_unit_test(test_missing_last_line_end_is_supplied),
		cmocka_unit_test(test_only_crlf_begins_a_line),
		cmocka_unit_test(test_lines_of_dots_only),
		cmocka_unit_test(test_a_run_is_as_long_as_it_can_be),
	};

	return cmocka_run_group_tests_name("smtp_stuff", tests, NULL, NULL);
}
