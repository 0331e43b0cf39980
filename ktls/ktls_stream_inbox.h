/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Received buffers that a stream has not worked off yet, oldest first. Every
 * buffer in here belongs to the stream until it goes back to its group.
 *
 * When buffers are scarce (uring_bufs_scarce()) their bytes are copied and they
 * go back at once: a stream whose owner does not read for long, because it
 * waits for another stream, would otherwise keep that one from receiving.
 */
#ifndef KTLS_KTLS_STREAM_INBOX_H
#define KTLS_KTLS_STREAM_INBOX_H

#include <stddef.h>
#include <stdint.h>

#include "uring/uring_bufs.h"

struct kstream_inbox {
	/* owned; a ring of @size. Without a group: a copy of our own */
	struct uring_buf *items;
	uint32_t head, count, size;
	uint32_t offset; /* bytes used up of the first buffer */
};

/* kstream_inbox_push() - takes *buf (data not NULL); 0; 1: it was scarce, so
 * more of them should not be asked for now; or -ENOMEM and the buffer has gone
 * back to its group. */
int kstream_inbox_push(struct kstream_inbox *inbox,
		       const struct uring_buf *buf);

/* kstream_inbox_peek() - the unread bytes of the first buffer, 0 when empty. */
size_t kstream_inbox_peek(const struct kstream_inbox *inbox,
			  const unsigned char **data);

/* kstream_inbox_bytes() - unread bytes in all buffers. */
size_t kstream_inbox_bytes(const struct kstream_inbox *inbox);

/* kstream_inbox_drop() - @len of them are read; a used-up buffer goes back. */
void kstream_inbox_drop(struct kstream_inbox *inbox, size_t len);

/* kstream_inbox_clear() - gives all buffers back and frees the list. */
void kstream_inbox_clear(struct kstream_inbox *inbox);

#endif
