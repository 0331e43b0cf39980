/* SPDX-License-Identifier: Apache-2.0 */
/* Listening, connecting, the token; see tls_dial.h. */
#include "bench/tls/tls_dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "bench/tls/tls_conn.h"

enum {
	BACKLOG = 1024,
	HELLO_S = 5, /* for the token, once connected */
};

struct hello {
	struct tls_token token;
	uint32_t number; /* network order */
};

static void wait_at_most(int fd, int seconds)
{
	struct timeval tv = {.tv_sec = seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

static int listen_on(const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, addr, len) && !listen(fd, BACKLOG))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static int connect_to(const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, addr, len))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

/* The first address of the name with which `use` succeeds. */
static int resolve(const struct bench_addr *name, int flags,
		   int (*use)(const struct sockaddr *addr, socklen_t len),
		   char *error, size_t cap)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;
	int fd = -EHOSTUNREACH;
	int why = getaddrinfo(name->host, name->port, &hints, &found);

	if (why) {
		snprintf(error, cap, "%s: %s", name->host, gai_strerror(why));
		return fd;
	}
	for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
		fd = use(a->ai_addr, a->ai_addrlen);
	freeaddrinfo(found);
	if (fd < 0)
		snprintf(error, cap, "%s:%s: %s", name->host, name->port,
			 strerror(-fd));
	return fd;
}

int tls_listen(const struct bench_addr *at, char *error, size_t cap)
{
	return resolve(at, AI_PASSIVE, listen_on, error, cap);
}

int tls_connect(const struct bench_addr *to, char *error, size_t cap)
{
	return resolve(to, 0, connect_to, error, cap);
}

static int set_port(struct tls_address *a, uint16_t port)
{
	switch (a->addr.ss_family) {
	case AF_INET:
		((struct sockaddr_in *)&a->addr)->sin_port = htons(port);
		return 0;
	case AF_INET6:
		((struct sockaddr_in6 *)&a->addr)->sin6_port = htons(port);
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

int tls_address_peer(int fd, uint16_t port, struct tls_address *out)
{
	out->len = sizeof(out->addr);
	if (getpeername(fd, (struct sockaddr *)&out->addr, &out->len))
		return -errno;
	return set_port(out, port);
}

uint16_t tls_address_port(int fd)
{
	struct tls_address a = {.len = sizeof(a.addr)};

	if (getsockname(fd, (struct sockaddr *)&a.addr, &a.len))
		return 0;
	if (a.addr.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&a.addr)->sin_port);
	return ntohs(((struct sockaddr_in6 *)&a.addr)->sin6_port);
}

int tls_listen_beside(int fd, uint16_t *port)
{
	struct tls_address a = {.len = sizeof(a.addr)};
	int err = 0, listener;

	if (getsockname(fd, (struct sockaddr *)&a.addr, &a.len))
		return -errno;
	err = set_port(&a, 0);
	if (err)
		return err;
	listener = listen_on((struct sockaddr *)&a.addr, a.len);
	if (listener < 0)
		return listener;
	wait_at_most(listener, TLS_STALL_S); /* holds for accept(2), too */
	*port = tls_address_port(listener);
	return listener;
}

int tls_dial(const struct tls_address *to, const struct tls_token *token,
	     uint32_t number)
{
	struct hello hello = {*token, htonl(number)};
	int fd = connect_to((const struct sockaddr *)&to->addr, to->len);
	int err;

	if (fd < 0)
		return fd;
	err = tls_write_all(fd, &hello, sizeof(hello));
	if (!err)
		return fd;
	close(fd);
	return err;
}

int tls_answer(int listener, const struct tls_token *token, uint32_t *number)
{
	for (;;) {
		struct hello hello;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return -errno;
		wait_at_most(fd, HELLO_S);
		if (!tls_read_all(fd, &hello, sizeof(hello)) &&
		    !CRYPTO_memcmp(&hello.token, token, sizeof(*token))) {
			*number = ntohl(hello.number);
			return fd;
		}
		close(fd);
	}
}

int tls_token_make(struct tls_token *token)
{
	ssize_t n = getrandom(token->bytes, sizeof(token->bytes), 0);

	return n == sizeof(token->bytes) ? 0 : -EIO;
}

void tls_token_text(const struct tls_token *token, char text[33])
{
	for (size_t i = 0; i < sizeof(token->bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", token->bytes[i]);
}

int tls_token_parse(const char *text, struct tls_token *token)
{
	if (strlen(text) != 2 * sizeof(token->bytes) ||
	    strspn(text, "0123456789abcdef") != strlen(text))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(token->bytes); i++)
		sscanf(text + 2 * i, "%2hhx", &token->bytes[i]);
	return 0;
}
