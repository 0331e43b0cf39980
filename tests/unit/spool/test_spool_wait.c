/* SPDX-License-Identifier: Apache-2.0 */
/* Writers wait when the disk is behind, in order, and nobody is forgotten. */
#include "tests/unit/spool/spool_world.h"

#include <string.h>

#include "gateway/spool/spool_private.h"

enum {
	WRITERS = 4,
	LIMIT = 2 * SPOOL_CHUNK,
};

struct waiting {
	struct world *w;
	struct spool_waiter waiter;
	struct spool_writer *writer;
	unsigned called;
	unsigned order;
	unsigned *calls; /* of all */
	bool again;	 /* wait again when called */
};

static void on_room(void *owner)
{
	struct waiting *waiting = owner;

	waiting->called++;
	waiting->order = ++*waiting->calls;
	if (waiting->again) {
		waiting->again = false;
		spool_wait(waiting->w->spool, &waiting->waiter);
	}
}

static void setup(struct world *w)
{
	world_init(w);
	w->config.max_unwritten = LIMIT;
	w->config.segment_size = 8 * 1024 * 1024;
	world_open(w);
}

/* Write until there is no room, without a turn. Returns the bytes. */
static size_t fill_until_behind(struct spool_writer *writer)
{
	unsigned char *data;
	size_t room, sum = 0;

	while ((room = spool_reserve(writer, &data))) {
		memset(data, 'x', room);
		spool_advance(writer, room);
		sum += room;
		assert_true(sum < 64 * LIMIT);
	}
	return sum;
}

static void a_writer_is_stopped_near_the_limit(void **state)
{
	struct world w;
	struct spool_writer *writer;
	size_t sum;

	setup(&w);
	writer = world_begin(&w);
	sum = fill_until_behind(writer);
	assert_true(sum >= LIMIT && sum <= 2 * LIMIT);
	world_settle(&w);
	assert_true(fill_until_behind(writer) >= LIMIT);
	spool_abort(&writer);
	world_end(&w);
}

static void waiters_are_called_once_and_in_order(void **state)
{
	struct world w;
	struct waiting waiting[WRITERS] = {0};
	struct spool_writer *writer;
	unsigned calls = 0;

	setup(&w);
	writer = world_begin(&w);
	fill_until_behind(writer);
	for (unsigned i = 0; i < WRITERS; i++) {
		waiting[i].calls = &calls;
		waiting[i].waiter.fn = on_room;
		waiting[i].waiter.owner = &waiting[i];
		spool_wait(w.spool, &waiting[i].waiter);
		spool_wait(w.spool, &waiting[i].waiter);
	}
	assert_int_equal(calls, 0);
	world_settle(&w);
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_int_equal(waiting[i].called, 1);
		assert_int_equal(waiting[i].order, i + 1);
		assert_null(waiting[i].waiter.next);
	}
	spool_abort(&writer);
	world_end(&w);
}

static void a_removed_waiter_is_not_called(void **state)
{
	struct world w;
	struct waiting waiting[2] = {0};
	unsigned calls = 0;

	setup(&w);
	for (unsigned i = 0; i < 2; i++) {
		waiting[i].calls = &calls;
		waiting[i].waiter.fn = on_room;
		waiting[i].waiter.owner = &waiting[i];
		spool_wait(w.spool, &waiting[i].waiter);
	}
	spool_unwait(w.spool, &waiting[0].waiter);
	spool_unwait(w.spool, &waiting[0].waiter);
	world_settle(&w);
	assert_int_equal(waiting[0].called, 0);
	assert_int_equal(waiting[1].called, 1);
	world_end(&w);
}

static void one_who_waits_again_is_called_again(void **state)
{
	struct world w;
	struct waiting waiting = {.w = &w, .again = true};
	unsigned calls = 0;

	setup(&w);
	waiting.calls = &calls;
	waiting.waiter.fn = on_room;
	waiting.waiter.owner = &waiting;
	spool_wait(w.spool, &waiting.waiter);
	world_settle(&w);
	assert_int_equal(calls, 2);
	world_end(&w);
}

/* With one operation in flight at most, everything takes longer. */
static void a_ring_without_free_operations_only_delays(void **state)
{
	struct world w;

	world_init(&w);
	w.max_ops = 1;
	w.config.segment_size = 256 * 1024;
	world_open(&w);
	for (size_t i = 0; i < 20; i++)
		world_deliver(&w, world_put(&w, i, 40000, 1));
	for (size_t i = 0; i < 5; i++)
		world_put(&w, i, 300000, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 5);
	for (size_t i = 0; i < 5; i++)
		world_check(&w, w.found[i], i, 300000, 1);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_writer_is_stopped_near_the_limit),
		cmocka_unit_test(waiters_are_called_once_and_in_order),
		cmocka_unit_test(a_removed_waiter_is_not_called),
		cmocka_unit_test(one_who_waits_again_is_called_again),
		cmocka_unit_test(a_ring_without_free_operations_only_delays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
