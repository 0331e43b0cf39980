/* SPDX-License-Identifier: Apache-2.0 */
/* How long each step of a connection and of a message took. */
#ifndef BENCH_SOURCE_LATENCY_H
#define BENCH_SOURCE_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench_histogram.h"
#include "bench/bench_latency.h"

enum source_phase {
	/* Of a connection, one value for each that was opened. */
	SOURCE_PHASE_CONNECT,	/* name resolved, TCP connected */
	SOURCE_PHASE_GREETING,	/* from there: 220 and the answer to EHLO */
	SOURCE_PHASE_HANDSHAKE, /* TLS, and STARTTLS in front of it */
	SOURCE_PHASE_EHLO,	/* answered once more, behind STARTTLS */

	/* Of a message that was accepted, one value for each. */
	SOURCE_PHASE_WAIT,	  /* due, until a connection turned to it */
	SOURCE_PHASE_ENVELOPE,	  /* MAIL, until the body could go */
	SOURCE_PHASE_BODY,	  /* from there until the kernel had it all */
	SOURCE_PHASE_REPLY,	  /* from there to the final reply */
	SOURCE_PHASE_TRANSACTION, /* MAIL to the final reply */
	SOURCE_PHASE_MESSAGE,	  /* due, or begun, to the final reply */
	SOURCE_PHASES
};

/* Zero-initialise. */
struct source_latency {
	struct bench_histogram phases[SOURCE_PHASES];
};

/* Nanoseconds of one opening; 0: there was no such step. */
struct source_open_times {
	uint64_t took[SOURCE_PHASE_EHLO + 1];
};

/* When the steps of one transaction were done; bench_clock_ns(). */
struct source_send_times {
	uint64_t begun;
	uint64_t go; /* 0: the body went along with the envelope (BDAT) */
	uint64_t sent;
	uint64_t answered;
};

void source_latency_add_open(struct source_latency *l,
			     const struct source_open_times *t);

/*
 * A message that was accepted: `due` is when it should have begun, `turned`
 * when a connection turned to it; the same without a rate.
 */
void source_latency_add_send(struct source_latency *l,
			     const struct source_send_times *t, uint64_t due,
			     uint64_t turned);

/* Rows for bench_latency_*(), that borrow l. */
void source_latency_rows(const struct source_latency *l,
			 struct bench_latency rows[SOURCE_PHASES]);

#endif
