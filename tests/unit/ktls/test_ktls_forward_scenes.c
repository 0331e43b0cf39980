/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a forward does when all goes well, and when a peer is slow.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_forward.h"

#define COMMAND (sizeof(LINE_COMMAND) - 1)
#define SEEDS	12

static const enum ktls_byte_path paths[] = {KTLS_PATH_AUTO, KTLS_PATH_SPLICE,
					    KTLS_PATH_MAPPED};

/* A line of any kind, by seed. */
static struct line_config by_seed(uint64_t seed)
{
	const struct line_ways *lw = &line_ways[seed % line_way_count];

	return (struct line_config){.seed = seed,
				    .from = lw->from,
				    .to = lw->to,
				    .path = paths[seed / 2 % 3],
				    .spare = seed % 3 == 0};
}

/* One that splices, where the kernel can. */
static struct line_config spliced_by_seed(uint64_t seed)
{
	struct line_config config = by_seed(seed);

	config.from = line_ways[seed % 4].from;
	config.to = line_ways[seed % 4].to;
	config.path = KTLS_PATH_SPLICE;
	return config;
}

static size_t forward_all(struct line *l, const size_t *sizes, size_t count)
{
	size_t at = 0, spliced = 0;

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(line_forward(l, sizes[i]), KTLS_FORWARD_DONE);
		line_expect_command(l);
		line_expect_arrived(l, at, sizes[i]);
		at += sizes[i] + COMMAND;
		spliced += l->forward.spliced;
	}
	return spliced;
}

static void every_size(struct shop *shop, const struct line_config *config)
{
	static const size_t sizes[] = {
		0, 1, 16383, 16384, 16385, 65536, 100, 1048577, 1, 262144, 0};
	const size_t count = sizeof(sizes) / sizeof(sizes[0]);
	struct line l;
	size_t spliced;

	line_open(&l, shop, config);
	line_client_sends(&l, sizes, count);
	spliced = forward_all(&l, sizes, count);
	if (line_splices(&l))
		assert_true(spliced > 262144);
	else
		assert_int_equal(spliced, 0);
	assert_int_equal(l.from.side.count[KTLS_EVENT_FAILED], 0);
	assert_int_equal(l.to.side.count[KTLS_EVENT_FAILED], 0);
	line_close(&l);
}

void every_size_is_forwarded_exactly(void **state)
{
	for (size_t i = 0; i < line_way_count; i++) {
		for (uint64_t seed = 0; seed < line_seeds(state, SEEDS);
		     seed++) {
			struct line_config config = by_seed(seed + i);

			config.from = line_ways[i].from;
			config.to = line_ways[i].to;
			every_size(*state, &config);
		}
	}
}

void sixty_four_mebibytes_are_forwarded(void **state)
{
	const size_t size = 64 * 1024 * 1024;
	struct line_config config = by_seed(0);
	struct line l;

	config.seed = 3; /* large buffers, no short counts */
	line_open(&l, *state, &config);
	line_client_sends(&l, &size, 1);
	(void)forward_all(&l, &size, 1);
	if (line_splices(&l))
		assert_true(l.forward.spliced > size / 2);
	line_close(&l);
}

/* Several buffers of it, and the kernel's part of a record. */
void what_was_received_before_is_forwarded_too(void **state)
{
	const size_t sizes[] = {300000, 70000};

	for (uint64_t seed = 0; seed < line_seeds(state, 4 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		line_open(&l, *state, &config);
		line_client_sends(&l, sizes, 2);
		for (unsigned i = world_below(&l.from, 60); i > 0; i--)
			line_turn(&l);
		(void)forward_all(&l, sizes, 2);
		line_close(&l);
	}
}

void a_slow_client_is_waited_for(void **state)
{
	const size_t size = 300000;

	for (uint64_t seed = 0; seed < line_seeds(state, 2 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		line_open(&l, *state, &config);
		line_client_sends(&l, &size, 1);
		line_start(&l, size);
		for (int i = 0; i < 40; i++) {
			l.from.peer.stalled = true;
			for (unsigned t = world_below(&l.from, 30); t > 0; t--)
				line_turn(&l);
			l.from.peer.stalled = false;
			line_turn(&l);
		}
		world_while(&l.from, !l.ended);
		assert_int_equal(l.end, KTLS_FORWARD_DONE);
		line_expect_command(&l);
		line_expect_arrived(&l, 0, size);
		line_close(&l);
	}
}

void a_slow_next_hop_is_waited_for(void **state)
{
	const size_t size = 600000;

	for (uint64_t seed = 0; seed < line_seeds(state, 2 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		line_open(&l, *state, &config);
		line_client_sends(&l, &size, 1);
		l.to.peer.stalled = true;
		line_start(&l, size);
		if (!l.from.shop->real) {
			/* what fits is taken, then nobody works */
			for (int i = 0; i < 300; i++)
				line_turn(&l);
			assert_int_equal(l.ended, 0);
			assert_int_equal(ktls_forward_waits(&l.forward),
					 KTLS_FORWARD_WAITS_SINK);
		}
		for (int i = 0; i < 40; i++) {
			l.to.peer.stalled = world_below(&l.to, 3) > 0;
			line_turn(&l);
		}
		l.to.peer.stalled = false;
		world_while(&l.from, !l.ended);
		assert_int_equal(l.end, KTLS_FORWARD_DONE);
		line_expect_command(&l);
		line_expect_arrived(&l, 0, size);
		line_close(&l);
	}
}

/* The owner has to know what to drop of the chunk. */
void a_forward_that_is_stopped_is_exact(void **state)
{
	const size_t sizes[] = {400000, 100000};

	for (uint64_t seed = 0; seed < line_seeds(state, 8 * SEEDS); seed++) {
		struct line_config config = spliced_by_seed(seed);
		struct line l;

		line_open(&l, *state, &config);
		line_client_sends(&l, sizes, 2);
		l.to.peer.stalled = seed & 1;
		line_start(&l, sizes[0]);
		for (unsigned i = world_below(&l.from, 200); i > 0; i--)
			line_turn(&l);
		ktls_forward_stop(&l.forward);
		world_while(&l.from, !l.ended);
		if (l.end != KTLS_FORWARD_DONE)
			assert_int_equal(l.end, KTLS_FORWARD_SINK);
		line_skip(&l, sizes[0] - l.forward.taken);
		line_expect_command(&l);
		/* another sink would get the next one; here it is dropped */
		line_skip(&l, sizes[1]);
		line_expect_command(&l);
		line_close(&l);
	}
}

/* They belong to the sink's owner, who is told behind the forward. */
void replies_of_the_next_hop_wait(void **state)
{
	const size_t size = 300000;

	for (uint64_t seed = 0; seed < line_seeds(state, SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		unsigned before;
		struct line l;

		line_open(&l, *state, &config);
		line_client_sends(&l, &size, 1);
		before = l.to.side.count[KTLS_EVENT_READABLE];
		line_start(&l, size);
		peer_send(&l.to.peer, "552 enough\r\n", 12);
		while (!l.ended && l.to.peer.out_at < l.to.peer.out_len)
			line_turn(&l);
		if (!l.ended)
			assert_int_equal(l.to.side.count[KTLS_EVENT_READABLE],
					 before);
		world_while(&l.from, !l.ended);
		l.to.side.hold = false;
		l.to.side.in_len = 0;
		world_while(&l.to,
			    l.to.side.count[KTLS_EVENT_READABLE] == before);
		line_expect_command(&l);
		line_expect_arrived(&l, 0, size);
		line_close(&l);
	}
}
