/* SPDX-License-Identifier: Apache-2.0 */
/* The text of bounces: what hostile mail and replies must not do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/bounce/bounce.h"

static const char trace[] = "Received: from a\r\n\tby b\r\n";

/* A message and what became of its recipients. */
struct story {
	const char *body;
	const char *sender;
	const char *dsn;
	uint32_t flags;
	const struct dsn_recipient *recipients;
	size_t recipient_count;
	size_t return_max;
};

/* The text, NUL-terminated, owned by the caller. */
static char *tell(const struct story *story, struct dsn_text *how)
{
	struct iovec piece = {(void *)(uintptr_t)story->body,
			      strlen(story->body)};
	struct spool_view view = {
		.envelope = {.reverse_path = story->sender
						     ? story->sender
						     : "sender@example.test",
			     .dsn = story->dsn,
			     .flags = story->flags},
		.trace = (const unsigned char *)trace,
		.trace_len = sizeof(trace) - 1,
		.body_size = strlen(story->body),
		.body = &piece,
		.body_count = 1,
	};
	struct dsn dsn = {.hostname = "relay.example.test",
			  .now = UINT64_C(1700000000000000000),
			  .queue_id = 77,
			  .view = &view,
			  .recipients = story->recipients,
			  .recipient_count = story->recipient_count,
			  .return_max = story->return_max,
			  .retry_until = UINT64_C(1700400000000000000)};
	struct dsn_text text;
	char *out;

	assert_int_equal(dsn_compose(&dsn, &text), 0);
	out = strndup(text.data, text.len);
	assert_int_equal(strlen(out), text.len);
	if (how)
		*how = text;
	dsn_text_free(&text);
	return out;
}

static const struct dsn_recipient gone = {.address = "gone@example.test",
					  .action = DSN_FAILED,
					  .code = 550,
					  .status = "5.1.1",
					  .reply = "no",
					  .remote = "mx.example.test"};
static const char plain[] = "Subject: x\r\n\r\nsecret body\r\n";

/* About one recipient. */
static char *tell_one(struct dsn_recipient recipient)
{
	struct story story = {.body = plain,
			      .recipients = &recipient,
			      .recipient_count = 1,
			      .return_max = 1 << 20};

	return tell(&story, NULL);
}

/* Compose for one recipient; the text, NUL-terminated, owned by the caller. */
static char *compose(const char *body, const char *reply, size_t return_max)
{
	struct dsn_recipient recipient = gone;
	struct story story = {.body = body,
			      .recipients = &recipient,
			      .recipient_count = 1,
			      .return_max = return_max};

	recipient.reply = reply;
	return tell(&story, NULL);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* The boundary line, as the header gives it. */
static void boundary_of(const char *text, char line[80])
{
	const char *at = strstr(text, "boundary=\"");

	assert_non_null(at);
	strcpy(line, "\r\n--");
	strncat(line, at + 10, strcspn(at + 10, "\""));
}

static void replies_can_not_make_lines(void **state)
{
	char *text = compose("Subject: x\r\n\r\nbody\r\n",
			     "no\r\nAction: delivered\r\n\r\n--x", 1 << 20);

	assert_int_equal(count(text, "\r\nAction: "), 1);
	assert_non_null(strstr(text, "\r\nAction: failed\r\n"));
	free(text);
}

static void a_message_can_not_end_its_part(void **state)
{
	char body[256], line[80];
	char *first = compose("Subject: x\r\n\r\nbody\r\n", "no", 1 << 20);
	char *second;

	/* The same time and id: the boundary is known beforehand. */
	boundary_of(first, line);
	snprintf(body, sizeof(body), "Subject: x\r\n\r\nbody%s--\r\n", line);
	second = compose(body, "no", 1 << 20);
	boundary_of(second, line);
	assert_int_equal(count(second, line), 4); /* three parts and the end */
	free(first);
	free(second);
}

static void large_mail_comes_back_as_headers(void **state)
{
	char *text = compose("Subject: x\r\nX-Y: z\r\n\r\nsecret body\r\n",
			     "no", 10);

	assert_non_null(strstr(text, "text/rfc822-headers"));
	assert_non_null(strstr(text, "X-Y: z\r\n"));
	assert_non_null(strstr(text, trace));
	assert_null(strstr(text, "secret body"));
	free(text);
}

static void a_header_without_an_end_is_cut(void **state)
{
	size_t len = 300000;
	char *body = malloc(len + 1), *text;

	memset(body, 'h', len);
	body[len] = '\0';
	text = compose(body, "no", 10);
	assert_in_range(strlen(text), 65536, 80000);
	free(text);
	free(body);
}

static void all_lines_end_with_crlf(void **state)
{
	char *text = compose("Subject: x\r\n\r\nbody\r\n", "no", 1 << 20);

	for (const char *lf = text; (lf = strchr(lf, '\n')); lf++)
		assert_int_equal(lf[-1], '\r');
	free(text);
}

static bool has(const char *text, const char *what)
{
	return strstr(text, what) != NULL;
}

static void actions_have_their_fields(void **state)
{
	struct dsn_recipient r = gone;
	char *text = tell_one(r);

	assert_true(has(text, "\r\nAction: failed\r\nStatus: 5.1.1\r\n"
			      "Remote-MTA: dns; mx.example.test\r\n"
			      "Diagnostic-Code: smtp; 550 no\r\n"
			      "Last-Attempt-Date: "));
	assert_false(has(text, "Will-Retry-Until"));
	assert_true(has(text, "Subject: Undelivered"));
	free(text);
	r.action = DSN_DELAYED;
	r.code = 450;
	r.status = "";
	text = tell_one(r);
	assert_true(has(text, "\r\nAction: delayed\r\nStatus: 4.0.0\r\n"));
	assert_true(has(text, "Will-Retry-Until: Sun, 19 Nov 2023 "));
	assert_true(has(text, "Subject: Mail is delayed"));
	free(text);
	r.action = DSN_RELAYED;
	r.code = 250;
	r.status = "2.6.0";
	text = tell_one(r);
	assert_true(has(text, "\r\nAction: relayed\r\nStatus: 2.6.0\r\n"));
	assert_true(has(text, "Subject: Mail was passed on"));
	free(text);
}

static void status_is_kept_or_made_of_the_class(void **state)
{
	static const struct {
		uint16_t code;
		const char *status, *reply, *expected;
		bool expired;
	} cases[] = {
		{550, "5.7.26", "no", "Status: 5.7.26\r\n", false},
		{554, NULL, "no", "Status: 5.0.0\r\n", false},
		{450, "", "later", "Status: 4.0.0\r\n", false},
		{450, "4.2.0", "later", "Status: 4.4.7\r\n", true},
		{0, "", "421-a\n421 b", "Status: 4.0.0\r\n", false},
		{0, "", "what", "Status: 5.0.0\r\n", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dsn_recipient r = gone;
		char *text;

		r.code = cases[i].code;
		r.status = cases[i].status;
		r.reply = cases[i].reply;
		r.expired = cases[i].expired;
		text = tell_one(r);
		if (!has(text, cases[i].expected))
			fail_msg("no %s in %s", cases[i].expected, text);
		free(text);
	}
}

static void replies_keep_their_lines(void **state)
{
	struct dsn_recipient r = gone;
	char *text;

	r.code = 0;
	r.reply = "550-5.1.1 one\n550-5.1.1 Action: relayed\n550 5.1.1 end";
	text = tell_one(r);
	assert_true(has(text,
			"Diagnostic-Code: smtp; 550-5.1.1 one\r\n"
			" 550-5.1.1 Action: relayed\r\n 550 5.1.1 end\r\n"));
	assert_true(has(text, "mx.example.test answered: 550-5.1.1 one\r\n"
			      "    550-5.1.1 Action: relayed\r\n"));
	free(text);
}

static void no_line_is_too_long_or_empty(void **state)
{
	char reply[3000];
	struct dsn_recipient r = gone;
	const char *at, *next;
	char *text;

	memset(reply, 'x', sizeof(reply));
	memset(reply + 100, ' ', 50);
	memset(reply + 2000, '\n', 20);
	reply[sizeof(reply) - 1] = '\0';
	r.reply = reply;
	text = tell_one(r);
	at = strstr(text, "Diagnostic-Code");
	for (; strncmp(at, "Last-Attempt", 12) != 0; at = next + 2) {
		next = strstr(at, "\r\n");
		assert_non_null(next);
		assert_in_range(next - at, 2, 998);
	}
	free(text);
}

static void our_own_words_are_nobodys_reply(void **state)
{
	struct dsn_recipient r = gone;
	char *text;

	r.ours = true;
	r.code = 451;
	r.status = "";
	r.action = DSN_DELAYED;
	r.reply = "Connection refused (connect)";
	text = tell_one(r);
	assert_true(has(text, "Diagnostic-Code: X-Ringpost; "
			      "Connection refused (connect)\r\n"));
	assert_true(has(text, "\r\nStatus: 4.0.0\r\n"));
	assert_false(has(text, "Remote-MTA"));
	assert_true(has(text, "    mx.example.test: Connection refused"));
	free(text);
}

static void addresses_are_literals_in_remote_mta(void **state)
{
	struct dsn_recipient r = gone;
	char *text;

	r.remote = "192.0.2.1";
	text = tell_one(r);
	assert_true(has(text, "Remote-MTA: dns; [192.0.2.1]\r\n"));
	free(text);
	r.remote = "2001:db8::1";
	text = tell_one(r);
	assert_true(has(text, "Remote-MTA: dns; [IPv6:2001:db8::1]\r\n"));
	free(text);
}

static void the_senders_own_names_come_back(void **state)
{
	struct dsn_recipient r = gone;
	struct story story = {.body = plain,
			      .dsn = " RET=FULL ENVID=a+20b+2B",
			      .recipients = &r,
			      .recipient_count = 1,
			      .return_max = 1 << 20};
	char *text;

	r.dsn = " NOTIFY=FAILURE ORCPT=rfc822;Old+2BName@example.test";
	text = tell(&story, NULL);
	assert_true(has(text, "\r\nOriginal-Envelope-Id: a b+\r\n"
			      "Reporting-MTA: dns; relay.example.test\r\n"));
	assert_true(has(text,
			"\r\n\r\nOriginal-Recipient: rfc822; "
			"Old+Name@example.test\r\n"
			"Final-Recipient: rfc822; gone@example.test\r\n"));
	free(text);
	/* and only when there are any */
	story.dsn = NULL;
	r.dsn = " NOTIFY=FAILURE";
	text = tell(&story, NULL);
	assert_false(has(text, "Original-"));
	free(text);
}

static void ret_is_honoured(void **state)
{
	static const struct {
		const char *dsn;
		enum dsn_action action;
		bool whole;
	} cases[] = {
		{NULL, DSN_FAILED, true},
		{" RET=FULL", DSN_FAILED, true},
		{" RET=HDRS", DSN_FAILED, false},
		{" ENVID=x", DSN_FAILED, true},
		{" RET=FULL", DSN_DELAYED, false},
		{NULL, DSN_RELAYED, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dsn_recipient r = gone;
		struct story story = {.body = plain,
				      .dsn = cases[i].dsn,
				      .recipients = &r,
				      .recipient_count = 1,
				      .return_max = 1 << 20};
		char *text;

		r.action = cases[i].action;
		text = tell(&story, NULL);
		assert_int_equal(has(text, "secret body"), cases[i].whole);
		assert_int_equal(has(text, "text/rfc822-headers"),
				 !cases[i].whole);
		assert_true(has(text, "Subject: x\r\n"));
		free(text);
	}
}

static void fates_are_told_apart(void **state)
{
	struct dsn_recipient people[3] = {gone, gone, gone};
	struct story story = {.body = plain,
			      .recipients = people,
			      .recipient_count = 3,
			      .return_max = 1 << 20};
	char *text;

	people[0].action = DSN_RELAYED;
	people[2].action = DSN_DELAYED;
	text = tell(&story, NULL);
	assert_int_equal(count(text, "\r\nFinal-Recipient: "), 3);
	assert_int_equal(count(text, "\r\nAction: relayed\r\n"), 1);
	assert_int_equal(count(text, "\r\nAction: failed\r\n"), 1);
	assert_int_equal(count(text, "\r\nAction: delayed\r\n"), 1);
	assert_true(has(text, "Subject: Undelivered"));
	free(text);
}

static void eight_bits_are_declared_where_they_are(void **state)
{
	struct dsn_recipient r = gone;
	struct story story = {.body = "Subject: x\r\n\r\ngr\xfc\xdf\r\n",
			      .recipients = &r,
			      .recipient_count = 1,
			      .return_max = 1 << 20};
	struct dsn_text how;
	char *text = tell(&story, &how);

	/* the whole and the returned part */
	assert_int_equal(count(text, "Encoding: 8bit\r\n"), 2);
	assert_int_equal(count(text, "Encoding: 7bit\r\n"), 2);
	assert_true(how.eight_bit && !how.utf8);
	free(text);
	story.body = plain;
	text = tell(&story, &how);
	assert_int_equal(count(text, "Encoding: 7bit\r\n"), 4);
	assert_false(how.eight_bit || how.utf8);
	free(text);
}

/* RFC 3464 section 2.1: the report is 7-bit; people get what is well-formed. */
static void a_report_is_ascii(void **state)
{
	struct dsn_recipient r = gone;
	char *text;

	r.reply = "nein, J\xc3\xbcrgen \xff\x01";
	text = tell_one(r);
	assert_true(has(text, "smtp; 550 nein, J?rgen ??\r\n"));
	assert_true(has(text, "answered: 550 nein, J\xc3\xbcrgen ??\r\n"));
	free(text);
}

static void addresses_beyond_ascii_have_their_own_types(void **state)
{
	struct dsn_recipient r = gone;
	struct story story = {.body = plain,
			      .flags = SPOOL_SMTPUTF8,
			      .recipients = &r,
			      .recipient_count = 1,
			      .return_max = 1 << 20};
	struct dsn_text how;
	char *text = tell(&story, &how);

	/* SMTPUTF8 was said but not needed: anybody can read this one */
	assert_true(has(text, "Type: message/delivery-status"));
	assert_false(how.utf8);
	free(text);
	r.address = "j\xc3\xbcrgen@example.test";
	r.dsn = " ORCPT=utf-8;\xc3\xa4@example.test";
	text = tell(&story, &how);
	assert_true(has(text, "Type: message/global-delivery-status"));
	assert_true(has(text, "Final-Recipient: utf-8; j\xc3\xbcrgen@"));
	assert_true(has(text, "Original-Recipient: utf-8; \xc3\xa4@"));
	assert_true(has(text, "Type: message/global\r\n"));
	assert_true(how.utf8 && how.eight_bit);
	free(text);
}

/* --- who hears of what --- */

static enum dsn_action action(const char *sender, const char *dsn,
			      enum spool_result result, bool told, bool late)
{
	struct spool_envelope e = {.reverse_path = sender,
				   .recipient_count = 1,
				   .recipients_dsn = dsn ? &dsn : NULL};

	return bounce_action(&e, 0, result, told, late);
}

static void notify_decides(void **state)
{
	static const char from[] = "a@example.test";
	static const struct {
		const char *notify;
		enum dsn_action bounced, delivered, late;
	} cases[] = {
		{NULL, DSN_FAILED, DSN_NOTHING, DSN_DELAYED},
		{"", DSN_FAILED, DSN_NOTHING, DSN_DELAYED},
		{" ORCPT=rfc822;x", DSN_FAILED, DSN_NOTHING, DSN_DELAYED},
		{" NOTIFY=NEVER", DSN_NOTHING, DSN_NOTHING, DSN_NOTHING},
		{" NOTIFY=FAILURE", DSN_FAILED, DSN_NOTHING, DSN_NOTHING},
		{" NOTIFY=DELAY", DSN_NOTHING, DSN_NOTHING, DSN_DELAYED},
		{" NOTIFY=SUCCESS", DSN_NOTHING, DSN_RELAYED, DSN_NOTHING},
		{" NOTIFY=SUCCESS,FAILURE,DELAY", DSN_FAILED, DSN_RELAYED,
		 DSN_DELAYED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *n = cases[i].notify;

		assert_int_equal(action(from, n, SPOOL_BOUNCED, false, false),
				 cases[i].bounced);
		assert_int_equal(action(from, n, SPOOL_DELIVERED, false, false),
				 cases[i].delivered);
		assert_int_equal(action(from, n, SPOOL_DELIVERED, true, false),
				 DSN_NOTHING);
		assert_int_equal(action(from, n, SPOOL_DEFERRED, false, true),
				 cases[i].late);
		assert_int_equal(action(from, n, SPOOL_DEFERRED, false, false),
				 DSN_NOTHING);
	}
}

static void the_null_sender_hears_nothing(void **state)
{
	static const char all[] = " NOTIFY=SUCCESS,FAILURE,DELAY";

	for (int result = SPOOL_DELIVERED; result <= SPOOL_DEFERRED; result++) {
		assert_int_equal(action("", NULL, (enum spool_result)result,
					false, true),
				 DSN_NOTHING);
		assert_int_equal(
			action("", all, (enum spool_result)result, false, true),
			DSN_NOTHING);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_can_not_make_lines),
		cmocka_unit_test(a_message_can_not_end_its_part),
		cmocka_unit_test(large_mail_comes_back_as_headers),
		cmocka_unit_test(a_header_without_an_end_is_cut),
		cmocka_unit_test(all_lines_end_with_crlf),
		cmocka_unit_test(actions_have_their_fields),
		cmocka_unit_test(status_is_kept_or_made_of_the_class),
		cmocka_unit_test(replies_keep_their_lines),
		cmocka_unit_test(no_line_is_too_long_or_empty),
		cmocka_unit_test(our_own_words_are_nobodys_reply),
		cmocka_unit_test(addresses_are_literals_in_remote_mta),
		cmocka_unit_test(the_senders_own_names_come_back),
		cmocka_unit_test(ret_is_honoured),
		cmocka_unit_test(fates_are_told_apart),
		cmocka_unit_test(eight_bits_are_declared_where_they_are),
		cmocka_unit_test(a_report_is_ascii),
		cmocka_unit_test(addresses_beyond_ascii_have_their_own_types),
		cmocka_unit_test(notify_decides),
		cmocka_unit_test(the_null_sender_hears_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
