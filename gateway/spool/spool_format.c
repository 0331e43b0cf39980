/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading the bytes of a log (spool_format.h). */
#include "gateway/spool/spool_format.h"

#include <assert.h>
#include <xxhash.h>

#include "gateway/spool/spool.h"
#include "gateway/spool/spool_hash.h"

/* "RINGPOST" and "RP" as they stand in the file. */
#define SEGMENT_MAGIC UINT64_C(0x54534f50474e4952)
#define RECORD_MAGIC  UINT16_C(0x5052)

enum {
	FORMAT_VERSION = 1,
	SEGMENT_RECYCLED = 1, /* flag */
};

void spool_segment_header_put(unsigned char *at,
			      const struct spool_segment_header *header)
{
	spool_put64(at + 8, SEGMENT_MAGIC);
	spool_put16(at + 16, FORMAT_VERSION);
	spool_put16(at + 18, header->recycled ? SEGMENT_RECYCLED : 0);
	spool_put32(at + 20, SPOOL_SEGMENT_HEADER);
	spool_put64(at + 24, header->number);
	spool_put64(at + 32, header->seed);
	spool_put64(at + 40, header->created);
	spool_put64(at + 48, header->last_id);
	spool_put64(at + 56, header->previous);
	spool_put64(at, XXH3_64bits(at + 8, SPOOL_SEGMENT_HEADER - 8));
}

bool spool_segment_header_get(const unsigned char *at,
			      struct spool_segment_header *header)
{
	if (spool_get64(at + 8) != SEGMENT_MAGIC ||
	    spool_get64(at) != XXH3_64bits(at + 8, SPOOL_SEGMENT_HEADER - 8) ||
	    spool_get16(at + 16) != FORMAT_VERSION ||
	    spool_get16(at + 18) & ~SEGMENT_RECYCLED ||
	    spool_get32(at + 20) != SPOOL_SEGMENT_HEADER ||
	    spool_get64(at + 24) > UINT32_MAX)
		return false;
	*header = (struct spool_segment_header){
		.number = (uint32_t)spool_get64(at + 24),
		.seed = spool_get64(at + 32),
		.created = spool_get64(at + 40),
		.last_id = spool_get64(at + 48),
		.previous = spool_get64(at + 56),
		.recycled = spool_get16(at + 18) & SEGMENT_RECYCLED,
	};
	return true;
}

void spool_record_begin(unsigned char *record, uint8_t type, uint8_t flags,
			uint32_t length, uint64_t id)
{
	spool_put16(record + 8, RECORD_MAGIC);
	record[10] = type;
	record[11] = flags;
	spool_put32(record + 12, length);
	spool_put64(record + 24, id);
	memset(record + SPOOL_RECORD_HEADER + length, 0,
	       (size_t)(spool_pad8(length) - length));
}

static uint64_t record_checksum(const unsigned char *record, uint64_t seed)
{
	uint64_t size = spool_record_size(spool_get32(record + 12));

	return spool_hash(record + 8, (size_t)size - 8, seed);
}

void spool_record_seal(unsigned char *record, uint64_t position,
		       uint64_t synced, uint64_t seed)
{
	assert(spool_get16(record + 8) == RECORD_MAGIC);
	spool_put64(record + 16, position);
	spool_put64(record + 32, synced >> 3);
	spool_put64(record, record_checksum(record, seed));
}

bool spool_record_header_get(const unsigned char *record, uint64_t position,
			     struct spool_record_header *header)
{
	if (spool_get64(record + 16) != position ||
	    spool_get16(record + 8) != RECORD_MAGIC)
		return false;
	*header = (struct spool_record_header){
		.type = record[10],
		.flags = record[11],
		.length = spool_get32(record + 12),
		.position = position,
		.id = spool_get64(record + 24),
		.synced = spool_get64(record + 32) << 3,
	};
	return true;
}

bool spool_record_verify(const unsigned char *record, uint64_t seed)
{
	return spool_get64(record) == record_checksum(record, seed);
}

/* Are there exactly @count strings, each with its NUL? */
static bool text_has_strings(const char *text, size_t len, uint64_t count)
{
	while (len && count) {
		const char *end = memchr(text, '\0', len);

		if (!end)
			return false;
		len -= (size_t)(end - text) + 1;
		text = end + 1;
		count--;
	}
	return !len && !count;
}

bool spool_parse_message(const unsigned char *payload, size_t len,
			 uint8_t flags, struct spool_parsed *out)
{
	uint64_t at = SPOOL_MESSAGE_FIXED;

	if (len < SPOOL_MESSAGE_FIXED)
		return false;
	*out = (struct spool_parsed){
		.arrival = spool_get64(payload),
		.body_size = spool_get64(payload + 8),
		.flags = spool_get32(payload + 16),
		.recipients = spool_get32(payload + 20),
		.chunks = spool_get32(payload + 24),
		.inline_len = spool_get32(payload + 28),
		.trace_len = spool_get32(payload + 32),
		.text_len = spool_get32(payload + 36),
	};
	/* Sums of 32-bit numbers times 16 can't overflow 64 bits. */
	uint64_t state =
		flags & SPOOL_RECORD_COPY ? (uint64_t)out->recipients * 8 : 0;
	uint64_t extents = at + spool_pad8(out->inline_len);
	uint64_t words = extents + (uint64_t)out->chunks * SPOOL_EXTENT_SIZE;
	uint64_t text = words + state;
	uint64_t trace = text + out->text_len;

	if (trace + out->trace_len != len)
		return false;
	out->body = payload + at;
	out->extents = payload + extents;
	out->state = state ? payload + words : NULL;
	out->text = (const char *)payload + text;
	out->trace = payload + trace;
	/* Client, reverse-path, recipients; one more for each but the client. */
	return text_has_strings(out->text, out->text_len,
				out->flags & SPOOL_DSN
					? (uint64_t)out->recipients * 2 + 3
					: (uint64_t)out->recipients + 2);
}

bool spool_parse_result(const unsigned char *payload, size_t len,
			struct spool_result_record *out)
{
	if (len < SPOOL_RESULT_FIXED ||
	    len != SPOOL_RESULT_FIXED + (size_t)payload[13])
		return false;
	*out = (struct spool_result_record){
		.home = spool_get64(payload),
		.recipient = spool_get32(payload + 8),
		.result = payload[12] & ((1 << SPOOL_RESULT_WARNED_SHIFT) - 1),
		.warned = payload[12] >> SPOOL_RESULT_WARNED_SHIFT,
		.reply_len = payload[13],
		.attempts = spool_get16(payload + 14),
		.next_attempt = spool_get64(payload + 16),
	};
	return true;
}
