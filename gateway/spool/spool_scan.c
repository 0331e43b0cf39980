/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one segment's records in order, over damage (spool_scan.h). */
#include "gateway/spool/spool_scan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	WINDOW = 1024 * 1024,
	WINDOW_SPARSE = 4096,	/* behind a body that was passed over */
	SPARSE_MIN = 32 * 1024, /* smaller records are always read */
	BLOCK = 4096,
};

void spool_scan_begin(struct spool_scan *scan, int fd, uint32_t number,
		      uint64_t seed, uint64_t size)
{
	*scan = (struct spool_scan){.fd = fd,
				    .number = number,
				    .seed = seed,
				    .size = size,
				    .at = SPOOL_SEGMENT_HEADER,
				    .passing = true};
}

void spool_scan_end(struct spool_scan *scan)
{
	free(scan->buffer);
	free(scan->sparse);
	scan->buffer = NULL;
	scan->sparse = NULL;
}

/* Read what can be read; a block that can't is zeros. */
static void read_blocks(int fd, unsigned char *to, size_t len, uint64_t offset)
{
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)offset);
		size_t step = BLOCK - (size_t)(offset % BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) {
			memset(to, 0, len);
			return;
		}
		if (n < 0 && len > step) {
			/* One of many: take them one by one. */
			read_blocks(fd, to, step, offset);
			n = (ssize_t)step;
		} else if (n < 0) {
			memset(to, 0, len);
			return;
		}
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
}

/* @len bytes at @offset, or NULL: no memory, or not in the segment. */
static const unsigned char *scan_bytes(struct spool_scan *scan, uint64_t offset,
				       uint64_t len)
{
	uint64_t window = scan->passing ? WINDOW_SPARSE : WINDOW;
	uint64_t want = len > window ? len : window;

	if (offset > scan->size || len > scan->size - offset)
		return NULL;
	if (scan->buffer && offset >= scan->base &&
	    offset + len <= scan->base + scan->len)
		return scan->buffer + (offset - scan->base);
	if (want > scan->size - offset)
		want = scan->size - offset;
	if (want > scan->room) {
		unsigned char *grown = realloc(scan->buffer, (size_t)want);

		if (!grown)
			return NULL;
		scan->buffer = grown;
		scan->room = (size_t)want;
	}
	scan->base = offset;
	scan->len = (size_t)want;
	read_blocks(scan->fd, scan->buffer, scan->len, offset);
	scan->bytes_read += scan->len;
	return scan->buffer;
}

bool spool_scan_header(struct spool_scan *scan,
		       struct spool_segment_header *header)
{
	const unsigned char *at = scan_bytes(scan, 0, SPOOL_SEGMENT_HEADER);

	scan->chained = at && spool_segment_header_get(at, header) &&
			header->number == scan->number;
	return scan->chained;
}

void spool_scan_trust(struct spool_scan *scan, uint64_t end)
{
	scan->trusted = end;
}

/* Where the next byte that isn't in a hole of the file is; saves reading
 * what was preallocated and never written. */
static uint64_t scan_skip_hole(struct spool_scan *scan, uint64_t offset)
{
	off_t data, hole;

	if (offset >= scan->data_from && offset < scan->data_to)
		return offset;
	data = lseek(scan->fd, (off_t)offset, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? scan->size : offset;
	hole = lseek(scan->fd, data, SEEK_HOLE);
	scan->data_from = (uint64_t)data;
	scan->data_to = hole < 0 ? scan->size : (uint64_t)hole;
	return (uint64_t)data > offset ? (uint64_t)data & ~UINT64_C(7) : offset;
}

enum look {
	LOOK_RECORD,
	LOOK_BAD, /* a header, but the checksum is wrong */
	LOOK_NOTHING,
	LOOK_ZERO,
	LOOK_END,
	LOOK_NO_MEMORY,
};

/* A MESSAGE record's payload in a buffer as long as it, its inline body left
 * out. NULL: it can't be one, or no memory: look at all of it then. */
static const unsigned char *scan_sparse(struct spool_scan *scan,
					uint64_t offset, uint32_t length)
{
	const unsigned char *at = scan_bytes(scan, offset, SPOOL_MESSAGE_HEAD);
	uint64_t tail;

	if (!at || length < SPOOL_MESSAGE_FIXED)
		return NULL;
	tail = SPOOL_MESSAGE_FIXED +
	       spool_pad8(spool_get32(at + SPOOL_RECORD_HEADER + 28));
	if (tail > length)
		return NULL;
	if (length > scan->sparse_room) {
		unsigned char *grown = realloc(scan->sparse, length);

		if (!grown)
			return NULL;
		scan->sparse = grown;
		scan->sparse_room = length;
	}
	memcpy(scan->sparse, at + SPOOL_RECORD_HEADER, SPOOL_MESSAGE_FIXED);
	read_blocks(scan->fd, scan->sparse + tail, length - tail,
		    offset + SPOOL_RECORD_HEADER + tail);
	scan->bytes_read += length - tail;
	return scan->sparse;
}

/* Does a record, or nothing that is known, begin there? If not, a length may
 * be wrong, and others would be passed over with it. */
static bool scan_goes_on(const struct spool_scan *scan, uint64_t at)
{
	unsigned char record[SPOOL_RECORD_HEADER];
	struct spool_record_header header;

	if (at == scan->trusted)
		return true;
	if (at + sizeof(record) > scan->trusted)
		return false;
	read_blocks(scan->fd, record, sizeof(record), at);
	return spool_record_header_get(record, spool_position(scan->number, at),
				       &header);
}

/* A big one that is known to have been whole: its body is left alone. False:
 * it has to be looked at. */
static bool scan_pass(struct spool_scan *scan, uint64_t offset, uint64_t size,
		      struct spool_scanned *out)
{
	struct spool_parsed parsed;

	out->passed = false;
	if (!scan->chained || size < SPARSE_MIN ||
	    offset + size > scan->trusted || !scan_goes_on(scan, offset + size))
		return false;
	out->payload = NULL;
	if (out->header.type == SPOOL_RECORD_MESSAGE) {
		out->payload = scan_sparse(scan, offset, out->header.length);
		if (!out->payload ||
		    !spool_parse_message(out->payload, out->header.length,
					 out->header.flags, &parsed))
			return false;
	} else if (out->header.type != SPOOL_RECORD_CHUNK) {
		return false;
	}
	out->passed = true;
	return true;
}

static enum look scan_look(struct spool_scan *scan, uint64_t offset,
			   struct spool_scanned *out)
{
	const unsigned char *at;
	uint64_t size;

	if (offset + SPOOL_RECORD_HEADER > scan->size)
		return LOOK_END;
	at = scan_bytes(scan, offset, SPOOL_RECORD_HEADER);
	if (!at)
		return LOOK_NO_MEMORY;
	if (!spool_get64(at) && !spool_get64(at + 8))
		return LOOK_ZERO;
	if (!spool_record_header_get(at, spool_position(scan->number, offset),
				     &out->header))
		return LOOK_NOTHING;
	size = spool_record_size(out->header.length);
	if (size > scan->size - offset)
		return LOOK_BAD;
	out->offset = offset;
	scan->passing = scan_pass(scan, offset, size, out);
	if (scan->passing)
		return LOOK_RECORD;
	at = scan_bytes(scan, offset, size);
	if (!at)
		return LOOK_NO_MEMORY;
	if (!spool_record_verify(at, scan->seed))
		return LOOK_BAD;
	out->payload = at + SPOOL_RECORD_HEADER;
	return LOOK_RECORD;
}

/* The bytes that are left when no header fits any more. */
static void gap_finish(struct spool_scan *scan, struct spool_gap *gap,
		       uint64_t offset)
{
	uint64_t left = scan->size > offset ? scan->size - offset : 0;
	const unsigned char *at = left ? scan_bytes(scan, offset, left) : NULL;

	for (uint64_t i = left; at && i > 0; i--) {
		if (!at[i - 1])
			continue;
		gap->content = offset + i;
		break;
	}
	gap->to = scan->size > gap->from ? scan->size : gap->from;
}

int spool_scan_next(struct spool_scan *scan, struct spool_scanned *out)
{
	uint64_t at = scan->at;
	uint64_t skip;

	out->gap = (struct spool_gap){.from = at, .to = at, .content = at};
	for (;; at += 8) {
		switch (scan_look(scan, at, out)) {
		case LOOK_RECORD:
			out->gap.to = at;
			scan->at = at + spool_record_size(out->header.length);
			scan->chained = true;
			return 1;
		case LOOK_BAD:
			scan->chained = false;
			out->gap.headers++;
			out->gap.content = at + 8;
			break;
		case LOOK_NOTHING:
			scan->chained = false;
			out->gap.content = at + 8;
			break;
		case LOOK_ZERO:
			scan->chained = false;
			skip = scan_skip_hole(scan, at);
			if (skip > at)
				at = skip - 8;
			break;
		case LOOK_END:
			gap_finish(scan, &out->gap, at);
			scan->at = scan->size;
			return 0;
		case LOOK_NO_MEMORY:
			return -ENOMEM;
		}
	}
}
