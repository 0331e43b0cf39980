/* SPDX-License-Identifier: Apache-2.0 */
/* Timers against a clock that only the test moves. */
#include <stdint.h>

#include "tests/unit/uring/world.h"

enum {
	TIMERS = 200,
	STEPS = 20000,
};

struct alarm {
	struct uring_timer timer;
	struct alarms *all;
	unsigned fired;
	uint64_t at;   /* ring's time when it fired last */
	uint64_t rank; /* order among all firings */
	void (*then)(struct alarm *);
	struct alarm *other;
	uint64_t delay;
};

struct alarms {
	struct uring_fake *fake;
	struct uring *ring;
	uint64_t firings;
	struct alarm list[TIMERS];
};

static void on_alarm(void *owner)
{
	struct alarm *alarm = owner;

	alarm->fired++;
	alarm->at = uring_now(alarm->all->ring);
	alarm->rank = ++alarm->all->firings;
	if (alarm->then)
		alarm->then(alarm);
}

static int setup(void **state)
{
	struct alarms *all = calloc(1, sizeof(*all));
	struct uring_fake_config fake = {.seed = 1};
	struct uring_config config = {0};

	assert_int_equal(uring_fake_create(&fake, &all->fake), 0);
	config.backend = uring_fake_backend(all->fake);
	config.clock = uring_fake_clock(all->fake);
	assert_int_equal(uring_create(&config, &all->ring), 0);
	for (unsigned i = 0; i < TIMERS; i++) {
		all->list[i].timer.fn = on_alarm;
		all->list[i].timer.owner = &all->list[i];
		all->list[i].all = all;
	}
	*state = all;
	return 0;
}

static int teardown(void **state)
{
	struct alarms *all = *state;

	uring_destroy(&all->ring);
	free(all);
	return 0;
}

static void arm(struct alarms *all, unsigned i, uint64_t ns)
{
	uring_timer_set(all->ring, &all->list[i].timer, ns);
}

/* Let time pass and look once. */
static int pass(struct alarms *all, uint64_t ns)
{
	uring_fake_advance(all->fake, ns);
	return uring_turn(all->ring, 0);
}

static void it_fires_once_at_its_deadline(void **state)
{
	struct alarms *all = *state;
	struct alarm *a = &all->list[0];

	arm(all, 0, 100);
	assert_true(a->timer.armed);
	assert_int_equal(pass(all, 99), 0);
	assert_int_equal(a->fired, 0);
	assert_int_equal(pass(all, 1), 1); /* counted as an event */
	assert_int_equal(a->fired, 1);
	assert_false(a->timer.armed);
	pass(all, 1000);
	assert_int_equal(a->fired, 1);
}

static void deadlines_count_from_the_turns_time(void **state)
{
	struct alarms *all = *state;

	pass(all, 10);
	uring_fake_advance(all->fake, 50); /* no turn has seen this yet */
	arm(all, 0, 100);
	pass(all, 49);
	assert_int_equal(all->list[0].fired, 0);
	pass(all, 1);
	assert_int_equal(all->list[0].fired, 1);
}

static void due_timers_fire_in_order(void **state)
{
	struct alarms *all = *state;
	static const unsigned delays[] = {50, 10, 40, 20, 30, 15, 45};
	enum {
		N = sizeof(delays) / sizeof(delays[0])
	};

	for (unsigned i = 0; i < N; i++)
		arm(all, i, delays[i]);
	pass(all, 100);
	for (unsigned i = 0; i < N; i++)
		for (unsigned k = 0; k < N; k++)
			assert_int_equal(delays[i] < delays[k],
					 all->list[i].rank < all->list[k].rank);
}

static void pushing_out_keeps_it_quiet(void **state)
{
	struct alarms *all = *state;

	arm(all, 0, 100);
	arm(all, 1, 150);
	for (int i = 0; i < 50; i++) {
		pass(all, 10);
		arm(all, 0, 100);
	}
	assert_int_equal(all->list[0].fired, 0);
	assert_int_equal(all->list[1].fired, 1);
	pass(all, 100);
	assert_int_equal(all->list[0].fired, 1);
}

/* A place in the heap that is older than the deadline must not confuse. */
static void pushed_out_timers_keep_their_order(void **state)
{
	struct alarms *all = *state;

	arm(all, 0, 10);
	arm(all, 0, 300);
	arm(all, 1, 20);
	arm(all, 1, 200);
	arm(all, 2, 250);
	pass(all, 1000);
	assert_int_equal(all->list[1].rank, 1);
	assert_int_equal(all->list[2].rank, 2);
	assert_int_equal(all->list[0].rank, 3);
}

static void pulling_in_fires_early(void **state)
{
	struct alarms *all = *state;

	arm(all, 0, 100);
	arm(all, 1, 50);
	arm(all, 0, 10);
	pass(all, 10);
	assert_int_equal(all->list[0].fired, 1);
	assert_int_equal(all->list[1].fired, 0);
	pass(all, 1000);
	assert_int_equal(all->list[0].fired, 1);
}

static void cleared_it_never_fires(void **state)
{
	struct alarms *all = *state;

	uring_timer_clear(all->ring, &all->list[0].timer);
	for (unsigned i = 0; i < 5; i++)
		arm(all, i, 10 + i);
	uring_timer_clear(all->ring, &all->list[0].timer);
	uring_timer_clear(all->ring, &all->list[3].timer);
	assert_false(all->list[3].timer.armed);
	pass(all, 100);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(all->list[i].fired, i != 0 && i != 3);
}

static void a_delay_beyond_all_time_does_not_wrap(void **state)
{
	struct alarms *all = *state;

	arm(all, 0, UINT64_MAX);
	pass(all, 100 * URING_SEC);
	assert_int_equal(all->list[0].fired, 0);
	uring_timer_clear(all->ring, &all->list[0].timer);
}

static void rearm_self(struct alarm *alarm)
{
	uring_timer_set(alarm->all->ring, &alarm->timer, alarm->delay);
}

static void rearming_with_0_waits_for_the_next_turn(void **state)
{
	struct alarms *all = *state;

	all->list[0].then = rearm_self;
	arm(all, 0, 10);
	pass(all, 10);
	assert_int_equal(all->list[0].fired, 1);
	pass(all, 0);
	assert_int_equal(all->list[0].fired, 2);
	/* An unlimited wait ends at once. */
	assert_int_equal(uring_turn(all->ring, UINT64_MAX), 1);
	assert_int_equal(all->list[0].fired, 3);
	uring_timer_clear(all->ring, &all->list[0].timer);
}

static void clear_other(struct alarm *alarm)
{
	uring_timer_clear(alarm->all->ring, &alarm->other->timer);
}

static void a_handler_clears_one_that_is_due_too(void **state)
{
	struct alarms *all = *state;

	for (unsigned i = 0; i < 4; i++)
		arm(all, i, 10 + i);
	all->list[0].then = clear_other;
	all->list[0].other = &all->list[2];
	pass(all, 100);
	assert_int_equal(all->list[1].fired, 1);
	assert_int_equal(all->list[2].fired, 0);
	assert_int_equal(all->list[3].fired, 1);
	assert_false(all->list[2].timer.armed);
}

static void push_other(struct alarm *alarm)
{
	uring_timer_set(alarm->all->ring, &alarm->other->timer, alarm->delay);
}

static void a_handler_pushes_out_one_that_is_due_too(void **state)
{
	struct alarms *all = *state;

	arm(all, 0, 10);
	arm(all, 1, 20);
	all->list[0].then = push_other;
	all->list[0].other = &all->list[1];
	all->list[0].delay = 50;
	pass(all, 100);
	assert_int_equal(all->list[1].fired, 0);
	assert_true(all->list[1].timer.armed);
	pass(all, 50);
	assert_int_equal(all->list[1].fired, 1);
}

static void a_wait_ends_exactly_at_the_deadline(void **state)
{
	struct alarms *all = *state;
	uint64_t start = uring_now(all->ring);

	arm(all, 0, 10);
	arm(all, 0, 12345); /* pushed out: no turn at 10 */
	assert_int_equal(uring_turn(all->ring, UINT64_MAX), 1);
	assert_int_equal(all->list[0].at, start + 12345);
	arm(all, 0, 1000);
	assert_int_equal(uring_turn(all->ring, 400), 0);
	assert_int_equal(uring_now(all->ring), start + 12345 + 400);
	uring_timer_clear(all->ring, &all->list[0].timer);
}

/* The naive model: a deadline per timer, 0 for none. */
struct model {
	uint64_t deadline[TIMERS];
	uint64_t firings;
};

/* All that is due, by the model, in order of deadline. */
static void model_check(struct model *model, struct alarms *all,
			const unsigned *fired_before)
{
	uint64_t now = uring_now(all->ring);
	uint64_t last_rank = 0, last_deadline = 0;
	bool due;

	for (unsigned i = 0; i < TIMERS; i++) {
		due = model->deadline[i] && model->deadline[i] <= now;
		assert_int_equal(all->list[i].fired - fired_before[i], due);
		assert_int_equal(all->list[i].timer.armed,
				 model->deadline[i] && !due);
	}
	for (uint64_t rank = model->firings + 1; rank <= all->firings; rank++) {
		for (unsigned i = 0; i < TIMERS; i++) {
			if (all->list[i].rank != rank)
				continue;
			assert_true(model->deadline[i] >= last_deadline);
			last_deadline = model->deadline[i];
			last_rank = rank;
			model->deadline[i] = 0;
		}
		assert_int_equal(last_rank, rank);
	}
	model->firings = all->firings;
}

static void model_step(struct model *model, struct alarms *all, uint32_t random)
{
	unsigned fired[TIMERS];
	unsigned i = random / 16 % TIMERS;
	uint64_t delay = random / 4096 % 1000;

	switch (random % 16) {
	case 0:
		for (unsigned k = 0; k < TIMERS; k++)
			fired[k] = all->list[k].fired;
		pass(all, delay / 10);
		model_check(model, all, fired);
		break;
	case 1:
	case 2:
		uring_timer_clear(all->ring, &all->list[i].timer);
		model->deadline[i] = 0;
		break;
	default:
		arm(all, i, delay);
		model->deadline[i] = uring_now(all->ring) + delay;
		break;
	}
}

static void it_behaves_like_a_naive_model(void **state)
{
	struct alarms *all = *state;
	struct model model = {.firings = 0};
	uint64_t random = 42;

	for (unsigned i = 0; i < STEPS; i++) {
		random = random * UINT64_C(6364136223846793005) + 1;
		model_step(&model, all, (uint32_t)(random >> 32));
	}
	assert_true(model.firings > TIMERS);
	for (unsigned i = 0; i < TIMERS; i++)
		uring_timer_clear(all->ring, &all->list[i].timer);
}

/* Handlers that arm, push and clear others at random, for ASan. */
static void meddle(struct alarm *alarm)
{
	struct alarms *all = alarm->all;

	for (unsigned k = 1; k < 4; k++) {
		unsigned i = (unsigned)(all->firings * 7 * k) % TIMERS;

		if ((all->firings + k) % 3)
			arm(all, i, all->firings * k % 50);
		else
			uring_timer_clear(all->ring, &all->list[i].timer);
	}
}

static void handlers_may_meddle(void **state)
{
	struct alarms *all = *state;

	for (unsigned i = 0; i < TIMERS; i++) {
		all->list[i].then = meddle;
		arm(all, i, i % 20);
	}
	for (unsigned i = 0; i < 500; i++)
		assert_true(pass(all, 5) >= 0);
	assert_true(all->firings > TIMERS);
	for (unsigned i = 0; i < TIMERS; i++)
		uring_timer_clear(all->ring, &all->list[i].timer);
	assert_int_equal(pass(all, 1000), 0);
}

static void the_monotonic_clock_does_not_go_back(void **state)
{
	const struct uring_clock *clock = uring_clock_monotonic();
	uint64_t last = clock->now(clock);

	for (int i = 0; i < 1000; i++) {
		assert_true(clock->now(clock) >= last);
		last = clock->now(clock);
	}
}

#define ALARM_TEST(function) \
	cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ALARM_TEST(it_fires_once_at_its_deadline),
		ALARM_TEST(deadlines_count_from_the_turns_time),
		ALARM_TEST(due_timers_fire_in_order),
		ALARM_TEST(pushing_out_keeps_it_quiet),
		ALARM_TEST(pushed_out_timers_keep_their_order),
		ALARM_TEST(pulling_in_fires_early),
		ALARM_TEST(cleared_it_never_fires),
		ALARM_TEST(a_delay_beyond_all_time_does_not_wrap),
		ALARM_TEST(rearming_with_0_waits_for_the_next_turn),
		ALARM_TEST(a_handler_clears_one_that_is_due_too),
		ALARM_TEST(a_handler_pushes_out_one_that_is_due_too),
		ALARM_TEST(a_wait_ends_exactly_at_the_deadline),
		ALARM_TEST(it_behaves_like_a_naive_model),
		ALARM_TEST(handlers_may_meddle),
		cmocka_unit_test(the_monotonic_clock_does_not_go_back),
	};

	return cmocka_run_group_tests_name("uring_timer", tests, NULL, NULL);
}
