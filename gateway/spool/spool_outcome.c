/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a round's end means for what was in it: success makes messages exist
 * and results count; failure takes the round apart again.
 */
#include <errno.h>

#include "gateway/spool/spool_private.h"

/* --- success --- */

static void message_written(struct spool *spool, struct spool_item *item)
{
	struct spool_writer *writer = item->writer;
	struct spool_message *message = writer->message;
	uint64_t position = spool_get64(item->record + 16);

	message->extents = writer->chunks;
	message->extent_count = writer->chunk_count;
	message->flags = SPOOL_MESSAGE_VERIFIED;
	spool->gathering -= writer->chunk_count != 0;
	writer->chunks = NULL;
	writer->chunk_count = 0;
	writer->items--;
	spool_message_link(message, spool->current,
			   spool_position_offset(position), message->length);
	spool->stats.accepted++;
	spool->stats.committed++;
	spool_clean_earn(spool, 1);
	spool_answer(spool, writer);
}

static void chunk_written(struct spool_item *item)
{
	item->writer->items--;
	spool_writer_settle(item->writer);
}

static void result_written(struct spool *spool, struct spool_item *item)
{
	struct spool_message *message = item->message;

	struct spool_segment *copy = spool_move_new_home(message);

	spool_segment_pin(message->segment, spool->current);
	if (copy)
		spool_segment_pin(copy, spool->current);
	spool_clean_earn(spool, 1);
	spool->stats.results++;
	message->pending--;
	if (item->final)
		spool_message_finish(spool, message);
}

/* Answer the commits that waited for this VOID. */
static void void_answer(struct spool *spool, struct spool_item *item)
{
	struct spool_writer *writer = item->answers;

	item->answers = NULL;
	while (writer) {
		struct spool_writer *next = writer->answer_next;

		spool_answer(spool, writer);
		writer = next;
	}
}

static void void_written(struct spool *spool, struct spool_item *item)
{
	if (item->about->state == SPOOL_SEGMENT_SEALED)
		spool_segment_pin(item->about, spool->current);
	spool_segment_unref(item->about);
	void_answer(spool, item);
}

static void item_written(struct spool *spool, struct spool_item *item)
{
	switch (item->kind) {
	case SPOOL_ITEM_CHUNK:
		chunk_written(item);
		break;
	case SPOOL_ITEM_MESSAGE:
		message_written(spool, item);
		break;
	case SPOOL_ITEM_RESULT:
		result_written(spool, item);
		break;
	case SPOOL_ITEM_FREE:
		spool_freed(spool, item);
		break;
	case SPOOL_ITEM_VOID:
		void_written(spool, item);
		break;
	case SPOOL_ITEM_MOVE_CHUNK:
	case SPOOL_ITEM_MOVE:
		spool_move_written(item);
		break;
	}
	spool_item_end(spool, item);
}

void spool_round_done(struct spool *spool)
{
	struct spool_queue items = spool->round.items;
	struct spool_item *item;

	spool->round.state = SPOOL_ROUND_IDLE;
	if (spool->round.answers)
		spool_stats_commit(&spool->stats, spool->round.answers,
				   uring_now(spool->ring) - spool->round.began);
	while ((item = spool_queue_pop(&items)))
		item_written(spool, item);
}

/* --- failure --- */

static enum spool_status status_of(int error)
{
	return error == ENOSPC || error == EDQUOT ? SPOOL_FULL : SPOOL_FAILED;
}

/* Does something of this writer stand at or behind @end of @segment? */
static bool writer_reaches(const struct spool_writer *writer,
			   const struct spool_segment *segment, uint64_t end)
{
	for (uint32_t i = writer->chunk_count; i > 0; i--) {
		const struct spool_extent *chunk = &writer->chunks[i - 1];

		if (chunk->segment == segment &&
		    (uint64_t)chunk->offset8 << 3 >= end)
			return true;
	}
	return false;
}

static void fail_writers(struct spool *spool, uint64_t end,
			 enum spool_status status)
{
	for (struct spool_writer *writer = spool->writers.next;
	     writer != &spool->writers; writer = writer->next)
		if (writer_reaches(writer, spool->current, end))
			spool_writer_fail(writer, status);
}

/* A commit that failed: it hears of it when @mark is written, or at once. */
static void message_failed(struct spool *spool, struct spool_writer *writer,
			   struct spool_item *mark, struct spool_writer **last)
{
	writer->answer_next = NULL;
	if (!mark)
		spool_answer(spool, writer);
	else if (*last)
		(*last)->answer_next = writer;
	else
		mark->answers = writer;
	*last = writer;
}

/* Mail fails; results and the like go back to the queue's front, behind
 * @mark. */
static void round_take_apart(struct spool *spool, enum spool_status status,
			     struct spool_item *mark)
{
	struct spool_queue items = spool->round.items;
	struct spool_queue again = {0};
	struct spool_writer *last = NULL;
	struct spool_item *item;

	if (mark)
		spool_queue_push(&again, mark);
	while ((item = spool_queue_pop(&items))) {
		if (spool_item_is_move(item)) {
			spool_move_dropped(item);
			spool_item_end(spool, item);
			continue;
		}
		if (!spool_item_is_mail(item)) {
			spool_queue_push(&again, item);
			continue;
		}
		spool_writer_fail(item->writer, status);
		item->writer->items--;
		if (item->kind == SPOOL_ITEM_MESSAGE)
			message_failed(spool, item->writer, mark, &last);
		else
			spool_writer_settle(item->writer);
		spool_item_end(spool, item);
	}
	spool_queue_prepend(&spool->queue, &again);
}

/* "What stands at or behind @end is void", for the next segment. */
static struct spool_item *void_item(struct spool *spool, uint64_t end)
{
	struct spool_memory *memory = &spool->memory;
	struct spool_segment *segment = spool->current;
	struct spool_item *item = spool_item_get(memory);
	unsigned char *record;

	if (!item)
		return NULL;
	item->buffer = spool_buffer_get(
		memory, (size_t)spool_record_size(SPOOL_VOID_SIZE));
	if (!item->buffer) {
		spool_item_put(memory, item);
		return NULL;
	}
	record = item->buffer->data;
	spool_put64(record + SPOOL_RECORD_HEADER,
		    spool_position(segment->number, end));
	spool_record_begin(record, SPOOL_RECORD_VOID, 0, SPOOL_VOID_SIZE, 0);
	item->kind = SPOOL_ITEM_VOID;
	item->record = record;
	item->size = (uint32_t)spool_record_size(SPOOL_VOID_SIZE);
	item->about = segment;
	segment->refs++;
	spool->queued += item->size;
	return item;
}

/* Those who wait for a VOID that couldn't be written are told now. */
static bool round_answer_voids(struct spool *spool)
{
	bool any = false;

	for (struct spool_item *item = spool->round.items.head; item;
	     item = item->next)
		if (item->kind == SPOOL_ITEM_VOID) {
			any = true;
			void_answer(spool, item);
		}
	return any;
}

/*
 * A write or a sync failed.  What of the segment was not synced before is
 * void: the kernel may have dropped it, or may yet write it.  The segment is
 * never appended to again; a VOID record in the next one makes sure that
 * recovery brings nothing of it back, and only then the clients hear "no".
 */
void spool_round_fail(struct spool *spool, int error)
{
	struct spool_segment *segment = spool->current;
	enum spool_status status = status_of(error);
	uint64_t end = spool->sync ? segment->sync_off : spool->round.start;
	bool again = round_answer_voids(spool);
	struct spool_item *mark = void_item(spool, end);

	spool->round.state = SPOOL_ROUND_IDLE;
	spool->stats.failures++;
	fail_writers(spool, end, status);
	round_take_apart(spool, status, mark);
	spool_segment_seal(spool, end);
	if (again)
		spool_segment_give_up(spool, status);
}
