/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a damaged log usable (spool_inspect.h).  The log's own means are
 * enough: a FREE record for each damaged stretch, final results for messages
 * that lost a part, both in a segment of their own behind all others.  With
 * it in place an ordinary recovery finds nothing to complain of.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "gateway/spool/spool_aside.h"
#include "gateway/spool/spool_inspect.h"
#include "gateway/spool/spool_recover.h"

#define REPLY "a part of this message was damaged in the spool"

/* A recipient of a message that can't be sent any more. */
struct repair_result {
	uint64_t id, home;
	uint32_t recipient;
};

struct repair {
	struct spool *spool;
	struct spool_repaired *out;
	struct spool_aside aside;
	spool_damage_fn damage;
	void *arg;
	struct spool_list ranges;  /* struct spool_range: damaged */
	struct spool_list results; /* struct repair_result */
	struct spool_list files;   /* uint32_t: can't be opened */
	struct spool_list headers; /* uint32_t: segments without one */
	int error;		   /* the first in on_damage() */
	char *error_text;
};

/* --- what is broken --- */

static int list_number(struct spool_list *list, uint32_t number)
{
	uint32_t *slot = spool_list_add(list, sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	*slot = number;
	return 0;
}

static int list_range(struct repair *repair, const struct spool_damage *damage)
{
	struct spool_range *range =
		spool_list_add(&repair->ranges, sizeof(*range));

	if (!range)
		return -ENOMEM;
	range->segment = damage->segment;
	range->from = damage->from;
	range->to = damage->to;
	return 0;
}

static int list_message(struct repair *repair,
			const struct spool_damage *damage)
{
	const struct spool_message *message = damage->message;

	for (uint32_t i = 0; i < message->recipients; i++) {
		struct repair_result *result;

		if (spool_message_recipient_done(message, i))
			continue;
		result = spool_list_add(&repair->results, sizeof(*result));
		if (!result)
			return -ENOMEM;
		result->id = message->id;
		result->home = spool_position(damage->segment, damage->from);
		result->recipient = i;
	}
	repair->out->messages_cut++;
	return spool_aside_message(&repair->aside, message);
}

static int take_damage(struct repair *repair, const struct spool_damage *damage)
{
	switch (damage->kind) {
	case SPOOL_DAMAGE_BAD:
		return list_range(repair, damage);
	case SPOOL_DAMAGE_MESSAGE:
		return list_message(repair, damage);
	case SPOOL_DAMAGE_FILE:
		return list_number(&repair->files, damage->segment);
	case SPOOL_DAMAGE_HEADER:
		return list_number(&repair->headers, damage->segment);
	case SPOOL_DAMAGE_TORN: /* an ordinary recovery sees to it */
	case SPOOL_DAMAGE_SEED:
		break;
	}
	return 0;
}

static void on_damage(void *arg, const struct spool_damage *damage)
{
	struct repair *repair = arg;

	if (repair->damage)
		repair->damage(repair->arg, damage);
	if (!repair->error)
		repair->error = take_damage(repair, damage);
}

static int repair_look(struct repair *repair)
{
	struct spool *spool = repair->spool;
	struct spool_recovery r = {.spool = spool,
				   .report = &repair->out->before,
				   .error_text = repair->error_text};
	int error;

	spool->read_only = true;
	spool->recovering = true;
	spool->verify = true;
	spool->damage = on_damage;
	spool->damage_arg = repair;
	error = spool_recovery_read(&r);
	if (!error)
		spool_recovery_count(&r);
	if (spool->last_id < r.last_id)
		spool->last_id = r.last_id;
	spool_recovery_free(&r);
	spool_forget_segments(spool);
	if (!error && repair->error)
		error = spool_say(repair->error_text, repair->aside.name,
				  "setting aside", -repair->error);
	return error;
}

/* --- setting aside --- */

static int move_files(struct repair *repair)
{
	const uint32_t *numbers = repair->files.data;
	int error = 0;

	for (size_t i = 0; !error && i < repair->files.count; i++) {
		char name[32];

		spool_segment_name(numbers[i], ".log", name);
		error = spool_aside_move(&repair->aside, name);
		repair->out->files_moved++;
	}
	return error;
}

static int copy_once(struct repair *repair, uint32_t number)
{
	char name[32];
	int error;

	spool_segment_name(number, ".log", name);
	error = spool_aside_copy(&repair->aside, name);
	repair->out->files_copied += error == 0;
	return error == -EEXIST ? 0 : error;
}

static int copy_segments(struct repair *repair)
{
	const struct spool_range *ranges = repair->ranges.data;
	const uint32_t *headers = repair->headers.data;
	int error = 0;

	for (size_t i = 0; !error && i < repair->ranges.count; i++)
		error = copy_once(repair, ranges[i].segment);
	for (size_t i = 0; !error && i < repair->headers.count; i++)
		error = copy_once(repair, headers[i]);
	return error;
}

/* Segments whose records nobody could check: their start renamed them. */
static int move_bad(struct repair *repair)
{
	int fd = openat(repair->spool->dir_fd, ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int error = 0;

	if (!dir) {
		error = -errno;
		if (fd >= 0)
			close(fd);
		return error;
	}
	while (!error && (entry = readdir(dir))) {
		if (!spool_segment_number(entry->d_name, ".bad"))
			continue;
		error = spool_aside_move(&repair->aside, entry->d_name);
		repair->out->files_moved++;
	}
	closedir(dir);
	return error;
}

/* --- writing --- */

static int header_write(struct spool *spool, uint32_t number)
{
	struct spool_segment segment = {.number = number, .seed = spool->seed};
	unsigned char at[SPOOL_SEGMENT_HEADER];
	char name[32];
	int error = 0, fd;

	spool->previous_end = 0; /* it can't say any more what was safe */
	spool_segment_stamp(spool, &segment, at);
	spool_segment_name(number, ".log", name);
	fd = openat(spool->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, at, sizeof(at), 0) != sizeof(at) || fdatasync(fd))
		error = errno ? -errno : -EIO;
	close(fd);
	return error;
}

static int write_headers(struct repair *repair)
{
	const uint32_t *numbers = repair->headers.data;
	int error = 0;

	for (size_t i = 0; !error && i < repair->headers.count; i++) {
		error = header_write(repair->spool, numbers[i]);
		repair->out->headers_made++;
	}
	return error;
}

/* The segment that gives up what is lost. */
struct verdict {
	struct spool *spool;
	FILE *file;
	uint32_t number;
	uint64_t at; /* where the next record goes */
};

static void verdict_add(struct verdict *v, unsigned char *record,
			uint32_t length)
{
	size_t size = (size_t)spool_record_size(length);

	spool_record_seal(record, spool_position(v->number, v->at), 0,
			  v->spool->seed);
	fwrite(record, 1, size, v->file);
	v->at += size;
}

static void verdict_range(struct verdict *v, const struct spool_range *range)
{
	enum {
		LENGTH = SPOOL_FREE_FIXED + SPOOL_EXTENT_SIZE
	};
	unsigned char record[SPOOL_RECORD_HEADER + LENGTH];
	unsigned char *at = record + SPOOL_RECORD_HEADER;

	spool_put64(at, 1);
	spool_put64(at + 8, spool_position(range->segment, range->from));
	spool_put64(at + 16, spool_pad8(range->to - range->from));
	spool_record_begin(record, SPOOL_RECORD_FREE, 0, LENGTH, 0);
	verdict_add(v, record, LENGTH);
}

static void verdict_result(struct verdict *v,
			   const struct repair_result *result)
{
	enum {
		LENGTH = SPOOL_RESULT_FIXED + sizeof(REPLY) - 1
	};
	unsigned char record[SPOOL_RECORD_HEADER + LENGTH + 8];

	spool_result_put(record, result->id, result->recipient, SPOOL_BOUNCED,
			 0, 0, 0, REPLY, sizeof(REPLY) - 1);
	spool_put64(record + SPOOL_RECORD_HEADER, result->home);
	verdict_add(v, record, LENGTH);
}

static void verdict_fill(const struct repair *repair, struct verdict *v)
{
	const struct spool_range *ranges = repair->ranges.data;
	const struct repair_result *results = repair->results.data;
	struct spool_segment segment = {.number = v->number,
					.seed = v->spool->seed};
	unsigned char header[SPOOL_SEGMENT_HEADER];

	v->spool->previous_end = 0;
	spool_segment_stamp(v->spool, &segment, header);
	fwrite(header, 1, sizeof(header), v->file);
	v->at = sizeof(header);
	for (size_t i = 0; i < repair->ranges.count; i++)
		verdict_range(v, &ranges[i]);
	for (size_t i = 0; i < repair->results.count; i++)
		verdict_result(v, &results[i]);
	repair->out->ranges_given_up = repair->ranges.count;
}

static int write_verdict(struct repair *repair)
{
	struct spool *spool = repair->spool;
	struct verdict v = {.spool = spool, .number = spool->next_number};
	int fd, error = 0;
	char name[32];

	if (!repair->ranges.count && !repair->results.count)
		return 0;
	spool_segment_name(v.number, ".log", name);
	fd = openat(spool->dir_fd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	v.file = fdopen(fd, "w");
	if (!v.file) {
		error = -errno;
		close(fd);
		return error;
	}
	verdict_fill(repair, &v);
	if (fflush(v.file) || ferror(v.file) || fsync(fd) ||
	    fsync(spool->dir_fd))
		error = errno ? -errno : -EIO;
	fclose(v.file);
	return error;
}

/* --- all of it --- */

static int repair_open(struct repair *repair, const char *path)
{
	struct spool *spool = repair->spool;

	spool->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool->dir_fd < 0)
		return spool_say(repair->error_text, path, "opening the folder",
				 errno);
	repair->aside.log_fd = spool->dir_fd;
	spool->lock_fd =
		openat(spool->dir_fd, SPOOL_LOCK_NAME,
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (spool->lock_fd < 0)
		return spool_say(repair->error_text, path, "opening the lock",
				 errno);
	if (flock(spool->lock_fd, LOCK_EX | LOCK_NB))
		return spool_say(repair->error_text, path,
				 "in use by another process", errno);
	return 0;
}

static const struct repair_step {
	int (*run)(struct repair *repair);
	const char *what;
} steps[] = {
	{move_files, "setting aside what is no segment"},
	{copy_segments, "copying damaged segments"},
	{write_headers, "writing segment headers"},
	{write_verdict, "giving up what is lost"},
};

static int repair_recover(struct repair *repair)
{
	struct spool *spool = repair->spool;
	int error;

	spool->read_only = false;
	spool->damage = NULL;
	error = spool_recover(spool, NULL, NULL, &repair->out->after,
			      repair->error_text);
	if (error)
		return error;
	spool->opened = true; /* the lock gets the last id */
	error = move_bad(repair);
	return error ? spool_say(repair->error_text, ".bad", "setting aside",
				 -error)
		     : 0;
}

static int repair_run(struct repair *repair, const char *path)
{
	int error = repair_open(repair, path);

	if (!error)
		error = repair_look(repair);
	for (size_t i = 0; !error && !repair->spool->seed_unknown &&
			   i < sizeof(steps) / sizeof(steps[0]);
	     i++) {
		error = steps[i].run(repair);
		if (error)
			spool_say(repair->error_text, path, steps[i].what,
				  -error);
	}
	return error ? error : repair_recover(repair);
}

int spool_repair(const char *path, spool_damage_fn damage, void *arg,
		 struct spool_repaired *out, char error_text[256])
{
	struct spool_config config = {.path = path, .sync = true};
	struct repair repair = {.spool = spool_new(&config, NULL),
				.out = out,
				.aside = {.fd = -1, .log_fd = -1},
				.damage = damage,
				.arg = arg,
				.error_text = error_text};
	int error, closed;

	*out = (struct spool_repaired){0};
	*error_text = '\0';
	if (!repair.spool)
		return spool_say(error_text, path, "recovering", ENOMEM);
	error = repair_run(&repair, path);
	if (repair.aside.fd >= 0)
		snprintf(out->folder, sizeof(out->folder), "%s/%s", path,
			 repair.aside.name);
	closed = spool_aside_close(&repair.aside);
	if (!error && closed)
		error = spool_say(error_text, path, "syncing", -closed);
	spool_close(&repair.spool);
	free(repair.ranges.data);
	free(repair.results.data);
	free(repair.files.data);
	free(repair.headers.data);
	return error;
}
