/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mail that `source` sends: a function of the plan, the seed and the
 * message's index, produced piece by piece from a text that is built once, so
 * that making a message costs next to nothing beside hashing and sending it.
 *
 * X-Bench-Id is the first line. A relay puts its trace headers above it, so
 * everything from that line to the end must arrive as it was sent.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/bench_dist.h"
#include "bench/bench_domains.h"

/* Longest id (run, dash, index) with its NUL. */
#define BENCH_ID_SIZE 96
/* Longest run name with its NUL. */
#define BENCH_RUN_SIZE 64

/* Longest recipient address with its NUL. */
#define BENCH_RCPT_SIZE (BENCH_DOMAIN_SIZE + 64)

/* What the whole run sends. Borrowed strings live as long as the plan. */
struct bench_plan {
	const char *run; /* letters, digits, '.', '_' and '-' */
	uint64_t seed;
	struct bench_dist size;		     /* octets of a whole message */
	struct bench_dist rcpts;	     /* recipients of a message */
	const struct bench_domains *domains; /* of the recipients; borrowed */
	uint32_t dot_share;   /* messages with lines that start with a dot */
	uint32_t eight_share; /* messages with octets above 127 */
	uint32_t bdat_share;  /* messages to send by BDAT, where offered */
	const char *from;
};

struct bench_slice {
	const char *data;
	size_t len;
};

/* The text all bodies are cut from; read-only once made, shared by threads. */
struct bench_text;

/* Returned owned; NULL without memory. */
struct bench_text *bench_text_new(uint64_t seed);
void bench_text_free(struct bench_text *text); /* accepts NULL */

struct bench_message {
	char id[BENCH_ID_SIZE];
	uint64_t index;
	uint64_t size; /* octets from X-Bench-Id to the last CRLF */
	unsigned rcpts;
	bool dotted; /* some line starts with a dot: DATA needs stuffing */
	bool eight_bit;
	bool bdat;

	/* Private: where bench_message_next() stands. */
	const struct bench_text *text;
	size_t first_line;
	size_t line;
	uint64_t left;
	unsigned block;
	size_t head_len;
	char head[1536];
	char tail[1536];
};

/*
 * Prepares message `index` of the plan, at its start. A size too small for the
 * header is raised to what the header takes. The text must be made from the
 * plan's seed and live as long as the message.
 */
void bench_message_init(struct bench_message *m, const struct bench_plan *plan,
			const struct bench_text *text, uint64_t index);

/* Back to the first octet, to send it again. */
void bench_message_rewind(struct bench_message *m);

/*
 * The next piece, in *ret, valid until the next call; false at the end. The
 * lengths add up to m->size; lines end in CRLF and hold at most 998 octets.
 */
bool bench_message_next(struct bench_message *m, struct bench_slice *ret);

/* Address of recipient `k` of message `index` (k < m->rcpts), with its NUL. */
void bench_message_rcpt(const struct bench_plan *plan, uint64_t index,
			unsigned k, char rcpt[BENCH_RCPT_SIZE]);

/* True for a name that may stand in an id and in a file of lines. */
bool bench_run_valid(const char *run);

#endif
