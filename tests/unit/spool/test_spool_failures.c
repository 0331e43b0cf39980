/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that fail: no 250 that isn't true, nothing refused that comes back. */
#include "tests/unit/spool/spool_world.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>

static void setup(struct world *w)
{
	world_init(w);
	world_open(w);
	/* The first round is a segment's; failures are asked for later. */
	world_deliver(w, world_put(w, 99, 10, 1));
	world_settle(w);
}

static void no_answer_is_ok_when_the_sync_fails(void **state)
{
	struct world w;
	struct answer answer;

	setup(&w);
	world_commit(&w, 1, 1000, 1, &answer);
	uring_fake_fail(w.fake, IORING_OP_FSYNC, 0, EIO, 1);
	world_settle(&w);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.status, SPOOL_FAILED);
	assert_int_equal(spool_stats(w.spool)->failures, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 0);
	assert_int_equal(w.report.bad_records, 0);
	world_end(&w);
}

static void no_answer_is_ok_when_the_write_fails(void **state)
{
	struct world w;
	struct answer answer;

	setup(&w);
	world_commit(&w, 1, 1000, 1, &answer);
	uring_fake_fail(w.fake, IORING_OP_WRITEV, 0, EIO, 1);
	world_settle(&w);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.status, SPOOL_FAILED);
	world_reopen(&w);
	assert_int_equal(w.found_count, 0);
	world_end(&w);
}

static void a_write_without_space_is_full(void **state)
{
	struct world w;
	struct answer answer;

	setup(&w);
	world_commit(&w, 1, 1000, 1, &answer);
	uring_fake_fail(w.fake, IORING_OP_WRITEV, 0, ENOSPC, 1);
	world_settle(&w);
	assert_int_equal(answer.status, SPOOL_FULL);
	world_end(&w);
}

static void after_a_failed_sync_the_spool_goes_on_elsewhere(void **state)
{
	struct world w;
	struct answer answer;
	struct spool_message *before, *after;

	setup(&w);
	before = world_put(&w, 1, 1000, 1);
	world_commit(&w, 2, 1000, 1, &answer);
	uring_fake_fail(w.fake, IORING_OP_FSYNC, 0, EIO, 1);
	world_settle(&w);
	after = world_put(&w, 3, 1000, 1);
	assert_int_equal(spool_stats(w.spool)->segments, 2);
	world_check(&w, before, 1, 1000, 1);
	world_check(&w, after, 3, 1000, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 2);
	world_check(&w, w.found[0], 1, 1000, 1);
	world_check(&w, w.found[1], 3, 1000, 1);
	assert_int_equal(w.report.bad_records, 0);
	assert_int_equal(w.report.torn_bytes, 0);
	world_end(&w);
}

/* The kernel may have written it all the same: the copy has everything. */
static void what_was_refused_stays_refused_after_a_crash(void **state)
{
	struct world w, crashed;
	struct answer answer;

	setup(&w);
	world_put(&w, 1, 1000, 1);
	world_commit(&w, 2, 1000, 1, &answer);
	uring_fake_fail(w.fake, IORING_OP_FSYNC, 0, EIO, 1);
	/* No holes: the refused message is really in the file. */
	uring_fake_fail(w.fake, IORING_OP_FALLOCATE, 0, EOPNOTSUPP, 1000);
	while (!answer.count)
		world_turn(&w);
	world_init_fast(&crashed);
	world_copy(&w, &crashed);
	world_open(&crashed);
	assert_int_equal(crashed.found_count, 1);
	world_check(&crashed, crashed.found[0], 1, 1000, 1);
	assert_int_equal(crashed.report.bad_records, 0);
	world_end(&crashed);
	world_end(&w);
}

static void chunks_of_a_failed_segment_fail_their_message(void **state)
{
	struct world w;
	struct answer other, answer;
	struct spool_writer *writer;

	setup(&w);
	writer = world_begin(&w);
	world_fill(&w, writer, 1, 600000);
	world_settle(&w); /* written, but nothing has synced it */
	world_commit(&w, 2, 10, 1, &other);
	uring_fake_fail(w.fake, IORING_OP_FSYNC, 0, EIO, 1);
	world_settle(&w);
	world_commit_writer(&w, writer, 1, &answer);
	world_settle(&w);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.status, SPOOL_FAILED);
	world_end(&w);
}

static void a_dead_message_still_takes_its_body(void **state)
{
	struct world w;
	struct answer other, answer;
	struct spool_writer *writer;

	setup(&w);
	writer = world_begin(&w);
	world_fill(&w, writer, 1, 600000);
	world_settle(&w);
	world_commit(&w, 2, 10, 1, &other);
	uring_fake_fail(w.fake, IORING_OP_FSYNC, 0, EIO, 1);
	world_settle(&w);
	for (size_t left = 1000000; left > 0;) {
		unsigned char *data;
		size_t room = spool_reserve(writer, &data);

		assert_true(room > 0);
		room = room < left ? room : left;
		memset(data, 'x', room);
		spool_advance(writer, room);
		left -= room;
	}
	world_commit_writer(&w, writer, 1, &answer);
	world_settle(&w);
	assert_int_equal(answer.status, SPOOL_FAILED);
	world_end(&w);
}

static void results_of_a_failed_round_are_written_again(void **state)
{
	struct world w, crashed;
	struct spool_message *message;

	setup(&w);
	message = world_put(&w, 1, 1000, 1);
	world_put(&w, 2, 1000, 1);
	world_deliver(&w, message);
	uring_fake_fail(w.fake, IORING_OP_WRITEV, 0, EIO, 1);
	world_settle(&w);
	assert_int_equal(spool_sync_pending(w.spool), 0);
	world_init_fast(&crashed);
	world_copy(&w, &crashed);
	world_open(&crashed);
	assert_int_equal(crashed.found_count, 1);
	world_check(&crashed, crashed.found[0], 2, 1000, 1);
	world_end(&crashed);
	world_end(&w);
}

/* The record that voids a failed round fails as well: everybody is told,
 * and nobody is let in before the disk had a second. */
static void a_dead_disk_refuses_at_the_door(void **state)
{
	struct world w;
	struct answer answer;
	struct spool_writer *writer;

	setup(&w);
	world_commit(&w, 1, 1000, 1, &answer);
	uring_fake_fail(w.fake, IORING_OP_WRITEV, 0, EIO, 2);
	while (!answer.count)
		world_turn(&w);
	assert_int_equal(answer.status, SPOOL_FAILED);
	assert_int_equal(spool_begin(w.spool, &writer), SPOOL_FAILED);
	uring_fake_advance(w.fake, 2 * URING_SEC);
	world_turn(&w);
	world_settle(&w);
	world_check(&w, world_put(&w, 2, 1000, 1), 2, 1000, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	world_end(&w);
}

static void short_writes_go_on_where_they_stopped(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world w;

		world_init_fast(&w);
		w.fake_config.seed = seed;
		w.fake_config.short_percent = 60;
		w.fake_config.delay_percent = 30;
		world_open(&w);
		for (size_t i = 0; i < 5; i++)
			world_put(&w, i, i * 200000, 1);
		world_reopen(&w);
		assert_int_equal(w.found_count, 5);
		for (size_t i = 0; i < 5; i++)
			world_check(&w, w.found[i], i, i * 200000, 1);
		world_end(&w);
	}
}

static size_t fill_until_full(struct world *w, struct spool_message **messages,
			      size_t max)
{
	struct spool_writer *writer;
	size_t count = 0;

	while (count < max) {
		struct answer answer;
		enum spool_status status = spool_begin(w->spool, &writer);

		if (status != SPOOL_OK) {
			assert_int_equal(status, SPOOL_FULL);
			break;
		}
		world_fill(w, writer, count, 20000);
		world_commit_writer(w, writer, 1, &answer);
		world_settle(w);
		if (answer.status != SPOOL_OK) {
			assert_int_equal(answer.status, SPOOL_FULL);
			break;
		}
		messages[count++] = answer.message;
	}
	assert_true(count < max);
	return count;
}

/* Mail that had begun when the disk became full may not take the room that
 * results need. */
static void a_full_disk_still_takes_results(void **state)
{
	enum {
		COUNT = 300
	};
	struct spool_writer *writers[COUNT];
	static struct answer answers[COUNT];
	struct world w;
	size_t yes = 0;

	world_init_fast(&w);
	w.config.segment_size = 64 * 1024;
	world_open(&w);
	uring_fake_fail(w.fake, IORING_OP_FALLOCATE, 0, ENOSPC, 1000000);
	for (size_t i = 0; i < COUNT; i++)
		writers[i] = world_begin(&w);
	for (size_t i = 0; i < COUNT; i++) {
		world_fill(&w, writers[i], i, 300);
		world_commit_writer(&w, writers[i], 1, &answers[i]);
		world_settle(&w);
		assert_int_equal(answers[i].count, 1);
		yes += answers[i].status == SPOOL_OK;
		if (answers[i].status != SPOOL_OK)
			assert_int_equal(answers[i].status, SPOOL_FULL);
	}
	assert_true(yes > 20 && yes < COUNT);
	for (size_t i = 0; i < 30; i++)
		world_deliver(&w, answers[i].message);
	world_settle(&w);
	assert_int_equal(spool_sync_pending(w.spool), 0);
	assert_int_equal(spool_stats(w.spool)->finished, 30);
	world_reopen(&w);
	assert_int_equal(w.found_count, yes - 30);
	world_end(&w);
}

static void a_disk_with_space_again_takes_mail_again(void **state)
{
	struct spool_message *messages[500];
	struct world w;

	setup(&w);
	uring_fake_fail(w.fake, IORING_OP_FALLOCATE, 0, ENOSPC, 3);
	fill_until_full(&w, messages, 500);
	for (unsigned i = 0; i < 10; i++) {
		uring_fake_advance(w.fake, 2 * URING_SEC);
		world_turn(&w);
		world_settle(&w);
	}
	for (size_t i = 0; i < 100; i++)
		world_put(&w, i, 20000, 1);
	assert_true(spool_stats(w.spool)->segments >= 2);
	world_end(&w);
}

static void a_folder_that_cant_be_synced_gives_no_segment(void **state)
{
	struct world w;
	struct answer answers[80];
	bool refused = false;

	setup(&w);
	/* The folder's fsync comes first: chunks alone don't sync. */
	uring_fake_fail(w.fake, IORING_OP_FALLOCATE, 0, ENOSPC, 1);
	for (size_t i = 0; i < 80 && !refused; i++) {
		struct spool_writer *writer;

		refused = spool_begin(w.spool, &writer) != SPOOL_OK;
		if (refused)
			break;
		world_fill(&w, writer, i, 20000);
		world_commit_writer(&w, writer, 1, &answers[i]);
		world_settle(&w);
		assert_int_equal(answers[i].count, 1);
	}
	assert_true(refused);
	uring_fake_fail(w.fake, IORING_OP_FSYNC, 0, EIO, 1);
	uring_fake_advance(w.fake, 2 * URING_SEC);
	world_turn(&w);
	world_settle(&w);
	assert_int_equal(world_count_files(&w, ".log"), 1);
	uring_fake_advance(w.fake, 2 * URING_SEC);
	world_turn(&w);
	world_settle(&w);
	assert_int_equal(world_count_files(&w, ".log"), 2);
	world_put(&w, 1, 20000, 1);
	world_end(&w);
}

/* Any one operation of any kind fails once, at any moment: whoever was told
 * "yes" is there afterwards, whoever was told "no" is not. */
static void any_one_failure_tells_no_lie(void **state)
{
	static const unsigned opcodes[] = {IORING_OP_WRITEV, IORING_OP_FSYNC,
					   IORING_OP_FALLOCATE};
	static const int errors[] = {EIO, ENOSPC};

	for (unsigned n = 0; n < 3 * 2 * 12; n++) {
		struct world w, crashed;
		struct answer answers[12];
		size_t yes = 0;

		world_init_fast(&w);
		w.config.segment_size = 64 * 1024;
		world_open(&w);
		uring_fake_fail(w.fake, opcodes[n % 3], n / 6,
				errors[n / 3 % 2], 1);
		for (size_t i = 0; i < 12; i++) {
			struct spool_writer *writer;

			answers[i] = (struct answer){.status = SPOOL_FULL};
			uring_fake_advance(w.fake, 2 * URING_SEC);
			world_turn(&w);
			if (spool_begin(w.spool, &writer) != SPOOL_OK)
				continue;
			world_fill(&w, writer, i, i * 7000);
			world_commit_writer(&w, writer, 1, &answers[i]);
			while (!answers[i].count)
				world_turn(&w);
		}
		world_init_fast(&crashed);
		world_copy(&w, &crashed);
		world_open(&crashed);
		for (size_t i = 0; i < 12; i++) {
			if (answers[i].status != SPOOL_OK)
				continue;
			assert_true(yes < crashed.found_count);
			assert_int_equal(spool_message_id(crashed.found[yes]),
					 answers[i].id);
			world_check(&crashed, crashed.found[yes++], i, i * 7000,
				    1);
		}
		assert_int_equal(crashed.found_count, yes);
		assert_int_equal(crashed.report.bad_records, 0);
		world_end(&crashed);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_answer_is_ok_when_the_sync_fails),
		cmocka_unit_test(no_answer_is_ok_when_the_write_fails),
		cmocka_unit_test(a_write_without_space_is_full),
		cmocka_unit_test(
			after_a_failed_sync_the_spool_goes_on_elsewhere),
		cmocka_unit_test(what_was_refused_stays_refused_after_a_crash),
		cmocka_unit_test(chunks_of_a_failed_segment_fail_their_message),
		cmocka_unit_test(a_dead_message_still_takes_its_body),
		cmocka_unit_test(results_of_a_failed_round_are_written_again),
		cmocka_unit_test(a_dead_disk_refuses_at_the_door),
		cmocka_unit_test(short_writes_go_on_where_they_stopped),
		cmocka_unit_test(a_full_disk_still_takes_results),
		cmocka_unit_test(a_disk_with_space_again_takes_mail_again),
		cmocka_unit_test(a_folder_that_cant_be_synced_gives_no_segment),
		cmocka_unit_test(any_one_failure_tells_no_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
