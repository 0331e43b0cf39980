/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a header, one after the other. */
#include "gateway/inject/inject_header.h"

#include <string.h>

#include "gateway/smtp/smtp_text.h"

/* A line with its end. */
static size_t line_of(const char *at, const char *end)
{
	const char *p = at;

	while (p < end && *p != '\r' && *p != '\n')
		p++;
	if (p < end && *p++ == '\r' && p < end && *p == '\n')
		p++;
	return (size_t)(p - at);
}

void inject_header_start(struct inject_header *header, const char *text,
			 size_t len)
{
	/* No text may be nowhere. */
	*header = (struct inject_header){text, len ? text + len : text};
	if (len >= 5 && memcmp(text, "From ", 5) == 0)
		header->at += line_of(text, header->end);
}

/* Octets of the name that @at begins with, or 0; *colon: behind it. */
static size_t name_of(const char *at, const char *end, const char **colon)
{
	const char *p = at;
	size_t len;

	while (p<end && * p> ' ' && *p < 0x7f && *p != ':')
		p++;
	len = (size_t)(p - at);
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p >= end || *p != ':')
		return 0;
	*colon = p + 1;
	return len;
}

static bool is_folded(const struct inject_header *header)
{
	return header->at < header->end &&
	       (*header->at == ' ' || *header->at == '\t');
}

bool inject_header_next(struct inject_header *header, struct inject_field *out)
{
	const char *from = header->at, *value = NULL;
	size_t name_len;

	if (from < header->end && (*from == '\r' || *from == '\n')) {
		header->at += line_of(from, header->end);
		return false;
	}
	name_len = name_of(from, header->end, &value);
	if (!name_len)
		return false;
	do {
		header->at += line_of(header->at, header->end);
	} while (is_folded(header));
	*out = (struct inject_field){
		.whole = from,
		.whole_len = (size_t)(header->at - from),
		.name_len = name_len,
		.value = value,
		.value_len = (size_t)(header->at - value),
	};
	return true;
}

bool inject_field_is(const struct inject_field *field, const char *name)
{
	return smtp_equal(field->whole, field->name_len, name);
}
