/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing a log: the folder, its lock, its seed.
 *
 * The seed keys every record's checksum.  A mail's body can be anything,
 * also the bytes of a record; without the seed nobody can make one that
 * recovery would take for a record when it looks for the next after damage.
 * It stands in the lock file and in each segment's header.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "gateway/spool/spool_private.h"

#define SEED_MAGIC UINT64_C(0x44454553474e4952) /* "RINGSEED" */

enum {
	SEED_SIZE = 32, /* magic, seed, last id, checksum of these */
	WORKERS_MAX = 64,
};

int spool_say(char error_text[256], const char *where, const char *what,
	      int error)
{
	snprintf(error_text, 256, "%s: %s: %s", where, what, strerror(error));
	return -error;
}

/* --- the seed --- */

static bool seed_read(struct spool *spool)
{
	unsigned char at[SEED_SIZE];

	if (pread(spool->lock_fd, at, SEED_SIZE, 0) != SEED_SIZE ||
	    spool_get64(at) != SEED_MAGIC ||
	    spool_get64(at + 24) != XXH3_64bits(at, 24))
		return false;
	spool->seed = spool_get64(at + 8);
	spool->last_id = spool_get64(at + 16);
	return true;
}

static bool seed_put(struct spool *spool)
{
	unsigned char at[SEED_SIZE];

	spool_put64(at, SEED_MAGIC);
	spool_put64(at + 8, spool->seed);
	spool_put64(at + 16, spool->last_id);
	spool_put64(at + 24, XXH3_64bits(at, 24));
	return pwrite(spool->lock_fd, at, SEED_SIZE, 0) == SEED_SIZE;
}

static int seed_write(struct spool *spool, char error_text[256])
{
	if (!seed_put(spool) || fsync(spool->lock_fd) || fsync(spool->dir_fd))
		return spool_say(error_text, SPOOL_LOCK_NAME, "writing",
				 errno ? errno : EIO);
	return 0;
}

bool spool_segment_header_read(const struct spool *spool, uint32_t number,
			       struct spool_segment_header *header)
{
	unsigned char at[SPOOL_SEGMENT_HEADER];
	char name[32];
	ssize_t n;
	int fd;

	spool_segment_name(number, ".log", name);
	fd = openat(spool->dir_fd, name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = pread(fd, at, sizeof(at), 0);
	close(fd);
	return n == sizeof(at) && spool_segment_header_get(at, header) &&
	       header->number == number;
}

static bool seed_from_segment(struct spool *spool, uint32_t number)
{
	struct spool_segment_header header;

	if (!spool_segment_header_read(spool, number, &header))
		return false;
	spool->seed = header.seed;
	return true;
}

int spool_seed_load(struct spool *spool, const uint32_t *numbers, size_t count,
		    char error_text[256])
{
	if (seed_read(spool))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (seed_from_segment(spool, numbers[i]))
			return spool->read_only ? 0
						: seed_write(spool, error_text);
	spool->seed_unknown = count != 0;
	if (spool->read_only)
		return 0;
	if (getrandom(&spool->seed, sizeof(spool->seed), 0) !=
	    sizeof(spool->seed))
		return spool_say(error_text, SPOOL_LOCK_NAME, "random number",
				 EIO);
	return seed_write(spool, error_text);
}

/* --- open --- */

static int open_folder(struct spool *spool, const char *path,
		       char error_text[256])
{
	if (mkdir(path, 0700) && errno != EEXIST)
		return spool_say(error_text, path, "making the folder", errno);
	spool->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool->dir_fd < 0)
		return spool_say(error_text, path, "opening the folder", errno);
	spool->lock_fd =
		openat(spool->dir_fd, SPOOL_LOCK_NAME,
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (spool->lock_fd < 0)
		return spool_say(error_text, path, "opening the lock", errno);
	if (flock(spool->lock_fd, LOCK_EX | LOCK_NB))
		return spool_say(error_text, path, "in use by another process",
				 errno);
	return 0;
}

static void on_retry(void *owner)
{
	spool_continue(owner);
}

struct spool *spool_new(const struct spool_config *config, struct uring *ring)
{
	struct spool *spool = calloc(1, sizeof(*spool));

	if (!spool)
		return NULL;
	spool->ring = ring;
	spool->segment_size = (config->segment_size + 4095) & ~UINT64_C(4095);
	if (spool->segment_size < SPOOL_SEGMENT_MIN)
		spool->segment_size = SPOOL_SEGMENT_MIN;
	if (spool->segment_size > SPOOL_SEGMENT_MAX)
		spool->segment_size = SPOOL_SEGMENT_MAX;
	spool->max_unwritten = config->max_unwritten ? config->max_unwritten
						     : SPOOL_UNWRITTEN_DEFAULT;
	spool->min_free_percent = config->min_free_percent;
	spool->sync = config->sync;
	spool->recycle = config->recycle;
	spool->direct = config->direct;
	spool->worker = config->worker % WORKERS_MAX;
	spool->damage = config->damage;
	spool->damage_arg = config->damage_arg;
	spool->dir_fd = -1;
	spool->lock_fd = -1;
	spool->writers.next = &spool->writers;
	spool->writers.prev = &spool->writers;
	spool->waiters.next = &spool->waiters;
	spool->waiters.prev = &spool->waiters;
	for (unsigned i = 0; i < SPOOL_MOVES; i++)
		spool->moves[i].spool = spool;
	spool->retry.fn = on_retry;
	spool->retry.owner = spool;
	spool->prepare_retry.fn = on_retry;
	spool->prepare_retry.owner = spool;
	return spool;
}

int spool_open(const struct spool_config *config, struct uring *ring,
	       spool_found_fn found, void *arg, struct spool_report *report,
	       char error_text[256], struct spool **out)
{
	struct spool *spool = spool_new(config, ring);
	int error;

	*error_text = '\0';
	if (!spool)
		return spool_say(error_text, config->path, "opening", ENOMEM);
	error = open_folder(spool, config->path, error_text);
	if (!error)
		error = spool_recover(spool, found, arg, report, error_text);
	if (!error) {
		error = spool_segment_first(spool);
		if (error)
			spool_say(error_text, config->path, "making a segment",
				  -error);
	}
	if (error) {
		spool_close(&spool);
		return error;
	}
	spool->opened = true;
	*out = spool;
	return 0;
}

static void close_queue(struct spool *spool)
{
	while (spool->queue.head) {
		struct spool_item *item = spool->queue.head;

		spool->queue.head = item->next;
		/* Writers end with their owners; what is left is ours. */
		if (item->kind == SPOOL_ITEM_FREE ||
		    item->kind == SPOOL_ITEM_VOID)
			spool_segment_unref(item->about);
		spool_item_put(&spool->memory, item);
	}
}

static void close_spare(struct spool *spool)
{
	char name[32];

	if (!spool->spare)
		return;
	spool_segment_name(spool->spare->number, ".log", name);
	unlinkat(spool->dir_fd, name, 0);
	spool_segment_unref(spool->spare);
}

void spool_close(struct spool **out)
{
	struct spool *spool = *out;

	*out = NULL;
	if (!spool)
		return;
	assert(!spool_inflight(spool));
	assert(spool->writers.next == &spool->writers);
	uring_timer_clear(spool->ring, &spool->prepare_retry);
	close_queue(spool);
	close_spare(spool);
	spool_pool_empty(spool);
	spool_forget_segments(spool);
	spool_buffer_unref(&spool->memory, spool->results);
	spool_memory_free(&spool->memory);
	/* For ids not in any record; a crash has the clock for them. */
	if (spool->opened && !spool->read_only && !seed_put(spool))
		spool->stats.failures++;
	if (spool->lock_fd >= 0)
		close(spool->lock_fd);
	if (spool->dir_fd >= 0)
		close(spool->dir_fd);
	free(spool);
}

unsigned spool_worker(const struct spool *spool)
{
	return spool->worker;
}

const struct spool_stats *spool_stats(const struct spool *spool)
{
	return &spool->stats;
}
