/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as applications hand them in, and what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/inject/inject_message.h"

struct made {
	struct inject_buffer out;
	struct inject_recipients to;
	const char *wrong;
};

static void make(struct made *made, const char *text, struct inject_job job)
{
	size_t len = strlen(text);
	char *copy = malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	*made = (struct made){.to = {.hostname = "relay.test"}};
	inject_buffer_init(&made->out, 1 << 20);
	job.text = copy;
	job.len = len;
	job.sender = job.sender ? job.sender : "me@relay.test";
	job.hostname = "relay.test";
	job.now = UINT64_C(1795478400000000000);
	job.unique = 0xabcd;
	made->wrong = inject_message_make(&job, &made->to, &made->out);
	inject_buffer_add(&made->out, "", 1);
	free(copy);
}

static void unmake(struct made *made)
{
	inject_buffer_free(&made->out);
	inject_recipients_free(&made->to);
}

static void expect(const char *text, struct inject_job job, const char *message)
{
	struct made made;

	make(&made, text, job);
	assert_null(made.wrong);
	assert_string_equal(made.out.bytes, message);
	unmake(&made);
}

#define COMPLETE "From: <a@b.test>\r\nDate: x\r\nMessage-ID: <y@z>\r\n"

static void test_a_complete_message_stays_as_it_is(void **state)
{
	expect(COMPLETE "\r\nhello\r\n", (struct inject_job){0},
	       COMPLETE "\r\nhello\r\n");
}

static void test_missing_fields_are_added(void **state)
{
	expect("Subject: x\n\nhello\n",
	       (struct inject_job){.full_name = "A \"B\"\r\nX: y"},
	       "Subject: x\r\nDate: Tue, 24 Nov 2026 00:00:00 +0000\r\n"
	       "From: \"A \\\"B\\\"X: y\" <me@relay.test>\r\n"
	       "Message-ID: <20261124000000.000000000000abcd@relay.test>\r\n"
	       "\r\nhello\r\n");
}

static void test_line_ends_are_mended(void **state)
{
	expect(COMPLETE "\na\nb\rc\r\n\r\rd", (struct inject_job){0},
	       COMPLETE "\r\na\r\nb\r\nc\r\n\r\n\r\nd\r\n");
}

static void test_raw_messages_get_nothing_but_line_ends(void **state)
{
	expect("Bcc: a@b.test\n\nx", (struct inject_job){.raw = true},
	       "Bcc: a@b.test\r\n\r\nx\r\n");
}

static void test_a_body_without_an_empty_line(void **state)
{
	expect(COMPLETE "this is no field\n", (struct inject_job){0},
	       COMPLETE "\r\nthis is no field\r\n");
}

static void test_an_mbox_line_is_dropped(void **state)
{
	expect("From a@b.test Mon Jan 1\n" COMPLETE "\nx\n",
	       (struct inject_job){0}, COMPLETE "\r\nx\r\n");
}

static void test_bcc_is_taken_out_and_read(void **state)
{
	struct made made;

	make(&made,
	     "To: A <a@b.test>,\n c@d.test\nCc: A@B.TEST, a@B.TEST\n"
	     "Bcc: secret@e.test,\n more@e.test\nbCC : x\n" COMPLETE "\nx\n",
	     (struct inject_job){.recipients = true});
	assert_null(made.wrong);
	assert_null(strstr(made.out.bytes, "secret"));
	assert_null(strstr(made.out.bytes, "more@"));
	assert_non_null(strstr(made.out.bytes, "To: A <a@b.test>,\r\n c@d"));
	assert_int_equal(made.to.count, 6);
	assert_string_equal(made.to.list[0], "a@b.test");
	assert_string_equal(made.to.list[1], "c@d.test");
	assert_string_equal(made.to.list[2], "A@B.TEST");
	assert_string_equal(made.to.list[3], "secret@e.test");
	assert_string_equal(made.to.list[4], "more@e.test");
	assert_string_equal(made.to.list[5], "x@relay.test");
	unmake(&made);
}

static void test_recipients_are_not_read_unasked(void **state)
{
	struct made made;

	make(&made, "To: not an address\n" COMPLETE "\nx\n",
	     (struct inject_job){0});
	assert_null(made.wrong);
	assert_int_equal(made.to.count, 0);
	unmake(&made);
}

static void test_resent_fields_go_first(void **state)
{
	struct made made;

	make(&made, "Resent-To: new@b.test\nTo: old@b.test\n" COMPLETE "\nx\n",
	     (struct inject_job){.recipients = true});
	assert_null(made.wrong);
	assert_int_equal(made.to.count, 1);
	assert_string_equal(made.to.list[0], "new@b.test");
	unmake(&made);
}

static void test_bad_recipients_are_said(void **state)
{
	struct made made;

	make(&made, "To: a b c\n\nx\n",
	     (struct inject_job){.recipients = true});
	assert_non_null(made.wrong);
	unmake(&made);
	make(&made, "To: a@b..test\n\nx\n",
	     (struct inject_job){.recipients = true});
	assert_non_null(made.wrong);
	unmake(&made);
}

static void test_the_null_sender(void **state)
{
	expect("Date: x\nMessage-ID: y\n\nx\n",
	       (struct inject_job){.sender = ""},
	       "Date: x\r\nMessage-ID: y\r\n"
	       "From: <MAILER-DAEMON@relay.test>\r\n\r\nx\r\n");
}

static void test_senders(void **state)
{
	char out[512];

	assert_true(inject_sender("", "h.test", out));
	assert_string_equal(out, "");
	assert_true(inject_sender("<>", "h.test", out));
	assert_string_equal(out, "");
	assert_true(inject_sender("root", "h.test", out));
	assert_string_equal(out, "root@h.test");
	assert_true(inject_sender("A B <a@b.test>", "h.test", out));
	assert_string_equal(out, "a@b.test");
	assert_false(inject_sender("a@b.test, c@d.test", "h.test", out));
	assert_false(inject_sender("a@b.test> SIZE=1", "h.test", out));
}

static void test_a_dot_ends_it(void **state)
{
	assert_int_equal(inject_message_dot("a\n.\nb\n", 6), 2);
	assert_int_equal(inject_message_dot("a\r\n.\r\nb", 7), 3);
	assert_int_equal(inject_message_dot(".", 1), 0);
	assert_int_equal(inject_message_dot("a\n..\n", 5), 5);
	assert_int_equal(inject_message_dot("a.\n", 3), 3);
	assert_int_equal(inject_message_dot("", 0), 0);
}

static void test_limits(void **state)
{
	struct inject_buffer buffer;

	inject_buffer_init(&buffer, 10);
	assert_true(inject_buffer_text(&buffer, "0123456789"));
	assert_false(inject_buffer_text(&buffer, "x"));
	assert_true(buffer.too_long);
	assert_false(inject_buffer_text(&buffer, ""));
	assert_int_equal(buffer.len, 10);
	inject_buffer_free(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_complete_message_stays_as_it_is),
		cmocka_unit_test(test_missing_fields_are_added),
		cmocka_unit_test(test_line_ends_are_mended),
		cmocka_unit_test(test_raw_messages_get_nothing_but_line_ends),
		cmocka_unit_test(test_a_body_without_an_empty_line),
		cmocka_unit_test(test_an_mbox_line_is_dropped),
		cmocka_unit_test(test_bcc_is_taken_out_and_read),
		cmocka_unit_test(test_recipients_are_not_read_unasked),
		cmocka_unit_test(test_resent_fields_go_first),
		cmocka_unit_test(test_bad_recipients_are_said),
		cmocka_unit_test(test_the_null_sender),
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_a_dot_ends_it),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
