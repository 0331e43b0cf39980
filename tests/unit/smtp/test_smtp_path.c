/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, good and hostile; and the parameters behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/smtp_params.h"
#include "gateway/smtp/smtp_path.h"

static enum smtp_path_result parse(const char *text, enum smtp_path_kind kind,
				   struct smtp_path *out, size_t *used)
{
	/* On the heap and exact, so that reading too far is seen. */
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	enum smtp_path_result result;

	assert_non_null(copy);
	memcpy(copy, text, len);
	result = smtp_path_parse(copy, len, kind, out, used);
	free(copy);
	return result;
}

static const struct {
	const char *text, *mailbox, *domain;
} good[] = {
	{"<a@b>", "a@b", "b"},
	{"<joe.user@example.test>", "joe.user@example.test", "example.test"},
	{"<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~@x", "x"},
	{"<a@sub_domain.example.test>", "a@sub_domain.example.test",
	 "sub_domain.example.test"},
	{"<a@1.2.3>", "a@1.2.3", "1.2.3"},
	{"<a@xn--mnchen-3ya.test>", "a@xn--mnchen-3ya.test",
	 "xn--mnchen-3ya.test"},
	{"<\"joe user\"@b>", "\"joe user\"@b", "b"},
	{"<\"\"@b>", "\"\"@b", "b"},
	{"<\"a@b\"@c>", "\"a@b\"@c", "c"},
	{"<\"a\\\"b\\\\c\"@d>", "\"a\\\"b\\\\c\"@d", "d"},
	{"<\">\"@b>", "\">\"@b", "b"},
	{"<a@[192.0.2.1]>", "a@[192.0.2.1]", "[192.0.2.1]"},
	{"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]",
	 "[IPv6:2001:db8::1]"},
	{"<a@[ipv6:::1]>", "a@[ipv6:::1]", "[ipv6:::1]"},
	{"<@one:a@b>", "a@b", "b"},
	{"<@one.test,@[192.0.2.1],@three:a@b>", "a@b", "b"},
	{"<gr\xc3\xbc\xc3\x9f@m\xc3\xbcnchen.test>",
	 "gr\xc3\xbc\xc3\x9f@m\xc3\xbcnchen.test", "m\xc3\xbcnchen.test"},
	{"<\"\xf0\x9f\x93\xac x\"@b>", "\"\xf0\x9f\x93\xac x\"@b", "b"},
};

static void test_good_paths(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		for (int kind = 0; kind < 2; kind++) {
			struct smtp_path path;
			size_t used;

			assert_int_equal(parse(good[i].text,
					       (enum smtp_path_kind)kind, &path,
					       &used),
					 SMTP_PATH_OK);
			assert_int_equal(used, strlen(good[i].text));
			assert_string_equal(path.mailbox, good[i].mailbox);
			assert_int_equal(path.len, strlen(good[i].mailbox));
			assert_string_equal(path.domain, good[i].domain);
		}
	}
}

static const char *const bad[] = {
	"",
	"<",
	">",
	"a@b",
	"<a>",
	"<a@b",
	"x",
	"<@>",
	"<a@>",
	"<@b>",
	"<a@b@c>",
	"<.a@b>",
	"<a.@b>",
	"<a..b@c>",
	"<a b@c>",
	"<a@b c>",
	"< a@b>",
	"<a@b >",
	"<a@.b>",
	"<a@b.>",
	"<a@b..c>",
	"<a@-b>",
	"<a@b->",
	"<a@b_c!>",
	"<a,b@c>",
	"<a:b@c>",
	"<<a@b>",
	"<(a)@b>",
	"<a\x01@b>",
	"<a\x7f@b>",
	"<a@b\x01>",
	"<\"a@b>",
	"<\"a\"b@c>",
	"<a\"b\"@c>",
	"<\"a\x01\"@b>",
	"<\"a\\",
	"<\"a\\\x01\"@b>",
	"<a@[]>",
	"<a@[192.0.2]>",
	"<a@[192.0.2.256]>",
	"<a@[192.0.2.1>",
	"<a@192.0.2.1]>",
	"<a@[2001:db8::1]>",
	"<a@[IPv6:]>",
	"<a@[IPv6:192.0.2.1]>",
	"<a@[IPv6:2001:db8::1::2]>",
	"<a@[x-tag:whatever]>",
	"<a@[000000000000000000000000000000000000000000000000000192.0.2.1]>",
	"<@one a@b>",
	"<@one,a@b>",
	"<@one,@two>",
	"<@one:>",
	"<@:a@b>",
	"<@one,:a@b>",
	"<one:a@b>",
	"<\xff@b>",
	"<a\x80@b>",
	"<\xc0\xaf@b>",		/* overlong '/' */
	"<\xe0\x80\xaf@b>",	/* overlong */
	"<\xed\xa0\x80@b>",	/* surrogate */
	"<\xf4\x90\x80\x80@b>", /* beyond Unicode */
	"<\xf8\x88\x80\x80\x80@b>",
	"<a\xc3@b>",
	"<a@b\xc3>",
	"<a@b\xe2\x82>",
	"<\"\xc3\"@b>",
};

static void test_bad_paths(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int kind = 0; kind < 2; kind++) {
			struct smtp_path path;
			size_t used;

			if (parse(bad[i], (enum smtp_path_kind)kind, &path,
				  &used) == SMTP_PATH_OK)
				fail_msg("'%s' was taken", bad[i]);
		}
	}
}

static void test_null_path_is_only_a_sender(void **state)
{
	struct smtp_path path;
	size_t used;

	assert_int_equal(parse("<>", SMTP_REVERSE_PATH, &path, &used),
			 SMTP_PATH_OK);
	assert_int_equal(used, 2);
	assert_string_equal(path.mailbox, "");
	assert_null(path.domain);
	assert_int_equal(parse("<>", SMTP_FORWARD_PATH, &path, &used),
			 SMTP_PATH_SYNTAX);
}

static void test_postmaster_is_only_a_recipient(void **state)
{
	struct smtp_path path;
	size_t used;

	assert_int_equal(parse("<PostMaster>", SMTP_FORWARD_PATH, &path, &used),
			 SMTP_PATH_OK);
	assert_string_equal(path.mailbox, "PostMaster");
	assert_null(path.domain);
	assert_int_equal(parse("<postmaster>", SMTP_REVERSE_PATH, &path, &used),
			 SMTP_PATH_SYNTAX);
	assert_int_equal(
		parse("<postmasters>", SMTP_FORWARD_PATH, &path, &used),
		SMTP_PATH_SYNTAX);
}

static void test_utf8_is_said(void **state)
{
	struct smtp_path path;
	size_t used;

	parse("<a@b>", SMTP_FORWARD_PATH, &path, &used);
	assert_false(path.utf8);
	parse("<\xc3\xa4@b>", SMTP_FORWARD_PATH, &path, &used);
	assert_true(path.utf8);
	parse("<a@\xc3\xa4>", SMTP_FORWARD_PATH, &path, &used);
	assert_true(path.utf8);
	/* In a route that is dropped it does not matter. */
	parse("<@\xc3\xa4:a@b>", SMTP_FORWARD_PATH, &path, &used);
	assert_false(path.utf8);
}

static void test_what_follows_is_left(void **state)
{
	struct smtp_path path;
	size_t used;

	assert_int_equal(
		parse("<@x:a@b> SIZE=1", SMTP_REVERSE_PATH, &path, &used),
		SMTP_PATH_OK);
	assert_int_equal(used, 8);
}

/* "<" local "@" domain ">" with parts of these lengths, labels of 63. */
static enum smtp_path_result parse_long(size_t local, size_t domain)
{
	char text[1024];
	struct smtp_path path;
	size_t used, n = 0;

	text[n++] = '<';
	memset(text + n, 'l', local);
	n += local;
	text[n++] = '@';
	for (size_t i = 0; i < domain; i++)
		text[n++] = i % 64 == 63 ? '.' : 'd';
	text[n++] = '>';
	text[n] = '\0';
	return parse(text, SMTP_FORWARD_PATH, &path, &used);
}

static void test_lengths_are_bounded(void **state)
{
	assert_int_equal(parse_long(64, 100), SMTP_PATH_OK);
	assert_int_equal(parse_long(65, 100), SMTP_PATH_LENGTH);
	/* 254 between the brackets */
	assert_int_equal(parse_long(1, 252), SMTP_PATH_OK);
	assert_int_equal(parse_long(1, 253), SMTP_PATH_LENGTH);
	assert_int_equal(parse_long(1, 400), SMTP_PATH_LENGTH);
	assert_int_equal(parse_long(300, 400), SMTP_PATH_LENGTH);
}

static void test_labels_are_bounded(void **state)
{
	char text[128] = "<a@";
	struct smtp_path path;
	size_t used;

	memset(text + 3, 'x', 63);
	memcpy(text + 66, ">", 2);
	assert_int_equal(parse(text, SMTP_FORWARD_PATH, &path, &used),
			 SMTP_PATH_OK);
	memcpy(text + 66, "x>", 3);
	assert_int_equal(parse(text, SMTP_FORWARD_PATH, &path, &used),
			 SMTP_PATH_SYNTAX);
}

static void test_domains(void **state)
{
	assert_true(smtp_domain_valid("example.test", 12, false));
	assert_true(smtp_domain_valid("[192.0.2.1]", 11, false));
	assert_false(smtp_domain_valid("example.test.", 13, false));
	assert_false(smtp_domain_valid("", 0, false));
	assert_false(smtp_domain_valid("b\xc3\xbc", 3, false));
	assert_true(smtp_domain_valid("b\xc3\xbc", 3, true));
}

/* --- parameters --- */

static enum smtp_params_result mail(const char *text,
				    struct smtp_mail_params *out)
{
	return smtp_params_mail(text, strlen(text), out);
}

static void test_known_parameters(void **state)
{
	struct smtp_mail_params params;

	assert_int_equal(mail("", &params), SMTP_PARAMS_OK);
	assert_false(params.has_size || params.has_body || params.smtputf8);
	assert_int_equal(mail(" size=1000 BODY=8bitmime SMTPUTF8", &params),
			 SMTP_PARAMS_OK);
	assert_true(params.has_size);
	assert_int_equal(params.size, 1000);
	assert_true(params.body_8bitmime);
	assert_true(params.smtputf8);
	assert_int_equal(mail("  BODY=7BIT ", &params), SMTP_PARAMS_OK);
	assert_true(params.has_body);
	assert_false(params.body_8bitmime);
}

static void test_huge_sizes_do_not_wrap(void **state)
{
	struct smtp_mail_params params;

	assert_int_equal(mail(" SIZE=18446744073709551617", &params),
			 SMTP_PARAMS_OK);
	assert_true(params.size == UINT64_MAX);
	assert_int_equal(mail(" SIZE=99999999999999999999", &params),
			 SMTP_PARAMS_OK);
	assert_true(params.size == UINT64_MAX);
	assert_int_equal(mail(" SIZE=999999999999999999999", &params),
			 SMTP_PARAMS_SYNTAX);
}

static void test_malformed_parameters(void **state)
{
	static const char *const wrong[] = {
		"SIZE=1",
		" SIZE",
		" SIZE=",
		" SIZE=x",
		" SIZE=-1",
		" SIZE=1=2",
		" SIZE=1 SIZE=2",
		" BODY",
		" BODY=",
		" BODY=9BIT",
		" BODY=7BIT BODY=7BIT",
		" SMTPUTF8=1",
		" SMTPUTF8=",
		" SMTPUTF8 SMTPUTF8",
		" =1",
		" -X=1",
		" A_B=1",
		" \xc3\xbc=1",
		" X=",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct smtp_mail_params params;

		if (mail(wrong[i], &params) != SMTP_PARAMS_SYNTAX)
			fail_msg("'%s' was taken", wrong[i]);
	}
}

static void test_unknown_parameters(void **state)
{
	static const char *const unknown[] = {
		" AUTH=<>",	    " NOTIFY=NEVER", " ORCPT=rfc822;x", " X",
		" BODY=BINARYMIME", " SIZE=1 X=2",   " REQUIRETLS",
	};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct smtp_mail_params params;

		if (mail(unknown[i], &params) != SMTP_PARAMS_UNKNOWN)
			fail_msg("'%s' was taken", unknown[i]);
	}
}

static void test_parameters_of_rcpt(void **state)
{
	struct smtp_dsn_rcpt params;

	assert_int_equal(smtp_params_rcpt("", 0, &params), SMTP_PARAMS_OK);
	assert_int_equal(smtp_params_rcpt("  ", 2, &params), SMTP_PARAMS_OK);
	assert_false(params.notify || params.orcpt);
	assert_int_equal(smtp_params_rcpt(" SIZE=1", 7, &params),
			 SMTP_PARAMS_UNKNOWN);
	assert_int_equal(smtp_params_rcpt(" =", 2, &params),
			 SMTP_PARAMS_SYNTAX);
	assert_int_equal(smtp_params_rcpt("x", 1, &params), SMTP_PARAMS_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_paths),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_null_path_is_only_a_sender),
		cmocka_unit_test(test_postmaster_is_only_a_recipient),
		cmocka_unit_test(test_utf8_is_said),
		cmocka_unit_test(test_what_follows_is_left),
		cmocka_unit_test(test_lengths_are_bounded),
		cmocka_unit_test(test_labels_are_bounded),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_known_parameters),
		cmocka_unit_test(test_huge_sizes_do_not_wrap),
		cmocka_unit_test(test_malformed_parameters),
		cmocka_unit_test(test_unknown_parameters),
		cmocka_unit_test(test_parameters_of_rcpt),
	};

	return cmocka_run_group_tests_name("smtp_path", tests, NULL, NULL);
}
