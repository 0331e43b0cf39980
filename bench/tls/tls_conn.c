/* SPDX-License-Identifier: Apache-2.0 */
/* Handshake, greeting, install; see tls_conn.h. */
#include "bench/tls/tls_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "ktls/ktls_install.h"
#include "ktls/ktls_keys.h"

static const char greeting = 'R';

struct opening {
	struct tls_conn *c;
	const struct tls_conn_setup *setup;
	struct tls_conn_memory *memory;
	char *error;
	size_t cap;
};

/* --- sockets --- */

void tls_conn_tune(int fd)
{
	struct timeval stall = {.tv_sec = TLS_STALL_S};
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall));
}

int tls_read_all(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(fd, (char *)buf + done, len - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		done += (size_t)n;
	}
	return 0;
}

int tls_write_all(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(fd, (const char *)buf + done, len - done,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int tls_conn_explain(char *error, size_t cap, int err, const char *what)
{
	snprintf(error, cap, "%s: %s", what,
		 err == -EAGAIN ? "the other end does nothing"
				: strerror(-err));
	return err;
}

static int explain(struct opening *o, int err, const char *what)
{
	return err ? tls_conn_explain(o->error, o->cap, err, what) : 0;
}

/* --- OpenSSL on the socket --- */

static int openssl_failed(struct opening *o, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	snprintf(o->error, o->cap, "%s: %s", what,
		 reason ? reason : "the connection broke");
	ERR_clear_error();
	return -EPROTO;
}

static void openssl_remember(struct opening *o)
{
	SSL_SESSION *session = SSL_get1_session(o->c->ssl);

	if (!session || !SSL_SESSION_is_resumable(session)) {
		SSL_SESSION_free(session);
		return;
	}
	SSL_SESSION_free(o->memory->session);
	o->memory->session = session;
}

static int openssl_greet(struct opening *o)
{
	char octet;

	if (o->setup->server)
		return SSL_write(o->c->ssl, &greeting, 1) == 1
			       ? 0
			       : openssl_failed(o, "greeting");
	if (SSL_read(o->c->ssl, &octet, 1) != 1)
		return openssl_failed(o, "greeting");
	if (o->setup->path->resume)
		openssl_remember(o);
	return 0;
}

static int openssl_open(struct opening *o)
{
	SSL *ssl = SSL_new(o->setup->context->openssl);
	int done;

	o->c->ssl = ssl;
	if (!ssl || SSL_set_fd(ssl, o->c->fd) != 1)
		return explain(o, -ENOMEM, "handshake");
	if (o->setup->path->resume && o->memory->session)
		SSL_set_session(ssl, o->memory->session);
	done = o->setup->server ? SSL_accept(ssl) : SSL_connect(ssl);
	if (done != 1)
		return openssl_failed(o, "handshake");
	o->c->resumed = SSL_session_reused(ssl);
	return openssl_greet(o);
}

/* --- ringpost's engine --- */

static int engine_flush(struct opening *o)
{
	size_t len = 0;
	const unsigned char *out = ktls_engine_output(o->c->engine, &len);
	int err = len ? tls_write_all(o->c->fd, out, len) : 0;

	if (!err)
		ktls_engine_output_drop(o->c->engine, len);
	return explain(o, err, "handshake");
}

/* One record and not an octet more. Returns its length or -errno. */
static ssize_t read_record(struct opening *o, unsigned char *record)
{
	int err = tls_read_all(o->c->fd, record, KTLS_RECORD_HEADER);
	size_t len = (size_t)record[3] << 8 | record[4];

	if (!err && len > KTLS_RECORD_WIRE_MAX)
		err = -EMSGSIZE;
	if (!err)
		err = tls_read_all(o->c->fd, record + KTLS_RECORD_HEADER, len);
	if (err)
		return explain(o, err, "reading a TLS record");
	return (ssize_t)(KTLS_RECORD_HEADER + len);
}

static int engine_shake(struct opening *o)
{
	unsigned char record[KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX];
	enum ktls_step step = ktls_engine_start(o->c->engine);

	for (;;) {
		ssize_t len;
		int err = engine_flush(o);

		if (step == KTLS_STEP_FAILED) {
			snprintf(o->error, o->cap, "handshake: %s",
				 ktls_engine_error(o->c->engine));
			return -EPROTO;
		}
		if (err || step == KTLS_STEP_DONE)
			return err;
		len = read_record(o, record);
		if (len < 0)
			return (int)len;
		step = ktls_engine_feed(o->c->engine, record, (size_t)len);
	}
}

static int engine_read_greeting(struct opening *o)
{
	unsigned char record[KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX];
	ssize_t n;
	char octet;

	while ((n = ktls_engine_read(o->c->engine, &octet, 1)) == -EAGAIN) {
		ssize_t len = read_record(o, record);
		int err;

		if (len < 0)
			return (int)len;
		err = ktls_engine_put(o->c->engine, record, (size_t)len);
		if (err)
			return explain(o, err, "greeting");
	}
	return n == 1 ? 0
		      : explain(o, n < 0 ? (int)n : -ECONNRESET, "greeting");
}

static int engine_greet(struct opening *o)
{
	ssize_t n;

	if (!o->setup->server)
		return engine_read_greeting(o);
	n = ktls_engine_write(o->c->engine, &greeting, 1);
	if (n != 1)
		return explain(o, n < 0 ? (int)n : -EPROTO, "greeting");
	return engine_flush(o);
}

static int engine_open(struct opening *o)
{
	struct ktls_engine_config config = {
		.session_key = o->setup->path->resume ? "bench" : NULL,
		.verify = KTLS_VERIFY_NONE,
	};
	struct ktls_info info;
	int err = ktls_engine_create(o->setup->context->ktls, &config,
				     &o->c->engine);

	if (err)
		return explain(o, err, "handshake");
	err = engine_shake(o);
	if (err)
		return err;
	ktls_engine_info(o->c->engine, &info);
	o->c->resumed = info.resumed;
	return engine_greet(o);
}

/* --- keys into the kernel --- */

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Both directions' keys out of OpenSSL's secrets. */
static int derive(struct opening *o, struct ktls_keys keys[KTLS_DIRECTIONS])
{
	for (int dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		enum ktls_direction d = (enum ktls_direction)dir;
		int err = ktls_engine_idle(o->c->engine, d) ? 0 : -EBUSY;

		if (!err)
			err = ktls_engine_keys(o->c->engine, d, &keys[d]);
		if (err)
			return explain(o, err, "keys for the kernel");
	}
	return 0;
}

static int install_keys(struct opening *o,
			const struct ktls_keys keys[KTLS_DIRECTIONS])
{
	const struct ktls_kernel *kernel = ktls_kernel_system();
	int fd = o->c->fd;
	int err = explain(o, ktls_attach(kernel, fd), "TCP_ULP tls");

	if (!err)
		err = explain(o,
			      ktls_install(kernel, fd, KTLS_RX, &keys[KTLS_RX]),
			      "installing TLS_RX");
	if (!err)
		err = explain(o,
			      ktls_install(kernel, fd, KTLS_TX, &keys[KTLS_TX]),
			      "installing TLS_TX");
	if (!err && o->setup->path->no_pad)
		ktls_expect_no_pad(kernel, fd);
	return err;
}

static int install(struct opening *o)
{
	struct ktls_keys keys[KTLS_DIRECTIONS] = {0};
	uint64_t start = thread_ns();
	int err = derive(o, keys);

	o->c->derive_ns = thread_ns() - start;
	if (!err)
		err = install_keys(o, keys);
	for (int dir = 0; dir < KTLS_DIRECTIONS; dir++)
		ktls_keys_wipe(&keys[dir]);
	o->c->install_ns = thread_ns() - start;
	/* As in the relay: what OpenSSL holds for the connection goes. */
	ktls_engine_free(&o->c->engine);
	return err;
}

/* In clear, or with the kernel's TLS below. */
static int plain_greet(struct opening *o)
{
	char octet;

	return explain(o,
		       o->setup->server ? tls_write_all(o->c->fd, &greeting, 1)
					: tls_read_all(o->c->fd, &octet, 1),
		       "greeting");
}

static int open_layer(struct opening *o)
{
	int err;

	switch (o->setup->path->layer) {
	case TLS_LAYER_PLAIN:
		err = plain_greet(o);
		return err ? err : plain_greet(o);
	case TLS_LAYER_OPENSSL:
		err = openssl_open(o);
		return err ? err : openssl_greet(o);
	case TLS_LAYER_ENGINE:
		err = engine_open(o);
		return err ? err : engine_greet(o);
	case TLS_LAYER_KERNEL:
		break;
	}
	err = engine_open(o);
	if (!err)
		err = install(o);
	return err ? err : plain_greet(o);
}

int tls_conn_open(struct tls_conn *c, const struct tls_conn_setup *setup,
		  struct tls_conn_memory *memory, int fd, char *error,
		  size_t cap)
{
	struct opening o = {c, setup, memory, error, cap};
	int err;

	*c = (struct tls_conn){.fd = fd};
	tls_conn_tune(fd);
	err = open_layer(&o);
	if (err)
		tls_conn_close(c);
	return err;
}

void tls_conn_close(struct tls_conn *c)
{
	if (c->ssl) /* else OpenSSL would spoil the session for resumption */
		SSL_set_shutdown(c->ssl,
				 SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	c->ssl = NULL;
	ktls_engine_free(&c->engine);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void tls_conn_forget(struct tls_conn_memory *memory)
{
	SSL_SESSION_free(memory->session);
	memory->session = NULL;
}
