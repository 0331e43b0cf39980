/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sink does wrong on purpose, and how often. Decisions come from a
 * random stream per connection, so that a seed repeats them.
 */
#ifndef BENCH_FAULT_H
#define BENCH_FAULT_H

#include <stdint.h>

enum bench_phase {
	BENCH_PHASE_CONNECT,
	BENCH_PHASE_EHLO,
	BENCH_PHASE_STARTTLS,
	BENCH_PHASE_MAIL,
	BENCH_PHASE_RCPT,
	BENCH_PHASE_DATA, /* DATA, or the first BDAT of a message */
	BENCH_PHASE_BODY, /* somewhere in the message; disconnect only */
	BENCH_PHASE_EOD,  /* the whole message is there, nothing noted yet */
	BENCH_PHASE_ACK,  /* noted in the ledger, not yet answered */
	BENCH_PHASES,
};

enum {
	BENCH_FAULT_RULES = 16
};

struct bench_faults {
	/* Replies in the order given; the shares of one phase add up. */
	struct bench_fault_rule {
		enum bench_phase phase;
		unsigned code; /* 0: disconnect */
		uint32_t share;
	} rules[BENCH_FAULT_RULES];
	unsigned count;
	unsigned delay_ms[BENCH_PHASES];
};

struct bench_fault {
	enum {
		BENCH_FAULT_NONE,
		BENCH_FAULT_REPLY,
		BENCH_FAULT_HANG_UP
	} kind;
	unsigned code; /* 400 to 599, with REPLY */
	unsigned delay_ms;
};

/* What happens this time; rng is the connection's stream. */
struct bench_fault bench_faults_roll(const struct bench_faults *faults,
				     enum bench_phase phase, uint64_t *rng);

/* Option parsers into a struct bench_faults: "rcpt=450:30%", "eod:10%" and
 * "20" (that is the final reply) or "rcpt=20". */
int bench_fault_reply_opt(const char *text, void *field);
int bench_fault_disconnect_opt(const char *text, void *field);
int bench_fault_delay_opt(const char *text, void *field);

#endif
