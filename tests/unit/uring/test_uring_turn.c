/* SPDX-License-Identifier: Apache-2.0 */
/* Turns: bounded, ended by timers, wakes and signals; the SQ, the CQ and the
 * pool when they are full. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tests/unit/uring/world.h"

enum {
	TURN_LIMIT = 256,
};

static void a_turn_dispatches_a_bounded_number(void **state)
{
	struct world *w = *state;
	unsigned before;
	int ret;

	for (int i = 0; i < 1000; i++)
		assert_non_null(uring_nop(w->ring, world_target(w, i)));
	while (w->count < 1000) {
		before = w->count;
		w->turning = true;
		ret = uring_turn(w->ring, 0);
		w->turning = false;
		assert_in_range(ret, 0, TURN_LIMIT);
		assert_int_equal(w->count - before, ret);
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(world_record(w, i)->res, 0);
}

static void submit_again(struct world *w, const struct uring_event *event,
			 const struct record *record)
{
	uring_nop(w->ring, world_target(w, record->tag));
}

/* Work that breeds work must not keep a turn from ending. */
static void handlers_cannot_make_a_turn_endless(void **state)
{
	struct world *w = *state;

	w->then = submit_again;
	for (int i = 0; i < 10; i++)
		uring_nop(w->ring, world_target(w, i));
	for (int i = 0; i < 20; i++) {
		unsigned before = w->count;

		world_turn(w, 0);
		assert_in_range(w->count - before, 0, 10);
	}
	w->then = NULL;
	world_settle(w);
}

static void all_handlers_of_a_turn_see_one_time(void **state)
{
	struct world *w = *state;
	uint64_t now = uring_now(w->ring);

	if (w->fake)
		uring_fake_advance(w->fake, 1000);
	assert_int_equal(uring_now(w->ring), now);
	world_turn(w, 0);
	if (w->fake)
		assert_int_equal(uring_now(w->ring), now + 1000);
	assert_true(uring_now(w->ring) >= now);
}

static void a_wait_ends_without_events(void **state)
{
	struct world *w = *state;
	uint64_t start = uring_now(w->ring);

	while (uring_now(w->ring) < start + 20 * URING_MSEC)
		world_turn(w, 5 * URING_MSEC);
	assert_int_equal(w->count, 0);
}

static void count_call(void *owner)
{
	++*(unsigned *)owner;
}

static void a_wait_ends_with_a_timer(void **state)
{
	struct world *w = *state;
	unsigned fired = 0;
	struct uring_timer timer = {.fn = count_call, .owner = &fired};
	uint64_t start = uring_now(w->ring);

	uring_timer_set(w->ring, &timer, 2 * URING_MSEC);
	while (fired == 0)
		world_turn(w, UINT64_MAX);
	assert_true(uring_now(w->ring) >= start + 2 * URING_MSEC);
}

static void stats_add_up(void **state)
{
	struct world *w = *state;
	const struct uring_stats *stats = uring_stats(w->ring);
	uint64_t submitted = stats->submitted;

	for (int i = 0; i < 10; i++)
		uring_nop(w->ring, world_target(w, i));
	world_await(w, 10);
	assert_true(stats->turns > 0);
	assert_true(stats->submitted >= submitted + 10);
	assert_true(stats->completions >= 10);
	assert_int_equal(stats->cancelled, 0);
	assert_int_equal(stats->stale, 0);
}

/* A ring of its own size in the same world. */
static struct world *sized(void **state, unsigned entries, unsigned max_ops)
{
	return world_new(
		world_kind(*state),
		(struct uring_config){.entries = entries, .max_ops = max_ops},
		(struct uring_fake_config){.seed = 7});
}

static void a_full_sq_is_submitted_early(void **state)
{
	struct world *w = sized(state, 2, 0);
	char out[300], in[sizeof(out)];
	int fds[2];

	world_pair(w, fds);
	for (int i = 0; i < 300; i++) {
		out[i] = (char)i;
		assert_non_null(uring_recv(w->ring, world_target(w, i), fds[0],
					   &in[i], 1, 0));
	}
	assert_true(uring_stats(w->ring)->sq_full > 0);
	world_write(w, fds[1], out, sizeof(out));
	world_await(w, 300);
	for (int i = 0; i < 300; i++)
		assert_int_equal(world_record(w, i)->res, 1);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
	world_free(w);
}

/* Far more completions than the CQ holds (entries x 4). */
static void no_completion_is_lost_when_the_cq_overflows(void **state)
{
	struct world *w = sized(state, 2, 0);

	for (int i = 0; i < 1000; i++)
		assert_non_null(uring_nop(w->ring, world_target(w, i)));
	world_await(w, 1000);
	world_linger(w);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(world_record(w, i)->res, 0);
	assert_int_equal(uring_inflight(w->ring), 0);
	world_free(w);
}

static void the_pool_has_an_end(void **state)
{
	struct world *w = sized(state, 0, 50);
	struct uring_op *ops[50];
	char bytes[50];
	int fds[2];

	world_pair(w, fds);
	for (int i = 0; i < 50; i++) {
		ops[i] = uring_recv(w->ring, world_target(w, i), fds[0],
				    &bytes[i], 1, 0);
		assert_non_null(ops[i]);
		for (int k = 0; k < i; k++)
			assert_ptr_not_equal(ops[i], ops[k]);
	}
	assert_null(uring_nop(w->ring, world_target(w, 99)));
	assert_null(
		uring_send(w->ring, world_target(w, 99), fds[0], "x", 1, 0));
	assert_int_equal(uring_inflight(w->ring), 50);
	world_linger(w);
	assert_int_equal(w->count, 0);
	world_write(w, fds[1], "x", 1);
	world_await(w, 1);
	assert_non_null(uring_nop(w->ring, world_target(w, 98)));
	for (int i = 0; i < 50; i++)
		if (world_records(w, i) == 0)
			uring_op_cancel(w->ring, ops[i]);
	world_settle(w);
	assert_int_equal(w->count, 51);
	assert_int_equal(world_records(w, 99), 0);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
	world_free(w);
}

static void create_refuses_nonsense(void **state)
{
	struct uring_config config = {.entries = 3};
	struct uring *ring = NULL;

	assert_int_equal(uring_create(&config, &ring), -EINVAL);
	assert_null(ring);
	config = (struct uring_config){.max_ops = UINT32_MAX};
	assert_int_equal(uring_create(&config, &ring), -EINVAL);
	uring_destroy(&ring);
}

struct waker {
	struct uring *ring;
	unsigned woken;
};

static void on_wake(void *arg)
{
	struct waker *waker = arg;

	waker->woken++;
}

static void *wake_thread(void *arg)
{
	struct waker *waker = arg;

	return (void *)(intptr_t)uring_wake(waker->ring);
}

static void another_thread_wakes_the_ring(void **state)
{
	struct waker waker = {0};
	struct world *w = world_new(
		world_kind(*state),
		(struct uring_config){.on_wake = on_wake, .wake_arg = &waker},
		(struct uring_fake_config){.seed = 1});
	pthread_t thread;
	void *ret;

	waker.ring = w->ring;
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(uring_inflight(w->ring), 0);
		assert_int_equal(
			pthread_create(&thread, NULL, wake_thread, &waker), 0);
		while (waker.woken < i)
			world_turn(w, UINT64_MAX); /* a lost wake hangs */
		assert_int_equal(pthread_join(thread, &ret), 0);
		assert_null(ret);
	}
	assert_int_equal(waker.woken, 5);
	world_free(w);
}

static void wakes_may_coalesce_but_not_vanish(void **state)
{
	struct waker waker = {0};
	struct world *w = world_new(
		world_kind(*state),
		(struct uring_config){.on_wake = on_wake, .wake_arg = &waker},
		(struct uring_fake_config){.seed = 1});

	for (int i = 0; i < 100; i++)
		assert_int_equal(uring_wake(w->ring), 0);
	world_turn(w, UINT64_MAX);
	world_linger(w);
	assert_in_range(waker.woken, 1, 100);
	world_free(w);
}

static void wake_again(void *arg)
{
	struct waker *waker = arg;

	if (++waker->woken < 3)
		(void)uring_wake(waker->ring);
}

static void a_wake_from_on_wake_is_seen(void **state)
{
	struct waker waker = {0};
	struct world *w = world_new(world_kind(*state),
				    (struct uring_config){.on_wake = wake_again,
							  .wake_arg = &waker},
				    (struct uring_fake_config){.seed = 1});

	waker.ring = w->ring;
	assert_int_equal(uring_wake(w->ring), 0);
	while (waker.woken < 3)
		world_turn(w, UINT64_MAX);
	world_linger(w);
	assert_int_equal(waker.woken, 3);
	world_free(w);
}

static void on_signal(int number)
{
}

static void a_signal_ends_a_turn_without_an_error(void **state)
{
	struct world *w = *state;
	struct sigaction action = {.sa_handler = on_signal};
	struct sigaction old;
	struct itimerval once = {.it_value.tv_usec = 5000};

	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &once, NULL), 0);
	world_turn(w, UINT64_MAX);
	assert_int_equal(w->count, 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
}

int main(void)
{
	static const struct world_test tests[] = {
		WORLD_TEST(a_turn_dispatches_a_bounded_number),
		WORLD_TEST(handlers_cannot_make_a_turn_endless),
		WORLD_TEST(all_handlers_of_a_turn_see_one_time),
		WORLD_TEST(a_wait_ends_without_events),
		WORLD_TEST(a_wait_ends_with_a_timer),
		WORLD_TEST(stats_add_up),
		WORLD_TEST(a_full_sq_is_submitted_early),
		WORLD_TEST(no_completion_is_lost_when_the_cq_overflows),
		WORLD_TEST(the_pool_has_an_end),
		WORLD_TEST(create_refuses_nonsense),
		WORLD_TEST(another_thread_wakes_the_ring),
		WORLD_TEST(wakes_may_coalesce_but_not_vanish),
		WORLD_TEST(a_wake_from_on_wake_is_seen),
		WORLD_TEST_IN(a_signal_ends_a_turn_without_an_error,
			      WORLDS_REAL),
	};

	return run_worlds("uring_turn", tests,
			  sizeof(tests) / sizeof(tests[0]));
}
