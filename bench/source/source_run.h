/* SPDX-License-Identifier: Apache-2.0 */
/* A whole run of the source: threads, shared counters, retries. */
#ifndef BENCH_SOURCE_RUN_H
#define BENCH_SOURCE_RUN_H

#include <stdint.h>

#include "bench/source/source_latency.h"
#include "bench/source/source_session.h"

/* Each message ends in exactly one of the first five, unless not tried. */
struct source_totals {
	uint64_t accepted;
	uint64_t refused;  /* 5xx */
	uint64_t deferred; /* 4xx and not tried again */
	uint64_t unfit;
	uint64_t failed;  /* no answer and not tried again */
	uint64_t retried; /* attempts beyond each message's first */
	uint64_t by_bdat; /* of the accepted */
	uint64_t rcpts_accepted;
	uint64_t rcpts_refused;
	uint64_t octets; /* of accepted messages, as hashed */
	uint64_t connections;
	uint64_t connect_failures;
	uint64_t handshakes;
	uint64_t resumed;
	uint64_t tls_clean_ends;   /* after QUIT the server sent close_notify */
	uint64_t tls_unclean_ends; /* it did not */
	uint64_t key_updates_sent;
	uint64_t key_updates_seen;
	uint64_t key_updates_final; /* sent, and the server hung up */
	uint64_t tickets;	    /* TLS session tickets received */
	uint64_t ledger_errors;
	double seconds;
	char tls[96]; /* version and cipher; "mixed" if they differed */
};

/*
 * Sends the whole plan. 0 with the totals and how long each step took (added
 * to *latency), or -errno with the reason in error
 * when it could not even start. SIGINT and SIGTERM end it early and in order.
 */
int source_run(const struct source_config *config, struct source_totals *totals,
	       struct source_latency *latency, char *error, size_t cap);

#endif
