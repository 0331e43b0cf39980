/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of servers, good and hostile, cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/smtp_reply.h"

static enum smtp_reply_result feed(struct smtp_reply_parser *parser,
				   const char *data, size_t len, size_t *used)
{
	return smtp_reply_feed(parser, (const unsigned char *)data, len, used);
}

static enum smtp_reply_result once(struct smtp_reply_parser *parser, bool ehlo,
				   const char *data)
{
	size_t used;

	smtp_reply_start(parser, ehlo);
	return feed(parser, data, strlen(data), &used);
}

struct good {
	const char *wire;
	unsigned code;
	const char *enhanced, *text;
};

static const struct good good[] = {
	{"250 Ok\r\n", 250, "", "Ok"},
	{"250\r\n", 250, "", ""},
	{"250 \r\n", 250, "", ""},
	{"250 Ok\n", 250, "", "Ok"},
	{"220-one\r\n220 two\r\n", 220, "", "one two"},
	{"220-one\r\n220\r\n", 220, "", "one"},
	{"550 5.1.1 no such user\r\n", 550, "5.1.1", "5.1.1 no such user"},
	{"451 4.7.500 later\r\n", 451, "4.7.500", "4.7.500 later"},
	{"250 2.0.0\r\n", 250, "2.0.0", "2.0.0"},
	/* RFC 2034: each line of a reply repeats the code. */
	{"550-5.7.1 first\r\n550 5.7.1 second\r\n", 550, "5.7.1",
	 "5.7.1 first second"},
	{"550-5.7.1 first\r\n550 5.7.2 second\r\n", 550, "5.7.1",
	 "5.7.1 first 5.7.2 second"},
	/* The class must agree with the code (RFC 2034 section 4). */
	{"450 5.1.1 odd\r\n", 450, "", "5.1.1 odd"},
	{"250 2.0 Ok\r\n", 250, "", "2.0 Ok"},
	{"250 2.0.0.1 Ok\r\n", 250, "", "2.0.0.1 Ok"},
	{"250 2.1234.5 Ok\r\n", 250, "", "2.1234.5 Ok"},
	{"354 go\ton\r\n", 354, "", "go on"},
	{"250 a\rb\x1b[31m\r\n", 250, "", "a?b?[31m"},
	{"250 a\r\r\n", 250, "", "a?"},
	{"250 gr\xc3\xbc\xc3\x9f\r\n", 250, "", "gr\xc3\xbc\xc3\x9f"},
};

static void check_good(const struct good *g, const struct smtp_reply *reply)
{
	assert_int_equal(reply->code, g->code);
	assert_string_equal(reply->enhanced, g->enhanced);
	assert_string_equal(reply->text, g->text);
	assert_int_equal(reply->text_len, strlen(g->text));
}

static void test_good_replies(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct smtp_reply_parser parser;

		assert_int_equal(once(&parser, false, good[i].wire),
				 SMTP_REPLY_DONE);
		check_good(&good[i], &parser.reply);
	}
}

static void test_replies_cut_at_every_byte(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t len = strlen(good[i].wire);

		for (size_t cut = 1; cut < len; cut++) {
			struct smtp_reply_parser parser;
			size_t used;

			smtp_reply_start(&parser, false);
			assert_int_equal(
				feed(&parser, good[i].wire, cut, &used),
				SMTP_REPLY_MORE);
			assert_int_equal(used, cut);
			assert_int_equal(feed(&parser, good[i].wire + cut,
					      len - cut, &used),
					 SMTP_REPLY_DONE);
			assert_int_equal(used, len - cut);
			check_good(&good[i], &parser.reply);
		}
	}
}

static void test_replies_byte_by_byte(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct smtp_reply_parser parser;
		size_t len = strlen(good[i].wire), used;

		smtp_reply_start(&parser, false);
		for (size_t at = 0; at + 1 < len; at++)
			assert_int_equal(
				feed(&parser, good[i].wire + at, 1, &used),
				SMTP_REPLY_MORE);
		assert_int_equal(
			feed(&parser, good[i].wire + len - 1, 1, &used),
			SMTP_REPLY_DONE);
		check_good(&good[i], &parser.reply);
	}
}

static void test_malformed_replies(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"\n",
		"25\r\n",
		"25 Ok\r\n",
		"abc Ok\r\n",
		"2x0 Ok\r\n",
		"2500 Ok\r\n",
		"250_Ok\r\n",
		"150 one\r\n",
		"650 x\r\n",
		"000 zero\r\n",
		" 250 Ok\r\n",
		"-50 Ok\r\n",
		"HTTP/1.1 400 Bad Request\r\n",
		"250-a\r\n251 b\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct smtp_reply_parser parser;

		assert_int_equal(once(&parser, false, bad[i]),
				 SMTP_REPLY_ERROR);
	}
}

static void test_next_reply_is_left_in_the_input(void **state)
{
	static const char wire[] = "250 one\r\n250 two\r\n";
	struct smtp_reply_parser parser;
	size_t used;

	smtp_reply_start(&parser, false);
	assert_int_equal(feed(&parser, wire, sizeof(wire) - 1, &used),
			 SMTP_REPLY_DONE);
	assert_int_equal(used, 9);
	smtp_reply_start(&parser, false);
	assert_int_equal(feed(&parser, wire + 9, 9, &used), SMTP_REPLY_DONE);
	assert_string_equal(parser.reply.text, "two");
}

static void test_long_line_is_kept_in_part(void **state)
{
	char wire[SMTP_REPLY_LINE_MAX + 8];
	struct smtp_reply_parser parser;
	size_t used;

	memset(wire, 'x', sizeof(wire));
	memcpy(wire, "250 ", 4);
	memcpy(wire + SMTP_REPLY_LINE_MAX, "\r\n", 2);
	smtp_reply_start(&parser, false);
	assert_int_equal(feed(&parser, wire, SMTP_REPLY_LINE_MAX + 2, &used),
			 SMTP_REPLY_DONE);
	assert_true(parser.reply.text_len < SMTP_REPLY_TEXT_MAX);
	assert_int_equal(strlen(parser.reply.text), parser.reply.text_len);
	assert_true(parser.reply.text_len > 400);
}

static void test_too_long_line_is_an_error_before_it_ends(void **state)
{
	struct smtp_reply_parser parser;
	enum smtp_reply_result result = SMTP_REPLY_MORE;
	size_t used, fed = 0;

	smtp_reply_start(&parser, false);
	while (result == SMTP_REPLY_MORE && fed < 2 * SMTP_REPLY_LINE_MAX) {
		result = feed(&parser, "2500000000000000", 16, &used);
		fed += 16;
	}
	assert_int_equal(result, SMTP_REPLY_ERROR);
	assert_true(fed <= SMTP_REPLY_LINE_MAX + 16);
}

static void test_endless_reply_is_an_error(void **state)
{
	struct smtp_reply_parser parser;
	enum smtp_reply_result result = SMTP_REPLY_MORE;
	unsigned lines = 0;
	size_t used;

	smtp_reply_start(&parser, true);
	while (result == SMTP_REPLY_MORE && lines < 1000) {
		result = feed(&parser, "250-again and again\r\n", 21, &used);
		lines++;
	}
	assert_int_equal(result, SMTP_REPLY_ERROR);
	assert_int_equal(lines, SMTP_REPLY_LINES_MAX + 1);
}

static void test_text_of_many_lines_is_bounded(void **state)
{
	struct smtp_reply_parser parser;
	size_t used;

	smtp_reply_start(&parser, false);
	for (unsigned i = 0; i < SMTP_REPLY_LINES_MAX - 1; i++)
		assert_int_equal(
			feed(&parser, "250-again and again\r\n", 21, &used),
			SMTP_REPLY_MORE);
	assert_int_equal(feed(&parser, "250 end\r\n", 9, &used),
			 SMTP_REPLY_DONE);
	assert_int_equal(strlen(parser.reply.text), parser.reply.text_len);
	assert_true(parser.reply.text_len < SMTP_REPLY_TEXT_MAX);
}

static const char *transcript_of(const char *wire)
{
	static char out[SMTP_TRANSCRIPT_SIZE];
	struct smtp_reply_parser parser;
	size_t used;

	smtp_reply_start(&parser, false);
	assert_int_equal(feed(&parser, wire, strlen(wire), &used),
			 SMTP_REPLY_DONE);
	return smtp_reply_transcript(&parser.reply, out);
}

static void test_transcript_is_what_was_said(void **state)
{
	assert_string_equal(transcript_of("550 no\r\n"), "550 no");
	assert_string_equal(transcript_of("550\r\n"), "550 ");
	assert_string_equal(
		transcript_of(
			"550-5.1.1 one\r\n550-5.1.1 two\r\n550 5.1.1\r\n"),
		"550-5.1.1 one\n550-5.1.1 two\n550 5.1.1");
	assert_string_equal(
		transcript_of("550-one\r\n550-\r\n550-5.1.1 x\r\n550 y\r\n"),
		"550-one\n550-\n550-5.1.1 x\n550 y");
}

static void test_transcript_is_bounded(void **state)
{
	char wire[SMTP_REPLY_LINES_MAX * 110 + 100], *at = wire;
	const char *text;
	unsigned lines = 1;

	for (int i = 0; i < SMTP_REPLY_LINES_MAX - 1; i++)
		at += sprintf(at, "550-5.1.1 %090d\r\n", i);
	strcpy(at, "550 5.1.1 end\r\n");
	text = transcript_of(wire);
	assert_true(strlen(text) < SMTP_TRANSCRIPT_SIZE);
	for (const char *lf = text; (lf = strchr(lf, '\n')); lf++)
		lines++;
	assert_in_range(lines, 2, SMTP_REPLY_PARTS_MAX);
}

static void test_ehlo_keywords_are_gathered(void **state)
{
	struct smtp_reply_parser parser;

	assert_int_equal(once(&parser, true,
			      "250-mx.example.test\r\n250-PIPELINING\r\n"
			      "250-size 10240000\r\n250-STARTTLS\r\n"
			      "250-8BITMIME\r\n250-SMTPUTF8\r\n"
			      "250-CHUNKING\r\n250-DSN\r\n250-X-OTHER a b\r\n"
			      "250 EnhancedStatusCodes\r\n"),
			 SMTP_REPLY_DONE);
	assert_int_equal(parser.reply.extensions,
			 SMTP_EXT_PIPELINING | SMTP_EXT_SIZE |
				 SMTP_EXT_STARTTLS | SMTP_EXT_8BITMIME |
				 SMTP_EXT_SMTPUTF8 | SMTP_EXT_CHUNKING |
				 SMTP_EXT_DSN | SMTP_EXT_ENHANCEDSTATUSCODES);
	assert_int_equal(parser.reply.size_limit, 10240000);
}

static void test_first_ehlo_line_is_no_keyword(void **state)
{
	struct smtp_reply_parser parser;

	assert_int_equal(once(&parser, true, "250-STARTTLS\r\n250 DSN\r\n"),
			 SMTP_REPLY_DONE);
	assert_int_equal(parser.reply.extensions, SMTP_EXT_DSN);
}

static void test_keywords_must_match_whole(void **state)
{
	struct smtp_reply_parser parser;

	assert_int_equal(once(&parser, true,
			      "250-mx\r\n250-STARTTLSX\r\n250-XSTARTTLS\r\n"
			      "250-START\r\n250 SIZE=10\r\n"),
			 SMTP_REPLY_DONE);
	assert_int_equal(parser.reply.extensions, 0);
}

static void test_keywords_only_when_asked_and_accepted(void **state)
{
	struct smtp_reply_parser parser;

	once(&parser, false, "250-mx\r\n250 STARTTLS\r\n");
	assert_int_equal(parser.reply.extensions, 0);
	once(&parser, true, "550-mx\r\n550 STARTTLS\r\n");
	assert_int_equal(parser.reply.extensions, 0);
}

static void test_size_keyword_values(void **state)
{
	static const struct {
		const char *line;
		uint64_t limit;
	} cases[] = {
		{"250 SIZE\r\n", 0},
		{"250 SIZE \r\n", 0},
		{"250 SIZE 0\r\n", 0},
		{"250 SIZE 12x\r\n", 0},
		{"250 SIZE -1\r\n", 0},
		{"250 SIZE 18446744073709551615\r\n", UINT64_MAX},
		{"250 SIZE 18446744073709551616\r\n", UINT64_MAX},
		{"250 SIZE 99999999999999999999999999\r\n", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_reply_parser parser;
		size_t used;

		smtp_reply_start(&parser, true);
		feed(&parser, "250-mx\r\n", 8, &used);
		assert_int_equal(feed(&parser, cases[i].line,
				      strlen(cases[i].line), &used),
				 SMTP_REPLY_DONE);
		assert_int_equal(parser.reply.extensions, SMTP_EXT_SIZE);
		assert_true(parser.reply.size_limit == cases[i].limit);
	}
}

static void test_nul_bytes_do_not_end_the_text(void **state)
{
	struct smtp_reply_parser parser;
	size_t used;

	smtp_reply_start(&parser, false);
	assert_int_equal(feed(&parser, "250 a\0b\r\n", 9, &used),
			 SMTP_REPLY_DONE);
	assert_string_equal(parser.reply.text, "a?b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_replies),
		cmocka_unit_test(test_replies_cut_at_every_byte),
		cmocka_unit_test(test_replies_byte_by_byte),
		cmocka_unit_test(test_malformed_replies),
		cmocka_unit_test(test_next_reply_is_left_in_the_input),
		cmocka_unit_test(test_long_line_is_kept_in_part),
		cmocka_unit_test(test_too_long_line_is_an_error_before_it_ends),
		cmocka_unit_test(test_endless_reply_is_an_error),
		cmocka_unit_test(test_text_of_many_lines_is_bounded),
		cmocka_unit_test(test_transcript_is_what_was_said),
		cmocka_unit_test(test_transcript_is_bounded),
		cmocka_unit_test(test_ehlo_keywords_are_gathered),
		cmocka_unit_test(test_first_ehlo_line_is_no_keyword),
		cmocka_unit_test(test_keywords_must_match_whole),
		cmocka_unit_test(test_keywords_only_when_asked_and_accepted),
		cmocka_unit_test(test_size_keyword_values),
		cmocka_unit_test(test_nul_bytes_do_not_end_the_text),
	};

	return cmocka_run_group_tests_name("smtp_reply", tests, NULL, NULL);
}
