/* SPDX-License-Identifier: Apache-2.0 */
/* A growing run of bytes. */
#include "tests/support/sim_bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void sim_bytes_put(struct sim_bytes *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (b->start > 0 && b->start + b->len + len > b->room) {
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
	}
	if (b->len + len > b->room) {
		b->room = (b->len + len) * 2;
		b->data = realloc(b->data, b->room);
		assert(b->data);
	}
	memcpy(b->data + b->start + b->len, data, len);
	b->len += len;
}

void sim_bytes_text(struct sim_bytes *b, const char *text)
{
	sim_bytes_put(b, text, strlen(text));
}

const unsigned char *sim_bytes_at(const struct sim_bytes *b)
{
	return b->data + b->start;
}

void sim_bytes_drop(struct sim_bytes *b, size_t len)
{
	assert(len <= b->len);
	b->start += len;
	b->len -= len;
	if (b->len == 0)
		b->start = 0;
}

void sim_bytes_free(struct sim_bytes *b)
{
	free(b->data);
	*b = (struct sim_bytes){0};
}

bool sim_bytes_line(struct sim_bytes *b, char *line, size_t size)
{
	const unsigned char *at = b->data ? sim_bytes_at(b) : NULL;
	const unsigned char *lf = at ? memchr(at, '\n', b->len) : NULL;
	size_t len, keep;

	if (!lf)
		return false;
	len = (size_t)(lf - at);
	keep = len > 0 && at[len - 1] == '\r' ? len - 1 : len;
	if (keep >= size)
		keep = size - 1;
	memcpy(line, at, keep);
	line[keep] = '\0';
	sim_bytes_drop(b, len + 1);
	return true;
}
