/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: at most one send is in flight.  Raw and kernel TLS take the queue
 * as it lies in memory, many pieces in one call; in user space a slice of it
 * is encrypted, taken out of the engine and sent.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ktls/ktls_stream_private.h"

/* The clear part of the queue, or all of it once the path is no more clear. */
static size_t send_ready(const struct ktls_stream_private *p)
{
	size_t bytes = kstream_queue_bytes(p->queue);

	if (p->path[KTLS_TX] == KSTREAM_RAW && bytes > p->clear_left)
		bytes = p->clear_left;
	return bytes;
}

bool kstream_output_pending(const struct ktls_stream_private *p)
{
	size_t len = 0;

	if (p->engine)
		ktls_engine_output(p->engine, &len);
	return len > 0;
}

/* With TX in the kernel the engine's records are of no use: they would be
 * encrypted a second time. */
static bool send_output_due(const struct ktls_stream_private *p)
{
	return p->path[KTLS_TX] != KSTREAM_KERNEL && kstream_output_pending(p);
}

bool kstream_send_idle(const struct ktls_stream_private *p)
{
	enum kstream_sends allowed = kstream_allowed(p);

	if (p->ops.send)
		return false;
	if (allowed >= KSTREAM_SENDS_OUTPUT && p->alert.due)
		return false;
	if (allowed >= KSTREAM_SENDS_OUTPUT && (p->wire || send_output_due(p)))
		return false;
	return allowed < KSTREAM_SENDS_ALL || send_ready(p) == 0;
}

static int send_take_output(struct ktls_stream_private *p, size_t plain)
{
	size_t len = 0;
	const unsigned char *data = ktls_engine_output(p->engine, &len);

	assert(!p->wire && len > 0);
	p->wire = malloc(sizeof(*p->wire) + len);
	if (!p->wire)
		return -ENOMEM;
	*p->wire = (struct kstream_wire){.len = len, .plain = plain};
	memcpy(p->wire->data, data, len);
	ktls_engine_output_drop(p->engine, len);
	return 0;
}

/* Encrypts up to a slice of the queue; returns how much or -errno. */
static ssize_t send_encrypt(struct ktls_stream_private *p)
{
	struct iovec iov[KTLS_OUT_MAX];
	size_t bytes, done = 0;
	unsigned n = kstream_queue_iov(p->queue, KSTREAM_SLICE_MAX, iov,
				       KTLS_OUT_MAX, &bytes);

	for (unsigned i = 0; i < n; i++) {
		size_t at = 0;

		while (at < iov[i].iov_len) {
			ssize_t took = ktls_engine_write(
				p->engine,
				(const unsigned char *)iov[i].iov_base + at,
				iov[i].iov_len - at);

			if (took <= 0)
				return done > 0	  ? (ssize_t)done
				       : took < 0 ? took
						  : -EPROTO;
			at += (size_t)took;
			done += (size_t)took;
		}
	}
	return (ssize_t)done;
}

/* Fills p->wire if there is something to fill it with; 0 or -errno. */
static int send_fill_wire(struct ktls_stream_private *p)
{
	ssize_t plain;

	if (p->wire)
		return 0;
	if (send_output_due(p))
		return send_take_output(p, 0);
	if (p->path[KTLS_TX] != KSTREAM_ENGINE || send_ready(p) == 0 ||
	    kstream_allowed(p) < KSTREAM_SENDS_ALL)
		return 0;
	plain = send_encrypt(p);
	if (plain < 0)
		return (int)plain;
	kstream_queue_drop(&p->queue, (size_t)plain);
	return send_take_output(p, (size_t)plain);
}

static struct uring_op *send_wire(struct ktls_stream_private *p)
{
	p->sending = KSTREAM_SENDING_WIRE;
	return uring_send(p->env->ring, kstream_target(p, KSTREAM_IN_SEND),
			  p->fd, p->wire->data + p->wire->sent,
			  p->wire->len - p->wire->sent, MSG_NOSIGNAL);
}

/* Under kernel TLS more bytes to come are said, so that a record is not cut
 * where a batch ends. */
static struct uring_op *send_queue(struct ktls_stream_private *p)
{
	struct uring_target target = kstream_target(p, KSTREAM_IN_SEND);
	struct iovec iov[URING_IOV_MAX];
	size_t ready = send_ready(p);
	size_t limit = ready < KSTREAM_SEND_MAX ? ready : KSTREAM_SEND_MAX;
	size_t bytes;
	unsigned n =
		kstream_queue_iov(p->queue, limit, iov, URING_IOV_MAX, &bytes);
	int flags = MSG_NOSIGNAL;

	if (bytes < ready && p->path[KTLS_TX] == KSTREAM_KERNEL)
		flags |= MSG_MORE;
	p->sending = KSTREAM_SENDING_QUEUE;
	if (n == 1)
		return uring_send(p->env->ring, target, p->fd, iov[0].iov_base,
				  iov[0].iov_len, flags);
	return uring_sendmsg(p->env->ring, target, p->fd, iov, n, NULL, 0,
			     flags);
}

static enum kstream_state send_start(struct ktls_stream_private *p)
{
	p->ops.send = p->wire ? send_wire(p) : send_queue(p);
	if (p->ops.send)
		return p->state;
	p->sending = KSTREAM_SENDING_NONE;
	return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOBUFS,
			    "too many operations in flight");
}

enum kstream_state kstream_send_pump(struct ktls_stream_private *p)
{
	enum kstream_sends allowed = kstream_allowed(p);
	int error;

	if (p->ops.send || allowed == KSTREAM_SENDS_NOTHING)
		return p->state;
	if (p->alert.due) {
		kstream_alert_send(p);
		return p->state;
	}
	error = send_fill_wire(p);
	if (error < 0)
		return kstream_fail(p, KTLS_FAILURE_INTERNAL, -error,
				    p->engine ? ktls_engine_error(p->engine)
					      : NULL);
	if (p->wire || (allowed == KSTREAM_SENDS_ALL &&
			p->path[KTLS_TX] != KSTREAM_ENGINE && send_ready(p)))
		return send_start(p);
	if (p->written_due && !p->queue) {
		p->written_due = false;
		kstream_say(p, KTLS_EVENT_WRITTEN);
	}
	return p->state;
}

static void sent_queue(struct ktls_stream_private *p, size_t len)
{
	kstream_queue_drop(&p->queue, len);
	p->bytes_out += len;
	if (p->path[KTLS_TX] == KSTREAM_RAW && p->clear_left != SIZE_MAX) {
		assert(len <= p->clear_left);
		p->clear_left -= len;
	}
}

static void sent_wire(struct ktls_stream_private *p, size_t len)
{
	p->wire->sent += len;
	assert(p->wire->sent <= p->wire->len);
	if (p->wire->sent < p->wire->len)
		return;
	p->bytes_out += p->wire->plain;
	free(p->wire);
	p->wire = NULL;
}

/* Kernel TLS fails a send with what made receiving fail. */
static enum kstream_state send_failed(struct ktls_stream_private *p, int error)
{
	bool record = error == EBADMSG && p->path[KTLS_TX] == KSTREAM_KERNEL;

	p->may_send = KSTREAM_SENDS_NOTHING;
	return kstream_fail(p, record ? KTLS_FAILURE_RECORD : KTLS_FAILURE_IO,
			    error, NULL);
}

enum kstream_state kstream_sent(struct ktls_stream_private *p,
				const struct uring_event *ev)
{
	enum kstream_sending sending = p->sending;

	p->sending = KSTREAM_SENDING_NONE;
	if (sending == KSTREAM_SENDING_ALERT) {
		kstream_alert_sent(p, ev);
		return p->state;
	}
	if (ev->res == -EINTR || ev->res == -EAGAIN)
		return p->state;
	if (ev->res <= 0)
		return send_failed(p, ev->res < 0 ? -ev->res : EPIPE);
	if (sending == KSTREAM_SENDING_QUEUE)
		sent_queue(p, (size_t)ev->res);
	else
		sent_wire(p, (size_t)ev->res);
	if (p->state == KSTREAM_DRAINING)
		uring_timer_set(p->env->ring, &p->deadline, KSTREAM_STALL_NS);
	return p->state;
}
