/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a completion to an event: the completion first updates the op, which
 * may fly on in another stage; only then does the owner hear of it.
 */
#include <errno.h>
#include <string.h>

#include "uring/uring_internal.h"

static unsigned dispatch_own(struct uring *ring, const struct uring_cqe *cqe)
{
	uint64_t tag = (cqe->user_data & ~URING_OWN) >> URING_OWN_TAG_SHIFT;

	switch ((enum uring_own_tag)tag) {
	case URING_OWN_WAKE:
		uring_wake_done(ring);
		return 1;
	case URING_OWN_CANCEL:
		return 0;
	}
	ring->stats.stale++;
	return 0;
}

/* True: the op flies on and nobody hears of this completion. */
static bool next_stage(struct uring *ring, struct uring_op *op, int *res)
{
	switch (op->stage) {
	case URING_STAGE_RESULT:
	case URING_STAGE_PICKED:
		return false;
	case URING_STAGE_DONE:
		*res = op->result;
		return false;
	case URING_STAGE_POLLED:
	case URING_STAGE_SENDABLE:
		break;
	}
	if (*res < 0)
		return false;
	if (op->cancelled) {
		*res = -ECANCELED;
		return false;
	}
	if (op->stage == URING_STAGE_SENDABLE)
		return uring_send_writable(ring, op, res);
	return uring_recv_readable(ring, op, res);
}

/*
 * A multishot RECVMSG puts header, name (none here), control area and payload
 * into one buffer.  The control data is copied to where a cmsghdr is aligned.
 */
static void parse_multishot(struct uring_op *op, struct uring_event *event)
{
	size_t control_room = op->msg.hdr.msg_controllen;
	size_t front = sizeof(struct io_uring_recvmsg_out) + control_room;
	struct io_uring_recvmsg_out out;

	if (event->buf.len < front) { /* not even a header: end of file */
		event->res = 0;
		return;
	}
	memcpy(&out, event->buf.data, sizeof(out));
	assert(out.namelen == 0);
	event->control_len =
		out.controllen < control_room ? out.controllen : control_room;
	memcpy(op->msg.control, event->buf.data + sizeof(out),
	       event->control_len);
	event->control = op->msg.control;
	event->msg_flags = (int)out.flags;
	event->buf.data += front;
	event->buf.len -= (uint32_t)front;
	event->res = (int)event->buf.len;
}

static void parse_recvmsg(struct uring_op *op, struct uring_event *event)
{
	if (event->res < 0)
		return;
	if (op->multishot) {
		if (event->buf.data)
			parse_multishot(op, event);
		return;
	}
	event->control = op->msg.control;
	event->control_len = op->msg.hdr.msg_controllen;
	event->msg_flags = op->msg.hdr.msg_flags;
}

static void attach_buffer(struct uring_op *op, const struct uring_cqe *cqe,
			  struct uring_event *event)
{
	size_t len = cqe->res > 0 ? (size_t)cqe->res : 0;

	if (op->stage == URING_STAGE_PICKED) {
		uring_bufs_take(op->group, (unsigned)op->result, len,
				&event->buf);
	} else if (cqe->flags & IORING_CQE_F_BUFFER) {
		assert(op->group);
		uring_bufs_take(op->group,
				cqe->flags >> IORING_CQE_BUFFER_SHIFT, len,
				&event->buf);
	}
}

static void count_result(struct uring_stats *stats, int res)
{
	if (res == -ECANCELED)
		stats->cancelled++;
	else if (res == -ENOBUFS)
		stats->nobufs++;
}

unsigned uring_dispatch(struct uring *ring, const struct uring_cqe *cqe)
{
	struct uring_event event = {.res = cqe->res};
	struct uring_op *op;

	if (cqe->user_data & URING_OWN)
		return dispatch_own(ring, cqe);
	op = uring_pool_find(&ring->pool, cqe->user_data);
	if (!op) {
		ring->stats.stale++;
		return 0;
	}
	if (next_stage(ring, op, &event.res))
		return 0;
	event.op = op;
	event.kind = op->kind;
	event.more = cqe->flags & IORING_CQE_F_MORE;
	attach_buffer(op, cqe, &event);
	if (op->kind == URING_OP_RECVMSG)
		parse_recvmsg(op, &event);
	if (event.buf.data && event.res <= 0)
		uring_buf_return(&event.buf); /* nothing in it */
	count_result(&ring->stats, event.res);
	if (!event.more) {
		op->state = URING_OP_ENDING;
		if (op->group)
			op->group->receives--;
	}
	op->target.fn(op->target.owner, &event);
	if (!event.more)
		uring_pool_put(&ring->pool, op);
	return 1;
}
