/* SPDX-License-Identifier: Apache-2.0 */
/* The mapped file of messages; see tls_source.h. */
#include "bench/tls/tls_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/bench_rng.h"
#include "bench/tls/tls_conn.h"
#include "bench/tls/tls_relay.h"

enum {
	PAGE = 4096,
	FILL_BYTES = 64 * 1024,
	CONN_STRIDE = 17, /* messages that connections are apart */
};

int tls_file_unnamed(const char *folder)
{
	char path[4096];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd >= 0 ? fd : -errno;
	/* Not every file system has them (overlays of old kernels don't). */
	if (snprintf(path, sizeof(path), "%s/ringpost-bench-XXXXXX", folder) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/* Random enough that nothing can compress or fake it. */
static int fill(int fd, size_t size)
{
	uint64_t *piece = malloc(FILL_BYTES);
	uint64_t state = 1;
	int err = piece ? 0 : -ENOMEM;

	for (size_t done = 0; !err && done < size; done += FILL_BYTES) {
		size_t left = size - done;
		size_t len = left < FILL_BYTES ? left : FILL_BYTES;

		for (size_t i = 0; i < FILL_BYTES / sizeof(*piece); i++)
			piece[i] = bench_rng_next(&state);
		if (write(fd, piece, len) != (ssize_t)len)
			err = errno ? -errno : -ENOSPC;
	}
	free(piece);
	return err;
}

int tls_source_open(struct tls_source *s, const char *folder, size_t offset,
		    char *error, size_t cap)
{
	void *data = MAP_FAILED;
	int err;

	*s = (struct tls_source){
		.size = TLS_MESSAGE_MAX + PAGE,
		.offset = offset % PAGE,
	};
	s->fd = tls_file_unnamed(folder);
	err = s->fd < 0 ? s->fd : fill(s->fd, s->size);
	if (!err) {
		data = mmap(NULL, s->size, PROT_READ, MAP_SHARED | MAP_POPULATE,
			    s->fd, 0);
		err = data == MAP_FAILED ? -errno : 0;
	}
	if (err) {
		tls_source_close(s);
		return tls_conn_explain(error, cap, err, folder);
	}
	s->data = data;
	return 0;
}

void tls_source_close(struct tls_source *s)
{
	if (s->data)
		munmap((void *)(uintptr_t)s->data, s->size);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct tls_source){.fd = -1};
}

size_t tls_source_at(const struct tls_source *s, unsigned conn, uint64_t index,
		     size_t size)
{
	size_t fit = (s->size - s->offset) / size;

	return s->offset +
	       (size_t)((index + (uint64_t)conn * CONN_STRIDE) % fit) * size;
}

void tls_source_hash(const struct tls_source *s, struct bench_hash *hash,
		     unsigned conn, uint64_t first, uint64_t count, size_t size,
		     const char *front, char text[BENCH_HASH_TEXT])
{
	bench_hash_start(hash);
	for (uint64_t i = first; i < first + count; i++) {
		if (front)
			bench_hash_add(hash, front, TLS_RELAY_COMMANDS);
		bench_hash_add(hash, s->data + tls_source_at(s, conn, i, size),
			       size);
	}
	bench_hash_text(hash, text);
}
