/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a message: its records in the mapped segments, nothing copied.
 * A segment's map stays until the segment is deleted, and a message that is
 * viewed keeps its segments.
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/spool/spool_private.h"

struct view_state {
	struct spool_message *message;
	const char **recipients;
	struct spool_place *places;
	/* extent_count + 1; as many places; recipients, perhaps their
	 * parameters */
	struct iovec body[];
};

/* The whole record at @offset8, or NULL if it isn't what it should be. */
static const unsigned char *record_at(struct spool_segment *segment,
				      uint32_t offset8, uint32_t length,
				      uint64_t id, uint8_t type, bool verify)
{
	uint64_t offset = (uint64_t)offset8 << 3;
	const unsigned char *map = spool_segment_map(segment);
	struct spool_record_header header;

	if (!map || offset + spool_record_size(length) > segment->size)
		return NULL;
	map += offset;
	if (!verify)
		return map;
	if (!spool_record_header_get(
		    map, spool_position(segment->number, offset), &header) ||
	    header.type != type || header.length != length || header.id != id ||
	    !spool_record_verify(map, segment->seed))
		return NULL;
	return map;
}

/* @data lies in the map of @segment. @direct: it isn't in the page cache. */
static void view_piece(struct view_state *state, size_t i,
		       const struct spool_segment *segment,
		       const unsigned char *data, size_t len, bool direct)
{
	state->body[i] = (struct iovec){
		.iov_base = (void *)(uintptr_t)data,
		.iov_len = len,
	};
	state->places[i] = (struct spool_place){
		.fd = direct ? segment->direct_fd : segment->fd,
		.block = direct ? SPOOL_BLOCK : 0,
		.offset = (uint64_t)(data - segment->map),
	};
}

static int view_chunks(struct view_state *state, bool verify)
{
	const struct spool_message *message = state->message;

	for (uint32_t i = 0; i < message->extent_count; i++) {
		const struct spool_extent *extent = &message->extents[i];
		const unsigned char *record = NULL;

		if (extent->segment)
			record = record_at(extent->segment, extent->offset8,
					   extent->length, message->id,
					   SPOOL_RECORD_CHUNK, verify);
		if (!record)
			return -EBADMSG;
		view_piece(state, i, extent->segment,
			   record + SPOOL_RECORD_HEADER, extent->length,
			   spool_block_place(extent->segment, extent));
	}
	return 0;
}

static const char *next_string(const char *text)
{
	return text + strlen(text) + 1;
}

/* Do the pieces make the body that the record speaks of? */
static bool body_adds_up(const struct spool_message *message,
			 const struct spool_parsed *parsed)
{
	uint64_t sum = parsed->inline_len;

	for (uint32_t i = 0; i < message->extent_count; i++)
		sum += message->extents[i].length;
	return sum == parsed->body_size;
}

/* The rest of the text, behind the recipients. */
static void view_fill_dsn(struct spool_view *view, struct view_state *state,
			  const struct spool_parsed *parsed, const char *text)
{
	const char **dsn = state->recipients + parsed->recipients;

	if (!(parsed->flags & SPOOL_DSN))
		return;
	view->envelope.dsn = text;
	for (uint32_t i = 0; i < parsed->recipients; i++) {
		text = next_string(text);
		dsn[i] = text;
	}
	view->envelope.recipients_dsn = dsn;
}

static void view_fill(struct spool_view *view, struct view_state *state,
		      const struct spool_parsed *parsed)
{
	const char *text = parsed->text;
	size_t pieces = state->message->extent_count;

	*view = (struct spool_view){.envelope.client = text};
	text = next_string(text);
	view->envelope.reverse_path = text;
	for (uint32_t i = 0; i < parsed->recipients; i++) {
		text = next_string(text);
		state->recipients[i] = text;
	}
	view_fill_dsn(view, state, parsed, next_string(text));
	view->envelope.recipients = state->recipients;
	view->envelope.recipient_count = parsed->recipients;
	view->envelope.arrival = parsed->arrival;
	view->envelope.flags = parsed->flags & ~SPOOL_DSN;
	view->trace = parsed->trace;
	view->trace_len = parsed->trace_len;
	view->body_size = parsed->body_size;
	if (parsed->inline_len)
		view_piece(state, pieces++, state->message->segment,
			   parsed->body, parsed->inline_len, false);
	view->body = state->body;
	view->places = state->places;
	view->body_count = pieces;
	view->private_data = state;
}

static int view_make(struct spool_message *message, const unsigned char *record,
		     bool verify, struct spool_view *out)
{
	size_t pieces = (size_t)message->extent_count + 1;
	struct spool_parsed parsed;
	struct view_state *state;
	int error;

	if (!spool_parse_message(record + SPOOL_RECORD_HEADER, message->length,
				 record[11], &parsed) ||
	    parsed.recipients != message->recipients ||
	    parsed.chunks != message->extent_count ||
	    !body_adds_up(message, &parsed))
		return -EBADMSG;
	state = malloc(
		sizeof(*state) +
		pieces * (sizeof(struct iovec) + sizeof(struct spool_place)) +
		message->recipients * sizeof(char *) *
			(parsed.flags & SPOOL_DSN ? 2 : 1));
	if (!state)
		return -ENOMEM;
	state->message = message;
	state->places = (struct spool_place *)&state->body[pieces];
	state->recipients = (const char **)&state->places[pieces];
	error = view_chunks(state, verify);
	if (error) {
		free(state);
		return error;
	}
	view_fill(out, state, &parsed);
	return 0;
}

static int view(struct spool_message *message, bool verify,
		struct spool_view *out)
{
	const unsigned char *record;
	int error;

	assert(message->views < UINT16_MAX);
	if (!spool_segment_map(message->segment))
		return -ENOMEM;
	record = record_at(message->segment, message->offset8, message->length,
			   message->id, SPOOL_RECORD_MESSAGE, verify);
	if (!record)
		return -EBADMSG;
	error = view_make(message, record, verify, out);
	if (error)
		return error;
	message->views++;
	return 0;
}

int spool_view(struct spool *spool, struct spool_message *message,
	       struct spool_view *out)
{
	int error =
		view(message, !(message->flags & SPOOL_MESSAGE_VERIFIED), out);

	if (!error)
		message->flags |= SPOOL_MESSAGE_VERIFIED;
	if (error == -EBADMSG)
		spool_doubt(spool);
	return error;
}

int spool_view_envelope(struct spool *spool, struct spool_message *message,
			struct spool_view *out)
{
	int error = view(message, false, out);

	if (error == -EBADMSG)
		spool_doubt(spool);
	return error;
}

void spool_release_view(struct spool *spool, struct spool_view *view)
{
	struct view_state *state = view->private_data;
	struct spool_message *message;

	if (!state)
		return;
	message = state->message;
	free(state);
	*view = (struct spool_view){0};
	assert(message->views);
	message->views--;
	if (message->views)
		return;
	if (message->flags & SPOOL_MESSAGE_FINISHED)
		spool_message_finish(spool, message);
	else
		spool_move_unviewed(message);
}
