/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blocking connection with big buffers, in clear or under TLS.
 *
 * TLS is OpenSSL on the socket (SSL_set_fd), one thread per connection, and on
 * purpose none of ringpost's own ring or kernel TLS code: the relay's records
 * are then made and checked by somebody else's TLS.
 */
#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "bench/bench_parse.h"

/* Four TLS records of full size. */
#define BENCH_BUFFER (64 * 1024)

struct bench_conn {
	int fd;		/* owned; -1: closed */
	SSL *ssl;	/* owned; NULL: in clear */
	bool clean_end; /* the peer ended TLS with close_notify */
	uint64_t slow;	/* octets per second to read at most; 0: no limit */
	uint64_t bytes_in;
	uint64_t bytes_out;
	size_t in_at; /* [in_at, in_len) of in is unread */
	size_t in_len;
	size_t out_len;
	char error[160]; /* why the last call failed, for people */
	char in[BENCH_BUFFER];
	char out[BENCH_BUFFER];
};

/* Takes fd. Sets TCP_NODELAY and the timeout of each read and write. */
void bench_conn_init(struct bench_conn *c, int fd, unsigned timeout_s);

/* Connects; 0 or -errno with c->error set. timeout_s as above. */
int bench_conn_open(struct bench_conn *c, const struct bench_addr *to,
		    unsigned timeout_s);

/* TLS handshake on what is connected. 0 or -errno with c->error set. `name`
 * (may be NULL) is the client's SNI; `resume` (may be NULL) its session. */
int bench_conn_connect_tls(struct bench_conn *c, SSL_CTX *ctx, const char *name,
			   SSL_SESSION *resume);
int bench_conn_accept_tls(struct bench_conn *c, SSL_CTX *ctx);

/*
 * Sends a KeyUpdate with the next octets written; with `ask` the peer has to
 * answer with its own. True when it will be sent: only TLS 1.3 has them.
 */
bool bench_conn_key_update(struct bench_conn *c, bool ask);

/*
 * Sends what is buffered and then a KeyUpdate, at once, and waits for the peer
 * to speak or to end, at most wait_ms. 1: it speaks; 0: it is silent, or there
 * are no KeyUpdates here (*sent, which may be NULL, tells); -errno, -EPIPE: it
 * has ended.
 */
int bench_conn_key_update_now(struct bench_conn *c, bool ask, unsigned wait_ms,
			      bool *sent);

/* Waits for the peer to speak or to end, at most wait_ms; as above. */
int bench_conn_listen(struct bench_conn *c, unsigned wait_ms);

/* Octets read but not used: there must be none when TLS starts. */
size_t bench_conn_pending(const struct bench_conn *c);

/* Appends to the buffer, sending what doesn't fit. 0 or -errno. */
int bench_conn_write(struct bench_conn *c, const char *data, size_t len);
int bench_conn_printf(struct bench_conn *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int bench_conn_flush(struct bench_conn *c);

/*
 * Sends what is buffered, then reads some more into an empty or partly used
 * buffer. Octets read, 0 at the peer's end, or -errno (-ETIMEDOUT: silence;
 * -ENOBUFS: the buffer is full of unread octets).
 */
int bench_conn_fill(struct bench_conn *c);

/*
 * Sends what is buffered and waits for input, or until `wake_fd` is readable.
 * 1: input, 0: woken, -errno (-ETIMEDOUT).
 */
int bench_conn_wait(struct bench_conn *c, int wake_fd, unsigned timeout_s);

/*
 * A line ended by LF, in place, NUL instead of CRLF or LF; valid until the next
 * read. *crlf (may be NULL) tells which. 0 at the end, 1, or -errno
 * (-EMSGSIZE: no LF in the first `max` octets).
 */
int bench_conn_line(struct bench_conn *c, size_t max, char **line, bool *crlf);

/*
 * The end in order: what is buffered, close_notify, FIN, then reading to the
 * peer's end for at most `linger_s` (unread input would turn the close into a
 * reset and lose what was sent). bench_conn_drop() just closes. Both leave a
 * closed connection that can be opened again.
 */
void bench_conn_close(struct bench_conn *c, unsigned linger_s);
void bench_conn_drop(struct bench_conn *c);
/* The same by RST, as a process that is killed or a firewall does it. */
void bench_conn_reset(struct bench_conn *c);

#endif
