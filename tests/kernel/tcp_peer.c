/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL in a thread at the other end of a loopback connection.
 */
#include "tests/kernel/tcp_peer.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

void tcp_peer_complain(struct tcp_peer *peer, SSL *ssl, const char *what,
		       int ret)
{
	unsigned long code = ERR_peek_error();

	if (*peer->complaint)
		return;
	snprintf(peer->complaint, sizeof(peer->complaint), "%s: error %d, %s",
		 what, SSL_get_error(ssl, ret),
		 code ? ERR_reason_error_string(code) : "no reason");
}

bool tcp_peer_content(const struct tcp_peer *peer)
{
	return !*peer->complaint;
}

void tcp_peer_read(struct tcp_peer *peer, SSL *ssl, void *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		int n = SSL_read(ssl, (unsigned char *)buf + got,
				 (int)(len - got));

		if (n <= 0) {
			tcp_peer_complain(peer, ssl, "read", n);
			return;
		}
		got += (size_t)n;
	}
}

void tcp_peer_write(struct tcp_peer *peer, SSL *ssl, const void *data,
		    size_t len)
{
	int n = SSL_write(ssl, data, (int)len);

	if (n <= 0)
		tcp_peer_complain(peer, ssl, "write", n);
}

static void read_pattern(struct tcp_peer *peer, SSL *ssl)
{
	unsigned char buf[5000];

	for (size_t at = 0; at < TCP_PEER_BULK && !*peer->complaint;
	     at += sizeof(buf)) {
		tcp_peer_read(peer, ssl, buf, sizeof(buf));
		for (size_t i = 0; i < sizeof(buf); i++)
			if (buf[i] != tcp_peer_pattern(at + i) &&
			    !*peer->complaint)
				snprintf(peer->complaint,
					 sizeof(peer->complaint),
					 "byte %zu is wrong", at + i);
	}
}

static void write_pattern(struct tcp_peer *peer, SSL *ssl)
{
	static const size_t sizes[] = {1, 100, 16384, 5000, 70000};
	unsigned char buf[70000];
	size_t at = 0, turn = 0;

	while (at < TCP_PEER_BULK && !*peer->complaint) {
		size_t len = sizes[turn++ % 5];

		if (len > TCP_PEER_BULK - at)
			len = TCP_PEER_BULK - at;
		for (size_t i = 0; i < len; i++)
			buf[i] = tcp_peer_pattern(at + i);
		tcp_peer_write(peer, ssl, buf, len);
		at += len;
	}
}

static void read_line(struct tcp_peer *peer, SSL *ssl)
{
	unsigned char line[TCP_PEER_LINE_LEN];

	tcp_peer_read(peer, ssl, line, sizeof(line));
	if (!*peer->complaint && memcmp(line, TCP_PEER_LINE, sizeof(line)) != 0)
		snprintf(peer->complaint, sizeof(peer->complaint),
			 "another line than expected");
}

static void read_to_end(SSL *ssl)
{
	char buf[256];

	while (SSL_read(ssl, buf, sizeof(buf)) > 0)
		;
}

static void follow(struct tcp_peer *peer, SSL *ssl)
{
	for (const char *p = peer->config.arg; *p && !*peer->complaint; p++) {
		switch (*p) {
		case 'g':
			tcp_peer_write(peer, ssl, "220 welcome\n",
				       TCP_PEER_GREETING);
			break;
		case 'l':
			read_line(peer, ssl);
			break;
		case 'r':
			read_pattern(peer, ssl);
			break;
		case 'w':
			write_pattern(peer, ssl);
			break;
		case 'c':
			SSL_shutdown(ssl);
			break;
		case 'e':
			read_to_end(ssl);
			break;
		default:
			snprintf(peer->complaint, sizeof(peer->complaint),
				 "script: '%c'?", *p);
		}
	}
}

/* Reads what the other end still had to say, so that close sends no reset. */
static void drain(int fd)
{
	char buf[4096];

	shutdown(fd, SHUT_WR);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static void *run(void *arg)
{
	struct tcp_peer *peer = arg;
	SSL *ssl = SSL_new(peer->ctx);
	int ret;

	SSL_set_fd(ssl, peer->their_fd);
	ERR_clear_error();
	ret = peer->config.server ? SSL_accept(ssl) : SSL_connect(ssl);
	if (ret != 1)
		tcp_peer_complain(peer, ssl, "handshake", ret);
	else
		peer->config.talk(peer, ssl);
	SSL_free(ssl);
	if (!peer->abrupt)
		drain(peer->their_fd);
	close(peer->their_fd);
	return NULL;
}

/* Reached only by a failure. */
static void limit_time(int fd)
{
	const char *patience = getenv("RINGPOST_TEST_PATIENCE");
	const struct timeval limit = {.tv_sec = patience ? atoi(patience) : 60};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int make_socket(int buffer)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (buffer) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	}
	return fd;
}

static void connect_pair(struct tcp_peer *peer)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
	} addr = {.in = {.sin_family = AF_INET,
			 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(addr.in);
	int listener = make_socket(peer->config.buffer);

	assert_int_equal(bind(listener, &addr.any, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, &addr.any, &len), 0);
	peer->our_fd = make_socket(peer->config.buffer);
	assert_int_equal(connect(peer->our_fd, &addr.any, len), 0);
	peer->their_fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer->their_fd >= 0);
	close(listener);
	limit_time(peer->their_fd);
}

static void choose_suite(SSL_CTX *ctx, const struct tcp_peer_config *config)
{
	bool old = config->version == KTLS_TLS_1_2;
	int number = old ? TLS1_2_VERSION : TLS1_3_VERSION;

	SSL_CTX_set_min_proto_version(ctx, number);
	SSL_CTX_set_max_proto_version(ctx, number);
	if (config->suite && old)
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, config->suite),
				 1);
	else if (config->suite)
		assert_int_equal(SSL_CTX_set_ciphersuites(ctx, config->suite),
				 1);
}

static void use_certificate(SSL_CTX *ctx, struct test_certs *certs)
{
	assert_int_equal(SSL_CTX_use_certificate_chain_file(
				 ctx, test_certs_path(certs, "server.pem")),
			 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(
				 ctx, test_certs_path(certs, "server.key"),
				 SSL_FILETYPE_PEM),
			 1);
}

void tcp_peer_open(struct tcp_peer *peer, struct test_certs *certs,
		   const struct tcp_peer_config *config)
{
	*peer = (struct tcp_peer){.config = *config};
	peer->ctx = SSL_CTX_new(TLS_method());
	assert_non_null(peer->ctx);
	choose_suite(peer->ctx, config);
	if (config->server)
		use_certificate(peer->ctx, certs);
	connect_pair(peer);
	assert_int_equal(pthread_create(&peer->thread, NULL, run, peer), 0);
}

void tcp_peer_start(struct tcp_peer *peer, struct test_certs *certs,
		    enum ktls_version version, bool server, const char *script)
{
	const struct tcp_peer_config config = {
		.version = version,
		.server = server,
		.talk = follow,
		.arg = (void *)(uintptr_t)script,
	};

	tcp_peer_open(peer, certs, &config);
	limit_time(peer->our_fd);
}

const char *tcp_peer_finish(struct tcp_peer *peer)
{
	pthread_join(peer->thread, NULL);
	SSL_CTX_free(peer->ctx);
	return *peer->complaint ? peer->complaint : NULL;
}
