/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of operations: grown slab by slab, never shrunk, so that an op's
 * address and slot stay good for the life of the ring.
 */
#include "uring/uring_op.h"

#include <errno.h>
#include <stdlib.h>

#include "uring/uring_internal.h"

int uring_pool_init(struct uring_op_pool *pool, unsigned max_ops)
{
	assert(max_ops > 0 && max_ops <= URING_MAX_OPS);
	*pool = (struct uring_op_pool){.max_ops = max_ops};
	return 0;
}

void uring_pool_free(struct uring_op_pool *pool)
{
	for (unsigned i = 0; i < pool->slab_count; i++)
		free(pool->slabs[i]);
	free(pool->slabs);
	*pool = (struct uring_op_pool){0};
}

static int slab_table_grow(struct uring_op_pool *pool)
{
	unsigned room = pool->slab_room ? pool->slab_room * 2 : 4;
	struct uring_op **slabs;

	slabs = reallocarray(pool->slabs, room, sizeof(struct uring_op *));
	if (!slabs)
		return -ENOMEM;
	pool->slabs = slabs;
	pool->slab_room = room;
	return 0;
}

static int pool_grow(struct uring_op_pool *pool)
{
	unsigned first = pool->slab_count * URING_SLAB_OPS;
	struct uring_op *slab;
	unsigned n;

	if (pool->slab_count == pool->slab_room && slab_table_grow(pool) != 0)
		return -ENOMEM;
	slab = calloc(URING_SLAB_OPS, sizeof(*slab));
	if (!slab)
		return -ENOMEM;
	pool->slabs[pool->slab_count++] = slab;
	n = pool->max_ops - first;
	if (n > URING_SLAB_OPS)
		n = URING_SLAB_OPS;
	while (n-- > 0) {
		slab[n].slot = first + n;
		slab[n].generation = 1;
		slab[n].next_free = pool->free;
		pool->free = &slab[n];
	}
	return 0;
}

struct uring_op *uring_pool_get(struct uring_op_pool *pool)
{
	struct uring_op *op;

	if (pool->inflight == pool->max_ops)
		return NULL;
	if (!pool->free && pool_grow(pool) != 0)
		return NULL;
	op = pool->free;
	assert(op->state == URING_OP_FREE);
	pool->free = op->next_free;
	op->next_free = NULL;
	pool->inflight++;
	return op;
}

void uring_pool_put(struct uring_op_pool *pool, struct uring_op *op)
{
	assert(op->state != URING_OP_FREE);
	assert(pool->inflight > 0);
	op->state = URING_OP_FREE;
	op->generation = (op->generation + 1) & URING_GENERATION_MASK;
	op->next_free = pool->free;
	pool->free = op;
	pool->inflight--;
}

struct uring_op *uring_pool_find(const struct uring_op_pool *pool,
				 uint64_t user_data)
{
	uint32_t generation = (uint32_t)(user_data >> 32);
	uint32_t slot = (uint32_t)user_data;
	struct uring_op *op;

	if ((user_data & URING_OWN) ||
	    slot >= pool->slab_count * URING_SLAB_OPS)
		return NULL;
	op = &pool->slabs[slot / URING_SLAB_OPS][slot % URING_SLAB_OPS];
	if (op->state != URING_OP_FLYING || op->generation != generation)
		return NULL;
	return op;
}

uint64_t uring_op_user_data(const struct uring_op *op)
{
	return (uint64_t)op->generation << 32 | op->slot;
}

struct uring_op *uring_op_start(struct uring *ring, struct uring_target target,
				enum uring_op_kind kind, int fd,
				struct io_uring_sqe **sqe)
{
	struct uring_op *op = uring_pool_get(&ring->pool);

	assert(target.fn);
	if (!op)
		return NULL;
	op->target = target;
	op->group = NULL;
	op->fd = fd;
	op->result = 0;
	op->kind = kind;
	op->state = URING_OP_FLYING;
	op->stage = URING_STAGE_RESULT;
	op->cancelled = false;
	op->cancel_unsent = false;
	op->multishot = false;
	*sqe = uring_sqe(ring);
	if (!*sqe) {
		uring_pool_put(&ring->pool, op);
		return NULL;
	}
	(*sqe)->user_data = uring_op_user_data(op);
	return op;
}

static const char *const kind_names[URING_OP_KINDS] = {
	[URING_OP_NOP] = "nop",
	[URING_OP_ACCEPT] = "accept",
	[URING_OP_CONNECT] = "connect",
	[URING_OP_RECV] = "recv",
	[URING_OP_RECVMSG] = "recvmsg",
	[URING_OP_SEND] = "send",
	[URING_OP_SENDMSG] = "sendmsg",
	[URING_OP_SPLICE] = "splice",
	[URING_OP_POLL] = "poll",
	[URING_OP_SHUTDOWN] = "shutdown",
	[URING_OP_CLOSE] = "close",
	[URING_OP_READ] = "read",
	[URING_OP_WRITEV] = "writev",
	[URING_OP_FDATASYNC] = "fdatasync",
	[URING_OP_FALLOCATE] = "fallocate",
	[URING_OP_MADVISE] = "madvise",
};

const char *uring_op_kind_name(enum uring_op_kind kind)
{
	if ((unsigned)kind >= URING_OP_KINDS)
		return "?";
	return kind_names[kind];
}
