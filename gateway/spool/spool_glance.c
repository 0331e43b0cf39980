/* SPDX-License-Identifier: Apache-2.0 */
/* A message's records, looked at in place (spool_glance.h). */
#include "gateway/spool/spool_glance.h"

#include <errno.h>

#include "gateway/spool/spool_private.h"

/* The payload of a record that a message knows of, or NULL. */
static const unsigned char *payload_at(struct spool_segment *segment,
				       uint32_t offset8, uint32_t length,
				       uint64_t id, uint8_t type, int *error)
{
	uint64_t offset = (uint64_t)offset8 << 3;
	struct spool_record_header header;
	const unsigned char *map;

	*error = -EBADMSG;
	if (!segment || offset + spool_record_size(length) > segment->size)
		return NULL;
	map = spool_segment_map(segment);
	if (!map) {
		*error = -ENOMEM;
		return NULL;
	}
	map += offset;
	if (!spool_record_header_get(
		    map, spool_position(segment->number, offset), &header) ||
	    header.type != type || header.length != length || header.id != id)
		return NULL;
	*error = 0;
	return map + SPOOL_RECORD_HEADER;
}

static int parse(struct spool_message *message, struct spool_parsed *parsed)
{
	int error;
	const unsigned char *payload =
		payload_at(message->segment, message->offset8, message->length,
			   message->id, SPOOL_RECORD_MESSAGE, &error);

	if (!payload)
		return error;
	/* The header's flags stand 11 bytes into the record. */
	if (!spool_parse_message(payload, message->length,
				 payload[11 - SPOOL_RECORD_HEADER], parsed) ||
	    parsed->recipients != message->recipients)
		return -EBADMSG;
	return 0;
}

const char *spool_glance_next(const char *recipient)
{
	return recipient + strlen(recipient) + 1;
}

int spool_glance(struct spool_message *message, struct spool_glance *out)
{
	struct spool_parsed parsed;
	int error = parse(message, &parsed);

	if (error)
		return error;
	*out = (struct spool_glance){
		.arrival = parsed.arrival,
		.size = parsed.body_size,
		.flags = parsed.flags,
		.client = parsed.text,
		.recipient_count = parsed.recipients,
		.trace = parsed.trace,
		.trace_len = parsed.trace_len,
	};
	out->sender = spool_glance_next(out->client);
	out->first = spool_glance_next(out->sender);
	return 0;
}

/* In the part of the body that stands in the MESSAGE record itself. */
static int inline_body(struct spool_message *message, uint64_t offset,
		       const unsigned char **data, size_t *len)
{
	struct spool_parsed parsed;
	int error = parse(message, &parsed);

	*len = 0;
	if (error || offset >= parsed.inline_len)
		return error;
	*data = parsed.body + offset;
	*len = (size_t)(parsed.inline_len - offset);
	return 0;
}

int spool_glance_body(struct spool_message *message, uint64_t offset,
		      const unsigned char **data, size_t *len)
{
	*len = 0;
	for (uint32_t i = 0; i < message->extent_count; i++) {
		const struct spool_extent *e = &message->extents[i];
		const unsigned char *payload;
		int error;

		if (offset >= e->length) {
			offset -= e->length;
			continue;
		}
		payload = payload_at(e->segment, e->offset8, e->length,
				     message->id, SPOOL_RECORD_CHUNK, &error);
		if (!payload)
			return error;
		*data = payload + offset;
		*len = (size_t)(e->length - offset);
		return 0;
	}
	return inline_body(message, offset, data, len);
}
