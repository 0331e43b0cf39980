/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each record does to the state that recovery builds.
 *
 * A record with a right checksum was written by this program; still nothing
 * it says is believed without a look, and one that makes no sense is passed
 * over as if it weren't there.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/spool/spool_recover.h"

struct spool_segment *spool_recovery_segment(struct spool_recovery *r,
					     uint32_t number)
{
	if (!r->cached || r->cached->number != number)
		r->cached = spool_segment_find(r->spool, number);
	return r->cached;
}

unsigned char *spool_record_read(const struct spool_segment *segment,
				 uint32_t offset8, uint32_t length, uint64_t id,
				 uint8_t type)
{
	uint64_t size = spool_record_size(length);
	uint64_t offset = (uint64_t)offset8 << 3;
	struct spool_record_header header;
	unsigned char *record;

	if (offset > segment->size || size > segment->size - offset)
		return NULL;
	record = malloc((size_t)size);
	if (!record)
		return NULL;
	if (pread(segment->fd, record, (size_t)size, (off_t)offset) ==
		    (ssize_t)size &&
	    spool_record_header_get(
		    record, spool_position(segment->number, offset), &header) &&
	    header.length == length && header.id == id && header.type == type &&
	    spool_record_verify(record, segment->seed))
		return record;
	free(record);
	return NULL;
}

/* Before something is believed of a message because of its id: is that its
 * id? Damage could have made it another's. */
static void confirm(struct spool_recovery *r, struct spool_message *message)
{
	unsigned char *record;

	if (!(message->flags & SPOOL_MESSAGE_PASSED))
		return;
	record = spool_record_read(message->segment, message->offset8,
				   message->length, message->id,
				   SPOOL_RECORD_MESSAGE);
	if (record)
		message->flags &= (uint8_t)~SPOOL_MESSAGE_PASSED;
	else
		r->doubtful = true;
	free(record);
}

/* @later speaks of what is at @position: needed as long as that exists. */
static void replay_pin(struct spool_recovery *r, uint64_t position,
		       struct spool_segment *later)
{
	struct spool_segment *home =
		spool_recovery_segment(r, spool_position_segment(position));

	if (home && home->number < later->number)
		spool_segment_pin(home, later);
}

static int replay_chunk(struct spool_recovery *r, struct spool_segment *segment,
			const struct spool_scanned *scanned)
{
	struct spool_chunk_seen *seen =
		spool_list_add(&r->chunks, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	seen->id = scanned->header.id;
	seen->extent = (struct spool_extent){
		.segment = segment,
		.offset8 = (uint32_t)(scanned->offset >> 3),
		.length = scanned->header.length,
	};
	return 0;
}

static bool message_read_chunks(struct spool_recovery *r,
				struct spool_message *message,
				const struct spool_parsed *parsed)
{
	const unsigned char *at = parsed->extents;

	if (!parsed->chunks)
		return true;
	message->extents = calloc(parsed->chunks, sizeof(*message->extents));
	if (!message->extents)
		return false;
	message->extent_count = parsed->chunks;
	for (uint32_t i = 0; i < parsed->chunks; i++) {
		struct spool_extent *extent = &message->extents[i];
		uint64_t position = spool_get64(at);

		extent->segment = spool_recovery_segment(
			r, spool_position_segment(position));
		extent->offset8 = (uint32_t)position;
		extent->length = spool_get32(at + 8);
		if (extent->segment)
			spool_extent_use(extent->segment, extent->length);
		at += SPOOL_EXTENT_SIZE;
	}
	return true;
}

/* A copy carries what the results before it had said. */
static void message_read_state(struct spool_message *message,
			       const struct spool_parsed *parsed)
{
	uint64_t *words = spool_message_words(message);

	for (uint32_t i = 0; parsed->state && i < parsed->recipients; i++) {
		words[i] = spool_get64(parsed->state + (size_t)i * 8);
		if (words[i] & SPOOL_WORD_DONE)
			message->open--;
	}
}

static struct spool_message *message_read(struct spool_recovery *r, uint64_t id,
					  const struct spool_parsed *parsed)
{
	struct spool_memory *memory = &r->spool->memory;
	struct spool_message *message =
		spool_message_get(memory, parsed->recipients);

	if (!message)
		return NULL;
	message->id = id;
	message_read_state(message, parsed);
	if (message_read_chunks(r, message, parsed))
		return message;
	spool_message_put(memory, message);
	return NULL;
}

static void message_gone(struct spool_recovery *r,
			 struct spool_message *message)
{
	spool_idmap_remove(&r->live, message->id);
	spool_message_drop(r->spool, message);
}

static int replay_message(struct spool_recovery *r,
			  struct spool_segment *segment,
			  const struct spool_scanned *scanned)
{
	const struct spool_record_header *header = &scanned->header;
	struct spool_message *old = spool_idmap_find(&r->live, header->id);
	struct spool_message *message;
	struct spool_parsed parsed;
	uint64_t *owner;

	if (!spool_parse_message(scanned->payload, header->length,
				 header->flags, &parsed) ||
	    !parsed.recipients)
		return 0;
	message = message_read(r, header->id, &parsed);
	if (!message)
		return -ENOMEM;
	spool_message_link(message, segment, scanned->offset, header->length);
	if (scanned->passed)
		message->flags |= SPOOL_MESSAGE_PASSED;
	if (old) {
		confirm(r, old);
		if (!(header->flags & SPOOL_RECORD_COPY))
			confirm(r, message);
		/* Moved: as long as the old record exists, this one must. */
		spool_segment_pin(old->segment, segment);
		message_gone(r, old);
	}
	if (parsed.chunks) {
		owner = spool_list_add(&r->owners, sizeof(*owner));
		if (!owner)
			return -ENOMEM;
		*owner = header->id;
	}
	if (!spool_idmap_add(&r->live, message))
		return -ENOMEM;
	if (!message->open)
		message_gone(r, message);
	return 0;
}

static int replay_result(struct spool_recovery *r,
			 struct spool_segment *segment,
			 const struct spool_scanned *scanned)
{
	struct spool_result_record result;
	struct spool_message *message;

	if (!spool_parse_result(scanned->payload, scanned->header.length,
				&result))
		return 0;
	r->report->results++;
	replay_pin(r, result.home, segment);
	message = spool_idmap_find(&r->live, scanned->header.id);
	if (message && message->segment->number < segment->number &&
	    message->segment->number != spool_position_segment(result.home))
		/* It has moved since. */
		spool_segment_pin(message->segment, segment);
	if (!message || result.recipient >= message->recipients ||
	    result.result > SPOOL_DEFERRED)
		return 0;
	if (result.home != spool_position(message->segment->number,
					  (uint64_t)message->offset8 << 3))
		confirm(r, message);
	spool_message_warn(message, result.recipient, result.warned);
	spool_word_apply(message, result.recipient,
			 (enum spool_result)result.result, result.attempts,
			 result.next_attempt);
	if (message->open)
		return 0;
	r->report->finished++;
	message_gone(r, message);
	return 0;
}

static int replay_free(struct spool_recovery *r, struct spool_segment *segment,
		       const struct spool_scanned *scanned)
{
	const unsigned char *at = scanned->payload;
	uint64_t count;

	if (scanned->header.length < SPOOL_FREE_FIXED)
		return 0;
	count = spool_get64(at);
	if (count >
	    (scanned->header.length - SPOOL_FREE_FIXED) / SPOOL_EXTENT_SIZE)
		return 0;
	at += SPOOL_FREE_FIXED;
	for (uint64_t i = 0; i < count; i++, at += SPOOL_EXTENT_SIZE) {
		struct spool_range *range =
			spool_list_add(&r->frees, sizeof(*range));
		uint64_t position = spool_get64(at);

		if (!range)
			return -ENOMEM;
		range->segment = spool_position_segment(position);
		range->from = spool_position_offset(position);
		range->to = range->from + spool_get64(at + 8);
		replay_pin(r, position, segment);
	}
	return 0;
}

static int replay_void(struct spool_recovery *r, struct spool_segment *segment,
		       const struct spool_scanned *scanned)
{
	uint64_t position;
	uint64_t *slot;

	if (scanned->header.length != SPOOL_VOID_SIZE)
		return 0;
	position = spool_get64(scanned->payload);
	replay_pin(r, position, segment);
	for (size_t i = 0; i < r->voids.count; i++)
		if (((uint64_t *)r->voids.data)[i] == position)
			return 0;
	slot = spool_list_add(&r->voids, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	*slot = position;
	return 0;
}

int spool_replay(struct spool_recovery *r, struct spool_segment *segment,
		 const struct spool_scanned *scanned)
{
	uint8_t type = scanned->header.type;

	/* One that isn't verified has no say: the next header knows, too. */
	if (!scanned->passed && r->last_id < scanned->header.id)
		r->last_id = scanned->header.id;
	r->report->records[type < SPOOL_RECORD_KINDS ? type : 0]++;
	r->report->record_bytes += spool_record_size(scanned->header.length);
	switch (type) {
	case SPOOL_RECORD_CHUNK:
		return replay_chunk(r, segment, scanned);
	case SPOOL_RECORD_MESSAGE:
		return replay_message(r, segment, scanned);
	case SPOOL_RECORD_RESULT:
		return replay_result(r, segment, scanned);
	case SPOOL_RECORD_FREE:
		return replay_free(r, segment, scanned);
	case SPOOL_RECORD_VOID:
		return replay_void(r, segment, scanned);
	case SPOOL_RECORD_PAD:
		return 0;
	default:
		return 0; /* of a later version; it says nothing to us */
	}
}
