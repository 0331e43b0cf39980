/* SPDX-License-Identifier: Apache-2.0 */
/* Rates, and connections shared out among workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/queue/throttle.h"

#define SECOND	UINT64_C(1000000000)
#define WORKERS 4

static const struct config_destination no_rule;

/* --- rates --- */

/* Sends as fast as allowed from @now to @end; returns how often. */
static unsigned send_all(struct rate *rate, const struct config_rate *limit,
			 unsigned halvings, uint64_t now, uint64_t end)
{
	unsigned sent = 0;

	while (now < end) {
		now = rate_take(rate, limit, halvings, now);
		sent += now < end;
	}
	return sent;
}

static void a_rate_is_kept(void **state)
{
	const struct config_rate limit = {.count = 10, .period = SECOND};
	struct rate rate = {0};

	/* A second's worth at once, then 10 in each. */
	assert_int_equal(send_all(&rate, &limit, 0, 100 * SECOND, 160 * SECOND),
			 10 + 599);
}

static void a_slow_rate_never_sends_two_at_once(void **state)
{
	const struct config_rate limit = {.count = 60, .period = 3600 * SECOND};
	struct rate rate = {0};

	assert_int_equal(rate_take(&rate, &limit, 0, SECOND), SECOND);
	assert_int_equal(rate_take(&rate, &limit, 0, SECOND), 61 * SECOND);
	assert_int_equal(rate_take(&rate, &limit, 0, SECOND), 121 * SECOND);
}

static void a_pause_saves_up_a_second_and_no_more(void **state)
{
	const struct config_rate limit = {.count = 5, .period = SECOND};
	struct rate rate = {0};
	uint64_t now = 1000 * SECOND;

	for (int round = 0; round < 3; round++, now += 500 * SECOND) {
		for (int i = 0; i < 5; i++)
			assert_int_equal(rate_take(&rate, &limit, 0, now), now);
		assert_int_equal(rate_take(&rate, &limit, 0, now),
				 now + SECOND / 5);
	}
}

static void a_halving_halves(void **state)
{
	const struct config_rate limit = {.count = 8, .period = SECOND};
	struct rate rate = {0};

	assert_int_equal(send_all(&rate, &limit, 1, SECOND, 101 * SECOND),
			 4 + 399);
}

static void no_limit_is_no_limit(void **state)
{
	const struct config_rate limit = {0};
	struct rate rate = {0};

	for (int i = 0; i < 1000; i++)
		assert_int_equal(rate_take(&rate, &limit, 0, 7), 7);
	assert_true(rate_rests(&rate, 0));
}

struct taker {
	struct rate *rate;
	uint64_t latest;
};

static void *take_many(void *arg)
{
	const struct config_rate limit = {.count = 1000, .period = SECOND};
	struct taker *t = arg;

	for (int i = 0; i < 5000; i++) {
		uint64_t at = rate_take(t->rate, &limit, 0, SECOND);

		if (at > t->latest)
			t->latest = at;
	}
	return NULL;
}

static void threads_share_one_rate(void **state)
{
	struct rate rate = {0};
	struct taker takers[WORKERS];
	pthread_t threads[WORKERS];
	uint64_t latest = 0;

	for (int i = 0; i < WORKERS; i++) {
		takers[i] = (struct taker){.rate = &rate};
		pthread_create(&threads[i], NULL, take_many, &takers[i]);
	}
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		if (takers[i].latest > latest)
			latest = takers[i].latest;
	}
	/* 20,000 places, 1 ms each, a second's worth in advance. */
	assert_int_equal(latest, SECOND + (4 * 5000 - 1000) * (SECOND / 1000));
}

/* --- connections --- */

struct fixture {
	struct throttles *all;
	struct throttle_claim claims[WORKERS];
	unsigned wakes[WORKERS];
};

static void woken(void *arg)
{
	++*(unsigned *)arg;
}

static struct fixture *start(unsigned limit)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	assert_int_equal(throttles_create(WORKERS, &f->all), 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		throttles_sit(f->all, i, woken, &f->wakes[i]);
		assert_true(throttle_claim(f->all, i, "key", &no_rule, limit,
					   &f->claims[i], &f->claims[i], 0));
	}
	return f;
}

static void finish(struct fixture *f)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		throttle_settle(&f->claims[i], false);
		while (f->claims[i].held > 0)
			throttle_close(&f->claims[i],
				       f->claims[i].yielding > 0);
		throttle_disclaim(&f->claims[i], 0);
	}
	throttles_destroy(&f->all);
	test_free(f);
}

static unsigned open_many(struct throttle_claim *claim, unsigned count)
{
	unsigned opened = 0;

	while (count-- > 0)
		opened += throttle_open(claim);
	return opened;
}

static void claims_of_one_key_share_the_limit(void **state)
{
	struct fixture *f = start(5);

	assert_int_equal(open_many(&f->claims[0], 3), 3);
	assert_int_equal(open_many(&f->claims[1], 3), 2);
	assert_int_equal(throttle_count(f->claims[0].throttle), 5);
	finish(f);
}

static void other_keys_have_limits_of_their_own(void **state)
{
	struct fixture *f = start(1);
	struct throttle_claim other;

	assert_true(throttle_claim(f->all, 0, "other", &no_rule, 1, &other,
				   &other, 0));
	assert_true(throttle_open(&f->claims[0]));
	assert_true(throttle_open(&other));
	throttle_close(&other, false);
	throttle_disclaim(&other, 0);
	finish(f);
}

static void one_that_ends_is_given_to_the_first_in_line(void **state)
{
	struct fixture *f = start(1);

	assert_true(throttle_open(&f->claims[0]));
	assert_false(throttle_open(&f->claims[1]));
	assert_false(throttle_open(&f->claims[2]));
	throttle_close(&f->claims[0], false);
	assert_int_equal(f->wakes[1], 1);
	assert_int_equal(f->wakes[2], 0);
	assert_ptr_equal(throttles_attend(f->all, 1), &f->claims[1]);
	assert_null(throttles_attend(f->all, 1));
	/* It is kept for it: others wait. */
	assert_false(throttle_open(&f->claims[0]));
	assert_true(throttle_open(&f->claims[1]));
	finish(f);
}

static void what_was_given_and_is_not_used_goes_on(void **state)
{
	struct fixture *f = start(1);

	assert_true(throttle_open(&f->claims[0]));
	assert_false(throttle_open(&f->claims[1]));
	assert_false(throttle_open(&f->claims[2]));
	throttle_close(&f->claims[0], false);
	throttle_settle(&f->claims[1], false);
	assert_int_equal(f->wakes[2], 1);
	assert_true(throttle_open(&f->claims[2]));
	finish(f);
}

static void nobody_yields_while_nobody_waits(void **state)
{
	struct fixture *f = start(4);

	assert_int_equal(open_many(&f->claims[0], 4), 4);
	assert_false(throttle_yields(&f->claims[0], true, true));
	finish(f);
}

static void who_has_more_than_his_share_yields_to_the_hungry(void **state)
{
	struct fixture *f = start(4);

	assert_int_equal(open_many(&f->claims[0], 4), 4);
	assert_false(throttle_open(&f->claims[1]));
	assert_true(throttle_yields(&f->claims[0], false, false));
	/* One is on its way already: no second one for one that waits. */
	assert_false(throttle_yields(&f->claims[0], false, false));
	throttle_close(&f->claims[0], true);
	assert_true(throttle_open(&f->claims[1]));
	finish(f);
}

static void shares_become_equal(void **state)
{
	struct fixture *f = start(8);

	assert_int_equal(open_many(&f->claims[0], 8), 8);
	/* All others want as much as they get; the first gives what it must. */
	for (int round = 0; round < 100; round++)
		for (unsigned i = 0; i < WORKERS; i++) {
			(void)open_many(&f->claims[i], 2);
			if (f->claims[i].held > f->claims[i].granted &&
			    throttle_yields(&f->claims[i], false, false))
				throttle_close(&f->claims[i], true);
		}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(f->claims[i].held, 2);
	finish(f);
}

static void with_less_than_one_each_all_have_their_turn(void **state)
{
	struct fixture *f = start(1);
	unsigned turns[WORKERS] = {0};

	for (int round = 0; round < 40; round++)
		for (unsigned i = 0; i < WORKERS; i++) {
			if (f->claims[i].held > f->claims[i].granted) {
				if (throttle_yields(&f->claims[i], true, false))
					throttle_close(&f->claims[i], true);
				continue;
			}
			turns[i] += throttle_open(&f->claims[i]);
			assert_true(throttle_count(f->claims[0].throttle) <= 1);
		}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_true(turns[i] >= 8);
	finish(f);
}

static void idle_ones_are_asked_for_at_once(void **state)
{
	struct fixture *f = start(1);

	assert_true(throttle_open(&f->claims[0]));
	throttle_idle(&f->claims[0], 1);
	assert_false(throttle_open(&f->claims[1]));
	assert_int_equal(f->wakes[0], 1);
	assert_true(throttle_yields(&f->claims[0], false, true));
	throttle_idle(&f->claims[0], -1);
	finish(f);
}

static void nobody_gives_up_an_idle_one_for_himself(void **state)
{
	struct fixture *f = start(1);

	assert_true(throttle_open(&f->claims[0]));
	assert_false(throttle_open(&f->claims[0]));
	throttle_idle(&f->claims[0], 1);
	assert_false(throttle_yields(&f->claims[0], true, true));
	assert_false(throttle_open(&f->claims[1]));
	assert_true(throttle_yields(&f->claims[0], false, true));
	throttle_idle(&f->claims[0], -1);
	finish(f);
}

static void who_waits_no_more_is_out_of_the_line(void **state)
{
	struct fixture *f = start(1);

	assert_true(throttle_open(&f->claims[0]));
	assert_false(throttle_open(&f->claims[1]));
	throttle_settle(&f->claims[1], false);
	assert_false(throttle_yields(&f->claims[0], true, true));
	throttle_close(&f->claims[0], false);
	assert_int_equal(f->wakes[1], 0);
	finish(f);
}

/* --- trouble --- */

static void slowing_down_takes_connections_back(void **state)
{
	struct fixture *f = start(4);
	struct throttle *t = f->claims[0].throttle;

	assert_int_equal(open_many(&f->claims[0], 4), 4);
	assert_true(throttle_slow_down(t, 60 * SECOND, 100 * SECOND));
	assert_int_equal(throttle_limit(t), 2);
	assert_true(throttle_yields(&f->claims[0], false, false));
	assert_true(throttle_yields(&f->claims[0], false, false));
	assert_false(throttle_yields(&f->claims[0], false, false));
	finish(f);
}

static void trouble_heard_by_many_connections_counts_once(void **state)
{
	struct fixture *f = start(8);
	struct throttle *t = f->claims[0].throttle;

	for (int i = 0; i < 8; i++)
		(void)throttle_slow_down(t, 60 * SECOND, 100 * SECOND + i);
	assert_int_equal(throttle_limit(t), 4);
	assert_true(throttle_slow_down(t, 60 * SECOND, 120 * SECOND));
	assert_int_equal(throttle_limit(t), 2);
	finish(f);
}

static void it_recovers_step_by_step(void **state)
{
	struct fixture *f = start(8);
	struct throttle *t = f->claims[0].throttle;

	(void)throttle_slow_down(t, 60 * SECOND, 100 * SECOND);
	(void)throttle_slow_down(t, 60 * SECOND, 120 * SECOND);
	assert_false(throttle_delivered(t, 170 * SECOND));
	assert_true(throttle_delivered(t, 181 * SECOND));
	assert_int_equal(throttle_limit(t), 4);
	assert_false(throttle_delivered(t, 182 * SECOND));
	assert_true(throttle_delivered(t, 250 * SECOND));
	assert_int_equal(throttle_limit(t), 8);
	assert_false(throttle_delivered(t, 1000 * SECOND));
	finish(f);
}

static void room_that_comes_back_is_given_out(void **state)
{
	struct fixture *f = start(2);
	struct throttle *t = f->claims[0].throttle;

	(void)throttle_slow_down(t, SECOND, 100 * SECOND);
	assert_true(throttle_open(&f->claims[0]));
	assert_false(throttle_open(&f->claims[1]));
	assert_true(throttle_delivered(t, 102 * SECOND));
	assert_int_equal(f->wakes[1], 1);
	assert_true(throttle_open(&f->claims[1]));
	finish(f);
}

static void at_least_one_connection_is_left(void **state)
{
	struct fixture *f = start(2);
	struct throttle *t = f->claims[0].throttle;

	for (uint64_t i = 1; i < 40; i++)
		(void)throttle_slow_down(t, SECOND, i * 100 * SECOND);
	assert_int_equal(throttle_limit(t), 1);
	assert_true(throttle_open(&f->claims[0]));
	finish(f);
}

static void a_suspension_ends_by_itself_or_is_ended_for_all(void **state)
{
	struct fixture *f = start(1);
	struct throttle *t = f->claims[0].throttle;

	assert_int_equal(throttle_suspended(t, 5), 0);
	throttle_suspend(t, 100);
	throttle_suspend(t, 50); /* never shorter */
	assert_int_equal(throttle_suspended(t, 99), 100);
	assert_int_equal(throttle_suspended(t, 100), 0);
	throttle_suspend(t, 0);
	assert_int_equal(throttle_suspended(t, 5), 0);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(f->wakes[i], 1);
	finish(f);
}

/* --- memory --- */

static void what_is_remembered_outlives_its_mail(void **state)
{
	static const struct config_destination rule = {
		.message_rate = {.count = 1, .period = 3600 * SECOND}};
	struct throttles *all;
	struct throttle_claim claim;
	uint64_t now = SECOND;

	assert_int_equal(throttles_create(1, &all), 0);
	assert_true(throttle_claim(all, 0, "a", &rule, 1, &claim, &claim, now));
	assert_int_equal(throttle_message_at(&claim, now), now);
	throttle_message_used(&claim);
	throttle_disclaim(&claim, now);
	for (int i = 0; i < 100; i++) { /* others come and go */
		char key[16];

		snprintf(key, sizeof(key), "b%d", i);
		assert_true(throttle_claim(all, 0, key, &no_rule, 1, &claim,
					   &claim, now));
		throttle_disclaim(&claim, now);
	}
	assert_true(throttle_claim(all, 0, "a", &rule, 1, &claim, &claim, now));
	assert_int_equal(throttle_message_at(&claim, now), now + 3600 * SECOND);
	throttle_disclaim(&claim, now);
	throttles_destroy(&all);
}

/* --- threads --- */

struct worker {
	struct throttles *all;
	unsigned index;
	atomic_uint *open, *most;
	unsigned turns;
};

/* Opens, is of use, closes; waits in line by asking again. */
static void *compete(void *arg)
{
	struct worker *w = arg;
	struct throttle_claim claim;

	assert_true(throttle_claim(w->all, w->index, "one", &no_rule, 3, &claim,
				   &claim, 0));
	while (w->turns < 2000) {
		bool yielded;
		unsigned now_open, most;

		if (!throttle_open(&claim)) {
			(void)throttles_attend(w->all, w->index);
			sched_yield();
			continue;
		}
		now_open = atomic_fetch_add(w->open, 1) + 1;
		most = atomic_load(w->most);
		while (now_open > most &&
		       !atomic_compare_exchange_weak(w->most, &most, now_open))
			;
		w->turns++;
		yielded = throttle_yields(&claim, true, false);
		atomic_fetch_sub(w->open, 1);
		throttle_close(&claim, yielded);
	}
	throttle_settle(&claim, false);
	throttle_disclaim(&claim, 0);
	return NULL;
}

static void threads_never_hold_more_than_the_limit(void **state)
{
	struct throttles *all;
	struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	atomic_uint open = 0, most = 0;
	unsigned wakes[WORKERS] = {0};

	assert_int_equal(throttles_create(WORKERS, &all), 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		throttles_sit(all, i, woken, &wakes[i]);
		workers[i] = (struct worker){all, i, &open, &most, 0};
		pthread_create(&threads[i], NULL, compete, &workers[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&most) <= 3);
	throttles_destroy(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_kept),
		cmocka_unit_test(a_slow_rate_never_sends_two_at_once),
		cmocka_unit_test(a_pause_saves_up_a_second_and_no_more),
		cmocka_unit_test(a_halving_halves),
		cmocka_unit_test(no_limit_is_no_limit),
		cmocka_unit_test(threads_share_one_rate),
		cmocka_unit_test(claims_of_one_key_share_the_limit),
		cmocka_unit_test(other_keys_have_limits_of_their_own),
		cmocka_unit_test(one_that_ends_is_given_to_the_first_in_line),
		cmocka_unit_test(what_was_given_and_is_not_used_goes_on),
		cmocka_unit_test(nobody_yields_while_nobody_waits),
		cmocka_unit_test(
			who_has_more_than_his_share_yields_to_the_hungry),
		cmocka_unit_test(shares_become_equal),
		cmocka_unit_test(with_less_than_one_each_all_have_their_turn),
		cmocka_unit_test(idle_ones_are_asked_for_at_once),
		cmocka_unit_test(nobody_gives_up_an_idle_one_for_himself),
		cmocka_unit_test(who_waits_no_more_is_out_of_the_line),
		cmocka_unit_test(slowing_down_takes_connections_back),
		cmocka_unit_test(trouble_heard_by_many_connections_counts_once),
		cmocka_unit_test(it_recovers_step_by_step),
		cmocka_unit_test(room_that_comes_back_is_given_out),
		cmocka_unit_test(at_least_one_connection_is_left),
		cmocka_unit_test(
			a_suspension_ends_by_itself_or_is_ended_for_all),
		cmocka_unit_test(what_is_remembered_outlives_its_mail),
		cmocka_unit_test(threads_never_hold_more_than_the_limit),
	};

	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
