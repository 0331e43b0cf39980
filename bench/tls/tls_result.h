/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was measured: a row for each path and set of numbers, with the values of
 * each repeat, or the reason why there are none.
 *
 * A unit is a MiB of message octets; in an exchange it is a message, in the
 * handshake test a handshake.
 */
#ifndef BENCH_TLS_RESULT_H
#define BENCH_TLS_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "bench/tls/tls_crew.h"
#include "bench/tls/tls_plan.h"
#include "bench/tls/tls_stats.h"
#include "bench/tls/tls_usage.h"

/* What is known of one end, for each unit. */
enum tls_metric {
	TLS_RATE,	  /* units in a second */
	TLS_MESSAGE_RATE, /* messages in a second */
	/* The client sends. */
	TLS_CLIENT_CPU, /* us */
	TLS_CLIENT_USER,
	TLS_CLIENT_SYSTEM,
	TLS_CLIENT_WORKER, /* us in threads of io_uring */
	TLS_CLIENT_INSTRUCTIONS,
	TLS_CLIENT_CYCLES,
	TLS_CLIENT_SWITCHES,
	TLS_CLIENT_WORKERS,  /* threads, not for each unit */
	TLS_CLIENT_KTHREADS, /* us in kernel threads of its machine */
	TLS_CLIENT_SOFTIRQ,  /* us on its processors, by ticks */
	TLS_CLIENT_INSTALL,  /* us of CPU in one install of both keys */
	TLS_CLIENT_DERIVE,   /* of it, deriving them */
	TLS_SERVER_CPU,
	TLS_SERVER_USER,
	TLS_SERVER_SYSTEM,
	TLS_SERVER_WORKER,
	TLS_SERVER_INSTRUCTIONS,
	TLS_SERVER_CYCLES,
	TLS_SERVER_SWITCHES,
	TLS_SERVER_WORKERS,
	TLS_SERVER_KTHREADS,
	TLS_SERVER_SOFTIRQ,
	TLS_SERVER_INSTALL,
	TLS_SERVER_DERIVE,
	TLS_METRICS
};

/* tls_metric_key() - "client_cpu_us"; static. */
const char *tls_metric_key(enum tls_metric metric);

enum {
	TLS_REPEATS_MAX = 1000,
};

struct tls_row {
	struct tls_case c;
	uint64_t messages; /* a connection's in a run, or handshakes in all */
	char reason[TLS_ERROR]; /* why there is nothing, or "" */
	bool failed;		/* the reason is a failure, not a lack */
	bool verified;		/* all that was received had the right hash */
	unsigned repeats;
	double *values; /* owned; [repeat * TLS_METRICS + metric]; NAN: not
			 * known */
};

/* tls_row_init() - for at most `repeats`; 0 or -ENOMEM. */
int tls_row_init(struct tls_row *row, const struct tls_case *c,
		 unsigned repeats);
void tls_row_free(struct tls_row *row);

/* What both ends used in one repeat. */
struct tls_sample {
	struct tls_usage client, server;
	uint64_t client_install_ns, server_install_ns; /* sums ... */
	uint64_t client_derive_ns, server_derive_ns;
	uint64_t installs; /* ... over so many */
};

/* tls_row_add() - one more repeat. */
void tls_row_add(struct tls_row *row, const struct tls_sample *sample);

/* tls_row_stats() - over the repeats; 0 or -ENOMEM. */
int tls_row_stats(const struct tls_row *row, enum tls_metric metric,
		  struct tls_stats *out);

/* tls_row_tls() - "TLSv1.3" or "none"; tls_row_cipher() likewise. */
const char *tls_row_tls(const struct tls_row *row);
const char *tls_row_cipher(const struct tls_row *row);
/* tls_copies_text() - how often message octets are copied; "": not known. */
const char *tls_copies_text(const struct tls_row *row, char buf[16]);

/* The whole run. */
struct tls_result {
	const struct tls_plan *plan; /* borrowed */
	json_t *client, *server;     /* owned; tls_machine_pack() */
	bool loopback;
	struct tls_row *rows; /* owned; count */
	size_t count;
};
void tls_result_free(struct tls_result *result);

#endif
