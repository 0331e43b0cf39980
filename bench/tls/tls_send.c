/* SPDX-License-Identifier: Apache-2.0 */
/* A sender and its blocking paths, SSL_write and sendfile(2); see tls_send.h. */
#include "bench/tls/tls_send.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "bench/tls/tls_send_private.h"
#include "uring/uring_caps.h"

enum {
	RING_ENTRIES = 256,
};

/* --- messages --- */

const unsigned char *tls_out_data(const struct tls_out *o, size_t *left)
{
	const struct tls_send_setup *setup = &o->sender->setup;

	*left = setup->size - o->at;
	return setup->source->data +
	       tls_source_at(setup->source, o->number, o->message,
			     setup->size) +
	       o->at;
}

bool tls_out_advance(struct tls_out *o, size_t len)
{
	o->at += len;
	assert(o->at <= o->sender->setup.size);
	if (o->at < o->sender->setup.size)
		return false;
	o->at = 0;
	o->message++;
	assert(o->left > 0);
	o->left--;
	return true;
}

void tls_out_fail(struct tls_out *o, int err, const char *what)
{
	struct tls_sender *s = o->sender;

	if (s->err)
		return;
	s->err = tls_conn_explain(s->error, s->cap, err, what);
	for (unsigned i = 0; i < s->count; i++)
		shutdown(s->outs[i].conn->fd, SHUT_RDWR);
}

/* --- blocking paths --- */

/* Small pieces are what the user asked for; else as much as the call takes. */
static size_t piece(const struct tls_out *o, size_t left)
{
	size_t chunk = o->sender->setup.chunk;

	return chunk < TLS_RECORD_FULL && chunk < left ? chunk : left;
}

static ssize_t write_openssl(struct tls_out *o)
{
	size_t left;
	const unsigned char *data = tls_out_data(o, &left);
	int n = SSL_write(o->conn->ssl, data, (int)piece(o, left));

	if (n > 0)
		return n;
	ERR_clear_error();
	return errno ? -errno : -EPROTO;
}

static ssize_t write_sendfile(struct tls_out *o)
{
	size_t left;
	off_t offset = tls_out_data(o, &left) - o->sender->setup.source->data;
	ssize_t n = sendfile(o->conn->fd, o->sender->setup.source->fd, &offset,
			     piece(o, left));

	if (n > 0)
		return n;
	return n < 0 ? -errno : -EPIPE;
}

static void write_message(struct tls_out *o)
{
	bool file = o->sender->setup.path->method == TLS_SENDFILE;

	for (;;) {
		ssize_t n = file ? write_sendfile(o) : write_openssl(o);

		if (n == -EINTR)
			continue;
		if (n < 0) {
			tls_out_fail(o, (int)n,
				     file ? "sendfile" : "SSL_write");
			return;
		}
		if (tls_out_advance(o, (size_t)n))
			return;
	}
}

/* A message on each connection in turn: the peer reads them so, too. */
static int run_blocking(struct tls_sender *s, uint64_t messages)
{
	for (uint64_t m = 0; m < messages; m++) {
		for (unsigned i = 0; i < s->count && !s->err; i++)
			write_message(&s->outs[i]);
	}
	return s->err;
}

/* --- life --- */

static int make_pipe(struct tls_out *o)
{
	int size = (int)o->sender->setup.path->pipe;
	int flags = fcntl(o->conn->fd, F_GETFL);

	if (pipe2(o->pipe, O_CLOEXEC))
		return -errno;
	if (fcntl(o->pipe[0], F_SETPIPE_SZ, size) < size)
		return -errno;
	/* Else a worker of io_uring would wait inside splice(2). */
	return fcntl(o->conn->fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}

static int prepare(struct tls_out *o)
{
	switch (o->sender->setup.path->method) {
	case TLS_SPLICE:
		return make_pipe(o);
	case TLS_READ:
	case TLS_SENDMSG:
		o->buf = malloc(TLS_SLICE_MAX);
		return o->buf ? 0 : -ENOMEM;
	case TLS_SEND:
	case TLS_SENDFILE:
	case TLS_WRITE:
	case TLS_RECV:
	case TLS_RECV_FILE:
	case TLS_SHAKE:
	case TLS_RELAY:
	case TLS_ANSWER:
		break;
	}
	return 0;
}

static int make_ring(struct tls_sender *s, char *error, size_t cap)
{
	struct uring_config config = {.entries = RING_ENTRIES};
	int err = uring_create(&config, &s->ring);

	if (err)
		uring_blocked_reason(err, error, cap);
	return err;
}

int tls_sender_create(const struct tls_send_setup *setup,
		      struct tls_conn *conns, unsigned count, unsigned first,
		      struct tls_sender **out, char *error, size_t cap)
{
	struct tls_sender *s = calloc(1, sizeof(*s));
	int err = 0;

	*out = s;
	if (s)
		s->outs = calloc(count, sizeof(*s->outs));
	if (!s || !s->outs)
		return tls_conn_explain(error, cap, -ENOMEM, "sender");
	s->setup = *setup;
	s->count = count;
	for (unsigned i = 0; i < count; i++)
		s->outs[i] = (struct tls_out){
			.sender = s,
			.conn = &conns[i],
			.number = first + i,
			.pipe = {-1, -1},
		};
	for (unsigned i = 0; i < count && !err; i++)
		err = prepare(&s->outs[i]);
	if (err)
		return tls_conn_explain(error, cap, err, "sender");
	return tls_sender_needs_ring(setup->path) ? make_ring(s, error, cap)
						  : 0;
}

int tls_sender_run(struct tls_sender *s, uint64_t messages, char *error,
		   size_t cap)
{
	s->error = error;
	s->cap = cap;
	for (unsigned i = 0; i < s->count; i++)
		s->outs[i].left = messages;
	return s->ring ? tls_sender_ring_run(s) : run_blocking(s, messages);
}

static void out_free(struct tls_out *o)
{
	for (int i = 0; i < 2; i++) {
		if (o->pipe[i] >= 0)
			close(o->pipe[i]);
	}
	free(o->buf);
}

void tls_sender_free(struct tls_sender **sender)
{
	struct tls_sender *s = *sender;

	*sender = NULL;
	if (!s)
		return;
	uring_destroy(&s->ring);
	for (unsigned i = 0; s->outs && i < s->count; i++)
		out_free(&s->outs[i]);
	free(s->outs);
	free(s);
}
