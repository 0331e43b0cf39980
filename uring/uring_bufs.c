/* SPDX-License-Identifier: Apache-2.0 */
/* Buffer groups: who holds which buffer, and who waits for one. */
#include "uring/uring_bufs.h"

#include <errno.h>
#include <stdlib.h>

#include "uring/uring_internal.h"

static void waiters_init(struct uring_bufs *bufs)
{
	bufs->waiters.next = bufs->waiters.prev = &bufs->waiters;
}

static int bufs_alloc(struct uring_bufs *bufs)
{
	size_t bytes = (size_t)bufs->count * bufs->size;

	bufs->memory = malloc(bytes);
	bufs->out_map = calloc((bufs->count + 63) / 64, sizeof(uint64_t));
	if (!bufs->memory || !bufs->out_map)
		return -ENOMEM;
	if (bufs->ring->caps.buf_ring)
		return uring_bufs_ring_init(bufs);
	return uring_bufs_list_init(bufs);
}

static void bufs_free(struct uring_bufs *bufs)
{
	if (bufs->entries)
		uring_bufs_ring_free(bufs);
	free(bufs->free_ids);
	free(bufs->out_map);
	free(bufs->memory);
	free(bufs);
}

int uring_bufs_create(struct uring *ring, unsigned count, unsigned size,
		      struct uring_bufs **out)
{
	struct uring_bufs *bufs;
	int err;

	*out = NULL;
	if (count == 0 || count > URING_MAX_BUFS ||
	    (count & (count - 1)) != 0 || size == 0 || size > URING_MAX_LEN)
		return -EINVAL;
	if (ring->next_group == URING_MAX_GROUPS)
		return -ENOSPC;
	bufs = calloc(1, sizeof(*bufs));
	if (!bufs)
		return -ENOMEM;
	bufs->ring = ring;
	bufs->count = count;
	bufs->size = size;
	bufs->group = (uint16_t)ring->next_group++;
	bufs->returns = 1;
	waiters_init(bufs);
	err = bufs_alloc(bufs);
	if (err) {
		bufs_free(bufs);
		return err;
	}
	bufs->next = ring->groups;
	ring->groups = bufs;
	*out = bufs;
	return 0;
}

static void bufs_unlink(struct uring_bufs *bufs)
{
	struct uring_bufs **link = &bufs->ring->groups;

	while (*link != bufs)
		link = &(*link)->next;
	*link = bufs->next;
}

void uring_bufs_destroy(struct uring_bufs **bufsp)
{
	struct uring_bufs *bufs = *bufsp;

	if (!bufs)
		return;
	assert(bufs->out == 0);
	assert(bufs->receives == 0);
	assert(bufs->waiters.next == &bufs->waiters);
	*bufsp = NULL;
	bufs_unlink(bufs);
	bufs_free(bufs);
}

void uring_bufs_take(struct uring_bufs *bufs, unsigned id, size_t len,
		     struct uring_buf *buf)
{
	uint64_t bit = UINT64_C(1) << (id % 64);

	assert(id < bufs->count);
	assert(len <= bufs->size);
	assert(!(bufs->out_map[id / 64] & bit)); /* the kernel's until now */
	bufs->out_map[id / 64] |= bit;
	bufs->out++;
	*buf = (struct uring_buf){
		.group = bufs,
		.data = bufs->memory + (size_t)id * bufs->size,
		.len = (uint32_t)len,
		.id = (uint16_t)id,
	};
}

void uring_buf_return(struct uring_buf *buf)
{
	struct uring_bufs *bufs = buf->group;
	uint64_t bit = UINT64_C(1) << (buf->id % 64);
	unsigned id = buf->id;

	if (!buf->data)
		return;
	assert(id < bufs->count);
	/* This very buffer (data may lie behind a header) ... */
	assert(buf->data >= bufs->memory + (size_t)id * bufs->size);
	assert(buf->data <= bufs->memory + (size_t)(id + 1) * bufs->size);
	/* ... and not returned before. */
	assert(bufs->out_map[id / 64] & bit);
	assert(bufs->out > 0);
	bufs->out_map[id / 64] &= ~bit;
	bufs->out--;
	bufs->returns++;
	bufs->changed = true;
	if (bufs->entries)
		uring_bufs_ring_give(bufs, id);
	else
		uring_bufs_list_give(bufs, id);
	*buf = (struct uring_buf){0};
}

unsigned uring_bufs_out(const struct uring_bufs *bufs)
{
	return bufs->out;
}

unsigned uring_bufs_size(const struct uring_bufs *bufs)
{
	return bufs->size;
}

bool uring_bufs_scarce(const struct uring_bufs *bufs)
{
	return bufs->out > bufs->count / 2;
}

/*
 * Waiters.  -ENOBUFS says that there was no buffer when the kernel looked;
 * some may have come back since, so a new waiter gets one try at once.  One
 * whose last try failed is called again only after a buffer has come back
 * since that try (`seen`), or it would spin while the kernel holds them all.
 * Whatever holds a buffer ends in an event or a return, so none is forgotten.
 */
void uring_bufs_wait(struct uring_bufs *bufs, struct uring_bufs_waiter *w)
{
	assert(w->fn);
	if (w->next)
		return;
	w->next = &bufs->waiters;
	w->prev = bufs->waiters.prev;
	w->prev->next = w;
	bufs->waiters.prev = w;
	bufs->changed = true;
}

static void waiter_remove(struct uring_bufs_waiter *w)
{
	w->prev->next = w->next;
	w->next->prev = w->prev;
	w->next = w->prev = NULL;
}

void uring_bufs_unwait(struct uring_bufs *bufs, struct uring_bufs_waiter *w)
{
	if (w->next)
		waiter_remove(w);
	assert(!w->next);
	(void)bufs;
}

/* Buffers that a receive could get now: of a list exactly, of a ring at most
 * (the kernel may have filled some already). */
static unsigned bufs_free_count(const struct uring_bufs *bufs)
{
	return bufs->entries ? bufs->count - bufs->out : bufs->free_count;
}

static bool bufs_hopeful(const struct uring_bufs *bufs)
{
	return bufs->changed && bufs_free_count(bufs) > 0 &&
	       bufs->waiters.next != &bufs->waiters;
}

bool uring_bufs_waiting(const struct uring *ring)
{
	const struct uring_bufs *bufs;

	for (bufs = ring->groups; bufs; bufs = bufs->next)
		if (bufs_hopeful(bufs))
			return true;
	return false;
}

/* The first waiter that has not had its try, or NULL. */
static struct uring_bufs_waiter *next_waiter(struct uring_bufs *bufs)
{
	struct uring_bufs_waiter *w = bufs->waiters.next;

	while (w != &bufs->waiters && w->seen == bufs->returns)
		w = w->next;
	return w == &bufs->waiters ? NULL : w;
}

static unsigned bufs_run_waiters(struct uring_bufs *bufs)
{
	unsigned room = bufs_free_count(bufs);
	struct uring_bufs_waiter *w;
	unsigned called = 0;

	while (called < room && (w = next_waiter(bufs))) {
		w->seen = bufs->returns;
		waiter_remove(w);
		called++;
		w->fn(w->owner);
	}
	/* Those that are left get their turn in the next one. */
	bufs->changed = next_waiter(bufs) != NULL;
	return called;
}

unsigned uring_bufs_run_waiters(struct uring *ring)
{
	struct uring_bufs *bufs = ring->groups, *next;
	unsigned called = 0;

	for (; bufs; bufs = next) {
		next = bufs->next;
		if (bufs_hopeful(bufs))
			called += bufs_run_waiters(bufs);
	}
	return called;
}
