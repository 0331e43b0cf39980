/* SPDX-License-Identifier: Apache-2.0 */
/* One SMTP server connection of the sink, and what all of them share. */
#ifndef BENCH_SINK_SESSION_H
#define BENCH_SINK_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/bench_conn.h"
#include "bench/bench_hash.h"
#include "bench/bench_seen.h"
#include "bench/bench_tls.h"
#include "bench/sink/sink_rule.h"

/* What the command line asks for; read-only while sessions run. */
struct sink_config {
	struct bench_addr listen;
	enum bench_tls_mode tls;
	struct bench_tls_config tls_config;
	bool require_tls; /* 530 to mail in clear */
	bool no_chunking;
	bool no_pipelining;
	bool no_eight_bit;
	const char *hostname;
	const char *ledger;
	const char *save; /* folder for the messages; NULL: thrown away */
	const char *ready_file;
	unsigned ready_fd; /* 0: none */
	unsigned max_connections;
	unsigned max_rcpts;
	uint64_t max_size;
	unsigned timeout_s;
	unsigned grace_s;
	enum bench_hash_kind hash;
	struct sink_rules rules;
	unsigned key_update; /* before every Nth final reply; 0: never */
	bool key_update_ask; /* the client has to answer each with its own */
	unsigned key_update_wait; /* ms for the client to hang up upon it */
	unsigned close_after;	  /* messages; 0: never */
	uint64_t slow_read;	  /* octets per second; 0: as fast as it goes */
	uint64_t seed;
	const char *script; /* of rules, which stand behind the options' */
	bool progress;
	bool json;
};

struct sink_totals {
	uint64_t messages;   /* in the ledger */
	uint64_t duplicates; /* of them: repeat a recipient of an id */
	uint64_t foreign;    /* of them: without an id */
	uint64_t by_bdat;    /* of them */
	uint64_t in_clear;   /* of them: without TLS */
	uint64_t rcpts;
	uint64_t octets; /* as hashed */
	uint64_t connections;
	uint64_t handshakes;
	uint64_t handshake_failures;
	uint64_t resumed;
	uint64_t tls_clean_ends;   /* the peer sent close_notify */
	uint64_t tls_unclean_ends; /* it did not */
	uint64_t key_updates_sent;
	uint64_t key_updates_seen;
	uint64_t key_updates_final; /* sent, and the client hung up */
	uint64_t faults;	    /* replies and hang-ups from the script */
	uint64_t greylisted;	    /* of those */
	uint64_t bare_cr;
	uint64_t bare_lf;
	uint64_t long_lines;
	uint64_t protocol_errors; /* by the client, explained on stderr */
	uint64_t ledger_errors;
	double first; /* CLOCK_MONOTONIC of the first and last message */
	double last;
	char tls[96]; /* version and cipher; "mixed" if they differed */
	uint64_t struck[SINK_RULES_MAX]; /* by each rule, once it is over */
};

struct sink_shared {
	const struct sink_config *config;
	SSL_CTX *ctx;
	struct bench_tls_seen seen_tls;
	struct sink_grey *grey; /* owned; NULL: no rule is grey */
	struct sink_rule_counts counts;
	int ledger;
	int wake_fd; /* readable once the sink is to stop */
	_Atomic uint64_t saved;
	_Atomic unsigned complaints;
	pthread_mutex_t lock; /* of what follows */
	struct sink_totals totals;
	struct bench_seen *seen;
};

/*
 * Serves one client on fd (taken) until it goes, misbehaves or the sink stops.
 * `number` is the connection's, from 0; `conn` (borrowed) is its room.
 */
void sink_session_serve(struct sink_shared *shared, struct bench_conn *conn,
			int fd, uint64_t number);

#endif
