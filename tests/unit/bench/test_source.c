/* SPDX-License-Identifier: Apache-2.0 */
/* The source's steps: when messages are due, and where time is booked. */
#include "tests/unit/bench/unit.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_clock.h"
#include "bench/source/source_latency.h"
#include "bench/source/source_pace.h"

static void without_a_rate_nothing_waits(void **state)
{
	struct source_pace p;
	uint64_t due, turned, before = bench_clock_ns();

	source_pace_init(&p, 0);
	source_pace_start(&p, before + 3600000000000ull);
	assert_true(source_pace_wait(&p, 1000000, &due, &turned));
	assert_int_equal(due, turned);
	assert_true(due >= before);
	source_pace_deinit(&p);
}

static void what_is_overdue_is_due_when_it_was(void **state)
{
	struct source_pace p;
	uint64_t due, turned, start = bench_clock_ns() - 60000000000ull;

	source_pace_init(&p, 250);
	source_pace_start(&p, start);
	for (uint64_t i = 0; i < 1000; i += 100) {
		assert_true(source_pace_wait(&p, i, &due, &turned));
		assert_int_equal(due, start + i * 4000000);
		assert_true(turned > due);
	}
	source_pace_deinit(&p);
}

static void nothing_begins_before_it_is_due(void **state)
{
	struct source_pace p;
	uint64_t due, turned, start = bench_clock_ns();

	source_pace_init(&p, 1000);
	source_pace_start(&p, start);
	for (uint64_t i = 0; i < 20; i++) {
		assert_true(source_pace_wait(&p, i, &due, &turned));
		assert_int_equal(due, start + i * 1000000);
		assert_true(turned >= due);
		assert_true(bench_clock_ns() >= due);
	}
	source_pace_deinit(&p);
}

static void *wait_for_ever(void *arg)
{
	uint64_t due, turned;

	/* Not before the year 2050. */
	return source_pace_wait(arg, UINT64_MAX, &due, &turned) ? arg : NULL;
}

static void stopping_ends_waits(void **state)
{
	struct source_pace p;
	pthread_t thread;
	void *went_on;

	source_pace_init(&p, 0.001);
	source_pace_start(&p, bench_clock_ns());
	assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, &p), 0);
	source_pace_stop(&p);
	assert_int_equal(pthread_join(thread, &went_on), 0);
	assert_null(went_on);
	assert_null(wait_for_ever(&p));
	source_pace_deinit(&p);
}

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct source_latency));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void assert_only(const struct source_latency *l, enum source_phase phase,
			uint64_t took)
{
	const struct bench_histogram *h = &l->phases[phase];

	assert_int_equal(h->count, 1);
	assert_int_equal(h->max, took);
}

static void a_message_is_the_sum_of_its_steps(void **state)
{
	struct source_latency *l = *state;
	const struct source_send_times t = {1000, 1300, 1350, 2000};

	source_latency_add_send(l, &t, 900, 900);
	assert_int_equal(l->phases[SOURCE_PHASE_WAIT].count, 0);
	assert_only(l, SOURCE_PHASE_ENVELOPE, 300);
	assert_only(l, SOURCE_PHASE_BODY, 50);
	assert_only(l, SOURCE_PHASE_REPLY, 650);
	assert_only(l, SOURCE_PHASE_TRANSACTION, 1000);
	assert_only(l, SOURCE_PHASE_MESSAGE, 1100);
}

static void a_body_without_leave_has_no_envelope(void **state)
{
	struct source_latency *l = *state;
	const struct source_send_times t = {1000, 0, 1350, 2000};

	source_latency_add_send(l, &t, 1000, 1000);
	assert_int_equal(l->phases[SOURCE_PHASE_ENVELOPE].count, 0);
	assert_only(l, SOURCE_PHASE_BODY, 350);
}

static void a_late_message_counts_from_when_it_was_due(void **state)
{
	struct source_latency *l = *state;
	const struct source_send_times t = {1000, 1300, 1350, 2000};

	source_latency_add_send(l, &t, 200, 700);
	assert_only(l, SOURCE_PHASE_WAIT, 500);
	assert_only(l, SOURCE_PHASE_MESSAGE, 1800);
	assert_only(l, SOURCE_PHASE_TRANSACTION, 1000);
}

static void steps_that_were_not_are_not_counted(void **state)
{
	struct source_latency *l = *state;
	const struct source_open_times t = {{5, 7, 0, 0}};

	source_latency_add_open(l, &t);
	assert_only(l, SOURCE_PHASE_CONNECT, 5);
	assert_only(l, SOURCE_PHASE_GREETING, 7);
	assert_int_equal(l->phases[SOURCE_PHASE_HANDSHAKE].count, 0);
	assert_int_equal(l->phases[SOURCE_PHASE_EHLO].count, 0);
}

#define WITH_LATENCY(test) \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rate_nothing_waits),
		cmocka_unit_test(what_is_overdue_is_due_when_it_was),
		cmocka_unit_test(nothing_begins_before_it_is_due),
		cmocka_unit_test(stopping_ends_waits),
		WITH_LATENCY(a_message_is_the_sum_of_its_steps),
		WITH_LATENCY(a_body_without_leave_has_no_envelope),
		WITH_LATENCY(a_late_message_counts_from_when_it_was_due),
		WITH_LATENCY(steps_that_were_not_are_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
