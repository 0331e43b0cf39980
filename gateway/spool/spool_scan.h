/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one segment's records in order, over damage: what can't be a
 * record is a gap, and the next record is looked for every 8 bytes.
 *
 * The file is read, not mapped: a block that can't be read is a gap, not a
 * signal.
 *
 * What is known to have been on stable storage needn't be read as a whole:
 * there big bodies are passed over, and their checksums are looked at when
 * they are viewed.  That goes from record to record only.  Behind anything
 * that isn't one the next must show its checksum: bodies can look like
 * records.
 */
#ifndef GATEWAY_SPOOL_SPOOL_SCAN_H
#define GATEWAY_SPOOL_SPOOL_SCAN_H

#include "gateway/spool/spool_format.h"

struct spool_scan {
	int fd; /* borrowed */
	uint32_t number;
	uint64_t seed;
	uint64_t size;	       /* nothing behind it is looked at */
	uint64_t at;	       /* where the next record is expected */
	unsigned char *buffer; /* owned; what of the file is in memory */
	size_t room, len;
	uint64_t base;
	uint64_t data_from, data_to; /* holes outside, as far as is known */
	uint64_t trusted;	     /* in front of it nothing was torn */
	bool chained;		     /* a record ends at scan->at */
	bool passing;		     /* bodies: little is read at a time */
	unsigned char *sparse; /* owned; a MESSAGE without its inline body */
	size_t sparse_room;
	uint64_t bytes_read;
};

/* A stretch that isn't records. */
struct spool_gap {
	uint64_t from, to; /* from == to: none */
	uint64_t content;  /* end of its last byte that isn't zero, or from */
	uint64_t headers;  /* of records whose checksum is wrong */
};

struct spool_scanned {
	struct spool_record_header header;
	uint64_t offset;
	const unsigned char *payload; /* until the next call; NULL: a CHUNK
				       * that was passed over. A MESSAGE may be
				       * without its inline body */
	bool passed;		      /* the checksum wasn't looked at */
	struct spool_gap gap;	      /* in front of it */
};

/* @fd is borrowed; free with spool_scan_end(). */
void spool_scan_begin(struct spool_scan *scan, int fd, uint32_t number,
		      uint64_t seed, uint64_t size);
/* Below @end everything was once on stable storage. After
 * spool_scan_header(). */
void spool_scan_trust(struct spool_scan *scan, uint64_t end);
/* Reads the segment's header without moving on. False: none, or damaged. */
bool spool_scan_header(struct spool_scan *scan,
		       struct spool_segment_header *header);
/*
 * spool_scan_next() - the next record whose checksum is right.
 * Returns 1; 0 at the end (out->gap is then what is behind the last record);
 * -ENOMEM.
 */
int spool_scan_next(struct spool_scan *scan, struct spool_scanned *out);
void spool_scan_end(struct spool_scan *scan);

#endif
