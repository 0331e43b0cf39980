/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading of ledger lines; see bench_ledger.h. */
#include "bench/bench_ledger.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench_parse.h"

int bench_ledger_open(const char *path)
{
	int fd;

	if (!path)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	/* -EPERM is -1, which means "no ledger" here. */
	if (fd < 0)
		return errno == EPERM ? -EACCES : -errno;
	return fd;
}

static int write_line(int fd, const char *line, size_t len)
{
	ssize_t done;

	do
		done = write(fd, line, len);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	/* Half a line: the disk is full. The reader sees a torn line. */
	return (size_t)done == len ? 0 : -ENOSPC;
}

int bench_ledger_add(int fd, const char *id, const char *hash, uint64_t size,
		     const char *last)
{
	char room[512], *line = room;
	size_t cap = strlen(id) + strlen(hash) + strlen(last) + 32;
	int len, err;

	if (fd < 0)
		return 0;
	if (cap > sizeof(room))
		line = malloc(cap);
	if (!line)
		return -ENOMEM;
	len = snprintf(line, cap > sizeof(room) ? cap : sizeof(room),
		       "%s %s %llu %s\n", id, hash, (unsigned long long)size,
		       last);
	err = write_line(fd, line, (size_t)len);
	if (line != room)
		free(line);
	return err;
}

size_t bench_ledger_quote(const char *address, char *buf, size_t cap)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = 0;

	assert(cap > 3 * strlen(address));
	for (const char *p = address; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c <= ' ' || c == ',' || c == '%' || c == 127) {
			buf[len++] = '%';
			buf[len++] = digits[c >> 4];
			buf[len++] = digits[c & 15];
		} else {
			buf[len++] = *p;
		}
	}
	buf[len] = '\0';
	return len;
}

int bench_ledger_parse(char *line, struct bench_ledger_line *ret)
{
	char *save, *size;

	ret->id = strtok_r(line, " ", &save);
	ret->hash = strtok_r(NULL, " ", &save);
	size = strtok_r(NULL, " ", &save);
	ret->last = strtok_r(NULL, " ", &save);
	if (!size || bench_parse_u64(size, &ret->size))
		return -EINVAL;
	if (!ret->last)
		ret->last = size + strlen(size);
	else if (strtok_r(NULL, " ", &save))
		return -EINVAL;
	return 0;
}
