/* SPDX-License-Identifier: Apache-2.0 */
/* DSN's parameters: what is syntax, what is not, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/smtp/smtp_params.h"

static enum smtp_params_result mail(const char *text,
				    struct smtp_mail_params *out)
{
	return smtp_params_mail(text, strlen(text), out);
}

static enum smtp_params_result rcpt(const char *text, struct smtp_dsn_rcpt *out)
{
	return smtp_params_rcpt(text, strlen(text), out);
}

/* Read, then written as it is kept. */
static const char *kept_mail(const char *text)
{
	static char out[SMTP_DSN_MAIL_SIZE];
	struct smtp_mail_params params;

	if (mail(text, &params) != SMTP_PARAMS_OK)
		return "refused";
	return smtp_dsn_mail_write(&params.dsn, out);
}

static const char *kept_rcpt(const char *text)
{
	static char out[SMTP_DSN_RCPT_SIZE];
	struct smtp_dsn_rcpt params;

	if (rcpt(text, &params) != SMTP_PARAMS_OK)
		return "refused";
	return smtp_dsn_rcpt_write(&params, out);
}

static void what_mail_may_say(void **state)
{
	assert_string_equal(kept_mail(""), "");
	assert_string_equal(kept_mail(" SIZE=5"), "");
	assert_string_equal(kept_mail(" RET=full"), " RET=FULL");
	assert_string_equal(kept_mail(" ret=HDRS envid=QQ314159"),
			    " RET=HDRS ENVID=QQ314159");
	assert_string_equal(kept_mail(" ENVID=a+20b+2B+3D"),
			    " ENVID=a+20b+2B+3D");
}

static void what_rcpt_may_say(void **state)
{
	assert_string_equal(kept_rcpt(""), "");
	assert_string_equal(kept_rcpt(" NOTIFY=never"), " NOTIFY=NEVER");
	assert_string_equal(kept_rcpt(" NOTIFY=Delay,failure,SUCCESS"),
			    " NOTIFY=SUCCESS,FAILURE,DELAY");
	/* twice the same is the same */
	assert_string_equal(kept_rcpt(" NOTIFY=DELAY,DELAY"), " NOTIFY=DELAY");
	assert_string_equal(kept_rcpt(" ORCPT=rfc822;Bob+2Bx@Example.test"),
			    " ORCPT=rfc822;Bob+2Bx@Example.test");
	assert_string_equal(kept_rcpt(" ORCPT=x400;/C=us/ NOTIFY=FAILURE") + 0,
			    "refused"); /* '=' is not xtext */
	assert_string_equal(kept_rcpt(" ORCPT=x400;/C+3Dus/"),
			    " ORCPT=x400;/C+3Dus/");
}

static void malformed_values_of_mail(void **state)
{
	static const char *const wrong[] = {
		" RET",
		" RET=",
		" RET=BODY",
		" RET=FULL,",
		" RET=FULL RET=FULL",
		" RET=HDRS RET=FULL",
		" ENVID",
		" ENVID=",
		" ENVID=a=b",
		" ENVID=a+",
		" ENVID=a+2",
		" ENVID=+2b",
		" ENVID=+G0",
		" ENVID=+0A",
		" ENVID=+7F",
		" ENVID=+C3",
		" ENVID=\xc3\xa4",
		" ENVID=a ENVID=b",
		" ENVID=+00x",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct smtp_mail_params params;

		if (mail(wrong[i], &params) != SMTP_PARAMS_SYNTAX)
			fail_msg("'%s' was taken", wrong[i]);
	}
}

static void malformed_values_of_rcpt(void **state)
{
	static const char *const wrong[] = {
		" NOTIFY",
		" NOTIFY=",
		" NOTIFY=,",
		" NOTIFY=SUCCESS,",
		" NOTIFY=,SUCCESS",
		" NOTIFY=SOMETIMES",
		" NOTIFY=NEVER,NEVER",
		" NOTIFY=NEVER,DELAY",
		" NOTIFY=DELAY,NEVER",
		" NOTIFY=DELAY NOTIFY=DELAY",
		" ORCPT",
		" ORCPT=",
		" ORCPT=b@example.test",
		" ORCPT=rfc822;",
		" ORCPT=;b@example.test",
		" ORCPT=rfc 822;b",
		" ORCPT=rfc(822;b",
		" ORCPT=rfc822;b+0D",
		" ORCPT=rfc822;b+2b",
		" ORCPT=rfc822;\xc3\xa4",
		" ORCPT=utf-8;\xc3",
		" ORCPT=utf-8;\\x{}",
		" ORCPT=utf-8;\\x{E4",
		" ORCPT=utf-8;\\x{1234567}",
		" ORCPT=utf-8;a\\b",
		" ORCPT=rfc822;a ORCPT=rfc822;a",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct smtp_dsn_rcpt params;

		if (rcpt(wrong[i], &params) != SMTP_PARAMS_SYNTAX)
			fail_msg("'%s' was taken", wrong[i]);
	}
}

static void addresses_beyond_ascii_are_said(void **state)
{
	struct smtp_dsn_rcpt params;

	assert_int_equal(rcpt(" ORCPT=utf-8;\xc3\xa4@example.test", &params),
			 SMTP_PARAMS_OK);
	assert_true(params.utf8);
	assert_int_equal(rcpt(" ORCPT=UTF-8;\\x{E4}@example.test", &params),
			 SMTP_PARAMS_OK);
	assert_false(params.utf8);
}

static void lengths_are_bounded(void **state)
{
	char text[600];
	struct smtp_mail_params of_mail;
	struct smtp_dsn_rcpt of_rcpt;

	for (int over = 0; over < 2; over++) {
		enum smtp_params_result expected =
			over ? SMTP_PARAMS_SYNTAX : SMTP_PARAMS_OK;

		memset(text, 'x', sizeof(text));
		memcpy(text, " ENVID=", 7);
		text[7 + SMTP_ENVID_MAX + over] = '\0';
		assert_int_equal(mail(text, &of_mail), expected);
		memset(text, 'x', sizeof(text));
		memcpy(text, " ORCPT=rfc822;", 14);
		text[7 + SMTP_ORCPT_MAX + over] = '\0';
		assert_int_equal(rcpt(text, &of_rcpt), expected);
		if (!over)
			assert_string_equal(kept_rcpt(text), text);
	}
}

static void the_longest_of_all_fits(void **state)
{
	char text[SMTP_DSN_RCPT_SIZE + 1];
	size_t at =
		strlen(strcpy(text, " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT="));

	memset(text + at, 'x', SMTP_ORCPT_MAX);
	memcpy(text + at, "utf-8;", 6);
	text[at + SMTP_ORCPT_MAX] = '\0';
	assert_string_equal(kept_rcpt(text), text);
}

static void xtext_is_decoded(void **state)
{
	static const char text[] = "a+2Bb+20c+3D";
	char out[sizeof(text)];

	smtp_xtext_decode(text, sizeof(text) - 1, out);
	assert_string_equal(out, "a+b c=");
	/* what is no hexchar stays: text of another type */
	smtp_xtext_decode("a+b@x", 5, out);
	assert_string_equal(out, "a+b@x");
}

static const char *original(const char *text)
{
	static char out[SMTP_ORCPT_MAX + 1];
	struct smtp_dsn_rcpt params;
	size_t type_len;

	assert_int_equal(rcpt(text, &params), SMTP_PARAMS_OK);
	smtp_dsn_original(&params, out, &type_len);
	assert_int_equal(params.orcpt[type_len], ';');
	return out;
}

static void an_original_recipient_by_its_type(void **state)
{
	assert_string_equal(original(" ORCPT=rfc822;a+2Bb@x"), "a+b@x");
	/* a plus of type utf-8 is none that stands for something */
	assert_string_equal(original(" ORCPT=utf-8;a+07b@x"), "a+07b@x");
	assert_string_equal(original(" ORCPT=UTF-8;\\x{E4}+41@x"),
			    "\\x{E4}+41@x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_mail_may_say),
		cmocka_unit_test(what_rcpt_may_say),
		cmocka_unit_test(malformed_values_of_mail),
		cmocka_unit_test(malformed_values_of_rcpt),
		cmocka_unit_test(addresses_beyond_ascii_are_said),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(the_longest_of_all_fits),
		cmocka_unit_test(xtext_is_decoded),
		cmocka_unit_test(an_original_recipient_by_its_type),
	};

	return cmocka_run_group_tests_name("smtp_dsn", tests, NULL, NULL);
}
