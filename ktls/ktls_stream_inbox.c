/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Received buffers in order (ktls_stream_inbox.h).
 */
#include "ktls/ktls_stream_inbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INBOX_FIRST 4

static int inbox_grow(struct kstream_inbox *inbox)
{
	uint32_t size = inbox->size ? inbox->size * 2 : INBOX_FIRST;
	struct uring_buf *items = calloc(size, sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < inbox->count; i++)
		items[i] = inbox->items[(inbox->head + i) % inbox->size];
	free(inbox->items);
	inbox->items = items;
	inbox->size = size;
	inbox->head = 0;
	return 0;
}

static void inbox_release(struct uring_buf *item)
{
	if (item->group)
		uring_buf_return(item);
	else
		free(item->data);
}

/* Without memory it stays the group's: better slow than lost. */
static bool inbox_copy(struct uring_buf *item)
{
	unsigned char *copy;

	if (!uring_bufs_scarce(item->group))
		return false;
	copy = malloc(item->len);
	if (copy) {
		uint32_t len = item->len;

		memcpy(copy, item->data, len);
		uring_buf_return(item);
		*item = (struct uring_buf){.data = copy, .len = len};
	}
	return true;
}

int kstream_inbox_push(struct kstream_inbox *inbox, const struct uring_buf *buf)
{
	struct uring_buf item = *buf;
	bool scarce;

	assert(buf->data && buf->len > 0);
	if (inbox->count == inbox->size && inbox_grow(inbox) < 0) {
		uring_buf_return(&item);
		return -ENOMEM;
	}
	scarce = inbox_copy(&item);
	inbox->items[(inbox->head + inbox->count) % inbox->size] = item;
	inbox->count++;
	return scarce;
}

size_t kstream_inbox_peek(const struct kstream_inbox *inbox,
			  const unsigned char **data)
{
	const struct uring_buf *first;

	if (inbox->count == 0)
		return 0;
	first = &inbox->items[inbox->head];
	assert(inbox->offset < first->len);
	*data = first->data + inbox->offset;
	return first->len - inbox->offset;
}

size_t kstream_inbox_bytes(const struct kstream_inbox *inbox)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < inbox->count; i++)
		bytes += inbox->items[(inbox->head + i) % inbox->size].len;
	return bytes - inbox->offset;
}

void kstream_inbox_drop(struct kstream_inbox *inbox, size_t len)
{
	struct uring_buf *first;

	if (len == 0)
		return;
	assert(inbox->count > 0);
	first = &inbox->items[inbox->head];
	assert(len <= first->len - inbox->offset);
	inbox->offset += (uint32_t)len;
	if (inbox->offset < first->len)
		return;
	inbox_release(first);
	inbox->head = (inbox->head + 1) % inbox->size;
	inbox->count--;
	inbox->offset = 0;
}

void kstream_inbox_clear(struct kstream_inbox *inbox)
{
	const unsigned char *data;
	size_t len;

	while ((len = kstream_inbox_peek(inbox, &data)) > 0)
		kstream_inbox_drop(inbox, len);
	free(inbox->items);
	*inbox = (struct kstream_inbox){0};
}
