/* SPDX-License-Identifier: Apache-2.0 */
/* Sending, and splice(2). */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "uring/uring_internal.h"

struct uring_op *uring_send(struct uring *ring, struct uring_target target,
			    int fd, const void *buf, size_t len, int flags)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_SEND, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_SEND, fd, buf, len, 0);
	sqe->msg_flags = (uint32_t)(flags | MSG_NOSIGNAL);
	return op;
}

/*
 * The first io_urings refuse control data.  There the op waits until the
 * socket is writable and sends by system call: behind all that was queued
 * before, and without a worker that blocks.
 */
static void prep_writable(struct uring_op *op, struct io_uring_sqe *sqe)
{
	op->stage = URING_STAGE_SENDABLE;
	io_uring_prep_poll_add(sqe, op->fd, POLLOUT);
	sqe->user_data = uring_op_user_data(op);
}

bool uring_send_writable(struct uring *ring, struct uring_op *op, int *res)
{
	struct io_uring_sqe *sqe;

	*res = ring->backend->ops->sys_sendmsg(ring->backend, op->fd,
					       &op->msg.hdr, op->result);
	if (*res != -EAGAIN)
		return false;
	sqe = uring_sqe(ring);
	if (!sqe) {
		*res = -ENOMEM;
		return false;
	}
	prep_writable(op, sqe);
	return true;
}

static void copy_msg(struct uring_op_msg *msg, const struct iovec *iov,
		     unsigned iovcnt, const void *control, size_t control_len)
{
	assert(iovcnt <= URING_IOV_MAX);
	assert(control_len <= URING_CONTROL_MAX);
	if (iovcnt > 0)
		memcpy(msg->iov, iov, iovcnt * sizeof(*iov));
	if (control_len > 0)
		memcpy(msg->control, control, control_len);
	msg->hdr = (struct msghdr){
		.msg_iov = msg->iov,
		.msg_iovlen = iovcnt,
		.msg_control = control_len ? msg->control : NULL,
		.msg_controllen = control_len,
	};
}

struct uring_op *uring_sendmsg(struct uring *ring, struct uring_target target,
			       int fd, const struct iovec *iov, unsigned iovcnt,
			       const void *control, size_t control_len,
			       int flags)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_SENDMSG, fd, &sqe);

	if (!op)
		return NULL;
	copy_msg(&op->msg, iov, iovcnt, control, control_len);
	flags |= MSG_NOSIGNAL;
	if (control_len > 0 && !ring->caps.sendmsg_control) {
		op->result = flags;
		prep_writable(op, sqe);
		return op;
	}
	uring_prep(sqe, IORING_OP_SENDMSG, fd, &op->msg.hdr, 1, 0);
	sqe->msg_flags = (uint32_t)flags;
	return op;
}

struct uring_op *uring_splice(struct uring *ring, struct uring_target target,
			      int fd_in, int64_t off_in, int fd_out,
			      int64_t off_out, unsigned len, unsigned flags)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_SPLICE, fd_out, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_SPLICE, fd_out, NULL, len, (uint64_t)off_out);
	sqe->splice_off_in = (uint64_t)off_in;
	sqe->splice_fd_in = fd_in;
	sqe->splice_flags = flags;
	return op;
}
