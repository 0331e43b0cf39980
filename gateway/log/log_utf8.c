/* SPDX-License-Identifier: Apache-2.0 */
/* Strict UTF-8 decoding, one character at a time. */
#include "gateway/log/log_utf8.h"

/* What a leading octet says: the length, its payload bits, and the least code
 * point that needs that length (anything below is overlong). */
struct utf8_form {
	uint8_t mask, lead;
	uint8_t length;
	uint32_t least;
};

static const struct utf8_form forms[] = {
	{0x80, 0x00, 1, 0x0},
	{0xe0, 0xc0, 2, 0x80},
	{0xf0, 0xe0, 3, 0x800},
	{0xf8, 0xf0, 4, 0x10000},
};

static bool is_scalar(uint32_t code)
{
	return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

static size_t decode_form(const struct utf8_form *form, const char *text,
			  size_t len, uint32_t *code)
{
	uint32_t value = (uint8_t)text[0] & (uint8_t)~form->mask;

	if (len < form->length)
		return 0;
	for (size_t i = 1; i < form->length; i++) {
		uint8_t octet = (uint8_t)text[i];

		if ((octet & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (octet & 0x3f);
	}
	if (value < form->least || !is_scalar(value))
		return 0;
	*code = value;
	return form->length;
}

size_t log_utf8_decode(const char *text, size_t len, uint32_t *code)
{
	if (!len)
		return 0;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (((uint8_t)text[0] & forms[i].mask) == forms[i].lead)
			return decode_form(&forms[i], text, len, code);
	}
	return 0;
}

bool log_utf8_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	       (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}
