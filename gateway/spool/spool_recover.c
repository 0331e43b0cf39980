/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: all segments are read in order, every checksum is checked, and
 * what is left is the queue.  Blocking; before the ring turns.
 */
#include "gateway/spool/spool_recover.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOUBT_NAME "verify"

enum {
	NAME_DIGITS = 16,
	LIST_FIRST = 64,
};

void *spool_list_add(struct spool_list *list, size_t size)
{
	unsigned char *entry;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : LIST_FIRST;
		void *data = reallocarray(list->data, room, size);

		if (!data)
			return NULL;
		list->data = data;
		list->room = room;
	}
	entry = (unsigned char *)list->data + list->count++ * size;
	memset(entry, 0, size);
	return entry;
}

/* --- the folder --- */

uint32_t spool_segment_number(const char *name, const char *suffix)
{
	uint64_t number = 0;

	for (int i = 0; i < NAME_DIGITS; i++) {
		if (!isdigit((unsigned char)name[i]))
			return 0;
		number = number * 10 + (uint64_t)(name[i] - '0');
	}
	if (strcmp(name + NAME_DIGITS, suffix) || number >= UINT32_MAX)
		return 0;
	return (uint32_t)number;
}

static int list_name(struct spool_recovery *r, const char *name)
{
	uint32_t number = spool_segment_number(name, ".log");
	uint32_t aside = spool_segment_number(name, ".bad");
	uint32_t *slot;

	/* A number is never used twice, not even of what was set aside. */
	if (number >= r->spool->next_number)
		r->spool->next_number = number + 1;
	if (aside >= r->spool->next_number)
		r->spool->next_number = aside + 1;
	r->set_aside += aside != 0;
	if (spool_segment_number(name, SPOOL_POOL_SUFFIX) &&
	    !r->spool->read_only)
		unlinkat(r->spool->dir_fd, name, 0); /* no use without us */
	if (!number)
		return 0;
	slot = spool_list_add(&r->numbers, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	*slot = number;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int list_segments(struct spool_recovery *r)
{
	int fd = openat(r->spool->dir_fd, ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int error = 0;

	if (!dir) {
		error = errno;
		if (fd >= 0)
			close(fd);
		return spool_say(r->error_text, ".", "reading the folder",
				 error);
	}
	r->spool->next_number = 1;
	while (!error && (entry = readdir(dir)))
		error = list_name(r, entry->d_name);
	closedir(dir);
	if (error)
		return spool_say(r->error_text, ".", "listing", -error);
	if (r->numbers.count)
		qsort(r->numbers.data, r->numbers.count, sizeof(uint32_t),
		      compare_numbers);
	return 0;
}

/* --- one segment --- */

static int segment_open(struct spool_recovery *r, uint32_t number,
			struct spool_segment **out)
{
	struct spool_segment *segment = spool_segment_new(r->spool, number);
	struct stat st;
	char name[32];

	spool_segment_name(number, ".log", name);
	if (!segment)
		return spool_say(r->error_text, name, "reading", ENOMEM);
	segment->state = SPOOL_SEGMENT_SEALED;
	segment->synced_end = UINT64_MAX;
	segment->fd = openat(r->spool->dir_fd, name,
			     (r->spool->read_only ? O_RDONLY : O_RDWR) |
				     O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (segment->fd < 0 || fstat(segment->fd, &st)) {
		int error = errno;

		spool_segment_free(segment);
		return spool_say(r->error_text, name, "opening", error);
	}
	if (!S_ISREG(st.st_mode)) {
		spool_segment_free(segment);
		return spool_say(r->error_text, name, "opening", EINVAL);
	}
	segment->size = (uint64_t)st.st_size;
	r->report->file_bytes += (uint64_t)st.st_size;
	r->report->disk_bytes += (uint64_t)st.st_blocks * 512;
	if (segment->size > SPOOL_SEGMENT_MAX)
		segment->size = SPOOL_SEGMENT_MAX;
	spool_segment_link(r->spool, segment);
	*out = segment;
	return 0;
}

/* What isn't trusted isn't read. */
static uint64_t segment_limit(const struct spool_recovery *r,
			      const struct spool_segment *segment)
{
	const uint64_t *voids = r->voids.data;
	uint64_t limit = segment->size;

	for (size_t i = 0; i < r->voids_known; i++)
		if (spool_position_segment(voids[i]) == segment->number &&
		    spool_position_offset(voids[i]) < limit)
			limit = spool_position_offset(voids[i]);
	return limit;
}

static void segment_read_header(struct spool_recovery *r,
				struct spool_segment *segment,
				struct spool_scan *scan)
{
	struct spool_segment_header header = {0};
	struct spool_segment *previous;
	uint64_t end;

	segment->seed = r->spool->seed;
	if (!spool_scan_header(scan, &header)) {
		segment->headless = true;
		/* Renamed, and nothing was written to it yet. */
		segment->recycled =
			header.number && header.number != segment->number;
		return;
	}
	segment->recycled = header.recycled;
	segment->seed = header.seed;
	scan->seed = header.seed;
	if (r->last_id < header.last_id)
		r->last_id = header.last_id;
	previous = spool_recovery_segment(
		r, spool_position_segment(header.previous));
	end = spool_position_offset(header.previous);
	if (previous && previous->number < segment->number &&
	    previous->sync_off < end)
		previous->sync_off = end;
}

/* The @last one goes on behind the file's end: it may have been cut. */
static int segment_add_gap(struct spool_recovery *r,
			   const struct spool_segment *segment,
			   const struct spool_gap *gap, bool last)
{
	struct spool_range *range;

	if (gap->from == gap->to && !last)
		return 0;
	range = spool_list_add(&r->gaps, sizeof(*range));
	if (!range)
		return -ENOMEM;
	range->segment = segment->number;
	range->from = gap->from;
	range->to = last ? UINT64_MAX : gap->to;
	range->content = gap->content;
	range->headers = gap->headers;
	return 0;
}

/* How far the next segment's header says that this one was on stable storage
 * when it was begun. */
static uint64_t segment_trusted(const struct spool_recovery *r, size_t index)
{
	const uint32_t *numbers = r->numbers.data;
	struct spool_segment_header next;

	if (r->spool->verify || r->spool->seed_unknown ||
	    index + 1 == r->numbers.count ||
	    !spool_segment_header_read(r->spool, numbers[index + 1], &next) ||
	    spool_position_segment(next.previous) != numbers[index])
		return 0;
	return spool_position_offset(next.previous);
}

static int segment_scan(struct spool_recovery *r, struct spool_segment *segment,
			struct spool_scan *scan)
{
	struct spool_scanned scanned;
	int more, error;

	do {
		more = spool_scan_next(scan, &scanned);
		if (more < 0)
			return more;
		error = segment_add_gap(r, segment, &scanned.gap, !more);
		if (error || !more)
			return error;
		segment->write_off = scan->at;
		if (segment->sync_off < scanned.header.synced)
			segment->sync_off = scanned.header.synced;
		error = spool_replay(r, segment, &scanned);
	} while (!error);
	return error;
}

/* Who only looks goes on without a file that can't be opened: it may have
 * been deleted meanwhile, or it is what somebody should be told of. */
static int segment_unopened(struct spool_recovery *r, uint32_t number,
			    int error)
{
	struct spool_damage damage = {
		.kind = SPOOL_DAMAGE_FILE, .segment = number, .error = -error};

	if (!r->spool->read_only || error == -EACCES || error == -EPERM ||
	    error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		return error;
	if (error != -ENOENT)
		spool_recovery_tell(r, &damage);
	return 0;
}

static int segment_read(struct spool_recovery *r, size_t index)
{
	uint32_t number = ((const uint32_t *)r->numbers.data)[index];
	struct spool_segment *segment = NULL;
	struct spool_scan scan;
	char name[32];
	int error = segment_open(r, number, &segment);

	if (error)
		return segment_unopened(r, number, error);
	assert(segment);
	r->cached = NULL;
	spool_scan_begin(&scan, segment->fd, number, r->spool->seed,
			 segment_limit(r, segment));
	segment_read_header(r, segment, &scan);
	spool_scan_trust(&scan, segment_trusted(r, index));
	error = segment_scan(r, segment, &scan);
	r->report->bytes_read += scan.bytes_read;
	spool_scan_end(&scan);
	spool_segment_name(number, ".log", name);
	return error ? spool_say(r->error_text, name, "reading", -error) : 0;
}

/* --- all of them --- */

static void segment_forget(struct spool *spool, struct spool_segment *segment)
{
	while (segment->messages) {
		struct spool_message *message = segment->messages;

		segment->messages = message->next;
		spool_message_put(&spool->memory, message);
	}
	spool_segment_free(segment);
}

void spool_forget_segments(struct spool *spool)
{
	while (spool->first) {
		struct spool_segment *segment = spool->first;

		spool->first = segment->next;
		segment_forget(spool, segment);
	}
	spool->last = NULL;
	spool->stats.segments = 0;
	spool->bytes_segments = 0;
	spool->stats.bytes_live = 0;
}

/* Everything but the voids, which are what the next pass is for. */
static void forget_pass(struct spool_recovery *r)
{
	spool_forget_segments(r->spool);
	spool_idmap_free(&r->live);
	r->gaps.count = 0;
	r->frees.count = 0;
	r->chunks.count = 0;
	r->owners.count = 0;
	r->cached = NULL;
	*r->report = (struct spool_report){.set_aside = r->set_aside};
}

/* A VOID stands behind what it voids: if there is one, read again, now
 * knowing it. Few logs have any. Likewise if passing over bodies was wrong. */
static int read_all(struct spool_recovery *r)
{
	int error = 0;

	do {
		r->voids_known = r->voids.count;
		forget_pass(r);
		r->doubtful = false;
		for (size_t i = 0; !error && i < r->numbers.count; i++)
			error = segment_read(r, i);
		r->spool->verify |= r->doubtful;
	} while (!error && (r->doubtful || r->voids.count > r->voids_known));
	r->report->segments = r->spool->stats.segments;
	return error;
}

/* --- afterwards --- */

/* Without its torn end no segment can come alive in another way later. What
 * was read may have been in memory only: now it is on stable storage. */
static int segment_cut(struct spool_recovery *r, struct spool_segment *segment)
{
	char name[32];

	if (segment->write_off < SPOOL_SEGMENT_HEADER)
		segment->write_off = SPOOL_SEGMENT_HEADER;
	if (!segment->damaged && segment->write_off < segment->size) {
		if (ftruncate(segment->fd, (off_t)segment->write_off))
			goto failed;
		r->spool->bytes_segments -= segment->size - segment->write_off;
		segment->size = segment->write_off;
	}
	segment->sync_off = segment->write_off;
	if (segment->next || !r->spool->sync || !fdatasync(segment->fd))
		return 0;
failed:
	spool_segment_name(segment->number, ".log", name);
	return spool_say(r->error_text, name, "cutting the end", errno);
}

/* How far everything in it is on stable storage. */
static uint64_t segment_end(const struct spool_segment *segment)
{
	uint64_t end = segment->write_off < segment->synced_end
			       ? segment->write_off
			       : segment->synced_end;

	return spool_position(segment->number, segment->spool->sync ? end : 0);
}

/* In order: an earlier one's end may make a later one unneeded. */
static void remove_unneeded(struct spool *spool)
{
	struct spool_segment *segment = spool->first;

	while (segment) {
		struct spool_segment *next = segment->next;

		if (!spool_segment_needed(segment))
			spool_segment_remove_now(segment);
		segment = next;
	}
}

static int compare_messages(const void *a, const void *b)
{
	uint64_t x = spool_message_id(*(struct spool_message *const *)a);
	uint64_t y = spool_message_id(*(struct spool_message *const *)b);

	return (x > y) - (x < y);
}

void spool_recovery_count(struct spool_recovery *r)
{
	r->report->messages = 0;
	r->report->recipients = 0;
	for (size_t i = 0; i < r->live.room; i++) {
		if (!r->live.slots[i])
			continue;
		r->report->messages++;
		r->report->recipients += r->live.slots[i]->open;
	}
	r->report->live_bytes = r->spool->stats.bytes_live;
}

static void tell_found(struct spool_recovery *r, spool_found_fn found,
		       void *arg)
{
	struct spool_message **slots = r->live.slots;
	size_t count = 0;

	for (size_t i = 0; i < r->live.room; i++)
		if (slots[i])
			slots[count++] = slots[i];
	if (count)
		qsort(slots, count, sizeof(struct spool_message *),
		      compare_messages);
	for (size_t i = 0; found && i < count; i++)
		found(arg, slots[i]);
}

void spool_recovery_tell(const struct spool_recovery *r,
			 const struct spool_damage *damage)
{
	if (r->spool->damage)
		r->spool->damage(r->spool->damage_arg, damage);
}

void spool_recovery_free(struct spool_recovery *r)
{
	spool_idmap_free(&r->live);
	free(r->numbers.data);
	free(r->voids.data);
	free(r->gaps.data);
	free(r->frees.data);
	free(r->chunks.data);
	free(r->owners.data);
}

/* A header that is all zeros was never written: no word about it. */
static void tell_headers(const struct spool_recovery *r)
{
	for (struct spool_segment *s = r->spool->first; s; s = s->next) {
		struct spool_damage damage = {.kind = SPOOL_DAMAGE_HEADER,
					      .segment = s->number,
					      .to = SPOOL_SEGMENT_HEADER};

		if (s->headless && s->write_off)
			spool_recovery_tell(r, &damage);
	}
	if (r->spool->seed_unknown)
		spool_recovery_tell(
			r, &(struct spool_damage){.kind = SPOOL_DAMAGE_SEED});
}

int spool_recovery_read(struct spool_recovery *r)
{
	struct spool *spool = r->spool;
	int error = list_segments(r);

	if (!error)
		error = spool_seed_load(spool, r->numbers.data,
					r->numbers.count, r->error_text);
	if (!error)
		error = read_all(r);
	if (error)
		return error;
	tell_headers(r);
	spool_judge(r);
	spool_judge_orphans(r);
	return 0;
}

static int recover(struct spool_recovery *r)
{
	struct spool *spool = r->spool;
	int error = spool_recovery_read(r);

	if (error)
		return error;
	remove_unneeded(spool);
	for (struct spool_segment *segment = spool->first; segment && !error;
	     segment = segment->next)
		error = segment_cut(r, segment);
	if (spool->last_id < r->last_id)
		spool->last_id = r->last_id;
	if (spool->last)
		spool->previous_end = segment_end(spool->last);
	return error;
}

void spool_doubt(struct spool *spool)
{
	int fd;

	if (spool->doubted)
		return;
	spool->doubted = true;
	fd = openat(spool->dir_fd, DOUBT_NAME,
		    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		close(fd);
}

int spool_recover(struct spool *spool, spool_found_fn found, void *arg,
		  struct spool_report *report, char error_text[256])
{
	struct spool_report unused;
	struct spool_recovery r = {.spool = spool,
				   .report = report ? report : &unused,
				   .error_text = error_text};
	int error;

	spool->recovering = true;
	spool->verify |= !faccessat(spool->dir_fd, DOUBT_NAME, F_OK, 0);
	error = recover(&r);
	spool->recovering = false;
	if (!error) {
		unlinkat(spool->dir_fd, DOUBT_NAME, 0);
		spool_recovery_count(&r);
		tell_found(&r, found, arg);
	}
	spool_recovery_free(&r);
	return error;
}
