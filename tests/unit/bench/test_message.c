/* SPDX-License-Identifier: Apache-2.0 */
/* The mail the source makes: the same each time, and within the RFCs. */
#include "tests/unit/bench/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_message.h"
#include "bench/bench_rng.h"

enum {
	MANY = 300
};

struct fixture {
	struct bench_plan plan;
	struct bench_text *text;
	struct bench_domains *domains;
	struct bench_message m;
	char *whole; /* of the last render() */
	size_t len;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[64];

	f->domains =
		bench_domains_new("one.test,two.test", error, sizeof(error));
	f->plan = (struct bench_plan){
		.run = "t",
		.seed = 7,
		.size = bench_dist_range(600, 200000),
		.from = "a@sender.test",
		.domains = f->domains,
		.rcpts = bench_dist_range(1, 1),
	};
	f->text = bench_text_new(7);
	*state = f;
	return f->text && f->domains ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->whole);
	bench_text_free(f->text);
	bench_domains_free(f->domains);
	free(f);
	return 0;
}

static void render_again(struct fixture *f)
{
	struct bench_slice s;

	bench_message_rewind(&f->m);
	free(f->whole);
	f->whole = malloc(f->m.size + 1);
	f->len = 0;
	while (bench_message_next(&f->m, &s)) {
		assert_true(s.len > 0 && s.len <= f->m.size - f->len);
		memcpy(f->whole + f->len, s.data, s.len);
		f->len += s.len;
	}
	f->whole[f->len] = '\0';
}

static void render(struct fixture *f, uint64_t index)
{
	bench_message_init(&f->m, &f->plan, f->text, index);
	render_again(f);
}

/* Every line ends in CRLF and is short enough; returns those with a dot. */
static size_t check_lines(const struct fixture *f)
{
	size_t dots = 0;

	for (const char *p = f->whole; *p;) {
		const char *lf = strchr(p, '\n');

		assert_non_null(lf);
		assert_true(lf > p && lf[-1] == '\r');
		assert_true(lf - 1 - p <= 998);
		assert_null(memchr(p, '\r', (size_t)(lf - 1 - p)));
		dots += *p == '.';
		p = lf + 1;
	}
	return dots;
}

static void sizes_are_exact(void **state)
{
	struct fixture *f = *state;

	for (uint64_t size = 600; size < 3000; size++) {
		f->plan.size = bench_dist_range(size, size);
		f->plan.dot_share = size & 1 ? BENCH_SHARE_ALL : 0;
		render(f, size);
		assert_int_equal(f->m.size, size);
		assert_int_equal(f->len, size);
		check_lines(f);
	}
}

static void small_sizes_are_raised_to_the_header(void **state)
{
	struct fixture *f = *state;

	f->plan.size = bench_dist_range(1, 1);
	render(f, 0);
	assert_int_equal(f->len, f->m.size);
	assert_non_null(strstr(f->whole, "\r\n\r\n"));
	check_lines(f);
}

static void every_size_near_the_header_works(void **state)
{
	struct fixture *f = *state;
	uint64_t least;

	for (unsigned dotted = 0; dotted < 2; dotted++) {
		f->plan.dot_share = dotted ? BENCH_SHARE_ALL : 0;
		f->plan.size = bench_dist_range(1, 1);
		render(f, 3);
		least = f->m.size;
		for (uint64_t size = least - 4; size < least + 20; size++) {
			f->plan.size = bench_dist_range(size, size);
			render(f, 3);
			assert_int_equal(f->len, f->m.size);
			assert_true(f->m.size == size || size < least);
			check_lines(f);
		}
	}
}

static void sizes_stay_in_the_range_and_spread(void **state)
{
	struct fixture *f = *state;
	unsigned small = 0, large = 0;

	for (uint64_t i = 0; i < MANY; i++) {
		bench_message_init(&f->m, &f->plan, f->text, i);
		assert_in_range(f->m.size, 600, 200000);
		small += f->m.size < 11000; /* the geometric middle */
		large += f->m.size >= 11000;
	}
	assert_true(small > MANY / 3 && large > MANY / 3);
}

static void same_seed_and_index_give_the_same_mail(void **state)
{
	struct fixture *f = *state;
	struct bench_text *other = bench_text_new(7);
	char *first;

	render(f, 42);
	first = strdup(f->whole);
	bench_message_init(&f->m, &f->plan, other, 42);
	render_again(f);
	assert_string_equal(first, f->whole);
	free(first);
	bench_text_free(other);
}

static void rewind_repeats_the_mail(void **state)
{
	struct fixture *f = *state;
	char *first;

	render(f, 9);
	first = strdup(f->whole);
	render_again(f);
	assert_string_equal(first, f->whole);
	free(first);
}

static void another_index_or_seed_gives_other_mail(void **state)
{
	struct fixture *f = *state;
	struct bench_text *other = bench_text_new(8);
	char *first;

	f->plan.size = bench_dist_range(5000, 5000);
	render(f, 1);
	first = strdup(f->whole);
	render(f, 2);
	assert_string_not_equal(strstr(first, "\r\n\r\n"),
				strstr(f->whole, "\r\n\r\n"));
	f->plan.seed = 8;
	bench_message_init(&f->m, &f->plan, other, 1);
	render_again(f);
	assert_string_not_equal(strstr(first, "\r\n\r\n"),
				strstr(f->whole, "\r\n\r\n"));
	free(first);
	bench_text_free(other);
}

static void the_id_is_the_first_line(void **state)
{
	struct fixture *f = *state;

	render(f, 17);
	assert_string_equal(f->m.id, "t-17");
	assert_memory_equal(f->whole, "X-Bench-Id: t-17\r\n", 18);
}

static void plain_messages_have_no_leading_dot(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < MANY; i++) {
		render(f, i);
		assert_false(f->m.dotted);
		assert_int_equal(check_lines(f), 0);
	}
}

static void dotted_messages_end_in_a_lone_dot(void **state)
{
	struct fixture *f = *state;

	f->plan.dot_share = BENCH_SHARE_ALL;
	for (uint64_t i = 0; i < MANY; i++) {
		render(f, i);
		assert_true(f->m.dotted);
		assert_true(check_lines(f) > 0);
		assert_string_equal(f->whole + f->len - 5, "\r\n.\r\n");
	}
}

static void only_eight_bit_messages_have_high_octets(void **state)
{
	struct fixture *f = *state;
	unsigned eight = 0;

	f->plan.eight_share = BENCH_SHARE_ALL / 2;
	for (uint64_t i = 0; i < MANY; i++) {
		bool high = false;

		render(f, i);
		for (size_t k = 0; k < f->len; k++)
			high |= (unsigned char)f->whole[k] > 127;
		assert_true(f->m.eight_bit || !high);
		eight += high;
	}
	assert_true(eight > MANY / 4);
}

static void shares_are_kept(void **state)
{
	struct fixture *f = *state;
	unsigned bdat = 0, dotted = 0;

	f->plan.bdat_share = 300000;
	f->plan.dot_share = 100000;
	for (uint64_t i = 0; i < 10000; i++) {
		bench_message_init(&f->m, &f->plan, f->text, i);
		bdat += f->m.bdat;
		dotted += f->m.dotted;
	}
	assert_in_range(bdat, 2800, 3200);
	assert_in_range(dotted, 850, 1150);
}

static void recipients_take_the_domains_in_turn(void **state)
{
	struct fixture *f = *state;
	char rcpt[BENCH_RCPT_SIZE];

	bench_message_rcpt(&f->plan, 4, 0, rcpt);
	assert_string_equal(rcpt, "r4-0@one.test");
	bench_message_rcpt(&f->plan, 4, 1, rcpt);
	assert_string_equal(rcpt, "r4-1@two.test");
	bench_message_rcpt(&f->plan, 5, 0, rcpt);
	assert_string_equal(rcpt, "r5-0@two.test");
}

static void recipients_follow_their_distribution(void **state)
{
	struct fixture *f = *state;
	unsigned count[5] = {0};

	assert_int_equal(bench_dist_parse("1:3,4", &f->plan.rcpts), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		bench_message_init(&f->m, &f->plan, f->text, i);
		assert_in_range(f->m.rcpts, 1, 4);
		count[f->m.rcpts]++;
	}
	assert_int_equal(count[1] + count[4], 1000);
	assert_in_range(count[4], 200, 300);
}

static void run_names_are_checked(void **state)
{
	assert_true(bench_run_valid("a.B_c-9"));
	assert_false(bench_run_valid(""));
	assert_false(bench_run_valid("a b"));
	assert_false(bench_run_valid("a\r\n"));
	assert_false(bench_run_valid("0123456789012345678901234567890123456789"
				     "012345678901234567890123"));
}

#define WITH_FIXTURE(test) \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(sizes_are_exact),
		WITH_FIXTURE(small_sizes_are_raised_to_the_header),
		WITH_FIXTURE(every_size_near_the_header_works),
		WITH_FIXTURE(sizes_stay_in_the_range_and_spread),
		WITH_FIXTURE(same_seed_and_index_give_the_same_mail),
		WITH_FIXTURE(rewind_repeats_the_mail),
		WITH_FIXTURE(another_index_or_seed_gives_other_mail),
		WITH_FIXTURE(the_id_is_the_first_line),
		WITH_FIXTURE(plain_messages_have_no_leading_dot),
		WITH_FIXTURE(dotted_messages_end_in_a_lone_dot),
		WITH_FIXTURE(only_eight_bit_messages_have_high_octets),
		WITH_FIXTURE(shares_are_kept),
		WITH_FIXTURE(recipients_take_the_domains_in_turn),
		WITH_FIXTURE(recipients_follow_their_distribution),
		cmocka_unit_test(run_names_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
