/* SPDX-License-Identifier: Apache-2.0 */
/* Queued messages in memory, and the results that end them. */
#include "gateway/spool/spool_private.h"

#define NS_PER_MS UINT64_C(1000000)

uint64_t *spool_message_words(struct spool_message *message)
{
	return message->recipients > SPOOL_WORDS_INLINE ? message->more
							: message->words;
}

static uint64_t message_word(const struct spool_message *message, size_t index)
{
	assert(index < message->recipients);
	return message->recipients > SPOOL_WORDS_INLINE ? message->more[index]
							: message->words[index];
}

uint64_t spool_message_id(const struct spool_message *message)
{
	return message->id;
}

struct spool *spool_message_spool(const struct spool_message *message)
{
	return message->segment->spool;
}

size_t spool_message_recipient_count(const struct spool_message *message)
{
	return message->recipients;
}

bool spool_message_recipient_done(const struct spool_message *message,
				  size_t index)
{
	return message_word(message, index) & SPOOL_WORD_DONE;
}

unsigned spool_message_attempts(const struct spool_message *message,
				size_t index)
{
	return (unsigned)(message_word(message, index) >>
				  SPOOL_WORD_ATTEMPTS_SHIFT &
			  SPOOL_WORD_ATTEMPTS_MAX);
}

uint64_t spool_message_next_attempt(const struct spool_message *message,
				    size_t index)
{
	return (message_word(message, index) & SPOOL_WORD_TIME_MAX) * NS_PER_MS;
}

unsigned spool_message_warned(const struct spool_message *message, size_t index)
{
	return (unsigned)(message_word(message, index) >>
			  SPOOL_WORD_WARNED_SHIFT) &
	       SPOOL_WARNED_MAX;
}

void spool_message_warn(struct spool_message *message, size_t index,
			unsigned times)
{
	uint64_t *word = &spool_message_words(message)[index];

	assert(index < message->recipients);
	if (times > SPOOL_WARNED_MAX)
		times = SPOOL_WARNED_MAX;
	*word &= ~((uint64_t)SPOOL_WARNED_MAX << SPOOL_WORD_WARNED_SHIFT);
	*word |= (uint64_t)times << SPOOL_WORD_WARNED_SHIFT;
}

void spool_word_apply(struct spool_message *message, uint32_t recipient,
		      enum spool_result result, unsigned attempts,
		      uint64_t next_attempt)
{
	uint64_t *word = &spool_message_words(message)[recipient];
	/* Rounded up: never tried before it is due. */
	uint64_t ms = next_attempt / NS_PER_MS + !!(next_attempt % NS_PER_MS);

	if (*word & SPOOL_WORD_DONE)
		return;
	if (attempts > SPOOL_WORD_ATTEMPTS_MAX)
		attempts = SPOOL_WORD_ATTEMPTS_MAX;
	*word &= (uint64_t)SPOOL_WARNED_MAX << SPOOL_WORD_WARNED_SHIFT;
	*word |= (uint64_t)attempts << SPOOL_WORD_ATTEMPTS_SHIFT;
	if (result == SPOOL_DEFERRED) {
		*word |= ms;
		return;
	}
	*word |= SPOOL_WORD_DONE;
	assert(message->open);
	message->open--;
}

void spool_message_link(struct spool_message *message,
			struct spool_segment *segment, uint64_t offset,
			uint32_t length)
{
	message->segment = segment;
	message->offset8 = (uint32_t)(offset >> 3);
	message->length = length;
	message->prev = NULL;
	message->next = segment->messages;
	if (message->next)
		message->next->prev = message;
	segment->messages = message;
	spool_extent_use(segment, length);
}

void spool_message_unlink(struct spool_message *message)
{
	if (message->next)
		message->next->prev = message->prev;
	if (message->prev)
		message->prev->next = message->next;
	else
		message->segment->messages = message->next;
}

void spool_message_drop(struct spool *spool, struct spool_message *message)
{
	struct spool_segment *segment = message->segment;
	struct spool_extent head = {.segment = segment,
				    .offset8 = message->offset8,
				    .length = message->length};

	spool_move_message_ends(message);
	spool_message_unlink(message);
	/* Segments that end here need no FREE records any more. */
	for (uint32_t i = 0; i < message->extent_count; i++)
		if (message->extents[i].segment)
			spool_extent_drop(message->extents[i].segment,
					  message->extents[i].length);
	spool_extent_drop(segment, head.length);
	if (!spool->recovering) {
		spool_give_back(spool, message->extents, message->extent_count);
		spool_give_back(spool, &head, 1);
	}
	spool_message_put(&spool->memory, message);
}

void spool_message_finish(struct spool *spool, struct spool_message *message)
{
	message->flags |= SPOOL_MESSAGE_FINISHED;
	if (message->views)
		return; /* the last view finishes it */
	assert(!message->pending && !message->open);
	spool->stats.finished++;
	spool_message_drop(spool, message);
}

/* --- results --- */

/* @size bytes in the buffer that results share; a reference goes with them. */
static unsigned char *result_room(struct spool *spool, size_t size,
				  struct spool_buffer **buffer)
{
	unsigned char *at;

	if (!spool->results ||
	    spool->results->size - spool->results_used < size) {
		spool_buffer_unref(&spool->memory, spool->results);
		spool->results = spool_buffer_get(&spool->memory, size);
		spool->results_used = 0;
		/* A result can't be refused: what was delivered would be
		 * delivered again. Better to die and recover now. */
		assert(spool->results);
	}
	at = spool->results->data + spool->results_used;
	spool->results_used += (uint32_t)size;
	spool->results->refs++;
	*buffer = spool->results;
	return at;
}

void spool_result_put(unsigned char *record, uint64_t id, uint32_t recipient,
		      enum spool_result result, unsigned attempts,
		      unsigned warned, uint64_t next_attempt, const char *reply,
		      size_t reply_len)
{
	unsigned char *at = record + SPOOL_RECORD_HEADER;

	spool_put64(at, 0); /* the message's place: with the round */
	spool_put32(at + 8, recipient);
	at[12] = (unsigned char)(result | warned << SPOOL_RESULT_WARNED_SHIFT);
	at[13] = (unsigned char)reply_len;
	spool_put16(at + 14,
		    (uint16_t)(attempts < UINT16_MAX ? attempts : UINT16_MAX));
	spool_put64(at + 16, next_attempt);
	memcpy(at + SPOOL_RESULT_FIXED, reply, reply_len);
	spool_record_begin(record, SPOOL_RECORD_RESULT, 0,
			   SPOOL_RESULT_FIXED + (uint32_t)reply_len, id);
}

void spool_record(struct spool *spool, struct spool_message *message,
		  size_t recipient, enum spool_result result, unsigned attempts,
		  uint64_t next_attempt, const char *reply)
{
	size_t reply_len = reply ? strnlen(reply, SPOOL_REPLY_MAX) : 0;
	struct spool_item *item = spool_item_get(&spool->memory);

	assert(item); /* see result_room() */
	assert(recipient < message->recipients);
	assert(!spool_message_recipient_done(message, recipient));
	spool_word_apply(message, (uint32_t)recipient, result, attempts,
			 next_attempt);
	item->kind = SPOOL_ITEM_RESULT;
	item->size =
		(uint32_t)spool_record_size(SPOOL_RESULT_FIXED + reply_len);
	item->record = result_room(spool, item->size, &item->buffer);
	spool_result_put(item->record, message->id, (uint32_t)recipient, result,
			 attempts, spool_message_warned(message, recipient),
			 next_attempt, reply ? reply : "", reply_len);
	item->message = message;
	item->final = !message->open;
	message->pending++;
	spool_enqueue(spool, item);
}
