/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a notification's text together. */
#include "gateway/bounce/dsn_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/smtp_text.h"

static bool reserve(struct dsn_text *t, size_t len)
{
	size_t room = t->room ? t->room : 4096;
	char *more;

	if (t->failed || t->len + len <= t->room)
		return !t->failed;
	while (room < t->len + len)
		room *= 2;
	more = realloc(t->data, room);
	t->failed = !more;
	if (!more)
		return false;
	t->data = more;
	t->room = room;
	return true;
}

void dsn_add_bytes(struct dsn_text *t, const void *data, size_t len)
{
	if (len == 0 || !reserve(t, len))
		return;
	memcpy(t->data + t->len, data, len);
	t->len += len;
}

void dsn_add(struct dsn_text *t, const char *format, ...)
{
	char line[1024];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (len > 0)
		dsn_add_bytes(t, line,
			      (size_t)len < sizeof(line) ? (size_t)len
							 : sizeof(line) - 1);
}

void dsn_add_tame(struct dsn_text *t, const char *text, size_t len, bool utf8)
{
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];

		n = smtp_utf8_length(text + i, len - i);
		if (c == '\t')
			dsn_add_bytes(t, " ", 1);
		else if (n == 0 || c < ' ' || c == 0x7f || (n > 1 && !utf8))
			dsn_add_bytes(t, "?", 1);
		else
			dsn_add_bytes(t, text + i, n);
		if (n == 0)
			n = 1;
	}
}

static const char encoding_field[] = "Content-Transfer-Encoding: ";

size_t dsn_add_encoding(struct dsn_text *t)
{
	size_t at = t->len + sizeof(encoding_field) - 1;

	dsn_add(t, "%s7bit\r\n", encoding_field);
	return at;
}

void dsn_end_part(struct dsn_text *t, size_t encoding)
{
	if (t->failed)
		return;
	for (size_t i = encoding; i < t->len; i++) {
		if ((unsigned char)t->data[i] < 0x80)
			continue;
		t->data[encoding] = '8';
		t->eight_bit = true;
		return;
	}
}

void dsn_text_free(struct dsn_text *text)
{
	free(text->data);
	*text = (struct dsn_text){0};
}
