/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: at most one send is in flight.  Raw and kernel TLS take the queue
 * as it lies in memory, many pieces in one call; in user space a slice of it
 * is encrypted, taken out of the engine and sent.  File ranges that are not to
 * go out from their mapping come by a carrier (ktls_stream_file.c).
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
	if (kstream_rekey_due(p))
		return false;
	return allowed < KSTREAM_SENDS_ALL || send_ready(p) == 0;
}

void kstream_wire_free(struct ktls_stream_private *p)
{
	if (p->wire)
		free(p->wire->memory);
	free(p->wire);
	p->wire = NULL;
}

static int send_take_output(struct ktls_stream_private *p, size_t plain)
{
	struct kstream_wire *wire = malloc(sizeof(*wire));

	assert(!p->wire);
	if (!wire)
		return -ENOMEM;
	*wire = (struct kstream_wire){.plain = plain};
	wire->memory =
		ktls_engine_output_take(p->engine, &wire->data, &wire->len);
	assert(wire->memory);
	p->wire = wire;
	return 0;
}

/* What lies in memory at the queue's head, ready to go. */
struct send_batch {
	struct iovec iov[URING_IOV_MAX];
	unsigned count;
	size_t bytes;
};

static void batch_add(struct send_batch *batch, const unsigned char *data,
		      size_t len)
{
	/* struct iovec has no const; a send only reads */
	batch->iov[batch->count++] = (struct iovec){
		.iov_base = (void *)(uintptr_t)data,
		.iov_len = len,
	};
	batch->bytes += len;
}

/* At most @limit bytes. None: the first piece comes by p->carrier. */
static void send_gather(struct ktls_stream_private *p, size_t limit,
			struct send_batch *batch)
{
	const struct kstream_piece *piece;

	batch->count = 0;
	batch->bytes = 0;
	while (batch->bytes < limit && batch->count < URING_IOV_MAX &&
	       (piece = kstream_queue_at(p->queue, batch->count))) {
		size_t left = limit - batch->bytes;
		size_t len = piece->len < left ? piece->len : left;
		enum ktls_byte_path path = kstream_file_path(p, piece, &len);

		if (path != KTLS_PATH_MAPPED) {
			if (batch->count > 0 ||
			    kstream_carrier_make(p, path, !piece->data))
				return;
		}
		batch_add(batch, piece->data, len);
		if (len < piece->len)
			return;
	}
}

static void send_count(struct ktls_stream_private *p, enum ktls_byte_path path,
		       size_t len)
{
	p->path_bytes[path] += len;
	if (p->env->paths)
		ktls_paths_count(p->env->paths, path, len);
}

/* The queue's first @len bytes are on their way, from memory or by the
 * carrier. */
static void send_took(struct ktls_stream_private *p, size_t len)
{
	enum ktls_byte_path path = KTLS_PATH_MAPPED;
	size_t of_files;

	if (p->carrier) {
		path = kstream_carrier_path(p->carrier);
		kstream_carrier_gone(p, len);
	}
	of_files = kstream_queue_drop(&p->queue, len);
	if (of_files > 0)
		send_count(p, path, of_files);
}

/* Encrypts what is in memory; returns how much or -errno. */
static ssize_t send_encrypt(struct ktls_stream_private *p,
			    const struct send_batch *batch)
{
	size_t done = 0;

	ktls_engine_write_ahead(p->engine, batch->bytes);
	for (unsigned i = 0; i < batch->count; i++) {
		const unsigned char *data = batch->iov[i].iov_base;
		size_t at = 0;

		while (at < batch->iov[i].iov_len) {
			ssize_t took =
				ktls_engine_write(p->engine, data + at,
						  batch->iov[i].iov_len - at);

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

static bool carrier_loaded(const struct ktls_stream_private *p)
{
	return p->carrier && p->carrier->have > 0;
}

/* The next slice for OpenSSL; empty: the carrier has to be filled first. */
static void send_slice(struct ktls_stream_private *p, struct send_batch *batch)
{
	size_t len;

	batch->count = 0;
	batch->bytes = 0;
	if (!p->carrier) {
		send_gather(p, KSTREAM_SLICE_MAX, batch);
		return;
	}
	if (!carrier_loaded(p))
		return;
	len = p->carrier->have;
	if (len > KSTREAM_SLICE_MAX)
		len = KSTREAM_SLICE_MAX;
	batch_add(batch, p->carrier->buffer->data + p->carrier->at, len);
}

/* Fills p->wire if there is something to fill it with; 0 or -errno. */
static int send_fill_wire(struct ktls_stream_private *p)
{
	struct send_batch batch;
	ssize_t plain;

	if (p->wire)
		return 0;
	if (send_output_due(p))
		return send_take_output(p, 0);
	if (p->path[KTLS_TX] != KSTREAM_ENGINE || send_ready(p) == 0 ||
	    kstream_allowed(p) < KSTREAM_SENDS_ALL)
		return 0;
	send_slice(p, &batch);
	if (batch.count == 0)
		return 0;
	plain = send_encrypt(p, &batch);
	if (plain < 0)
		return (int)plain;
	send_took(p, (size_t)plain);
	return send_take_output(p, (size_t)plain);
}

static struct uring_op *send_wire(struct ktls_stream_private *p)
{
	p->sending = KSTREAM_SENDING_WIRE;
	return uring_send(p->env->ring, kstream_target(p, KSTREAM_IN_SEND),
			  p->fd, p->wire->data + p->wire->sent,
			  p->wire->len - p->wire->sent, MSG_NOSIGNAL);
}

static struct uring_op *send_batch_out(struct ktls_stream_private *p,
				       const struct send_batch *batch,
				       int flags)
{
	struct uring_target target = kstream_target(p, KSTREAM_IN_SEND);

	p->sending = KSTREAM_SENDING_QUEUE;
	if (batch->count == 1)
		return uring_send(p->env->ring, target, p->fd,
				  batch->iov[0].iov_base, batch->iov[0].iov_len,
				  flags);
	return uring_sendmsg(p->env->ring, target, p->fd, batch->iov,
			     batch->count, NULL, 0, flags);
}

/* Raw or kernel TLS. More bytes to come are said, so that a record (or a
 * segment in front of a file) is not cut where a batch ends. */
static struct uring_op *send_queue(struct ktls_stream_private *p)
{
	size_t ready = send_ready(p);
	size_t limit = ready < KSTREAM_SEND_MAX ? ready : KSTREAM_SEND_MAX;
	struct send_batch batch = {.count = 0};
	int flags = MSG_NOSIGNAL;

	if (!p->carrier)
		send_gather(p, limit, &batch);
	if (carrier_loaded(p))
		return kstream_carrier_send(p, p->carrier->have < ready);
	if (p->carrier || batch.count == 0)
		return kstream_carrier_fill(p, limit);
	if (batch.bytes < ready)
		flags |= MSG_MORE;
	return send_batch_out(p, &batch, flags);
}

static struct uring_op *send_next(struct ktls_stream_private *p)
{
	if (p->wire)
		return send_wire(p);
	if (p->path[KTLS_TX] == KSTREAM_ENGINE)
		return kstream_carrier_fill(p, send_ready(p));
	return send_queue(p);
}

static enum kstream_state send_start(struct ktls_stream_private *p)
{
	p->ops.send = send_next(p);
	if (p->ops.send)
		return p->state;
	p->sending = KSTREAM_SENDING_NONE;
	if (kstream_carrier_waits(p))
		return p->state;
	return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOBUFS, NULL);
}

enum kstream_state kstream_send_pump(struct ktls_stream_private *p)
{
	enum kstream_sends allowed = kstream_allowed(p);
	int error;

	if (p->ops.send)
		return p->state;
	if (allowed < KSTREAM_SENDS_ALL)
		kstream_carrier_drop(p);
	if (allowed == KSTREAM_SENDS_NOTHING)
		return p->state;
	if (p->alert.due) {
		kstream_alert_send(p);
		return p->state;
	}
	kstream_rekey_limits(p);
	if (kstream_rekey_due(p))
		return kstream_rekey_send(p);
	error = send_fill_wire(p);
	if (error < 0)
		return kstream_fail(p, KTLS_FAILURE_INTERNAL, -error,
				    p->engine ? ktls_engine_error(p->engine)
					      : NULL);
	if (p->wire || (allowed == KSTREAM_SENDS_ALL && send_ready(p)))
		return send_start(p);
	if (allowed == KSTREAM_SENDS_ALL && kstream_splice_gives(p)) {
		p->ops.send = kstream_splice_give(p);
		return p->ops.send ? p->state
				   : kstream_fail(p, KTLS_FAILURE_INTERNAL,
						  ENOBUFS, NULL);
	}
	if (p->written_due && !p->queue) {
		p->written_due = false;
		kstream_say(p, KTLS_EVENT_WRITTEN);
	}
	return p->state;
}

static void sent_queue(struct ktls_stream_private *p, size_t len)
{
	send_took(p, len);
	p->bytes_out += len;
	if (p->path[KTLS_TX] == KSTREAM_KERNEL)
		kstream_rekey_count(p, KTLS_TX, len);
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
	kstream_wire_free(p);
}

/* Kernel TLS fails a send with what made receiving fail. */
static enum kstream_state send_failed(struct ktls_stream_private *p, int error)
{
	bool record = error == EBADMSG && p->path[KTLS_TX] == KSTREAM_KERNEL;

	p->may_send = KSTREAM_SENDS_NOTHING;
	return kstream_fail(p, record ? KTLS_FAILURE_RECORD : KTLS_FAILURE_IO,
			    error, NULL);
}

/* Bytes are in the socket, or aren't. */
static enum kstream_state sent_bytes(struct ktls_stream_private *p,
				     enum kstream_sending sending, int res)
{
	if (res < 0 && sending == KSTREAM_SENDING_CARRIER &&
	    kstream_carrier_refused(p, -res))
		return p->state;
	if (res == -EINTR || res == -EAGAIN)
		return p->state;
	if (res <= 0)
		return send_failed(p, res < 0 ? -res : EPIPE);
	if (sending == KSTREAM_SENDING_WIRE)
		sent_wire(p, (size_t)res);
	else
		sent_queue(p, (size_t)res);
	return p->state;
}

static enum kstream_state sent_key_update(struct ktls_stream_private *p,
					  int res)
{
	if (res > 0 || res == -EINTR || res == -EAGAIN)
		return kstream_rekey_sent(p, res);
	return send_failed(p, res < 0 ? -res : EPIPE);
}

/* A poll that fails says nothing that the next send would not say better. */
static enum kstream_state sent_room(struct ktls_stream_private *p)
{
	p->carrier->full = false;
	return p->state;
}

static enum kstream_state sent_by(struct ktls_stream_private *p,
				  enum kstream_sending sending,
				  const struct uring_event *ev)
{
	switch (sending) {
	case KSTREAM_SENDING_ALERT:
		kstream_alert_sent(p, ev);
		return p->state;
	case KSTREAM_SENDING_KEY_UPDATE:
		return sent_key_update(p, ev->res);
	case KSTREAM_SENDING_FILL:
		return kstream_carrier_filled(p, ev->res);
	case KSTREAM_SENDING_ROOM:
		return sent_room(p);
	case KSTREAM_SENDING_PIPE:
	case KSTREAM_SENDING_PIPE_ROOM:
		if (kstream_splice_gave(p, sending, ev->res))
			return p->state;
		return send_failed(p, ev->res < 0 ? -ev->res : EPIPE);
	case KSTREAM_SENDING_QUEUE:
	case KSTREAM_SENDING_WIRE:
	case KSTREAM_SENDING_CARRIER:
		return sent_bytes(p, sending, ev->res);
	case KSTREAM_SENDING_NONE:
		break;
	}
	assert(!"a send ends that was begun");
	return p->state;
}

enum kstream_state kstream_sent(struct ktls_stream_private *p,
				const struct uring_event *ev)
{
	enum kstream_sending sending = p->sending;
	enum kstream_state next;

	p->sending = KSTREAM_SENDING_NONE;
	next = sent_by(p, sending, ev);
	if (ev->res > 0 && next == KSTREAM_DRAINING)
		uring_timer_set(p->env->ring, &p->deadline, KSTREAM_STALL_NS);
	return next;
}
