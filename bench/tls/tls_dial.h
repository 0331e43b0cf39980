/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets between the two ends. Each connection for data starts with the
 * run's token and the connection's number, so that whoever else finds the
 * port is not taken for the other end.
 */
#ifndef BENCH_TLS_DIAL_H
#define BENCH_TLS_DIAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/bench_parse.h"

struct tls_token {
	unsigned char bytes[16];
};

struct tls_address {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* tls_listen() - on host:port (port 0: any). The descriptor, owned, or -errno
 * with `error` filled. */
int tls_listen(const struct bench_addr *at, char *error, size_t cap);

/* tls_listen_beside() - on any port of the address that `fd` is connected to
 * on our side. The descriptor or -errno; *port is set. */
int tls_listen_beside(int fd, uint16_t *port);

/* tls_connect() - to host:port; the descriptor or -errno with `error` filled. */
int tls_connect(const struct bench_addr *to, char *error, size_t cap);

/* tls_dial() - a connection for data. The descriptor or -errno. */
int tls_dial(const struct tls_address *to, const struct tls_token *token,
	     uint32_t number);

/* tls_answer() - the next one that knows the token; others are hung up on.
 * The descriptor or -errno; *number is set. */
int tls_answer(int listener, const struct tls_token *token, uint32_t *number);

/* tls_address_peer() - whom `fd` is connected to, with another port. 0 or
 * -errno. */
int tls_address_peer(int fd, uint16_t port, struct tls_address *out);

/* tls_address_port() - the local port of a socket, or 0. */
uint16_t tls_address_port(int fd);

int tls_token_make(struct tls_token *token); /* 0 or -errno */
void tls_token_text(const struct tls_token *token, char text[33]);
int tls_token_parse(const char *text, struct tls_token *token);

#endif
