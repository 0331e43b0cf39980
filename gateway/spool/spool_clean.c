/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleaning: what is still live in the oldest segment is moved to the append
 * point, so that the segment can be deleted, and after it the later ones
 * that only it kept (spool_retire.c).  Without this one message stuck for
 * days would keep every segment written meanwhile.
 *
 * A message moves by copying its chunks that are there, then its MESSAGE
 * record as a COPY, which carries the recipients' state.  Until the COPY is
 * on stable storage the message is at home in the old place; a copy that
 * fails, or is overtaken by the message's end, is just dead space.
 *
 * Only activity pays for cleaning (spool->clean_budget), so that an idle
 * spool comes to rest.
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/spool/spool_private.h"

enum {
	SEGMENTS_MIN = 4, /* fewer are never cleaned */
	BUDGET_MAX = 64,
};

#define WALK_EVERY URING_SEC

/* --- what to move --- */

/* Is less than a quarter of the log live, and is the log worth it? */
static bool log_is_sparse(const struct spool *spool)
{
	return spool->stats.segments > SEGMENTS_MIN &&
	       spool->bytes_segments / 4 >
		       spool->stats.bytes_live + spool->segment_size;
}

static struct spool_move *move_slot(struct spool *spool)
{
	for (unsigned i = 0; i < SPOOL_MOVES; i++)
		if (spool->moves[i].state == SPOOL_MOVE_FREE)
			return &spool->moves[i];
	return NULL;
}

static struct spool_move *move_of(const struct spool_message *message)
{
	struct spool *spool = message->segment->spool;

	if (!(message->flags & SPOOL_MESSAGE_MOVING))
		return NULL;
	for (unsigned i = 0; i < SPOOL_MOVES; i++)
		if (spool->moves[i].message == message)
			return &spool->moves[i];
	return NULL;
}

static bool can_move(const struct spool_message *message)
{
	return message->open && !message->views &&
	       !(message->flags & SPOOL_MESSAGE_MOVING);
}

static bool has_chunk_in(const struct spool_message *message,
			 const struct spool_segment *segment)
{
	for (uint32_t i = 0; i < message->extent_count; i++)
		if (message->extents[i].segment == segment)
			return true;
	return false;
}

static struct spool_message *first_movable(struct spool_segment *segment)
{
	struct spool_message *message = segment->messages;

	while (message && !can_move(message))
		message = message->next;
	return message;
}

/* One whose MESSAGE record is elsewhere, but a chunk here. */
static struct spool_message *chunk_owner(const struct spool_segment *victim)
{
	for (struct spool_segment *segment = victim->next; segment;
	     segment = segment->next)
		for (struct spool_message *message = segment->messages; message;
		     message = message->next)
			if (message->extent_count && can_move(message) &&
			    has_chunk_in(message, victim))
				return message;
	return NULL;
}

/* Nothing can be done about a chunk whose message is still coming in. */
static bool writer_is_in(const struct spool *spool,
			 const struct spool_segment *victim)
{
	for (const struct spool_writer *writer = spool->writers.next;
	     writer != &spool->writers; writer = writer->next)
		for (uint32_t i = 0; i < writer->chunk_count; i++)
			if (writer->chunks[i].segment == victim)
				return true;
	return false;
}

/* A walk over all messages: not often. */
static struct spool_message *find_chunk_owner(struct spool *spool,
					      struct spool_segment *victim)
{
	uint64_t now = uring_now(spool->ring);
	struct spool_message *message;

	if (now < spool->clean_walk_at || writer_is_in(spool, victim))
		return NULL;
	message = chunk_owner(victim);
	if (!message)
		spool->clean_walk_at = now + WALK_EVERY;
	return message;
}

static struct spool_message *next_to_move(struct spool *spool)
{
	struct spool_segment *victim = spool->first;

	if (!victim || victim->state != SPOOL_SEGMENT_SEALED ||
	    victim->stubborn)
		return NULL;
	if (victim->messages)
		return first_movable(victim);
	return find_chunk_owner(spool, victim);
}

/* --- ending --- */

static void move_free(struct spool_move *move)
{
	struct spool_memory *memory = &move->spool->memory;

	assert(!move->op && !move->item);
	free(move->extents);
	free(move->moved);
	spool_buffer_unref(memory, move->buffer);
	spool_segment_unref(move->victim);
	*move = (struct spool_move){.spool = move->spool};
}

/* What was copied so far is dead space. */
static void move_give_up(struct spool_move *move)
{
	if (move->message)
		move->message->flags &= (uint8_t)~SPOOL_MESSAGE_MOVING;
	move->message = NULL;
	if (move->op || move->item)
		return; /* its event comes back here */
	for (uint32_t i = 0; i < move->count; i++)
		if (move->moved[i])
			spool_extent_drop(move->extents[i].segment,
					  move->extents[i].length);
	if (move->segment)
		spool_extent_drop(move->segment, move->length);
	move_free(move);
}

static void drop_old_places(struct spool_move *move)
{
	struct spool_message *message = move->message;

	for (uint32_t i = 0; i < move->count; i++)
		if (move->moved[i])
			spool_extent_drop(message->extents[i].segment,
					  message->extents[i].length);
	free(message->extents);
	message->extents = move->extents;
	move->extents = NULL;
}

/* The copy is the message's home now, and nobody looks at the old one. */
static void move_finish(struct spool_move *move)
{
	struct spool_message *message = move->message;
	struct spool_segment *old = message->segment;
	uint32_t old_length = message->length;

	assert(move->state == SPOOL_MOVE_WAITING && !message->views);
	message->flags &= (uint8_t)~SPOOL_MESSAGE_MOVING;
	drop_old_places(move);
	spool_message_unlink(message);
	spool_message_link(message, move->segment, (uint64_t)move->offset8 << 3,
			   move->length);
	spool_extent_drop(move->segment, move->length); /* counted twice */
	spool_extent_drop(old, old_length);
	move_free(move);
}

/* --- copying --- */

static void move_next(struct spool_move *move);

static bool move_item(struct spool_move *move, enum spool_item_kind kind,
		      uint32_t length)
{
	struct spool *spool = move->spool;
	struct spool_item *item = spool_item_get(&spool->memory);

	if (!item)
		return false;
	*item = (struct spool_item){
		.kind = kind,
		.record = move->buffer->data,
		.size = (uint32_t)spool_record_size(length),
		.buffer = move->buffer,
		.move = move,
	};
	move->buffer = NULL;
	move->state = SPOOL_MOVE_WRITING;
	move->item = true;
	spool_enqueue(spool, item);
	return true;
}

/* Make the MESSAGE record in the buffer a COPY, with the recipients' state
 * between the chunk list and the text. */
static bool move_make_copy(struct spool_move *move)
{
	struct spool_message *message = move->message;
	const uint64_t *words = spool_message_words(message);
	unsigned char *record = move->buffer->data;
	size_t state_size = (size_t)message->recipients * 8;
	struct spool_parsed parsed;
	unsigned char *state;
	size_t rest;

	if (!spool_parse_message(record + SPOOL_RECORD_HEADER, message->length,
				 record[11], &parsed) ||
	    parsed.recipients != message->recipients ||
	    parsed.chunks != move->count)
		return false;
	move->list_at = (size_t)(parsed.extents - record);
	state = record + move->list_at +
		(size_t)move->count * SPOOL_EXTENT_SIZE;
	rest = (size_t)parsed.text_len + parsed.trace_len;
	move->length = message->length;
	if (!parsed.state) {
		memmove(state + state_size, state, rest);
		move->length += (uint32_t)state_size;
	}
	for (uint32_t i = 0; i < message->recipients; i++)
		spool_put64(state + (size_t)i * 8, words[i]);
	spool_record_begin(record, SPOOL_RECORD_MESSAGE, SPOOL_RECORD_COPY,
			   move->length, message->id);
	return true;
}

/* The record that is to be copied now. */
static struct spool_extent move_source(const struct spool_move *move)
{
	const struct spool_message *message = move->message;

	if (move->next < move->count)
		return message->extents[move->next];
	return (struct spool_extent){.segment = message->segment,
				     .offset8 = message->offset8,
				     .length = message->length};
}

static bool move_verify(const struct spool_move *move)
{
	struct spool_extent source = move_source(move);
	const unsigned char *record = move->buffer->data;
	struct spool_record_header header;

	return spool_record_header_get(
		       record,
		       spool_position(source.segment->number,
				      (uint64_t)source.offset8 << 3),
		       &header) &&
	       header.length == source.length &&
	       header.id == move->message->id &&
	       spool_record_verify(record, source.segment->seed);
}

/* The record is in memory: send it to its new place. */
static bool move_was_read(struct spool_move *move)
{
	struct spool_message *message = move->message;

	if (!move_verify(move))
		return false;
	if (move->next < move->count) {
		spool_record_begin(move->buffer->data, SPOOL_RECORD_CHUNK, 0,
				   message->extents[move->next].length,
				   message->id);
		return move_item(move, SPOOL_ITEM_MOVE_CHUNK,
				 message->extents[move->next].length);
	}
	/* The last recipient's result is on its way: don't bother. */
	return message->open && move_make_copy(move) &&
	       move_item(move, SPOOL_ITEM_MOVE, move->length);
}

static void move_read(struct spool_move *move);

static void on_read(void *owner, const struct uring_event *event)
{
	struct spool_move *move = owner;
	struct spool *spool = move->spool;

	move->op = false;
	if (!move->message) {
		move_give_up(move);
	} else if (event->res <= 0 && event->res != -EINTR &&
		   event->res != -EAGAIN) {
		move->victim->stubborn = true;
		move_give_up(move);
	} else {
		move->have += event->res > 0 ? (uint32_t)event->res : 0;
		if (move->have < move->want) {
			move_read(move);
		} else if (!move_was_read(move)) {
			move->victim->stubborn |= move->message->open != 0;
			move_give_up(move);
		}
	}
	spool_continue(spool);
	spool->inflight--;
}

static void move_read(struct spool_move *move)
{
	struct uring_target target = {.fn = on_read, .owner = move};
	struct spool_extent source = move_source(move);

	if (!uring_read(move->spool->ring, target, source.segment->fd,
			move->buffer->data + move->have,
			move->want - move->have,
			((uint64_t)source.offset8 << 3) + move->have)) {
		move_give_up(move);
		return;
	}
	move->state = SPOOL_MOVE_READING;
	move->op = true;
	move->spool->inflight++;
}

static void move_next(struct spool_move *move)
{
	struct spool_message *message = move->message;
	struct spool_extent source;

	while (move->next < move->count &&
	       message->extents[move->next].segment != move->victim)
		move->next++;
	source = move_source(move);
	move->have = 0;
	move->want = (uint32_t)spool_record_size(source.length);
	assert(!move->buffer);
	move->buffer = spool_buffer_get(
		&move->spool->memory,
		(size_t)move->want + (size_t)message->recipients * 8 + 8);
	if (move->buffer)
		move_read(move);
	else
		move_give_up(move);
}

static void move_start(struct spool *spool, struct spool_move *move,
		       struct spool_message *message)
{
	size_t count = message->extent_count;

	*move = (struct spool_move){
		.spool = spool,
		.message = message,
		.state = SPOOL_MOVE_READING,
		.victim = spool->first,
		.count = message->extent_count,
	};
	move->victim->refs++;
	message->flags |= SPOOL_MESSAGE_MOVING;
	move->extents = calloc(count + 1, sizeof(*move->extents));
	move->moved = calloc(count + 1, sizeof(*move->moved));
	if (!move->extents || !move->moved) {
		move->count = 0;
		move_give_up(move);
		return;
	}
	if (count)
		memcpy(move->extents, message->extents,
		       count * sizeof(*move->extents));
	move_next(move);
}

/* --- what the rest of the spool tells --- */

void spool_move_place(struct spool_item *item, struct spool_segment *segment,
		      uint64_t offset)
{
	struct spool_move *move = item->move;

	if (item->kind == SPOOL_ITEM_MOVE) {
		spool_put_chunk_list(item->record + move->list_at,
				     move->extents, move->count);
		move->segment = segment;
		move->offset8 = (uint32_t)(offset >> 3);
		spool_extent_use(segment, move->length);
		return;
	}
	move->extents[move->next].segment = segment;
	move->extents[move->next].offset8 = (uint32_t)(offset >> 3);
	move->moved[move->next] = true;
	spool_extent_use(segment, move->extents[move->next].length);
}

void spool_move_written(struct spool_item *item)
{
	struct spool_move *move = item->move;

	move->item = false;
	if (item->kind == SPOOL_ITEM_MOVE) {
		/* Its last result, if any, stands behind the copy. */
		assert(move->message);
		/* As long as the old record exists, so must its copy. */
		spool_segment_pin(move->message->segment, move->segment);
		move->state = SPOOL_MOVE_WAITING;
		if (!move->message->views)
			move_finish(move);
	} else if (move->message) {
		move->next++;
		move_next(move);
	} else {
		move_give_up(move);
	}
}

void spool_move_dropped(struct spool_item *item)
{
	item->move->item = false;
	move_give_up(item->move);
}

void spool_move_unviewed(struct spool_message *message)
{
	struct spool_move *move = move_of(message);

	if (move && move->state == SPOOL_MOVE_WAITING)
		move_finish(move);
}

void spool_move_message_ends(struct spool_message *message)
{
	struct spool_move *move = move_of(message);

	if (move)
		move_give_up(move);
}

struct spool_segment *spool_move_new_home(const struct spool_message *message)
{
	const struct spool_move *move = move_of(message);

	return move && move->state == SPOOL_MOVE_WAITING ? move->segment : NULL;
}

void spool_clean_earn(struct spool *spool, unsigned activity)
{
	spool->clean_budget += activity;
	if (spool->clean_budget > BUDGET_MAX)
		spool->clean_budget = BUDGET_MAX;
}

void spool_clean(struct spool *spool)
{
	while (spool->clean_budget && log_is_sparse(spool) &&
	       spool->prepare_status == SPOOL_OK && !spool_behind(spool)) {
		struct spool_move *move = move_slot(spool);
		struct spool_message *message =
			move ? next_to_move(spool) : NULL;

		if (!message)
			return;
		spool->clean_budget--;
		move_start(spool, move, message);
	}
}
