/* SPDX-License-Identifier: Apache-2.0 */
/* Octets that grow up to a limit. */
#include "gateway/inject/inject_buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void inject_buffer_init(struct inject_buffer *buffer, size_t max)
{
	*buffer = (struct inject_buffer){.max = max};
}

void inject_buffer_free(struct inject_buffer *buffer)
{
	free(buffer->bytes);
	buffer->bytes = NULL;
	buffer->len = buffer->room = 0;
}

bool inject_buffer_failed(const struct inject_buffer *buffer)
{
	return buffer->too_long || buffer->no_memory;
}

/* Room for @more octets beside those that are there. */
static bool make_room(struct inject_buffer *buffer, size_t more)
{
	size_t need = buffer->len + more, room = buffer->room;
	char *bytes;

	if (inject_buffer_failed(buffer))
		return false;
	if (more > buffer->max || need > buffer->max) {
		buffer->too_long = true;
		return false;
	}
	if (need <= room)
		return true;
	while (room < need)
		room = room ? room * 2 : 4096;
	bytes = realloc(buffer->bytes, room);
	if (!bytes) {
		buffer->no_memory = true;
		return false;
	}
	buffer->bytes = bytes;
	buffer->room = room;
	return true;
}

bool inject_buffer_add(struct inject_buffer *buffer, const char *bytes,
		       size_t len)
{
	if (!make_room(buffer, len))
		return false;
	if (len)
		memcpy(buffer->bytes + buffer->len, bytes, len);
	buffer->len += len;
	return true;
}

bool inject_buffer_text(struct inject_buffer *buffer, const char *text)
{
	return inject_buffer_add(buffer, text, strlen(text));
}

bool inject_buffer_format(struct inject_buffer *buffer, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int len;
	bool added;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		buffer->no_memory = true;
		return false;
	}
	added = inject_buffer_add(buffer, text, (size_t)len);
	free(text);
	return added;
}

/* Up to the next CR or LF. */
static size_t run_of(const char *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && bytes[n] != '\r' && bytes[n] != '\n')
		n++;
	return n;
}

bool inject_buffer_lines(struct inject_buffer *buffer, const char *bytes,
			 size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n = run_of(bytes + at, len - at);

		if (!inject_buffer_add(buffer, bytes + at, n) ||
		    !inject_buffer_text(buffer, "\r\n"))
			return false;
		at += n;
		if (at + 1 < len && bytes[at] == '\r' && bytes[at + 1] == '\n')
			at++;
		at++;
	}
	return !inject_buffer_failed(buffer);
}

int inject_buffer_read(struct inject_buffer *buffer, int fd)
{
	char piece[65536];

	for (;;) {
		ssize_t n = read(fd, piece, sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if (!inject_buffer_add(buffer, piece, (size_t)n))
			return buffer->too_long ? -EFBIG : -ENOMEM;
	}
}
