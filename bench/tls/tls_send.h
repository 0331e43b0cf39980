/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending messages from the source over connections on one path. A sender
 * belongs to the thread that made it, which also runs its ring.
 */
#ifndef BENCH_TLS_SEND_H
#define BENCH_TLS_SEND_H

#include <stddef.h>
#include <stdint.h>

#include "bench/tls/tls_conn.h"
#include "bench/tls/tls_source.h"

struct tls_sender;

struct tls_send_setup {
	const struct tls_path *path;
	const struct tls_source *source; /* borrowed */
	size_t size;			 /* of a message */
	size_t chunk;			 /* most octets in one call */
};

/*
 * tls_sender_create() - for `count` open connections, the first of which is
 * number `first` of all. They are borrowed. 0 or -errno with `error` filled.
 */
int tls_sender_create(const struct tls_send_setup *setup,
		      struct tls_conn *conns, unsigned count, unsigned first,
		      struct tls_sender **out, char *error, size_t cap);

/* tls_sender_run() - the next `messages` messages on each connection; back
 * when the last octet is in the sockets. 0 or -errno with `error` filled. */
int tls_sender_run(struct tls_sender *sender, uint64_t messages, char *error,
		   size_t cap);

void tls_sender_free(struct tls_sender **sender); /* accepts NULL */

#endif
