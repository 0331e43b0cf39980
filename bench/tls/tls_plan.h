/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be measured: lists of versions, ciphers, sizes and so on, and the
 * rows of the report that follow from them.
 */
#ifndef BENCH_TLS_PLAN_H
#define BENCH_TLS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/tls/tls_path.h"
#include "ktls/ktls_types.h"

enum {
	TLS_LIST_MAX = 24,
};

struct tls_list {
	unsigned count;
	uint64_t items[TLS_LIST_MAX];
};

struct tls_plan {
	bool tests[TLS_TESTS];
	const char *paths;	  /* for tls_path_matches(); NULL: all */
	struct tls_list versions; /* enum ktls_version */
	struct tls_list ciphers;  /* enum ktls_cipher */
	struct tls_list sizes;	  /* octets */
	struct tls_list connections;
	unsigned threads; /* at most, an end */
	unsigned repeats;
	uint64_t total;	     /* octets in a run, over all connections */
	uint64_t warm_up;    /* of it once more, in front: one part in so many;
			      * 0: none */
	uint64_t chunk;	     /* most octets in one call */
	uint64_t handshakes; /* in a run */
	uint64_t offset;     /* of the first message in its page */
};

/* One row of the report before anything is known of it. */
struct tls_case {
	const struct tls_path *path;
	enum ktls_version version; /* NONE: plain */
	enum ktls_cipher cipher;
	size_t size;
	unsigned connections;
	unsigned group; /* rows of one group are compared, and interleaved */
};

/* tls_plan_default() - a minute's worth on an ordinary machine. */
void tls_plan_default(struct tls_plan *plan);

/* tls_plan_cases() - all rows, group after group; *cases is owned by the
 * caller. The number of them, or -ENOMEM. */
long tls_plan_cases(const struct tls_plan *plan, struct tls_case **cases);

/* tls_plan_messages() - a connection's messages in a run: at least one. */
uint64_t tls_plan_messages(const struct tls_plan *plan,
			   const struct tls_case *c);

/* By both of their names: "1.3" and "TLSv1.3", "aes128" and "AES-128-GCM";
 * KTLS_VERSION_NONE and KTLS_CIPHER_OTHER when there is no such one. */
enum ktls_version tls_version_find(const char *name);
enum ktls_cipher tls_cipher_find(const char *name);

/* Option parsers: comma-separated lists into a struct tls_list ... */
int tls_plan_versions_opt(const char *text, void *field);
int tls_plan_ciphers_opt(const char *text, void *field);
int tls_plan_sizes_opt(const char *text, void *field);
int tls_plan_connections_opt(const char *text, void *field);
/* ... and of tests into bool[TLS_TESTS]. */
int tls_plan_tests_opt(const char *text, void *field);
/* Checks that each name or pattern of the list fits some path. */
int tls_plan_paths_opt(const char *text, void *field); /* const char * */

#endif
