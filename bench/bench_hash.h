/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash of a message body. SHA-256 unless asked otherwise; xxh3 when the
 * generator must not take the cores from the relay it measures.
 */
#ifndef BENCH_HASH_H
#define BENCH_HASH_H

#include <stddef.h>
#include <stdint.h>

enum bench_hash_kind {
	BENCH_HASH_SHA256, /* 64 hex digits */
	BENCH_HASH_XXH3,   /* 16 hex digits, XXH3-64 */
	BENCH_HASH_NONE,   /* "-" */
};

/* Longest text of a hash with its NUL. */
#define BENCH_HASH_TEXT 65

/* One running hash, used again and again for message after message. */
struct bench_hash;

/* Returned owned; NULL without memory. */
struct bench_hash *bench_hash_new(enum bench_hash_kind kind);
void bench_hash_free(struct bench_hash *hash); /* accepts NULL */

void bench_hash_start(struct bench_hash *hash);
void bench_hash_add(struct bench_hash *hash, const void *data, size_t len);

/* Writes the text of the hash and ends it; start again before adding more. */
void bench_hash_text(struct bench_hash *hash, char text[BENCH_HASH_TEXT]);

/* Option parser: sha256, xxh3 or none into an enum bench_hash_kind. */
int bench_hash_opt(const char *text, void *field);

#endif
