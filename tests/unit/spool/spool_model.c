/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool's life from a seed, and what must be true of it (spool_model.h).
 */
#include "tests/unit/spool/spool_model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/spool/spool_private.h"

enum {
	MESSAGES_MAX = 200,
	RECIPIENTS_MAX = 4,
	RESULTS_MAX = 4096,
	SECTOR = 512,
	EARLIER_MAX = 16,
};

enum fate {
	FATE_NONE,	/* slot is free */
	FATE_GATHERING, /* a writer */
	FATE_ASKED,	/* committed, no answer yet */
	FATE_QUEUED,	/* answered "ok" */
	FATE_REFUSED,	/* answered "no", or aborted */
};

struct model_recipient {
	bool final, final_synced;
	unsigned attempts, attempts_synced;
};

struct model_message {
	enum fate fate;
	uint64_t key, id;
	size_t size, recipients;
	struct spool_writer *writer;
	struct answer answer;
	struct spool_message *message;
	struct spool_view view;
	bool viewed;
	struct model_recipient to[RECIPIENTS_MAX];
};

/* Results in the order they were given; synced in the same order. */
struct model_result {
	size_t message, recipient;
	bool final;
	unsigned attempts;
};

/* What a file held before it was used again: unsynced bytes that are lost in a
 * crash leave this, not zeros. */
struct earlier_life {
	uint32_t number; /* the segment's that it is now */
	size_t len;
	unsigned char *bytes;
};

struct model {
	struct world w;
	struct earlier_life earlier[EARLIER_MAX];
	size_t earlier_count; /* of all; the oldest is forgotten */
	uint64_t rng;
	uint64_t next_key;
	bool small;  /* many small messages, so that segments come and go */
	bool failed; /* a failure was asked for since all was quiet */
	struct model_message messages[MESSAGES_MAX];
	struct model_result results[RESULTS_MAX];
	enum model_loss loss;
	uint64_t kept; /* sectors, of LOSS_TORN */
	size_t result_count, result_synced;
	uint64_t result_base; /* synced in this life before results[0] */
};

static uint64_t roll(struct model *m, uint64_t below)
{
	m->rng ^= m->rng << 13;
	m->rng ^= m->rng >> 7;
	m->rng ^= m->rng << 17;
	return m->rng % below;
}

static struct model_message *slot(struct model *m, enum fate fate)
{
	size_t start = roll(m, MESSAGES_MAX);

	for (size_t i = 0; i < MESSAGES_MAX; i++) {
		struct model_message *mm =
			&m->messages[(start + i) % MESSAGES_MAX];

		if (mm->fate == fate)
			return mm;
	}
	return NULL;
}

/* Hear what the spool has said meanwhile. */
static void model_listen(struct model *m)
{
	uint64_t synced = spool_stats(m->w.spool)->results - m->result_base;

	for (size_t i = 0; i < MESSAGES_MAX; i++) {
		struct model_message *mm = &m->messages[i];

		if (mm->fate != FATE_ASKED || !mm->answer.count)
			continue;
		assert_int_equal(mm->answer.count, 1);
		mm->message = mm->answer.message;
		mm->fate = mm->answer.status == SPOOL_OK ? FATE_QUEUED
							 : FATE_REFUSED;
		if (mm->fate == FATE_REFUSED)
			assert_true(m->failed);
	}
	for (; m->result_synced < synced; m->result_synced++) {
		const struct model_result *r = &m->results[m->result_synced];
		struct model_recipient *to =
			&m->messages[r->message].to[r->recipient];

		assert_true(m->result_synced < m->result_count);
		to->final_synced |= r->final;
		to->attempts_synced = r->attempts;
	}
}

/* --- steps --- */

/* Of some messages the first recipient is out of reach for long. */
static bool is_stuck(const struct model *m, uint64_t key)
{
	return m->small && key % 20 == 0;
}

static size_t roll_size(struct model *m, uint64_t key)
{
	if (m->small)
		return is_stuck(m, key)
			       ? (roll(m, 4) ? 0 : 262044) + roll(m, 300)
			       : 5000 + roll(m, 9000);
	switch (roll(m, 8)) {
	case 0:
		return 0;
	case 1:
		return roll(m, 400000);
	case 2:
		return 262044 + roll(m, 300);
	default:
		return roll(m, 12000);
	}
}

static bool is_finished(const struct model_message *mm)
{
	for (size_t i = 0; i < mm->recipients; i++)
		if (!mm->to[i].final)
			return false;
	return true;
}

static size_t count_unfinished(const struct model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < MESSAGES_MAX; i++)
		count += m->messages[i].fate == FATE_QUEUED &&
			 !is_finished(&m->messages[i]);
	return count;
}

static void step_begin(struct model *m)
{
	struct model_message *mm = slot(m, FATE_NONE);
	struct spool_writer *writer;

	if (!mm || count_unfinished(m) > (m->small ? 12 : 20))
		return;
	if (spool_begin(m->w.spool, &writer) != SPOOL_OK) {
		assert_true(m->failed);
		return;
	}
	*mm = (struct model_message){
		.fate = FATE_GATHERING,
		.key = m->next_key++,
		.id = spool_writer_id(writer),
		.writer = writer,
		.recipients = 1 + roll(m, RECIPIENTS_MAX),
	};
	mm->size = roll_size(m, mm->key);
	world_fill(&m->w, writer, mm->key, mm->size);
}

static void step_commit(struct model *m)
{
	struct model_message *mm = slot(m, FATE_GATHERING);

	if (!mm)
		return;
	world_commit_writer(&m->w, mm->writer, mm->recipients, &mm->answer);
	mm->fate = FATE_ASKED;
}

static void step_abort(struct model *m)
{
	struct model_message *mm = slot(m, FATE_GATHERING);

	if (!mm)
		return;
	spool_abort(&mm->writer);
	mm->fate = FATE_REFUSED;
}

static struct model_message *unfinished(struct model *m)
{
	for (unsigned i = 0; i < 20; i++) {
		struct model_message *mm = slot(m, FATE_QUEUED);

		if (mm && !is_finished(mm))
			return mm;
	}
	return NULL;
}

static void step_result(struct model *m)
{
	struct model_message *mm = unfinished(m);
	size_t i;
	enum spool_result result;
	struct model_recipient *to;

	if (!mm || m->result_count == RESULTS_MAX)
		return;
	i = roll(m, mm->recipients);
	if (i == 0 && is_stuck(m, mm->key) && roll(m, 100))
		return;
	to = &mm->to[i];
	if (to->final)
		return;
	result = roll(m, 6) ? SPOOL_DELIVERED : SPOOL_DEFERRED;
	if (!roll(m, 6))
		result = SPOOL_BOUNCED;
	to->attempts++;
	to->final = result != SPOOL_DEFERRED;
	m->results[m->result_count++] = (struct model_result){
		.message = (size_t)(mm - m->messages),
		.recipient = i,
		.final = to->final,
		.attempts = to->attempts,
	};
	spool_record(m->w.spool, mm->message, i, result, to->attempts,
		     to->final ? 0 : 1000000000, "reply");
}

static void step_view(struct model *m)
{
	struct model_message *mm = slot(m, FATE_QUEUED);

	if (!mm)
		return;
	if (mm->viewed) {
		spool_release_view(m->w.spool, &mm->view);
		mm->viewed = false;
	} else if (!is_finished(mm)) {
		world_check(&m->w, mm->message, mm->key, mm->size,
			    mm->recipients);
		mm->viewed = !spool_view(m->w.spool, mm->message, &mm->view);
		assert_true(mm->viewed);
	}
}

/* One operation will fail; the next may only when all is quiet again: two
 * at once may make the spool unable to say what it wants to. */
static void step_fail(struct model *m)
{
	static const unsigned opcodes[] = {IORING_OP_WRITEV, IORING_OP_FSYNC,
					   IORING_OP_FALLOCATE, IORING_OP_READ};

	if (m->failed)
		return;
	m->failed = true;
	uring_fake_fail(m->w.fake, opcodes[roll(m, 4)], (unsigned)roll(m, 6),
			roll(m, 2) ? EIO : ENOSPC, 1);
}

/* Releases the views of those that are finished, so that space comes back. */
static void step_tidy(struct model *m)
{
	for (size_t i = 0; i < MESSAGES_MAX; i++) {
		struct model_message *mm = &m->messages[i];

		if (mm->fate == FATE_QUEUED && mm->viewed && is_finished(mm)) {
			spool_release_view(m->w.spool, &mm->view);
			mm->viewed = false;
		}
	}
}

/* --- the end of a life --- */

static const struct earlier_life *earlier_life(const struct model *m,
					       uint32_t number)
{
	for (size_t i = 0; i < EARLIER_MAX; i++)
		if (m->earlier[i].bytes && m->earlier[i].number == number)
			return &m->earlier[i];
	return NULL;
}

/* Before anything is written to a file that is used again. */
static void note_earlier_life(struct model *m)
{
	const struct spool_segment *spare = m->w.spool->spare;
	struct earlier_life *life;
	char path[64];

	if (!spare || !spare->recycled || earlier_life(m, spare->number))
		return;
	life = &m->earlier[m->earlier_count++ % EARLIER_MAX];
	free(life->bytes);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", spare->fd);
	life->bytes = world_read_file(path, &life->len);
	life->number = spare->number;
}

static void forget_earlier_lives(struct model *m)
{
	for (size_t i = 0; i < EARLIER_MAX; i++)
		free(m->earlier[i].bytes);
	memset(m->earlier, 0, sizeof(m->earlier));
}

/* What was in [@at, @end) of the file before the segment was begun. */
static void before_it_was(const struct model *m, uint32_t number, uint64_t at,
			  uint64_t end, unsigned char *to)
{
	const struct earlier_life *life = earlier_life(m, number);

	memset(to, 0, SECTOR);
	if (life && at < life->len)
		memcpy(to, life->bytes + at,
		       (end < life->len ? end : life->len) - at);
}

static bool is_lost(struct model *m, uint64_t sector, unsigned percent)
{
	switch (m->loss) {
	case LOSS_NONE:
		return false;
	case LOSS_ALL:
		return true;
	case LOSS_TORN:
		return sector >= m->kept;
	case LOSS_SOME:
		break;
	}
	return roll(m, 100) < percent;
}

/* Bytes that no sync has covered: each sector is there or isn't. */
static void lose_sectors(struct model *m, const struct world *to,
			 const struct spool_segment *segment)
{
	unsigned char before[SECTOR];
	const char *path = world_segment_path(to, segment->number);
	uint64_t at = segment->sync_off;
	unsigned percent = (unsigned)roll(m, 4) * 33;
	uint64_t sector = 0;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	while (at < segment->size) {
		uint64_t end = (at / SECTOR + 1) * SECTOR;

		before_it_was(m, segment->number, at, end, before);
		if (is_lost(m, sector++, percent))
			assert_int_equal(
				pwrite(fd, before, end - at, (off_t)at),
				end - at);
		at = end;
		if (at > segment->sync_off + 1000000)
			break;
	}
	close(fd);
}

static void undo_unlinks(struct model *m, const struct world *to,
			 const struct spool_segment *segment)
{
	for (; segment; segment = segment->next_naming) {
		unsigned char *bytes;
		char path[64];
		size_t len;

		if (segment->state != SPOOL_SEGMENT_DOOMED || roll(m, 2))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", segment->fd);
		bytes = world_read_file(path, &len);
		world_write_file(world_segment_path(to, segment->number), bytes,
				 len);
		free(bytes);
	}
}

static void crash_image(struct model *m, struct world *to)
{
	struct spool *spool = m->w.spool;

	world_copy(&m->w, to);
	for (struct spool_segment *segment = spool->first; segment;
	     segment = segment->next)
		lose_sectors(m, to, segment);
	/* The folder's operations happen in order: only a tail is undone, and
	 * unlinks of one sync may be undone in any number. */
	if (spool->naming_now && roll(m, 2))
		undo_unlinks(m, to, spool->naming_now);
	undo_unlinks(m, to, spool->naming);
}

static void leave_old_life(struct model *m)
{
	for (size_t i = 0; i < MESSAGES_MAX; i++) {
		struct model_message *mm = &m->messages[i];

		if (mm->viewed)
			spool_release_view(m->w.spool, &mm->view);
		mm->viewed = false;
		if (mm->fate == FATE_GATHERING)
			spool_abort(&mm->writer);
	}
	while (spool_inflight(m->w.spool))
		world_turn(&m->w);
}

static struct spool_message *found_with(const struct world *w, uint64_t id)
{
	for (size_t i = 0; i < w->found_count; i++)
		if (spool_message_id(w->found[i]) == id)
			return w->found[i];
	return NULL;
}

static void check_recipients(const struct model_message *mm,
			     struct spool_message *message)
{
	for (size_t i = 0; i < mm->recipients; i++) {
		const struct model_recipient *to = &mm->to[i];
		unsigned attempts = spool_message_attempts(message, i);

		if (spool_message_recipient_done(message, i))
			assert_true(to->final);
		else
			assert_false(to->final_synced);
		assert_in_range(attempts, to->attempts_synced, to->attempts);
	}
}

static void adopt(struct model_message *mm, struct spool_message *message)
{
	mm->fate = FATE_QUEUED;
	mm->message = message;
	for (size_t i = 0; i < mm->recipients; i++) {
		struct model_recipient *to = &mm->to[i];

		to->final = spool_message_recipient_done(message, i);
		to->final_synced = to->final;
		to->attempts = spool_message_attempts(message, i);
		to->attempts_synced = to->attempts;
	}
}

static bool is_finished_for_good(const struct model_message *mm)
{
	for (size_t i = 0; i < mm->recipients; i++)
		if (!mm->to[i].final_synced)
			return false;
	return true;
}

static size_t check_message(struct model *m, struct model_message *mm)
{
	struct spool_message *message;

	if (mm->fate == FATE_NONE)
		return 0;
	message = found_with(&m->w, mm->id);
	if (mm->fate == FATE_QUEUED && !is_finished(mm))
		assert_non_null(message);
	if (mm->fate == FATE_REFUSED || mm->fate == FATE_GATHERING ||
	    (mm->fate == FATE_QUEUED && is_finished_for_good(mm)))
		assert_null(message);
	if (!message) {
		mm->fate = FATE_NONE;
		return 0;
	}
	check_recipients(mm, message);
	world_check(&m->w, message, mm->key, mm->size, mm->recipients);
	adopt(mm, message);
	return 1;
}

static void check_life(struct model *m)
{
	size_t known = 0;

	assert_int_equal(m->w.report.bad_records, 0);
	for (size_t i = 0; i < MESSAGES_MAX; i++)
		known += check_message(m, &m->messages[i]);
	assert_int_equal(m->w.found_count, known);
	m->result_count = 0;
	m->result_synced = 0;
	m->result_base = 0;
	m->failed = false;
}

static void crash_to(struct model *m, struct world *next)
{
	world_init_fast(next);
	next->config.segment_size = m->w.config.segment_size;
	next->config.recycle = m->w.config.recycle;
	next->fake_config = m->w.fake_config;
	next->fake_config.seed++;
	crash_image(m, next);
}

static void step_crash(struct model *m)
{
	struct world next;

	model_listen(m);
	crash_to(m, &next);
	for (size_t i = 0; i < MESSAGES_MAX; i++) {
		struct model_message *mm = &m->messages[i];

		/* It comes after the crash: nobody heard it. */
		if (mm->fate == FATE_ASKED)
			mm->answer.count = 2;
	}
	leave_old_life(m);
	world_end(&m->w);
	forget_earlier_lives(m);
	m->w = next;
	m->w.config.path = m->w.path;
	world_open(&m->w);
	check_life(m);
}

/* What would be, if it crashed now. */
static void step_peek(struct model *m)
{
	struct model *then = malloc(sizeof(*then));

	assert_non_null(then);
	model_listen(m);
	*then = *m;
	crash_to(m, &then->w);
	m->rng = then->rng + 1;
	then->w.config.path = then->w.path;
	world_open(&then->w);
	check_life(then);
	world_end(&then->w);
	free(then);
}

static void step_restart(struct model *m)
{
	leave_old_life(m);
	model_listen(m);
	world_close(&m->w);
	forget_earlier_lives(m);
	world_open(&m->w);
	check_life(m);
}

static void step_quiet(struct model *m)
{
	for (unsigned i = 0; i < 3; i++) {
		world_settle(&m->w);
		uring_fake_advance(m->w.fake, 2 * URING_SEC);
		world_turn(&m->w);
	}
	world_settle(&m->w);
	model_listen(m);
}

static void step(struct model *m)
{
	uint64_t n = roll(m, 1000);

	if (n < 200)
		step_begin(m);
	else if (n < 390)
		step_commit(m);
	else if (n < 410)
		step_abort(m);
	else if (n < 700)
		for (unsigned i = 0; i < (m->small ? 4 : 1); i++)
			step_result(m);
	else if (n < 715)
		step_view(m);
	else if (n < 760)
		step_tidy(m);
	else if (n < 770)
		step_quiet(m);
	else if (n < 773)
		step_fail(m);
	else if (n < 780)
		step_peek(m);
	else if (n < (m->small ? 781 : 788))
		step_crash(m);
	else if (n < (m->small ? 782 : 792))
		step_restart(m);
	else
		world_turn(&m->w);
	model_listen(m);
	note_earlier_life(m);
	/* While names are on their way to the disk much can go wrong. */
	if (m->w.spool->naming_now && !roll(m, 8))
		step_peek(m);
}

/* Slots whose story is over are used again; the message must stay away. */
static void forget_finished(struct model *m)
{
	model_listen(m);
	if (m->result_synced < m->result_count)
		return;
	m->result_base += m->result_count;
	m->result_count = 0;
	m->result_synced = 0;
	for (size_t i = 0; i < MESSAGES_MAX; i++) {
		struct model_message *mm = &m->messages[i];

		if ((mm->fate == FATE_QUEUED && is_finished_for_good(mm) &&
		     !mm->viewed) ||
		    mm->fate == FATE_REFUSED)
			mm->fate = FATE_NONE;
	}
}

struct model *model_start(uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	world_init_fast(&m->w);
	m->small = seed % 2;
	m->w.config.segment_size =
		(64 + (m->small ? 0 : roll(m, 4) * 128)) * 1024;
	m->w.config.recycle = seed % 4 < 2;
	m->w.fake_config.seed = seed;
	m->w.fake_config.short_percent = (unsigned)roll(m, 2) * 20;
	m->w.fake_config.delay_percent = (unsigned)roll(m, 3) * 25;
	world_open(&m->w);
	return m;
}

bool model_is_small(const struct model *m)
{
	return m->small;
}

void model_step(struct model *m)
{
	step(m);
	forget_finished(m);
}

void model_peek(struct model *m, enum model_loss loss, uint64_t kept)
{
	m->loss = loss;
	m->kept = kept;
	step_peek(m);
	m->loss = LOSS_SOME;
}

struct model_log model_log(const struct model *m)
{
	const struct spool *spool = m->w.spool;
	const struct spool_segment *current = spool->current;
	struct model_log log = {.round = (int)spool->round.state,
				.naming = spool->naming_now != NULL};

	if (!current)
		return log;
	log.segment = current->number;
	log.synced = current->sync_off;
	log.end = spool->round.state == SPOOL_ROUND_IDLE ? current->write_off
							 : spool->round.end;
	return log;
}

void model_end(struct model *m)
{
	step_restart(m);
	leave_old_life(m);
	world_end(&m->w);
	forget_earlier_lives(m);
	free(m);
}
