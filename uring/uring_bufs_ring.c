/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers in a ring shared with the kernel (IORING_REGISTER_PBUF_RING):
 * giving one back is two stores.  liburing 2.3 has no full set of helpers for
 * it, so the layout of <linux/io_uring.h> is used directly: entries, the tail
 * in the first one's resv field.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uring/uring_internal.h"

static void ring_add(struct uring_bufs *bufs, unsigned id)
{
	struct io_uring_buf *entry;

	entry = &bufs->entries[bufs->tail & (bufs->count - 1)];
	entry->addr =
		(uint64_t)(uintptr_t)(bufs->memory + (size_t)id * bufs->size);
	entry->len = bufs->size;
	entry->bid = (uint16_t)id; /* resv is left alone: it may be the tail */
	bufs->tail++;
}

static void ring_publish(struct uring_bufs *bufs)
{
	/* The kernel reads the entries after it has seen the tail. */
	__atomic_store_n(&bufs->entries[0].resv, bufs->tail, __ATOMIC_RELEASE);
}

int uring_bufs_ring_init(struct uring_bufs *bufs)
{
	struct uring_backend *backend = bufs->ring->backend;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = bufs->count * sizeof(struct io_uring_buf);
	struct io_uring_buf *entries;
	int err;

	bytes = (bytes + page - 1) & ~(page - 1);
	entries = aligned_alloc(page, bytes);
	if (!entries)
		return -ENOMEM;
	memset(entries, 0, bytes);
	err = backend->ops->buf_ring_register(backend, entries, bufs->count,
					      bufs->group);
	if (err) {
		free(entries);
		return err;
	}
	bufs->entries = entries;
	for (unsigned id = 0; id < bufs->count; id++)
		ring_add(bufs, id);
	ring_publish(bufs);
	return 0;
}

void uring_bufs_ring_give(struct uring_bufs *bufs, unsigned id)
{
	ring_add(bufs, id);
	ring_publish(bufs);
}

void uring_bufs_ring_free(struct uring_bufs *bufs)
{
	struct uring_backend *backend = bufs->ring->backend;

	(void)backend->ops->buf_ring_unregister(backend, bufs->group);
	free(bufs->entries);
	bufs->entries = NULL;
}
