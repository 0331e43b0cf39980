/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of the connections of one side of one worker, and of their
 * bytes.  Nothing here is touched for a message: only when a connection is
 * secured, fails to be, and ends.
 */
#ifndef GATEWAY_METRICS_TLS_STATS_H
#define GATEWAY_METRICS_TLS_STATS_H

#include "ktls/ktls_stream.h"

/* Why there was no handshake, beyond enum ktls_failure. */
enum tls_failed {
	TLS_FAILED_CLOSED,   /* the peer went away */
	TLS_FAILED_PROTOCOL, /* versions, ciphers, nonsense */
	TLS_FAILED_VERIFY,   /* the server is not who it should be */
	TLS_FAILED_ALERT,    /* the peer says it failed */
	TLS_FAILED_TIMEOUT,
	TLS_FAILED_INJECTION, /* clear text behind STARTTLS */
	TLS_FAILED_OTHER,     /* memory, descriptors */
	TLS_FAILED_KINDS
};

/* Who does a direction's cryptography. */
enum tls_place {
	TLS_PLACE_NONE,
	TLS_PLACE_USER,
	TLS_PLACE_KERNEL,
	TLS_PLACES
};

struct tls_stats {
	/* [1]: resumed */
	uint64_t handshakes[KTLS_VERSIONS][KTLS_CIPHERS][2];
	uint64_t failed[TLS_FAILED_KINDS];
	/* Of ended connections with TLS: why not in the kernel;
	 * KTLS_REASON_NONE: they were. */
	uint64_t offload[KTLS_DIRECTIONS][KTLS_REASONS];
	uint64_t rekeys[KTLS_DIRECTIONS]; /* of keys in the kernel */
	uint64_t bytes[KTLS_DIRECTIONS][TLS_PLACES];
	/* Now; only in a copy, see tls_stats_open(). */
	uint64_t open[KTLS_DIRECTIONS][TLS_PLACES];
};

void tls_stats_secured(struct tls_stats *stats,
		       const struct ktls_stream_info *info);
void tls_stats_failed(struct tls_stats *stats, enum tls_failed how);
/* tls_stats_failure() - the word for what a stream says. */
enum tls_failed tls_stats_failure(enum ktls_failure failure);
/* tls_stats_ended() - once for each connection. */
void tls_stats_ended(struct tls_stats *stats,
		     const struct ktls_stream_info *info);
/* tls_stats_open() - a connection that is still there: into a copy, which then
 * has its bytes so far. */
void tls_stats_open(struct tls_stats *copy,
		    const struct ktls_stream_info *info);
void tls_stats_add(struct tls_stats *to, const struct tls_stats *from);

/* Sums: handshakes that succeeded and failed; ended connections with TLS whose
 * direction was in the kernel, or was not. */
uint64_t tls_stats_handshakes(const struct tls_stats *stats);
uint64_t tls_stats_failures(const struct tls_stats *stats);
uint64_t tls_stats_offloads(const struct tls_stats *stats,
			    enum ktls_direction dir, bool in_kernel);

const char *tls_failed_name(enum tls_failed how);
const char *tls_place_name(enum tls_place place);

#endif
