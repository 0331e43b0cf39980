/* SPDX-License-Identifier: Apache-2.0 */
/* Dot-stuffing both ways, in every cut, and what the sink counts as wrong. */
#include "tests/unit/bench/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_dot.h"
#include "bench/bench_rng.h"

enum {
	ROOM = 8192
};

struct text {
	size_t len;
	char bytes[ROOM];
};

static void take(void *ctx, const char *data, size_t len)
{
	struct text *t = ctx;

	assert_true(len <= sizeof(t->bytes) - t->len);
	memcpy(t->bytes + t->len, data, len);
	t->len += len;
}

static struct text stuffed(const char *data, size_t len, size_t step)
{
	struct bench_stuffer s = {0};
	struct text t = {0};
	const struct bench_sinkhole hole = {take, &t};

	for (size_t at = 0; at < len; at += step)
		bench_stuff(&s, data + at, len - at < step ? len - at : step,
			    &hole);
	return t;
}

static void expect_stuffed(const char *plain, const char *wire)
{
	for (size_t step = 1; step <= strlen(plain) + 1; step++) {
		struct text t = stuffed(plain, strlen(plain), step);

		assert_int_equal(t.len, strlen(wire));
		assert_memory_equal(t.bytes, wire, t.len);
	}
}

static void leading_dots_are_doubled(void **state)
{
	expect_stuffed(".a\r\nb.\r\n..\r\n.\r\n", "..a\r\nb.\r\n...\r\n..\r\n");
}

static void dots_inside_a_line_are_left(void **state)
{
	expect_stuffed("a.b\r\n c..\r\n", "a.b\r\n c..\r\n");
}

static void bare_line_ends_start_no_line(void **state)
{
	expect_stuffed("a\n.b\r.c\r\n", "a\n.b\r.c\r\n");
}

/* Decodes in pieces; returns how many octets were left behind the end. */
static size_t unstuffed(const char *wire, size_t len, size_t step,
			struct bench_unstuffer *u, struct text *t)
{
	const struct bench_sinkhole hole = {take, t};
	size_t at = 0;

	t->len = 0;
	while (at < len && u->state != BENCH_DOT_END) {
		size_t n = len - at < step ? len - at : step;

		at += bench_unstuff(u, wire + at, n, &hole);
	}
	return len - at;
}

static void expect_message(const char *wire, const char *plain, size_t behind,
			   uint64_t bare_cr, uint64_t bare_lf)
{
	for (size_t step = 1; step <= strlen(wire) + 1; step++) {
		struct bench_unstuffer u = {0};
		struct text t;
		size_t left = unstuffed(wire, strlen(wire), step, &u, &t);

		assert_int_equal(u.state, BENCH_DOT_END);
		assert_int_equal(left, behind);
		assert_int_equal(t.len, strlen(plain));
		assert_memory_equal(t.bytes, plain, t.len);
		assert_int_equal(u.bare_cr, bare_cr);
		assert_int_equal(u.bare_lf, bare_lf);
	}
}

static void the_first_lone_dot_ends_the_message(void **state)
{
	expect_message("a\r\n.\r\nQUIT\r\n", "a\r\n", 6, 0, 0);
}

static void an_empty_message_ends_at_once(void **state)
{
	expect_message(".\r\n", "", 0, 0, 0);
}

static void doubled_dots_are_halved(void **state)
{
	expect_message("..a\r\n...\r\n..\r\n.\r\n", ".a\r\n..\r\n.\r\n", 0, 0,
		       0);
}

static void a_single_leading_dot_is_dropped(void **state)
{
	expect_message(".a\r\n.\r\n", "a\r\n", 0, 0, 0);
}

static void only_crlf_dot_crlf_ends_a_message(void **state)
{
	expect_message("a\n.\nb\n.\r\nc\r\n.\nd\r\n.\r\n",
		       "a\n.\nb\n.\r\nc\r\n\nd\r\n", 0, 0, 4);
	expect_message("a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", 0, 2, 0);
}

static void a_dot_and_bare_cr_end_nothing(void **state)
{
	expect_message("a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", 0, 1, 0);
	expect_message("a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", 0, 1, 0);
}

static void repeated_cr_counts_all_but_the_last(void **state)
{
	expect_message("a\r\r\r\n.\r\n", "a\r\r\r\n", 0, 2, 0);
}

static void raw_content_has_no_end_and_keeps_dots(void **state)
{
	const char *content = "..a\r\n.\r\nb\n";

	for (size_t step = 1; step <= strlen(content); step++) {
		struct bench_unstuffer u = {.raw = true};
		struct text t;

		unstuffed(content, strlen(content), step, &u, &t);
		assert_int_equal(u.state, BENCH_DOT_MID);
		assert_int_equal(t.len, strlen(content));
		assert_memory_equal(t.bytes, content, t.len);
		assert_int_equal(u.bare_lf, 1);
	}
}

static void long_lines_are_counted(void **state)
{
	char wire[3000];
	size_t at = 0;

	for (size_t len = 997; len <= 999; len++) {
		memset(wire + at, 'x', len);
		memcpy(wire + at + len, "\r\n", 2);
		at += len + 2;
	}
	for (size_t step = 1; step < at; step += 97) {
		struct bench_unstuffer u = {0};
		struct text t;

		unstuffed(wire, at, step, &u, &t);
		assert_int_equal(u.long_lines, 1);
	}
}

/* Any octets survive stuffing and its removal, and nothing ends too early. */
static void round_trip_of_random_text(void **state)
{
	static const char alphabet[] = ".\r\nab";
	uint64_t rng = 1;

	for (unsigned run = 0; run < 3000; run++) {
		size_t len = bench_rng_below(&rng, 60);
		struct bench_unstuffer u = {0};
		struct text wire, back;
		char plain[64];

		for (size_t i = 0; i < len; i++)
			plain[i] = alphabet[bench_rng_below(&rng, 5)];
		memcpy(plain + len, "\r\n", 2);
		len += 2;
		wire = stuffed(plain, len, 1 + bench_rng_below(&rng, 9));
		take(&wire, ".\r\nNOOP", 7);
		assert_int_equal(unstuffed(wire.bytes, wire.len,
					   1 + bench_rng_below(&rng, 9), &u,
					   &back),
				 4);
		assert_int_equal(back.len, len);
		assert_memory_equal(back.bytes, plain, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leading_dots_are_doubled),
		cmocka_unit_test(dots_inside_a_line_are_left),
		cmocka_unit_test(bare_line_ends_start_no_line),
		cmocka_unit_test(the_first_lone_dot_ends_the_message),
		cmocka_unit_test(an_empty_message_ends_at_once),
		cmocka_unit_test(doubled_dots_are_halved),
		cmocka_unit_test(a_single_leading_dot_is_dropped),
		cmocka_unit_test(only_crlf_dot_crlf_ends_a_message),
		cmocka_unit_test(a_dot_and_bare_cr_end_nothing),
		cmocka_unit_test(repeated_cr_counts_all_but_the_last),
		cmocka_unit_test(raw_content_has_no_end_and_keeps_dots),
		cmocka_unit_test(long_lines_are_counted),
		cmocka_unit_test(round_trip_of_random_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
