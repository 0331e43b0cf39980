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

struct tcp_peer {
	int our_fd, their_fd;
	pthread_t thread;
	SSL_CTX *ctx;
	bool server;
	const char *script;
	char complaint[256]; /* "" while content */
};

/*
 * tcp_peer_start() - connect and start the thread; it shakes hands, then does
 * each letter of @script:
 *   g  sends a greeting of TCP_PEER_GREETING bytes
 *   l  reads one TCP_PEER_LINE
 *   r  reads TCP_PEER_BULK bytes of the pattern
 *   w  writes TCP_PEER_BULK bytes of the pattern
 *   c  sends close_notify
 *   e  reads to the end, whatever it is
 * and closes. A script that ends at once may have closed before the test goes
 * on: TCP_ULP then says ENOTCONN.
 * Sockets have a time limit, so that nothing hangs. our_fd is the caller's.
 */
void tcp_peer_start(struct tcp_peer *peer, struct test_certs *certs,
		    enum ktls_version version, bool server, const char *script);
/* tcp_peer_finish() - wait for it; NULL, or what it did not like. */
const char *tcp_peer_finish(struct tcp_peer *peer);

static inline unsigned char tcp_peer_pattern(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

#endif
