/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a stream: what is queued goes out, then close_notify, then FIN;
 * the peer's last bytes are read and dropped, because close(2) with unread
 * input (late tickets are enough) sends RST, and that loses what was sent
 * before; then all operations are reaped and the descriptor is closed.
 */
#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <poll.h>
#include <string.h>

#include "ktls/ktls_stream_private.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* Level warning, description close_notify. */
static const unsigned char close_notify[2] = {1, 0};

union close_control {
	char bytes[CMSG_SPACE(sizeof(uint8_t))];
	struct cmsghdr align;
};

void kstream_draining_enter(struct ktls_stream_private *p)
{
	p->pending = 0;
	p->written_due = false;
	kstream_recv_cancel(p);
	kstream_recv_unwait(p);
	kstream_recv_drop(p);
	uring_timer_set(p->env->ring, &p->deadline, KSTREAM_STALL_NS);
}

static void close_control_fill(union close_control *control)
{
	memset(control, 0, sizeof(*control));
	control->align.cmsg_level = SOL_TLS;
	control->align.cmsg_type = TLS_SET_RECORD_TYPE;
	control->align.cmsg_len = CMSG_LEN(sizeof(uint8_t));
	*CMSG_DATA(&control->align) = KTLS_ALERT;
}

/* The first io_uring refuses control data: two bytes by the system call then,
 * once the socket takes them. */
static enum kstream_state notify_by_call(struct ktls_stream_private *p,
					 struct iovec *iov,
					 union close_control *control)
{
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = control->bytes,
		.msg_controllen = sizeof(control->bytes),
	};

	if (sendmsg(p->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	    errno != EAGAIN)
		return KSTREAM_FAREWELL;
	p->ops.send =
		uring_poll(p->env->ring, kstream_target(p, KSTREAM_IN_SEND),
			   p->fd, POLLOUT);
	p->sending = KSTREAM_SENDING_ALERT;
	return p->ops.send ? KSTREAM_DRAINING : KSTREAM_FAREWELL;
}

static enum kstream_state notify_by_kernel(struct ktls_stream_private *p)
{
	union close_control control;
	struct iovec iov = {
		/* struct iovec has no const; a send only reads */
		.iov_base = (void *)(uintptr_t)close_notify,
		.iov_len = sizeof(close_notify),
	};

	close_control_fill(&control);
	if (!uring_caps(p->env->ring)->sendmsg_control)
		return notify_by_call(p, &iov, &control);
	p->ops.send = uring_sendmsg(
		p->env->ring, kstream_target(p, KSTREAM_IN_SEND), p->fd, &iov,
		1, control.bytes, sizeof(control.bytes), MSG_NOSIGNAL);
	p->sending = KSTREAM_SENDING_ALERT;
	return KSTREAM_FAREWELL;
}

enum kstream_state kstream_draining_advance(struct ktls_stream_private *p)
{
	if (!kstream_send_idle(p))
		return p->state;
	if (p->may_send < KSTREAM_SENDS_ALL)
		return KSTREAM_FAREWELL;
	switch (p->path[KTLS_TX]) {
	case KSTREAM_ENGINE:
		ktls_engine_shutdown(p->engine);
		break;
	case KSTREAM_KERNEL:
		return notify_by_kernel(p);
	case KSTREAM_RAW:
	case KSTREAM_RECORD:
		break;
	}
	return KSTREAM_FAREWELL;
}

enum kstream_state kstream_farewell_advance(struct ktls_stream_private *p)
{
	if (!kstream_send_idle(p))
		return p->state;
	p->ops.life = uring_shutdown(p->env->ring,
				     kstream_target(p, KSTREAM_IN_SHUTDOWN),
				     p->fd, SHUT_WR);
	return p->ops.life ? KSTREAM_LINGERING : KSTREAM_TEARDOWN;
}

void kstream_lingering_enter(struct ktls_stream_private *p)
{
	uring_timer_set(p->env->ring, &p->deadline, KSTREAM_LINGER_NS);
}

enum kstream_state kstream_lingering_advance(struct ktls_stream_private *p)
{
	if (p->ops.life)
		return p->state;
	if (p->end == KSTREAM_END_FIN || p->lingered > KSTREAM_LINGER_BYTES)
		return KSTREAM_TEARDOWN;
	return p->state;
}

enum kstream_state kstream_lingering_recv(struct ktls_stream_private *p,
					  const struct uring_event *ev)
{
	if (p->end == KSTREAM_END_DEAF && ev->res > 0) {
		p->end = KSTREAM_END_FIN; /* POLLRDHUP, POLLHUP, POLLERR */
		return p->state;
	}
	if (ev->res >= 0)
		return kstream_discard_recv(p, ev);
	kstream_event_drop(ev);
	switch (-ev->res) {
	case ECANCELED:
	case ENOBUFS:
	case EINTR:
	case EAGAIN:
		return kstream_recv_error(p, -ev->res);
	case EBADMSG:
	case EMSGSIZE:
	case EINVAL:
	case EIO:
	case EKEYEXPIRED:
		p->end = KSTREAM_END_DEAF;
		return p->state;
	default:
		return KSTREAM_TEARDOWN;
	}
}

enum kstream_state kstream_shutdown_done(struct ktls_stream_private *p,
					 const struct uring_event *ev)
{
	/* not connected any more: no peer to wait for */
	return ev->res < 0 ? KSTREAM_TEARDOWN : p->state;
}

enum kstream_state kstream_give_up(struct ktls_stream_private *p,
				   const struct uring_event *ev)
{
	return KSTREAM_TEARDOWN;
}

void kstream_teardown_enter(struct ktls_stream_private *p)
{
	p->pending = 0;
	uring_timer_clear(p->env->ring, &p->deadline);
	kstream_recv_unwait(p);
	kstream_recv_drop(p);
	kstream_recv_cancel(p);
	if (p->ops.send)
		uring_op_cancel(p->env->ring, p->ops.send);
	if (p->ops.life)
		uring_op_cancel(p->env->ring, p->ops.life);
}

enum kstream_state kstream_teardown_advance(struct ktls_stream_private *p)
{
	if (p->ops.recv || p->ops.send || p->ops.life)
		return p->state;
	p->ops.life = uring_close(p->env->ring,
				  kstream_target(p, KSTREAM_IN_CLOSE), p->fd);
	if (!p->ops.life) {
		/* too many operations in flight: others end, then it works */
		uring_timer_set(p->env->ring, &p->deadline, KSTREAM_RETRY_NS);
		return p->state;
	}
	p->fd = -1;
	return KSTREAM_CLOSING;
}

enum kstream_state kstream_closed(struct ktls_stream_private *p,
				  const struct uring_event *ev)
{
	return KSTREAM_CLOSED;
}
