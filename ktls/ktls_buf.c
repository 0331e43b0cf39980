/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte queue with a bound.
 */
#include "ktls/ktls_buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 4096

static int grow_to(struct ktls_buf *buf, size_t cap)
{
	unsigned char *data = realloc(buf->data, cap);

	if (!data)
		return -ENOMEM;
	buf->data = data;
	buf->cap = cap;
	return 0;
}

static int grow(struct ktls_buf *buf, size_t need)
{
	size_t cap = buf->cap ? buf->cap : FIRST_CAP;

	while (cap < need)
		cap *= 2;
	return grow_to(buf, cap);
}

int ktls_buf_reserve(struct ktls_buf *buf, size_t len)
{
	size_t need = buf->start + buf->len + len;

	assert(buf->len <= buf->max);
	if (len > buf->max - buf->len)
		return -ENOBUFS;
	if (need <= buf->cap)
		return 0;
	return grow_to(buf, need < FIRST_CAP ? FIRST_CAP : need);
}

int ktls_buf_append(struct ktls_buf *buf, const void *data, size_t len)
{
	assert(buf->len <= buf->max);
	if (len > buf->max - buf->len)
		return -ENOBUFS;
	if (!len)
		return 0;
	if (buf->start + buf->len + len > buf->cap && buf->start) {
		memmove(buf->data, buf->data + buf->start, buf->len);
		buf->start = 0;
	}
	if (buf->len + len > buf->cap) {
		int err = grow(buf, buf->len + len);

		if (err)
			return err;
	}
	memcpy(buf->data + buf->start + buf->len, data, len);
	buf->len += len;
	return 0;
}

void ktls_buf_drop(struct ktls_buf *buf, size_t len)
{
	assert(len <= buf->len);
	buf->start += len;
	buf->len -= len;
	/* An idle connection should hold no buffer. */
	if (!buf->len)
		ktls_buf_free(buf);
}

void ktls_buf_free(struct ktls_buf *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->start = buf->len = buf->cap = 0;
}
