/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving.  Three ways into a buffer of a group, by what the kernel has:
 *  - multishot (6.0): one request, an event per piece;
 *  - single-shot with a buffer ring (5.19): the kernel takes a buffer when
 *    data is there and gives it back when it was mistaken;
 *  - neither: the op polls, and when something is there, a buffer is picked
 *    here and received into.
 */
#include <errno.h>
#include <poll.h>

#include "uring/uring_internal.h"

static void prep_multishot(struct uring_op *op, struct io_uring_sqe *sqe)
{
	op->multishot = true;
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	if (op->kind == URING_OP_RECV)
		sqe->len = 0; /* required; whole buffers are used */
	else
		op->msg.hdr.msg_iovlen = 0;
}

static void prep_group(struct uring_op *op, struct io_uring_sqe *sqe)
{
	if (op->kind == URING_OP_RECV)
		uring_prep(sqe, IORING_OP_RECV, op->fd, NULL, op->group->size,
			   0);
	else
		uring_prep(sqe, IORING_OP_RECVMSG, op->fd, &op->msg.hdr, 1, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = op->group->group;
}

static void start_group(struct uring_op *op, struct uring_bufs *group,
			bool multishot, struct io_uring_sqe *sqe)
{
	op->group = group;
	group->receives++;
	if (!group->entries) {
		op->stage = URING_STAGE_POLLED;
		io_uring_prep_poll_add(sqe, op->fd, POLLIN);
		sqe->user_data = uring_op_user_data(op);
		return;
	}
	prep_group(op, sqe);
	if (multishot && group->ring->caps.multishot_recv)
		prep_multishot(op, sqe);
}

static void prep_picked(struct uring_op *op, struct io_uring_sqe *sqe, int id)
{
	struct uring_bufs *group = op->group;
	void *memory = group->memory + (size_t)id * group->size;

	op->stage = URING_STAGE_PICKED;
	op->result = id;
	if (op->kind == URING_OP_RECV) {
		uring_prep(sqe, IORING_OP_RECV, op->fd, memory, group->size, 0);
	} else {
		op->msg.iov[0].iov_base = memory;
		uring_prep(sqe, IORING_OP_RECVMSG, op->fd, &op->msg.hdr, 1, 0);
	}
	sqe->user_data = uring_op_user_data(op);
}

bool uring_recv_readable(struct uring *ring, struct uring_op *op, int *res)
{
	struct io_uring_sqe *sqe;
	int id = uring_bufs_list_pick(op->group);

	if (id < 0) {
		*res = id;
		return false;
	}
	sqe = uring_sqe(ring);
	if (!sqe) {
		uring_bufs_list_give(op->group, (unsigned)id);
		*res = -ENOMEM;
		return false;
	}
	prep_picked(op, sqe, id);
	return true;
}

static void init_msg(struct uring_op *op, void *buf, size_t len,
		     size_t control_len)
{
	struct uring_op_msg *msg = &op->msg;

	assert(control_len <= URING_CONTROL_MAX);
	msg->iov[0] = (struct iovec){.iov_base = buf, .iov_len = len};
	msg->hdr = (struct msghdr){
		.msg_iov = msg->iov,
		.msg_iovlen = 1,
		.msg_control = control_len ? msg->control : NULL,
		.msg_controllen = control_len,
	};
}

struct uring_op *uring_recv(struct uring *ring, struct uring_target target,
			    int fd, void *buf, size_t len, int flags)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_RECV, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_RECV, fd, buf, len, 0);
	sqe->msg_flags = (uint32_t)flags;
	return op;
}

struct uring_op *uring_recv_group(struct uring *ring,
				  struct uring_target target, int fd,
				  struct uring_bufs *group, bool multishot)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_RECV, fd, &sqe);

	assert(group->ring == ring);
	if (!op)
		return NULL;
	start_group(op, group, multishot, sqe);
	return op;
}

struct uring_op *uring_recvmsg_group(struct uring *ring,
				     struct uring_target target, int fd,
				     struct uring_bufs *group,
				     size_t control_len, bool multishot)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_RECVMSG, fd, &sqe);

	assert(group->ring == ring);
	assert(group->size > sizeof(struct io_uring_recvmsg_out) + control_len);
	if (!op)
		return NULL;
	init_msg(op, NULL, group->size, control_len);
	start_group(op, group, multishot, sqe);
	return op;
}

struct uring_op *uring_recvmsg_group_now(struct uring *ring,
					 struct uring_target target, int fd,
					 struct uring_bufs *group,
					 size_t control_len)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_RECVMSG, fd, &sqe);

	assert(group->ring == ring && group->entries);
	if (!op)
		return NULL;
	init_msg(op, NULL, group->size, control_len);
	start_group(op, group, false, sqe);
	sqe->msg_flags = MSG_DONTWAIT;
	return op;
}

struct uring_op *uring_recvmsg(struct uring *ring, struct uring_target target,
			       int fd, void *buf, size_t len,
			       size_t control_len)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_RECVMSG, fd, &sqe);

	if (!op)
		return NULL;
	init_msg(op, buf, len, control_len);
	uring_prep(sqe, IORING_OP_RECVMSG, fd, &op->msg.hdr, 1, 0);
	return op;
}
