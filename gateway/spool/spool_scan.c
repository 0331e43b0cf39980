/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one segment's records in order, over damage (spool_scan.h). */
#include "gateway/spool/spool_scan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	WINDOW = 1024 * 1024,
	BLOCK = 4096,
};

void spool_scan_begin(struct spool_scan *scan, int fd, uint32_t number,
		      uint64_t seed, uint64_t size)
{
	*scan = (struct spool_scan){.fd = fd,
				    .number = number,
				    .seed = seed,
				    .size = size,
				    .at = SPOOL_SEGMENT_HEADER};
}

void spool_scan_end(struct spool_scan *scan)
{
	free(scan->buffer);
	scan->buffer = NULL;
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
	uint64_t want = len > WINDOW ? len : WINDOW;

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
	return scan->buffer;
}

bool spool_scan_header(struct spool_scan *scan,
		       struct spool_segment_header *header)
{
	const unsigned char *at = scan_bytes(scan, 0, SPOOL_SEGMENT_HEADER);

	return at && spool_segment_header_get(at, header) &&
	       header->number == scan->number;
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
	at = scan_bytes(scan, offset, size);
	if (!at)
		return LOOK_NO_MEMORY;
	if (!spool_record_verify(at, scan->seed))
		return LOOK_BAD;
	out->offset = offset;
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
			return 1;
		case LOOK_BAD:
			out->gap.headers++;
			out->gap.content = at + 8;
			break;
		case LOOK_NOTHING:
			out->gap.content = at + 8;
			break;
		case LOOK_ZERO:
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
