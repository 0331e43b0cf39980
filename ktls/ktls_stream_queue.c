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
	*piece = (struct kstream_piece){.data = data, .len = len};
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

int kstream_queue_push(struct kstream_queue **queue, const void *data,
		       size_t len, bool copy)
{
	int error;

	assert(queue && data && len > 0);
	if (*queue && copy && queue_extend(*queue, data, len))
		return 0;
	if (!*queue)
		*queue = calloc(1, sizeof(**queue));
	if (!*queue)
		return -ENOMEM;
	error = queue_append(*queue, data, len, copy);
	if ((*queue)->count == 0)
		kstream_queue_free(queue);
	return error;
}

unsigned kstream_queue_iov(const struct kstream_queue *queue, size_t limit,
			   struct iovec *iov, unsigned max, size_t *bytes)
{
	unsigned n = 0;

	*bytes = 0;
	while (queue && n < max && n < queue->count && *bytes < limit) {
		const struct kstream_piece *piece =
			&queue->piece[(queue->head + n) % KTLS_OUT_MAX];
		size_t len = piece->len;

		if (len > limit - *bytes)
			len = limit - *bytes;
		/* struct iovec has no const; a send only reads */
		iov[n].iov_base = (void *)(uintptr_t)piece->data;
		iov[n].iov_len = len;
		*bytes += len;
		n++;
	}
	return n;
}

static void queue_drop_first(struct kstream_queue *queue)
{
	struct kstream_piece *piece = queue_at(queue, 0);

	free(piece->copy);
	*piece = (struct kstream_piece){0};
	queue->head = (queue->head + 1) % KTLS_OUT_MAX;
	queue->count--;
}

void kstream_queue_drop(struct kstream_queue **queue, size_t len)
{
	assert(len <= kstream_queue_bytes(*queue));
	while (len > 0) {
		struct kstream_piece *piece = queue_at(*queue, 0);
		size_t n = len < piece->len ? len : piece->len;

		piece->data += n;
		piece->len -= n;
		(*queue)->bytes -= n;
		len -= n;
		if (piece->len == 0)
			queue_drop_first(*queue);
	}
	if (*queue && (*queue)->count == 0)
		kstream_queue_free(queue);
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
