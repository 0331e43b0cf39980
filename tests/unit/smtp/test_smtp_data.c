/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner of message bytes: each wire form, cut at every byte and with
 * room for few bytes at a time, gives one stored form and one verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/smtp_data.h"

struct outcome {
	unsigned char stored[4096];
	size_t len;
	bool done;
	size_t rest; /* bytes behind the end */
	struct smtp_data data;
};

/* Feed a piece, with @room bytes of output at a time; returns what was not
 * taken because the end came. */
static size_t feed(struct outcome *o, const unsigned char *in, size_t len,
		   size_t room)
{
	while (len > 0 && !o->done) {
		unsigned char *out = malloc(room);
		unsigned char *copy = malloc(len);
		size_t used, made;

		assert_true(out && copy);
		memcpy(copy, in, len);
		o->done = smtp_data_run(&o->data, copy, len, &used, out, room,
					&made) == SMTP_DATA_DONE;
		assert_true(used + made > 0 && used <= len && made <= room);
		assert_true(o->len + made <= sizeof(o->stored));
		memcpy(o->stored + o->len, out, made);
		o->len += made;
		in += used;
		len -= used;
		free(out);
		free(copy);
	}
	return len;
}

static void start(struct outcome *o, enum smtp_data_form form, bool normalise)
{
	memset(o, 0, sizeof(*o));
	smtp_data_start(&o->data, form, normalise, 100);
}

/* What a case expects, whatever the cuts. */
struct expected {
	const char *wire;
	const char *stored; /* NULL: not looked at (it is refused) */
	const char *rest;   /* NULL: no end was found */
	bool bare, dot_line;
};

static void finish(struct outcome *o)
{
	unsigned char owed;

	if (o->data.form != SMTP_DATA_CHUNKS)
		return;
	o->len += smtp_data_finish(&o->data, &owed);
	if (o->len > 0 && o->data.stored == o->len && owed == '\n')
		o->stored[o->len - 1] = owed;
}

static void judge(const struct expected *e, const struct outcome *o)
{
	if (o->done != (e->rest != NULL) ||
	    (e->rest && o->rest != strlen(e->rest)) ||
	    o->data.bare != e->bare || o->data.dot_line != e->dot_line ||
	    o->data.stored != o->len)
		fail_msg("wrong verdict on '%s'", e->wire);
	if (e->stored && (o->len != strlen(e->stored) ||
			  memcmp(o->stored, e->stored, o->len) != 0))
		fail_msg("'%s' was stored as '%.*s'", e->wire, (int)o->len,
			 o->stored);
}

static void check(const struct expected *e, enum smtp_data_form form,
		  bool normalise)
{
	static const size_t rooms[] = {1, 2, 3, 7, 4096};
	const unsigned char *wire = (const unsigned char *)e->wire;
	size_t len = strlen(e->wire);

	for (size_t cut = 0; cut <= len; cut++) {
		for (size_t r = 0; r < sizeof(rooms) / sizeof(rooms[0]); r++) {
			struct outcome o;

			start(&o, form, normalise);
			o.rest = feed(&o, wire, cut, rooms[r]);
			o.rest += o.done ? len - cut
					 : feed(&o, wire + cut, len - cut,
						rooms[r]);
			finish(&o);
			judge(e, &o);
		}
	}
	for (size_t step = 1; step < 4; step++) {
		struct outcome o;
		size_t at = 0;

		start(&o, form, normalise);
		for (; at < len && !o.done; at += step)
			o.rest = feed(&o, wire + at,
				      len - at < step ? len - at : step, 4096);
		o.rest += at < len ? len - at : 0;
		finish(&o);
		judge(e, &o);
	}
}

static const struct expected well_formed[] = {
	{".\r\n", "", "", false, false},
	{"a\r\n.\r\n", "a\r\n", "", false, false},
	{"a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "", false, false},
	{"..\r\n.\r\n", ".\r\n", "", false, true},
	{"a\r\n..b\r\n...\r\n.\r\n", "a\r\n.b\r\n..\r\n", "", false, true},
	{"a.b\r\nc.\r\n.\r\n", "a.b\r\nc.\r\n", "", false, false},
	/* a lone dot in front is dropped (RFC 5321 section 4.5.2) */
	{".a\r\n.\r\n", "a\r\n", "", false, false},
	{".\r\nQUIT\r\n", "", "QUIT\r\n", false, false},
	{"a\r\n.\r\n.\r\n", "a\r\n", ".\r\n", false, false},
	{"a\r\n.\r\nMAIL FROM:<x@y>\r\n", "a\r\n", "MAIL FROM:<x@y>\r\n", false,
	 false},
	{"", "", NULL, false, false},
	{"a", "a", NULL, false, false},
	{"a\r\n.", "a\r\n", NULL, false, false},
	{"a\r\n.\r", "a\r\n", NULL, false, false},
	{"a.\r\n", "a.\r\n", NULL, false, false},
	{"\r\n.\r\n", "\r\n", "", false, false},
	{"\r\n\r\n.\r\n", "\r\n\r\n", "", false, false},
};

static void test_well_formed_data(void **state)
{
	for (size_t i = 0; i < sizeof(well_formed) / sizeof(well_formed[0]);
	     i++) {
		check(&well_formed[i], SMTP_DATA_DOTTED, false);
		check(&well_formed[i], SMTP_DATA_DOTTED, true);
	}
}

/* Each of these ends a message for some server; none does here. */
static const struct expected smuggled[] = {
	{"a\n.\nMAIL\r\n.\r\n", NULL, "", true, true},
	{"a\n.\r\nMAIL\r\n.\r\n", NULL, "", true, true},
	{"a\r\n.\nMAIL\r\n.\r\n", NULL, "", true, false},
	{"a\r\n.\rMAIL\r\n.\r\n", NULL, "", true, false},
	{"a\r.\rMAIL\r\n.\r\n", NULL, "", true, true},
	{"a\r.\r\nMAIL\r\n.\r\n", NULL, "", true, true},
	{"a\r\n.\r\r\nMAIL\r\n.\r\n", NULL, "", true, false},
	{"a\r\r\n.\r\n", NULL, "", true, false},
	{"a\n\r\n.\r\n", NULL, "", true, false},
	{"a\n.\r\n", NULL, NULL, true, true},
	{"a\r.\r\n", NULL, NULL, true, true},
	{"a\r\n.\n", NULL, NULL, true, false},
	{"\n.\r\n", NULL, NULL, true, true},
	{"\n\r\n.\r\n", NULL, "", true, false},
	{"a\rb\r\n.\r\n", NULL, "", true, false},
	{"a\nb\r\n.\r\n", NULL, "", true, false},
};

static void test_bare_line_ends_are_seen_and_end_nothing(void **state)
{
	for (size_t i = 0; i < sizeof(smuggled) / sizeof(smuggled[0]); i++)
		check(&smuggled[i], SMTP_DATA_DOTTED, false);
}

static const struct expected normalised[] = {
	{"a\nb\r\n.\r\n", "a\r\nb\r\n", "", true, false},
	{"a\rb\r\n.\r\n", "a\r\nb\r\n", "", true, false},
	{"a\r\r\n.\r\n", "a\r\n\r\n", "", true, false},
	{"a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", true, true},
	{"a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", true, true},
	{"a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "", true, false},
	{"a\r\n.\rb\r\n.\r\n", "a\r\n\r\nb\r\n", "", true, false},
	{"a\n\n\r\n.\r\n", "a\r\n\r\n\r\n", "", true, false},
	{"\n.\r\n", "\r\n.\r\n", NULL, true, true},
};

static void test_bare_line_ends_can_be_made_crlf(void **state)
{
	for (size_t i = 0; i < sizeof(normalised) / sizeof(normalised[0]); i++)
		check(&normalised[i], SMTP_DATA_DOTTED, true);
}

static const struct expected chunks[] = {
	{"a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", NULL, false, true},
	{"..\r\n", "..\r\n", NULL, false, true},
	{".", ".", NULL, false, true},
	{"no end", "no end", NULL, false, false},
	{"", "", NULL, false, false},
	{"a\nb", "a\nb", NULL, true, false},
	{"a\rb", "a\rb", NULL, true, false},
	{"a\r", "a\r", NULL, true, false},
	{"a\n.\r\n", "a\n.\r\n", NULL, true, true},
};

static void test_chunks_are_stored_as_they_are(void **state)
{
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
		check(&chunks[i], SMTP_DATA_CHUNKS, false);
}

static const struct expected chunks_normalised[] = {
	{"a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", NULL, false, true},
	{"a\nb", "a\r\nb", NULL, true, false},
	{"a\n", "a\r\n", NULL, true, false},
	{"a\r", "a\r\n", NULL, true, false},
	{"a\n.b", "a\r\n.b", NULL, true, true},
};

static void test_chunks_can_be_normalised(void **state)
{
	for (size_t i = 0;
	     i < sizeof(chunks_normalised) / sizeof(chunks_normalised[0]); i++)
		check(&chunks_normalised[i], SMTP_DATA_CHUNKS, true);
}

static void test_octets_beyond_ascii_are_seen(void **state)
{
	for (size_t at = 0; at < 80; at++) {
		unsigned char line[83];
		struct outcome o;

		memset(line, 'x', 80);
		memcpy(line + 80, "\r\n.", 3);
		start(&o, SMTP_DATA_DOTTED, false);
		feed(&o, line, sizeof(line), 4096);
		assert_false(o.data.eight_bit);
		line[at] = 0x80;
		start(&o, SMTP_DATA_DOTTED, false);
		feed(&o, line, sizeof(line), 4096);
		assert_true(o.data.eight_bit);
	}
}

static void test_nul_is_a_byte_like_others(void **state)
{
	struct outcome o;

	start(&o, SMTP_DATA_DOTTED, false);
	feed(&o, (const unsigned char *)"a\0b\r\n\0\r\n.\r\n", 11, 4096);
	assert_true(o.done);
	assert_int_equal(o.len, 8);
	assert_memory_equal(o.stored, "a\0b\r\n\0\r\n", 8);
}

/* A line of @len octets with CRLF, in pieces of @step; limit 100. */
static bool long_line(size_t len, size_t step)
{
	unsigned char line[256];
	struct outcome o;

	memset(line, 'x', sizeof(line));
	memcpy(line + len - 2, "\r\n", 2);
	start(&o, SMTP_DATA_DOTTED, false);
	feed(&o, (const unsigned char *)"first\r\n", 7, 4096);
	for (size_t at = 0; at < len; at += step)
		feed(&o, line + at, len - at < step ? len - at : step, 4096);
	return o.data.long_line;
}

static void test_line_length_is_counted(void **state)
{
	for (size_t step = 1; step < 120; step++) {
		assert_false(long_line(100, step));
		assert_true(long_line(101, step));
	}
}

static void test_line_without_end_is_too_long_at_once(void **state)
{
	unsigned char text[101];
	struct outcome o;

	memset(text, 'x', sizeof(text));
	start(&o, SMTP_DATA_DOTTED, false);
	feed(&o, text, 100, 4096);
	assert_false(o.data.long_line);
	feed(&o, text, 1, 4096);
	assert_true(o.data.long_line);
}

static void test_stuffing_dot_does_not_count_as_length(void **state)
{
	unsigned char line[101];
	struct outcome o;

	memset(line, 'x', sizeof(line));
	memcpy(line, "..", 2);
	memcpy(line + 99, "\r\n", 2);
	start(&o, SMTP_DATA_DOTTED, false);
	feed(&o, line, sizeof(line), 4096);
	assert_false(o.data.long_line);
}

static void test_discarding_finds_the_same_end(void **state)
{
	for (size_t i = 0; i < sizeof(well_formed) / sizeof(well_formed[0]);
	     i++) {
		const char *wire = well_formed[i].wire;
		struct smtp_data data;
		size_t used, made;
		enum smtp_data_result result;

		smtp_data_start(&data, SMTP_DATA_DOTTED, false, 0);
		result = smtp_data_run(&data, (const unsigned char *)wire,
				       strlen(wire), &used, NULL, 0, &made);
		assert_int_equal(made, 0);
		assert_int_equal(data.stored, strlen(well_formed[i].stored));
		assert_int_equal(result == SMTP_DATA_DONE,
				 well_formed[i].rest != NULL);
		if (well_formed[i].rest)
			assert_string_equal(wire + used, well_formed[i].rest);
	}
}

static void test_ended_scanner_takes_nothing_more(void **state)
{
	struct smtp_data data;
	size_t used, made;

	smtp_data_start(&data, SMTP_DATA_DOTTED, false, 0);
	smtp_data_run(&data, (const unsigned char *)".\r\n", 3, &used, NULL, 0,
		      &made);
	assert_int_equal(smtp_data_run(&data, (const unsigned char *)"x", 1,
				       &used, NULL, 0, &made),
			 SMTP_DATA_DONE);
	assert_int_equal(used, 0);
}

/* The scanner against a machine of one byte at a time, on random input made
 * of what matters. */
static size_t plain_machine(const char *in, size_t len, char *out, size_t *used)
{
	size_t n = 0, at = 0;

	while (at < len) {
		bool start = at == 0 || (at >= 2 && in[at - 2] == '\r' &&
					 in[at - 1] == '\n');

		if (start && len - at >= 3 &&
		    memcmp(in + at, ".\r\n", 3) == 0) {
			*used = at + 3;
			return n;
		}
		if (!(start && in[at] == '.'))
			out[n++] = in[at];
		at++;
	}
	*used = len;
	return n;
}

static void test_random_input_agrees_with_a_plain_machine(void **state)
{
	static const char alphabet[] = "\r\n..a";
	uint32_t random = 1;

	for (int round = 0; round < 50000; round++) {
		char in[24], out[24];
		struct outcome o;
		size_t used, n, rest;

		for (size_t i = 0; i < sizeof(in); i++) {
			random = random * 1664525 + 1013904223;
			in[i] = alphabet[(random >> 24) % 5];
		}
		/* Whatever is random, an end comes, and nothing behind it. */
		memcpy(in + 19, "\r\n.\r\n", 5);
		n = plain_machine(in, sizeof(in), out, &used);
		start(&o, SMTP_DATA_DOTTED, false);
		rest = feed(&o, (unsigned char *)in, sizeof(in),
			    1 + random % 30);
		assert_true(o.done);
		assert_int_equal(sizeof(in) - rest, used);
		assert_int_equal(o.len, n);
		assert_memory_equal(o.stored, out, n);
	}
}

/* Mail that is mostly in order: what is odd stands anywhere in a block. */
static size_t random_mail(unsigned char *in, size_t len, uint32_t *random)
{
	static const char *const odd[] = {"\r", "\n",	"\r\n.",
					  ".",	"\xe9", "\r\n..\r\n"};
	size_t at = 0;

	while (at + 8 < len) {
		uint32_t dice = (*random = *random * 1664525 + 1013904223) >> 8;
		const char *piece = dice % 29 == 0   ? odd[dice / 29 % 6]
				    : dice % 13 == 0 ? "\r\n"
						     : "a";

		memcpy(in + at, piece, strlen(piece));
		at += strlen(piece);
	}
	return at;
}

static void test_a_whole_piece_reads_like_its_octets(void **state)
{
	uint32_t random = 7;

	for (int round = 0; round < 20000; round++) {
		enum smtp_data_form form =
			round & 1 ? SMTP_DATA_CHUNKS : SMTP_DATA_DOTTED;
		unsigned char in[400];
		size_t len = random_mail(in, sizeof(in), &random);
		struct outcome one, whole;
		size_t rest = 0;

		start(&one, form, round & 2);
		start(&whole, form, round & 2);
		for (size_t i = 0; i < len && !one.done; i++)
			rest = len - i - 1 + feed(&one, in + i, 1, 4096);
		assert_int_equal(feed(&whole, in, len, 4096), rest);
		assert_int_equal(whole.done, one.done);
		assert_int_equal(whole.len, one.len);
		assert_memory_equal(whole.stored, one.stored, one.len);
		assert_memory_equal(&whole.data, &one.data, sizeof(one.data));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well_formed_data),
		cmocka_unit_test(test_bare_line_ends_are_seen_and_end_nothing),
		cmocka_unit_test(test_bare_line_ends_can_be_made_crlf),
		cmocka_unit_test(test_chunks_are_stored_as_they_are),
		cmocka_unit_test(test_chunks_can_be_normalised),
		cmocka_unit_test(test_octets_beyond_ascii_are_seen),
		cmocka_unit_test(test_nul_is_a_byte_like_others),
		cmocka_unit_test(test_line_length_is_counted),
		cmocka_unit_test(test_line_without_end_is_too_long_at_once),
		cmocka_unit_test(test_stuffing_dot_does_not_count_as_length),
		cmocka_unit_test(test_discarding_finds_the_same_end),
		cmocka_unit_test(test_ended_scanner_takes_nothing_more),
		cmocka_unit_test(test_random_input_agrees_with_a_plain_machine),
		cmocka_unit_test(test_a_whole_piece_reads_like_its_octets),
	};

	return cmocka_run_group_tests_name("smtp_data", tests, NULL, NULL);
}
