/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending by io_uring: for each connection one operation is in flight, and
 * its completion starts the next, as in the relay.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/tls/tls_send_private.h"
#include "uring/uring_op.h"
#include "uring/uring_timer.h"

static void step(struct tls_out *o);
static void next(struct tls_out *o);

bool tls_sender_needs_ring(const struct tls_path *path)
{
	return path->method != TLS_SENDFILE && path->layer != TLS_LAYER_OPENSSL;
}

static void submitted(struct tls_out *o, struct uring_op *op)
{
	if (op)
		return;
	tls_out_fail(o, -ENOBUFS, "io_uring");
	o->sender->busy--;
}

static struct uring_target target(struct tls_out *o, uring_event_fn fn)
{
	return (struct uring_target){fn, o};
}

/* False: the operation failed, and this connection is done. */
static bool went_well(struct tls_out *o, const struct uring_event *ev,
		      const char *what)
{
	if (ev->res > 0 && !o->sender->err)
		return true;
	tls_out_fail(o, ev->res < 0 ? ev->res : -EPIPE, what);
	o->sender->busy--;
	return false;
}

/* Kernel TLS keeps a record open for more of the same message. */
static int more_flag(const struct tls_out *o, size_t after)
{
	const struct tls_send_setup *setup = &o->sender->setup;

	return after && setup->path->layer == TLS_LAYER_KERNEL &&
			       setup->chunk >= TLS_RECORD_FULL
		       ? MSG_MORE
		       : 0;
}

static size_t at_most(size_t len, size_t limit)
{
	return len < limit ? len : limit;
}

/* --- SEND and SENDMSG from the mapped file --- */

static void on_sent(void *owner, const struct uring_event *ev)
{
	struct tls_out *o = owner;

	if (!went_well(o, ev, "send"))
		return;
	tls_out_advance(o, (size_t)ev->res);
	next(o);
}

/* The kernel hands each full record to TCP, which sends it at once: a segment
 * for each. While more is said to come it keeps them, so all but the last
 * record go with that word, and the last one takes them along. */
static size_t before_tail(size_t len)
{
	return len > TLS_RECORD_FULL
		       ? (len - 1) / TLS_RECORD_FULL * TLS_RECORD_FULL
		       : len;
}

static void step_send(struct tls_out *o)
{
	size_t left;
	const unsigned char *data = tls_out_data(o, &left);
	size_t len = at_most(left, o->sender->setup.chunk);

	if (o->sender->setup.path->tail && len == left)
		len = before_tail(len);
	submitted(o,
		  uring_send(o->sender->ring, target(o, on_sent), o->conn->fd,
			     data, len, more_flag(o, left - len)));
}

static void step_sendmsg(struct tls_out *o)
{
	size_t left;
	const unsigned char *data = tls_out_data(o, &left);
	size_t len = at_most(left, o->sender->setup.chunk);
	size_t head = o->at ? 0 : at_most(len, TLS_HEAD_MAX);
	struct iovec iov[2] = {
		{o->buf, head},
		{(void *)(uintptr_t)(data + head), len - head},
	};
	unsigned skip = head == 0, count = 1 + (head > 0 && len > head);

	memcpy(o->buf, data, head);
	submitted(o, uring_sendmsg(o->sender->ring, target(o, on_sent),
				   o->conn->fd, iov + skip, count, NULL, 0,
				   more_flag(o, left - len)));
}

/* --- READ, then SEND --- */

static void send_buf(struct tls_out *o);

static void on_buf_sent(void *owner, const struct uring_event *ev)
{
	struct tls_out *o = owner;

	if (!went_well(o, ev, "send"))
		return;
	o->buf_at += (size_t)ev->res;
	tls_out_advance(o, (size_t)ev->res);
	if (o->buf_at < o->buf_len)
		send_buf(o);
	else
		next(o);
}

static void send_buf(struct tls_out *o)
{
	size_t len = o->buf_len - o->buf_at, left;

	tls_out_data(o, &left);
	submitted(o, uring_send(o->sender->ring, target(o, on_buf_sent),
				o->conn->fd, o->buf + o->buf_at, len,
				more_flag(o, left - len)));
}

static void on_read(void *owner, const struct uring_event *ev)
{
	struct tls_out *o = owner;

	if (!went_well(o, ev, "read"))
		return;
	o->buf_at = 0;
	o->buf_len = (size_t)ev->res;
	send_buf(o);
}

static void step_read(struct tls_out *o)
{
	const struct tls_send_setup *setup = &o->sender->setup;
	size_t left;
	size_t offset = (size_t)(tls_out_data(o, &left) - setup->source->data);
	size_t len = at_most(at_most(left, setup->chunk), TLS_SLICE_MAX);

	submitted(o, uring_read(o->sender->ring, target(o, on_read),
				setup->source->fd, o->buf, len, offset));
}

/* --- SPLICE through a pipe --- */

static void splice_out(struct tls_out *o);

static void on_writable(void *owner, const struct uring_event *ev)
{
	struct tls_out *o = owner;

	if (went_well(o, ev, "poll"))
		splice_out(o);
}

static void on_spliced_out(void *owner, const struct uring_event *ev)
{
	struct tls_out *o = owner;

	if (ev->res == -EAGAIN && !o->sender->err) {
		submitted(o, uring_poll(o->sender->ring, target(o, on_writable),
					o->conn->fd, POLLOUT));
		return;
	}
	if (!went_well(o, ev, "splice to the socket"))
		return;
	assert((size_t)ev->res <= o->piped);
	o->piped -= (size_t)ev->res;
	tls_out_advance(o, (size_t)ev->res);
	if (o->piped)
		splice_out(o);
	else
		next(o);
}

static void splice_out(struct tls_out *o)
{
	size_t left;
	unsigned flags;

	tls_out_data(o, &left);
	flags = left > o->piped && o->sender->setup.chunk >= TLS_RECORD_FULL
			? SPLICE_F_MORE
			: 0;
	submitted(o, uring_splice(o->sender->ring, target(o, on_spliced_out),
				  o->pipe[0], -1, o->conn->fd, -1,
				  (unsigned)o->piped, flags));
}

static void on_spliced_in(void *owner, const struct uring_event *ev)
{
	struct tls_out *o = owner;

	if (!went_well(o, ev, "splice from the file"))
		return;
	o->piped = (size_t)ev->res;
	splice_out(o);
}

static void step_splice(struct tls_out *o)
{
	const struct tls_send_setup *setup = &o->sender->setup;
	size_t left;
	size_t offset = (size_t)(tls_out_data(o, &left) - setup->source->data);
	size_t len = at_most(at_most(left, setup->chunk), setup->path->pipe);

	submitted(o, uring_splice(o->sender->ring, target(o, on_spliced_in),
				  setup->source->fd, (int64_t)offset,
				  o->pipe[1], -1, (unsigned)len, 0));
}

/* --- OpenSSL on memory, its records by SEND --- */

static void send_output(struct tls_out *o);

static void on_output_sent(void *owner, const struct uring_event *ev)
{
	struct tls_out *o = owner;
	size_t waiting = 0;

	if (!went_well(o, ev, "send"))
		return;
	ktls_engine_output_drop(o->conn->engine, (size_t)ev->res);
	ktls_engine_output(o->conn->engine, &waiting);
	if (waiting)
		send_output(o);
	else
		next(o);
}

static void send_output(struct tls_out *o)
{
	size_t len = 0;
	const unsigned char *out = ktls_engine_output(o->conn->engine, &len);

	submitted(o, uring_send(o->sender->ring, target(o, on_output_sent),
				o->conn->fd, out, len, 0));
}

/* A slice of this message becomes records. */
static int encrypt(struct tls_out *o)
{
	size_t done = 0, left;

	do {
		const unsigned char *data = tls_out_data(o, &left);
		ssize_t n = ktls_engine_write(
			o->conn->engine, data,
			at_most(at_most(left, o->sender->setup.chunk),
				TLS_SLICE_MAX - done));

		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return n < 0 ? (int)n : -EPROTO;
		done += (size_t)n;
		if (tls_out_advance(o, (size_t)n))
			return 0;
	} while (done < TLS_SLICE_MAX);
	return 0;
}

static void step_engine(struct tls_out *o)
{
	int err = encrypt(o);

	if (!err) {
		send_output(o);
		return;
	}
	tls_out_fail(o, err, "encrypting");
	o->sender->busy--;
}

/* --- the run --- */

static void step(struct tls_out *o)
{
	switch (o->sender->setup.path->method) {
	case TLS_SEND:
		step_send(o);
		break;
	case TLS_SENDMSG:
		step_sendmsg(o);
		break;
	case TLS_SPLICE:
		step_splice(o);
		break;
	case TLS_READ:
		step_read(o);
		break;
	case TLS_WRITE:
		step_engine(o);
		break;
	case TLS_SENDFILE:
	case TLS_RECV:
	case TLS_RECV_FILE:
	case TLS_SHAKE:
	case TLS_RELAY:
	case TLS_ANSWER:
		assert(!"not a path of the ring");
	}
}

static void next(struct tls_out *o)
{
	if (o->left)
		step(o);
	else
		o->sender->busy--;
}

int tls_sender_ring_run(struct tls_sender *s)
{
	unsigned idle = 0;

	s->busy = s->count;
	for (unsigned i = 0; i < s->count; i++)
		next(&s->outs[i]);
	while (s->busy) {
		int events = uring_turn(s->ring, URING_SEC);

		if (events < 0)
			return tls_conn_explain(s->error, s->cap, events,
						"io_uring");
		idle = events ? 0 : idle + 1;
		if (idle >= TLS_STALL_S) /* failing ends all that waits */
			tls_out_fail(&s->outs[0], -EAGAIN, "sending");
		if (idle >= 2 * TLS_STALL_S)
			break;
	}
	return s->err;
}
