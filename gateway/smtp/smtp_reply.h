/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a server's replies (RFC 5321 section 4.2), byte by byte as they
 * arrive, and the EHLO keywords among them.
 */
#ifndef GATEWAY_SMTP_SMTP_REPLY_H
#define GATEWAY_SMTP_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_REPLY_TEXT_MAX  1024 /* kept text, the rest is dropped */
#define SMTP_REPLY_KEEP_MAX  512  /* of one line of it */
#define SMTP_REPLY_PARTS_MAX 16	  /* lines told apart in it */
#define SMTP_REPLY_LINE_MAX  4096 /* a longer line is a protocol error */
#define SMTP_REPLY_LINES_MAX 128  /* more lines are one too */

/* Extensions that matter to us (service extension keywords). */
enum smtp_extension {
	SMTP_EXT_STARTTLS = 1u << 0,		/* RFC 3207 */
	SMTP_EXT_PIPELINING = 1u << 1,		/* RFC 2920 */
	SMTP_EXT_SIZE = 1u << 2,		/* RFC 1870 */
	SMTP_EXT_8BITMIME = 1u << 3,		/* RFC 6152 */
	SMTP_EXT_SMTPUTF8 = 1u << 4,		/* RFC 6531 */
	SMTP_EXT_CHUNKING = 1u << 5,		/* RFC 3030 */
	SMTP_EXT_ENHANCEDSTATUSCODES = 1u << 6, /* RFC 2034 */
	SMTP_EXT_DSN = 1u << 7,			/* RFC 3461 */
};

/* One line of a reply: where it stands in its text. */
struct smtp_reply_part {
	uint16_t at, len;
	bool coded; /* it began with the enhanced code, as the first one did */
};

struct smtp_reply {
	uint16_t code; /* 200..599 */
	char text
		[SMTP_REPLY_TEXT_MAX]; /* lines joined by a blank, no controls */
	size_t text_len;
	/* RFC 2034 enhanced status code at the start, e.g. "4.7.1"; "" if none */
	char enhanced[12];
	struct smtp_reply_part parts[SMTP_REPLY_PARTS_MAX];
	unsigned part_count; /* all further lines belong to the last one */
	/* EHLO keywords, gathered when the parser was told to. */
	uint32_t extensions; /* enum smtp_extension */
	uint64_t size_limit; /* SIZE's number, 0: none said */
};

struct smtp_reply_parser {
	struct smtp_reply reply;
	char line[SMTP_REPLY_KEEP_MAX];
	size_t line_len; /* of the current line, may exceed sizeof line */
	unsigned lines;
	bool ehlo; /* gather keywords */
	bool cr;
};

enum smtp_reply_result {
	SMTP_REPLY_MORE,  /* feed more */
	SMTP_REPLY_DONE,  /* parser->reply is complete */
	SMTP_REPLY_ERROR, /* not SMTP: malformed, too long, too many lines */
};

/* smtp_reply_start() - ready for a new reply; @ehlo: gather keywords. */
void smtp_reply_start(struct smtp_reply_parser *parser, bool ehlo);

/*
 * smtp_reply_feed() - take bytes up to the end of one reply; *used says how
 * many were taken (the rest belongs to the next reply). Lines end with CRLF;
 * a bare LF is tolerated. All lines of a reply must carry the same code.
 */
enum smtp_reply_result smtp_reply_feed(struct smtp_reply_parser *parser,
				       const unsigned char *data, size_t len,
				       size_t *used);

/* Room for any transcript: codes and enhanced codes are repeated. */
#define SMTP_TRANSCRIPT_SIZE   \
	(SMTP_REPLY_TEXT_MAX + \
	 SMTP_REPLY_PARTS_MAX * (sizeof("550-5.123.123 \n")))

/*
 * smtp_reply_transcript() - the reply as it was sent, with '\n' between its
 * lines: "550-5.1.1 No such\n550 5.1.1 mailbox".  Cut and cleaned as its text
 * is.  Returns @out.
 */
const char *smtp_reply_transcript(const struct smtp_reply *reply,
				  char out[SMTP_TRANSCRIPT_SIZE]);
#endif
