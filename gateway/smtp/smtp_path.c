/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths, by recursive descent: each take_*() returns how many octets of its
 * production @text begins with, 0: not one.
 */
#include <arpa/inet.h>
#include <string.h>

#include "gateway/smtp/smtp_path.h"
#include "gateway/smtp/smtp_text.h"

#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */

/* RFC 5322 section 3.2.3 */
static bool is_atext(char c)
{
	return smtp_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Octets of a character beyond ASCII, 0: it is ASCII or malformed. */
static size_t take_utf8(const char *text, size_t len)
{
	size_t n = smtp_utf8_length(text, len);

	return n > 1 ? n : 0;
}

static size_t take_atom(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n =
			is_atext(text[at]) ? 1 : take_utf8(text + at, len - at);

		if (n == 0)
			break;
		at += n;
	}
	return at;
}

static size_t take_dot_string(const char *text, size_t len)
{
	size_t at = take_atom(text, len), n;

	while (at > 0 && at < len && text[at] == '.') {
		n = take_atom(text + at + 1, len - at - 1);
		if (n == 0)
			return 0;
		at += 1 + n;
	}
	return at;
}

static size_t take_quoted_string(const char *text, size_t len)
{
	size_t at = 1;

	if (len < 2 || text[0] != '"')
		return 0;
	while (at < len && text[at] != '"') {
		size_t n = 1;

		if (text[at] == '\\' && ++at == len)
			return 0;
		if (text[at] < ' ' || text[at] == 0x7f)
			n = take_utf8(text + at, len - at);
		if (n == 0)
			return 0;
		at += n;
	}
	return at < len ? at + 1 : 0;
}

/* One label. '_' is no letter of RFC 5321, but of names in use. */
static size_t take_label(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		bool plain = smtp_is_alnum(text[at]) || text[at] == '-' ||
			     text[at] == '_';
		size_t n = plain ? 1 : take_utf8(text + at, len - at);

		if (n == 0)
			break;
		at += n;
	}
	if (at == 0 || at > LABEL_MAX || text[0] == '-' || text[at - 1] == '-')
		return 0;
	return at;
}

static size_t take_name(const char *text, size_t len)
{
	size_t at = take_label(text, len), n;

	while (at > 0 && at < len && text[at] == '.') {
		n = take_label(text + at + 1, len - at - 1);
		if (n == 0)
			return 0;
		at += 1 + n;
	}
	return at;
}

/* RFC 5321 section 4.1.3: [192.0.2.1] or [IPv6:2001:db8::1]. */
static size_t take_literal(const char *text, size_t len)
{
	const char *end = memchr(text, ']', len);
	char address[INET6_ADDRSTRLEN];
	unsigned char binary[16];
	size_t n, tag = 0;
	int family = AF_INET;

	if (len == 0 || text[0] != '[' || !end)
		return 0;
	n = (size_t)(end - text) - 1;
	if (n > 5 && smtp_equal(text + 1, 5, "IPv6:")) {
		family = AF_INET6;
		tag = 5;
	}
	if (n - tag >= sizeof(address))
		return 0;
	memcpy(address, text + 1 + tag, n - tag);
	address[n - tag] = '\0';
	if (strlen(address) != n - tag ||
	    inet_pton(family, address, binary) != 1)
		return 0;
	return n + 2;
}

static size_t take_domain(const char *text, size_t len)
{
	if (len > 0 && text[0] == '[')
		return take_literal(text, len);
	return take_name(text, len);
}

bool smtp_domain_valid(const char *text, size_t len, bool utf8)
{
	if (len == 0 || len > SMTP_DOMAIN_MAX || take_domain(text, len) != len)
		return false;
	for (size_t i = 0; i < len && !utf8; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* "@one,@two:" in front of a mailbox; *bad when it is one, but malformed. */
static size_t take_route(const char *text, size_t len, bool *bad)
{
	size_t at = 0, n;

	*bad = false;
	if (len == 0 || text[0] != '@')
		return 0;
	*bad = true;
	for (;;) {
		if (at >= len || text[at] != '@')
			return 0;
		n = take_domain(text + at + 1, len - at - 1);
		at += 1 + n;
		if (n == 0 || at >= len)
			return 0;
		if (text[at] == ':')
			break;
		if (text[at++] != ',')
			return 0;
	}
	*bad = false;
	return at + 1;
}

static enum smtp_path_result finish(const char *text, size_t len, size_t domain,
				    struct smtp_path *out)
{
	if (len > SMTP_MAILBOX_MAX)
		return SMTP_PATH_LENGTH;
	memcpy(out->mailbox, text, len);
	out->mailbox[len] = '\0';
	out->len = len;
	out->domain = domain ? out->mailbox + domain : NULL;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			out->utf8 = true;
	return SMTP_PATH_OK;
}

/* Local-part "@" domain ">" or "Postmaster>". */
static enum smtp_path_result take_mailbox(const char *text, size_t len,
					  enum smtp_path_kind kind,
					  struct smtp_path *out, size_t *used)
{
	size_t local = len > 0 && text[0] == '"' ? take_quoted_string(text, len)
						 : take_dot_string(text, len);
	size_t domain = 0, at = local;

	if (local == 0 || local == len)
		return SMTP_PATH_SYNTAX;
	if (text[local] == '@') {
		domain = take_domain(text + local + 1, len - local - 1);
		if (domain == 0)
			return SMTP_PATH_SYNTAX;
		at += 1 + domain;
	} else if (kind != SMTP_FORWARD_PATH ||
		   !smtp_equal(text, local, "postmaster")) {
		return SMTP_PATH_SYNTAX;
	}
	if (at >= len || text[at] != '>')
		return SMTP_PATH_SYNTAX;
	if (local > SMTP_LOCAL_MAX || domain > SMTP_DOMAIN_MAX)
		return SMTP_PATH_LENGTH;
	*used += at + 1;
	return finish(text, at, domain ? local + 1 : 0, out);
}

enum smtp_path_result smtp_path_parse(const char *text, size_t len,
				      enum smtp_path_kind kind,
				      struct smtp_path *out, size_t *used)
{
	size_t route;
	bool bad;

	memset(out, 0, sizeof(*out));
	*used = 0;
	if (len < 2 || text[0] != '<')
		return SMTP_PATH_SYNTAX;
	if (text[1] == '>') {
		*used = 2;
		return kind == SMTP_REVERSE_PATH ? SMTP_PATH_OK
						 : SMTP_PATH_SYNTAX;
	}
	route = take_route(text + 1, len - 1, &bad);
	if (bad)
		return SMTP_PATH_SYNTAX;
	*used = 1 + route;
	return take_mailbox(text + *used, len - *used, kind, out, used);
}
