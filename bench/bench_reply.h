/* SPDX-License-Identifier: Apache-2.0 */
/* SMTP replies as the source reads them (RFC 5321 4.2), and what EHLO offers. */
#ifndef BENCH_REPLY_H
#define BENCH_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench_conn.h"

struct bench_caps {
	bool starttls;
	bool pipelining;
	bool chunking;
	bool eight_bit_mime;
	bool smtp_utf8;
	bool size;
	uint64_t size_limit; /* 0: none told */
};

struct bench_reply {
	unsigned code;	/* 200 to 599 */
	char text[256]; /* last line behind the code, cut */
};

/*
 * One line without its end, of a reply that so far has r->code (0: none).
 * Returns 1 when more lines follow, 0 for the last one, or -EPROTO for
 * something that is no reply, or another code than the line before.
 */
int bench_reply_line(struct bench_reply *r, const char *line);

/* Notes the keyword of one EHLO line ("SIZE 1000", "PIPELINING"). */
void bench_caps_line(struct bench_caps *caps, const char *line);

/*
 * Reads a whole reply; caps (may be NULL) is filled from the lines behind the
 * first. 0 or -errno: -ECONNRESET at the peer's end, -EPROTO for nonsense.
 */
int bench_reply_read(struct bench_conn *c, struct bench_reply *r,
		     struct bench_caps *caps);

#endif
