/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting a message: gathering its body, writing big ones away in chunks
 * while they arrive, and the MESSAGE record that makes it exist.
 *
 * A writer's buffer has room for the MESSAGE head in front of the body, so
 * that neither a chunk nor a message is ever copied to be written: a CHUNK
 * record starts 40 bytes, a MESSAGE record 88 bytes before the body.
 */
#include <stdlib.h>
#include <time.h>

#include "gateway/spool/spool_private.h"

enum {
	ID_TIME_SHIFT = 22, /* ms above, 16 bits of count, 6 of worker */
	ID_WORKER_BITS = 6,
	CHUNKS_FIRST = 8,
};

uint64_t spool_wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Larger than every id before, in this life and, as far as the log or the
 * clock knows, in earlier ones. */
static uint64_t next_id(struct spool *spool)
{
	uint64_t count = (spool->last_id >> ID_WORKER_BITS) + 1;
	uint64_t now = spool_wall_clock() / 1000000
		       << (ID_TIME_SHIFT - ID_WORKER_BITS);

	if (count < now)
		count = now;
	spool->last_id = count << ID_WORKER_BITS | spool->worker;
	return spool->last_id;
}

enum spool_status spool_begin(struct spool *spool, struct spool_writer **out)
{
	struct spool_writer *writer;

	if (spool->prepare_status != SPOOL_OK)
		return spool->prepare_status;
	if (spool_space_low(spool))
		return SPOOL_FULL;
	writer = spool_writer_get(&spool->memory);
	if (!writer)
		return SPOOL_FAILED;
	writer->spool = spool;
	writer->id = next_id(spool);
	writer->next = &spool->writers;
	writer->prev = spool->writers.prev;
	writer->prev->next = writer;
	spool->writers.prev = writer;
	*out = writer;
	return SPOOL_OK;
}

uint64_t spool_writer_id(const struct spool_writer *writer)
{
	return writer->id;
}

uint64_t spool_writer_size(const struct spool_writer *writer)
{
	return writer->size;
}

static unsigned char *writer_body(struct spool_buffer *buffer)
{
	return buffer->data + SPOOL_MESSAGE_HEAD;
}

static size_t writer_room(const struct spool_writer *writer)
{
	size_t room;

	if (!writer->buffer)
		return 0;
	room = writer->buffer->size - SPOOL_MESSAGE_HEAD;
	return (room < SPOOL_CHUNK ? room : SPOOL_CHUNK) - writer->used;
}

/* Room for one more in the writer's list of chunks? */
static bool writer_chunk_slot(struct spool_writer *writer)
{
	uint32_t room =
		writer->chunk_room ? 2 * writer->chunk_room : CHUNKS_FIRST;
	struct spool_extent *chunks;

	if (writer->chunk_count < writer->chunk_room)
		return true;
	chunks = reallocarray(writer->chunks, room, sizeof(*chunks));
	if (!chunks)
		return false;
	writer->chunks = chunks;
	writer->chunk_room = room;
	return true;
}

/* Queue what the buffer holds as a CHUNK; the buffer goes with it. */
static bool writer_flush_chunk(struct spool_writer *writer)
{
	struct spool *spool = writer->spool;
	struct spool_item *item = NULL;

	if (writer_chunk_slot(writer))
		item = spool_item_get(&spool->memory);
	if (!item)
		return false;
	*item = (struct spool_item){
		.kind = SPOOL_ITEM_CHUNK,
		.record = writer_body(writer->buffer) - SPOOL_RECORD_HEADER,
		.size = (uint32_t)spool_record_size(writer->used),
		.buffer = writer->buffer,
		.writer = writer,
		.chunk = writer->chunk_count,
	};
	spool_record_begin(item->record, SPOOL_RECORD_CHUNK, 0, writer->used,
			   writer->id);
	spool->gathering += writer->chunk_count == 0;
	writer->chunks[writer->chunk_count++] =
		(struct spool_extent){.length = writer->used};
	writer->buffer = NULL;
	writer->used = 0;
	writer->items++;
	spool_enqueue(spool, item);
	return true;
}

/* Exchange the buffer for one with room for @size bytes. */
static bool writer_move(struct spool_writer *writer, size_t size)
{
	struct spool_memory *memory = &writer->spool->memory;
	struct spool_buffer *buffer = spool_buffer_get(memory, size);

	if (!buffer)
		return false;
	if (writer->used)
		memcpy(writer_body(buffer), writer_body(writer->buffer),
		       writer->used);
	spool_buffer_unref(memory, writer->buffer);
	writer->buffer = buffer;
	return true;
}

static bool writer_grow(struct spool_writer *writer)
{
	if (writer->used == SPOOL_CHUNK && !writer_flush_chunk(writer))
		return false;
	if (writer->chunk_count)
		return writer_move(writer, SPOOL_MESSAGE_HEAD + SPOOL_CHUNK);
	return writer_move(writer, spool_buffer_next_size(writer->buffer));
}

size_t spool_reserve(struct spool_writer *writer, unsigned char **data)
{
	struct spool *spool = writer->spool;

	assert(writer->state == SPOOL_WRITER_GATHERING);
	if (writer->status == SPOOL_OK && !writer_room(writer)) {
		if (spool_behind(spool))
			return 0;
		if (!writer_grow(writer))
			spool_writer_fail(writer, SPOOL_FAILED);
	}
	if (writer->status != SPOOL_OK) {
		/* The client hears of it when it has sent everything. */
		*data = spool->scratch;
		return sizeof(spool->scratch);
	}
	*data = writer_body(writer->buffer) + writer->used;
	return writer_room(writer);
}

void spool_advance(struct spool_writer *writer, size_t len)
{
	assert(writer->state == SPOOL_WRITER_GATHERING);
	writer->size += len;
	if (writer->status != SPOOL_OK)
		return;
	assert(len <= writer_room(writer));
	writer->used += (uint32_t)len;
}

/* Is there anything of RFC 3461 to be kept? */
static bool envelope_has_dsn(const struct spool_envelope *envelope)
{
	return envelope->dsn || envelope->recipients_dsn;
}

static const char *recipient_dsn(const struct spool_envelope *envelope,
				 size_t i)
{
	return envelope->recipients_dsn ? envelope->recipients_dsn[i] : "";
}

static const char *mail_dsn(const struct spool_envelope *envelope)
{
	return envelope->dsn ? envelope->dsn : "";
}

static size_t envelope_text_len(const struct spool_envelope *envelope)
{
	size_t len = strlen(envelope->client) + 1 +
		     strlen(envelope->reverse_path) + 1;

	for (size_t i = 0; i < envelope->recipient_count; i++)
		len += strlen(envelope->recipients[i]) + 1;
	if (!envelope_has_dsn(envelope))
		return len;
	len += strlen(mail_dsn(envelope)) + 1;
	for (size_t i = 0; i < envelope->recipient_count; i++)
		len += strlen(recipient_dsn(envelope, i)) + 1;
	return len;
}

static unsigned char *put_string(unsigned char *at, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(at, text, size);
	return at + size;
}

static unsigned char *put_text(unsigned char *at,
			       const struct spool_envelope *envelope)
{
	at = put_string(at, envelope->client);
	at = put_string(at, envelope->reverse_path);
	for (size_t i = 0; i < envelope->recipient_count; i++)
		at = put_string(at, envelope->recipients[i]);
	if (!envelope_has_dsn(envelope))
		return at;
	at = put_string(at, mail_dsn(envelope));
	for (size_t i = 0; i < envelope->recipient_count; i++)
		at = put_string(at, recipient_dsn(envelope, i));
	return at;
}

/* Record bytes of a MESSAGE whose inline body is what the buffer holds. */
static size_t message_size(const struct spool_writer *writer, size_t text_len,
			   size_t trace_len)
{
	return SPOOL_MESSAGE_HEAD + spool_pad8(writer->used) +
	       (size_t)writer->chunk_count * SPOOL_EXTENT_SIZE +
	       spool_pad8(text_len + trace_len);
}

/* Make the buffer big enough for the whole MESSAGE record. */
static bool writer_fit(struct spool_writer *writer, size_t text_len,
		       size_t trace_len)
{
	size_t size = message_size(writer, text_len, trace_len);

	if (size > UINT32_MAX)
		return false;
	if (writer->buffer && size <= writer->buffer->size)
		return true;
	if (writer->buffer && writer->buffer->class == SPOOL_CLASSES - 1) {
		if (writer->used && !writer_flush_chunk(writer))
			return false;
		size = message_size(writer, text_len, trace_len);
	}
	return writer_move(writer, size);
}

/* The record but for the chunks' positions (they come with its round). */
static void put_message(struct spool_writer *writer,
			const struct spool_envelope *envelope, size_t text_len,
			const void *trace, size_t trace_len)
{
	unsigned char *record = writer->buffer->data;
	unsigned char *at = record + SPOOL_RECORD_HEADER;
	size_t pad = (size_t)(spool_pad8(writer->used) - writer->used);

	spool_put64(at, envelope->arrival);
	spool_put64(at + 8, writer->size);
	spool_put32(at + 16,
		    (envelope->flags & ~SPOOL_DSN) |
			    (envelope_has_dsn(envelope) ? SPOOL_DSN : 0));
	spool_put32(at + 20, (uint32_t)envelope->recipient_count);
	spool_put32(at + 24, writer->chunk_count);
	spool_put32(at + 28, writer->used);
	spool_put32(at + 32, (uint32_t)trace_len);
	spool_put32(at + 36, (uint32_t)text_len);
	spool_put64(at + 40, 0);
	at += SPOOL_MESSAGE_FIXED + writer->used;
	memset(at, 0, pad);
	at += pad;
	writer->list_at = (size_t)(at - record);
	at += (size_t)writer->chunk_count * SPOOL_EXTENT_SIZE;
	at = put_text(at, envelope);
	if (trace_len)
		memcpy(at, trace, trace_len);
	at += trace_len;
	writer->message->length = (uint32_t)(at - record - SPOOL_RECORD_HEADER);
	spool_record_begin(record, SPOOL_RECORD_MESSAGE, 0,
			   writer->message->length, writer->id);
}

static bool writer_finish(struct spool_writer *writer,
			  const struct spool_envelope *envelope,
			  const void *trace, size_t trace_len)
{
	struct spool *spool = writer->spool;
	size_t text_len = envelope_text_len(envelope);
	struct spool_item *item;

	if (envelope->recipient_count > UINT32_MAX / 16 ||
	    !writer_fit(writer, text_len, trace_len))
		return false;
	writer->message = spool_message_get(
		&spool->memory, (uint32_t)envelope->recipient_count);
	if (!writer->message)
		return false;
	item = spool_item_get(&spool->memory);
	if (!item)
		return false;
	writer->message->id = writer->id;
	put_message(writer, envelope, text_len, trace, trace_len);
	*item = (struct spool_item){
		.kind = SPOOL_ITEM_MESSAGE,
		.record = writer->buffer->data,
		.size = (uint32_t)spool_record_size(writer->message->length),
		.buffer = writer->buffer,
		.writer = writer,
	};
	writer->buffer = NULL;
	writer->items++;
	spool_enqueue(spool, item);
	return true;
}

void spool_commit(struct spool_writer *writer,
		  const struct spool_envelope *envelope, const void *trace,
		  size_t trace_len, spool_committed_fn fn, void *owner)
{
	assert(writer->state == SPOOL_WRITER_GATHERING);
	assert(envelope->recipient_count);
	writer->fn = fn;
	writer->owner = owner;
	writer->state = SPOOL_WRITER_COMMITTING;
	if (writer->status == SPOOL_OK &&
	    !writer_finish(writer, envelope, trace, trace_len))
		spool_writer_fail(writer, SPOOL_FAILED);
	if (writer->status != SPOOL_OK) {
		spool_answer(writer->spool, writer);
		spool_kick(writer->spool);
	}
}

void spool_abort(struct spool_writer **writer)
{
	struct spool_writer *aborted = *writer;

	*writer = NULL;
	if (!aborted)
		return;
	assert(aborted->state == SPOOL_WRITER_GATHERING);
	aborted->state = SPOOL_WRITER_ABORTED;
	spool_writer_settle(aborted);
}

void spool_writer_fail(struct spool_writer *writer, enum spool_status status)
{
	assert(status != SPOOL_OK);
	if (writer->status == SPOOL_OK)
		writer->status = status;
}

/* The chunks of a message that will not be: nothing but space. */
static void writer_drop_chunks(struct spool_writer *writer)
{
	struct spool *spool = writer->spool;
	uint32_t count = writer->chunk_count;

	for (uint32_t i = 0; i < count; i++) {
		struct spool_extent *chunk = &writer->chunks[i];

		if (chunk->segment)
			spool_extent_drop(chunk->segment, chunk->length);
	}
	spool->gathering--;
	spool_give_back(spool, writer->chunks, count);
}

void spool_writer_free(struct spool_writer *writer)
{
	struct spool_memory *memory = &writer->spool->memory;

	assert(!writer->items);
	if (writer->chunk_count)
		writer_drop_chunks(writer);
	free(writer->chunks);
	spool_buffer_unref(memory, writer->buffer);
	if (writer->message)
		spool_message_put(memory, writer->message);
	writer->next->prev = writer->prev;
	writer->prev->next = writer->next;
	spool_writer_put(memory, writer);
}

void spool_writer_settle(struct spool_writer *writer)
{
	if (writer->state == SPOOL_WRITER_ABORTED && !writer->items)
		spool_writer_free(writer);
}

void spool_answer(struct spool *spool, struct spool_writer *writer)
{
	writer->answer_next = NULL;
	if (spool->answers)
		spool->answers_tail->answer_next = writer;
	else
		spool->answers = writer;
	spool->answers_tail = writer;
}

void spool_answer_all(struct spool *spool)
{
	while (spool->answers) {
		struct spool_writer *writer = spool->answers;
		spool_committed_fn fn = writer->fn;
		void *owner = writer->owner;
		enum spool_status status = writer->status;
		struct spool_message *message = NULL;

		spool->answers = writer->answer_next;
		if (status == SPOOL_OK) {
			message = writer->message;
			writer->message = NULL;
		}
		writer->state = SPOOL_WRITER_ABORTED;
		spool_writer_settle(writer);
		fn(owner, status, message);
	}
}
