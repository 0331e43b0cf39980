/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What streams take from a struct ktls_paths. Private to ktls/.
 */
#ifndef KTLS_KTLS_PATHS_PRIVATE_H
#define KTLS_KTLS_PATHS_PRIVATE_H

#include <stdalign.h>

#include "ktls/ktls_paths.h"

struct ktls_pipe {
	struct ktls_pipe *next; /* among the free ones */
	int read_fd, write_fd;	/* owned */
	size_t size;		/* bytes it holds, if they lie page by page */
};

struct ktls_buffer {
	struct ktls_buffer *next; /* among the free ones */
	alignas(KTLS_PATHS_BLOCK_MAX) unsigned char data[KTLS_PATHS_BUFFER];
};

/* Somebody who can't go on without a buffer. */
struct ktls_paths_waiter {
	struct ktls_paths_waiter *next, *prev; /* NULL when not waiting */
	/* @buffer is the waiter's from now on; it does not wait any more. */
	void (*fn)(void *owner, struct ktls_buffer *buffer);
	void *owner;
};

/* ktls_paths_pipe_get() - an empty pipe, or NULL. */
struct ktls_pipe *ktls_paths_pipe_get(struct ktls_paths *paths);
/* ktls_paths_pipe_put() - takes it back; one with bytes in it is closed. */
void ktls_paths_pipe_put(struct ktls_paths *paths, struct ktls_pipe *pipe,
			 bool empty);

/* ktls_paths_buffer_get() - a buffer, or NULL; _put() takes it back. */
struct ktls_buffer *ktls_paths_buffer_get(struct ktls_paths *paths);
void ktls_paths_buffer_put(struct ktls_paths *paths,
			   struct ktls_buffer *buffer);
/* The next buffer that comes back and nobody asked for earlier. */
void ktls_paths_wait(struct ktls_paths *paths,
		     struct ktls_paths_waiter *waiter);
void ktls_paths_unwait(struct ktls_paths_waiter *waiter);

/* ktls_paths_resident() - how many of @len bytes from @addr on are in the
 * page cache; at most KSTREAM_SEND_MAX are looked at. */
size_t ktls_paths_resident(const struct ktls_paths *paths, const void *addr,
			   size_t len);

/* ktls_paths_count() - @len bytes of a file range went out by @path. */
void ktls_paths_count(struct ktls_paths *paths, enum ktls_byte_path path,
		      size_t len);

#endif
