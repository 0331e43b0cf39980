/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving octets over connections on one path: counted, perhaps hashed,
 * perhaps written to a file. A receiver belongs to the thread that made it,
 * which also runs its ring.
 */
#ifndef BENCH_TLS_RECV_H
#define BENCH_TLS_RECV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/bench_hash.h"
#include "bench/tls/tls_conn.h"

struct tls_receiver;

/* tls_receiver_create() - for `count` open connections, borrowed; files lie in
 * `folder`. 0 or -errno with `error` filled. */
int tls_receiver_create(const struct tls_path *path, const char *folder,
			struct tls_conn *conns, unsigned count,
			struct tls_receiver **out, char *error, size_t cap);

/*
 * tls_receiver_run() - until `messages` of `size` octets have come on each
 * connection; TLS_ANSWER has commands in front of each and answers it. With
 * `hashes` (of `count` texts) all is hashed: as it came, or read back from the
 * file it was written to. 0 or -errno with `error` filled; more octets than
 * these are an error.
 */
int tls_receiver_run(struct tls_receiver *receiver, uint64_t messages,
		     size_t size, char (*hashes)[BENCH_HASH_TEXT], char *error,
		     size_t cap);

void tls_receiver_free(struct tls_receiver **receiver); /* accepts NULL */

#endif
