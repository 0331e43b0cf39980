/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of MIME. */
#include "gateway/inject/inject_mime.h"

#include <string.h>

#include "gateway/smtp/smtp_text.h"

#define LINE 76

/* Octets in one encoded word: 60 characters of base64, within RFC 2047's 75. */
#define WORD 45

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+/";

bool inject_mime_safe(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

bool inject_mime_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static void encode(const char *bytes, size_t len, char out[4])
{
	unsigned char b[3] = {0};
	unsigned value;

	memcpy(b, bytes, len);
	value = (unsigned)b[0] << 16 | (unsigned)b[1] << 8 | b[2];
	for (int i = 0; i < 4; i++)
		out[i] = digits[value >> (18 - 6 * i) & 63];
	for (size_t i = len + 1; i < 4; i++)
		out[i] = '=';
}

static void add_base64(struct inject_buffer *out, const char *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += 3) {
		char four[4];

		encode(bytes + at, len - at < 3 ? len - at : 3, four);
		inject_buffer_add(out, four, 4);
	}
}

/* Whole characters that fit into a word. */
static size_t word_of(const char *text)
{
	size_t len = strlen(text), n = 0;

	while (n < len) {
		size_t step = smtp_utf8_length(text + n, len - n);

		step = step ? step : 1;
		if (n + step > WORD)
			break;
		n += step;
	}
	return n;
}

void inject_mime_words(struct inject_buffer *out, const char *text)
{
	const char *between = "";

	while (*text) {
		size_t n = word_of(text);

		inject_buffer_text(out, between);
		inject_buffer_text(out, "=?UTF-8?B?");
		add_base64(out, text, n);
		inject_buffer_text(out, "?=");
		between = "\n ";
		text += n;
	}
}

void inject_mime_base64(struct inject_buffer *out, const char *bytes,
			size_t len)
{
	const size_t octets = LINE / 4 * 3;

	for (size_t at = 0; at < len; at += octets) {
		add_base64(out, bytes + at,
			   len - at < octets ? len - at : octets);
		inject_buffer_text(out, "\n");
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool inject_mime_wrap(struct inject_buffer *out, const char *text, size_t len)
{
	size_t n = 0, pads = 0;

	for (size_t i = 0; i < len; i++) {
		if (is_blank(text[i]))
			continue;
		if (text[i] == '=')
			pads++;
		else if (pads || !text[i] || !strchr(digits, text[i]))
			return false;
		inject_buffer_add(out, text + i, 1);
		if (++n % LINE == 0)
			inject_buffer_text(out, "\n");
	}
	if (n % LINE)
		inject_buffer_text(out, "\n");
	return pads <= 2 && n % 4 == 0;
}
