/* SPDX-License-Identifier: Apache-2.0 */
/* What a sender asks for about notifications: its syntax, both ways. */
#include <stdio.h>
#include <string.h>

#include "gateway/smtp/smtp_dsn.h"
#include "gateway/smtp/smtp_text.h"

/* --- xtext --- */

static int hex_value(char c)
{
	if (smtp_is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "+41": its value, -1: it is none. Only capitals (RFC 3461 section 4). */
static int hexchar(const char *text, size_t len)
{
	int high, low;

	if (len < 3 || text[0] != '+')
		return -1;
	high = hex_value(text[1]);
	low = hex_value(text[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* xtext that stands for printable ASCII: the fields that it goes to can hold
 * nothing else (sections 4.2 and 4.4). */
static bool xtext_valid(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int value = (unsigned char)text[i];

		if (value <= ' ' || value > '~' || value == '=')
			return false;
		if (value != '+')
			continue;
		value = hexchar(text + i, len - i);
		if (value < ' ' || value > '~')
			return false;
		i += 2;
	}
	return true;
}

void smtp_xtext_decode(const char *text, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		int value = hexchar(text + i, len - i);

		if (value >= 0)
			i += 2;
		*out++ = value >= 0 ? (char)value : text[i];
	}
	*out = '\0';
}

/* --- addresses of type utf-8 (RFC 6533 section 3) --- */

/* "\x{10FFFF}": its length, 0: none. */
static size_t embedded_length(const char *text, size_t len)
{
	size_t at = 3;

	if (len < 6 || memcmp(text, "\\x{", 3) != 0)
		return 0;
	while (at < len && at < 9 && hex_value(text[at]) >= 0)
		at++;
	return at >= 5 && at < len && text[at] == '}' ? at + 1 : 0;
}

/* utf-8-addr-xtext or utf-8-addr-unitext; *utf8: the latter. */
static bool utf8_address_valid(const char *text, size_t len, bool *utf8)
{
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 0x7f || c == '=')
			return false;
		n = c == '\\' ? embedded_length(text + i, len - i)
			      : smtp_utf8_length(text + i, len - i);
		if (n == 0)
			return false;
		*utf8 |= c >= 0x80;
	}
	return true;
}

/* --- the values --- */

bool smtp_dsn_ret(const char *text, size_t len, struct smtp_dsn_mail *out)
{
	if (out->ret != SMTP_RET_UNSAID)
		return false;
	if (smtp_equal(text, len, "FULL"))
		out->ret = SMTP_RET_FULL;
	else if (smtp_equal(text, len, "HDRS"))
		out->ret = SMTP_RET_HDRS;
	return out->ret != SMTP_RET_UNSAID;
}

bool smtp_dsn_envid(const char *text, size_t len, struct smtp_dsn_mail *out)
{
	if (out->envid || len == 0 || len > SMTP_ENVID_MAX ||
	    !xtext_valid(text, len))
		return false;
	out->envid = text;
	out->envid_len = len;
	return true;
}

static const struct {
	const char *word;
	unsigned bit;
} notify_words[] = {
	{"NEVER", SMTP_NOTIFY_NEVER},
	{"SUCCESS", SMTP_NOTIFY_SUCCESS},
	{"FAILURE", SMTP_NOTIFY_FAILURE},
	{"DELAY", SMTP_NOTIFY_DELAY},
};

#define NOTIFY_WORDS (sizeof(notify_words) / sizeof(notify_words[0]))

static unsigned notify_bit(const char *text, size_t len)
{
	for (size_t i = 0; i < NOTIFY_WORDS; i++)
		if (smtp_equal(text, len, notify_words[i].word))
			return notify_words[i].bit;
	return 0;
}

/* NEVER alone, or others separated by commas (section 4.1). */
bool smtp_dsn_notify(const char *text, size_t len, struct smtp_dsn_rcpt *out)
{
	const char *end = text + len, *comma;
	unsigned notify = 0;

	if (out->notify)
		return false;
	for (const char *at = text;; at = comma + 1) {
		unsigned bit;

		comma = memchr(at, ',', (size_t)(end - at));
		bit = notify_bit(at, (size_t)((comma ? comma : end) - at));
		if (bit == 0 ||
		    ((notify | bit) & SMTP_NOTIFY_NEVER && (notify || comma)))
			return false;
		notify |= bit;
		if (!comma)
			break;
	}
	out->notify = notify;
	return true;
}

/* RFC 5321 section 4.1.2, atext */
static bool is_atext(char c)
{
	return smtp_is_alnum(c) ||
	       (c && strchr("!#$%&'*-/?^_`{|}~", c) != NULL);
}

static bool atom_valid(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_atext(text[i]))
			return false;
	return len > 0;
}

bool smtp_dsn_orcpt(const char *text, size_t len, struct smtp_dsn_rcpt *out)
{
	const char *semicolon = memchr(text, ';', len), *address;
	size_t type_len, address_len;

	if (out->orcpt || !semicolon || len > SMTP_ORCPT_MAX)
		return false;
	type_len = (size_t)(semicolon - text);
	address = semicolon + 1;
	address_len = len - type_len - 1;
	if (address_len == 0 || !atom_valid(text, type_len))
		return false;
	if (smtp_equal(text, type_len, "utf-8")
		    ? !utf8_address_valid(address, address_len, &out->utf8)
		    : !xtext_valid(address, address_len))
		return false;
	out->orcpt = text;
	out->orcpt_len = len;
	return true;
}

void smtp_dsn_original(const struct smtp_dsn_rcpt *rcpt,
		       char out[SMTP_ORCPT_MAX + 1], size_t *type_len)
{
	const char *semicolon = memchr(rcpt->orcpt, ';', rcpt->orcpt_len);
	size_t len;

	*type_len = (size_t)(semicolon - rcpt->orcpt);
	len = rcpt->orcpt_len - *type_len - 1;
	if (!smtp_equal(rcpt->orcpt, *type_len, "utf-8")) {
		smtp_xtext_decode(semicolon + 1, len, out);
		return;
	}
	memcpy(out, semicolon + 1, len);
	out[len] = '\0';
}

/* --- and back --- */

const char *smtp_dsn_mail_write(const struct smtp_dsn_mail *mail,
				char out[SMTP_DSN_MAIL_SIZE])
{
	static const char *const rets[] = {
		[SMTP_RET_UNSAID] = "",
		[SMTP_RET_FULL] = " RET=FULL",
		[SMTP_RET_HDRS] = " RET=HDRS",
	};

	snprintf(out, SMTP_DSN_MAIL_SIZE, "%s%s%.*s", rets[mail->ret],
		 mail->envid ? " ENVID=" : "", (int)mail->envid_len,
		 mail->envid ? mail->envid : "");
	return out;
}

const char *smtp_dsn_rcpt_write(const struct smtp_dsn_rcpt *rcpt,
				char out[SMTP_DSN_RCPT_SIZE])
{
	const char *before = " NOTIFY=";
	size_t at = 0;

	for (size_t i = 0; i < NOTIFY_WORDS; i++) {
		if (!(rcpt->notify & notify_words[i].bit))
			continue;
		at += (size_t)snprintf(out + at, SMTP_DSN_RCPT_SIZE - at,
				       "%s%s", before, notify_words[i].word);
		before = ",";
	}
	snprintf(out + at, SMTP_DSN_RCPT_SIZE - at, "%s%.*s",
		 rcpt->orcpt ? " ORCPT=" : "", (int)rcpt->orcpt_len,
		 rcpt->orcpt ? rcpt->orcpt : "");
	return out;
}
