/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a sender: tls_send.c makes it and has the blocking paths,
 * tls_send_ring.c those of io_uring. */
#ifndef BENCH_TLS_SEND_PRIVATE_H
#define BENCH_TLS_SEND_PRIVATE_H

#include "bench/tls/tls_send.h"
#include "uring/uring.h"

/* Pieces below a record's size are records of their own, not parts of one. */
#define TLS_RECORD_FULL 16384u
/* In user space so much is read or encrypted before it is sent. */
#define TLS_SLICE_MAX (128u * 1024)
/* What a relay has in memory in front of a mapped message: its trace header. */
#define TLS_HEAD_MAX 512u

/* One connection's messages. */
struct tls_out {
	struct tls_sender *sender;
	struct tls_conn *conn;
	unsigned number;  /* among all connections of the run */
	uint64_t message; /* index of the current one */
	uint64_t left;	  /* messages of this run, the current one included */
	size_t at;	  /* octets of the current one that are on their way */
	int pipe[2];	  /* TLS_SPLICE; owned; -1 */
	size_t piped;	  /* octets in the pipe */
	unsigned char *buf;	/* TLS_READ, TLS_SENDMSG; owned */
	size_t buf_at, buf_len; /* [buf_at, buf_len) is still to be sent */
};

struct tls_sender {
	struct tls_send_setup setup;
	struct uring *ring;   /* owned; NULL on blocking paths */
	struct tls_out *outs; /* owned; count */
	unsigned count;
	unsigned busy; /* connections with messages left */
	int err;       /* the first one; -errno */
	char *error;   /* of the call; borrowed */
	size_t cap;
};

/* tls_out_data() - what of the current message is not yet on its way. */
const unsigned char *tls_out_data(const struct tls_out *o, size_t *left);
/* tls_out_advance() - `len` octets are on their way; true: the message is,
 * too, and the next one is the current one. */
bool tls_out_advance(struct tls_out *o, size_t len);
/* tls_out_fail() - note the first failure; wakes what waits for the peer. */
void tls_out_fail(struct tls_out *o, int err, const char *what);

/* tls_send_ring.c */
bool tls_sender_needs_ring(const struct tls_path *path);
int tls_sender_ring_run(struct tls_sender *s);

#endif
