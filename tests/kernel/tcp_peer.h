/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of a loopback TCP connection: OpenSSL in user space, in a
 * thread, that follows a script.
 */
#ifndef TESTS_KERNEL_TCP_PEER_H
#define TESTS_KERNEL_TCP_PEER_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "ktls/ktls_types.h"
#include "tests/support/test_cert.h"

#define TCP_PEER_BULK	  (300 * 1000)
#define TCP_PEER_LINE	  "NOOP\r\n"
#define TCP_PEER_LINE_LEN 6
#define TCP_PEER_GREETING 12

struct tcp_peer;

/* What the thread does once hands are shaken; see tcp_peer_complain(). */
typedef void (*tcp_peer_fn)(struct tcp_peer *peer, SSL *ssl);

struct tcp_peer_config {
	enum ktls_version version;
	const char *suite; /* OpenSSL's name; NULL: any */
	bool server;	   /* the peer's role */
	int buffer;	   /* bytes in each socket's buffers; 0: the system's */
	tcp_peer_fn talk;
	void *arg; /* borrowed until the peer is finished */
};

struct tcp_peer {
	struct tcp_peer_config config;
	int our_fd, their_fd;
	pthread_t thread;
	SSL_CTX *ctx;
	bool abrupt; /* set by talk: close at once, whatever is unread */
	char complaint[256]; /* "" while content */
};

/*
 * tcp_peer_open() - connect and start the thread. Its socket has a time limit
 * (a minute, RINGPOST_TEST_PATIENCE in seconds), so that nothing hangs.
 * our_fd is the caller's.
 */
void tcp_peer_open(struct tcp_peer *peer, struct test_certs *certs,
		   const struct tcp_peer_config *config);

/*
 * tcp_peer_start() - the same with a script; the thread does each letter of
 * @script:
 *   g  sends a greeting of TCP_PEER_GREETING bytes
 *   l  reads one TCP_PEER_LINE
 *   r  reads TCP_PEER_BULK bytes of the pattern
 *   w  writes TCP_PEER_BULK bytes of the pattern
 *   c  sends close_notify
 *   e  reads to the end, whatever it is
 * and closes. A script that ends at once may have closed before the test goes
 * on: TCP_ULP then says ENOTCONN.
 * our_fd has a time limit, too.
 */
void tcp_peer_start(struct tcp_peer *peer, struct test_certs *certs,
		    enum ktls_version version, bool server, const char *script);
/* tcp_peer_finish() - wait for it; NULL, or what it did not like. */
const char *tcp_peer_finish(struct tcp_peer *peer);

/* For what talks in the thread. The first complaint is kept; @ret is what
 * OpenSSL returned. */
void tcp_peer_complain(struct tcp_peer *peer, SSL *ssl, const char *what,
		       int ret);
bool tcp_peer_content(const struct tcp_peer *peer);
/* All of @len bytes, or a complaint. */
void tcp_peer_read(struct tcp_peer *peer, SSL *ssl, void *buf, size_t len);
void tcp_peer_write(struct tcp_peer *peer, SSL *ssl, const void *data,
		    size_t len);

static inline unsigned char tcp_peer_pattern(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

#endif
