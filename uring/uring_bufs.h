/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group of equal buffers for receiving: one is chosen when data is there, so
 * an idle connection holds none.
 *
 * Two forms behind one face: the kernel chooses from a buffer ring
 * (IORING_REGISTER_PBUF_RING, 5.19); without it the ring polls first and
 * chooses itself.  IORING_OP_PROVIDE_BUFFERS (5.7) is not used, see
 * uring_bufs_list.c.
 *
 * Ownership: a buffer is the ring's until an event carries it, then the
 * event receiver's until uring_buf_return().  Returning twice, or a buffer of
 * another group, is a bug and asserted.
 */
#ifndef URING_URING_BUFS_H
#define URING_URING_BUFS_H

#include <stdbool.h>
#include <stdint.h>

#include "uring/uring_op.h"

struct uring;
struct uring_bufs;

/*
 * uring_bufs_create() - lend @count (power of two, <= 32768) buffers of @size
 * bytes each.  @out is returned owned.  Returns 0 or -errno: -EINVAL (count or
 * size), -ENOMEM, -ENOSPC (65,536 groups have been made on this ring:
 * group numbers are never used again, so that a late receive can't write into
 * another group's memory).
 *
 * A multishot uring_recvmsg_group() needs 16 bytes for its header and the
 * control length of each buffer.
 */
int uring_bufs_create(struct uring *ring, unsigned count, unsigned size,
		      struct uring_bufs **out);

/* uring_bufs_destroy() - all buffers must be back; accepts NULL. Call before
 * uring_destroy(), with no receive of this group in flight. */
void uring_bufs_destroy(struct uring_bufs **bufs);

/* uring_buf_return() - give a buffer back to its group; clears *buf.
 * Accepts a buf whose data is NULL. */
void uring_buf_return(struct uring_buf *buf);

/* Buffers now with event receivers; for leak checks and metrics. */
unsigned uring_bufs_out(const struct uring_bufs *bufs);
unsigned uring_bufs_size(const struct uring_bufs *bufs);

/* uring_bufs_scarce() - more than half of them are with event receivers. Who
 * keeps one then keeps it from somebody else: better copy what is in it. */
bool uring_bufs_scarce(const struct uring_bufs *bufs);

/*
 * After -ENOBUFS an owner waits its turn: fn(owner) is called once from a
 * later uring_turn() when a buffer has come back.  The waiter is embedded in
 * the owner and must be removed before the owner goes away.
 */
struct uring_bufs_waiter {
	struct uring_bufs_waiter *next, *prev; /* NULL when not waiting */
	void (*fn)(void *owner);
	void *owner;
	uint64_t seen; /* private; zero-initialise the struct */
};

/* uring_bufs_wait() - queue @w, first come, first served; no more waiters are
 * called in a turn than buffers are free. Harmless when it waits already. */
void uring_bufs_wait(struct uring_bufs *bufs, struct uring_bufs_waiter *w);

/* uring_bufs_unwait() - forget @w; harmless when it does not wait. */
void uring_bufs_unwait(struct uring_bufs *bufs, struct uring_bufs_waiter *w);

#endif
