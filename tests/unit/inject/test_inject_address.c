/* SPDX-License-Identifier: Apache-2.0 */
/* Address lists of headers: RFC 5322's forms, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/inject/inject_address.h"

struct seen {
	char text[1024];
};

static bool note(void *arg, const char *address)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	snprintf(seen->text + len, sizeof(seen->text) - len, "[%s]", address);
	return true;
}

static const char *read_list(const char *text, struct seen *seen)
{
	/* On the heap and exact, so that reading too far is seen. */
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	const char *wrong;

	assert_non_null(copy);
	memcpy(copy, text, len);
	seen->text[0] = '\0';
	wrong = inject_addresses(copy, len, note, seen);
	free(copy);
	return wrong;
}

static const struct {
	const char *text, *found;
} good[] = {
	{"", ""},
	{" \r\n ", ""},
	{"a@b.test", "[a@b.test]"},
	{"a@b.test, c@d.test", "[a@b.test][c@d.test]"},
	{"a@b.test,, c@d.test,", "[a@b.test][c@d.test]"},
	{"root", "[root]"},
	{"John Doe <john@b.test>", "[john@b.test]"},
	{"\"Doe, John\" <john@b.test>", "[john@b.test]"},
	{"\"a <x@y.test>\" <john@b.test>", "[john@b.test]"},
	{"(comment, with (another)) a@b.test (x)", "[a@b.test]"},
	{"a (x) @ (y) b . test", "[a@b.test]"},
	{"john . doe@b.test", "[john.doe@b.test]"},
	{"\"john doe\"@b.test", "[\"john doe\"@b.test]"},
	{"\"a\\\"b\"@b.test", "[\"a\\\"b\"@b.test]"},
	{"John Doe\r\n <john@b.test>,\r\n\tx@y.test",
	 "[john@b.test][x@y.test]"},
	{"<@a.test,@b.test:user@c.test>", "[user@c.test]"},
	{"friends: a@b.test, c@d.test;", "[a@b.test][c@d.test]"},
	{"friends: a@b.test;, x@y.test", "[a@b.test][x@y.test]"},
	{"undisclosed-recipients:;", ""},
	{"a@[192.0.2.1]", "[a@[192.0.2.1]]"},
	{"a@[IPv6:2001:db8::1]", "[a@[IPv6:2001:db8::1]]"},
	{"J\xc3\xbcrgen <j@b.test>", "[j@b.test]"},
	{"=?utf-8?q?a=2C_b?= <j@b.test>", "[j@b.test]"},
};

static void test_good_lists(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct seen seen;
		const char *wrong = read_list(good[i].text, &seen);

		if (wrong)
			fail_msg("%s: %s", good[i].text, wrong);
		assert_string_equal(seen.text, good[i].found);
	}
}

static const char *const bad[] = {
	"John Doe",	   "a@b.test c@d.test", "\"open", "(open",
	"((open)",	   "<open@b.test",	"<>",	  "a <b@c.test> d",
	"a: b: c@d.test;", "a\x01@b.test",	";",
};

static void test_bad_lists(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct seen seen;

		if (!read_list(bad[i], &seen))
			fail_msg("taken: %s as %s", bad[i], seen.text);
	}
}

/* A long display name is none of an address's length. */
static void test_long_names(void **state)
{
	char text[4096];
	struct seen seen;

	memset(text, 'n', 3000);
	strcpy(text + 3000, " <a@b.test>");
	assert_null(read_list(text, &seen));
	assert_string_equal(seen.text, "[a@b.test]");
	text[0] = '"';
	strcpy(text + 3000, " <x@y.test>\" <a@b.test>");
	assert_null(read_list(text, &seen));
	assert_string_equal(seen.text, "[a@b.test]");
	strcpy(text + 3000, "\"@b.test");
	assert_non_null(read_list(text, &seen));
	assert_string_equal(seen.text, "");
}

static bool refuse(void *arg, const char *address)
{
	size_t *calls = arg;

	++*calls;
	return false;
}

static void test_it_stops_when_told_to(void **state)
{
	static const char text[] = "a@b.test, c@d.test";
	size_t calls = 0;

	assert_non_null(
		inject_addresses(text, sizeof(text) - 1, refuse, &calls));
	assert_int_equal(calls, 1);
}

static void test_deep_comments_end(void **state)
{
	char text[4096];
	struct seen seen;

	memset(text, '(', 2000);
	memset(text + 2000, ')', 2000);
	text[4000] = '\0';
	assert_non_null(read_list(text, &seen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_lists),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_it_stops_when_told_to),
		cmocka_unit_test(test_deep_comments_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
