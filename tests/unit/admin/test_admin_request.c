/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: what is understood, and that nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/admin_request.h"

#define SECOND UINT64_C(1000000000)
#define NOW    (1000000 * SECOND)

static struct admin_request *good(const char *text)
{
	struct admin_request *request;
	struct admin_error error = {0};

	assert_int_equal(
		admin_request_parse(text, strlen(text), NOW, &request, &error),
		0);
	assert_non_null(request);
	return request;
}

static void bad(const char *text, const char *expected)
{
	struct admin_request *request;
	struct admin_error error = {0};

	assert_int_equal(
		admin_request_parse(text, strlen(text), NOW, &request, &error),
		-EINVAL);
	assert_null(request);
	assert_string_equal(error.code, "usage");
	if (!strstr(error.text, expected))
		fail_msg("'%s' does not say '%s'", error.text, expected);
}

static void commands_have_their_defaults(void **state)
{
	struct admin_request *r = good("{\"command\":\"list\"}");

	assert_int_equal(r->command, ADMIN_LIST);
	assert_int_equal(r->limit, 100);
	assert_int_equal(r->after, 0);
	assert_null(r->filter.domain);
	admin_request_unref(&r);
	r = good("{\"command\":\"summary\",\"limit\":5,\"by\":\"domain\"}");
	assert_int_equal(r->command, ADMIN_SUMMARY);
	assert_int_equal(r->limit, 5);
	assert_true(r->by_domain);
	admin_request_unref(&r);
}

static void filters_are_read(void **state)
{
	struct admin_request *r = good(
		"{\"command\":\"list\",\"filter\":{\"domain\":\"a.test\","
		"\"sender\":\"\",\"reply\":\"4.7.1\",\"older_than\":\"2h\","
		"\"newer_than\":\"1d\",\"state\":[\"held\",\"deferred\"],"
		"\"ids\":[\"0000000000002\",\"0000000000001\"]}}");
	const struct queue_filter *f = &r->filter;

	assert_string_equal(f->domain, "a.test");
	assert_string_equal(f->sender, "");
	assert_string_equal(f->reply, "4.7.1");
	assert_int_equal(f->before, NOW - 7200 * SECOND);
	assert_int_equal(f->since, NOW - 86400 * SECOND);
	assert_int_equal(f->states, 1 << QUEUE_HELD | 1 << QUEUE_DEFERRED);
	assert_int_equal(f->id_count, 2);
	assert_int_equal(f->ids[0], 1);
	assert_int_equal(f->ids[1], 2);
	admin_request_unref(&r);
}

static void an_age_before_the_epoch_is_any_time(void **state)
{
	struct admin_request *r =
		good("{\"command\":\"list\",\"filter\":{\"newer_than\":"
		     "\"5000w\"}}");

	assert_int_equal(r->filter.since, 1);
	admin_request_unref(&r);
}

static void nonsense_is_refused(void **state)
{
	bad("", "no JSON");
	bad("[]", "object");
	bad("{}", "'command' is missing");
	bad("{\"command\":1}", "'command' must be a text");
	bad("{\"command\":\"lst\"}", "unknown command 'lst'");
	bad("{\"command\":\"list\"} {}", "no JSON");
	bad("{\"command\":\"list\",\"command\":\"list\"}", "no JSON");
	bad("{\"command\":\"list\",\"nonsense\":1}", "does not take");
	bad("{\"command\":\"list\",\"filter\":[]}", "must be an object");
	bad("{\"command\":\"list\",\"filter\":{\"from\":\"x\"}}",
	    "unknown filter 'from'");
	bad("{\"command\":\"list\",\"limit\":-1}", "'limit'");
	bad("{\"command\":\"list\",\"limit\":\"5\"}", "'limit'");
	bad("{\"command\":\"list\",\"after\":\"xyz\"}", "no message id");
	bad("{\"command\":\"list\",\"filter\":{\"domain\":\"\"}}", "empty");
	bad("{\"command\":\"list\",\"filter\":{\"domain\":\"a\\u0000b\"}}",
	    "no JSON");
	bad("{\"command\":\"list\",\"filter\":{\"older_than\":\"2x\"}}",
	    "expected a time");
	bad("{\"command\":\"list\",\"filter\":{\"state\":\"idle\"}}",
	    "expected ready");
	bad("{\"command\":\"list\",\"filter\":{\"ids\":[]}}", "1 to");
	bad("{\"command\":\"summary\",\"filter\":{}}", "does not take");
	bad("{\"command\":\"summary\",\"by\":\"color\"}", "'by' must be");
	bad("{\"command\":\"show\"}", "needs one message id");
	bad("{\"command\":\"trace\"}", "needs a destination");
	bad("{\"command\":\"suspend\"}", "needs a destination");
	bad("{\"command\":\"delete\"}", "or all");
	bad("{\"command\":\"delete\",\"all\":false}", "or all");
	bad("{\"command\":\"move\",\"all\":true}", "needs 'to'");
	bad("{\"command\":\"move\",\"all\":true,\"to\":\"a:b:c\"}",
	    "expected host:port");
	bad("{\"command\":\"bounce\",\"all\":true,\"reason\":\"a\\nb\"}",
	    "printable");
}

static void sizes_are_bounded(void **state)
{
	static char text[ADMIN_REQUEST_MAX + 100];
	int len = sprintf(text, "{\"command\":\"list\",\"filter\":{"
				"\"domain\":\"");
	memset(text + len, 'x', ADMIN_WORD_MAX + 1);
	strcpy(text + len + ADMIN_WORD_MAX + 1, "\"}}");
	bad(text, "at most");
	memset(text, ' ', ADMIN_REQUEST_MAX + 1);
	text[ADMIN_REQUEST_MAX + 1] = '\0';
	bad(text, "too long");
	/* Depth: the parser's own limit, not the stack's. */
	memset(text, '[', ADMIN_REQUEST_MAX);
	text[ADMIN_REQUEST_MAX] = '\0';
	bad(text, "no JSON");
}

static void too_many_ids_are_refused(void **state)
{
	char *text = malloc(ADMIN_REQUEST_MAX), *at = text;

	at += sprintf(at, "{\"command\":\"list\",\"filter\":{\"ids\":[");
	for (int i = 0; i <= ADMIN_IDS_MAX; i++)
		at += sprintf(at, "%s\"%013d\"", i ? "," : "", i);
	strcpy(at, "]}}");
	bad(text, "1 to");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_have_their_defaults),
		cmocka_unit_test(filters_are_read),
		cmocka_unit_test(an_age_before_the_epoch_is_any_time),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(too_many_ids_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
