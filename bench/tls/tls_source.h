/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages: a file of random octets, mapped, that has no name. Message
 * after message is cut from it, each behind the one before, from the front
 * again when the rest is too short.
 */
#ifndef BENCH_TLS_SOURCE_H
#define BENCH_TLS_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "bench/bench_hash.h"

/* Largest message. The file is one page larger. */
#define TLS_MESSAGE_MAX (64u * 1024 * 1024)

struct tls_source {
	int fd;			   /* owned; -1: none */
	const unsigned char *data; /* the mapped file */
	size_t size;
	size_t offset; /* of the first message: less than a page */
};

/* tls_source_open() - make the file in `folder`. 0 or -errno with `error`
 * filled. */
int tls_source_open(struct tls_source *s, const char *folder, size_t offset,
		    char *error, size_t cap);
void tls_source_close(struct tls_source *s);

/* tls_source_at() - where message `index` of connection `conn` starts. */
size_t tls_source_at(const struct tls_source *s, unsigned conn, uint64_t index,
		     size_t size);

/* tls_source_hash() - of `count` messages from `first` on, one after another,
 * each with TLS_RELAY_COMMANDS octets of `front` (may be NULL) before it. */
void tls_source_hash(const struct tls_source *s, struct bench_hash *hash,
		     unsigned conn, uint64_t first, uint64_t count, size_t size,
		     const char *front, char text[BENCH_HASH_TEXT]);

/* tls_file_unnamed() - a file in `folder` that is gone when it is closed;
 * the descriptor, owned, or -errno. */
int tls_file_unnamed(const char *folder);

#endif
