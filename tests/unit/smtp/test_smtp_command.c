/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, good and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/smtp_command.h"

struct good {
	const char *line;
	enum smtp_verb verb;
	const char *args;
};

static const struct good good[] = {
	{"HELO client", SMTP_HELO, "client"},
	{"EHLO [192.0.2.1]", SMTP_EHLO, "[192.0.2.1]"},
	{"ehlo x", SMTP_EHLO, "x"},
	{"StArTtLs", SMTP_STARTTLS, ""},
	{"STARTTLS  ", SMTP_STARTTLS, ""},
	{"MAIL FROM:<a@b>", SMTP_MAIL, "<a@b>"},
	{"mail from:<a@b> SIZE=1", SMTP_MAIL, "<a@b> SIZE=1"},
	{"MAIL FROM: <a@b>", SMTP_MAIL, "<a@b>"},
	{"MAIL\tFROM:<a@b>", SMTP_MAIL, "<a@b>"},
	{"RCPT TO:<a@b>", SMTP_RCPT, "<a@b>"},
	{"DATA", SMTP_DATA, ""},
	{"DATA \t", SMTP_DATA, ""},
	{"BDAT 12 LAST", SMTP_BDAT, "12 LAST"},
	{"RSET", SMTP_RSET, ""},
	{"NOOP", SMTP_NOOP, ""},
	{"NOOP any thing", SMTP_NOOP, "any thing"},
	{"VRFY joe", SMTP_VRFY, "joe"},
	{"EXPN list", SMTP_EXPN, "list"},
	{"HELP", SMTP_HELP, ""},
	{"HELP MAIL", SMTP_HELP, "MAIL"},
	{"QUIT", SMTP_QUIT, ""},
	{"EHLO \xc3\xbc", SMTP_EHLO, "\xc3\xbc"},
};

static void test_good_commands(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct smtp_command command;

		assert_int_equal(smtp_command_parse(good[i].line,
						    strlen(good[i].line),
						    &command),
				 SMTP_COMMAND_OK);
		assert_int_equal(command.verb, good[i].verb);
		assert_int_equal(command.args_len, strlen(good[i].args));
		assert_memory_equal(command.args, good[i].args,
				    command.args_len);
	}
}

struct bad {
	const char *line;
	size_t len;
	enum smtp_command_result result;
};
#define LINE(text) text, sizeof(text) - 1

static const struct bad bad[] = {
	{LINE(""), SMTP_COMMAND_MALFORMED},
	{LINE(" "), SMTP_COMMAND_MALFORMED},
	{LINE(" QUIT"), SMTP_COMMAND_MALFORMED},
	{LINE("QUIT\0"), SMTP_COMMAND_MALFORMED},
	{LINE("NOOP a\0b"), SMTP_COMMAND_MALFORMED},
	{LINE("NOOP a\rQUIT"), SMTP_COMMAND_MALFORMED},
	{LINE("NOOP a\nQUIT"), SMTP_COMMAND_MALFORMED},
	{LINE("NOOP \x7f"), SMTP_COMMAND_MALFORMED},
	{LINE("\x16\x03\x01\x02"), SMTP_COMMAND_MALFORMED},
	{LINE("GET / HTTP/1.1"), SMTP_COMMAND_UNKNOWN},
	{LINE("QUI"), SMTP_COMMAND_UNKNOWN},
	{LINE("QUITT"), SMTP_COMMAND_UNKNOWN},
	{LINE("AUTH PLAIN AAAA"), SMTP_COMMAND_UNKNOWN},
	{LINE("MAIL:FROM"), SMTP_COMMAND_UNKNOWN},
	{LINE("unknown"), SMTP_COMMAND_UNKNOWN},
	{LINE("HELO"), SMTP_COMMAND_ARGUMENTS},
	{LINE("EHLO "), SMTP_COMMAND_ARGUMENTS},
	{LINE("QUIT now"), SMTP_COMMAND_ARGUMENTS},
	{LINE("DATA x"), SMTP_COMMAND_ARGUMENTS},
	{LINE("RSET x"), SMTP_COMMAND_ARGUMENTS},
	{LINE("STARTTLS x"), SMTP_COMMAND_ARGUMENTS},
	{LINE("MAIL"), SMTP_COMMAND_ARGUMENTS},
	{LINE("MAIL FROM"), SMTP_COMMAND_ARGUMENTS},
	{LINE("MAIL FROM:"), SMTP_COMMAND_ARGUMENTS},
	{LINE("MAIL FROM :<a@b>"), SMTP_COMMAND_ARGUMENTS},
	{LINE("MAIL TO:<a@b>"), SMTP_COMMAND_ARGUMENTS},
	{LINE("RCPT FROM:<a@b>"), SMTP_COMMAND_ARGUMENTS},
	{LINE("BDAT"), SMTP_COMMAND_ARGUMENTS},
	{LINE("VRFY"), SMTP_COMMAND_ARGUMENTS},
};

static void test_bad_commands(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct smtp_command command;

		assert_int_equal(
			smtp_command_parse(bad[i].line, bad[i].len, &command),
			bad[i].result);
	}
}

/* The chunk behind a refused BDAT must be found all the same. */
static void test_verb_is_known_though_its_arguments_are_wrong(void **state)
{
	struct smtp_command command;

	smtp_command_parse("BDAT", 4, &command);
	assert_int_equal(command.verb, SMTP_BDAT);
	assert_int_equal(command.args_len, 0);
}

static void test_bdat_arguments(void **state)
{
	static const struct {
		const char *args;
		int result;
		uint64_t size;
		bool last;
	} cases[] = {
		{"0", 0, 0, false},
		{"0 LAST", 0, 0, true},
		{"12 last", 0, 12, true},
		{"12  LAST", 0, 12, true},
		{"0000000000000000012", 0, 12, false},
		{"18446744073709551614", 0, UINT64_MAX - 1, false},
		{"", -1, 0, false},
		{"LAST", -1, 0, false},
		{"-1", -1, 0, false},
		{"+1", -1, 0, false},
		{"1x", -1, 0, false},
		{"0x10", -1, 0, false},
		{"1LAST", -1, 0, false},
		{"1 LASTX", -1, 0, false},
		{"1 LAST LAST", -1, 0, false},
		{"1 2", -1, 0, false},
		{"18446744073709551615", -1, 0, false},
		{"18446744073709551616", -1, 0, false},
		{"99999999999999999999999999", -1, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t size = 0;
		bool last = false;
		int result = smtp_command_bdat(
			cases[i].args, strlen(cases[i].args), &size, &last);

		assert_int_equal(result < 0, cases[i].result < 0);
		if (result < 0)
			continue;
		assert_true(size == cases[i].size);
		assert_int_equal(last, cases[i].last);
	}
}

static void test_verbs_have_names(void **state)
{
	assert_string_equal(smtp_verb_name(SMTP_STARTTLS), "STARTTLS");
	for (int verb = 0; verb < SMTP_VERBS; verb++)
		assert_non_null(smtp_verb_name((enum smtp_verb)verb));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_commands),
		cmocka_unit_test(test_bad_commands),
		cmocka_unit_test(
			test_verb_is_known_though_its_arguments_are_wrong),
		cmocka_unit_test(test_bdat_arguments),
		cmocka_unit_test(test_verbs_have_names),
	};

	return cmocka_run_group_tests_name("smtp_command", tests, NULL, NULL);
}
