/* SPDX-License-Identifier: Apache-2.0 */
/* Files of deleted segments that are used again, and what they held before. */
#include "tests/unit/spool/spool_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/spool/spool_private.h"

enum {
	KIB = 1024,
	SEGMENT = 256 * KIB,
};

static void setup(struct world *w, bool recycle)
{
	world_init(w);
	w->config.segment_size = SEGMENT;
	w->config.recycle = recycle;
	world_open(w);
}

/* Puts a message through the log, from begin to finished. */
static void pass(struct world *w, uint64_t key, size_t size)
{
	world_deliver(w, world_put(w, key, size, 1));
	world_settle(w);
}

/* Until @count more segments have been begun. */
static void pass_segments(struct world *w, unsigned count)
{
	for (unsigned i = 0; i < count * SEGMENT / (20 * KIB) + count; i++)
		pass(w, 1000 + i, 20 * KIB);
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

/* Numbers that have been given to segments; the newest file's is the last. */
static uint32_t newest(const struct world *w)
{
	uint32_t number = 0;

	for (size_t n = 0; world_segment_number(w, n); n++)
		number = world_segment_number(w, n);
	return number;
}

static void a_deleted_segments_file_is_used_again(void **state)
{
	ino_t inodes[4] = {0};
	unsigned again = 0;
	struct world w;

	setup(&w, true);
	for (unsigned i = 0; i < 12; i++) {
		ino_t inode;

		pass_segments(&w, 1);
		inode = inode_of(world_segment_path(&w, newest(&w)));
		for (unsigned k = 0; k < 4; k++)
			again += inodes[k] == inode;
		inodes[i % 4] = inode;
	}
	assert_true(newest(&w) > 8);
	assert_true(again >= 6);
	world_end(&w);
}

static void not_when_it_is_not_wanted(void **state)
{
	struct world w;

	setup(&w, false);
	for (unsigned i = 0; i < 6; i++) {
		pass_segments(&w, 1);
		assert_int_equal(world_count_files(&w, ".free"), 0);
	}
	world_end(&w);
}

static void no_more_files_are_kept_than_four(void **state)
{
	struct spool_message *messages[100];
	struct world w;

	setup(&w, true);
	for (size_t i = 0; i < 100; i++)
		messages[i] = world_put(&w, i, 30 * KIB, 1);
	for (size_t i = 0; i < 100; i++)
		world_deliver(&w, messages[i]);
	world_settle(&w);
	assert_in_range(world_count_files(&w, ".free"), 1, 4);
	assert_true(world_count_files(&w, ".log") <= 3);
	world_end(&w);
}

static void a_message_larger_than_a_file_gets_a_larger_file(void **state)
{
	struct world w;

	setup(&w, true);
	for (unsigned i = 0; i < 8; i++) {
		pass_segments(&w, 2);
		pass(&w, i, 3 * SEGMENT);
		world_check(&w, world_put(&w, 50 + i, 2 * SEGMENT, 1), 50 + i,
			    2 * SEGMENT, 1);
	}
	world_reopen(&w);
	assert_int_equal(w.found_count, 8);
	world_end(&w);
}

static void an_orderly_end_leaves_none(void **state)
{
	struct world w;

	setup(&w, true);
	pass_segments(&w, 6);
	world_close(&w);
	assert_int_equal(world_count_files(&w, ".free"), 0);
	world_end(&w);
}

static void what_a_crash_left_is_deleted(void **state)
{
	struct world w;
	int fd;
	char path[128];

	setup(&w, true);
	world_put(&w, 1, 100, 1);
	world_close(&w);
	snprintf(path, sizeof(path), "%s/%016d.free", w.path, 7);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	world_open(&w);
	assert_int_equal(world_count_files(&w, ".free"), 0);
	assert_int_equal(w.found_count, 1);
	world_end(&w);
}

/* A copy of the folder as a crash would leave it now. */
static void crash(const struct world *w, struct world *crashed)
{
	world_init(crashed);
	crashed->config.segment_size = SEGMENT;
	crashed->config.recycle = true;
	world_copy(w, crashed);
	world_open(crashed);
}

static void an_earlier_lifes_mail_does_not_come_back(void **state)
{
	struct world w, crashed;

	setup(&w, true);
	pass_segments(&w, 8);
	world_put(&w, 5, 3000, 2);
	world_put(&w, 6, 70 * KIB, 1);
	crash(&w, &crashed);
	assert_int_equal(crashed.found_count, 2);
	world_check(&crashed, crashed.found[0], 5, 3000, 2);
	world_check(&crashed, crashed.found[1], 6, 70 * KIB, 1);
	assert_int_equal(crashed.report.bad_records, 0);
	world_end(&crashed);
	world_end(&w);
}

static void an_earlier_lifes_bytes_are_not_called_torn(void **state)
{
	struct world w, crashed;

	setup(&w, true);
	for (unsigned i = 0; i < 40; i++) {
		pass(&w, i, 20 * KIB);
		crash(&w, &crashed);
		assert_int_equal(crashed.report.torn_bytes, 0);
		assert_int_equal(crashed.report.bad_records, 0);
		assert_int_equal(crashed.report.orphan_chunks, 0);
		world_end(&crashed);
	}
	world_end(&w);
}

/* What was dead in the life before is no hole to be made in this one. */
static void an_earlier_lifes_dead_mail_is_not_punched(void **state)
{
	enum {
		STUCK = 40,
		SIZE = 20 * KIB
	};
	struct spool_message *stuck[STUCK];
	struct world w;

	setup(&w, true);
	for (unsigned i = 0; i < 30; i++)
		pass(&w, 1000 + i, 90 * KIB);
	for (size_t i = 0; i < STUCK; i++)
		stuck[i] = world_put(&w, i, SIZE, 1);
	/* No segment that they are in is young any more. */
	for (unsigned i = 0; i < 60; i++)
		pass(&w, 2000 + i, 90 * KIB);
	for (size_t i = 0; i < STUCK; i++)
		world_check(&w, stuck[i], i, SIZE, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, STUCK);
	for (size_t i = 0; i < STUCK; i++)
		world_check(&w, w.found[i], i, SIZE, 1);
	world_end(&w);
}

static void a_stuck_message_costs_its_own_blocks_in_the_end(void **state)
{
	struct world w;
	uint32_t number;
	struct stat st;

	setup(&w, true);
	world_put(&w, 1, 1000, 1);
	number = newest(&w);
	pass(&w, 2, 200 * KIB);
	assert_int_equal(stat(world_segment_path(&w, number), &st), 0);
	assert_true(st.st_blocks * 512 > 200 * KIB);
	pass_segments(&w, 3);
	/* Young: its file might still be used again. */
	if (!stat(world_segment_path(&w, number), &st))
		assert_true(st.st_blocks * 512 > 200 * KIB);
	pass_segments(&w, 12);
	/* Moved or punched, it holds no 200 KiB of dead mail any more. */
	assert_true(world_disk_bytes(&w) < 8 * SEGMENT);
	if (!stat(world_segment_path(&w, number), &st))
		assert_true(st.st_blocks * 512 < 100 * KIB);
	assert_true(spool_stats(w.spool)->bytes_live < 100 * KIB);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	world_check(&w, w.found[0], 1, 1000, 1);
	world_end(&w);
}

static void on_a_full_disk_nothing_is_kept(void **state)
{
	struct spool_message *messages[100];
	struct spool_writer *writer;
	struct world w;

	setup(&w, true);
	for (size_t i = 0; i < 100; i++)
		messages[i] = world_put(&w, i, 30 * KIB, 1);
	for (size_t i = 0; i < 100; i++)
		world_deliver(&w, messages[i]);
	world_settle(&w);
	assert_true(world_count_files(&w, ".free") > 0);
	/* No file system has so much free space. */
	w.spool->min_free_percent = 100;
	uring_fake_advance(w.fake, 2 * URING_SEC);
	world_turn(&w);
	assert_int_equal(spool_begin(w.spool, &writer), SPOOL_FULL);
	assert_int_equal(world_count_files(&w, ".free"), 0);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deleted_segments_file_is_used_again),
		cmocka_unit_test(not_when_it_is_not_wanted),
		cmocka_unit_test(no_more_files_are_kept_than_four),
		cmocka_unit_test(
			a_message_larger_than_a_file_gets_a_larger_file),
		cmocka_unit_test(an_orderly_end_leaves_none),
		cmocka_unit_test(what_a_crash_left_is_deleted),
		cmocka_unit_test(an_earlier_lifes_mail_does_not_come_back),
		cmocka_unit_test(an_earlier_lifes_bytes_are_not_called_torn),
		cmocka_unit_test(an_earlier_lifes_dead_mail_is_not_punched),
		cmocka_unit_test(
			a_stuck_message_costs_its_own_blocks_in_the_end),
		cmocka_unit_test(on_a_full_disk_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
