/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output queue of a stream (ktls_stream_queue.h).
 */
#include "ktls/ktls_stream_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A protocol's replies are short and come in groups: one block takes several,
 * so that a pipelining peer does not use up the pieces. */
#define COPY_MIN 512

struct kstream_copy {
	size_t size, used;
	unsigned char data[];
};

static struct kstream_piece *queue_at(struct kstream_queue *queue, unsigned i)
{
	assert(i < KTLS_OUT_MAX);
	return &queue->piece[(queue->head + i) % KTLS_OUT_MAX];
}

/* The block only grows behind what a send in flight has been told of. */
static bool queue_extend(struct kstream_queue *queue, const void *data,
			 size_t len)
{
	struct kstream_piece *last;
	struct kstream_copy *copy;

	if (queue->count == 0)
		return false;
	last = queue_at(queue, queue->count - 1);
	copy = last->copy;
	if (!copy || copy->size - copy->used < len)
		return false;
	assert(last->data + last->len == copy->data + copy->used);
	memcpy(copy->data + copy->used, data, len);
	copy->used += len;
	last->len += len;
	queue->bytes += len;
	return true;
}

static struct kstream_copy *copy_make(const void *data, size_t len)
{
	size_t size = len < COPY_MIN ? COPY_MIN : len;
	struct kstream_copy *copy;

	if (size > SIZE_MAX - sizeof(*copy))
		return NULL;
	copy = malloc(sizeof(*copy) + size);
	if (!copy)
		return NULL;
	copy->size = size;
	copy->used = len;
	memcpy(copy->data, data, len);
	return copy;
}

static int queue_append(struct kstream_queue *queue, const void *data,
			size_t len, bool copy)
{
	struct kstream_piece *piece;

	if (queue->count == KTLS_OUT_MAX)
		return -ENOBUFS;
	piece = queue_at(queue, queue->count);
	*piece = (struct kstream_piece){.data = data, .len = len, .fd = -1};
	if (copy) {
		piece->copy = copy_make(data, len);
		if (!piece->copy)
			return -ENOMEM;
		piece->data = piece->copy->data;
	}
	queue->count++;
	queue->bytes += len;
	return 0;
}

/* Makes the queue if there is none, and undoes that when nothing went in. */
static int queue_push(struct kstream_queue **queue, const void *data,
		      size_t len, bool copy)
{
	int error;

	if (!*queue)
		*queue = calloc(1, sizeof(**queue));
	if (!*queue)
		return -ENOMEM;
	error = queue_append(*queue, data, len, copy);
	if ((*queue)->count == 0)
		kstream_queue_free(queue);
	return error;
}

int kstream_queue_push(struct kstream_queue **queue, const void *data,
		       size_t len, bool copy)
{
	assert(queue && data && len > 0);
	if (*queue && copy && queue_extend(*queue, data, len))
		return 0;
	return queue_push(queue, data, len, copy);
}

int kstream_queue_push_file(struct kstream_queue **queue,
			    const struct ktls_file_range *range)
{
	struct kstream_piece *piece;
	int error;

	assert(range->len > 0 && (range->base || range->fd >= 0));
	error = queue_push(queue, range->base, range->len, false);
	if (error < 0)
		return error;
	piece = queue_at(*queue, (*queue)->count - 1);
	assert(range->block <= KTLS_PATHS_BLOCK_MAX);
	piece->fd = range->fd;
	piece->block = range->block;
	piece->offset = range->offset;
	return 0;
}

const struct kstream_piece *kstream_queue_at(const struct kstream_queue *queue,
					     unsigned index)
{
	if (!queue || index >= queue->count)
		return NULL;
	return &queue->piece[(queue->head + index) % KTLS_OUT_MAX];
}

static void queue_drop_first(struct kstream_queue *queue)
{
	struct kstream_piece *piece = queue_at(queue, 0);

	free(piece->copy);
	*piece = (struct kstream_piece){0};
	queue->head = (queue->head + 1) % KTLS_OUT_MAX;
	queue->count--;
}

size_t kstream_queue_drop(struct kstream_queue **queue, size_t len)
{
	size_t of_files = 0;

	assert(len <= kstream_queue_bytes(*queue));
	while (len > 0) {
		struct kstream_piece *piece = queue_at(*queue, 0);
		size_t n = len < piece->len ? len : piece->len;

		if (piece->data)
			piece->data += n;
		if (piece->fd >= 0)
			of_files += n;
		piece->offset += n;
		piece->len -= n;
		(*queue)->bytes -= n;
		len -= n;
		if (piece->len == 0)
			queue_drop_first(*queue);
	}
	if (*queue && (*queue)->count == 0)
		kstream_queue_free(queue);
	return of_files;
}

void kstream_queue_free(struct kstream_queue **queue)
{
	if (!*queue)
		return;
	while ((*queue)->count > 0)
		queue_drop_first(*queue);
	free(*queue);
	*queue = NULL;
}
