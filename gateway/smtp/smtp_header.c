/* SPDX-License-Identifier: Apache-2.0 */
/* Counts Received fields, keeps the Message-ID: matches names byte by byte,
 * skips lines by memchr. */
#include <string.h>

#include "gateway/smtp/smtp_header.h"

enum place {
	AT_START,    /* of a line */
	AT_CR,	     /* behind a CR that began the line */
	IN_NAME,     /* all of it matched so far */
	BEHIND_NAME, /* blanks in front of the colon (RFC 5322 4.5.3) */
	IN_ID,	     /* the Message-ID's value, which may be folded */
	IN_REST,     /* nothing of interest up to the LF */
};

enum name {
	RECEIVED,
	MESSAGE_ID
};

static const char *const names[] = {
	[RECEIVED] = "received", [MESSAGE_ID] = "message-id"};

void smtp_header_start(struct smtp_header *header)
{
	memset(header, 0, sizeof(*header));
}

static enum place in_name(struct smtp_header *header, unsigned char c)
{
	const char *name;

	/* Their first letters differ. */
	if (header->matched == 0)
		header->name = c == 'm' || c == 'M' ? MESSAGE_ID : RECEIVED;
	name = names[header->name];
	if (name[header->matched]) {
		unsigned char lower = c >= 'A' && c <= 'Z' ? c + 32 : c;

		if (lower != (unsigned char)name[header->matched])
			return IN_REST;
		header->matched++;
		return name[header->matched] ? IN_NAME : BEHIND_NAME;
	}
	if (c == ':' && header->name == MESSAGE_ID)
		return header->id_len ? IN_REST : IN_ID;
	if (c == ':')
		header->received++;
	return c == ' ' || c == '\t' ? BEHIND_NAME : IN_REST;
}

/* Up to a blank behind it. */
static enum place in_id(struct smtp_header *header, unsigned char c)
{
	if (c == ' ' || c == '\t' || c == '\r')
		return header->id_len ? IN_REST : IN_ID;
	if (header->id_len + 1u < sizeof(header->message_id))
		header->message_id[header->id_len++] = (char)c;
	return IN_ID;
}

static bool is_folded_id(const struct smtp_header *header, unsigned char c)
{
	return header->matched && header->name == MESSAGE_ID &&
	       !names[MESSAGE_ID][header->matched] && !header->id_len &&
	       (c == ' ' || c == '\t');
}

static enum place take(struct smtp_header *header, unsigned char c)
{
	if (header->place == AT_START) {
		if (is_folded_id(header, c))
			return IN_ID;
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
	if (header->place == IN_ID)
		return in_id(header, c);
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
