/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a log: segment header, record header, payloads.  All numbers
 * are little-endian.  docs/spool.md describes the same to people.
 *
 * Nothing here does I/O; everything that reads takes bytes that may be
 * damaged or hostile.
 */
#ifndef GATEWAY_SPOOL_SPOOL_FORMAT_H
#define GATEWAY_SPOOL_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	SPOOL_SEGMENT_HEADER = 64, /* bytes in front of the first record */
	SPOOL_RECORD_HEADER = 40,
	SPOOL_MESSAGE_FIXED = 48, /* front of a MESSAGE payload */
	SPOOL_RESULT_FIXED = 24,
	SPOOL_EXTENT_SIZE = 16, /* one entry of a chunk or free list */
	SPOOL_FREE_FIXED = 8,
	SPOOL_VOID_SIZE = 8,
	SPOOL_REPLY_MAX = 255,
	SPOOL_RESULT_WARNED_SHIFT = 4, /* in a result's byte */
};

/* Everything in front of the inline body of a MESSAGE record. */
#define SPOOL_MESSAGE_HEAD (SPOOL_RECORD_HEADER + SPOOL_MESSAGE_FIXED)

/* A segment's number and an offset in it take 32 bits each, the offset in
 * units of 8 bytes. */
#define SPOOL_SEGMENT_MAX (UINT64_C(1) << 35)

enum spool_record_type {
	SPOOL_RECORD_CHUNK = 1,
	SPOOL_RECORD_MESSAGE,
	SPOOL_RECORD_RESULT,
	SPOOL_RECORD_FREE,
	SPOOL_RECORD_VOID,
	SPOOL_RECORD_PAD, /* zeros, up to a block's end */
};

/* MESSAGE: a copy made to empty an old segment; has the recipients' state. */
#define SPOOL_RECORD_COPY 1u

struct spool_segment_header {
	uint32_t number;
	uint64_t seed;	   /* of the records' checksums; one per folder */
	uint64_t created;  /* ns since 1970 */
	uint64_t last_id;  /* highest id given out before */
	uint64_t previous; /* position: where the segment before it ended */
	bool recycled;	   /* behind its end is what another one was */
};

struct spool_record_header {
	uint8_t type, flags;
	uint32_t length;   /* payload bytes */
	uint64_t position; /* where the record is: guards against stale bytes */
	uint64_t id;	   /* of the message; 0: of none */
	uint64_t synced;   /* what of the segment was on stable storage when
			    * this was written: tells torn from damaged */
};

/* A MESSAGE payload taken apart; pointers into it. */
struct spool_parsed {
	uint64_t arrival, body_size;
	uint32_t flags;
	uint32_t recipients, chunks, inline_len, trace_len, text_len;
	const unsigned char *body;    /* inline_len bytes */
	const unsigned char *extents; /* chunks entries */
	const unsigned char *state;   /* a word per recipient, or NULL */
	/* client, reverse-path, recipients, with SPOOL_DSN the parameters of
	 * MAIL and each RCPT; NUL each */
	const char *text;
	const unsigned char *trace;
};

struct spool_result_record {
	uint64_t home; /* position of the MESSAGE record */
	uint32_t recipient;
	uint8_t result, warned;
	uint8_t reply_len;
	uint16_t attempts;
	uint64_t next_attempt;
};

static inline void spool_put16(unsigned char *at, uint16_t v)
{
	at[0] = (unsigned char)v;
	at[1] = (unsigned char)(v >> 8);
}

static inline void spool_put32(unsigned char *at, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	memcpy(at, &v, sizeof(v));
}

static inline void spool_put64(unsigned char *at, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	memcpy(at, &v, sizeof(v));
}

static inline uint16_t spool_get16(const unsigned char *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t spool_get32(const unsigned char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	return v;
}

static inline uint64_t spool_get64(const unsigned char *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline uint64_t spool_pad8(uint64_t n)
{
	return (n + 7) & ~UINT64_C(7);
}

/* Bytes that a record with @length payload bytes takes in its segment. */
static inline uint64_t spool_record_size(uint64_t length)
{
	return SPOOL_RECORD_HEADER + spool_pad8(length);
}

static inline uint64_t spool_position(uint32_t segment, uint64_t offset)
{
	return (uint64_t)segment << 32 | offset >> 3;
}

static inline uint32_t spool_position_segment(uint64_t position)
{
	return (uint32_t)(position >> 32);
}

static inline uint64_t spool_position_offset(uint64_t position)
{
	return (position & UINT32_MAX) << 3;
}

void spool_segment_header_put(unsigned char *at,
			      const struct spool_segment_header *header);
/* Returns false if it is none, or damaged. */
bool spool_segment_header_get(const unsigned char *at,
			      struct spool_segment_header *header);

/* Everything but the position and the checksum, which come with sealing. */
void spool_record_begin(unsigned char *record, uint8_t type, uint8_t flags,
			uint32_t length, uint64_t id);

/*
 * spool_record_seal() - write where it is and the checksum.
 * @record: header, payload and zero padding, spool_record_size() bytes.
 */
void spool_record_seal(unsigned char *record, uint64_t position,
		       uint64_t synced, uint64_t seed);

/* A plausible header for this place? Says nothing about the checksum; the
 * length is unchecked. */
bool spool_record_header_get(const unsigned char *record, uint64_t position,
			     struct spool_record_header *header);

/* Is the checksum right? All spool_record_size() bytes must be readable. */
bool spool_record_verify(const unsigned char *record, uint64_t seed);

/*
 * spool_parse_message() - take a MESSAGE payload apart.
 * Every length is checked against @len and every string for its NUL.
 */
bool spool_parse_message(const unsigned char *payload, size_t len,
			 uint8_t flags, struct spool_parsed *out);
bool spool_parse_result(const unsigned char *payload, size_t len,
			struct spool_result_record *out);

#endif
