/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways that message bytes can take between a file and a socket, one row
 * each: who encrypts, and by which calls the bytes get there.
 */
#ifndef BENCH_TLS_PATH_H
#define BENCH_TLS_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Who makes and reads the TLS records. */
enum tls_layer {
	TLS_LAYER_PLAIN,   /* nobody: TCP */
	TLS_LAYER_OPENSSL, /* OpenSSL on the socket, as most programs have it */
	TLS_LAYER_ENGINE,  /* OpenSSL on memory, bytes moved by io_uring: what
			    * the relay does in user space */
	TLS_LAYER_KERNEL,  /* the same handshake, then keys in the kernel */
};

enum tls_method {
	TLS_SEND,      /* IORING_OP_SEND from the mapped file */
	TLS_SENDMSG,   /* IORING_OP_SENDMSG: head from memory, rest mapped */
	TLS_SPLICE,    /* IORING_OP_SPLICE file -> pipe -> socket */
	TLS_SENDFILE,  /* sendfile(2) */
	TLS_READ,      /* IORING_OP_READ, then IORING_OP_SEND */
	TLS_WRITE,     /* SSL_write from the mapped file */
	TLS_RECV,      /* what comes is counted */
	TLS_RECV_FILE, /* what comes is written to a file */
	TLS_SHAKE,     /* handshakes only */
	TLS_RELAY,     /* exchange: ringpost's stream, the way it chooses */
	TLS_ANSWER,    /* exchange: the server, SSL_read and SSL_write */
};

/* Exchange: where ringpost's stream has its keys. */
enum tls_offload {
	TLS_OFFLOAD_NEVER,
	TLS_OFFLOAD_TX, /* sending in the kernel, receiving in OpenSSL */
	TLS_OFFLOAD_BOTH,
	TLS_OFFLOAD_AUTO, /* where its policy puts them */
};

enum tls_test {
	TLS_TEST_SEND,	    /* the client's path is measured */
	TLS_TEST_RECEIVE,   /* the server's */
	TLS_TEST_EXCHANGE,  /* the client's, message and reply */
	TLS_TEST_HANDSHAKE, /* both ends */
	TLS_TESTS,
	TLS_TEST_ANSWER = TLS_TESTS, /* only as the other end */
};

struct tls_path {
	const char *name; /* "ktls-splice-64K" */
	enum tls_test test;
	enum tls_layer layer;
	enum tls_method method;
	unsigned pipe; /* octets of the pipe; TLS_SPLICE */
	bool tail;     /* TLS_SEND: a message's last record by itself */
	bool no_pad;   /* TLS_RX_EXPECT_NO_PAD */
	bool resume;   /* TLS_SHAKE: from a session ticket */
	enum tls_offload offload;
	int copies; /* of message bytes on that side, beside the cipher's own
		     * pass; TLS_COPIES_UNKNOWN */
};

#define TLS_COPIES_UNKNOWN (-1)

/* tls_path_all() - the table, in the order of the report; static. */
const struct tls_path *tls_path_all(size_t *count);

/* tls_path_find() - by name; NULL when there is none. */
const struct tls_path *tls_path_find(const char *name);

/*
 * tls_path_matches() - is the path one of those that `list` names? A list of
 * names with wild cards, "ktls-*,openssl-write"; NULL matches all.
 */
bool tls_path_matches(const struct tls_path *path, const char *list);

/* tls_path_peer() - what the unmeasured end uses against this path. */
const struct tls_path *tls_path_peer(const struct tls_path *path);

const char *tls_test_name(enum tls_test test); /* "send" */

#endif
