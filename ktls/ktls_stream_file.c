/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of files that don't go out from their mapping: the carrier takes a
 * part of the first one out of the file, into a pipe or into a buffer, and
 * brings it to the socket (a buffer's bytes go through OpenSSL on the way when
 * sending is there).  One operation at a time, ops.send like any other send.
 *
 * What a carrier holds stays in the queue until the socket has taken it, so a
 * carrier can be dropped at any time (with nothing in flight): nothing is lost
 * but work, and another path takes over.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ktls/ktls_stream_private.h"

static bool can_splice(const struct ktls_stream_private *p)
{
	return !p->no_splice && p->path[KTLS_TX] != KSTREAM_ENGINE &&
	       uring_caps(p->env->ring)->op_splice;
}

enum ktls_byte_path kstream_file_path(const struct ktls_stream_private *p,
				      const struct kstream_piece *piece,
				      size_t *len)
{
	const struct ktls_paths *paths = p->env->paths;
	struct ktls_choice choice = {
		.len = piece->len,
		.mapped = piece->data,
		.in_file = piece->fd >= 0,
		.can_splice = can_splice(p),
	};
	enum ktls_byte_path path;
	size_t there;

	if (!paths || !choice.in_file || (p->no_blocks && piece->block))
		return KTLS_PATH_MAPPED;
	path = ktls_policy_choose(ktls_paths_policy(paths), &choice);
	if (path != KTLS_PATH_AUTO)
		return path;
	there = ktls_paths_resident(paths, piece->data, *len);
	if (there == 0)
		return KTLS_PATH_READ;
	if (there < *len)
		*len = there;
	return KTLS_PATH_MAPPED;
}

/* The buffer that was waited for. */
static void carrier_served(void *owner, struct ktls_buffer *buffer)
{
	struct ktls_stream_private *p = owner;

	assert(p->carrier && !p->carrier->buffer);
	p->carrier->buffer = buffer;
	kstream_kick(p);
}

/* A range without a mapping has to wait for a buffer; the others go out from
 * there, at the risk of a page fault: a peer that is slow to read must not
 * stop everybody else's mail. */
bool kstream_carrier_make(struct ktls_stream_private *p,
			  enum ktls_byte_path path, bool must)
{
	struct kstream_carrier *carrier = calloc(1, sizeof(*carrier));
	struct ktls_paths *paths = p->env->paths;

	assert(!p->carrier && paths);
	if (!carrier)
		return false;
	if (path == KTLS_PATH_SPLICE)
		carrier->pipe = ktls_paths_pipe_get(paths);
	if (!carrier->pipe && (must || path == KTLS_PATH_READ))
		carrier->buffer = ktls_paths_buffer_get(paths);
	if (!carrier->pipe && !carrier->buffer && !must) {
		free(carrier);
		return false;
	}
	p->carrier = carrier;
	if (carrier->pipe || carrier->buffer)
		return true;
	carrier->waiter.fn = carrier_served;
	carrier->waiter.owner = p;
	ktls_paths_wait(paths, &carrier->waiter);
	return true;
}

void kstream_carrier_drop(struct ktls_stream_private *p)
{
	struct kstream_carrier *carrier = p->carrier;

	if (!carrier)
		return;
	assert(p->sending < KSTREAM_SENDING_FILL || !p->ops.send);
	p->carrier = NULL;
	ktls_paths_unwait(&carrier->waiter);
	if (carrier->pipe)
		ktls_paths_pipe_put(p->env->paths, carrier->pipe,
				    !carrier->used);
	if (carrier->buffer)
		ktls_paths_buffer_put(p->env->paths, carrier->buffer);
	free(carrier);
}

bool kstream_carrier_waits(const struct ktls_stream_private *p)
{
	return p->carrier && !p->carrier->pipe && !p->carrier->buffer;
}

enum ktls_byte_path kstream_carrier_path(const struct kstream_carrier *carrier)
{
	return carrier->pipe ? KTLS_PATH_SPLICE : KTLS_PATH_READ;
}

void kstream_carrier_gone(struct ktls_stream_private *p, size_t len)
{
	struct kstream_carrier *carrier = p->carrier;

	assert(len <= carrier->have);
	carrier->at += len;
	carrier->have -= len;
	if (carrier->have > 0)
		return;
	carrier->used = false;
	kstream_carrier_drop(p);
}

/* --- out of the file --- */

/* Into the buffer. Whole blocks are read where it has to be so: what stands in
 * front and behind is passed over. */
static struct uring_op *carrier_read(struct ktls_stream_private *p,
				     const struct kstream_piece *piece,
				     size_t len)
{
	struct kstream_carrier *carrier = p->carrier;
	size_t room = sizeof(carrier->buffer->data);
	size_t block = piece->block ? piece->block : 1;

	carrier->at = (size_t)(piece->offset & (block - 1));
	if (len > room - carrier->at)
		len = room - carrier->at;
	carrier->want = len;
	len = (carrier->at + len + block - 1) & ~(block - 1);
	return uring_read(p->env->ring, kstream_target(p, KSTREAM_IN_SEND),
			  piece->fd, carrier->buffer->data, len,
			  piece->offset - carrier->at);
}

struct uring_op *kstream_carrier_fill(struct ktls_stream_private *p,
				      size_t limit)
{
	struct uring_target target = kstream_target(p, KSTREAM_IN_SEND);
	const struct kstream_piece *piece = kstream_queue_at(p->queue, 0);
	struct kstream_carrier *carrier = p->carrier;
	size_t len = piece->len < limit ? piece->len : limit;

	if (!carrier || kstream_carrier_waits(p))
		return NULL;
	assert(piece->fd >= 0 && carrier->have == 0);
	p->sending = KSTREAM_SENDING_FILL;
	carrier->used = true;
	if (carrier->buffer)
		return carrier_read(p, piece, len);
	if (len > carrier->pipe->size)
		len = carrier->pipe->size;
	carrier->at = 0;
	carrier->want = len;
	return uring_splice(p->env->ring, target, piece->fd,
			    (int64_t)piece->offset, carrier->pipe->write_fd, -1,
			    (unsigned)len, 0);
}

/* Not every file system and not every socket can; the mapping or a buffer
 * always can. */
static bool no_splice_here(int error)
{
	return error == EINVAL || error == EOPNOTSUPP || error == ENOSYS ||
	       error == EPERM;
}

/* A read that ends in front of what is wanted is tried again, but not for
 * ever. */
#define VAIN_MAX 8

/* @len bytes have come. False: there is nothing among them. */
static bool carrier_has(struct kstream_carrier *carrier, size_t len)
{
	if (len <= carrier->at)
		return ++carrier->vain < VAIN_MAX;
	carrier->have = len - carrier->at;
	if (carrier->have > carrier->want)
		carrier->have = carrier->want;
	return true;
}

static bool carrier_refuses_blocks(const struct ktls_stream_private *p, int res)
{
	const struct kstream_piece *piece = kstream_queue_at(p->queue, 0);

	return res == -EINVAL && piece->block && piece->data;
}

enum kstream_state kstream_carrier_filled(struct ktls_stream_private *p,
					  int res)
{
	struct kstream_carrier *carrier = p->carrier;

	if (res == -EINTR || res == -EAGAIN)
		return p->state;
	carrier->used = res > 0;
	if (res > 0 && carrier_has(carrier, (size_t)res))
		return p->state;
	if (carrier->buffer && carrier_refuses_blocks(p, res)) {
		p->no_blocks = true;
		kstream_carrier_drop(p);
		return p->state;
	}
	if (carrier->pipe && no_splice_here(-res)) {
		p->no_splice = true;
		kstream_carrier_drop(p);
		return p->state;
	}
	return kstream_fail(p, KTLS_FAILURE_INTERNAL, res < 0 ? -res : 0,
			    res < 0 ? "the file can't be read"
				    : "the file ends too early");
}

/* --- into the socket --- */

/* A splice into a socket that waits would hold a worker thread of the kernel
 * until the peer has read; there is no flag for it but the descriptor's. Other
 * operations of the ring don't go by it. */
void kstream_set_nonblocking(struct ktls_stream_private *p)
{
	int flags;

	if (p->nonblocking)
		return;
	p->nonblocking = true;
	flags = fcntl(p->fd, F_GETFL);
	if (flags >= 0)
		(void)fcntl(p->fd, F_SETFL, flags | O_NONBLOCK);
}

struct uring_op *kstream_carrier_send(struct ktls_stream_private *p, bool more)
{
	struct uring_target target = kstream_target(p, KSTREAM_IN_SEND);
	struct kstream_carrier *carrier = p->carrier;
	unsigned flags = SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0);

	assert(carrier->have > 0);
	if (carrier->full) {
		p->sending = KSTREAM_SENDING_ROOM;
		return uring_poll(p->env->ring, target, p->fd, POLLOUT);
	}
	p->sending = KSTREAM_SENDING_CARRIER;
	if (carrier->buffer)
		return uring_send(p->env->ring, target, p->fd,
				  carrier->buffer->data + carrier->at,
				  carrier->have,
				  MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	kstream_set_nonblocking(p);
	return uring_splice(p->env->ring, target, carrier->pipe->read_fd, -1,
			    p->fd, -1, (unsigned)carrier->have, flags);
}

bool kstream_carrier_refused(struct ktls_stream_private *p, int error)
{
	if (!p->carrier->pipe)
		return false;
	if (error == EAGAIN) {
		p->carrier->full = true;
		return true;
	}
	if (!no_splice_here(error))
		return false;
	p->no_splice = true;
	kstream_carrier_drop(p);
	return true;
}
