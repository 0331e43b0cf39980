/* SPDX-License-Identifier: Apache-2.0 */
/* The spool logs of one worker. */
#include "gateway/worker/spool_set.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/log/log.h"

/* Worker numbers are the lowest 6 bits of queue ids. */
#define WORKERS_MAX 64

/* Messages found while a log opens, kept until all logs are open. */
struct found_list {
	struct spool_message **messages;
	size_t count, room;
	bool no_memory;
};

static void remember(void *arg, struct spool_message *message)
{
	struct found_list *list = arg;

	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 256;
		struct spool_message **more = reallocarray(
			list->messages, room, sizeof(struct spool_message *));

		if (!more) {
			list->no_memory = true;
			return;
		}
		list->messages = more;
		list->room = room;
	}
	list->messages[list->count++] = message;
}

static void report(const char *path, const struct spool_report *r)
{
	log_info("spool.opened", L_STR("path", path),
		 L_UINT("segments", r->segments), L_UINT("queued", r->messages),
		 L_UINT("finished", r->finished),
		 L_UINT("bytes", r->live_bytes),
		 L_UINT("torn_bytes", r->torn_bytes),
		 L_UINT("orphan_chunks", r->orphan_chunks),
		 L_UINT("bad_records", r->bad_records));
	if (r->bad_records > 0)
		log_error("spool.damaged", L_STR("path", path),
			  L_UINT("bad_records", r->bad_records),
			  L_STR("error", "checksums do not match; 'ringpost "
					 "spool check' says where"));
}

/* A disk that dies has much to tell: the first is enough for the log,
 * `ringpost spool check` says the rest. */
struct damage_told {
	const char *path;
	unsigned count;
};

static void on_damage(void *arg, const struct spool_damage *damage)
{
	struct damage_told *told = arg;
	char file[32];

	if (damage->kind == SPOOL_DAMAGE_TORN || told->count++)
		return;
	snprintf(file, sizeof(file), "%016u.log", (unsigned)damage->segment);
	log_error("spool.damage_at", L_STR("path", told->path),
		  L_STR("file", file), L_UINT("offset", damage->from),
		  L_UINT("bytes", damage->to - damage->from));
}

static int open_one(const struct spool_set_config *c, struct spool_set *set,
		    unsigned number, struct found_list *found)
{
	char path[PATH_MAX], error[256] = "";
	struct damage_told told = {.path = path};
	struct spool_config spool = {
		.path = path,
		.damage = on_damage,
		.damage_arg = &told,
		.segment_size = c->config->spool.segment_size,
		.sync = c->config->spool.durability == CONFIG_SYNC,
		.min_free_percent = c->config->spool.min_free_percent,
		.worker = number,
		.recycle = c->config->body_path != KTLS_PATH_SPLICE,
		.direct = c->config->body_path != KTLS_PATH_SPLICE,
	};
	struct spool_report r = {0};
	struct spool **more = reallocarray(set->spools, set->count + 1,
					   sizeof(struct spool *));
	int result;

	if (!more)
		return -ENOMEM;
	set->spools = more;
	snprintf(path, sizeof(path), "%s/worker-%u", c->config->spool.path,
		 number);
	result = spool_open(&spool, c->ring, remember, found, &r, error,
			    &set->spools[set->count]);
	if (result == 0 && found->no_memory)
		result = -ENOMEM;
	if (result < 0) {
		log_error("spool.open_failed", L_STR("path", path),
			  L_STR("error", error[0] ? error : strerror(-result)));
		return result;
	}
	set->count++;
	report(path, &r);
	return 0;
}

static int left_behind(const struct spool_set_config *c, unsigned number)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/worker-%u", c->config->spool.path,
		 number);
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Open log @number and hand over what it holds. Deliveries need the log they
 * came from, so it must be known before. */
static int adopt(const struct spool_set_config *c, struct spool_set *set,
		 unsigned number)
{
	struct found_list found = {0};
	int r = open_one(c, set, number, &found);

	for (size_t i = 0; r == 0 && i < found.count; i++)
		c->found(c->arg, set->spools[set->count - 1],
			 found.messages[i]);
	free(found.messages);
	return r;
}

int spool_set_open(const struct spool_set_config *c, struct spool_set *set)
{
	unsigned workers = c->config->workers;
	int r;

	if (mkdir(c->config->spool.path, 0700) < 0 && errno != EEXIST) {
		r = -errno;
		log_error("spool.open_failed",
			  L_STR("path", c->config->spool.path),
			  L_STR("error", strerror(-r)));
		return r;
	}
	r = adopt(c, set, c->worker);
	for (unsigned n = c->worker + workers; r == 0 && n < WORKERS_MAX;
	     n += workers)
		if (left_behind(c, n))
			r = adopt(c, set, n);
	return r;
}

/* How well group commit worked. */
static void report_commits(const struct spool *spool)
{
	const struct spool_stats *s = spool_stats(spool);
	uint64_t commits = s->commits ? s->commits : 1;

	log_info("spool.closed", L_UINT("worker", spool_worker(spool)),
		 L_UINT("accepted", s->accepted), L_UINT("results", s->results),
		 L_UINT("commits", s->commits),
		 L_UINT("batch_mean", s->batch_sum / commits),
		 L_UINT("batch_max", s->batch_max),
		 L_UINT("commit_us_mean", s->commit_ns / commits / 1000),
		 L_UINT("commit_us_max", s->commit_ns_max / 1000),
		 L_UINT("bytes_written", s->bytes_written),
		 L_UINT("failures", s->failures));
}

void spool_set_close(struct spool_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		report_commits(set->spools[i]);
		spool_close(&set->spools[i]);
	}
	free(set->spools);
	*set = (struct spool_set){0};
}

struct spool *spool_set_own(const struct spool_set *set)
{
	return set->spools[0];
}

void spool_set_stats(const struct spool_set *set, struct spool_stats *out)
{
	*out = (struct spool_stats){0};
	for (size_t i = 0; i < set->count; i++)
		spool_stats_add(out, spool_stats(set->spools[i]));
}

unsigned spool_set_inflight(const struct spool_set *set)
{
	unsigned n = 0;

	for (size_t i = 0; i < set->count; i++)
		n += spool_inflight(set->spools[i]);
	return n;
}
