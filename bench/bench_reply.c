/* SPDX-License-Identifier: Apache-2.0 */
/* Replies and EHLO keywords; see bench_reply.h. */
#include "bench/bench_reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	REPLY_LINE_MAX = 4096, /* RFC 5321 says 512; EHLO lines may be longer */
	REPLY_LINES_MAX = 256, /* a server that never ends its reply */
};

int bench_reply_line(struct bench_reply *r, const char *line)
{
	unsigned code = 0;

	for (int i = 0; i < 3; i++) {
		if (!isdigit((unsigned char)line[i]))
			return -EPROTO;
		code = code * 10 + (unsigned)(line[i] - '0');
	}
	if (code < 200 || code > 599 || (r->code && r->code != code))
		return -EPROTO;
	if (line[3] && line[3] != ' ' && line[3] != '-')
		return -EPROTO;
	r->code = code;
	snprintf(r->text, sizeof(r->text), "%s", line[3] ? line + 4 : "");
	return line[3] == '-';
}

static bool keyword(const char *line, const char *name, const char **arg)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) || (line[len] && line[len] != ' '))
		return false;
	*arg = line[len] ? line + len + 1 : line + len;
	return true;
}

void bench_caps_line(struct bench_caps *caps, const char *line)
{
	const char *arg;

	if (keyword(line, "STARTTLS", &arg))
		caps->starttls = true;
	else if (keyword(line, "PIPELINING", &arg))
		caps->pipelining = true;
	else if (keyword(line, "CHUNKING", &arg))
		caps->chunking = true;
	else if (keyword(line, "8BITMIME", &arg))
		caps->eight_bit_mime = true;
	else if (keyword(line, "SMTPUTF8", &arg))
		caps->smtp_utf8 = true;
	else if (keyword(line, "SIZE", &arg)) {
		caps->size = true;
		bench_parse_u64(arg, &caps->size_limit);
	}
}

int bench_reply_read(struct bench_conn *c, struct bench_reply *r,
		     struct bench_caps *caps)
{
	int lines = 0, more;

	r->code = 0;
	do {
		char *line;
		int n = bench_conn_line(c, REPLY_LINE_MAX, &line, NULL);

		if (n < 0)
			return n;
		if (!n || ++lines > REPLY_LINES_MAX) {
			snprintf(c->error, sizeof(c->error), "%s",
				 n ? "reply without end" : "peer closed");
			return n ? -EPROTO : -ECONNRESET;
		}
		more = bench_reply_line(r, line);
		if (more < 0) {
			snprintf(c->error, sizeof(c->error),
				 "not a reply: %.100s", line);
			return more;
		}
		if (caps && lines > 1)
			bench_caps_line(caps, r->text);
	} while (more);
	return 0;
}
