/* SPDX-License-Identifier: Apache-2.0 */
/* Files and memory. */
#include "uring/uring_internal.h"

struct uring_op *uring_read(struct uring *ring, struct uring_target target,
			    int fd, void *buf, size_t len, uint64_t offset)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_READ, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_READ, fd, buf, len, offset);
	return op;
}

struct uring_op *uring_writev(struct uring *ring, struct uring_target target,
			      int fd, const struct iovec *iov, unsigned iovcnt,
			      uint64_t offset)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_WRITEV, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_WRITEV, fd, iov, iovcnt, offset);
	return op;
}

struct uring_op *uring_fdatasync(struct uring *ring, struct uring_target target,
				 int fd)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_FDATASYNC, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_FSYNC, fd, NULL, 0, 0);
	sqe->fsync_flags = IORING_FSYNC_DATASYNC;
	return op;
}

struct uring_op *uring_fsync(struct uring *ring, struct uring_target target,
			     int fd)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_FDATASYNC, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_FSYNC, fd, NULL, 0, 0);
	return op;
}

struct uring_op *uring_fallocate(struct uring *ring, struct uring_target target,
				 int fd, int mode, uint64_t offset,
				 uint64_t len)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_FALLOCATE, fd, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_FALLOCATE, fd, NULL, 0, offset);
	sqe->len = (uint32_t)mode;
	sqe->addr = len;
	return op;
}

struct uring_op *uring_madvise(struct uring *ring, struct uring_target target,
			       void *addr, size_t len, int advice)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_MADVISE, -1, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_MADVISE, -1, addr, len, 0);
	sqe->fadvise_advice = (uint32_t)advice;
	return op;
}

struct uring_op *uring_nop(struct uring *ring, struct uring_target target)
{
	struct io_uring_sqe *sqe;
	struct uring_op *op =
		uring_op_start(ring, target, URING_OP_NOP, -1, &sqe);

	if (!op)
		return NULL;
	uring_prep(sqe, IORING_OP_NOP, -1, NULL, 0, 0);
	return op;
}
