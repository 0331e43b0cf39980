/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping what was broken (spool_aside.h). */
#include "gateway/spool/spool_aside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/spool/spool_recover.h"

enum {
	COPY_STEP = 1024 * 1024,
	BLOCK = 4096,
	NAMES_TRIED = 100,
};

/* --- the folder --- */

int spool_aside_open(struct spool_aside *aside)
{
	time_t now = time(NULL);
	char stamp[24];
	struct tm tm;

	if (aside->fd >= 0)
		return 0;
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	for (unsigned i = 0; i < NAMES_TRIED; i++) {
		snprintf(aside->name, sizeof(aside->name), "aside-%s.%u", stamp,
			 i);
		if (!mkdirat(aside->log_fd, aside->name, 0700)) {
			aside->fd = openat(aside->log_fd, aside->name,
					   O_RDONLY | O_DIRECTORY | O_CLOEXEC |
						   O_NOFOLLOW);
			return aside->fd < 0 ? -errno : 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int spool_aside_close(struct spool_aside *aside)
{
	int error = 0;

	if (aside->fd < 0)
		return 0;
	if (fsync(aside->fd) || fsync(aside->log_fd))
		error = -errno;
	close(aside->fd);
	aside->fd = -1;
	return error;
}

/* --- files --- */

static int write_all(int fd, const unsigned char *data, size_t len,
		     uint64_t offset)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* One stretch of data; a block that can't be read is skipped. */
static int copy_range(int from, int to, unsigned char *buffer, uint64_t at,
		      uint64_t end)
{
	size_t step = COPY_STEP;

	while (at < end) {
		size_t want = end - at < step ? (size_t)(end - at) : step;
		ssize_t n = pread(from, buffer, want, (off_t)at);
		int error;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && step > BLOCK) {
			step = BLOCK;
			continue;
		}
		if (n == 0)
			return 0;
		if (n < 0) {
			at += BLOCK - at % BLOCK;
			continue;
		}
		error = write_all(to, buffer, (size_t)n, at);
		if (error)
			return error;
		at += (uint64_t)n;
	}
	return 0;
}

static int copy_data(int from, int to, unsigned char *buffer)
{
	struct stat st;
	off_t data = 0, hole;
	int error = 0;

	if (fstat(from, &st) || ftruncate(to, st.st_size))
		return -errno;
	while (!error && data < st.st_size) {
		data = lseek(from, data, SEEK_DATA);
		if (data < 0)
			break; /* the rest is a hole */
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			hole = st.st_size;
		error = copy_range(from, to, buffer, (uint64_t)data,
				   (uint64_t)hole);
		data = hole;
	}
	if (!error && fsync(to))
		error = -errno;
	return error;
}

static int aside_create(struct spool_aside *aside, const char *name)
{
	int error = spool_aside_open(aside);
	int fd;

	if (error)
		return error;
	fd = openat(aside->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	return fd < 0 ? -errno : fd;
}

int spool_aside_copy(struct spool_aside *aside, const char *name)
{
	unsigned char *buffer = malloc(COPY_STEP);
	int from = openat(aside->log_fd, name,
			  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int to = -1, error = 0;

	if (!buffer)
		error = -ENOMEM;
	else if (from < 0)
		error = -errno;
	else
		to = aside_create(aside, name);
	if (!error && to < 0)
		error = to;
	if (!error)
		error = copy_data(from, to, buffer);
	if (to >= 0)
		close(to);
	if (from >= 0)
		close(from);
	free(buffer);
	return error;
}

int spool_aside_move(struct spool_aside *aside, const char *name)
{
	int error = spool_aside_open(aside);

	if (!error && renameat(aside->log_fd, name, aside->fd, name))
		error = -errno;
	return error;
}

/* --- messages --- */

static unsigned char *chunk_read(const struct spool_message *message,
				 uint32_t i)
{
	const struct spool_extent *extent = &message->extents[i];

	return extent->segment
		       ? spool_record_read(extent->segment, extent->offset8,
					   extent->length, message->id,
					   SPOOL_RECORD_CHUNK)
		       : NULL;
}

/* Paths can't have line ends: SMTP took them. */
static void put_envelope(FILE *out, const struct spool_message *message,
			 const struct spool_parsed *parsed)
{
	const char *text = parsed->text;

	fprintf(out, "X-Ringpost-Client: %s\r\n", text);
	text += strlen(text) + 1;
	fprintf(out, "X-Ringpost-From: <%s>\r\n", text);
	for (uint32_t i = 0; i < parsed->recipients; i++) {
		text += strlen(text) + 1;
		fprintf(out, "X-Ringpost-To: <%s>%s\r\n", text,
			spool_message_recipient_done(message, i) ? " (done)"
								 : "");
	}
}

static void put_missing(FILE *out, const struct spool_message *message,
			const struct spool_parsed *parsed)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < message->extent_count; i++) {
		uint64_t end = at + message->extents[i].length;
		unsigned char *chunk = chunk_read(message, i);

		if (!chunk)
			fprintf(out,
				"X-Ringpost-Missing: bytes %" PRIu64
				" to %" PRIu64 " of %" PRIu64 "\r\n",
				at, end - 1, parsed->body_size);
		free(chunk);
		at = end;
	}
}

static void put_body(FILE *out, const struct spool_message *message,
		     const struct spool_parsed *parsed)
{
	fwrite(parsed->trace, 1, parsed->trace_len, out);
	for (uint32_t i = 0; i < message->extent_count; i++) {
		unsigned char *chunk = chunk_read(message, i);

		if (chunk)
			fwrite(chunk + SPOOL_RECORD_HEADER, 1,
			       message->extents[i].length, out);
		free(chunk);
	}
	fwrite(parsed->body, 1, parsed->inline_len, out);
}

static int message_put(int fd, const struct spool_message *message,
		       const struct spool_parsed *parsed)
{
	FILE *out = fdopen(fd, "w");
	int error = 0;

	if (!out) {
		error = -errno;
		close(fd);
		return error;
	}
	put_envelope(out, message, parsed);
	put_missing(out, message, parsed);
	put_body(out, message, parsed);
	if (fflush(out) || fsync(fd))
		error = -errno;
	if (fclose(out) && !error)
		error = -errno;
	return error;
}

int spool_aside_message(struct spool_aside *aside,
			const struct spool_message *message)
{
	unsigned char *record = spool_record_read(
		message->segment, message->offset8, message->length,
		message->id, SPOOL_RECORD_MESSAGE);
	struct spool_parsed parsed;
	char id[LOG_ID_SIZE], name[LOG_ID_SIZE + 8];
	int fd, error = -EBADMSG;

	snprintf(name, sizeof(name), "%s.eml", log_id_text(message->id, id));
	if (record &&
	    spool_parse_message(record + SPOOL_RECORD_HEADER, message->length,
				record[11], &parsed)) {
		fd = aside_create(aside, name);
		error = fd < 0 ? fd : message_put(fd, message, &parsed);
	}
	free(record);
	return error;
}
