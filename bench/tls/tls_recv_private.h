/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a receiver: tls_recv.c makes it and has the blocking path,
 * tls_recv_ring.c those of io_uring. */
#ifndef BENCH_TLS_RECV_PRIVATE_H
#define BENCH_TLS_RECV_PRIVATE_H

#include "bench/tls/tls_recv.h"
#include "uring/uring.h"
#include "uring/uring_bufs.h"
#include "uring/uring_op.h"

enum {
	/* As the relay's: a record of kernel TLS and its header. */
	TLS_BUFS = 64,
	TLS_BUF_SIZE = 20000,
	TLS_BLOCK = 64 * 1024, /* of decrypted octets, in user space */
};

/* A buffer of the group whose octets are being written to a file. */
struct tls_write {
	struct tls_in *in;
	struct uring_buf buf;
	struct iovec iov;
	uint64_t offset;
};

/* One connection's octets. */
struct tls_in {
	struct tls_receiver *receiver;
	struct tls_conn *conn;
	uint64_t left;	 /* octets of this run still to come */
	int file;	 /* owned; -1: they are only counted */
	uint64_t offset; /* where the next ones go */
	struct uring_op *recv;
	struct uring_bufs_waiter waiter;
	struct bench_hash *hash; /* owned; NULL until asked for */
	/* OpenSSL's: decrypted octets, and buffers that wait while they are
	 * being written. */
	unsigned char *block; /* owned; TLS_BLOCK */
	size_t block_len;
	struct iovec block_iov;
	struct uring_buf waiting[TLS_BUFS];
	unsigned waiting_first, waiting_count;
	unsigned writing; /* writes in flight */
};

struct tls_receiver {
	const struct tls_path *path;
	struct tls_in *ins; /* owned; count */
	unsigned count;
	struct uring *ring;	  /* owned; NULL on the blocking path */
	struct uring_bufs *bufs;  /* owned */
	struct tls_write *writes; /* owned; one for each buffer */
	unsigned busy;		  /* connections that are not done */
	bool hashing;		  /* in this run */
	bool stopping;		  /* operations are being reaped */
	uint64_t controls;	  /* records that were not data */
	int err;		  /* the first one; -errno */
	char *error;		  /* of the call; borrowed */
	size_t cap;
};

/* tls_in_count() - `len` octets have come. False: more than expected, which
 * has been noted. */
bool tls_in_count(struct tls_in *in, const void *data, size_t len);
/* tls_in_place() - where in the file the next `len` octets go. */
uint64_t tls_in_place(struct tls_in *in, size_t len);
/* tls_in_fail() - note the first failure. */
void tls_in_fail(struct tls_in *in, int err, const char *what);

/* tls_recv_ring.c */
int tls_receiver_ring_open(struct tls_receiver *r, char *error, size_t cap);
int tls_receiver_ring_run(struct tls_receiver *r);
void tls_receiver_ring_close(struct tls_receiver *r);

#endif
