/* SPDX-License-Identifier: Apache-2.0 */
/* The sink's script: how rules are written, and how often they strike. */
#include "tests/unit/bench/unit.h"

#include <errno.h>

#include "bench/bench_fault.h"
#include "bench/bench_rng.h"

enum {
	ROLLS = 20000
};

static unsigned count(const struct bench_faults *faults, enum bench_phase phase,
		      int kind, unsigned code)
{
	uint64_t rng = bench_rng_stream(1, 0);
	unsigned n = 0;

	for (int i = 0; i < ROLLS; i++) {
		struct bench_fault f = bench_faults_roll(faults, phase, &rng);

		n += (int)f.kind == kind && f.code == code;
	}
	return n;
}

static void a_rule_without_share_strikes_always(void **state)
{
	struct bench_faults faults = {0};

	assert_int_equal(bench_fault_reply_opt("rcpt=450", &faults), 0);
	assert_int_equal(
		count(&faults, BENCH_PHASE_RCPT, BENCH_FAULT_REPLY, 450),
		ROLLS);
}

static void other_phases_are_left_alone(void **state)
{
	struct bench_faults faults = {0};

	bench_fault_reply_opt("rcpt=450", &faults);
	bench_fault_disconnect_opt("eod", &faults);
	assert_int_equal(count(&faults, BENCH_PHASE_MAIL, BENCH_FAULT_NONE, 0),
			 ROLLS);
}

static void a_share_is_kept(void **state)
{
	struct bench_faults faults = {0};
	unsigned n;

	assert_int_equal(bench_fault_reply_opt("eod=451:10%", &faults), 0);
	n = count(&faults, BENCH_PHASE_EOD, BENCH_FAULT_REPLY, 451);
	assert_in_range(n, ROLLS / 10 - 200, ROLLS / 10 + 200);
}

static void shares_of_one_phase_add_up(void **state)
{
	struct bench_faults faults = {0};
	unsigned soft, hard, gone;

	bench_fault_reply_opt("rcpt=450:30%", &faults);
	bench_fault_reply_opt("rcpt=550:20%", &faults);
	bench_fault_disconnect_opt("rcpt:50%", &faults);
	soft = count(&faults, BENCH_PHASE_RCPT, BENCH_FAULT_REPLY, 450);
	hard = count(&faults, BENCH_PHASE_RCPT, BENCH_FAULT_REPLY, 550);
	gone = count(&faults, BENCH_PHASE_RCPT, BENCH_FAULT_HANG_UP, 0);
	assert_in_range(soft, ROLLS * 3 / 10 - 400, ROLLS * 3 / 10 + 400);
	assert_in_range(hard, ROLLS * 2 / 10 - 400, ROLLS * 2 / 10 + 400);
	assert_int_equal(soft + hard + gone, ROLLS);
}

static void a_seed_repeats_the_dice(void **state)
{
	struct bench_faults faults = {0};
	uint64_t one = bench_rng_stream(5, 3), two = bench_rng_stream(5, 3);

	bench_fault_reply_opt("mail=450:50%", &faults);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(
			bench_faults_roll(&faults, BENCH_PHASE_MAIL, &one).kind,
			bench_faults_roll(&faults, BENCH_PHASE_MAIL, &two)
				.kind);
}

static void delays_belong_to_a_phase(void **state)
{
	struct bench_faults faults = {0};
	uint64_t rng = 1;

	assert_int_equal(bench_fault_delay_opt("20", &faults), 0);
	assert_int_equal(bench_fault_delay_opt("rcpt=7", &faults), 0);
	assert_int_equal(
		bench_faults_roll(&faults, BENCH_PHASE_EOD, &rng).delay_ms, 20);
	assert_int_equal(
		bench_faults_roll(&faults, BENCH_PHASE_RCPT, &rng).delay_ms, 7);
	assert_int_equal(
		bench_faults_roll(&faults, BENCH_PHASE_DATA, &rng).delay_ms, 0);
}

static void bad_rules_are_refused(void **state)
{
	static const char *const replies[] = {
		"rcpt",	    "rcpt=",	 "rcpt=45",	 "nowhere=450",
		"=450",	    "rcpt=450:", "rcpt=450:x%",	 "rcpt=4500",
		"rcpt=4a0", "body=450",	 "rcpt=450 :1%", "rcp=450"};
	struct bench_faults faults = {0};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		assert_int_equal(bench_fault_reply_opt(replies[i], &faults),
				 -EINVAL);
	assert_int_equal(bench_fault_reply_opt("rcpt=250", &faults), -ERANGE);
	assert_int_equal(bench_fault_reply_opt("rcpt=450:101%", &faults),
			 -ERANGE);
	assert_int_equal(bench_fault_disconnect_opt("rcpt=450", &faults),
			 -EINVAL);
	assert_int_equal(bench_fault_delay_opt("x=1", &faults), -EINVAL);
	assert_int_equal(bench_fault_delay_opt("mail=", &faults), -EINVAL);
	assert_int_equal(faults.count, 0);
}

static void too_many_rules_are_refused(void **state)
{
	struct bench_faults faults = {0};

	for (int i = 0; i < BENCH_FAULT_RULES; i++)
		assert_int_equal(bench_fault_disconnect_opt("body:1%", &faults),
				 0);
	assert_int_equal(bench_fault_disconnect_opt("body:1%", &faults),
			 -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_without_share_strikes_always),
		cmocka_unit_test(other_phases_are_left_alone),
		cmocka_unit_test(a_share_is_kept),
		cmocka_unit_test(shares_of_one_phase_add_up),
		cmocka_unit_test(a_seed_repeats_the_dice),
		cmocka_unit_test(delays_belong_to_a_phase),
		cmocka_unit_test(bad_rules_are_refused),
		cmocka_unit_test(too_many_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
