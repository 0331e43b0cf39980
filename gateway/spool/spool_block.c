/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large bodies past the page cache.
 *
 * The copy into the page cache was the dearest single thing that a large
 * message cost.  A whole chunk's record is made to be a number of blocks, in
 * memory that begins with a block: written with O_DIRECT at a block's begin,
 * the disk takes it from there.  All else goes through the cache as before; a
 * PAD record fills what is left of a block in front of a chunk, so that no
 * block has bytes of both kinds.
 *
 * Nothing may bring a block into the cache while it is being written so: the
 * kernel would take the collision for a lost write, and the next fdatasync()
 * would fail.  Nobody here reads a chunk before it is written, but a page fault
 * or a read next to it reads ahead; so that is turned off for these files.
 *
 * Where the file system or the disk doesn't take it, everything goes through
 * the cache.
 */
#include <fcntl.h>
#include <unistd.h>

#include "gateway/spool/spool_private.h"

void spool_block_open(struct spool_segment *segment, const char *name)
{
	struct spool *spool = segment->spool;

	if (!spool->direct)
		return;
	segment->direct_fd =
		openat(spool->dir_fd, name, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (segment->direct_fd < 0)
		spool->direct = false;
	else
		posix_fadvise(segment->fd, 0, 0, POSIX_FADV_RANDOM);
}

void spool_block_refused(struct spool *spool)
{
	spool->direct = false;
	spool->round.direct = false;
}

static bool is_aligned(const void *data)
{
	return ((uintptr_t)data & (SPOOL_BLOCK - 1)) == 0;
}

bool spool_block_item(const struct spool *spool, const struct spool_item *item)
{
	return spool->direct && item->kind == SPOOL_ITEM_CHUNK &&
	       item->size == SPOOL_BLOCK_RECORD && is_aligned(item->record);
}

bool spool_block_place(const struct spool_segment *segment,
		       const struct spool_extent *extent)
{
	return segment->spool->direct && segment->direct_fd >= 0 &&
	       spool_record_size(extent->length) == SPOOL_BLOCK_RECORD &&
	       ((uint64_t)extent->offset8 << 3 & (SPOOL_BLOCK - 1)) == 0;
}

uint64_t spool_pad_size(uint64_t at)
{
	uint64_t gap = -at & (SPOOL_BLOCK - 1);

	return gap && gap < SPOOL_RECORD_HEADER ? gap + SPOOL_BLOCK : gap;
}

unsigned char *spool_pad_make(struct spool *spool, uint64_t at)
{
	struct spool_segment *segment = spool->current;
	uint32_t length = (uint32_t)spool_pad_size(at) - SPOOL_RECORD_HEADER;

	spool_record_begin(spool->pad, SPOOL_RECORD_PAD, 0, length, 0);
	spool_record_seal(spool->pad, spool_position(segment->number, at),
			  segment->sync_off, segment->seed);
	return spool->pad;
}
