/* SPDX-License-Identifier: Apache-2.0 */
/* The sink's rules: whom they strike, when and how often. */
#include "tests/unit/bench/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_rng.h"
#include "bench/sink/sink_rule.h"

enum {
	ROLLS = 20000
};

struct desk {
	struct sink_rules rules;
	struct sink_rule_counts counts;
	struct sink_grey *grey;
	struct sink_event event;
	uint64_t rng;
};

static int set_up(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));

	d->grey = sink_grey_new();
	d->rng = bench_rng_stream(1, 0);
	d->event = (struct sink_event){.phase = SINK_AT_RCPT,
				       .client = "192.0.2.1",
				       .helo = "client.example",
				       .sender = "from@a.example",
				       .recipient = "to@b.example"};
	*state = d;
	return 0;
}

static int tear_down(void **state)
{
	struct desk *d = *state;

	sink_rules_free(&d->rules);
	sink_grey_free(d->grey);
	free(d);
	return 0;
}

static struct sink_verdict ask(struct desk *d)
{
	return sink_rules_ask(&d->rules, &d->counts, d->grey, &d->event,
			      &d->rng);
}

static unsigned ask_code(struct desk *d)
{
	struct sink_verdict v = ask(d);

	return v.rule ? v.rule->code : 0;
}

static unsigned count_codes(struct desk *d, unsigned code)
{
	unsigned n = 0;

	for (int i = 0; i < ROLLS; i++)
		n += ask_code(d) == code;
	return n;
}

static struct sink_rule *add(struct desk *d, unsigned code)
{
	struct sink_rule *rule = sink_rules_add(&d->rules);

	assert_non_null(rule);
	rule->phases = (1u << SINK_PHASES) - 1;
	rule->code = code;
	return rule;
}

static void only(struct sink_patterns *patterns, const char *text)
{
	patterns->list =
		realloc(patterns->list, (patterns->count + 1) * sizeof(char *));
	patterns->list[patterns->count++] = strdup(text);
}

/* --- patterns --- */

static void patterns_match_whole_addresses(void **state)
{
	assert_true(sink_pattern_match("a@b.example", "a@b.example"));
	assert_true(sink_pattern_match("A@B.example", "a@b.EXAMPLE"));
	assert_false(sink_pattern_match("a@b.example", "a@b.example.org"));
	assert_false(sink_pattern_match("a@b.example", "xa@b.example"));
	assert_false(sink_pattern_match("", "a"));
	assert_true(sink_pattern_match("", ""));
}

static void stars_are_any_octets_and_question_marks_one(void **state)
{
	assert_true(sink_pattern_match("*@b.example", "@b.example"));
	assert_true(sink_pattern_match("*@b.example", "a@x@b.example"));
	assert_true(sink_pattern_match("a*b*c", "a-b-b-c-c"));
	assert_false(sink_pattern_match("a*b*c", "a-b-c-"));
	assert_true(sink_pattern_match("user-??@*", "user-07@x"));
	assert_false(sink_pattern_match("user-??@*", "user-7@x"));
	assert_true(sink_pattern_match("**", ""));
	assert_false(sink_pattern_match("?", ""));
}

/* Exponential matching would not end. */
static void many_stars_end(void **state)
{
	char pattern[401], text[1001];

	for (size_t i = 0; i < 400; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[400] = '\0';
	memset(text, 'a', 1000);
	text[999] = 'b';
	text[1000] = '\0';
	assert_false(sink_pattern_match(pattern, text));
}

/* --- conditions --- */

static void a_rule_strikes_in_its_phase_only(void **state)
{
	struct desk *d = *state;

	add(d, 450)->phases = 1u << SINK_AT_RCPT;
	assert_int_equal(ask_code(d), 450);
	d->event.phase = SINK_AT_MAIL;
	assert_int_equal(ask_code(d), 0);
}

static void all_conditions_have_to_hold(void **state)
{
	struct desk *d = *state;
	struct sink_rule *rule = add(d, 450);

	only(&rule->client, "192.0.2.*");
	only(&rule->helo, "client.*");
	only(&rule->sender, "*@a.example");
	only(&rule->recipient, "*@b.example");
	assert_int_equal(ask_code(d), 450);
	d->event.client = "198.51.100.1";
	assert_int_equal(ask_code(d), 0);
	d->event.client = "192.0.2.9";
	d->event.helo = "other";
	assert_int_equal(ask_code(d), 0);
	d->event.helo = "client.x";
	d->event.sender = "from@b.example";
	assert_int_equal(ask_code(d), 0);
	d->event.sender = "from@a.example";
	d->event.recipient = "to@c.example";
	assert_int_equal(ask_code(d), 0);
}

static void one_pattern_of_many_is_enough(void **state)
{
	struct desk *d = *state;
	struct sink_rule *rule = add(d, 450);

	only(&rule->recipient, "x@*");
	only(&rule->recipient, "to@*");
	assert_int_equal(ask_code(d), 450);
}

static void what_is_not_known_matches_nothing(void **state)
{
	struct desk *d = *state;

	only(&add(d, 450)->sender, "*");
	d->event.sender = NULL;
	assert_int_equal(ask_code(d), 0);
}

static void the_null_sender_has_a_name(void **state)
{
	struct desk *d = *state;

	only(&add(d, 450)->sender, "<>");
	assert_int_equal(ask_code(d), 0);
	d->event.sender = "";
	assert_int_equal(ask_code(d), 450);
}

static void recipients_are_remembered_for_the_message(void **state)
{
	struct desk *d = *state;
	uint64_t hit[SINK_RULE_WORDS] = {0};

	for (int i = 0; i < 70; i++)
		only(&add(d, 500)->recipient, "nobody@*");
	only(&add(d, 450)->recipient, "to@*");
	d->event.phase = SINK_AT_EOD;
	d->event.recipient = NULL;
	d->event.hit = hit;
	assert_int_equal(ask_code(d), 0);
	sink_rules_hit(&d->rules, "other@b.example", hit);
	assert_int_equal(ask_code(d), 0);
	sink_rules_hit(&d->rules, "to@b.example", hit);
	assert_int_equal(ask_code(d), 450);
}

static void after_counts_messages_of_a_connection(void **state)
{
	struct desk *d = *state;

	add(d, 421)->after = 3;
	d->event.messages = 2;
	assert_int_equal(ask_code(d), 0);
	d->event.messages = 3;
	assert_int_equal(ask_code(d), 421);
}

static void skip_and_times_are_a_window(void **state)
{
	struct desk *d = *state;
	struct sink_rule *rule = add(d, 450);

	rule->skip = 2;
	rule->times = 3;
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask_code(d), i >= 2 && i < 5 ? 450 : 0);
	assert_int_equal(sink_rules_struck(&d->rules, &d->counts, 0), 3);
}

/* --- greylisting --- */

static void greylisted_until_the_time_is_over(void **state)
{
	struct desk *d = *state;
	struct sink_rule *rule = add(d, 451);

	rule->grey = true;
	rule->grey_ms = 1000;
	d->event.now_ms = 5000;
	assert_int_equal(ask_code(d), 451);
	d->event.now_ms = 5999;
	assert_int_equal(ask_code(d), 451);
	d->event.now_ms = 6000;
	assert_int_equal(ask_code(d), 0);
}

static void greylisting_knows_all_three_apart(void **state)
{
	struct desk *d = *state;

	add(d, 451)->grey = true;
	assert_int_equal(ask_code(d), 451);
	assert_int_equal(ask_code(d), 0);
	d->event.recipient = "second@b.example";
	assert_int_equal(ask_code(d), 451);
	d->event.sender = "";
	assert_int_equal(ask_code(d), 451);
	d->event.client = "192.0.2.2";
	assert_int_equal(ask_code(d), 451);
	assert_int_equal(ask_code(d), 0);
	d->event.recipient = "SECOND@b.example";
	assert_int_equal(ask_code(d), 0);
}

static void greylisting_forgets_the_oldest(void **state)
{
	struct desk *d = *state;
	char text[32];
	const char *parts[] = {text};

	strcpy(text, "first");
	assert_true(sink_grey_early(d->grey, parts, 1, 0, 1));
	for (unsigned i = 1; i < 400000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		sink_grey_early(d->grey, parts, 1, i, 1);
	}
	assert_false(sink_grey_early(d->grey, parts, 1, 400000, 1));
	strcpy(text, "first");
	assert_true(sink_grey_early(d->grey, parts, 1, 400000, 1));
}

/* --- shares and order --- */

static void a_share_is_kept(void **state)
{
	struct desk *d = *state;

	add(d, 451)->share = BENCH_SHARE_ALL / 10;
	assert_in_range(count_codes(d, 451), ROLLS / 10 - 200,
			ROLLS / 10 + 200);
}

static void shares_of_one_phase_add_up(void **state)
{
	struct desk *d = *state;
	unsigned soft = 0, hard = 0, gone = 0;

	add(d, 450)->share = BENCH_SHARE_ALL / 10 * 3;
	add(d, 550)->share = BENCH_SHARE_ALL / 10 * 2;
	add(d, 0)->hang_up = SINK_DROP;
	for (int i = 0; i < ROLLS; i++) {
		struct sink_verdict v = ask(d);

		assert_non_null(v.rule);
		soft += v.rule->code == 450;
		hard += v.rule->code == 550;
		gone += v.rule->hang_up == SINK_DROP;
	}
	assert_in_range(soft, ROLLS * 3 / 10 - 400, ROLLS * 3 / 10 + 400);
	assert_in_range(hard, ROLLS * 2 / 10 - 400, ROLLS * 2 / 10 + 400);
	assert_int_equal(soft + hard + gone, ROLLS);
}

static void the_first_that_decides_ends_the_search(void **state)
{
	struct desk *d = *state;
	struct sink_rule *exception = add(d, 0);

	exception->accept = true;
	only(&exception->recipient, "postmaster@*");
	add(d, 550);
	add(d, 450);
	assert_int_equal(ask_code(d), 550);
	d->event.recipient = "postmaster@b.example";
	assert_int_equal(ask_code(d), 0);
}

static void delays_add_up_and_decide_nothing(void **state)
{
	struct desk *d = *state;
	struct sink_verdict v;

	add(d, 0)->delay_ms = (struct sink_range){20, 20};
	add(d, 0)->delay_ms = (struct sink_range){1, 1};
	add(d, 450)->delay_ms = (struct sink_range){300, 300};
	add(d, 0)->delay_ms = (struct sink_range){4000, 4000};
	v = ask(d);
	assert_int_equal(v.delay_ms, 321);
	assert_int_equal(v.rule->code, 450);
}

static void a_range_of_delays_is_used_from_end_to_end(void **state)
{
	struct desk *d = *state;
	uint64_t least = 1000, most = 0;

	add(d, 0)->delay_ms = (struct sink_range){5, 8};
	for (int i = 0; i < 1000; i++) {
		uint64_t ms = ask(d).delay_ms;

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_int_equal(least, 5);
	assert_int_equal(most, 8);
}

static void shares_of_delays_have_dice_of_their_own(void **state)
{
	struct desk *d = *state;
	unsigned both = 0;

	for (unsigned ms = 1; ms <= 2; ms++) {
		struct sink_rule *rule = add(d, 0);

		rule->delay_ms = (struct sink_range){ms, ms};
		rule->share = BENCH_SHARE_ALL / 2;
	}
	for (int i = 0; i < ROLLS; i++)
		both += ask(d).delay_ms == 3;
	assert_in_range(both, ROLLS / 4 - 400, ROLLS / 4 + 400);
}

static void a_seed_repeats_the_dice(void **state)
{
	enum {
		N = 1000
	};
	struct desk *d = *state;
	unsigned codes[N];

	add(d, 450)->share = BENCH_SHARE_ALL / 2;
	d->rng = bench_rng_stream(5, 3);
	for (int i = 0; i < N; i++)
		codes[i] = ask_code(d);
	d->rng = bench_rng_stream(5, 3);
	for (int i = 0; i < N; i++)
		assert_int_equal(ask_code(d), codes[i]);
}

/* --- options --- */

static void options_are_rules(void **state)
{
	struct desk *d = *state;

	assert_int_equal(sink_rule_delay_opt("20", &d->rules), 0);
	assert_int_equal(sink_rule_delay_opt("rcpt=7", &d->rules), 0);
	assert_int_equal(sink_rule_reply_opt("rcpt=450", &d->rules), 0);
	assert_int_equal(sink_rule_disconnect_opt("eod", &d->rules), 0);
	assert_int_equal(ask(d).delay_ms, 7);
	assert_int_equal(ask_code(d), 450);
	d->event.phase = SINK_AT_EOD;
	assert_int_equal(ask(d).delay_ms, 20);
	assert_int_equal(ask(d).rule->hang_up, SINK_DROP);
	d->event.phase = SINK_AT_DATA;
	assert_null(ask(d).rule);
	assert_int_equal(ask(d).delay_ms, 0);
}

static void an_options_share_is_kept(void **state)
{
	struct desk *d = *state;

	assert_int_equal(sink_rule_reply_opt("rcpt=451:10%", &d->rules), 0);
	assert_in_range(count_codes(d, 451), ROLLS / 10 - 200,
			ROLLS / 10 + 200);
}

static void bad_options_are_refused(void **state)
{
	static const char *const replies[] = {
		"rcpt",		"rcpt=",     "rcpt=45",	     "nowhere=450",
		"=450",		"rcpt=450:", "rcpt=450:x%",  "rcpt=4500",
		"rcpt=4a0",	"body=450",  "rcpt=450 :1%", "rcp=450",
		"handshake=450"};
	struct desk *d = *state;

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		assert_int_equal(sink_rule_reply_opt(replies[i], &d->rules),
				 -EINVAL);
	assert_int_equal(sink_rule_reply_opt("rcpt=250", &d->rules), -ERANGE);
	assert_int_equal(sink_rule_reply_opt("rcpt=450:101%", &d->rules),
			 -ERANGE);
	assert_int_equal(sink_rule_disconnect_opt("rcpt=450", &d->rules),
			 -EINVAL);
	assert_int_equal(sink_rule_delay_opt("x=1", &d->rules), -EINVAL);
	assert_int_equal(sink_rule_delay_opt("mail=", &d->rules), -EINVAL);
	assert_int_equal(sink_rule_delay_opt("3600001", &d->rules), -ERANGE);
	assert_int_equal(d->rules.count, 0);
}

static void too_many_rules_are_refused(void **state)
{
	struct desk *d = *state;

	for (int i = 0; i < SINK_RULES_MAX; i++)
		assert_int_equal(sink_rule_disconnect_opt("body:1%", &d->rules),
				 0);
	assert_int_equal(sink_rule_disconnect_opt("body:1%", &d->rules),
			 -ERANGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(patterns_match_whole_addresses),
		TEST(stars_are_any_octets_and_question_marks_one),
		TEST(many_stars_end),
		TEST(a_rule_strikes_in_its_phase_only),
		TEST(all_conditions_have_to_hold),
		TEST(one_pattern_of_many_is_enough),
		TEST(what_is_not_known_matches_nothing),
		TEST(the_null_sender_has_a_name),
		TEST(recipients_are_remembered_for_the_message),
		TEST(after_counts_messages_of_a_connection),
		TEST(skip_and_times_are_a_window),
		TEST(greylisted_until_the_time_is_over),
		TEST(greylisting_knows_all_three_apart),
		TEST(greylisting_forgets_the_oldest),
		TEST(a_share_is_kept),
		TEST(shares_of_one_phase_add_up),
		TEST(the_first_that_decides_ends_the_search),
		TEST(delays_add_up_and_decide_nothing),
		TEST(a_range_of_delays_is_used_from_end_to_end),
		TEST(shares_of_delays_have_dice_of_their_own),
		TEST(a_seed_repeats_the_dice),
		TEST(options_are_rules),
		TEST(an_options_share_is_kept),
		TEST(bad_options_are_refused),
		TEST(too_many_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
