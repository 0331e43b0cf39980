/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the benchmark, from a connected socket to the point where
 * message bytes may flow on its path: handshake, a greeting of one octet from
 * the server (as the reply to EHLO brings a client its session tickets), then,
 * on kernel paths, the keys of both directions into the kernel, and a second
 * greeting: neither end may hang up before both have installed, because keys
 * are refused once the other end is gone.
 *
 * All of it blocks. The bytes are moved by tls_send.h and tls_recv.h.
 */
#ifndef BENCH_TLS_CONN_H
#define BENCH_TLS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "bench/tls/tls_context.h"
#include "bench/tls/tls_path.h"
#include "ktls/ktls_caps.h"
#include "ktls/ktls_engine.h"

/* Longest wait for a peer that does nothing. */
#define TLS_STALL_S 60

struct tls_conn {
	int fd;			    /* owned; -1: closed */
	SSL *ssl;		    /* owned; TLS_LAYER_OPENSSL */
	struct ktls_engine *engine; /* owned; TLS_LAYER_ENGINE */
	bool resumed;
	uint64_t install_ns; /* CPU time of the install */
	uint64_t derive_ns;  /* of it, deriving the keys */
};

/* How connections are made; the same for all of a run. */
struct tls_conn_setup {
	bool server;
	const struct tls_path *path;
	const struct tls_context *context; /* NULL: plain */
	const struct ktls_caps *caps;
};

/* What a thread keeps from one connection to the next. */
struct tls_conn_memory {
	SSL_SESSION *session; /* owned */
};
void tls_conn_forget(struct tls_conn_memory *memory);

/*
 * tls_conn_open() - take a connected socket through the above. `fd` is taken,
 * also on failure. 0, or -errno with `error` filled and the connection closed.
 */
int tls_conn_open(struct tls_conn *c, const struct tls_conn_setup *setup,
		  struct tls_conn_memory *memory, int fd, char *error,
		  size_t cap);

/* tls_conn_close() - at once; what is unread is lost. Accepts closed ones. */
void tls_conn_close(struct tls_conn *c);

/* tls_conn_tune() - TCP_NODELAY and the longest wait. */
void tls_conn_tune(int fd);

/* All of `len` octets, blocking. 0 or -errno; an early end is -ECONNRESET. */
int tls_read_all(int fd, void *buf, size_t len);
int tls_write_all(int fd, const void *buf, size_t len);

/* tls_conn_explain() - fill `error` and return `err`. */
int tls_conn_explain(char *error, size_t cap, int err, const char *what);

#endif
