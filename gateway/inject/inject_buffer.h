/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Octets that grow up to a limit.  A failure sticks, so that whoever builds a
 * message looks once, at the end.
 */
#ifndef GATEWAY_INJECT_INJECT_BUFFER_H
#define GATEWAY_INJECT_INJECT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct inject_buffer {
	char *bytes; /* owned; NULL: none yet */
	size_t len, room;
	size_t max;    /* octets; beyond it: too_long */
	bool too_long; /* or */
	bool no_memory;
};

/* inject_buffer_init() - empty, at most @max octets. */
void inject_buffer_init(struct inject_buffer *buffer, size_t max);
void inject_buffer_free(struct inject_buffer *buffer);

/* False, and nothing added, after a failure. */
bool inject_buffer_add(struct inject_buffer *buffer, const char *bytes,
		       size_t len);
bool inject_buffer_text(struct inject_buffer *buffer, const char *text);
bool inject_buffer_format(struct inject_buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool inject_buffer_failed(const struct inject_buffer *buffer);

/* inject_buffer_lines() - octets whose line ends may be LF, CR or CRLF: each
 * becomes CRLF, and the last line gets one. */
bool inject_buffer_lines(struct inject_buffer *buffer, const char *bytes,
			 size_t len);

/* inject_buffer_read() - all of descriptor @fd up to its end. 0 or -errno;
 * -EFBIG beyond the limit. */
int inject_buffer_read(struct inject_buffer *buffer, int fd);

#endif
