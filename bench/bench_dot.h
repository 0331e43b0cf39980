/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transparency of DATA (RFC 5321 4.5.2), both ways, and the strictness of
 * the sink: only CRLF "." CRLF ends a message, and every bare CR or LF is
 * counted, because relays that pass them on make SMTP smuggling possible.
 */
#ifndef BENCH_DOT_H
#define BENCH_DOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes pieces of output; cut as it comes, valid during the call. */
struct bench_sinkhole {
	void (*take)(void *ctx, const char *data, size_t len);
	void *ctx;
};

/* Sending: doubles a dot at the start of a line. Zero-initialise. */
struct bench_stuffer {
	bool mid_line; /* the next octet does not start a line */
	bool after_cr;
};

void bench_stuff(struct bench_stuffer *s, const char *data, size_t len,
		 const struct bench_sinkhole *out);

/* Receiving. Zero-initialise for each message. */
struct bench_unstuffer {
	enum {
		BENCH_DOT_START,  /* at the start of a line */
		BENCH_DOT_DOT,	  /* behind a dot at the start of a line */
		BENCH_DOT_DOT_CR, /* behind that and CR */
		BENCH_DOT_MID,	  /* in a line */
		BENCH_DOT_CR,	  /* behind CR in a line */
		BENCH_DOT_END,	  /* the end of the message was seen */
	} state;
	bool raw; /* BDAT: dots mean nothing, but lines are still checked */
	uint64_t bare_cr;
	uint64_t bare_lf;
	uint64_t long_lines; /* over 998 octets without CRLF */
	uint64_t column;
};

/*
 * Passes the decoded octets on. Returns how many octets of data belong to the
 * message: less than len only when it has ended (state is BENCH_DOT_END).
 */
size_t bench_unstuff(struct bench_unstuffer *u, const char *data, size_t len,
		     const struct bench_sinkhole *out);

#endif
