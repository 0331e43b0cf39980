/* SPDX-License-Identifier: Apache-2.0 */
/* Back pressure: waiting for the disk, and the look at free space. */
#include <sys/statvfs.h>

#include "gateway/spool/spool_private.h"

#define SPACE_CHECK_EVERY URING_SEC

bool spool_behind(const struct spool *spool)
{
	return spool->queued >= spool->max_unwritten;
}

static void waiter_insert(struct spool_waiter *waiter,
			  struct spool_waiter *before)
{
	waiter->next = before;
	waiter->prev = before->prev;
	before->prev->next = waiter;
	before->prev = waiter;
}

static void waiter_remove(struct spool_waiter *waiter)
{
	waiter->next->prev = waiter->prev;
	waiter->prev->next = waiter->next;
	waiter->next = NULL;
	waiter->prev = NULL;
}

void spool_wait(struct spool *spool, struct spool_waiter *waiter)
{
	if (waiter->next)
		return;
	waiter_insert(waiter, &spool->waiters);
	/* With nothing in flight no event would come by itself. */
	spool_kick(spool);
}

void spool_unwait(struct spool *spool, struct spool_waiter *waiter)
{
	if (waiter->next)
		waiter_remove(waiter);
}

/* Those who wait again while they are called are behind the fence: a later
 * event is theirs. */
void spool_wake_waiters(struct spool *spool)
{
	struct spool_waiter *fence = &spool->fence;

	if (spool->waiters.next == &spool->waiters)
		return;
	waiter_insert(fence, &spool->waiters);
	while (!spool_behind(spool) && spool->waiters.next != fence) {
		struct spool_waiter *waiter = spool->waiters.next;

		waiter_remove(waiter);
		waiter->fn(waiter->owner);
	}
	waiter_remove(fence);
	if (!spool_behind(spool) && spool->waiters.next != &spool->waiters)
		spool_kick(spool);
}

/* Some file systems have no number of inodes, and say 0. */
static bool is_low(const struct statvfs *fs, unsigned percent)
{
	return (uint64_t)fs->f_bavail * 100 <
		       (uint64_t)fs->f_blocks * percent ||
	       (uint64_t)fs->f_favail * 100 < (uint64_t)fs->f_files * percent;
}

bool spool_space_low(struct spool *spool)
{
	uint64_t now = uring_now(spool->ring);
	struct statvfs fs;

	if (!spool->min_free_percent)
		return false;
	if (spool->space_checked &&
	    now - spool->space_checked < SPACE_CHECK_EVERY)
		return spool->space_low;
	spool->space_checked = now;
	if (fstatvfs(spool->dir_fd, &fs))
		return spool->space_low;
	spool->space_low = is_low(&fs, spool->min_free_percent);
	if (spool->space_low) {
		spool_pool_empty(spool);
		spool_give_back_due(spool);
	}
	return spool->space_low;
}
