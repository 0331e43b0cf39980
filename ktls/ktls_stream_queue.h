/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream's bytes on their way out: at most KTLS_OUT_MAX pieces, copied
 * (small ones share a block) or borrowed from the owner: memory, a range of a
 * file, or both.
 *
 * The queue exists only while something is queued: kstream_queue_push() makes
 * it, the last kstream_queue_drop() frees it.
 */
#ifndef KTLS_KTLS_STREAM_QUEUE_H
#define KTLS_KTLS_STREAM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ktls/ktls_stream.h"

struct kstream_copy; /* a block that several small writes share */

struct kstream_piece {
	const unsigned char *data; /* next byte to send; NULL: not mapped */
	size_t len;
	struct kstream_copy *copy; /* owned; NULL: the owner's memory */
	uint64_t offset;	   /* of the next byte in the file */
	int fd;			   /* borrowed; -1: no file */
	uint32_t block;		   /* of what reads by fd are made; 0: any */
};

struct kstream_queue {
	struct kstream_piece piece[KTLS_OUT_MAX]; /* a ring */
	unsigned head, count;
	size_t bytes; /* in all pieces */
};

/* kstream_queue_push() - append, as a copy or borrowed; makes *queue when it
 * is NULL. 0, -ENOBUFS (full) or -ENOMEM; nothing is taken then. */
int kstream_queue_push(struct kstream_queue **queue, const void *data,
		       size_t len, bool copy);

/* kstream_queue_push_file() - append a range (len > 0), borrowed; as above. */
int kstream_queue_push_file(struct kstream_queue **queue,
			    const struct ktls_file_range *range);

/* kstream_queue_at() - the piece at @index; NULL: there are fewer. */
const struct kstream_piece *kstream_queue_at(const struct kstream_queue *queue,
					     unsigned index);

/* kstream_queue_drop() - forget the first @len bytes (they are sent); returns
 * how many of them were of file ranges. */
size_t kstream_queue_drop(struct kstream_queue **queue, size_t len);

/* kstream_queue_free() - forget all; accepts NULL; clears. */
void kstream_queue_free(struct kstream_queue **queue);

/* No further piece has room. */
static inline bool kstream_queue_full(const struct kstream_queue *queue)
{
	return queue && queue->count == KTLS_OUT_MAX;
}

static inline size_t kstream_queue_bytes(const struct kstream_queue *queue)
{
	return queue ? queue->bytes : 0;
}

#endif
