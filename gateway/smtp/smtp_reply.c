/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reply parser: gathers a line (its first SMTP_REPLY_TEXT_MAX bytes), then
 * reads it as a whole.  A server is as hostile as a client, so everything is
 * bounded and nothing but printable text is kept.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/smtp/smtp_reply.h"
#include "gateway/smtp/smtp_text.h"

static const struct {
	const char *keyword;
	enum smtp_extension extension;
} extensions[] = {
	{"STARTTLS", SMTP_EXT_STARTTLS},
	{"PIPELINING", SMTP_EXT_PIPELINING},
	{"SIZE", SMTP_EXT_SIZE},
	{"8BITMIME", SMTP_EXT_8BITMIME},
	{"SMTPUTF8", SMTP_EXT_SMTPUTF8},
	{"CHUNKING", SMTP_EXT_CHUNKING},
	{"ENHANCEDSTATUSCODES", SMTP_EXT_ENHANCEDSTATUSCODES},
	{"DSN", SMTP_EXT_DSN},
};

void smtp_reply_start(struct smtp_reply_parser *parser, bool ehlo)
{
	memset(parser, 0, sizeof(*parser));
	parser->ehlo = ehlo;
}

/* Length of an enhanced status code of class @class_digit (RFC 3463
 * section 2: class "." subject "." detail, three digits at most), 0: none. */
static size_t enhanced_length(const char *text, size_t len, char class_digit)
{
	size_t at = 2, n;

	if (len < 5 || text[0] != class_digit || text[1] != '.')
		return 0;
	n = smtp_digits(text + at, len - at, 3);
	at += n;
	if (n == 0 || at >= len || text[at++] != '.')
		return 0;
	n = smtp_digits(text + at, len - at, 3);
	at += n;
	if (n == 0 || (at < len && text[at] != ' '))
		return 0;
	return at;
}

/* What stands at the end of the text since @at is a line, or more of one. */
static void add_part(struct smtp_reply *reply, size_t at, bool coded)
{
	struct smtp_reply_part *part;

	if (reply->part_count < SMTP_REPLY_PARTS_MAX) {
		part = &reply->parts[reply->part_count++];
		part->at = (uint16_t)at;
		part->coded = coded;
	}
	part = &reply->parts[reply->part_count - 1];
	part->len = (uint16_t)(reply->text_len - part->at);
}

static void add_text(struct smtp_reply *reply, const char *text, size_t len,
		     bool coded)
{
	size_t start;

	if (reply->text_len > 0 && len > 0 &&
	    reply->text_len < sizeof(reply->text) - 1)
		reply->text[reply->text_len++] = ' ';
	start = reply->text_len;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (reply->text_len == sizeof(reply->text) - 1)
			break;
		if (c == '\t')
			c = ' ';
		else if (c < ' ' || c == 0x7f)
			c = '?';
		reply->text[reply->text_len++] = (char)c;
	}
	reply->text[reply->text_len] = '\0';
	add_part(reply, start, coded);
}

/* SIZE's parameter (RFC 1870 section 3); what is no number says nothing. */
static uint64_t size_parameter(const char *text, size_t len)
{
	const char *blank = memchr(text, ' ', len);
	uint64_t value;

	if (blank)
		len = (size_t)(blank - text);
	return smtp_number(text, len, &value) ? value : 0;
}

static void gather_keyword(struct smtp_reply *reply, const char *text,
			   size_t len)
{
	const char *blank = memchr(text, ' ', len);
	size_t n = blank ? (size_t)(blank - text) : len;

	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]);
	     i++) {
		if (!smtp_equal(text, n, extensions[i].keyword))
			continue;
		reply->extensions |= extensions[i].extension;
		if (extensions[i].extension == SMTP_EXT_SIZE && n < len)
			reply->size_limit =
				size_parameter(text + n + 1, len - n - 1);
	}
}

/* The text of one line, behind "250-". */
static void take_text(struct smtp_reply_parser *parser, const char *text,
		      size_t len)
{
	struct smtp_reply *reply = &parser->reply;
	char class_digit = (char)('0' + reply->code / 100);
	size_t n = enhanced_length(text, len, class_digit);
	bool coded = false;

	assert(n < sizeof(reply->enhanced));
	if (parser->lines == 1) {
		memcpy(reply->enhanced, text, n);
		reply->enhanced[n] = '\0';
	} else if (n > 0 && strncmp(reply->enhanced, text, n) == 0 &&
		   reply->enhanced[n] == '\0') {
		/* Each line repeats the code; once is enough to read. */
		coded = true;
		text += n;
		len -= n;
		if (len > 0) {
			text++;
			len--;
		}
	}
	if (parser->ehlo && parser->lines > 1 && reply->code == 250)
		gather_keyword(reply, text, len);
	add_text(reply, text, len, coded);
}

/* The code of a line, 0: not an SMTP reply (RFC 5321 section 4.2). */
static uint16_t line_code(const char *line, size_t len)
{
	if (len < 3 || smtp_digits(line, 3, 3) != 3)
		return 0;
	if (line[0] < '2' || line[0] > '5')
		return 0;
	if (len > 3 && line[3] != ' ' && line[3] != '-')
		return 0;
	return (uint16_t)((line[0] - '0') * 100 + (line[1] - '0') * 10 +
			  (line[2] - '0'));
}

static enum smtp_reply_result take_line(struct smtp_reply_parser *parser)
{
	size_t len = parser->line_len < sizeof(parser->line)
			     ? parser->line_len
			     : sizeof(parser->line);
	uint16_t code = line_code(parser->line, len);

	parser->line_len = 0;
	if (code == 0 || ++parser->lines > SMTP_REPLY_LINES_MAX)
		return SMTP_REPLY_ERROR;
	if (parser->lines == 1)
		parser->reply.code = code;
	else if (code != parser->reply.code)
		return SMTP_REPLY_ERROR;
	take_text(parser, parser->line + (len > 4 ? 4 : len),
		  len > 4 ? len - 4 : 0);
	return len > 3 && parser->line[3] == '-' ? SMTP_REPLY_MORE
						 : SMTP_REPLY_DONE;
}

/* Bytes of a line, without its end. False: the line is too long. */
static bool gather(struct smtp_reply_parser *parser, const unsigned char *data,
		   size_t len)
{
	if (len > SMTP_REPLY_LINE_MAX - parser->line_len)
		return false;
	if (parser->line_len < sizeof(parser->line)) {
		size_t room = sizeof(parser->line) - parser->line_len;

		memcpy(parser->line + parser->line_len, data,
		       len < room ? len : room);
	}
	parser->line_len += len;
	return true;
}

enum smtp_reply_result smtp_reply_feed(struct smtp_reply_parser *parser,
				       const unsigned char *data, size_t len,
				       size_t *used)
{
	static const unsigned char cr = '\r';
	enum smtp_reply_result result = SMTP_REPLY_MORE;
	size_t at = 0;

	*used = 0;
	while (at < len && result == SMTP_REPLY_MORE) {
		const unsigned char *end = memchr(data + at, '\n', len - at);
		size_t run = end ? (size_t)(end - data) - at : len - at;
		size_t keep = run;

		/* A CR that was held back and ends no line is a part of it. */
		if (parser->cr && run > 0 && !gather(parser, &cr, 1))
			return SMTP_REPLY_ERROR;
		if (run > 0)
			parser->cr = data[at + run - 1] == '\r';
		if (run > 0 && parser->cr)
			keep--;
		if (keep > 0 && !gather(parser, data + at, keep))
			return SMTP_REPLY_ERROR;
		at += run;
		if (end) {
			at++;
			parser->cr = false;
			result = take_line(parser);
		}
	}
	*used = at;
	return result;
}

const char *smtp_reply_transcript(const struct smtp_reply *reply,
				  char out[SMTP_TRANSCRIPT_SIZE])
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < reply->part_count; i++) {
		const struct smtp_reply_part *part = &reply->parts[i];
		bool last = i == reply->part_count - 1;
		int n = snprintf(out + used, SMTP_TRANSCRIPT_SIZE - used,
				 "%s%u%c%s%s%.*s", i > 0 ? "\n" : "",
				 reply->code, last ? ' ' : '-',
				 part->coded ? reply->enhanced : "",
				 part->coded && part->len > 0 ? " " : "",
				 (int)part->len, reply->text + part->at);

		assert(n > 0 && used + (size_t)n < SMTP_TRANSCRIPT_SIZE);
		used += (size_t)n;
	}
	return out;
}
