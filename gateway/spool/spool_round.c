/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds: the queue's records are written with one WRITEV at the append
 * point and made durable with one FDATASYNC; what comes meanwhile is the
 * next round.  Nobody waits for a timer, nobody shares a sync that began
 * before his bytes were written.
 */
#include <errno.h>

#include "gateway/spool/spool_private.h"

#define RETRY_SOON URING_MSEC

static void on_kick(void *owner, const struct uring_event *event)
{
	struct spool *spool = owner;

	spool->kicked = false;
	spool_continue(spool);
	spool->inflight--;
}

void spool_retry_soon(struct spool *spool)
{
	if (!spool->retry.armed)
		uring_timer_set(spool->ring, &spool->retry, RETRY_SOON);
}

void spool_kick(struct spool *spool)
{
	struct uring_target target = {.fn = on_kick, .owner = spool};

	if (spool->kicked || spool->round.op || spool->recovering)
		return;
	if (!uring_nop(spool->ring, target)) {
		spool_retry_soon(spool);
		return;
	}
	spool->kicked = true;
	spool->inflight++;
}

/* --- building --- */

void spool_put_chunk_list(unsigned char *at, const struct spool_extent *chunks,
			  uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, at += SPOOL_EXTENT_SIZE) {
		uint64_t offset = (uint64_t)chunks[i].offset8 << 3;

		spool_put64(at,
			    spool_position(chunks[i].segment->number, offset));
		spool_put32(at + 8, chunks[i].length);
		spool_put32(at + 12, 0);
	}
}

static void chunk_place(struct spool_item *item, struct spool_segment *segment,
			uint64_t offset)
{
	struct spool_extent *chunk = &item->writer->chunks[item->chunk];

	chunk->segment = segment;
	chunk->offset8 = (uint32_t)(offset >> 3);
	spool_extent_use(segment, chunk->length);
}

static void item_put_home(struct spool_item *item)
{
	const struct spool_message *message = item->message;

	spool_put64(item->record + SPOOL_RECORD_HEADER,
		    spool_position(message->segment->number,
				   (uint64_t)message->offset8 << 3));
}

/* Fill in what depends on where things are, then seal. */
static void item_place(struct spool *spool, struct spool_item *item,
		       uint64_t offset)
{
	struct spool_segment *segment = spool->current;

	switch (item->kind) {
	case SPOOL_ITEM_CHUNK:
		chunk_place(item, segment, offset);
		break;
	case SPOOL_ITEM_MESSAGE:
		/* Where the chunks have come to be is known now. */
		spool_put_chunk_list(item->record + item->writer->list_at,
				     item->writer->chunks,
				     item->writer->chunk_count);
		break;
	case SPOOL_ITEM_RESULT:
		item_put_home(item);
		break;
	case SPOOL_ITEM_MOVE_CHUNK:
	case SPOOL_ITEM_MOVE:
		spool_move_place(item, segment, offset);
		break;
	case SPOOL_ITEM_FREE:
	case SPOOL_ITEM_VOID:
		break;
	}
	spool_record_seal(item->record, spool_position(segment->number, offset),
			  segment->sync_off, segment->seed);
}

/* Returns false if the vector is full. */
static bool round_add_bytes(struct spool_round *round, unsigned char *data,
			    size_t size)
{
	struct iovec *last =
		round->iov_count ? &round->iov[round->iov_count - 1] : NULL;

	if (last && (unsigned char *)last->iov_base + last->iov_len == data) {
		last->iov_len += size;
	} else if (round->iov_count == SPOOL_ROUND_IOV) {
		return false;
	} else {
		round->iov[round->iov_count++] =
			(struct iovec){.iov_base = data, .iov_len = size};
	}
	round->end += size;
	return true;
}

/*
 * Room that only results and housekeeping may use while no next segment is
 * ready: on a full disk, mail goes out and its space comes back only if its
 * results can be written.
 */
static uint64_t segment_reserve(const struct spool *spool)
{
	uint64_t part = spool->current->size / 16;

	if (spool->spare && spool->spare->state == SPOOL_SEGMENT_SPARE)
		return 0;
	return part < 64 * 1024 ? part : 64 * 1024;
}

static bool item_fits(const struct spool *spool, const struct spool_item *item,
		      uint64_t at)
{
	uint64_t pad = spool_block_item(spool, item) ? spool_pad_size(at) : 0;
	uint64_t reserve = spool_item_is_mail(item) || spool_item_is_move(item)
				   ? segment_reserve(spool)
				   : 0;

	return at + pad + item->size + reserve <= spool->current->size;
}

static void round_begin(struct spool *spool)
{
	struct spool_round *round = &spool->round;

	round->start = spool->current->write_off;
	round->end = round->start;
	round->iov_count = 0;
	round->iov_first = 0;
	round->durable = false;
	round->direct = false;
	round->answers = 0;
	round->items = (struct spool_queue){0};
	if (round->start)
		return;
	spool_segment_stamp(spool, spool->current, spool->header);
	round_add_bytes(round, spool->header, sizeof(spool->header));
}

/* The next item for a round that ends at round->end, or NULL. */
static struct spool_item *round_next(struct spool *spool)
{
	struct spool_round *round = &spool->round;
	struct spool_item *item;

	spool_queue_drop_dead(spool);
	item = spool->queue.head;
	if (!item || !item_fits(spool, item, round->end) ||
	    round->end - round->start >= SPOOL_ROUND_BYTES)
		return NULL;
	return item;
}

static bool round_add(struct spool *spool, struct spool_item *item)
{
	struct spool_round *round = &spool->round;
	uint64_t at = round->end;

	if (!round_add_bytes(round, item->record, item->size))
		return false;
	spool_queue_pop(&spool->queue);
	item_place(spool, item, at);
	/* A copy of a chunk is: its COPY takes the place of a message that was
	 * promised. */
	round->durable |= item->kind != SPOOL_ITEM_CHUNK;
	round->answers += spool_item_is_owed(item);
	spool_queue_push(&round->items, item);
	return true;
}

/*
 * Up to a block's end, if whole chunks follow: they are at hand, or are being
 * gathered. One that comes with a round costs nothing; alone it is a write.
 */
static void round_add_pad(struct spool *spool, const struct spool_item *next)
{
	struct spool_round *round = &spool->round;
	uint64_t size = spool_pad_size(round->end);
	bool wanted = next ? spool_block_item(spool, next)
			   : spool->direct && spool->gathering;

	if (!wanted || !size || round->iov_count == SPOOL_ROUND_IOV ||
	    round->end + size + SPOOL_BLOCK_RECORD > spool->current->size)
		return;
	round_add_bytes(round, spool_pad_make(spool, round->end), size);
}

/* Whole chunks, or all else up to the first of them. */
static void round_build(struct spool *spool)
{
	struct spool_round *round = &spool->round;
	struct spool_item *item;

	round_begin(spool);
	item = round_next(spool);
	assert(item);
	round->direct = spool_block_item(spool, item) && !round->iov_count &&
			!spool_pad_size(round->end);
	while (item && spool_block_item(spool, item) == round->direct &&
	       round_add(spool, item))
		item = round_next(spool);
	if (!round->direct)
		round_add_pad(spool, item);
}

/* --- running --- */

static void on_round(void *owner, const struct uring_event *event);

/* The descriptor to write by. What is left of a short write may have to go
 * through the page cache. */
static int round_fd(const struct spool *spool)
{
	const struct spool_segment *segment = spool->current;

	return spool->round.direct && segment->write_off % SPOOL_BLOCK == 0
		       ? segment->direct_fd
		       : segment->fd;
}

/* Queue the operation that the round's state calls for. */
static void round_submit(struct spool *spool)
{
	struct uring_target target = {.fn = on_round, .owner = spool};
	struct spool_round *round = &spool->round;
	struct spool_segment *segment = spool->current;
	struct uring_op *op;

	assert(round->state != SPOOL_ROUND_IDLE && !round->op);
	if (round->state == SPOOL_ROUND_WRITING)
		op = uring_writev(spool->ring, target, round_fd(spool),
				  &round->iov[round->iov_first],
				  round->iov_count - round->iov_first,
				  segment->write_off);
	else
		op = uring_fdatasync(spool->ring, target, segment->fd);
	if (!op) {
		spool_retry_soon(spool);
		return;
	}
	round->op = true;
	spool->inflight++;
}

static bool has_unsynced(const struct spool *spool)
{
	return spool->sync && spool->current &&
	       spool->current->sync_off < spool->current->write_off;
}

/* What can be dropped is dropped; the rest waits. */
static void queue_shed(struct spool *spool)
{
	struct spool_queue keep = {0};
	struct spool_item *item;

	while ((item = spool_queue_pop(&spool->queue))) {
		if (spool_item_is_move(item)) {
			spool_move_dropped(item);
			spool_item_end(spool, item);
		} else if (spool_item_is_mail(item)) {
			spool_writer_fail(item->writer, spool->prepare_status);
			spool_item_drop_dead(spool, item);
		} else {
			spool_queue_push(&keep, item);
		}
	}
	spool->queue = keep;
}

/* No segment is to be had for the head of the queue. True: it is out of the
 * way, and something smaller behind it may still fit. */
static bool queue_fail_head(struct spool *spool)
{
	struct spool_item *head = spool->queue.head;

	if (spool_item_is_mail(head)) {
		spool_writer_fail(head->writer, spool->prepare_status);
		return true;
	}
	if (spool_item_is_move(head)) {
		spool_queue_pop(&spool->queue);
		spool_move_dropped(head);
		spool_item_end(spool, head);
		return true;
	}
	queue_shed(spool);
	return false;
}

/* Returns false if there is nothing to write, or nowhere, for now. */
static bool round_find_room(struct spool *spool)
{
	for (;;) {
		struct spool_item *head;

		spool_queue_drop_dead(spool);
		head = spool->queue.head;
		if (!head)
			return false;
		if (spool->current &&
		    item_fits(spool, head,
			      spool->current->write_off
				      ? spool->current->write_off
				      : SPOOL_SEGMENT_HEADER))
			return true;
		if (has_unsynced(spool)) {
			/* What is left behind must be safe. */
			spool->round.items = (struct spool_queue){0};
			spool->round.answers = 0;
			spool->round.start = spool->current->write_off;
			spool->round.state = SPOOL_ROUND_SYNCING;
			return true;
		}
		switch (spool_segment_advance(spool, head->size)) {
		case SPOOL_NEXT_NOW:
			break;
		case SPOOL_NEXT_LATER:
			return false;
		case SPOOL_NEXT_NEVER:
			if (!queue_fail_head(spool))
				return false;
			break;
		}
	}
}

static void round_start(struct spool *spool)
{
	if (!round_find_room(spool))
		return;
	if (spool->round.state == SPOOL_ROUND_IDLE) {
		round_build(spool);
		spool->round.state = SPOOL_ROUND_WRITING;
		spool->round.began = uring_now(spool->ring);
	}
	round_submit(spool);
}

/* --- events --- */

static void round_advance_iov(struct spool_round *round, size_t len)
{
	while (len) {
		struct iovec *iov = &round->iov[round->iov_first];

		assert(round->iov_first < round->iov_count);
		if (len < iov->iov_len) {
			iov->iov_base = (unsigned char *)iov->iov_base + len;
			iov->iov_len -= len;
			return;
		}
		len -= iov->iov_len;
		round->iov_first++;
	}
}

/* What nobody waits for is synced now and then, so that a commit finds little
 * in the page cache; what went past the cache is on the disk already. */
static bool round_needs_sync(const struct spool *spool)
{
	const struct spool_segment *segment = spool->current;

	return spool->sync &&
	       (spool->round.durable ||
		(!spool->round.direct &&
		 segment->write_off - segment->sync_off >= SPOOL_SYNC_EVERY));
}

static void round_written(struct spool *spool, int res)
{
	struct spool_round *round = &spool->round;
	struct spool_segment *segment = spool->current;

	if (res == -EINTR || res == -EAGAIN)
		return;
	if (res == -EINVAL && round->direct) {
		spool_block_refused(spool);
		return;
	}
	if (res <= 0) {
		spool_round_fail(spool, res ? -res : EIO);
		return;
	}
	segment->write_off += (uint64_t)res;
	spool->stats.bytes_written += (uint64_t)res;
	round_advance_iov(round, (size_t)res);
	if (segment->write_off < round->end)
		return; /* a short write: go on where it stopped */
	assert(segment->write_off == round->end);
	if (round_needs_sync(spool))
		round->state = SPOOL_ROUND_SYNCING;
	else
		spool_round_done(spool);
}

static void round_synced(struct spool *spool, int res)
{
	if (res == -EINTR || res == -EAGAIN)
		return;
	if (res < 0) {
		spool_round_fail(spool, -res);
		return;
	}
	spool->current->sync_off = spool->current->write_off;
	spool_round_done(spool);
}

static void on_round(void *owner, const struct uring_event *event)
{
	struct spool *spool = owner;

	spool->round.op = false;
	if (spool->round.state == SPOOL_ROUND_WRITING)
		round_written(spool, event->res);
	else
		round_synced(spool, event->res);
	spool_continue(spool);
	spool->inflight--;
}

void spool_continue(struct spool *spool)
{
	if (spool->round.state == SPOOL_ROUND_IDLE)
		round_start(spool);
	else if (!spool->round.op)
		round_submit(spool);
	spool_folder_sync_start(spool);
	spool_answer_all(spool);
	spool_wake_waiters(spool);
	spool_clean(spool);
	spool_segment_ahead(spool);
}

unsigned spool_inflight(const struct spool *spool)
{
	/* Work that waits because an operation was refused is in flight. */
	return spool->inflight + spool->retry.armed;
}

uint64_t spool_sync_pending(const struct spool *spool)
{
	return spool->unsettled;
}
