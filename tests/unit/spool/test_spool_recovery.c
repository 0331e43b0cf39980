/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading damaged logs: a small one is written, then a copy of its bytes is
 * cut, torn or changed in every way and opened.
 */
#include "tests/unit/spool/spool_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/spool/spool_format.h"

enum {
	SMALL_MESSAGES = 6,
	PAGE = 4096,
};

/* A log of one segment, each message in a round of its own. */
struct small_log {
	struct world w;
	unsigned char *bytes;
	size_t len;
	uint64_t ids[SMALL_MESSAGES];
	size_t ends[SMALL_MESSAGES]; /* of the messages' records */
	size_t starts[SMALL_MESSAGES];
	uint32_t number;
};

static size_t small_size(size_t i)
{
	return 10 + 37 * i;
}

static void small_read(struct small_log *log)
{
	free(log->bytes);
	log->number = world_segment_number(&log->w, 0);
	log->bytes = world_read_file(world_segment_path(&log->w, log->number),
				     &log->len);
}

static void small_make(struct small_log *log)
{
	memset(log, 0, sizeof(*log));
	world_init_fast(&log->w);
	world_open(&log->w);
	for (size_t i = 0; i < SMALL_MESSAGES; i++) {
		struct spool_message *message =
			world_put(&log->w, i, small_size(i), 1 + i % 3);

		log->ids[i] = spool_message_id(message);
		log->starts[i] = i ? log->ends[i - 1] : SPOOL_SEGMENT_HEADER;
		small_read(log);
		log->ends[i] = log->len;
	}
	world_close(&log->w);
}

/* A folder with the lock of the log and these bytes as its segment. */
static void small_copy(const struct small_log *log, struct world *copy,
		       const void *bytes, size_t len)
{
	world_init_fast(copy);
	world_copy(&log->w, copy);
	world_write_file(world_segment_path(copy, log->number), bytes, len);
}

static void small_end(struct small_log *log)
{
	free(log->bytes);
	world_end(&log->w);
}

/* Exactly the messages in @mask, readable. */
static void expect_messages(struct world *w, const struct small_log *log,
			    unsigned mask)
{
	size_t n = 0;

	for (size_t i = 0; i < SMALL_MESSAGES; i++) {
		if (!(mask >> i & 1))
			continue;
		assert_true(n < w->found_count);
		assert_int_equal(spool_message_id(w->found[n]), log->ids[i]);
		world_check(w, w->found[n++], i, small_size(i), 1 + i % 3);
	}
	assert_int_equal(w->found_count, n);
}

static unsigned mask_within(const struct small_log *log, size_t len)
{
	unsigned mask = 0;

	for (size_t i = 0; i < SMALL_MESSAGES; i++)
		if (log->ends[i] <= len)
			mask |= 1u << i;
	return mask;
}

static void every_prefix_has_exactly_its_messages(void **state)
{
	struct small_log log;

	small_make(&log);
	for (size_t len = 0; len <= log.len; len++) {
		struct world copy;
		size_t whole = 0;

		small_copy(&log, &copy, log.bytes, len);
		world_open(&copy);
		expect_messages(&copy, &log, mask_within(&log, len));
		assert_int_equal(copy.report.bad_records, 0);
		for (size_t i = 0; i < SMALL_MESSAGES; i++)
			if (log.ends[i] <= len)
				whole = log.ends[i];
		if (whole)
			assert_true(copy.report.torn_bytes <= len - whole);
		world_end(&copy);
	}
	small_end(&log);
}

/* The tail was never written, or is left over from something else. */
static void torn_at(const struct small_log *log, size_t len, int filler)
{
	unsigned char *bytes = malloc(PAGE * 4);
	struct world copy;

	assert_true(log->len <= PAGE * 4);
	memset(bytes, filler, PAGE * 4);
	memcpy(bytes, log->bytes, len);
	small_copy(log, &copy, bytes, PAGE * 4);
	world_open(&copy);
	expect_messages(&copy, log, mask_within(log, len));
	assert_int_equal(copy.report.bad_records, 0);
	/* What was torn is gone, and what comes now is safe. */
	world_put(&copy, 77, 500, 1);
	world_reopen(&copy);
	assert_int_equal(copy.report.torn_bytes, 0);
	assert_int_equal(copy.report.bad_records, 0);
	assert_int_equal(copy.found_count,
			 __builtin_popcount(mask_within(log, len)) + 1);
	world_end(&copy);
	free(bytes);
}

static void a_torn_end_is_cut(void **state)
{
	struct small_log log;

	small_make(&log);
	for (size_t len = SPOOL_SEGMENT_HEADER; len <= log.len; len += 8) {
		/* Bytes that happen to be right are no tear. */
		if (len < log.len && log.bytes[len] == 0)
			continue;
		torn_at(&log, len, 0);
		torn_at(&log, len, 0xa5);
	}
	small_end(&log);
}

static void a_flipped_bit_costs_one_message(void **state)
{
	struct small_log log;

	small_make(&log);
	for (size_t at = SPOOL_SEGMENT_HEADER; at < log.len; at++) {
		struct world copy;
		unsigned hit = 0;

		while (log.ends[hit] <= at)
			hit++;
		log.bytes[at] ^= (unsigned char)(1u << at % 8);
		small_copy(&log, &copy, log.bytes, log.len);
		log.bytes[at] ^= (unsigned char)(1u << at % 8);
		world_open(&copy);
		expect_messages(&copy, &log,
				((1u << SMALL_MESSAGES) - 1) & ~(1u << hit));
		/* The last one may as well never have been synced. */
		if (hit < SMALL_MESSAGES - 1)
			assert_int_equal(copy.report.bad_records, 1);
		else
			assert_true(copy.report.torn_bytes > 0);
		world_end(&copy);
	}
	small_end(&log);
}

/* What is set aside is for somebody to look at. */
static void expect_bytes(const struct world *w, const struct small_log *log)
{
	unsigned char *kept;
	char path[96];
	size_t len;

	snprintf(path, sizeof(path), "%s/0000000000000001.bad", w->path);
	kept = world_read_file(path, &len);
	assert_int_equal(len, log->len);
	assert_memory_equal(kept, log->bytes, len);
	free(kept);
}

static void damaged_segments_are_kept_aside(void **state)
{
	struct small_log log;
	struct world copy;

	small_make(&log);
	log.bytes[log.starts[2] + 100] ^= 1;
	small_copy(&log, &copy, log.bytes, log.len);
	world_open(&copy);
	assert_int_equal(copy.report.bad_records, 1);
	assert_int_equal(copy.found_count, SMALL_MESSAGES - 1);
	for (size_t i = 0; i < copy.found_count; i++)
		world_deliver(&copy, copy.found[i]);
	world_settle(&copy);
	assert_int_equal(world_count_files(&copy, ".bad"), 1);
	expect_bytes(&copy, &log);
	world_reopen(&copy);
	assert_int_equal(copy.report.bad_records, 0);
	assert_int_equal(copy.found_count, 0);
	assert_int_equal(world_count_files(&copy, ".bad"), 1);
	world_end(&copy);
	small_end(&log);
}

static void a_damaged_segment_header_loses_nothing(void **state)
{
	struct small_log log;

	small_make(&log);
	for (size_t at = 0; at < SPOOL_SEGMENT_HEADER; at++) {
		struct world copy;

		log.bytes[at] ^= 0x10;
		small_copy(&log, &copy, log.bytes, log.len);
		log.bytes[at] ^= 0x10;
		world_open(&copy);
		expect_messages(&copy, &log, (1u << SMALL_MESSAGES) - 1);
		world_end(&copy);
	}
	small_end(&log);
}

static void a_lost_lock_file_loses_nothing(void **state)
{
	struct small_log log;
	struct world copy;
	char path[128];

	small_make(&log);
	small_copy(&log, &copy, log.bytes, log.len);
	snprintf(path, sizeof(path), "%s/lock", copy.path);
	assert_int_equal(unlink(path), 0);
	world_open(&copy);
	expect_messages(&copy, &log, (1u << SMALL_MESSAGES) - 1);
	world_reopen(&copy);
	expect_messages(&copy, &log, (1u << SMALL_MESSAGES) - 1);
	world_end(&copy);
	small_end(&log);
}

static void without_any_seed_the_bytes_are_kept(void **state)
{
	struct small_log log;
	struct world copy;
	char path[128];

	small_make(&log);
	log.bytes[40] ^= 1;
	small_copy(&log, &copy, log.bytes, log.len);
	snprintf(path, sizeof(path), "%s/lock", copy.path);
	assert_int_equal(unlink(path), 0);
	world_open(&copy);
	assert_int_equal(copy.found_count, 0);
	assert_true(copy.report.bad_records > 0);
	assert_int_equal(world_count_files(&copy, ".bad"), 1);
	world_put(&copy, 1, 10, 1);
	world_reopen(&copy);
	assert_int_equal(copy.found_count, 1);
	world_end(&copy);
	small_end(&log);
}

/* A block that reads as a hole where there was a committed message. */
static void a_lost_block_is_reported(void **state)
{
	struct small_log log;
	struct world copy;

	small_make(&log);
	memset(log.bytes + log.starts[1], 0, log.ends[2] - log.starts[1]);
	small_copy(&log, &copy, log.bytes, log.len);
	world_open(&copy);
	expect_messages(&copy, &log, ((1u << SMALL_MESSAGES) - 1) & ~6u);
	assert_int_equal(copy.report.bad_records, 1);
	world_end(&copy);
	small_end(&log);
}

static void a_lost_end_of_an_older_segment_is_reported(void **state)
{
	struct world w;
	const char *path;
	unsigned char *bytes;
	size_t len;

	world_init_fast(&w);
	world_open(&w);
	for (size_t i = 0; i < 10; i++)
		world_put(&w, i, 20000, 1);
	world_close(&w);
	path = world_segment_path(&w, world_segment_number(&w, 0));
	bytes = world_read_file(path, &len);
	world_write_file(path, bytes, len - 20000);
	world_open(&w);
	assert_int_equal(w.found_count, 9);
	assert_int_equal(w.report.bad_records, 1);
	world_end(&w);
	free(bytes);
}

/*
 * A mail is made of records: a MESSAGE as the log would have it at that very
 * place, but for the seed. When the mail's own record is damaged, recovery
 * looks for the next one inside.
 */
static void a_body_is_never_taken_for_a_record(void **state)
{
	struct small_log log;
	struct world w, copy;
	struct spool_writer *writer;
	struct answer answer;
	unsigned char *data;
	size_t at, len, size;

	small_make(&log);
	/* A record that is right but for the key: of another folder. */
	size = log.ends[0] - log.starts[0];
	world_init_fast(&w);
	w.config.worker = 7; /* other ids than the log's */
	world_open(&w);
	world_put(&w, 1, 10, 1);
	writer = world_begin(&w);
	assert_true(spool_reserve(writer, &data) > 4 * size);
	for (size_t i = 0; i < 4; i++)
		memcpy(data + i * size, log.bytes + log.starts[0], size);
	spool_advance(writer, 4 * size);
	world_commit_writer(&w, writer, 1, &answer);
	world_settle(&w);
	world_put(&w, 2, 10, 1);
	world_close(&w);

	world_init_fast(&copy);
	world_copy(&w, &copy);
	free(log.bytes);
	log.bytes = world_read_file(
		world_segment_path(&w, world_segment_number(&w, 0)), &len);
	/* Put each copy's place right, as one who knows the place would. */
	for (at = SPOOL_SEGMENT_HEADER; at + size <= len; at += 8)
		if (log.bytes[at + 10] == SPOOL_RECORD_MESSAGE &&
		    spool_get64(log.bytes + at + 24) == log.ids[0])
			spool_record_seal(log.bytes + at, spool_position(1, at),
					  0, 12345);
	world_write_file(world_segment_path(&copy, 1), log.bytes, len);
	world_open(&copy);
	assert_int_equal(copy.found_count, 2);
	assert_int_equal(copy.report.bad_records > 0, 1);
	for (size_t i = 0; i < 2; i++)
		assert_true(spool_message_id(copy.found[i]) != log.ids[0]);
	world_end(&copy);
	world_end(&w);
	small_end(&log);
}

/* A right record at another place is none: the message was delivered, and
 * its bytes turn up once more behind the result. */
static void a_stale_record_stays_dead(void **state)
{
	struct small_log log;
	struct world copy;
	unsigned char *bytes = calloc(1, 16 * PAGE);

	small_make(&log);
	small_copy(&log, &copy, log.bytes, log.len);
	world_open(&copy);
	world_deliver(&copy, world_put(&copy, 50, 10, 1));
	world_put(&copy, 51, 10, 1);
	world_settle(&copy);
	free(log.bytes);
	log.bytes = world_read_file(world_segment_path(&copy, 2), &log.len);
	world_close(&copy);
	memcpy(bytes, log.bytes, log.len);
	memcpy(bytes + log.len, log.bytes + SPOOL_SEGMENT_HEADER,
	       log.len - SPOOL_SEGMENT_HEADER);
	world_write_file(world_segment_path(&copy, 2), bytes, 16 * PAGE);
	world_open(&copy);
	assert_int_equal(copy.found_count, SMALL_MESSAGES + 1);
	assert_true(copy.report.torn_bytes > 0);
	world_end(&copy);
	small_end(&log);
	free(bytes);
}

static void half_a_message_is_set_aside(void **state)
{
	struct world w;
	unsigned char *bytes;
	const char *path;
	size_t len;

	world_init_fast(&w);
	w.config.segment_size = 4 * 1024 * 1024;
	world_open(&w);
	world_put(&w, 1, 600000, 1);
	world_put(&w, 2, 600, 1);
	world_close(&w);
	path = world_segment_path(&w, 1);
	bytes = world_read_file(path, &len);
	bytes[300000] ^= 1;
	world_write_file(path, bytes, len);
	free(bytes);
	world_open(&w);
	assert_int_equal(w.report.bad_records, 1);
	assert_int_equal(w.found_count, 1);
	world_check(&w, w.found[0], 2, 600, 1);
	world_deliver(&w, w.found[0]);
	world_reopen(&w);
	assert_int_equal(w.report.bad_records, 0);
	assert_int_equal(w.found_count, 0);
	assert_int_equal(world_count_files(&w, ".bad"), 1);
	world_end(&w);
}

static void damage_found_at_reading_is_told(void **state)
{
	struct world w;
	struct spool_view view;
	int fd;

	world_init_fast(&w);
	world_open(&w);
	world_put(&w, 1, 600, 1);
	world_put(&w, 2, 600, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 2);
	fd = open(world_segment_path(&w, 1), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "damage", 6, 300), 6);
	close(fd);
	assert_int_equal(spool_view(w.spool, w.found[0], &view), -EBADMSG);
	world_check(&w, w.found[1], 2, 600, 1);
	world_end(&w);
}

static void other_files_are_left_alone(void **state)
{
	static const char *const names[] = {"notes.txt", "1.log",
					    "000000000000000x.log",
					    "00000000000000009.log"};
	struct world w;
	char path[128];

	world_init_fast(&w);
	world_open(&w);
	world_put(&w, 1, 10, 1);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", w.path, names[i]);
		world_write_file(path, "hello", 5);
	}
	world_reopen(&w);
	assert_int_equal(w.found_count, 1);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", w.path, names[i]);
		assert_int_equal(access(path, F_OK), 0);
	}
	world_end(&w);
}

static void messages_are_found_in_order_of_their_ids(void **state)
{
	struct world w;
	struct spool_writer *writers[20];
	struct answer answers[20];

	world_init_fast(&w);
	world_open(&w);
	for (size_t i = 0; i < 20; i++) {
		writers[i] = world_begin(&w);
		world_fill(&w, writers[i], i, 100);
	}
	for (size_t i = 20; i > 0; i--)
		world_commit_writer(&w, writers[i - 1], 1, &answers[i - 1]);
	world_reopen(&w);
	assert_int_equal(w.found_count, 20);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(spool_message_id(w.found[i]), answers[i].id);
		world_check(&w, w.found[i], i, 100, 1);
	}
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_has_exactly_its_messages),
		cmocka_unit_test(a_torn_end_is_cut),
		cmocka_unit_test(a_flipped_bit_costs_one_message),
		cmocka_unit_test(damaged_segments_are_kept_aside),
		cmocka_unit_test(a_damaged_segment_header_loses_nothing),
		cmocka_unit_test(a_lost_lock_file_loses_nothing),
		cmocka_unit_test(without_any_seed_the_bytes_are_kept),
		cmocka_unit_test(a_lost_block_is_reported),
		cmocka_unit_test(a_lost_end_of_an_older_segment_is_reported),
		cmocka_unit_test(a_body_is_never_taken_for_a_record),
		cmocka_unit_test(a_stale_record_stays_dead),
		cmocka_unit_test(half_a_message_is_set_aside),
		cmocka_unit_test(damage_found_at_reading_is_told),
		cmocka_unit_test(other_files_are_left_alone),
		cmocka_unit_test(messages_are_found_in_order_of_their_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
