/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of deleted segments, used again.
 *
 * A new file costs every commit that is written to it: its blocks have to be
 * allocated, a sync has to journal that they are written now, and its pages
 * are new to the page cache (and, in a virtual machine, to the host). So a
 * deleted segment isn't unlinked but renamed, and its file becomes the next
 * spare as it is: blocks, cached pages and map. What an earlier life left
 * behind the end can't be taken for records: each says where it is, and no
 * segment's number is used twice.
 *
 * Not of such use is a file with holes, of another size, or damaged.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/spool/spool_private.h"

bool spool_pool_wants(const struct spool_segment *segment)
{
	const struct spool *spool = segment->spool;

	return spool->recycle && !spool->recovering &&
	       spool->pooled < SPOOL_POOL_MAX && !spool->space_low &&
	       !segment->holed && !segment->damaged &&
	       segment->size == spool->segment_size;
}

int spool_pool_rename(struct spool_segment *segment)
{
	int dir_fd = segment->spool->dir_fd;
	char name[32], aside[32];

	spool_segment_name(segment->number, ".log", name);
	spool_segment_name(segment->number, SPOOL_POOL_SUFFIX, aside);
	if (renameat(dir_fd, name, dir_fd, aside))
		return -1;
	segment->recycling = true;
	segment->spool->pooled++;
	return 0;
}

/* The file is given up after all; its name need not be gone for good. */
static void pool_drop(struct spool_segment *segment)
{
	char aside[32];

	spool_segment_name(segment->number, SPOOL_POOL_SUFFIX, aside);
	unlinkat(segment->spool->dir_fd, aside, 0);
	segment->recycling = false;
	segment->spool->pooled--;
}

bool spool_pool_add(struct spool_segment *segment, bool renamed)
{
	struct spool *spool = segment->spool;

	if (!segment->recycling)
		return false;
	if (!renamed || segment->refs > 1 || spool->space_low) {
		pool_drop(segment);
		return false;
	}
	segment->state = SPOOL_SEGMENT_POOLED;
	segment->next = spool->pool;
	spool->pool = segment;
	return true;
}

static struct spool_segment *pool_pop(struct spool *spool)
{
	struct spool_segment *segment = spool->pool;

	if (segment)
		spool->pool = segment->next;
	return segment;
}

/* A new one with the file, its map, what it has behind its end, and the room
 * that its lists have taken. Whatever else was known is the earlier life's. */
static void segment_begin_again(struct spool_segment *segment, uint32_t number)
{
	struct spool *spool = segment->spool;

	assert(!segment->live && !segment->pins && !segment->messages);
	assert(segment->refs == 1 && segment->later_count == 0);
	spool->pooled--;
	*segment = (struct spool_segment){
		.spool = spool,
		.number = number,
		.seed = spool->seed,
		.refs = 1,
		.fd = segment->fd,
		.direct_fd = segment->direct_fd,
		.size = segment->size,
		.map = segment->map,
		.recycled = true,
		.later = segment->later,
		.later_room = segment->later_room,
		.dead = segment->dead,
		.dead_room = segment->dead_room,
	};
}

struct spool_segment *spool_pool_take(struct spool *spool, uint32_t number)
{
	struct spool_segment *segment = pool_pop(spool);
	char aside[32], name[32];

	if (!segment)
		return NULL;
	spool_segment_name(segment->number, SPOOL_POOL_SUFFIX, aside);
	spool_segment_name(number, ".log", name);
	if (renameat(spool->dir_fd, aside, spool->dir_fd, name)) {
		pool_drop(segment);
		spool_segment_unref(segment);
		return NULL;
	}
	segment_begin_again(segment, number);
	return segment;
}

void spool_pool_empty(struct spool *spool)
{
	struct spool_segment *segment;

	while ((segment = pool_pop(spool))) {
		pool_drop(segment);
		spool_segment_unref(segment);
	}
}
