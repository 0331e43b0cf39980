/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS settings of one end of the benchmark, made once for each version and
 * cipher and kept: OpenSSL's for the reference paths, ringpost's own for the
 * others. The server's certificate is thrown away after the run; the client
 * does not look at it.
 */
#ifndef BENCH_TLS_CONTEXT_H
#define BENCH_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "ktls/ktls_ctx.h"
#include "ktls/ktls_types.h"

struct tls_context {
	SSL_CTX *openssl;      /* owned */
	struct ktls_ctx *ktls; /* owned */
};

struct tls_contexts {
	bool server;
	struct tls_context of[KTLS_VERSIONS][KTLS_CIPHERS];
};

/* tls_contexts_get() - borrowed until tls_contexts_free(); NULL with `error`
 * filled when OpenSSL refuses. */
const struct tls_context *tls_contexts_get(struct tls_contexts *contexts,
					   enum ktls_version version,
					   enum ktls_cipher cipher, char *error,
					   size_t cap);
void tls_contexts_free(struct tls_contexts *contexts); /* accepts zeroes */

#endif
