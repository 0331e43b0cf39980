/* SPDX-License-Identifier: Apache-2.0 */
/* Counts Received fields: matches names byte by byte, skips lines by memchr. */
#include <string.h>

#include "gateway/smtp/smtp_header.h"

enum place {
	AT_START,    /* of a line */
	AT_CR,	     /* behind a CR that began the line */
	IN_NAME,     /* all of it matched so far */
	BEHIND_NAME, /* blanks in front of the colon (RFC 5322 4.5.3) */
	IN_REST,     /* nothing of interest up to the LF */
};

static const char name[] = "received";
#define NAME_LEN (sizeof(name) - 1)

void smtp_header_start(struct smtp_header *header)
{
	memset(header, 0, sizeof(*header));
}

static enum place in_name(struct smtp_header *header, unsigned char c)
{
	if (header->matched < NAME_LEN) {
		unsigned char lower = c >= 'A' && c <= 'Z' ? c + 32 : c;

		if (lower != (unsigned char)name[header->matched])
			return IN_REST;
		header->matched++;
		return header->matched < NAME_LEN ? IN_NAME : BEHIND_NAME;
	}
	if (c == ':')
		header->received++;
	return c == ' ' || c == '\t' ? BEHIND_NAME : IN_REST;
}

static enum place take(struct smtp_header *header, unsigned char c)
{
	if (header->place == AT_START) {
		header->matched = 0;
		if (c == '\r')
			return AT_CR;
	}
	if (c == '\n') {
		header->ended =
			header->place == AT_START || header->place == AT_CR;
		return AT_START;
	}
	if (header->place == AT_CR)
		return IN_REST;
	return in_name(header, c);
}

void smtp_header_feed(struct smtp_header *header, const unsigned char *data,
		      size_t len)
{
	size_t at = 0;

	while (at < len && !header->ended) {
		if (header->place == IN_REST) {
			const unsigned char *lf =
				memchr(data + at, '\n', len - at);

			if (!lf)
				return;
			at = (size_t)(lf - data);
		}
		header->place = (unsigned char)take(header, data[at++]);
	}
}
