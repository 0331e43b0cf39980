/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a start doesn't read: bodies in segments that the next one calls safe.
 * Damage there is found when the body is viewed, and the next start looks at
 * everything.
 */
#include "tests/unit/spool/spool_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/spool/spool_format.h"

enum {
	BIG = 200 * 1000, /* three to a segment */
	MESSAGES = 12,
	RECIPIENTS = 2,
};

/* Several segments, the first of which are full. */
static void fill(struct world *w)
{
	world_init_fast(w);
	w->config.segment_size = 640 * 1024;
	world_open(w);
	for (size_t i = 0; i < MESSAGES; i++)
		world_put(w, i, BIG, RECIPIENTS);
	world_close(w);
}

/* Where in the first segment the nth record begins, by its header. */
static size_t record_at(const unsigned char *bytes, size_t n)
{
	size_t at = SPOOL_SEGMENT_HEADER;

	while (n--)
		at += (size_t)spool_record_size(spool_get32(bytes + at + 12));
	return at;
}

static void flip(const struct world *w, size_t record, size_t offset)
{
	const char *path = world_segment_path(w, world_segment_number(w, 0));
	unsigned char *bytes;
	size_t len;

	bytes = world_read_file(path, &len);
	bytes[record_at(bytes, record) + offset] ^= 1;
	world_write_file(path, bytes, len);
	free(bytes);
}

static void safe_bodies_are_not_read(void **state)
{
	struct world w;

	fill(&w);
	world_open(&w);
	assert_int_equal(w.found_count, MESSAGES);
	/* The last segment, and heads and tails of what is in the others. */
	assert_true(w.report.bytes_read < 2 * w.config.segment_size);
	for (size_t i = 0; i < MESSAGES; i++)
		world_check(&w, w.found[i], i, BIG, RECIPIENTS);
	world_end(&w);
}

static void chunks_are_passed_over(void **state)
{
	struct world w;

	world_init_fast(&w);
	w.config.segment_size = 640 * 1024;
	world_open(&w);
	for (size_t i = 0; i < 4; i++)
		world_put(&w, i, 900 * 1000, RECIPIENTS);
	world_reopen(&w);
	assert_int_equal(w.found_count, 4);
	assert_int_equal(w.report.bad_records, 0);
	assert_int_equal(w.report.orphan_chunks, 0);
	for (size_t i = 0; i < 4; i++)
		world_check(&w, w.found[i], i, 900 * 1000, RECIPIENTS);
	for (size_t i = 0; i < 4; i++)
		world_deliver(&w, w.found[i]);
	world_reopen(&w);
	assert_int_equal(w.found_count, 0);
	world_end(&w);
}

static void an_envelope_can_be_had_without_the_body(void **state)
{
	struct spool_view view;
	struct world w;

	fill(&w);
	flip(&w, 1, SPOOL_MESSAGE_HEAD + BIG / 2);
	world_open(&w);
	assert_int_equal(spool_view_envelope(w.spool, w.found[1], &view), 0);
	assert_int_equal(view.envelope.recipient_count, RECIPIENTS);
	assert_string_equal(view.envelope.recipients[1], world_recipient(1));
	spool_release_view(w.spool, &view);
	world_end(&w);
}

static void a_damaged_body_is_never_handed_out(void **state)
{
	struct spool_view view;
	struct world w;

	fill(&w);
	flip(&w, 1, SPOOL_MESSAGE_HEAD + BIG / 2);
	world_open(&w);
	assert_int_equal(w.found_count, MESSAGES);
	assert_int_equal(spool_view_envelope(w.spool, w.found[1], &view), 0);
	spool_release_view(w.spool, &view);
	assert_int_equal(spool_view(w.spool, w.found[1], &view), -EBADMSG);
	assert_int_equal(spool_view(w.spool, w.found[1], &view), -EBADMSG);
	world_check(&w, w.found[2], 2, BIG, RECIPIENTS);
	world_end(&w);
}

static void the_start_after_that_reads_it_all(void **state)
{
	struct spool_view view;
	struct world w;

	fill(&w);
	flip(&w, 1, SPOOL_MESSAGE_HEAD + BIG / 2);
	world_open(&w);
	assert_int_equal(spool_view(w.spool, w.found[1], &view), -EBADMSG);
	world_reopen(&w);
	assert_int_equal(w.report.bad_records, 1);
	assert_int_equal(w.found_count, MESSAGES - 1);
	world_check(&w, w.found[1], 2, BIG, RECIPIENTS);
	/* Once. */
	world_reopen(&w);
	assert_true(w.report.bytes_read < 2 * w.config.segment_size);
	world_end(&w);
}

/* The way from record to record is lost there, and found again. */
static void a_damaged_header_costs_one_message(void **state)
{
	static const size_t offsets[] = {8, 10, 12, 14, 16, 20};

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct world w;

		fill(&w);
		flip(&w, 1, offsets[i]);
		world_open(&w);
		assert_true(w.report.bad_records > 0);
		assert_int_equal(w.found_count, MESSAGES - 1);
		world_check(&w, w.found[0], 0, BIG, RECIPIENTS);
		for (size_t k = 2; k < MESSAGES; k++)
			world_check(&w, w.found[k - 1], k, BIG, RECIPIENTS);
		world_end(&w);
	}
}

/* Anything may be wrong with what isn't verified at start: it may be found
 * then or when it is viewed, but nothing wrong is ever handed out. */
static void any_flipped_bit_is_found(void **state)
{
	for (size_t offset = 8; offset < SPOOL_MESSAGE_HEAD; offset++) {
		struct world w;

		fill(&w);
		flip(&w, 1, offset);
		world_open(&w);
		for (size_t i = 0; i < w.found_count; i++) {
			struct spool_view view;
			int r = spool_view(w.spool, w.found[i], &view);

			if (r) {
				assert_int_equal(r, -EBADMSG);
				continue;
			}
			assert_int_equal(view.body_size, BIG);
			assert_int_equal(view.envelope.recipient_count,
					 RECIPIENTS);
			spool_release_view(w.spool, &view);
		}
		world_reopen(&w);
		assert_true(w.report.bad_records > 0);
		assert_int_equal(w.found_count, MESSAGES - 1);
		world_end(&w);
	}
}

static void a_body_like_a_record_is_none(void **state)
{
	unsigned char fake[SPOOL_RECORD_HEADER + SPOOL_MESSAGE_FIXED + 64];
	struct answer answer = {0};
	struct spool_writer *writer;
	unsigned char *room;
	size_t at;
	struct world w;

	world_init_fast(&w);
	w.config.segment_size = 640 * 1024;
	world_open(&w);
	world_put(&w, 0, 5000, 1);
	/* What stands behind its first 4000 body bytes. */
	at = SPOOL_SEGMENT_HEADER;
	{
		size_t len;
		unsigned char *bytes = world_read_file(
			world_segment_path(&w, world_segment_number(&w, 0)),
			&len);

		at = record_at(bytes, 1) + SPOOL_MESSAGE_HEAD + 4000;
		free(bytes);
	}
	memset(fake, 0, sizeof(fake));
	spool_record_begin(fake, SPOOL_RECORD_MESSAGE, 0,
			   sizeof(fake) - SPOOL_RECORD_HEADER, 12345);
	spool_put32(fake + SPOOL_RECORD_HEADER + 20, 1);
	spool_put32(fake + SPOOL_RECORD_HEADER + 36, 64);
	memcpy(fake + SPOOL_MESSAGE_HEAD, "c\0f", 4);
	memset(fake + SPOOL_MESSAGE_HEAD + 4, 'r', 59);
	spool_record_seal(fake, spool_position(world_segment_number(&w, 0), at),
			  at, 0);
	writer = world_begin(&w);
	for (size_t done = 0; done < 9000;) {
		size_t n = spool_reserve(writer, &room);

		assert_true(n > 0);
		if (n > 9000 - done)
			n = 9000 - done;
		memset(room, 'x', n);
		for (size_t i = 0; i < n; i++)
			if (done + i >= 4000 && done + i - 4000 < sizeof(fake))
				room[i] = fake[done + i - 4000];
		spool_advance(writer, n);
		done += n;
	}
	world_commit_writer(&w, writer, 1, &answer);
	world_settle(&w);
	assert_int_equal(answer.status, SPOOL_OK);
	for (size_t i = 0; i < MESSAGES; i++)
		world_put(&w, i + 1, BIG, 1);
	world_close(&w);
	flip(&w, 1, 12); /* its length: the way on is lost in its body */
	world_open(&w);
	assert_int_equal(w.found_count, MESSAGES + 1);
	for (size_t i = 0; i < w.found_count; i++)
		assert_int_not_equal(spool_message_id(w.found[i]), 12345);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(safe_bodies_are_not_read),
		cmocka_unit_test(chunks_are_passed_over),
		cmocka_unit_test(an_envelope_can_be_had_without_the_body),
		cmocka_unit_test(a_damaged_body_is_never_handed_out),
		cmocka_unit_test(the_start_after_that_reads_it_all),
		cmocka_unit_test(a_damaged_header_costs_one_message),
		cmocka_unit_test(any_flipped_bit_is_found),
		cmocka_unit_test(a_body_like_a_record_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
