/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a stream: what is queued goes out, then close_notify, then FIN;
 * the peer's last bytes are read and dropped, because close(2) with unread
 * input (late tickets are enough) sends RST, and that loses what was sent
 * before; then all operations are reaped and the descriptor is closed.
 */
#include <assert.h>
#include <errno.h>

#include "ktls/ktls_stream_private.h"

void kstream_draining_enter(struct ktls_stream_private *p)
{
	p->pending = 0;
	p->written_due = false;
	kstream_recv_cancel(p);
	kstream_recv_unwait(p);
	kstream_recv_drop(p);
	uring_timer_set(p->env->ring, &p->deadline, KSTREAM_STALL_NS);
}

enum kstream_state kstream_draining_advance(struct ktls_stream_private *p)
{
	if (!kstream_send_idle(p))
		return p->state;
	if (p->may_send == KSTREAM_SENDS_ALL)
		kstream_alert_close_notify(p);
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
	if (p->taking != KSTREAM_TAKING_BYTES)
		return kstream_discard_recv(p, ev);
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
	uring_timer_clear(p->env->ring, &p->deadline);
	p->fd = -1;
	return KSTREAM_CLOSING;
}

enum kstream_state kstream_closed(struct ktls_stream_private *p,
				  const struct uring_event *ev)
{
	return KSTREAM_CLOSED;
}
