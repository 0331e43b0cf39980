/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting, reading and finishing messages, on the fake ring and on the
 * kernel's. */
#include "tests/unit/spool/spool_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void setup(struct world *w, void **state)
{
	world_init(w);
	w->real = *state != NULL;
	world_open(w);
}

static void a_committed_message_reads_back(void **state)
{
	struct world w;
	struct spool_message *message;

	setup(&w, state);
	message = world_put(&w, 1, 4096, 2);
	world_check(&w, message, 1, 4096, 2);
	world_end(&w);
}

static void a_committed_message_survives_a_restart(void **state)
{
	struct world w;
	uint64_t id;

	setup(&w, state);
	id = spool_message_id(world_put(&w, 1, 4096, 3));
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	assert_int_equal(w.report.messages, 1);
	assert_int_equal(w.report.bad_records, 0);
	assert_int_equal(w.report.torn_bytes, 0);
	assert_int_equal(spool_message_id(w.found[0]), id);
	world_check(&w, w.found[0], 1, 4096, 3);
	world_end(&w);
}

static void bodies_of_all_sizes_are_equal_after_a_restart(void **state)
{
	static const size_t sizes[] = {
		0,     1,      4096,   8103,   8104,   8105,	65535,	65536,
		65537, 262143, 262144, 262145, 524288, 1048577, 8388608};
	enum {
		COUNT = sizeof(sizes) / sizeof(*sizes)
	};
	struct world w;

	setup(&w, state);
	for (size_t i = 0; i < COUNT; i++)
		world_check(&w, world_put(&w, i, sizes[i], 1), i, sizes[i], 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		world_check(&w, w.found[i], i, sizes[i], 1);
	world_end(&w);
}

static void a_delivered_message_is_gone_after_a_restart(void **state)
{
	struct world w;
	struct spool_message *first, *second;

	setup(&w, state);
	first = world_put(&w, 1, 100, 1);
	second = world_put(&w, 2, 100, 1);
	(void)second;
	world_deliver(&w, first);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	assert_int_equal(w.report.finished, 1);
	world_check(&w, w.found[0], 2, 100, 1);
	world_end(&w);
}

static void results_of_single_recipients_survive(void **state)
{
	struct world w;
	struct spool_message *message;

	setup(&w, state);
	message = world_put(&w, 1, 100, 4);
	spool_record(w.spool, message, 1, SPOOL_DELIVERED, 1, 0, "250 ok");
	spool_message_warn(message, 2, 2);
	spool_record(w.spool, message, 2, SPOOL_DEFERRED, 3, 5000000001,
		     "450 later");
	spool_record(w.spool, message, 3, SPOOL_BOUNCED, 1, 0, "550 no");
	assert_true(spool_message_recipient_done(message, 1));
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	message = w.found[0];
	assert_false(spool_message_recipient_done(message, 0));
	assert_true(spool_message_recipient_done(message, 1));
	assert_false(spool_message_recipient_done(message, 2));
	assert_true(spool_message_recipient_done(message, 3));
	assert_int_equal(spool_message_attempts(message, 0), 0);
	assert_int_equal(spool_message_next_attempt(message, 0), 0);
	assert_int_equal(spool_message_attempts(message, 2), 3);
	assert_int_equal(spool_message_next_attempt(message, 2), 5001000000);
	assert_int_equal(spool_message_warned(message, 0), 0);
	assert_int_equal(spool_message_warned(message, 2), 2);
	assert_int_equal(w.report.results, 3);
	world_end(&w);
}

static void commits_of_one_turn_share_a_sync(void **state)
{
	struct world w;
	struct answer answers[100];

	setup(&w, state);
	for (size_t i = 0; i < 100; i++)
		world_commit(&w, i, 3000, 1, &answers[i]);
	world_settle(&w);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(answers[i].count, 1);
		assert_int_equal(answers[i].order, i + 1);
		assert_int_equal(answers[i].status, SPOOL_OK);
	}
	assert_int_equal(spool_stats(w.spool)->committed, 100);
	assert_int_equal(spool_stats(w.spool)->commits, 1);
	world_end(&w);
}

static void an_aborted_message_leaves_nothing(void **state)
{
	struct world w;
	struct spool_writer *writer;

	setup(&w, state);
	writer = world_begin(&w);
	world_fill(&w, writer, 1, 700000);
	spool_abort(&writer);
	assert_null(writer);
	writer = world_begin(&w);
	spool_abort(&writer);
	spool_abort(&writer);
	world_put(&w, 2, 10, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	world_check(&w, w.found[0], 2, 10, 1);
	assert_int_equal(w.report.bad_records, 0);
	world_end(&w);
}

static void ids_grow_over_restarts(void **state)
{
	struct world w;
	uint64_t last = 0;

	world_init(&w);
	w.real = *state != NULL;
	w.config.worker = 5;
	world_open(&w);
	for (size_t i = 0; i < 30; i++) {
		struct spool_writer *writer = world_begin(&w);
		uint64_t id = spool_writer_id(writer);

		assert_true(id > last);
		assert_int_equal(id & 63, 5);
		last = id;
		spool_abort(&writer);
		if (i % 10 == 9)
			world_reopen(&w);
	}
	world_end(&w);
}

static void a_second_process_is_kept_out(void **state)
{
	struct world w, other;

	setup(&w, state);
	other = w;
	other.spool = NULL;
	other.ring = NULL;
	assert_int_equal(world_try_open(&other), -EWOULDBLOCK);
	assert_null(other.spool);
	assert_non_null(strstr(other.error_text, "in use"));
	uring_destroy(&other.ring);
	world_end(&w);
}

static void views_nest_and_outlive_the_last_result(void **state)
{
	struct world w;
	struct spool_message *message;
	struct spool_view one, two;

	setup(&w, state);
	message = world_put(&w, 1, 5000, 1);
	assert_int_equal(spool_view(w.spool, message, &one), 0);
	assert_int_equal(spool_view(w.spool, message, &two), 0);
	world_deliver(&w, message);
	world_settle(&w);
	spool_release_view(w.spool, &one);
	assert_int_equal(spool_stats(w.spool)->finished, 0);
	assert_int_equal(((unsigned char *)two.body->iov_base)[4999],
			 world_byte(1, 4999));
	spool_release_view(w.spool, &two);
	assert_int_equal(spool_stats(w.spool)->finished, 1);
	world_end(&w);
}

static void an_unsynced_spool_works_without_syncs(void **state)
{
	struct world w;

	world_init(&w);
	w.real = *state != NULL;
	w.config.sync = false;
	world_open(&w);
	world_put(&w, 1, 3000, 1);
	world_deliver(&w, world_put(&w, 2, 3000, 1));
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	world_check(&w, w.found[0], 1, 3000, 1);
	world_end(&w);
}

static int on_real_ring(void **state)
{
	static int real;

	*state = &real;
	return 0;
}

#define BOTH(test)                                                      \
	{#test ", fake ring", test, NULL, NULL, NULL},                  \
	{                                                               \
#test ", kernel's ring", test, on_real_ring, NULL, NULL \
	}

static void commits_are_counted_by_size_and_time(void **state)
{
	const struct spool_stats *stats;
	struct answer answers[9] = {{0}};
	uint64_t sizes = 0, times = 0;
	struct world w;

	world_init(&w);
	world_open(&w);
	for (size_t i = 0; i < 9; i++)
		world_commit(&w, i, 500, 1, &answers[i]);
	world_settle(&w);
	stats = spool_stats(w.spool);
	assert_int_equal(stats->committed, 9);
	assert_int_equal(stats->batch_sum, 9);
	assert_in_range(stats->commits, 1, 9);
	assert_true(stats->batch_max * stats->commits >= 9);
	assert_true(stats->commit_ns_max * stats->commits >= stats->commit_ns);
	for (unsigned i = 0; i < SPOOL_BUCKETS; i++) {
		sizes += stats->batch_buckets[i];
		times += stats->time_buckets[i];
	}
	assert_int_equal(sizes, stats->commits);
	assert_int_equal(times, stats->commits);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_committed_message_reads_back),
		BOTH(a_committed_message_survives_a_restart),
		BOTH(bodies_of_all_sizes_are_equal_after_a_restart),
		BOTH(a_delivered_message_is_gone_after_a_restart),
		BOTH(results_of_single_recipients_survive),
		BOTH(commits_of_one_turn_share_a_sync),
		BOTH(an_aborted_message_leaves_nothing),
		BOTH(ids_grow_over_restarts),
		BOTH(a_second_process_is_kept_out),
		BOTH(views_nest_and_outlive_the_last_result),
		BOTH(an_unsynced_spool_works_without_syncs),
		cmocka_unit_test(commits_are_counted_by_size_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
