/* SPDX-License-Identifier: Apache-2.0 */
/* Small readers that the parsers of this folder share. */
#include <string.h>
#include <strings.h>

#include "gateway/smtp/smtp_text.h"

size_t smtp_digits(const char *text, size_t len, size_t max)
{
	size_t n = 0;

	while (n < len && n < max && smtp_is_digit(text[n]))
		n++;
	return n;
}

bool smtp_number(const char *text, size_t len, uint64_t *out)
{
	uint64_t value = 0;

	if (len == 0 || len > 20 || smtp_digits(text, len, len) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (value > (UINT64_MAX - digit) / 10) {
			*out = UINT64_MAX;
			return true;
		}
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

size_t smtp_utf8_length(const char *text, size_t len)
{
	const unsigned char *u = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf; /* of the second octet */
	size_t n;

	if (len == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	n = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;
	if (len < n || u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool smtp_equal(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(text, word, len) == 0;
}
