/* SPDX-License-Identifier: Apache-2.0 */
/* A few stuck messages don't keep the log: they move out of its way. */
#include "tests/unit/spool/spool_world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/spool/spool_private.h"

enum {
	SEGMENT = 64 * 1024,
	MANY = 600, /* messages of traffic: some 100 segments */
};

static void setup(struct world *w)
{
	world_init_fast(w);
	w->config.segment_size = SEGMENT;
	world_open(w);
}

/* Mail comes and goes; results often land in the next segment. */
static void traffic(struct world *w, size_t count)
{
	struct spool_message *messages[4];

	for (size_t i = 0; i < count; i += 4) {
		for (size_t j = 0; j < 4; j++)
			messages[j] = world_put(w, i + j, 9000, 1);
		for (size_t j = 0; j < 4; j++)
			world_deliver(w, messages[j]);
	}
	world_settle(w);
}

static void a_stuck_message_keeps_no_segments(void **state)
{
	struct world w;
	struct spool_message *stuck;

	setup(&w);
	stuck = world_put(&w, 1, 5000, 3);
	traffic(&w, MANY);
	assert_true(spool_stats(w.spool)->segments <= 8);
	world_check(&w, stuck, 1, 5000, 3);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	assert_int_equal(w.report.bad_records, 0);
	world_check(&w, w.found[0], 1, 5000, 3);
	traffic(&w, MANY);
	world_check(&w, w.found[0], 1, 5000, 3);
	world_deliver(&w, w.found[0]);
	world_reopen(&w);
	assert_int_equal(w.found_count, 0);
	world_end(&w);
}

static void results_move_with_their_message(void **state)
{
	struct world w;
	struct spool_message *stuck;

	setup(&w);
	stuck = world_put(&w, 1, 5000, 4);
	spool_record(w.spool, stuck, 0, SPOOL_DELIVERED, 1, 0, "250 ok");
	traffic(&w, MANY / 2);
	spool_message_warn(stuck, 1, SPOOL_WARNED_MAX + 1);
	spool_record(w.spool, stuck, 1, SPOOL_DEFERRED, 9, 7000000, "450 no");
	traffic(&w, MANY / 2);
	spool_record(w.spool, stuck, 2, SPOOL_BOUNCED, 1, 0, "550 no");
	for (unsigned n = 0; n < 3; n++) {
		world_reopen(&w);
		assert_int_equal(w.found_count, 1);
		stuck = w.found[0];
		assert_true(spool_message_recipient_done(stuck, 0));
		assert_false(spool_message_recipient_done(stuck, 1));
		assert_int_equal(spool_message_attempts(stuck, 1), 9);
		assert_int_equal(spool_message_next_attempt(stuck, 1), 7000000);
		assert_int_equal(spool_message_warned(stuck, 1),
				 SPOOL_WARNED_MAX);
		assert_true(spool_message_recipient_done(stuck, 2));
		assert_false(spool_message_recipient_done(stuck, 3));
		traffic(&w, MANY / 2);
	}
	world_end(&w);
}

static void a_stuck_big_message_moves_whole(void **state)
{
	struct world w;
	struct spool_message *stuck;

	setup(&w);
	stuck = world_put(&w, 1, 1000000, 1);
	traffic(&w, 3 * MANY);
	assert_true(spool_stats(w.spool)->segments <= 40);
	world_check(&w, stuck, 1, 1000000, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	assert_int_equal(w.report.bad_records, 0);
	world_check(&w, w.found[0], 1, 1000000, 1);
	world_end(&w);
}

static void a_slow_upload_moves_once_it_is_a_message(void **state)
{
	struct world w;
	struct spool_writer *writer;
	struct answer answer;

	setup(&w);
	writer = world_begin(&w);
	world_fill(&w, writer, 1, 300000);
	traffic(&w, MANY);
	world_commit_writer(&w, writer, 1, &answer);
	world_settle(&w);
	assert_int_equal(answer.status, SPOOL_OK);
	uring_fake_advance(w.fake, 2 * URING_SEC);
	traffic(&w, MANY);
	assert_true(spool_stats(w.spool)->segments <= 16);
	world_check(&w, answer.message, 1, 300000, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	world_check(&w, w.found[0], 1, 300000, 1);
	world_end(&w);
}

static void a_view_keeps_what_it_shows(void **state)
{
	struct world w;
	struct spool_message *stuck;
	struct spool_view view;
	const unsigned char *body;

	setup(&w);
	stuck = world_put(&w, 1, 5000, 1);
	assert_int_equal(spool_view(w.spool, stuck, &view), 0);
	traffic(&w, MANY);
	body = view.body[0].iov_base;
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(body[i], world_byte(1, i));
	assert_string_equal(view.envelope.recipients[0], world_recipient(0));
	spool_release_view(w.spool, &view);
	traffic(&w, MANY);
	assert_true(spool_stats(w.spool)->segments <= 8);
	world_check(&w, stuck, 1, 5000, 1);
	world_end(&w);
}

/* Damage in the oldest segment must not keep all the others. */
static void a_damaged_segment_is_emptied_as_well(void **state)
{
	struct world w;
	int fd;

	setup(&w);
	world_put(&w, 1, 500, 1);
	world_put(&w, 2, 500, 1);
	world_put(&w, 3, 500, 1);
	world_close(&w);
	fd = open(world_segment_path(&w, 1), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "damage", 6, 300), 6);
	close(fd);
	world_open(&w);
	assert_int_equal(w.report.bad_records, 1);
	assert_int_equal(w.found_count, 2);
	/* The first link of the chain. */
	spool_record(w.spool, w.found[0], 0, SPOOL_DEFERRED, 1, 1000000, NULL);
	traffic(&w, MANY);
	assert_true(spool_stats(w.spool)->segments <= 8);
	assert_int_equal(world_count_files(&w, ".bad"), 1);
	world_check(&w, w.found[0], 2, 500, 1);
	world_check(&w, w.found[1], 3, 500, 1);
	world_end(&w);
}

static void many_stuck_messages_all_survive(void **state)
{
	enum {
		COUNT = 100
	};
	struct world w;

	setup(&w);
	for (size_t i = 0; i < COUNT; i++) {
		world_put(&w, 1000 + i, 100, 1);
		traffic(&w, 12);
	}
	traffic(&w, MANY);
	assert_true(spool_stats(w.spool)->segments <= 12);
	world_reopen(&w);
	assert_int_equal(w.found_count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		world_check(&w, w.found[i], 1000 + i, 100, 1);
	world_end(&w);
}

/* Every crash in between leaves the message where it was or where it went,
 * once, with its results. */
static void a_crash_at_any_moment_of_a_move_is_harmless(void **state)
{
	struct world w;
	struct spool_message *stuck;

	setup(&w);
	stuck = world_put(&w, 1, 300000, 2);
	spool_record(w.spool, stuck, 1, SPOOL_DELIVERED, 1, 0, NULL);
	for (unsigned n = 0; n < 150; n++) {
		struct spool_message *other = world_put(&w, n, 9000, 1);
		struct world crashed;

		world_deliver(&w, other);
		for (unsigned turn = 0; turn < n % 5; turn++)
			world_turn(&w);
		world_init_fast(&crashed);
		world_copy(&w, &crashed);
		world_open(&crashed);
		assert_true(crashed.found_count >= 1);
		world_check(&crashed, crashed.found[0], 1, 300000, 2);
		assert_true(spool_message_recipient_done(crashed.found[0], 1));
		assert_int_equal(crashed.report.bad_records, 0);
		/* The last one's result may be on its way. */
		assert_true(crashed.found_count <= 2);
		world_end(&crashed);
	}
	world_check(&w, stuck, 1, 300000, 2);
	world_end(&w);
}

/* Make zeros of the unsynced chunks, and of nothing else. True: there were
 * some. */
static bool lose_chunks(const struct spool_segment *segment,
			const struct world *to)
{
	const char *path = world_segment_path(to, segment->number);
	size_t len;
	unsigned char *bytes = world_read_file(path, &len);
	uint64_t at = segment->sync_off;
	bool any = false;

	if (at < SPOOL_SEGMENT_HEADER)
		at = SPOOL_SEGMENT_HEADER;
	while (at + SPOOL_RECORD_HEADER <= len) {
		uint64_t size = spool_record_size(spool_get32(bytes + at + 12));

		if (bytes[at + 10] == SPOOL_RECORD_CHUNK && at + size <= len) {
			memset(bytes + at, 0, size);
			any = true;
		}
		at += size;
	}
	world_write_file(path, bytes, len);
	free(bytes);
	return any;
}

static void a_copy_without_its_chunks_is_no_copy(void **state)
{
	struct spool_message *last[4] = {0};
	struct world w;
	unsigned crashes = 0;

	world_init_fast(&w);
	w.config.segment_size = 8 * SEGMENT; /* room for both */
	world_open(&w);
	world_put(&w, 1, 262244, 1);
	for (unsigned n = 0; n < 300; n++) {
		struct answer answer;
		struct world crashed;

		world_commit(&w, n, 50000, 1, &answer);
		while (spool_inflight(w.spool)) {
			world_turn(&w);
			if (!w.spool->current ||
			    w.spool->current->sync_off ==
				    w.spool->current->write_off)
				continue;
			world_init_fast(&crashed);
			world_copy(&w, &crashed);
			if (lose_chunks(w.spool->current, &crashed)) {
				crashes++;
				world_open(&crashed);
				assert_true(crashed.found_count >= 1);
				world_check(&crashed, crashed.found[0], 1,
					    262244, 1);
				world_end(&crashed);
			} else {
				world_remove(&crashed);
			}
		}
		/* Later, so that results pin segments. */
		if (last[n % 4])
			world_deliver(&w, last[n % 4]);
		last[n % 4] = answer.message;
	}
	assert_true(crashes > 0);
	world_end(&w);
}

/* Reads, writes and syncs fail now and then while messages move. */
static void failures_while_moving_lose_nothing(void **state)
{
	static const unsigned opcodes[] = {IORING_OP_READ, IORING_OP_WRITEV,
					   IORING_OP_FSYNC,
					   IORING_OP_FALLOCATE};

	for (unsigned n = 0; n < 24; n++) {
		struct world w;

		setup(&w);
		world_put(&w, 1, 5000, 1);
		world_put(&w, 2, 300000, 1);
		for (unsigned i = 0; i < 150; i++) {
			struct answer answer;
			struct spool_writer *writer;

			if (i % 25 == n)
				uring_fake_fail(w.fake, opcodes[n % 4], n / 4,
						EIO, 1);
			uring_fake_advance(w.fake, 2 * URING_SEC);
			world_turn(&w);
			if (spool_begin(w.spool, &writer) != SPOOL_OK)
				continue;
			world_fill(&w, writer, i, 9000);
			world_commit_writer(&w, writer, 1, &answer);
			while (!answer.count)
				world_turn(&w);
			if (answer.message)
				world_deliver(&w, answer.message);
		}
		world_reopen(&w);
		assert_int_equal(w.found_count, 2);
		world_check(&w, w.found[0], 1, 5000, 1);
		world_check(&w, w.found[1], 2, 300000, 1);
		assert_int_equal(w.report.bad_records, 0);
		world_end(&w);
	}
}

static void a_message_may_end_while_it_moves(void **state)
{
	for (unsigned turns = 0; turns < 12; turns++) {
		struct world w;
		struct spool_message *stuck[20];

		setup(&w);
		for (size_t i = 0; i < 20; i++)
			stuck[i] = world_put(&w, i, i % 2 ? 500 : 270000, 1);
		traffic(&w, 160);
		for (size_t i = 0; i < 20; i++) {
			struct spool_message *other = world_put(&w, 1, 9000, 1);

			for (unsigned turn = 0; turn < turns; turn++)
				world_turn(&w);
			world_deliver(&w, stuck[i]);
			world_deliver(&w, other);
			traffic(&w, 8);
		}
		world_settle(&w);
		assert_int_equal(spool_stats(w.spool)->bytes_live, 0);
		world_reopen(&w);
		assert_int_equal(w.found_count, 0);
		assert_int_equal(w.report.bad_records, 0);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stuck_message_keeps_no_segments),
		cmocka_unit_test(results_move_with_their_message),
		cmocka_unit_test(a_stuck_big_message_moves_whole),
		cmocka_unit_test(a_slow_upload_moves_once_it_is_a_message),
		cmocka_unit_test(a_view_keeps_what_it_shows),
		cmocka_unit_test(a_damaged_segment_is_emptied_as_well),
		cmocka_unit_test(many_stuck_messages_all_survive),
		cmocka_unit_test(a_crash_at_any_moment_of_a_move_is_harmless),
		cmocka_unit_test(a_copy_without_its_chunks_is_no_copy),
		cmocka_unit_test(failures_while_moving_lose_nothing),
		cmocka_unit_test(a_message_may_end_while_it_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
