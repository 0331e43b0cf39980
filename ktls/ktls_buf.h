/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte queue with a bound: appended at the end, dropped from the front.
 * Private to ktls/; it holds wire bytes (ciphertext) only.
 */
#ifndef KTLS_KTLS_BUF_H
#define KTLS_KTLS_BUF_H

#include <stddef.h>

struct ktls_buf {
	unsigned char *data; /* owned */
	size_t start, len;   /* the bytes are data[start .. start + len) */
	size_t cap, max;     /* max: never holds more */
};

/* ktls_buf_append() - copy @data in. 0, -ENOBUFS (beyond max, nothing taken)
 * or -ENOMEM. */
int ktls_buf_append(struct ktls_buf *buf, const void *data, size_t len);
/* ktls_buf_drop() - forget the first @len (<= buf->len) bytes. */
void ktls_buf_drop(struct ktls_buf *buf, size_t len);
void ktls_buf_free(struct ktls_buf *buf); /* leaves it empty, usable */
/* ktls_buf_reserve() - room for @len more bytes, so that they are not moved
 * while they come. 0, -ENOBUFS or -ENOMEM. */
int ktls_buf_reserve(struct ktls_buf *buf, size_t len);

static inline const unsigned char *ktls_buf_front(const struct ktls_buf *buf)
{
	return buf->len ? buf->data + buf->start : NULL;
}

#endif
