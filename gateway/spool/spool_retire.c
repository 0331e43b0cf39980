/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving space back: holes under big finished messages, whole segments when
 * nothing in them is needed.
 *
 * What a segment is needed for: its live records, and its records about
 * messages of earlier segments that still exist.  Deleting a result before
 * its message would bring the message back at the next start; so a segment
 * is pinned by every earlier one that it says something about, until that
 * one's unlink is on stable storage.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/spool/spool_private.h"

#define BLOCK UINT64_C(4096)

/* --- pins --- */

void spool_segment_pin(struct spool_segment *segment,
		       struct spool_segment *later)
{
	unsigned i = segment->later_count;

	if (segment == later)
		return;
	while (i > 0 && segment->later[i - 1].in != later)
		i--;
	if (i > 0) {
		segment->later[i - 1].count++;
		later->pins++;
		return;
	}
	if (segment->later_count == segment->later_room) {
		unsigned room =
			segment->later_room ? 2 * segment->later_room : 8;
		struct spool_pin *grown = reallocarray(segment->later, room,
						       sizeof(*segment->later));

		if (!grown) {
			later->pins++; /* never undone: kept too long */
			return;
		}
		segment->later = grown;
		segment->later_room = room;
	}
	segment->later[segment->later_count++] =
		(struct spool_pin){.in = later, .count = 1};
	later->pins++;
}

void spool_segment_unpin_all(struct spool_segment *segment)
{
	for (unsigned i = 0; i < segment->later_count; i++) {
		struct spool_pin *pin = &segment->later[i];

		assert(pin->in->pins >= pin->count);
		pin->in->pins -= pin->count;
		spool_segment_settle(pin->in);
	}
	segment->later_count = 0;
}

/* --- live records --- */

void spool_extent_use(struct spool_segment *segment, uint32_t length)
{
	uint64_t size = spool_record_size(length);

	segment->live++;
	segment->live_bytes += size;
	segment->spool->stats.bytes_live += size;
}

void spool_extent_drop(struct spool_segment *segment, uint32_t length)
{
	uint64_t size = spool_record_size(length);

	assert(segment->live && segment->live_bytes >= size);
	segment->live--;
	segment->live_bytes -= size;
	segment->spool->stats.bytes_live -= size;
	spool_segment_settle(segment);
}

/* --- the folder's fsync --- */

static void on_folder_synced(void *owner, const struct uring_event *event);

void spool_folder_sync_start(struct spool *spool)
{
	struct uring_target target = {.fn = on_folder_synced, .owner = spool};

	if (!spool->naming || spool->naming_now)
		return;
	if (!uring_fsync(spool->ring, target, spool->dir_fd)) {
		spool_retry_soon(spool);
		return;
	}
	spool->inflight++;
	spool->naming_now = spool->naming;
	spool->naming = NULL;
}

void spool_folder_sync(struct spool *spool, struct spool_segment *segment)
{
	segment->next_naming = spool->naming;
	spool->naming = segment;
	spool_folder_sync_start(spool);
}

static void on_emptied(void *owner, const struct uring_event *event)
{
	struct spool_segment *segment = owner;
	struct spool *spool = segment->spool;

	spool_segment_unref(segment);
	spool->inflight--;
}

/* The name is gone for good: nothing about this segment is needed. Its
 * blocks are kept for a new segment or punched, so that closing it costs this
 * thread nothing. */
static void segment_empty(struct spool_segment *segment, bool for_good)
{
	struct spool *spool = segment->spool;
	struct uring_target target = {.fn = on_emptied, .owner = segment};

	spool_segment_unpin_all(segment);
	if (spool_pool_add(segment, for_good))
		return;
	segment->state = SPOOL_SEGMENT_EMPTYING;
	if (!segment->damaged && /* else it lives on as .bad */
	    uring_fallocate(spool->ring, target, segment->fd,
			    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			    segment->size))
		spool->inflight++;
	else
		spool_segment_unref(segment);
}

/* A folder that can't be synced may bring unlinked segments back: what is
 * said about them stays, their pins are never undone. */
static void segment_unlinked(struct spool_segment *segment, int res)
{
	if (res < 0) {
		segment->spool->stats.failures++;
		segment->later_count = 0;
	}
	segment_empty(segment, res >= 0);
}

static void on_folder_synced(void *owner, const struct uring_event *event)
{
	struct spool *spool = owner;
	struct spool_segment *segment = spool->naming_now;

	spool->naming_now = NULL;
	while (segment) {
		struct spool_segment *next = segment->next_naming;

		if (segment->state == SPOOL_SEGMENT_NAMING)
			spool_segment_named(segment, event->res);
		else
			segment_unlinked(segment, event->res);
		segment = next;
	}
	spool_continue(spool);
	spool->inflight--;
}

/* --- deleting --- */

static void segment_unlist(struct spool_segment *segment)
{
	struct spool *spool = segment->spool;

	if (segment->prev)
		segment->prev->next = segment->next;
	else
		spool->first = segment->next;
	if (segment->next)
		segment->next->prev = segment->prev;
	else
		spool->last = segment->prev;
	spool->stats.segments--;
	spool->bytes_segments -= segment->size;
}

/* A damaged one is kept under another name for whoever wants to look. */
static int segment_remove_name(struct spool_segment *segment)
{
	int dir_fd = segment->spool->dir_fd;
	char name[32], aside[32];

	spool_segment_name(segment->number, ".log", name);
	if (spool_pool_wants(segment))
		return spool_pool_rename(segment);
	if (!segment->damaged)
		return unlinkat(dir_fd, name, 0);
	spool_segment_name(segment->number, ".bad", aside);
	return renameat(dir_fd, name, dir_fd, aside);
}

bool spool_segment_needed(const struct spool_segment *segment)
{
	return segment->state != SPOOL_SEGMENT_SEALED || segment->live ||
	       segment->pins;
}

void spool_segment_settle(struct spool_segment *segment)
{
	struct spool *spool = segment->spool;

	if (spool->recovering || spool_segment_needed(segment))
		return;
	if (segment_remove_name(segment)) {
		spool->stats.failures++;
		return; /* tried again at the next start */
	}
	segment_unlist(segment);
	segment->state = SPOOL_SEGMENT_DOOMED;
	spool_folder_sync(spool, segment);
}

void spool_segment_remove_now(struct spool_segment *segment)
{
	assert(segment->spool->recovering && !spool_segment_needed(segment));
	if (segment_remove_name(segment) || fsync(segment->spool->dir_fd)) {
		segment->spool->stats.failures++;
		segment->pins++; /* keep it, and what is said about it */
		return;
	}
	segment_unlist(segment);
	spool_segment_unpin_all(segment);
	spool_segment_unref(segment);
}

/* --- holes --- */

static void on_punched(void *owner, const struct uring_event *event)
{
	struct spool_segment *segment = owner;
	struct spool *spool = segment->spool;

	/* Failure (a file system without holes) costs space, nothing else. */
	spool_segment_unref(segment);
	spool->inflight--;
}

void spool_segment_punch(struct spool_segment *segment, uint64_t from,
			 uint64_t to)
{
	struct spool *spool = segment->spool;
	struct uring_target target = {.fn = on_punched, .owner = segment};

	from = (from + BLOCK - 1) & ~(BLOCK - 1);
	to &= ~(BLOCK - 1);
	if (from >= to)
		return;
	if (!uring_fallocate(spool->ring, target, segment->fd,
			     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from,
			     to - from))
		return;
	segment->holed = true;
	segment->refs++;
	spool->inflight++;
}

static bool extent_is_worth_it(const struct spool_extent *extent)
{
	return extent->segment &&
	       (extent->segment->state == SPOOL_SEGMENT_CURRENT ||
		extent->segment->state == SPOOL_SEGMENT_SEALED) &&
	       spool_record_size(extent->length) >= SPOOL_PUNCH_MIN;
}

/* One FREE record for extents of one segment. */
static void free_enqueue(struct spool *spool,
			 const struct spool_extent *extents, uint32_t count)
{
	uint32_t length = SPOOL_FREE_FIXED + count * SPOOL_EXTENT_SIZE;
	size_t size = (size_t)spool_record_size(length);
	struct spool_item *item = spool_item_get(&spool->memory);
	unsigned char *at;

	if (!item)
		return;
	item->buffer = spool_buffer_get(&spool->memory, size);
	if (!item->buffer) {
		spool_item_put(&spool->memory, item);
		return;
	}
	item->kind = SPOOL_ITEM_FREE;
	item->record = item->buffer->data;
	item->size = (uint32_t)size;
	item->about = extents->segment;
	item->about->refs++;
	at = item->record + SPOOL_RECORD_HEADER;
	spool_put64(at, count);
	at += SPOOL_FREE_FIXED;
	for (uint32_t i = 0; i < count; i++, at += SPOOL_EXTENT_SIZE) {
		spool_put64(at,
			    spool_position(extents->segment->number,
					   (uint64_t)extents[i].offset8 << 3));
		spool_put64(at + 8, spool_record_size(extents[i].length));
	}
	spool_record_begin(item->record, SPOOL_RECORD_FREE, 0, length, 0);
	spool_enqueue(spool, item);
}

/*
 * Most segments are empty soon after they were filled, and a file without
 * holes can be used again; holes would be made in the file that is being
 * written, too, and stand in the writes' way.  So what is dead in a young
 * segment is only noted.
 */
static bool segment_is_young(const struct spool_segment *segment)
{
	const struct spool *spool = segment->spool;

	return spool->recycle && !spool->space_low && spool->current &&
	       segment->number + SPOOL_YOUNG > spool->current->number;
}

static void segment_note_dead(struct spool_segment *segment,
			      const struct spool_extent *extent)
{
	if (segment->dead_count == segment->dead_room) {
		uint32_t room =
			segment->dead_room ? 2 * segment->dead_room : 64;
		struct spool_extent *grown =
			reallocarray(segment->dead, room, sizeof(*grown));

		if (!grown)
			return; /* given back with the segment */
		segment->dead = grown;
		segment->dead_room = room;
	}
	segment->dead[segment->dead_count++] = *extent;
}

static void segment_give_back_dead(struct spool_segment *segment)
{
	uint32_t count = segment->dead_count;

	segment->dead_count = 0;
	free_enqueue(segment->spool, segment->dead, count);
	free(segment->dead);
	segment->dead = NULL;
	segment->dead_room = 0;
}

void spool_give_back_due(struct spool *spool)
{
	struct spool_segment *segment = spool->first;

	for (; segment && !segment_is_young(segment); segment = segment->next)
		if (segment->dead_count)
			segment_give_back_dead(segment);
}

void spool_give_back(struct spool *spool, const struct spool_extent *extents,
		     uint32_t count)
{
	uint32_t i = 0;

	while (i < count) {
		uint32_t n = 1;

		if (!extent_is_worth_it(&extents[i])) {
			i++;
			continue;
		}
		if (segment_is_young(extents[i].segment)) {
			segment_note_dead(extents[i].segment, &extents[i]);
			i++;
			continue;
		}
		while (i + n < count &&
		       extents[i + n].segment == extents[i].segment &&
		       extent_is_worth_it(&extents[i + n]))
			n++;
		free_enqueue(spool, &extents[i], n);
		i += n;
	}
}

void spool_freed(struct spool *spool, struct spool_item *item)
{
	struct spool_segment *segment = item->about;
	const unsigned char *at = item->record + SPOOL_RECORD_HEADER;
	uint64_t count = spool_get64(at);

	if (segment->state == SPOOL_SEGMENT_CURRENT ||
	    segment->state == SPOOL_SEGMENT_SEALED) {
		spool_segment_pin(segment, spool->current);
		at += SPOOL_FREE_FIXED;
		for (uint64_t i = 0; i < count; i++, at += SPOOL_EXTENT_SIZE) {
			uint64_t from = spool_position_offset(spool_get64(at));

			spool_segment_punch(segment, from,
					    from + spool_get64(at + 8));
		}
	}
	spool_segment_unref(segment);
}
