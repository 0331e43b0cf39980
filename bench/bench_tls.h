/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL contexts for the source and the sink: plain OpenSSL in user space,
 * independent of the relay's own TLS code (bench_conn.h says why).
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

enum bench_tls_mode {
	BENCH_TLS_NONE,
	BENCH_TLS_STARTTLS,
	BENCH_TLS_IMPLICIT,
};

/* Strings are borrowed; NULL or 0 leaves OpenSSL's default. */
struct bench_tls_config {
	int min_version; /* TLS1_2_VERSION, TLS1_3_VERSION */
	int max_version;
	const char *cipher;	  /* TLS 1.2 list */
	const char *ciphersuites; /* TLS 1.3 list */
	const char *certificate; /* server: PEM files; both NULL: thrown away */
	const char *key;	 /* after the run, self-signed, in memory */
	const char *ca;		 /* client: verify against this PEM file */
	int tickets;		 /* server: TLS 1.3 tickets; < 0: default */
};

/* TLS messages the peers have sent, over all connections of a context. */
struct bench_tls_seen {
	_Atomic uint64_t key_updates;
	_Atomic uint64_t tickets;
};

/* Counts into *seen, which must live as long as the context. */
void bench_tls_watch(SSL_CTX *ctx, struct bench_tls_seen *seen);

/* Returned owned, or NULL with the reason in error. */
SSL_CTX *bench_tls_server(const struct bench_tls_config *config, char *error,
			  size_t cap);
SSL_CTX *bench_tls_client(const struct bench_tls_config *config, char *error,
			  size_t cap);

/* Option parsers: none, starttls or implicit into enum bench_tls_mode; "1.2",
 * "1.3" or "1.2-1.3" into min_version and max_version (field: min_version). */
int bench_tls_mode_opt(const char *text, void *field);
int bench_tls_version_opt(const char *text, void *field);

const char *bench_tls_mode_name(enum bench_tls_mode mode);

#endif
