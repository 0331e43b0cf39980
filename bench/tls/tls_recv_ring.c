/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving by io_uring: a multishot receive on each connection, buffers of
 * the group counted and given back, or written to the file first.  Kernel TLS
 * receives with a control area that names each piece's record type.
 */
#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/tls/tls_recv_private.h"
#include "uring/uring_caps.h"
#include "uring/uring_timer.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum {
	RING_ENTRIES = 256,
};

static void on_received(void *owner, const struct uring_event *ev);
static void on_buffer(void *owner);
static void engine_pump(struct tls_in *in);

static struct uring_target target(void *owner, uring_event_fn fn)
{
	return (struct uring_target){fn, owner};
}

static void arm(struct tls_in *in)
{
	struct tls_receiver *r = in->receiver;

	if (in->recv || r->stopping)
		return;
	if (r->path->layer == TLS_LAYER_KERNEL)
		in->recv = uring_recvmsg_group(
			r->ring, target(in, on_received), in->conn->fd, r->bufs,
			CMSG_SPACE(sizeof(uint8_t)), true);
	else
		in->recv = uring_recv_group(r->ring, target(in, on_received),
					    in->conn->fd, r->bufs, true);
	if (!in->recv)
		tls_in_fail(in, -ENOBUFS, "io_uring");
}

static void settle(struct tls_receiver *r)
{
	r->busy = 0;
	for (unsigned i = 0; i < r->count; i++)
		r->busy += r->ins[i].left > 0 || r->ins[i].writing > 0 ||
			   r->ins[i].block_len > 0;
}

/* --- to a file --- */

static void on_written(void *owner, const struct uring_event *ev);

static void write_rest(struct tls_write *w)
{
	struct tls_in *in = w->in;

	if (uring_writev(in->receiver->ring, target(w, on_written), in->file,
			 &w->iov, 1, w->offset)) {
		in->writing++;
		return;
	}
	tls_in_fail(in, -ENOBUFS, "io_uring");
	uring_buf_return(&w->buf);
}

static void on_written(void *owner, const struct uring_event *ev)
{
	struct tls_write *w = owner;

	w->in->writing--;
	if (ev->res <= 0)
		tls_in_fail(w->in, ev->res < 0 ? ev->res : -EIO, "write");
	if (ev->res <= 0 || (size_t)ev->res >= w->iov.iov_len) {
		uring_buf_return(&w->buf);
		return;
	}
	w->iov.iov_base = (char *)w->iov.iov_base + ev->res;
	w->iov.iov_len -= (size_t)ev->res;
	w->offset += (size_t)ev->res;
	write_rest(w);
}

/* Takes the buffer: message octets as they are. */
static void take_data(struct tls_in *in, struct uring_buf *buf)
{
	struct tls_write *w = &in->receiver->writes[buf->id];

	if (!tls_in_count(in, buf->data, buf->len) || in->file < 0) {
		uring_buf_return(buf);
		return;
	}
	*w = (struct tls_write){
		.in = in,
		.buf = *buf,
		.iov = {buf->data, buf->len},
		.offset = tls_in_place(in, buf->len),
	};
	write_rest(w);
}

/* --- through OpenSSL --- */

static void on_block_written(void *owner, const struct uring_event *ev)
{
	struct tls_in *in = owner;

	in->writing--;
	if (ev->res < 0 || (size_t)ev->res != in->block_len)
		tls_in_fail(in, ev->res < 0 ? ev->res : -EIO, "write");
	in->block_len = 0;
	engine_pump(in);
}

static void write_block(struct tls_in *in)
{
	struct tls_receiver *r = in->receiver;

	in->block_iov = (struct iovec){in->block, in->block_len};
	if (uring_writev(r->ring, target(in, on_block_written), in->file,
			 &in->block_iov, 1, tls_in_place(in, in->block_len)))
		in->writing++;
	else
		tls_in_fail(in, -ENOBUFS, "io_uring");
}

/* Decrypts into the block; false when more octets of the wire are needed. */
static bool engine_fill(struct tls_in *in)
{
	while (in->block_len < TLS_BLOCK) {
		ssize_t n = ktls_engine_read(in->conn->engine,
					     in->block + in->block_len,
					     TLS_BLOCK - in->block_len);

		if (n == -EAGAIN)
			return false;
		if (n <= 0) {
			tls_in_fail(in, n < 0 ? (int)n : -ECONNRESET,
				    "decrypting");
			return false;
		}
		if (!tls_in_count(in, in->block + in->block_len, (size_t)n))
			return false;
		in->block_len += (size_t)n;
		if (in->file < 0)
			in->block_len = 0;
	}
	return true;
}

static bool engine_feed(struct tls_in *in)
{
	struct uring_buf *buf = &in->waiting[in->waiting_first];
	int err;

	if (!in->waiting_count)
		return false;
	err = ktls_engine_put(in->conn->engine, buf->data, buf->len);
	if (err)
		tls_in_fail(in, err, "decrypting");
	uring_buf_return(buf);
	in->waiting_first = (in->waiting_first + 1) % TLS_BUFS;
	in->waiting_count--;
	return !err;
}

/* Until the block is full (it is written then) or the wire has no more. */
static void engine_pump(struct tls_in *in)
{
	while (!in->writing && !in->receiver->err) {
		bool full = engine_fill(in);

		if (in->block_len && (full || !in->left))
			write_block(in);
		else if (!engine_feed(in))
			return;
	}
}

/* Takes the buffer. */
static void take_wire(struct tls_in *in, struct uring_buf *buf)
{
	assert(in->waiting_count < TLS_BUFS);
	in->waiting[(in->waiting_first + in->waiting_count) % TLS_BUFS] = *buf;
	in->waiting_count++;
	*buf = (struct uring_buf){0};
	engine_pump(in);
}

/* --- what comes --- */

static uint8_t record_type(const struct uring_event *ev)
{
	const struct cmsghdr *c = ev->control;

	if (ev->control_len >= CMSG_LEN(1) && c->cmsg_level == SOL_TLS &&
	    c->cmsg_type == TLS_GET_RECORD_TYPE)
		return *CMSG_DATA(c);
	return KTLS_APPLICATION_DATA;
}

static void take(struct tls_in *in, const struct uring_event *ev)
{
	struct uring_buf buf = ev->buf;

	switch (in->receiver->path->layer) {
	case TLS_LAYER_ENGINE:
		take_wire(in, &buf);
		return;
	case TLS_LAYER_KERNEL:
		if (record_type(ev) == KTLS_APPLICATION_DATA)
			break;
		in->receiver->controls++;
		uring_buf_return(&buf);
		return;
	case TLS_LAYER_PLAIN:
	case TLS_LAYER_OPENSSL:
		break;
	}
	take_data(in, &buf);
}

static void on_received(void *owner, const struct uring_event *ev)
{
	struct tls_in *in = owner;
	struct uring_buf buf = ev->buf;

	if (!ev->more)
		in->recv = NULL;
	if (ev->res > 0) {
		take(in, ev);
	} else {
		uring_buf_return(&buf);
		if (ev->res == -ENOBUFS)
			uring_bufs_wait(in->receiver->bufs, &in->waiter);
		else if (!in->receiver->stopping && ev->res != -EINTR &&
			 ev->res != -EAGAIN)
			tls_in_fail(in, ev->res ? ev->res : -ECONNRESET,
				    "receive");
	}
	if (!ev->more && ev->res != -ENOBUFS && !in->receiver->err)
		arm(in);
}

static void on_buffer(void *owner)
{
	arm(owner);
}

/* --- life --- */

int tls_receiver_ring_open(struct tls_receiver *r, char *error, size_t cap)
{
	struct uring_config config = {.entries = RING_ENTRIES};
	int err = uring_create(&config, &r->ring);

	if (err) {
		uring_blocked_reason(err, error, cap);
		return err;
	}
	err = uring_bufs_create(r->ring, TLS_BUFS, TLS_BUF_SIZE, &r->bufs);
	r->writes = calloc(TLS_BUFS, sizeof(*r->writes));
	if (!err && !r->writes)
		err = -ENOMEM;
	for (unsigned i = 0; i < r->count; i++)
		r->ins[i].waiter = (struct uring_bufs_waiter){
			.fn = on_buffer,
			.owner = &r->ins[i],
		};
	return err ? tls_conn_explain(error, cap, err, "receive buffers") : 0;
}

int tls_receiver_ring_run(struct tls_receiver *r)
{
	unsigned idle = 0;

	for (unsigned i = 0; i < r->count; i++) {
		if (!r->ins[i].waiter.next)
			arm(&r->ins[i]);
	}
	for (settle(r); r->busy && !r->err; settle(r)) {
		int events = uring_turn(r->ring, URING_SEC);

		if (events < 0)
			tls_in_fail(&r->ins[0], events, "io_uring");
		idle = events ? 0 : idle + 1;
		if (idle >= TLS_STALL_S)
			tls_in_fail(&r->ins[0], -EAGAIN, "receiving");
	}
	return r->err;
}

static void drop_waiting(struct tls_in *in)
{
	for (; in->waiting_count; in->waiting_count--) {
		uring_buf_return(&in->waiting[in->waiting_first]);
		in->waiting_first = (in->waiting_first + 1) % TLS_BUFS;
	}
}

void tls_receiver_ring_close(struct tls_receiver *r)
{
	char gone[64]; /* failures of the end interest nobody */
	unsigned idle = 0;

	if (!r->ring)
		return;
	r->error = gone;
	r->cap = sizeof(gone);
	r->stopping = true;
	for (unsigned i = 0; r->bufs && i < r->count; i++) {
		uring_bufs_unwait(r->bufs, &r->ins[i].waiter);
		if (r->ins[i].recv)
			uring_op_cancel(r->ring, r->ins[i].recv);
	}
	while (uring_inflight(r->ring) && idle < TLS_STALL_S) {
		int events = uring_turn(r->ring, URING_SEC);

		idle = events > 0 ? 0 : idle + 1;
	}
	for (unsigned i = 0; i < r->count; i++)
		drop_waiting(&r->ins[i]);
	uring_bufs_destroy(&r->bufs);
	free(r->writes);
	r->writes = NULL;
	uring_destroy(&r->ring);
}
