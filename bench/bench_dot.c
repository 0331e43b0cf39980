/* SPDX-License-Identifier: Apache-2.0 */
/* Dot-stuffing and its removal; see bench_dot.h. */
#include "bench/bench_dot.h"

#include <string.h>

enum {
	LINE_MAX_OCTETS = 998
};

void bench_stuff(struct bench_stuffer *s, const char *data, size_t len,
		 const struct bench_sinkhole *out)
{
	size_t from = 0, at = 0;

	while (at < len) {
		const char *lf;

		if (!s->mid_line && data[at] == '.') {
			/* Up to and with the dot, which the next piece repeats. */
			out->take(out->ctx, data + from, at + 1 - from);
			from = at;
		}
		s->mid_line = true;
		lf = memchr(data + at, '\n', len - at);
		if (!lf) {
			s->after_cr = data[len - 1] == '\r';
			break;
		}
		/* Only CRLF ends a line. */
		if (lf > data + at ? lf[-1] == '\r' : s->after_cr)
			s->mid_line = false;
		s->after_cr = false;
		at = (size_t)(lf - data) + 1;
	}
	if (from < len)
		out->take(out->ctx, data + from, len - from);
}

/* CRs of a stretch of one line, without its last octet's CRLF. */
static void count_bare_cr(struct bench_unstuffer *u, const char *p, size_t len)
{
	const char *end = p + len;

	while ((p = memchr(p, '\r', (size_t)(end - p)))) {
		u->bare_cr++;
		p++;
	}
}

static void end_line(struct bench_unstuffer *u)
{
	if (u->column > LINE_MAX_OCTETS)
		u->long_lines++;
	u->column = 0;
	u->state = BENCH_DOT_START;
}

/*
 * A stretch in the middle of a line, up to and with LF if there is one. A CR
 * as the last octet is kept in the state: what follows decides.
 */
static size_t mid_line(struct bench_unstuffer *u, const char *p, size_t len)
{
	const char *lf = memchr(p, '\n', len);
	size_t text = lf ? (size_t)(lf - p) : len;
	bool cr = text > 0 && p[text - 1] == '\r';

	if (cr)
		text--;
	count_bare_cr(u, p, text);
	u->column += text;
	if (!lf) {
		if (cr)
			u->state = BENCH_DOT_CR;
		return len;
	}
	if (cr) {
		end_line(u);
	} else {
		u->bare_lf++;
		u->column++;
	}
	return (size_t)(lf - p) + 1;
}

/* Behind a CR in a line: LF ends the line, anything else makes it bare. */
static size_t after_cr(struct bench_unstuffer *u, char c)
{
	if (c == '\n') {
		end_line(u);
		return 1;
	}
	u->bare_cr++;
	u->column++;
	u->state = BENCH_DOT_MID;
	return 0;
}

size_t bench_unstuff(struct bench_unstuffer *u, const char *data, size_t len,
		     const struct bench_sinkhole *out)
{
	size_t at = 0, from = 0; /* [from, at) is decoded and not passed on */

	while (at < len && u->state != BENCH_DOT_END) {
		switch (u->state) {
		case BENCH_DOT_START:
			u->state = BENCH_DOT_MID;
			if (u->raw || data[at] != '.')
				break;
			u->state = BENCH_DOT_DOT;
			if (at > from)
				out->take(out->ctx, data + from, at - from);
			from = ++at; /* the dot is dropped */
			break;
		case BENCH_DOT_DOT:
			u->state = BENCH_DOT_MID;
			if (data[at] != '\r')
				break;
			u->state = BENCH_DOT_DOT_CR;
			from = ++at; /* held back: may belong to the end */
			break;
		case BENCH_DOT_DOT_CR:
			if (data[at] == '\n') {
				u->state = BENCH_DOT_END;
				return at + 1;
			}
			out->take(out->ctx, "\r", 1);
			u->bare_cr++;
			u->column++;
			u->state = BENCH_DOT_MID;
			break;
		case BENCH_DOT_MID:
			at += mid_line(u, data + at, len - at);
			break;
		case BENCH_DOT_CR:
			at += after_cr(u, data[at]);
			break;
		case BENCH_DOT_END:
			break;
		}
	}
	if (at > from)
		out->take(out->ctx, data + from, at - from);
	return at;
}
