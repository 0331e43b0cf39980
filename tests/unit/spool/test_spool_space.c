/* SPDX-License-Identifier: Apache-2.0 */
/* Space comes back, and nothing comes back with it. */
#include "tests/unit/spool/spool_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB UINT64_C(1048576)

/* Turns until the housekeeping that follows a result is done as well. */
static void deliver(struct world *w, struct spool_message *message)
{
	world_deliver(w, message);
	world_settle(w);
}

static void setup(struct world *w, uint64_t segment_size)
{
	world_init(w);
	w->config.segment_size = segment_size;
	world_open(w);
}

static void a_big_message_gives_its_blocks_back(void **state)
{
	struct world w;
	struct spool_message *big;
	uint64_t before, after;

	setup(&w, 16 * MIB);
	world_put(&w, 1, 100, 1);
	big = world_put(&w, 2, 8 * MIB, 1);
	world_put(&w, 3, 100, 1);
	before = world_disk_bytes(&w);
	deliver(&w, big);
	after = world_disk_bytes(&w);
	assert_true(before - after > 8 * MIB - 256 * 1024);
	world_reopen(&w);
	assert_int_equal(w.found_count, 2);
	world_check(&w, w.found[0], 1, 100, 1);
	world_check(&w, w.found[1], 3, 100, 1);
	assert_int_equal(w.report.bad_records, 0);
	assert_int_equal(w.report.torn_bytes, 0);
	assert_int_equal(w.report.orphan_chunks, 0);
	world_end(&w);
}

static void holes_are_not_damage_however_often_it_is_opened(void **state)
{
	struct world w;
	struct spool_message *messages[8];

	setup(&w, MIB);
	for (size_t i = 0; i < 8; i++)
		messages[i] = world_put(&w, i, 200000 + i * 50000, 1);
	for (size_t i = 0; i < 8; i += 2)
		deliver(&w, messages[i]);
	for (unsigned n = 0; n < 3; n++) {
		world_reopen(&w);
		assert_int_equal(w.found_count, 4);
		for (size_t i = 0; i < 4; i++)
			world_check(&w, w.found[i], 2 * i + 1,
				    200000 + (2 * i + 1) * 50000, 1);
		assert_int_equal(w.report.bad_records, 0);
		assert_int_equal(w.report.torn_bytes, 0);
		assert_int_equal(w.report.orphan_chunks, 0);
	}
	world_end(&w);
}

static void an_aborted_message_gives_its_blocks_back(void **state)
{
	struct world w;
	struct spool_writer *writer;
	uint64_t before;

	setup(&w, 16 * MIB);
	world_put(&w, 1, 100, 1);
	writer = world_begin(&w);
	world_fill(&w, writer, 2, 8 * MIB);
	world_settle(&w);
	before = world_disk_bytes(&w);
	spool_abort(&writer);
	world_settle(&w);
	assert_true(before - world_disk_bytes(&w) > 7 * MIB);
	world_put(&w, 3, 100, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 2);
	assert_int_equal(w.report.bad_records, 0);
	assert_int_equal(w.report.orphan_chunks, 0);
	world_end(&w);
}

static void chunks_of_a_crashed_transaction_are_given_back(void **state)
{
	struct world w, crashed;
	struct spool_writer *writer;
	uint64_t before;

	setup(&w, 16 * MIB);
	world_put(&w, 1, 100, 1);
	writer = world_begin(&w);
	world_fill(&w, writer, 2, 6 * MIB);
	world_put(&w, 3, 100, 1);
	world_init(&crashed);
	crashed.config.segment_size = MIB;
	world_copy(&w, &crashed);
	world_open(&crashed);
	assert_int_equal(crashed.found_count, 2);
	assert_int_equal(crashed.report.orphan_chunks, 24);
	assert_int_equal(crashed.report.bad_records, 0);
	before = world_disk_bytes(&crashed);
	world_put(&crashed, 4, 100, 1);
	world_settle(&crashed);
	assert_true(before - world_disk_bytes(&crashed) > 5 * MIB);
	world_reopen(&crashed);
	assert_int_equal(crashed.found_count, 3);
	assert_int_equal(crashed.report.orphan_chunks, 0);
	assert_int_equal(crashed.report.bad_records, 0);
	world_end(&crashed);
	spool_abort(&writer);
	world_end(&w);
}

static void finished_segments_are_deleted(void **state)
{
	struct world w;

	setup(&w, 256 * 1024);
	for (size_t i = 0; i < 200; i++)
		deliver(&w, world_put(&w, i, 10000, 1));
	/* The current one, its predecessor at most, and the spare. */
	assert_true(world_count_files(&w, ".log") <= 3);
	assert_true(spool_stats(w.spool)->segments <= 2);
	assert_int_equal(spool_stats(w.spool)->bytes_live, 0);
	world_reopen(&w);
	assert_int_equal(w.found_count, 0);
	assert_int_equal(world_count_files(&w, ".log"), 1);
	world_end(&w);
}

static void a_sealed_segment_gives_its_unused_end_back(void **state)
{
	struct world w;

	setup(&w, 4 * MIB);
	world_put(&w, 1, 100, 1);
	assert_true(world_disk_bytes(&w) >= 4 * MIB);
	world_reopen(&w);
	world_put(&w, 2, 100, 1);
	/* The old one is small now, the new one is preallocated. */
	assert_true(world_disk_bytes(&w) < 4 * MIB + 64 * 1024);
	world_end(&w);
}

/* Fill what is left of the current segment with mail that is delivered. */
static void next_segment(struct world *w)
{
	uint64_t segments = spool_stats(w->spool)->segments;
	struct spool_message *messages[64];
	size_t n = 0;

	while (spool_stats(w->spool)->segments == segments) {
		assert_true(n < 64);
		messages[n] = world_put(w, n, 10000, 1);
		n++;
	}
	while (n > 0)
		deliver(w, messages[--n]);
}

/*
 * A in segment 1 is delivered; its result stands in segment 2. B keeps
 * segment 1. Nothing else in segment 2 is needed, yet without it A would be
 * sent again after a restart.
 */
static void results_outlive_what_they_are_about(void **state)
{
	struct world w;
	struct spool_message *a;

	setup(&w, 64 * 1024);
	a = world_put(&w, 1000, 100, 1);
	world_put(&w, 1001, 100, 1);
	next_segment(&w);
	deliver(&w, a);
	for (unsigned i = 0; i < 5; i++)
		next_segment(&w);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	world_check(&w, w.found[0], 1001, 100, 1);
	/* Nor after another one. */
	next_segment(&w);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	world_check(&w, w.found[0], 1001, 100, 1);
	deliver(&w, w.found[0]);
	next_segment(&w);
	next_segment(&w);
	world_settle(&w);
	assert_true(spool_stats(w.spool)->segments <= 2);
	world_reopen(&w);
	assert_int_equal(w.found_count, 0);
	world_end(&w);
}

static void deferrals_outlive_what_they_are_about(void **state)
{
	struct world w;
	struct spool_message *a;

	setup(&w, 64 * 1024);
	a = world_put(&w, 1000, 100, 2);
	next_segment(&w);
	spool_record(w.spool, a, 0, SPOOL_DEFERRED, 7, 1000000, "450 later");
	spool_record(w.spool, a, 1, SPOOL_DELIVERED, 1, 0, NULL);
	world_settle(&w);
	for (unsigned i = 0; i < 5; i++)
		next_segment(&w);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	assert_int_equal(spool_message_attempts(w.found[0], 0), 7);
	assert_true(spool_message_recipient_done(w.found[0], 1));
	world_end(&w);
}

/* What says that a hole is a hole is needed as long as the hole's segment. */
static void notes_of_holes_outlive_the_holes(void **state)
{
	struct world w;
	struct spool_writer *big;

	setup(&w, 512 * 1024);
	big = world_begin(&w);
	world_fill(&w, big, 1, 300000);
	world_put(&w, 2, 100, 1);
	next_segment(&w);
	spool_abort(&big);
	world_settle(&w);
	for (unsigned i = 0; i < 3; i++)
		next_segment(&w);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	assert_int_equal(w.report.bad_records, 0);
	world_end(&w);
}

static void a_chunk_in_another_segment_is_kept(void **state)
{
	struct world w;
	struct spool_message *big;

	setup(&w, 512 * 1024);
	big = world_put(&w, 1, 3 * MIB, 1);
	for (size_t i = 0; i < 100; i++)
		deliver(&w, world_put(&w, i, 20000, 1));
	world_check(&w, big, 1, 3 * MIB, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	world_check(&w, w.found[0], 1, 3 * MIB, 1);
	deliver(&w, w.found[0]);
	world_reopen(&w);
	assert_int_equal(w.found_count, 0);
	assert_int_equal(w.report.orphan_chunks, 0);
	assert_int_equal(w.report.bad_records, 0);
	world_end(&w);
}

static void an_envelope_larger_than_a_segment_is_stored(void **state)
{
	struct world w;

	setup(&w, 64 * 1024);
	world_put(&w, 1, 100, 1);
	world_put(&w, 2, 60000, 5000);
	world_put(&w, 3, 300000, 20000);
	world_reopen(&w);
	assert_int_equal(w.found_count, 3);
	world_check(&w, w.found[1], 2, 60000, 5000);
	world_check(&w, w.found[2], 3, 300000, 20000);
	for (size_t i = 0; i < 19999; i++)
		spool_record(w.spool, w.found[2], i, SPOOL_DELIVERED, 1, 0,
			     "250 ok");
	world_reopen(&w);
	assert_int_equal(w.found_count, 3);
	assert_true(spool_message_recipient_done(w.found[2], 19998));
	assert_false(spool_message_recipient_done(w.found[2], 19999));
	world_end(&w);
}

static void too_little_free_space_refuses_mail(void **state)
{
	struct world w;
	struct spool_writer *writer;

	world_init(&w);
	w.config.min_free_percent = 100;
	world_open(&w);
	assert_int_equal(spool_begin(w.spool, &writer), SPOOL_FULL);
	world_close(&w);
	w.config.min_free_percent = 0;
	world_open(&w);
	writer = world_begin(&w);
	spool_abort(&writer);
	world_end(&w);
}

static void an_idle_spool_leaves_no_empty_segments(void **state)
{
	struct world w;

	setup(&w, MIB);
	for (unsigned i = 0; i < 10; i++)
		world_reopen(&w);
	assert_int_equal(world_count_files(&w, ".log"), 1);
	world_close(&w);
	assert_int_equal(world_count_files(&w, ".log"), 0);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_big_message_gives_its_blocks_back),
		cmocka_unit_test(
			holes_are_not_damage_however_often_it_is_opened),
		cmocka_unit_test(an_aborted_message_gives_its_blocks_back),
		cmocka_unit_test(
			chunks_of_a_crashed_transaction_are_given_back),
		cmocka_unit_test(finished_segments_are_deleted),
		cmocka_unit_test(a_sealed_segment_gives_its_unused_end_back),
		cmocka_unit_test(results_outlive_what_they_are_about),
		cmocka_unit_test(deferrals_outlive_what_they_are_about),
		cmocka_unit_test(notes_of_holes_outlive_the_holes),
		cmocka_unit_test(a_chunk_in_another_segment_is_kept),
		cmocka_unit_test(an_envelope_larger_than_a_segment_is_stored),
		cmocka_unit_test(too_little_free_space_refuses_mail),
		cmocka_unit_test(an_idle_spool_leaves_no_empty_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
