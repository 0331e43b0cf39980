/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forward inside the kernel: socket to pipe to socket.
 *
 * splice(2) gives at most one record of a kernel-TLS socket in a call, exactly
 * as many bytes of it as are asked for, and EINVAL in front of a record that is
 * not data: then one receive fetches that, and the stream deals with it.  Each
 * splice runs in a worker thread of the kernel, so none of them may wait there:
 * where there is nothing to take, or no room, a poll of the ring waits.  For a
 * part of a record some kernels' poll(2) says that there is something; then
 * only a nap helps.
 *
 * What is taken lies in the pipe and nowhere else until the sink has it: as
 * many records as are there and fit, then all of them go out at once.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "ktls/ktls_stream_private.h"
#include "ktls/ktls_stream_rekey.h"

static bool in_kernel(const struct ktls_stream_private *p,
		      enum ktls_direction dir)
{
	if (p->state == KSTREAM_PLAIN)
		return p->path[dir] == KSTREAM_RAW;
	return p->state == KSTREAM_SECURE && p->path[dir] == KSTREAM_KERNEL;
}

/* A record lies in so many pages at most. Where fewer fit into the pipe, kernel
 * TLS loses the rest of it without a word: when its user has too many pipes the
 * system makes small ones. */
#define PIPE_MIN   65536
#define PIPE_PAGE  4096
#define TAKE_PAGES (PIPE_MIN / PIPE_PAGE + 1)

/* Before Linux 6.0, which is where multishot receives came, a splice behind a
 * receive of a part of the same record hangs. */
static bool takes_parts(const struct ktls_stream_private *p)
{
	return p->path[KTLS_RX] == KSTREAM_RAW || kstream_sparing_possible(p);
}

/* Bytes that are not here already. */
static uint64_t to_come(const struct ktls_forward *f)
{
	uint64_t left = f->len - f->taken;
	size_t here = kstream_inbox_bytes(&f->from->inbox);

	return left > here ? left - here : 0;
}

static bool may_splice(const struct ktls_forward *f)
{
	const struct ktls_paths *paths = f->from->env->paths;

	return !f->copies && paths &&
	       ktls_policy_forward(ktls_paths_policy(paths), to_come(f)) &&
	       uring_caps(f->from->env->ring)->op_splice &&
	       in_kernel(f->from, KTLS_RX) && in_kernel(f->to, KTLS_TX) &&
	       f->from->end == KSTREAM_END_OPEN && takes_parts(f->from);
}

static struct ktls_pipe *get_pipe(struct ktls_paths *paths)
{
	struct ktls_pipe *pipe = ktls_paths_pipe_get(paths);

	if (!pipe || pipe->size >= PIPE_MIN)
		return pipe;
	ktls_paths_pipe_put(paths, pipe, false);
	return NULL;
}

bool kstream_splice_begin(struct ktls_forward *f)
{
	if (f->pipe || !may_splice(f))
		return false;
	if (kstream_sparing_on(f->from))
		f->pipe = get_pipe(f->from->env->paths);
	if (!f->pipe) {
		kstream_sparing_off(f->from, false);
		f->copies = true;
		return false;
	}
	/* what it still brings is copied */
	kstream_recv_cancel(f->from);
	kstream_recv_unwait(f->from);
	return true;
}

bool kstream_splice_refused(const struct ktls_forward *f)
{
	return f->pipe && f->fetched && kstream_unread(f->from);
}

/* With p->pipe it is a splice of a forward that is gone. */
static bool takes_now(const struct ktls_stream_private *p)
{
	return p->ops.recv && p->taking == KSTREAM_TAKING_SPLICE && !p->pipe;
}

static bool gives_now(const struct ktls_stream_private *p)
{
	return p->ops.send && p->sending == KSTREAM_SENDING_PIPE && !p->pipe;
}

void kstream_splice_end(struct ktls_forward *f)
{
	if (!f->pipe)
		return;
	if (takes_now(f->from))
		f->from->pipe = f->pipe;
	else if (gives_now(f->to))
		f->to->pipe = f->pipe;
	else
		ktls_paths_pipe_put(f->from->env->paths, f->pipe,
				    f->piped == 0);
	f->pipe = NULL;
	kstream_sparing_off(f->from, false);
}

bool kstream_splice_stop(struct ktls_forward *f)
{
	if (!takes_now(f->from))
		return false;
	kstream_recv_cancel(f->from);
	return true;
}

void kstream_pipe_drop(struct ktls_stream_private *p)
{
	if (!p->pipe)
		return;
	ktls_paths_pipe_put(p->env->paths, p->pipe, false);
	p->pipe = NULL;
}

/* --- out of the source --- */

bool kstream_splice_takes(const struct ktls_stream_private *p)
{
	const struct ktls_forward *f = p->forward;

	return f && f->from == p && f->pipe && in_kernel(p, KTLS_RX);
}

static struct uring_op *take(struct ktls_stream_private *p)
{
	struct ktls_forward *f = p->forward;
	uint64_t left = f->len - f->taken;
	struct uring_op *poll;

	if (f->fetches) {
		f->fetches = false;
		return kstream_recv_one(p);
	}
	poll = kstream_sparing_poll(p);
	if (poll || p->taking == KSTREAM_TAKING_POLL)
		return poll;
	/* plain TCP would wait but for the descriptor's flag */
	kstream_set_nonblocking(p);
	p->taking = KSTREAM_TAKING_SPLICE;
	if (left > f->pipe->size - f->piped)
		left = f->pipe->size - f->piped;
	return uring_splice(p->env->ring, kstream_target(p, KSTREAM_IN_RECV),
			    p->fd, -1, f->pipe->write_fd, -1, (unsigned)left,
			    SPLICE_F_NONBLOCK);
}

enum kstream_state kstream_splice_take(struct ktls_stream_private *p)
{
	const struct ktls_forward *f = p->forward;

	if (p->ops.recv || p->paused || kstream_unread(p) ||
	    kstream_sparing_rests(p) || p->end != KSTREAM_END_OPEN ||
	    p->waiter.next)
		return p->state;
	if (f->gives || gives_now(f->to) || f->taken == f->len || f->sink_over)
		return p->state;
	p->ops.recv = take(p);
	if (p->ops.recv)
		return p->state;
	return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOBUFS, NULL);
}

/* Time to let out what the pipe holds: one splice for many records. */
static void give(struct ktls_forward *f)
{
	if (f->piped == 0)
		return;
	f->gives = true;
	kstream_kick(f->to);
}

/* Does the pipe take one record more, in as many pieces as it may have? */
static bool has_room(const struct ktls_forward *f)
{
	return f->pipe->size - f->piped >= PIPE_MIN &&
	       (f->takes + 1) * TAKE_PAGES <= f->pipe->size / PIPE_PAGE;
}

static void took_bytes(struct ktls_forward *f, size_t len)
{
	kstream_sparing_something(f->from);
	f->fetched = false;
	f->piped += len;
	f->taken += len;
	f->takes++;
	f->from->bytes_in += len;
	if (f->from->path[KTLS_RX] == KSTREAM_KERNEL)
		kstream_rekey_count(f->from, KTLS_RX, len);
	if (f->taken == f->len || !has_room(f))
		give(f);
}

static enum kstream_state took(struct ktls_stream_private *p, int res)
{
	struct ktls_forward *f = p->forward;

	if (res > 0) {
		took_bytes(f, (size_t)res);
		return p->state;
	}
	give(f);
	if (res == -EAGAIN) {
		kstream_sparing_nothing(p);
		return p->state;
	}
	/* of kernel TLS 0 may have been an empty record as well */
	if (res == -EINVAL ||
	    (res == 0 && p->path[KTLS_RX] == KSTREAM_KERNEL)) {
		f->fetches = true;
		f->fetched = res != 0;
		return p->state;
	}
	return res == 0 ? kstream_recv_fin(p) : kstream_recv_error(p, -res);
}

enum kstream_state kstream_splice_took(struct ktls_stream_private *p,
				       const struct uring_event *ev)
{
	enum kstream_taking taking = p->taking;

	p->taking = KSTREAM_TAKING_BYTES;
	if (taking == KSTREAM_TAKING_POLL) {
		kstream_sparing_polled(p);
		return p->state;
	}
	if (!p->pipe)
		return took(p, ev->res);
	/* The forward is gone, and with it what the pipe holds. */
	kstream_pipe_drop(p);
	return ev->res > 0
		       ? kstream_fail(p, KTLS_FAILURE_INTERNAL, ECANCELED, NULL)
		       : p->state;
}

void kstream_splice_left(struct ktls_stream_private *p,
			 const struct uring_event *ev)
{
	enum kstream_taking taking = p->taking;

	p->taking = KSTREAM_TAKING_BYTES;
	if (taking != KSTREAM_TAKING_SPLICE)
		return;
	if (p->pipe)
		kstream_pipe_drop(p);
	else if (ev->res > 0)
		took_bytes(p->forward, (size_t)ev->res);
}

/* --- into the sink --- */

bool kstream_splice_gives(const struct ktls_stream_private *p)
{
	const struct ktls_forward *f = p->forward;

	return f && f->to == p && f->gives;
}

struct uring_op *kstream_splice_give(struct ktls_stream_private *p)
{
	struct uring_target target = kstream_target(p, KSTREAM_IN_SEND);
	const struct ktls_forward *f = p->forward;

	if (f->sink_full) {
		p->sending = KSTREAM_SENDING_PIPE_ROOM;
		return uring_poll(p->env->ring, target, p->fd, POLLOUT);
	}
	kstream_set_nonblocking(p);
	p->sending = KSTREAM_SENDING_PIPE;
	return uring_splice(p->env->ring, target, f->pipe->read_fd, -1, p->fd,
			    -1, (unsigned)f->piped, SPLICE_F_NONBLOCK);
}

static void gave_bytes(struct ktls_forward *f, size_t len)
{
	assert(len <= f->piped);
	f->piped -= len;
	f->spliced += len;
	f->to->bytes_out += len;
	if (f->to->path[KTLS_TX] == KSTREAM_KERNEL)
		kstream_rekey_count(f->to, KTLS_TX, len);
	if (f->piped > 0)
		return;
	f->gives = false;
	f->takes = 0;
	kstream_kick(f->from);
}

bool kstream_splice_gave(struct ktls_stream_private *p,
			 enum kstream_sending sending, int res)
{
	struct ktls_forward *f = p->forward;

	if (p->pipe) { /* the forward is gone */
		kstream_pipe_drop(p);
		return true;
	}
	if (!f || f->to != p)
		return true; /* of its poll */
	if (sending == KSTREAM_SENDING_PIPE_ROOM) {
		/* what is wrong is said better by the next splice */
		f->sink_full = false;
		return true;
	}
	f->sink_full = res == -EAGAIN;
	if (res > 0)
		gave_bytes(f, (size_t)res);
	return res > 0 || res == -EAGAIN || res == -EINTR;
}
