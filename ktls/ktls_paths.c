/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and buffers that the streams of a thread share, and the look into the
 * page cache (ktls_paths.h).
 */
#include "ktls/ktls_paths.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktls/ktls_paths_private.h"

enum {
	PIPES_DEFAULT = 16,
	BUFFERS_DEFAULT = 32,
	PIPES_KEPT = 4, /* while nobody needs them */
	BUFFERS_KEPT = 4,
	PIPE_SIZE = 1024 * 1024,
	LOOK_MAX = 1024 * 1024, /* bytes that one look covers */
	PAGE = 4096,		/* at least: no page is smaller */
};

struct ktls_paths {
	struct ktls_paths_config config;
	struct ktls_pipe *pipes; /* free ones */
	unsigned pipes_free;
	struct ktls_buffer *buffers; /* free ones */
	unsigned buffers_free;
	struct ktls_paths_waiter waiters; /* head of a circular list */
	struct ktls_paths_stats stats;
};

int ktls_paths_create(const struct ktls_paths_config *config,
		      struct ktls_paths **out)
{
	struct ktls_paths *paths = calloc(1, sizeof(*paths));

	*out = paths;
	if (!paths)
		return -ENOMEM;
	paths->config = *config;
	if (!config->pipes)
		paths->config.pipes = PIPES_DEFAULT;
	if (config->pipes == KTLS_PATHS_NONE)
		paths->config.pipes = 0;
	if (!config->buffers)
		paths->config.buffers = BUFFERS_DEFAULT;
	paths->waiters.next = paths->waiters.prev = &paths->waiters;
	return 0;
}

const struct ktls_policy *ktls_paths_policy(const struct ktls_paths *paths)
{
	return &paths->config.policy;
}

void ktls_paths_stats(const struct ktls_paths *paths,
		      struct ktls_paths_stats *out)
{
	*out = paths->stats;
}

void ktls_paths_count(struct ktls_paths *paths, enum ktls_byte_path path,
		      size_t len)
{
	assert((unsigned)path < KTLS_PATHS);
	paths->stats.bytes[path] += len;
}

/* --- pipes --- */

static void pipe_free(struct ktls_paths *paths, struct ktls_pipe *pipe)
{
	close(pipe->read_fd);
	close(pipe->write_fd);
	free(pipe);
	assert(paths->stats.pipes > 0);
	paths->stats.pipes--;
}

/* As large as the system lets it be: unprivileged users share a bound. */
static size_t pipe_widen(int fd)
{
	int size = fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);

	if (size < 0)
		size = fcntl(fd, F_GETPIPE_SZ);
	return size > 0 ? (size_t)size : PAGE;
}

static struct ktls_pipe *pipe_make(struct ktls_paths *paths)
{
	struct ktls_pipe *pipe;
	int fds[2];

	if (paths->stats.pipes >= paths->config.pipes)
		return NULL;
	pipe = calloc(1, sizeof(*pipe));
	if (!pipe || pipe2(fds, O_CLOEXEC) < 0) {
		free(pipe);
		return NULL;
	}
	pipe->read_fd = fds[0];
	pipe->write_fd = fds[1];
	pipe->size = pipe_widen(fds[1]);
	paths->stats.pipes++;
	return pipe;
}

struct ktls_pipe *ktls_paths_pipe_get(struct ktls_paths *paths)
{
	struct ktls_pipe *pipe = paths->pipes;

	if (pipe) {
		paths->pipes = pipe->next;
		paths->pipes_free--;
	} else {
		pipe = pipe_make(paths);
	}
	if (pipe)
		paths->stats.pipes_out++;
	else
		paths->stats.no_pipe++;
	return pipe;
}

void ktls_paths_pipe_put(struct ktls_paths *paths, struct ktls_pipe *pipe,
			 bool empty)
{
	assert(paths->stats.pipes_out > 0);
	paths->stats.pipes_out--;
	if (!empty || paths->pipes_free >= PIPES_KEPT) {
		pipe_free(paths, pipe);
		return;
	}
	pipe->next = paths->pipes;
	paths->pipes = pipe;
	paths->pipes_free++;
}

/* --- buffers --- */

static struct ktls_buffer *buffer_make(struct ktls_paths *paths)
{
	struct ktls_buffer *buffer;

	if (paths->stats.buffers >= paths->config.buffers)
		return NULL;
	buffer = aligned_alloc(alignof(struct ktls_buffer), sizeof(*buffer));
	if (buffer)
		paths->stats.buffers++;
	return buffer;
}

struct ktls_buffer *ktls_paths_buffer_get(struct ktls_paths *paths)
{
	struct ktls_buffer *buffer = paths->buffers;

	if (buffer) {
		paths->buffers = buffer->next;
		paths->buffers_free--;
	} else {
		buffer = buffer_make(paths);
	}
	if (buffer)
		paths->stats.buffers_out++;
	else
		paths->stats.no_buffer++;
	return buffer;
}

void ktls_paths_buffer_put(struct ktls_paths *paths, struct ktls_buffer *buffer)
{
	struct ktls_paths_waiter *first = paths->waiters.next;

	if (first != &paths->waiters) {
		ktls_paths_unwait(first);
		first->fn(first->owner, buffer);
		return;
	}
	assert(paths->stats.buffers_out > 0);
	paths->stats.buffers_out--;
	if (paths->buffers_free >= BUFFERS_KEPT) {
		free(buffer);
		paths->stats.buffers--;
		return;
	}
	buffer->next = paths->buffers;
	paths->buffers = buffer;
	paths->buffers_free++;
}

void ktls_paths_wait(struct ktls_paths *paths, struct ktls_paths_waiter *waiter)
{
	assert(!waiter->next && waiter->fn);
	waiter->next = &paths->waiters;
	waiter->prev = paths->waiters.prev;
	waiter->prev->next = waiter->next->prev = waiter;
}

void ktls_paths_unwait(struct ktls_paths_waiter *waiter)
{
	if (!waiter->next)
		return;
	waiter->next->prev = waiter->prev;
	waiter->prev->next = waiter->next;
	waiter->next = waiter->prev = NULL;
}

/* --- the page cache --- */

/* Where mincore(2) can't tell, the bytes count as there: then they fault in,
 * which is slower and never wrong. */
static size_t look(const void *addr, size_t len)
{
	unsigned char there[LOOK_MAX / PAGE + 1];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)addr & ~(uintptr_t)(page - 1);
	size_t lead = (uintptr_t)addr - start;
	size_t pages = (lead + len + page - 1) / page;
	size_t n = 0;

	assert(pages <= sizeof(there));
	if (mincore((void *)start, lead + len, there) < 0)
		return len;
	while (n < pages && there[n] & 1)
		n++;
	if (n == pages)
		return len;
	return n > 0 ? n * page - lead : 0;
}

size_t ktls_paths_resident(const struct ktls_paths *paths, const void *addr,
			   size_t len)
{
	if (len > LOOK_MAX)
		len = LOOK_MAX;
	if (paths->config.resident)
		return paths->config.resident(paths->config.arg, addr, len);
	return look(addr, len);
}

void ktls_paths_destroy(struct ktls_paths **pointer)
{
	struct ktls_paths *paths = *pointer;
	struct ktls_pipe *pipe;
	struct ktls_buffer *buffer;

	if (!paths)
		return;
	assert(paths->stats.pipes_out == 0 && paths->stats.buffers_out == 0);
	assert(paths->waiters.next == &paths->waiters);
	while ((pipe = paths->pipes)) {
		paths->pipes = pipe->next;
		pipe_free(paths, pipe);
	}
	while ((buffer = paths->buffers)) {
		paths->buffers = buffer->next;
		free(buffer);
	}
	free(paths);
	*pointer = NULL;
}
