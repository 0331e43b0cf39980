/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of peers as they may stand in the log.
 *
 * They can hold anything: quotes, line feeds that would forge a line, escape
 * sequences for the terminal of whoever reads it, octets that are no UTF-8.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/log/log_line.h"
#include "gateway/log/log_utf8.h"

/* Enough for what SMTP carries; other fields of the line need room too. */
#define VALUE_MAX 1024

typedef size_t (*escape_fn)(uint32_t code, const char *octets, size_t len,
			    char out[16]);

/* @len 0: the octet is no UTF-8. */
static size_t escape_json(uint32_t code, const char *octets, size_t len,
			  char out[16])
{
	if (!len)
		return (size_t)snprintf(out, 16, "\xef\xbf\xbd");
	if (code == '"' || code == '\\')
		return (size_t)snprintf(out, 16, "\\%c", (char)code);
	if (log_utf8_is_control(code)) /* all below U+10000 */
		return (size_t)snprintf(out, 16, "\\u%04x", (unsigned)code);
	memcpy(out, octets, len);
	return len;
}

static size_t escape_octets(const char *octets, size_t len, char out[16])
{
	size_t used = 0;

	for (size_t i = 0; i < len && used + 4 < 16; i++)
		used += (size_t)snprintf(out + used, 16 - used, "\\x%02x",
					 (unsigned)(uint8_t)octets[i]);
	return used;
}

static size_t escape_text(uint32_t code, const char *octets, size_t len,
			  char out[16])
{
	if (!len)
		return escape_octets(octets, 1, out);
	if (code == '"' || code == '\\')
		return (size_t)snprintf(out, 16, "\\%c", (char)code);
	if (log_utf8_is_control(code))
		return escape_octets(octets, len, out);
	memcpy(out, octets, len);
	return len;
}

static void add_escaped(struct log_line *line, const char *value, size_t len,
			escape_fn escape)
{
	size_t used = 0;

	while (len) {
		char out[16];
		uint32_t code = 0;
		size_t step = log_utf8_decode(value, len, &code);
		size_t escaped = escape(code, value, step, out);

		used += escaped;
		if (used > VALUE_MAX || !log_line_put(line, out, escaped)) {
			line->cut = true;
			return;
		}
		value += step ? step : 1;
		len -= step ? step : 1;
	}
}

void log_line_add_json(struct log_line *line, const char *value, size_t len)
{
	log_line_put(line, "\"", 1);
	add_escaped(line, value, len, escape_json);
	log_line_close_quote(line);
}

/* Words stand as they are, so that the common case is easy to read and to
 * grep; anything a reader could misunderstand is quoted. */
static bool needs_quotes(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t octet = (uint8_t)value[i];

		if (octet <= 0x20 || octet >= 0x7f || octet == '"' ||
		    octet == '\\' || octet == '=')
			return true;
	}
	return !len;
}

void log_line_add_text(struct log_line *line, const char *value, size_t len)
{
	bool quotes = needs_quotes(value, len);

	if (quotes)
		log_line_put(line, "\"", 1);
	add_escaped(line, value, len, escape_text);
	if (quotes)
		log_line_close_quote(line);
}
