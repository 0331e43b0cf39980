/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in the sink; see sink_message.h. */
#include "bench/sink/sink_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench_ledger.h"

void sink_message_start(struct sink_message *m, const char *from)
{
	snprintf(m->from, sizeof(m->from), "%s", from);
	m->rcpts_len = 0;
	m->rcpt_count = 0;
}

int sink_message_add_rcpt(struct sink_message *m, const char *rcpt)
{
	size_t need = m->rcpts_len + 3 * strlen(rcpt) + 2;

	if (need > m->rcpts_cap) {
		char *grown = realloc(m->rcpts, need * 2);

		if (!grown)
			return -ENOMEM;
		m->rcpts = grown;
		m->rcpts_cap = need * 2;
	}
	if (m->rcpt_count++)
		m->rcpts[m->rcpts_len++] = ',';
	m->rcpts_len += bench_ledger_quote(rcpt, m->rcpts + m->rcpts_len,
					   m->rcpts_cap - m->rcpts_len);
	return 0;
}

/* Under a name of its own until it is whole. */
static void open_save(struct sink_message *m, struct sink_shared *shared)
{
	if (!shared->config->save)
		return;
	snprintf(m->save_path, sizeof(m->save_path), "%s/%08llu",
		 shared->config->save,
		 (unsigned long long)atomic_fetch_add(&shared->saved, 1));
	m->save = fopen(m->save_path, "wbe");
	if (!m->save)
		perror(m->save_path);
}

void sink_message_open(struct sink_message *m, struct sink_shared *shared,
		       struct bench_hash *hash, bool raw)
{
	m->octets = 0;
	m->too_big = false;
	m->lines = (struct bench_unstuffer){.raw = raw};
	bench_region_start(&m->region, hash);
	open_save(m, shared);
}

struct decoded_to {
	struct sink_message *m;
	uint64_t max_size;
};

static void take_decoded(void *ctx, const char *data, size_t len)
{
	struct decoded_to *to = ctx;
	struct sink_message *m = to->m;

	m->octets += len;
	if (m->octets > to->max_size)
		m->too_big = true;
	if (m->too_big)
		return;
	bench_region_add(&m->region, data, len);
	if (m->save)
		fwrite(data, 1, len, m->save);
}

size_t sink_message_add(struct sink_message *m,
			const struct sink_shared *shared, const char *data,
			size_t len)
{
	struct decoded_to to = {m, shared->config->max_size};
	const struct bench_sinkhole hole = {take_decoded, &to};

	return bench_unstuff(&m->lines, data, len, &hole);
}

/* NNNNNNNN.eml is the message as it came, NNNNNNNN.env how it came. */
static int finish_save(struct sink_message *m, const struct sink_delivery *how)
{
	char path[sizeof(m->save_path) + 8];
	FILE *env;
	int err = fclose(m->save) ? -errno : 0;

	m->save = NULL;
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s.env", m->save_path);
	env = fopen(path, "we");
	if (!env)
		return -errno;
	fprintf(env, "from %s\nto %s\ntls %s\nby %s\n", m->from, m->rcpts,
		how->tls, how->by_bdat ? "BDAT" : "DATA");
	if (fclose(env))
		return -errno;
	snprintf(path, sizeof(path), "%s.eml", m->save_path);
	return rename(m->save_path, path) ? -errno : 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static bool is_duplicate(struct sink_message *m, struct sink_shared *shared)
{
	bool repeated = false;
	const char *rcpt = m->rcpts;

	for (;;) {
		size_t len = strcspn(rcpt, ",");

		repeated |=
			!bench_seen_add(shared->seen, m->region.id, rcpt, len);
		if (!rcpt[len])
			return repeated;
		rcpt += len + 1;
	}
}

static void count(struct sink_message *m, struct sink_shared *shared,
		  const struct sink_delivery *how, bool has_id)
{
	struct sink_totals *t = &shared->totals;

	pthread_mutex_lock(&shared->lock);
	t->last = now();
	if (!t->messages++)
		t->first = t->last;
	t->duplicates += has_id && is_duplicate(m, shared);
	t->foreign += !has_id;
	t->by_bdat += how->by_bdat;
	t->in_clear += how->in_clear;
	t->rcpts += m->rcpt_count;
	t->octets += m->region.size;
	t->bare_cr += m->lines.bare_cr;
	t->bare_lf += m->lines.bare_lf;
	t->long_lines += m->lines.long_lines;
	pthread_mutex_unlock(&shared->lock);
}

int sink_message_note(struct sink_message *m, struct sink_shared *shared,
		      const struct sink_delivery *how)
{
	char hash[BENCH_HASH_TEXT];
	bool has_id = bench_region_end(&m->region, hash);
	int err = 0;

	if (m->save)
		err = finish_save(m, how);
	if (!err)
		err = bench_ledger_add(shared->ledger,
				       has_id ? m->region.id : "-", hash,
				       m->region.size, m->rcpts);
	if (err) {
		fprintf(stderr, "ringpost-bench sink: ledger: %s\n",
			strerror(-err));
		pthread_mutex_lock(&shared->lock);
		shared->totals.ledger_errors++;
		pthread_mutex_unlock(&shared->lock);
		return err;
	}
	count(m, shared, how, has_id);
	return 0;
}

void sink_message_end(struct sink_message *m)
{
	if (m->save) {
		fclose(m->save);
		unlink(m->save_path);
		m->save = NULL;
	}
	m->rcpts_len = 0;
	m->rcpt_count = 0;
}

void sink_message_deinit(struct sink_message *m)
{
	sink_message_end(m);
	free(m->rcpts);
	m->rcpts = NULL;
}
