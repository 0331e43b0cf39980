/* SPDX-License-Identifier: Apache-2.0 */
/* A socket's beginning and end; waiting for it. */
#include <string.h>

#include "uring/uring_internal.h"

struct uring_op *uring_accept(struct uring *ring, struct uring_target target,
			      int fd)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_ACCEPT, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_ACCEPT, fd, NULL, 0, 0);
	sqe->accept_flags = SOCK_CLOEXEC;
	op->multishot = ring->caps.multishot_accept;
	if (op->multishot)
		sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
	return op;
}

struct uring_op *uring_connect(struct uring *ring, struct uring_target target,
			       int fd, const struct sockaddr *addr,
			       socklen_t len)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_CONNECT, fd, &sqe);

	if (!op)
		return NULL;
	assert(len <= sizeof(op->addr));
	memcpy(&op->addr, addr, len);
	uring_prep(sqe, IORING_OP_CONNECT, fd, &op->addr, 0, len);
	return op;
}

struct uring_op *uring_poll(struct uring *ring, struct uring_target target,
			    int fd, unsigned events)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_POLL, fd, &sqe);

	if (!op)
		return NULL;
	io_uring_prep_poll_add(sqe, fd, events);
	sqe->user_data = uring_op_user_data(op);
	return op;
}

struct uring_op *uring_shutdown(struct uring *ring, struct uring_target target,
				int fd, int how)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_SHUTDOWN, fd, &sqe);

	if (!op)
		return NULL;
	if (ring->caps.op_shutdown) {
		uring_prep(sqe, IORING_OP_SHUTDOWN, fd, NULL, (size_t)how, 0);
		return op;
	}
	op->stage = URING_STAGE_DONE;
	uring_prep(sqe, IORING_OP_NOP, -1, NULL, 0, 0);
	/* Sends queued before must not find the socket shut. */
	if (uring_backlog_flush(ring) == 0)
		(void)uring_submit(ring, 0);
	op->result = ring->backend->ops->sys_shutdown(ring->backend, fd, how);
	return op;
}

struct uring_op *uring_close(struct uring *ring, struct uring_target target,
			     int fd)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_CLOSE, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_CLOSE, fd, NULL, 0, 0);
	return op;
}
