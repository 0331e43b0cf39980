/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs. What the arguments mean is read elsewhere (smtp_path,
 * smtp_params); here is only where they begin and whether they may be there.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/smtp/smtp_command.h"
#include "gateway/smtp/smtp_text.h"

enum arguments {
	NONE,
	OPTIONAL,
	REQUIRED
};

/* clang-format off */
static const struct {
	const char *name;
	const char *keyword; /* that begins the arguments, "" if none does */
	enum arguments arguments;
} verbs[SMTP_VERBS] = {
	[SMTP_UNKNOWN]  = {"unknown",  "",      OPTIONAL},
	[SMTP_HELO]     = {"HELO",     "",      REQUIRED},
	[SMTP_EHLO]     = {"EHLO",     "",      REQUIRED},
	[SMTP_STARTTLS] = {"STARTTLS", "",      NONE},
	[SMTP_MAIL]     = {"MAIL",     "FROM:", REQUIRED},
	[SMTP_RCPT]     = {"RCPT",     "TO:",   REQUIRED},
	[SMTP_DATA]     = {"DATA",     "",      NONE},
	[SMTP_BDAT]     = {"BDAT",     "",      REQUIRED},
	[SMTP_RSET]     = {"RSET",     "",      NONE},
	[SMTP_NOOP]     = {"NOOP",     "",      OPTIONAL},
	[SMTP_VRFY]     = {"VRFY",     "",      REQUIRED},
	[SMTP_EXPN]     = {"EXPN",     "",      REQUIRED},
	[SMTP_HELP]     = {"HELP",     "",      OPTIONAL},
	[SMTP_QUIT]     = {"QUIT",     "",      NONE},
};
/* clang-format on */

const char *smtp_verb_name(enum smtp_verb verb)
{
	return verbs[verb].name;
}

static enum smtp_verb find_verb(const char *word, size_t len)
{
	for (int verb = SMTP_UNKNOWN + 1; verb < SMTP_VERBS; verb++)
		if (smtp_equal(word, len, verbs[verb].name))
			return (enum smtp_verb)verb;
	return SMTP_UNKNOWN;
}

/* No control belongs in a command: not a NUL that would end a string early,
 * not a bare CR or LF that another parser might take for a line end. */
static bool has_controls(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && is_blank((*text)[0])) {
		(*text)++;
		(*len)--;
	}
	/* Trailing white space is tolerated (RFC 5321 section 4.1.1). */
	while (*len > 0 && is_blank((*text)[*len - 1]))
		(*len)--;
}

enum smtp_command_result smtp_command_parse(const char *line, size_t len,
					    struct smtp_command *out)
{
	size_t word = 0, keyword;

	out->verb = SMTP_UNKNOWN;
	out->args = line;
	out->args_len = 0;
	if (has_controls(line, len))
		return SMTP_COMMAND_MALFORMED;
	while (word < len && !is_blank(line[word]))
		word++;
	if (word == 0)
		return SMTP_COMMAND_MALFORMED;
	out->verb = find_verb(line, word);
	if (out->verb == SMTP_UNKNOWN)
		return SMTP_COMMAND_UNKNOWN;
	out->args = line + word;
	out->args_len = len - word;
	trim(&out->args, &out->args_len);
	keyword = strlen(verbs[out->verb].keyword);
	if (out->args_len < keyword ||
	    strncasecmp(out->args, verbs[out->verb].keyword, keyword) != 0)
		return SMTP_COMMAND_ARGUMENTS;
	out->args += keyword;
	out->args_len -= keyword;
	trim(&out->args, &out->args_len);
	if (verbs[out->verb].arguments == NONE && out->args_len > 0)
		return SMTP_COMMAND_ARGUMENTS;
	if (verbs[out->verb].arguments == REQUIRED && out->args_len == 0)
		return SMTP_COMMAND_ARGUMENTS;
	return SMTP_COMMAND_OK;
}

int smtp_command_bdat(const char *args, size_t len, uint64_t *size, bool *last)
{
	size_t digits = smtp_digits(args, len, len);
	const char *rest = args + digits;
	size_t rest_len = len - digits;

	/* A number that does not fit is as good as none: its end is unknown. */
	if (!smtp_number(args, digits, size) || *size == UINT64_MAX)
		return -EINVAL;
	*last = false;
	if (rest_len == 0)
		return 0;
	if (!is_blank(rest[0]))
		return -EINVAL;
	trim(&rest, &rest_len);
	if (!smtp_equal(rest, rest_len, "LAST"))
		return -EINVAL;
	*last = true;
	return 0;
}
