/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancelling by user_data.  The request is queued behind the op's own SQE, so
 * an op that is only queued is found too; one that has ended meanwhile isn't
 * (-ENOENT, which nobody sees), and its generation keeps the request from
 * hitting the slot's next user.
 */
#include "uring/uring_internal.h"

static void cancel_send(struct uring *ring, struct uring_op *op)
{
	struct io_uring_sqe *sqe = uring_sqe(ring);

	op->cancel_unsent = !sqe;
	if (!sqe) {
		ring->cancels_unsent = true;
		return;
	}
	uring_prep(sqe, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 0);
	sqe->addr = uring_op_user_data(op);
	sqe->user_data = uring_own_data(URING_OWN_CANCEL, 0);
}

void uring_op_cancel(struct uring *ring, struct uring_op *op)
{
	assert(op->state != URING_OP_FREE); /* the owner kept a dead pointer */
	if (op->state != URING_OP_FLYING || op->cancelled)
		return;
	op->cancelled = true;
	/* A cancelled close would leave the descriptor open; a finished
	 * system call can't be taken back. */
	if (op->kind == URING_OP_CLOSE || op->stage == URING_STAGE_DONE)
		return;
	cancel_send(ring, op);
}

static void for_each_flying(struct uring *ring,
			    void (*fn)(struct uring *, struct uring_op *))
{
	struct uring_op_pool *pool = &ring->pool;

	for (unsigned i = 0; i < pool->slab_count; i++)
		for (unsigned k = 0; k < URING_SLAB_OPS; k++)
			if (pool->slabs[i][k].state == URING_OP_FLYING)
				fn(ring, &pool->slabs[i][k]);
}

static void retry_unsent(struct uring *ring, struct uring_op *op)
{
	if (op->cancel_unsent)
		cancel_send(ring, op);
}

void uring_cancel_unsent(struct uring *ring)
{
	ring->cancels_unsent = false;
	for_each_flying(ring, retry_unsent);
}

void uring_cancel_all(struct uring *ring)
{
	for_each_flying(ring, uring_op_cancel);
}
