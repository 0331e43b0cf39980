/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers given by request (IORING_OP_PROVIDE_BUFFERS), for kernels without
 * buffer rings.  What comes back during a turn is collected and given back in
 * runs of neighbouring ids before the next submit, ahead of any receive that
 * its owner queues when told.  The requests' completions are the ring's own.
 */
#include <errno.h>
#include <stdlib.h>

#include "uring/uring_internal.h"

/* A PROVIDE's user_data: what to give again if the kernel had no memory. */
static uint64_t run_data(const struct uring_bufs *bufs, unsigned first,
			 unsigned count)
{
	return (uint64_t)bufs->group << 32 | (uint64_t)first << 16 | count;
}

static bool send_run(struct uring_bufs *bufs, unsigned first, unsigned count)
{
	struct io_uring_sqe *sqe = uring_sqe(bufs->ring);

	if (!sqe)
		return false;
	uring_prep(sqe, IORING_OP_PROVIDE_BUFFERS, (int)count,
		   bufs->memory + (size_t)first * bufs->size, bufs->size,
		   first);
	sqe->buf_group = bufs->group;
	sqe->user_data =
		uring_own_data(URING_OWN_PROVIDE, run_data(bufs, first, count));
	return true;
}

int uring_bufs_legacy_init(struct uring_bufs *bufs)
{
	bufs->pending = calloc(bufs->count, sizeof(uint16_t));
	if (!bufs->pending)
		return -ENOMEM;
	return send_run(bufs, 0, bufs->count) ? 0 : -ENOMEM;
}

void uring_bufs_legacy_give(struct uring_bufs *bufs, unsigned id)
{
	assert(bufs->pending_count < bufs->count);
	bufs->pending[bufs->pending_count++] = (uint16_t)id;
}

/* Length of the run of neighbours that starts at pending[at]. */
static unsigned run_length(const struct uring_bufs *bufs, unsigned at)
{
	unsigned n = 1;

	while (at + n < bufs->pending_count &&
	       bufs->pending[at + n] == bufs->pending[at] + n)
		n++;
	return n;
}

void uring_bufs_legacy_flush(struct uring_bufs *bufs)
{
	unsigned done = 0;
	unsigned n, left;

	while (done < bufs->pending_count) {
		n = run_length(bufs, done);
		if (!send_run(bufs, bufs->pending[done], n))
			break;
		done += n;
	}
	left = bufs->pending_count - done;
	for (unsigned i = 0; i < left; i++)
		bufs->pending[i] = bufs->pending[done + i];
	bufs->pending_count = left;
}

void uring_bufs_legacy_free(struct uring_bufs *bufs)
{
	struct io_uring_sqe *sqe = uring_sqe(bufs->ring);

	/* Frees the kernel's list; without it, the list goes with the ring. */
	if (!sqe)
		return;
	uring_prep(sqe, IORING_OP_REMOVE_BUFFERS, (int)bufs->count, NULL, 0, 0);
	sqe->buf_group = bufs->group;
	sqe->user_data = uring_own_data(URING_OWN_REMOVE, 0);
}

static struct uring_bufs *find_group(struct uring *ring, unsigned group)
{
	struct uring_bufs *bufs = ring->groups;

	while (bufs && bufs->group != group)
		bufs = bufs->next;
	return bufs;
}

void uring_bufs_legacy_done(struct uring *ring, uint64_t data, int res)
{
	struct uring_bufs *bufs;
	unsigned first = (data >> 16) & 0xffff;
	unsigned count = data & 0xffff;

	if (res >= 0)
		return;
	bufs = find_group(ring, (unsigned)(data >> 32));
	for (unsigned i = 0; bufs && i < count; i++)
		uring_bufs_legacy_give(bufs, first + i);
}
