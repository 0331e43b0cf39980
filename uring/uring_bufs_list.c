/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers for kernels without buffer rings: the ring picks one itself when a
 * socket is readable.  IORING_OP_PROVIDE_BUFFERS is not used: kernels of that
 * age keep a buffer with every request that waits, so that idle connections
 * hold them all, and 5.10's first releases crash on a RECVMSG that selects
 * one.
 */
#include <errno.h>
#include <stdlib.h>

#include "uring/uring_internal.h"

int uring_bufs_list_init(struct uring_bufs *bufs)
{
	bufs->free_ids = calloc(bufs->count, sizeof(uint16_t));
	if (!bufs->free_ids)
		return -ENOMEM;
	while (bufs->free_count < bufs->count) {
		bufs->free_ids[bufs->free_count] = (uint16_t)bufs->free_count;
		bufs->free_count++;
	}
	return 0;
}

void uring_bufs_list_give(struct uring_bufs *bufs, unsigned id)
{
	assert(bufs->free_count < bufs->count);
	bufs->free_ids[bufs->free_count++] = (uint16_t)id;
}

int uring_bufs_list_pick(struct uring_bufs *bufs)
{
	if (bufs->free_count == 0)
		return -ENOBUFS;
	return bufs->free_ids[--bufs->free_count]; /* the warmest */
}
