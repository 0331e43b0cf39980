/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small readers that the parsers of this folder share. ASCII whatever the
 * locale says.
 */
#ifndef GATEWAY_SMTP_SMTP_TEXT_H
#define GATEWAY_SMTP_SMTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool smtp_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool smtp_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool smtp_is_alnum(char c)
{
	return smtp_is_digit(c) || smtp_is_alpha(c);
}

/* smtp_digits() - how many digits @text begins with, at most @max. */
size_t smtp_digits(const char *text, size_t len, size_t max);

/*
 * smtp_number() - @text, all of it, as a number of 1 to 20 digits; what does
 * not fit becomes UINT64_MAX. False: it is no number.
 */
bool smtp_number(const char *text, size_t len, uint64_t *out);

/* smtp_utf8_length() - octets of the well-formed UTF-8 character that @text
 * begins with (RFC 3629: no overlong form, no surrogate), 0: none. */
size_t smtp_utf8_length(const char *text, size_t len);

/* smtp_equal() - is @text the ASCII @word, in any case? */
bool smtp_equal(const char *text, size_t len, const char *word);

#endif
