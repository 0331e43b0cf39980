/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments: making the next one ahead of need, changing over to it, mapping
 * and finding them.  Making one is open(2), the one call here that may touch
 * the disk in the ring's thread, then FALLOCATE and the folder's fsync in
 * the ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/spool/spool_private.h"

#define RETRY_LATER URING_SEC

void spool_segment_name(uint32_t number, const char *suffix, char out[32])
{
	snprintf(out, 32, "%016" PRIu32 "%s", number, suffix);
}

struct spool_segment *spool_segment_new(struct spool *spool, uint32_t number)
{
	struct spool_segment *segment = calloc(1, sizeof(*segment));

	if (!segment)
		return NULL;
	segment->spool = spool;
	segment->number = number;
	segment->fd = -1;
	segment->direct_fd = -1;
	segment->refs = 1;
	return segment;
}

static void segment_unmap(struct spool_segment *segment)
{
	if (segment->map)
		munmap((void *)(uintptr_t)segment->map, segment->size);
	segment->map = NULL;
}

void spool_segment_free(struct spool_segment *segment)
{
	segment_unmap(segment);
	if (segment->fd >= 0)
		close(segment->fd);
	if (segment->direct_fd >= 0)
		close(segment->direct_fd);
	free(segment->later);
	free(segment->dead);
	free(segment);
}

void spool_segment_unref(struct spool_segment *segment)
{
	assert(segment->refs);
	if (!--segment->refs)
		spool_segment_free(segment);
}

/* In order: a new one has the highest number. */
void spool_segment_link(struct spool *spool, struct spool_segment *segment)
{
	assert(!spool->last || spool->last->number < segment->number);
	segment->prev = spool->last;
	segment->next = NULL;
	if (spool->last)
		spool->last->next = segment;
	else
		spool->first = segment;
	spool->last = segment;
	spool->stats.segments++;
	spool->bytes_segments += segment->size;
}

/* From the newest: what is asked for is mostly there. */
struct spool_segment *spool_segment_find(const struct spool *spool,
					 uint32_t number)
{
	struct spool_segment *segment = spool->last;

	while (segment && segment->number > number)
		segment = segment->prev;
	return segment && segment->number == number ? segment : NULL;
}

const unsigned char *spool_segment_map(struct spool_segment *segment)
{
	void *map;

	if (segment->map)
		return segment->map;
	map = mmap(NULL, segment->size, PROT_READ, MAP_SHARED, segment->fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (segment->direct_fd >= 0)
		madvise(map, segment->size, MADV_RANDOM);
	segment->map = map;
	return segment->map;
}

void spool_segment_stamp(struct spool *spool, struct spool_segment *segment,
			 unsigned char at[SPOOL_SEGMENT_HEADER])
{
	struct spool_segment_header header = {
		.number = segment->number,
		.seed = segment->seed,
		.created = spool_wall_clock(),
		.last_id = spool->last_id,
		.previous = spool->previous_end,
		.recycled = segment->recycled,
	};

	spool_segment_header_put(at, &header);
}

/* --- preparing the next one --- */

static enum spool_status status_of(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG
		       ? SPOOL_FULL
		       : SPOOL_FAILED;
}

void spool_segment_give_up(struct spool *spool, enum spool_status status)
{
	spool->prepare_status = status;
	spool->retry_at = uring_now(spool->ring) + RETRY_LATER;
	uring_timer_set(spool->ring, &spool->prepare_retry, RETRY_LATER);
}

static bool gave_up(const struct spool *spool)
{
	return spool->prepare_status != SPOOL_OK &&
	       uring_now(spool->ring) < spool->retry_at;
}

/* The file goes, and the spare with it. */
static void spare_discard(struct spool *spool)
{
	struct spool_segment *spare = spool->spare;
	char name[32];

	spool->spare = NULL;
	spool_segment_name(spare->number, ".log", name);
	unlinkat(spool->dir_fd, name, 0);
	spool_segment_unref(spare);
}

static void spare_failed(struct spool *spool, int error)
{
	if (spool->spare)
		spare_discard(spool);
	spool->stats.failures++;
	spool_segment_give_up(spool, status_of(error));
}

static void spare_allocate(struct spool *spool);

static void on_allocated(void *owner, const struct uring_event *event)
{
	struct spool_segment *spare = owner;
	struct spool *spool = spare->spool;
	int res = event->res;

	assert(spare == spool->spare);
	spare->allocating = false;
	if (res == -EOPNOTSUPP)
		res = ftruncate(spare->fd, (off_t)spare->size) ? -errno : 0;
	if (res == -EINTR) {
		spare_allocate(spool);
	} else if (res < 0) {
		spare_failed(spool, -res);
	} else {
		spare->state = SPOOL_SEGMENT_NAMING;
		spool_folder_sync(spool, spare);
	}
	spool_continue(spool);
	spool->inflight--;
}

static void spare_allocate(struct spool *spool)
{
	struct spool_segment *spare = spool->spare;
	struct uring_target target = {.fn = on_allocated, .owner = spare};

	spare->state = SPOOL_SEGMENT_PREPARING;
	spare->allocating = uring_fallocate(spool->ring, target, spare->fd, 0,
					    0, spare->size) != NULL;
	if (spare->allocating)
		spool->inflight++;
	else
		spool_retry_soon(spool);
}

void spool_segment_named(struct spool_segment *spare, int res)
{
	struct spool *spool = spare->spool;

	assert(spare == spool->spare);
	if (res < 0) {
		spare_failed(spool, -res);
		return;
	}
	spare->state = SPOOL_SEGMENT_SPARE;
	spool->prepare_status = SPOOL_OK;
	spool->space_checked = 0; /* it has taken some */
}

/* Size of a segment that must hold a record of @need bytes. */
static uint64_t segment_size_for(const struct spool *spool, uint64_t need)
{
	/* What mail may not use (segment_reserve()) comes on top, and what a
	 * PAD takes. */
	uint64_t size = SPOOL_SEGMENT_HEADER + need + need / 8 + SPOOL_BLOCK;

	size = (size + 4095) & ~UINT64_C(4095);
	return size > spool->segment_size ? size : spool->segment_size;
}

static int segment_create(struct spool *spool, uint64_t size,
			  struct spool_segment **out)
{
	struct spool_segment *segment;
	char name[32];

	if (spool->next_number == UINT32_MAX)
		return -EFBIG;
	segment = spool_segment_new(spool, spool->next_number);
	if (!segment)
		return -ENOMEM;
	segment->size = size;
	segment->seed = spool->seed;
	spool_segment_name(segment->number, ".log", name);
	segment->fd = openat(spool->dir_fd, name,
			     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (segment->fd < 0) {
		int error = errno;

		spool_segment_free(segment);
		return -error;
	}
	spool_block_open(segment, name);
	spool->next_number++;
	*out = segment;
	return 0;
}

/* One whose file is there already only needs its name to be safe. */
static bool spare_recycle(struct spool *spool, uint64_t need)
{
	struct spool_segment *segment;

	if (segment_size_for(spool, need) > spool->segment_size ||
	    spool->next_number == UINT32_MAX)
		return false;
	segment = spool_pool_take(spool, spool->next_number);
	if (!segment)
		return false;
	spool->next_number++;
	spool->spare = segment;
	segment->state = SPOOL_SEGMENT_NAMING;
	spool_folder_sync(spool, segment);
	return true;
}

static void spare_prepare(struct spool *spool, uint64_t need)
{
	int error;

	assert(!spool->spare);
	if (spare_recycle(spool, need))
		return;
	error = segment_create(spool, segment_size_for(spool, need),
			       &spool->spare);
	if (error)
		spare_failed(spool, -error);
	else
		spare_allocate(spool);
}

/* Room for the first segment, by blocking calls: the ring does not turn yet,
 * but its work may interrupt them. 0 or -errno. */
static int first_allocate(const struct spool_segment *segment)
{
	int r;

	do
		r = fallocate(segment->fd, 0, 0, (off_t)segment->size);
	while (r && errno == EINTR);
	if (r && errno == EOPNOTSUPP)
		r = ftruncate(segment->fd, (off_t)segment->size);
	return r ? -errno : 0;
}

int spool_segment_first(struct spool *spool)
{
	struct spool_segment *segment;
	int error = segment_create(spool, spool->segment_size, &segment);

	if (error)
		return error;
	spool->spare = segment;
	error = first_allocate(segment);
	if (!error && fsync(spool->dir_fd))
		error = -errno;
	if (error)
		spare_discard(spool);
	else
		segment->state = SPOOL_SEGMENT_SPARE;
	return error;
}

void spool_segment_ahead(struct spool *spool)
{
	struct spool_segment *spare = spool->spare;

	if (gave_up(spool))
		return;
	if (spare && spare->state == SPOOL_SEGMENT_SPARE)
		spool->prepare_status = SPOOL_OK;
	else if (spare && spare->state == SPOOL_SEGMENT_PREPARING &&
		 !spare->allocating)
		spare_allocate(spool);
	if (spare)
		return;
	if (spool->prepare_status != SPOOL_OK || !spool->current ||
	    spool->current->write_off > spool->current->size / 2)
		spare_prepare(spool, 0);
}

/* --- changing over --- */

void spool_segment_seal(struct spool *spool, uint64_t end)
{
	struct spool_segment *segment = spool->current;

	spool->current = NULL;
	spool->previous_end =
		spool_position(segment->number, spool->sync ? end : 0);
	segment->state = SPOOL_SEGMENT_SEALED;
	if (!spool->recycle || segment->size != spool->segment_size)
		spool_segment_punch(segment, end, segment->size);
	spool_segment_settle(segment);
}

static void take_spare(struct spool *spool)
{
	struct spool_segment *segment = spool->spare;

	spool->spare = NULL;
	segment->state = SPOOL_SEGMENT_CURRENT;
	spool_segment_link(spool, segment);
	spool->current = segment;
	spool_give_back_due(spool);
}

enum spool_next spool_segment_advance(struct spool *spool, uint64_t size)
{
	struct spool_segment *spare = spool->spare;
	uint64_t need = segment_size_for(spool, size);

	if (gave_up(spool))
		return SPOOL_NEXT_NEVER;
	if (!spare) {
		spare_prepare(spool, size);
		return spool->spare ? SPOOL_NEXT_LATER : SPOOL_NEXT_NEVER;
	}
	if (spare->state != SPOOL_SEGMENT_SPARE)
		return SPOOL_NEXT_LATER;
	if (spare->size < need) {
		segment_unmap(spare); /* of a file that is used again */
		spare->size = need;
		spare_allocate(spool);
		return SPOOL_NEXT_LATER;
	}
	if (spool->current)
		spool_segment_seal(spool, spool->current->write_off);
	take_spare(spool);
	return SPOOL_NEXT_NOW;
}
