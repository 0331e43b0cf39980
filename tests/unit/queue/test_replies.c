/* SPDX-License-Identifier: Apache-2.0 */
/* Replies are kept once, and not without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gateway/queue/replies.h"

static void the_same_reply_is_kept_once(void **state)
{
	struct replies r = {0};
	unsigned code = 0;
	uint32_t a = replies_keep(&r, 451, "4.7.1", "later");
	uint32_t b = replies_keep(&r, 451, "4.7.1", "later");
	uint32_t c = replies_keep(&r, 450, "4.7.1", "later");

	assert_int_equal(a, b);
	assert_int_not_equal(a, c);
	assert_string_equal(replies_get(&r, a, &code), "4.7.1 later");
	assert_int_equal(code, 451);
	replies_drop(&r, a);
	assert_string_equal(replies_get(&r, b, &code), "4.7.1 later");
	replies_drop(&r, b);
	replies_drop(&r, c);
	assert_int_equal(r.count, 0);
	replies_deinit(&r);
}

/* A server's words begin with the code, ours do not; "" is no code. */
static void the_enhanced_code_is_there_once(void **state)
{
	struct replies r = {0};
	unsigned code;
	uint32_t a = replies_keep(&r, 451, "4.7.1", "4.7.1 later");
	uint32_t b = replies_keep(&r, 451, "4.4.1", "no answer");
	uint32_t c = replies_keep(&r, 451, "", "later");

	assert_string_equal(replies_get(&r, a, &code), "4.7.1 later");
	assert_string_equal(replies_get(&r, b, &code), "4.4.1 no answer");
	assert_string_equal(replies_get(&r, c, &code), "later");
	replies_drop(&r, a);
	replies_drop(&r, b);
	replies_drop(&r, c);
	replies_deinit(&r);
}

static void none_is_none(void **state)
{
	struct replies r = {0};
	unsigned code;

	assert_null(replies_get(&r, 0, &code));
	replies_drop(&r, 0);
	assert_int_equal(replies_again(&r, 0), 0);
	replies_deinit(&r);
}

static void numbers_are_used_again(void **state)
{
	struct replies r = {0};
	char text[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "reply %d", i);
		replies_drop(&r, replies_keep(&r, 451, "", text));
	}
	assert_int_equal(r.used, 1);
	replies_deinit(&r);
}

static void too_many_different_ones_lose_their_text(void **state)
{
	struct replies r = {0};
	uint32_t first = 0, last = 0;
	unsigned code = 0;
	char text[32];

	for (int i = 0; i < REPLIES_MAX + 1000; i++) {
		snprintf(text, sizeof(text), "queue id %d", i);
		last = replies_keep(&r, 451, "4.3.0", text);
		if (i == 0)
			first = last;
	}
	assert_string_equal(replies_get(&r, first, &code), "4.3.0 queue id 0");
	assert_string_equal(replies_get(&r, last, &code), "4.3.0");
	assert_int_equal(code, 451);
	assert_int_equal(r.count, REPLIES_MAX + 1);
	/* Those that were there stay whole. */
	assert_int_equal(replies_keep(&r, 451, "4.3.0", "queue id 0"), first);
	replies_deinit(&r);
}

static void long_ones_are_cut(void **state)
{
	struct replies r = {0};
	char text[2000];
	unsigned code;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(
		strlen(replies_get(&r, replies_keep(&r, 451, "", text), &code)),
		REPLIES_TEXT - 1);
	replies_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_reply_is_kept_once),
		cmocka_unit_test(the_enhanced_code_is_there_once),
		cmocka_unit_test(none_is_none),
		cmocka_unit_test(numbers_are_used_again),
		cmocka_unit_test(too_many_different_ones_lose_their_text),
		cmocka_unit_test(long_ones_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
