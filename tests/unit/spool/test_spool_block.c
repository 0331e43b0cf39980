/* SPDX-License-Identifier: Apache-2.0 */
/* Large bodies past the page cache: where they are, and what is in front. */
#include "tests/unit/spool/spool_world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <unistd.h>

#include "gateway/spool/spool_private.h"

enum {
	MIB = 1024 * 1024,
};

static void setup(struct world *w)
{
	world_init(w);
	w->config.segment_size = 16 * MIB;
	world_open(w);
}

static const struct spool_extent *chunk(const struct spool_message *message,
					uint32_t i)
{
	assert_true(i < message->extent_count);
	return &message->extents[i];
}

static void whole_chunks_are_whole_blocks(void **state)
{
	struct spool_message *message;
	struct world w;

	setup(&w);
	world_put(&w, 1, 100, 1);
	message = world_put(&w, 2, MIB, 1);
	assert_int_equal(message->extent_count, 4);
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t at = (uint64_t)chunk(message, i)->offset8 << 3;

		assert_int_equal(at % SPOOL_BLOCK, 0);
		assert_int_equal(spool_record_size(chunk(message, i)->length),
				 SPOOL_BLOCK_RECORD);
	}
	world_check(&w, message, 2, MIB, 1);
	world_end(&w);
}

static void a_place_says_how_it_is_to_be_read(void **state)
{
	struct spool_message *message;
	struct spool_view view;
	struct world w;

	setup(&w);
	message = world_put(&w, 1, MIB, 1);
	if (!w.spool->direct) {
		world_end(&w);
		skip(); /* a file system without O_DIRECT */
	}
	assert_int_equal(spool_view(w.spool, message, &view), 0);
	assert_int_equal(view.body_count, 5);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(view.places[i].block, SPOOL_BLOCK);
		assert_true(fcntl(view.places[i].fd, F_GETFL) & O_DIRECT);
	}
	assert_int_equal(view.places[4].block, 0);
	assert_false(fcntl(view.places[4].fd, F_GETFL) & O_DIRECT);
	spool_release_view(w.spool, &view);
	world_end(&w);
}

/* Whatever end a round has left: no block is shared with other records. */
static void no_block_has_bytes_of_both_kinds(void **state)
{
	struct spool_message *small, *large;
	struct world w;

	setup(&w);
	for (size_t i = 0; i < 20; i++) {
		uint64_t end;

		small = world_put(&w, 2 * i, 1 + 413 * i, 1);
		large = world_put(&w, 2 * i + 1, 300000, 1);
		end = ((uint64_t)small->offset8 << 3) +
		      spool_record_size(small->length);
		assert_true((uint64_t)chunk(large, 0)->offset8 << 3 >= end);
		assert_int_equal(chunk(large, 0)->offset8 % (SPOOL_BLOCK / 8),
				 0);
		world_check(&w, small, 2 * i, 1 + 413 * i, 1);
		world_check(&w, large, 2 * i + 1, 300000, 1);
	}
	world_reopen(&w);
	assert_int_equal(w.found_count, 40);
	assert_true(w.report.records[SPOOL_RECORD_PAD] >= 20);
	assert_int_equal(w.report.records[0], 0);
	assert_int_equal(w.report.bad_records, 0);
	assert_int_equal(w.report.torn_bytes, 0);
	for (size_t i = 0; i < 20; i++)
		world_check(&w, w.found[2 * i + 1], 2 * i + 1, 300000, 1);
	world_end(&w);
}

static void a_gap_shorter_than_a_header_takes_a_block_more(void **state)
{
	assert_int_equal(spool_pad_size(0), 0);
	assert_int_equal(spool_pad_size(SPOOL_BLOCK), 0);
	assert_int_equal(spool_pad_size(64), SPOOL_BLOCK - 64);
	assert_int_equal(spool_pad_size(SPOOL_BLOCK - SPOOL_RECORD_HEADER),
			 SPOOL_RECORD_HEADER);
	assert_int_equal(spool_pad_size(SPOOL_BLOCK - 8), SPOOL_BLOCK + 8);
}

/* The first write of a whole chunk is refused, as by a file system that takes
 * O_DIRECT when a file is opened and not when it is written. */
static void what_the_kernel_refuses_goes_through_the_cache(void **state)
{
	struct spool_message *message;
	struct world w;

	setup(&w);
	/* header and PAD, then the chunks */
	uring_fake_fail(w.fake, IORING_OP_WRITEV, 1, EINVAL, 1);
	message = world_put(&w, 1, MIB, 1);
	assert_false(w.spool->direct);
	assert_int_equal(spool_stats(w.spool)->failures, 0);
	world_check(&w, message, 1, MIB, 1);
	message = world_put(&w, 2, MIB, 1);
	world_check(&w, message, 2, MIB, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, 2);
	world_check(&w, w.found[0], 1, MIB, 1);
	world_end(&w);
}

/* A file that is used again is written by the same two descriptors. */
static void whole_chunks_in_a_file_that_is_used_again(void **state)
{
	enum {
		KEPT = 6
	};
	struct spool_message *kept[KEPT];
	struct world w;

	world_init(&w);
	w.config.segment_size = 2 * MIB;
	w.config.recycle = true;
	world_open(&w);
	for (size_t i = 0; i < 12; i++) {
		world_deliver(&w, world_put(&w, 100 + i, MIB, 1));
		world_settle(&w);
	}
	for (size_t i = 0; i < KEPT; i++)
		kept[i] = world_put(&w, i, MIB, 1);
	assert_true(kept[0]->segment->recycled);
	for (size_t i = 0; i < KEPT; i++)
		world_check(&w, kept[i], i, MIB, 1);
	world_reopen(&w);
	assert_int_equal(w.found_count, KEPT);
	for (size_t i = 0; i < KEPT; i++)
		world_check(&w, w.found[i], i, MIB, 1);
	world_end(&w);
}

static void it_can_be_left_out(void **state)
{
	struct spool_message *message;
	struct world w;

	world_init(&w);
	w.config.direct = false;
	world_open(&w);
	message = world_put(&w, 1, MIB / 2, 1);
	assert_int_equal(w.spool->current->direct_fd, -1);
	world_check(&w, message, 1, MIB / 2, 1);
	world_reopen(&w);
	assert_int_equal(w.report.records[SPOOL_RECORD_PAD], 0);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_chunks_are_whole_blocks),
		cmocka_unit_test(a_place_says_how_it_is_to_be_read),
		cmocka_unit_test(no_block_has_bytes_of_both_kinds),
		cmocka_unit_test(
			a_gap_shorter_than_a_header_takes_a_block_more),
		cmocka_unit_test(
			what_the_kernel_refuses_goes_through_the_cache),
		cmocka_unit_test(whole_chunks_in_a_file_that_is_used_again),
		cmocka_unit_test(it_can_be_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
