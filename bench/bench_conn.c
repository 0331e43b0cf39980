/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking connections with OpenSSL; bench_conn.h says why not the relay's. */
#include "bench/bench_conn.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

static void set_timeout(int fd, unsigned seconds)
{
	struct timeval tv = {.tv_sec = seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

void bench_conn_init(struct bench_conn *c, int fd, unsigned timeout_s)
{
	int one = 1;

	c->fd = fd;
	c->ssl = NULL;
	c->clean_end = false;
	c->slow = 0;
	c->bytes_in = c->bytes_out = 0;
	c->in_at = c->in_len = c->out_len = 0;
	c->error[0] = '\0';
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	set_timeout(fd, timeout_s);
}

static int fail(struct bench_conn *c, const char *what, int err)
{
	char text[96];

	snprintf(c->error, sizeof(c->error), "%s: %s", what,
		 strerror_r(err, text, sizeof(text)));
	return -err;
}

static int open_one(const struct addrinfo *ai, unsigned timeout_s)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	set_timeout(fd, timeout_s); /* SO_SNDTIMEO bounds connect() too */
	if (!connect(fd, ai->ai_addr, ai->ai_addrlen))
		return fd;
	err = errno == EINPROGRESS ? ETIMEDOUT : errno;
	close(fd);
	return -err;
}

int bench_conn_open(struct bench_conn *c, const struct bench_addr *to,
		    unsigned timeout_s)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int fd = -EHOSTUNREACH;
	int err = getaddrinfo(to->host, to->port, &hints, &list);

	c->fd = -1;
	c->ssl = NULL;
	if (err) {
		snprintf(c->error, sizeof(c->error), "%.99s: %s", to->host,
			 gai_strerror(err));
		return -EHOSTUNREACH;
	}
	for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = open_one(ai, timeout_s);
	freeaddrinfo(list);
	if (fd < 0)
		return fail(c, "connect", -fd);
	bench_conn_init(c, fd, timeout_s);
	return 0;
}

/* What an SSL_*() that returned <= 0 means: 0 (the end), or -errno. */
static int tls_result(struct bench_conn *c, int ret, const char *what)
{
	int sys = errno;
	int err = SSL_get_error(c->ssl, ret);
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	switch (err) {
	case SSL_ERROR_ZERO_RETURN:
		c->clean_end = true;
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return fail(c, what, ETIMEDOUT); /* SO_RCVTIMEO, SO_SNDTIMEO */
	case SSL_ERROR_SYSCALL:
		return fail(c, what, sys ? sys : ECONNRESET);
	default:
		if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return fail(c, what, ECONNRESET);
		snprintf(c->error, sizeof(c->error), "%s: %s", what,
			 reason ? reason : "TLS failed");
		return -EPROTO;
	}
}

static int start_tls(struct bench_conn *c, SSL_CTX *ctx)
{
	int err = bench_conn_flush(c);

	if (err)
		return err;
	assert(!c->ssl && !bench_conn_pending(c));
	c->ssl = SSL_new(ctx);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return fail(c, "TLS", ENOMEM);
	return 0;
}

int bench_conn_connect_tls(struct bench_conn *c, SSL_CTX *ctx, const char *name,
			   SSL_SESSION *resume)
{
	int ret = start_tls(c, ctx);

	if (ret)
		return ret;
	if (name) {
		char copy[256]; /* the macro casts const away */

		snprintf(copy, sizeof(copy), "%s", name);
		SSL_set_tlsext_host_name(c->ssl, copy);
	}
	if (resume)
		SSL_set_session(c->ssl, resume);
	errno = 0;
	ret = SSL_connect(c->ssl);
	if (ret == 1)
		return 0;
	ret = tls_result(c, ret, "TLS handshake");
	return ret ? ret : fail(c, "TLS handshake", ECONNRESET);
}

int bench_conn_accept_tls(struct bench_conn *c, SSL_CTX *ctx)
{
	int ret = start_tls(c, ctx);

	if (ret)
		return ret;
	errno = 0;
	ret = SSL_accept(c->ssl);
	if (ret == 1)
		return 0;
	ret = tls_result(c, ret, "TLS handshake");
	return ret ? ret : fail(c, "TLS handshake", ECONNRESET);
}

bool bench_conn_key_update(struct bench_conn *c, bool ask)
{
	return c->ssl && SSL_version(c->ssl) == TLS1_3_VERSION &&
	       SSL_key_update(c->ssl, ask ? SSL_KEY_UPDATE_REQUESTED
					  : SSL_KEY_UPDATE_NOT_REQUESTED) == 1;
}

size_t bench_conn_pending(const struct bench_conn *c)
{
	return c->in_len - c->in_at;
}

static ssize_t send_some(struct bench_conn *c, const char *data, size_t len)
{
	ssize_t n;

	errno = 0;
	if (c->ssl) {
		int ret = SSL_write(c->ssl, data, (int)len);

		if (ret > 0)
			return ret;
		ret = tls_result(c, ret, "send");
		return ret ? ret : -EPIPE;
	}
	do
		n = send(c->fd, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(c, "send", errno == EAGAIN ? ETIMEDOUT : errno);
	return n;
}

int bench_conn_flush(struct bench_conn *c)
{
	size_t at = 0;

	while (at < c->out_len) {
		ssize_t n = send_some(c, c->out + at, c->out_len - at);

		if (n < 0) {
			c->out_len = 0;
			return (int)n;
		}
		at += (size_t)n;
	}
	c->bytes_out += c->out_len;
	c->out_len = 0;
	return 0;
}

int bench_conn_write(struct bench_conn *c, const char *data, size_t len)
{
	while (len) {
		size_t n = sizeof(c->out) - c->out_len;
		int err;

		if (n > len)
			n = len;
		memcpy(c->out + c->out_len, data, n);
		c->out_len += n;
		data += n;
		len -= n;
		if (c->out_len < sizeof(c->out))
			continue;
		err = bench_conn_flush(c);
		if (err)
			return err;
	}
	return 0;
}

int bench_conn_printf(struct bench_conn *c, const char *format, ...)
{
	char line[2048];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	assert(len >= 0 && (size_t)len < sizeof(line));
	return bench_conn_write(c, line, (size_t)len);
}

/* Slow readers take small bites with pauses, so that the peer really waits. */
static size_t slow_down(const struct bench_conn *c, size_t room)
{
	size_t bite = c->slow / 20 + 1;
	struct timespec pause;
	uint64_t ns;

	if (bite > room)
		bite = room;
	ns = bite * 1000000000ull / c->slow;
	pause.tv_sec = (time_t)(ns / 1000000000u);
	pause.tv_nsec = (long)(ns % 1000000000u);
	nanosleep(&pause, NULL);
	return bite;
}

static int receive_some(struct bench_conn *c, char *data, size_t len)
{
	ssize_t n;

	errno = 0;
	if (c->ssl) {
		int ret = SSL_read(c->ssl, data, (int)len);

		return ret > 0 ? ret : tls_result(c, ret, "receive");
	}
	do
		n = recv(c->fd, data, len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(c, "receive", errno == EAGAIN ? ETIMEDOUT : errno);
	return (int)n;
}

int bench_conn_fill(struct bench_conn *c)
{
	size_t room;
	int n = bench_conn_flush(c);

	if (n)
		return n;
	if (c->in_at) {
		memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
		c->in_len -= c->in_at;
		c->in_at = 0;
	}
	room = sizeof(c->in) - c->in_len;
	if (!room)
		return -ENOBUFS;
	if (c->slow)
		room = slow_down(c, room);
	n = receive_some(c, c->in + c->in_len, room);
	if (n > 0) {
		c->in_len += (size_t)n;
		c->bytes_in += (uint64_t)n;
	}
	return n;
}

/* What is there of the peer's next words; 0: nothing but other records. */
static int peer_words(struct bench_conn *c)
{
	int n;

	SSL_clear_mode(c->ssl, SSL_MODE_AUTO_RETRY);
	n = bench_conn_fill(c);
	SSL_set_mode(c->ssl, SSL_MODE_AUTO_RETRY);
	if (n == -ETIMEDOUT)
		return 0;
	return n == 0 ? -EPIPE : n;
}

int bench_conn_listen(struct bench_conn *c, unsigned wait_ms)
{
	struct timespec start, now;
	long left = (long)wait_ms;
	int n = left > 0 && bench_conn_pending(c);

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (n == 0 && left > 0) {
		struct pollfd fd = {.fd = c->fd, .events = POLLIN};

		if (poll(&fd, 1, (int)left) > 0)
			n = peer_words(c);
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (long)wait_ms - (now.tv_sec - start.tv_sec) * 1000 -
		       (now.tv_nsec - start.tv_nsec) / 1000000;
	}
	return n > 0 ? 1 : n;
}

int bench_conn_key_update_now(struct bench_conn *c, bool ask, unsigned wait_ms,
			      bool *sent)
{
	int n = bench_conn_flush(c);
	bool done = !n && bench_conn_key_update(c, ask);

	if (sent)
		*sent = done;
	if (!done)
		return n;
	errno = 0;
	n = SSL_do_handshake(c->ssl);
	if (n != 1) {
		n = tls_result(c, n, "KeyUpdate");
		return n ? n : -EPIPE;
	}
	return bench_conn_listen(c, wait_ms);
}

int bench_conn_wait(struct bench_conn *c, int wake_fd, unsigned timeout_s)
{
	struct pollfd fds[2] = {{.fd = c->fd, .events = POLLIN},
				{.fd = wake_fd, .events = POLLIN}};
	int timeout = timeout_s < INT_MAX / 1000 ? (int)timeout_s * 1000 : -1;
	int n = bench_conn_flush(c);

	if (n)
		return n;
	if (bench_conn_pending(c) || (c->ssl && SSL_has_pending(c->ssl)))
		return 1;
	do
		n = poll(fds, 2, timeout);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return fail(c, "wait", n ? errno : ETIMEDOUT);
	return fds[1].revents ? 0 : 1;
}

int bench_conn_line(struct bench_conn *c, size_t max, char **line, bool *crlf)
{
	size_t searched = 0;

	for (;;) {
		char *from = c->in + c->in_at;
		char *lf = memchr(from + searched, '\n',
				  bench_conn_pending(c) - searched);
		bool cr = lf && lf > from && lf[-1] == '\r';
		int n;

		if (lf && (size_t)(lf - from) < max) {
			lf[cr ? -1 : 0] = '\0';
			c->in_at += (size_t)(lf - from) + 1;
			*line = from;
			if (crlf)
				*crlf = cr;
			return 1;
		}
		searched = bench_conn_pending(c);
		if (searched >= max)
			return -EMSGSIZE;
		n = bench_conn_fill(c);
		if (n <= 0)
			return n;
	}
}

/* To the peer's end or the timeout: each read is bounded, and so is the sum. */
static void drain(struct bench_conn *c, unsigned linger_s)
{
	time_t until = time(NULL) + linger_s;

	set_timeout(c->fd, linger_s);
	c->slow = 0;
	do
		c->in_at = c->in_len = 0;
	while (bench_conn_fill(c) > 0 && time(NULL) <= until);
}

void bench_conn_close(struct bench_conn *c, unsigned linger_s)
{
	if (c->fd < 0)
		return;
	if (!bench_conn_flush(c)) {
		if (c->ssl)
			SSL_shutdown(c->ssl);
		shutdown(c->fd, SHUT_WR);
		drain(c, linger_s);
	}
	bench_conn_drop(c);
}

void bench_conn_drop(struct bench_conn *c)
{
	ERR_clear_error();
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->in_at = c->in_len = c->out_len = 0;
}

void bench_conn_reset(struct bench_conn *c)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	bench_conn_drop(c);
}
