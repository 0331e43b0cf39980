/* SPDX-License-Identifier: Apache-2.0 */
/* What a filter means, and what an id looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/log/log.h"
#include "gateway/queue/queue_filter.h"

static void destinations_by_text_or_host(void **state)
{
	static const char text[] = "mx1.a.test,mx2.a.test;mx3.b.test:25";

	assert_true(queue_filter_destination(text, text));
	assert_true(queue_filter_destination("MX1.a.test", text));
	assert_true(queue_filter_destination("mx2.a.test", text));
	assert_true(queue_filter_destination("mx3.b.test", text));
	assert_true(queue_filter_destination("mx3.b.test:25", text));
	assert_false(queue_filter_destination("a.test", text));
	assert_false(queue_filter_destination("mx1", text));
	assert_false(queue_filter_destination("25", text));
	assert_false(queue_filter_destination("", text));
	assert_true(queue_filter_destination("::1", "[::1]:25"));
	assert_true(queue_filter_destination("127.0.0.1", "127.0.0.1:25"));
	assert_false(queue_filter_destination("127.0.0.1", "127.0.0.11:25"));
	/* Not at its first place, but at a later one. */
	assert_true(queue_filter_destination("a.test", "xa.test,a.test:25"));
}

static void senders_and_recipients(void **state)
{
	struct queue_filter f = {.sender = "@a.test", .domain = "b.test"};

	assert_true(queue_filter_sender(&f, "x@A.test"));
	assert_false(queue_filter_sender(&f, "x@b.a.test"));
	assert_false(queue_filter_sender(&f, ""));
	assert_true(queue_filter_recipient(&f, "\"x@y\"@B.test"));
	assert_false(queue_filter_recipient(&f, "x@b.test.c"));
	assert_false(queue_filter_recipient(&f, "b.test"));
	f = (struct queue_filter){.sender = "", .recipient = "x@b.test"};
	assert_true(queue_filter_sender(&f, ""));
	assert_false(queue_filter_sender(&f, "x@a.test"));
	assert_true(queue_filter_recipient(&f, "X@b.test"));
	assert_false(queue_filter_recipient(&f, "xx@b.test"));
}

static void replies_by_any_part(void **state)
{
	struct queue_filter f = {.reply = "451 4.7.1"};

	assert_true(queue_filter_reply(&f, 451, "4.7.1 Greylisted"));
	assert_false(queue_filter_reply(&f, 450, "4.7.1 Greylisted"));
	assert_false(queue_filter_reply(&f, 0, NULL));
	f.reply = "GREYLISTED";
	assert_true(queue_filter_reply(&f, 451, "4.7.1 Greylisted"));
	f.reply = NULL;
	assert_true(queue_filter_reply(&f, 0, NULL));
}

static void ids_come_back_as_they_were(void **state)
{
	static const uint64_t ids[] = {0,	  1, 31, 32, UINT64_C(1) << 40,
				       UINT64_MAX};
	char text[LOG_ID_SIZE];
	uint64_t id;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_true(log_id_parse(log_id_text(ids[i], text), &id));
		assert_int_equal(id, ids[i]);
	}
	assert_true(log_id_parse("6h0n2l8wco00i", &id));
	assert_string_equal(log_id_text(id, text), "6H0N218WC0001");
}

static void what_is_no_id_is_refused(void **state)
{
	uint64_t id;

	assert_false(log_id_parse("", &id));
	assert_false(log_id_parse("6H0N218WC000", &id));
	assert_false(log_id_parse("6H0N218WC00000", &id));
	assert_false(log_id_parse("6H0N218WC000U", &id));
	assert_false(log_id_parse("6H0N218WC000-", &id));
	/* More than 64 bits. */
	assert_false(log_id_parse("ZZZZZZZZZZZZZ", &id));
	assert_false(log_id_parse("G000000000000", &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(destinations_by_text_or_host),
		cmocka_unit_test(senders_and_recipients),
		cmocka_unit_test(replies_by_any_part),
		cmocka_unit_test(ids_come_back_as_they_were),
		cmocka_unit_test(what_is_no_id_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
