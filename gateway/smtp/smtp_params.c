/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of MAIL and RCPT: words of "KEYWORD" or "KEYWORD=value". */
#include <string.h>

#include "gateway/smtp/smtp_params.h"
#include "gateway/smtp/smtp_text.h"

struct param {
	const char *keyword, *value; /* value NULL: there is no '=' */
	size_t keyword_len, value_len;
};

/* RFC 5321 section 4.1.2, esmtp-keyword */
static bool keyword_valid(const char *text, size_t len)
{
	if (len == 0 || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!smtp_is_alnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

/* The next word of *text. False: none, or (with *bad) a malformed one. */
static bool next_param(const char **text, size_t *len, struct param *out,
		       bool *bad)
{
	const char *word, *equals;
	size_t n = 0;

	*bad = false;
	while (*len > 0 && ((*text)[0] == ' ' || (*text)[0] == '\t')) {
		(*text)++;
		(*len)--;
	}
	word = *text;
	while (n < *len && word[n] != ' ' && word[n] != '\t')
		n++;
	if (n == 0)
		return false;
	*text += n;
	*len -= n;
	equals = memchr(word, '=', n);
	out->keyword = word;
	out->keyword_len = equals ? (size_t)(equals - word) : n;
	out->value = equals ? equals + 1 : NULL;
	out->value_len = equals ? n - out->keyword_len - 1 : 0;
	*bad = !keyword_valid(word, out->keyword_len) ||
	       (equals && out->value_len == 0);
	return !*bad;
}

static enum smtp_params_result set_size(const struct param *param,
					struct smtp_mail_params *out)
{
	if (out->has_size || !param->value ||
	    !smtp_number(param->value, param->value_len, &out->size))
		return SMTP_PARAMS_SYNTAX;
	out->has_size = true;
	return SMTP_PARAMS_OK;
}

static enum smtp_params_result set_body(const struct param *param,
					struct smtp_mail_params *out)
{
	if (out->has_body || !param->value)
		return SMTP_PARAMS_SYNTAX;
	out->has_body = true;
	out->body_8bitmime =
		smtp_equal(param->value, param->value_len, "8BITMIME");
	if (out->body_8bitmime ||
	    smtp_equal(param->value, param->value_len, "7BIT"))
		return SMTP_PARAMS_OK;
	/* BINARYMIME (RFC 3030) is a value that we did not offer. */
	return smtp_equal(param->value, param->value_len, "BINARYMIME")
		       ? SMTP_PARAMS_UNKNOWN
		       : SMTP_PARAMS_SYNTAX;
}

static enum smtp_params_result set_utf8(const struct param *param,
					struct smtp_mail_params *out)
{
	if (out->smtputf8 || param->value)
		return SMTP_PARAMS_SYNTAX;
	out->smtputf8 = true;
	return SMTP_PARAMS_OK;
}

static enum smtp_params_result syntax_unless(bool right)
{
	return right ? SMTP_PARAMS_OK : SMTP_PARAMS_SYNTAX;
}

static enum smtp_params_result set_ret(const struct param *param,
				       struct smtp_mail_params *out)
{
	return syntax_unless(
		param->value &&
		smtp_dsn_ret(param->value, param->value_len, &out->dsn));
}

static enum smtp_params_result set_envid(const struct param *param,
					 struct smtp_mail_params *out)
{
	return syntax_unless(
		param->value &&
		smtp_dsn_envid(param->value, param->value_len, &out->dsn));
}

static const struct {
	const char *keyword;
	enum smtp_params_result (*set)(const struct param *,
				       struct smtp_mail_params *);
} mail_params[] = {
	{"SIZE", set_size}, {"BODY", set_body},	  {"SMTPUTF8", set_utf8},
	{"RET", set_ret},   {"ENVID", set_envid},
};

static enum smtp_params_result set_mail_param(const struct param *param,
					      void *out)
{
	for (size_t i = 0; i < sizeof(mail_params) / sizeof(mail_params[0]);
	     i++)
		if (smtp_equal(param->keyword, param->keyword_len,
			       mail_params[i].keyword))
			return mail_params[i].set(param, out);
	return SMTP_PARAMS_UNKNOWN;
}

static enum smtp_params_result set_rcpt_param(const struct param *param,
					      void *out)
{
	bool (*set)(const char *, size_t, struct smtp_dsn_rcpt *) = NULL;

	if (smtp_equal(param->keyword, param->keyword_len, "NOTIFY"))
		set = smtp_dsn_notify;
	else if (smtp_equal(param->keyword, param->keyword_len, "ORCPT"))
		set = smtp_dsn_orcpt;
	if (!set)
		return SMTP_PARAMS_UNKNOWN;
	return syntax_unless(param->value &&
			     set(param->value, param->value_len, out));
}

static enum smtp_params_result read_params(
	const char *text, size_t len,
	enum smtp_params_result (*set)(const struct param *, void *), void *out)
{
	enum smtp_params_result result = SMTP_PARAMS_OK;
	struct param param;
	bool bad = false;

	if (len > 0 && text[0] != ' ' && text[0] != '\t')
		return SMTP_PARAMS_SYNTAX;
	while (result == SMTP_PARAMS_OK &&
	       next_param(&text, &len, &param, &bad))
		result = set(&param, out);
	if (result == SMTP_PARAMS_OK && bad)
		return SMTP_PARAMS_SYNTAX;
	return result;
}

enum smtp_params_result smtp_params_mail(const char *text, size_t len,
					 struct smtp_mail_params *out)
{
	memset(out, 0, sizeof(*out));
	return read_params(text, len, set_mail_param, out);
}

enum smtp_params_result smtp_params_rcpt(const char *text, size_t len,
					 struct smtp_dsn_rcpt *out)
{
	memset(out, 0, sizeof(*out));
	return read_params(text, len, set_rcpt_param, out);
}
