/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a forward does when a peer ends, resets or sends other things than
 * data, at any time.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_forward.h"

#define SEEDS 12
#define SIZE  400000

static struct line_config by_seed(uint64_t seed)
{
	return (struct line_config){.seed = seed,
				    .from = line_ways[seed % 4].from,
				    .to = line_ways[seed % 4].to,
				    .path = seed % 5 ? KTLS_PATH_SPLICE
						     : KTLS_PATH_AUTO,
				    .spare = seed % 3 == 0};
}

/* A chunk of which a part is there, at any time of its forward. */
static void open_in_the_middle(struct line *l, struct shop *shop,
			       const struct line_config *config, size_t sent)
{
	line_open(l, shop, config);
	l->body = world_bytes(&l->from, sent);
	l->body_len = sent;
	peer_send(&l->from.peer, l->body, sent);
	line_start(l, SIZE);
	for (unsigned i = world_below(&l->from, 200); i > 0; i--)
		line_turn(l);
}

static void until_sent(struct line *l)
{
	const struct peer *client = &l->from.peer;

	world_while(&l->from, client->out_at < client->out_len);
}

static void until_ended(struct line *l, enum ktls_forward_end end)
{
	world_while(&l->from, !l->ended);
	assert_int_equal(l->ended, 1);
	assert_int_equal(l->end, end);
}

void a_client_that_ends_is_the_sources_end(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, 8 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		open_in_the_middle(&l, *state, &config, 200000);
		until_sent(&l);
		if (config.from && seed & 4)
			peer_close_notify(&l.from.peer);
		world_while(&l.from, l.from.peer.wire_len > 0);
		peer_fin(&l.from.peer);
		until_ended(&l, KTLS_FORWARD_SOURCE);
		/* and its owner is told */
		world_while(&l.from,
			    !side_eof(&l.from) && !side_failed(&l.from));
		assert_true(l.forward.taken <= 200000);
		assert_false(side_failed(&l.to));
		line_close(&l);
	}
}

void a_client_that_ends_behind_the_last_byte(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, 4 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		open_in_the_middle(&l, *state, &config, SIZE);
		until_sent(&l);
		if (config.from)
			peer_close_notify(&l.from.peer);
		world_while(&l.from, l.from.peer.wire_len > 0);
		peer_fin(&l.from.peer);
		until_ended(&l, KTLS_FORWARD_DONE);
		line_expect_arrived(&l, 0, SIZE);
		world_while(&l.from, !side_eof(&l.from));
		line_close(&l);
	}
}

void a_client_that_resets(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, 8 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		open_in_the_middle(&l, *state, &config, 200000);
		peer_reset(&l.from.peer);
		until_ended(&l, KTLS_FORWARD_SOURCE);
		world_until(&l.from, side_failed);
		assert_false(side_failed(&l.to));
		line_close(&l);
	}
}

void a_next_hop_that_ends_is_the_sinks_end(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, 8 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		open_in_the_middle(&l, *state, &config, 200000);
		if (config.to && seed & 4)
			peer_close_notify(&l.to.peer);
		world_while(&l.to, l.to.peer.wire_len > 0);
		peer_fin(&l.to.peer);
		until_ended(&l, KTLS_FORWARD_SINK);
		world_while(&l.to, !side_eof(&l.to) && !side_failed(&l.to));
		/* the client goes on, and every byte of it is known */
		line_skip(&l, 200000 - l.forward.taken);
		assert_false(side_failed(&l.from));
		line_close(&l);
	}
}

void a_next_hop_that_resets(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, 8 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		open_in_the_middle(&l, *state, &config, 200000);
		l.to.peer.stalled = seed & 1;
		peer_reset(&l.to.peer);
		until_ended(&l, KTLS_FORWARD_SINK);
		world_until(&l.to, side_failed);
		line_skip(&l, 200000 - l.forward.taken);
		assert_false(side_failed(&l.from));
		line_close(&l);
	}
}

void a_bad_record_in_a_chunk(void **state)
{
	static const unsigned char bad[5 + 32] = {23, 3, 3, 0, 32, 1, 2, 3};

	for (uint64_t seed = 0; seed < line_seeds(state, 2 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		config.from = line_ways[seed % 3].from; /* TLS */
		open_in_the_middle(&l, *state, &config, 200000);
		until_sent(&l);
		peer_send_raw(&l.from.peer, bad, sizeof(bad));
		until_ended(&l, KTLS_FORWARD_SOURCE);
		world_until(&l.from, side_failed);
		assert_int_equal(l.from.side.failure.kind, KTLS_FAILURE_RECORD);
		/* what was good has gone on */
		assert_int_equal(l.forward.taken, 200000);
		line_close(&l);
	}
}

static void close_one(struct line *l, unsigned which)
{
	struct ktls_stream *stream =
		which & 1 ? &l->from.side.stream : &l->to.side.stream;

	ktls_stream_close(stream,
			  which & 2 ? KTLS_CLOSE_ABORT : KTLS_CLOSE_FLUSH);
}

/* Nobody hears of the forward then. */
void streams_closed_at_any_time(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, 16 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		config.reset_percent = seed % 7 == 0;
		if (config.reset_percent)
			config.from = config.to = NULL;
		open_in_the_middle(&l, *state, &config, 200000);
		l.to.peer.stalled = seed & 8;
		close_one(&l, (unsigned)seed);
		l.to.peer.stalled = false;
		assert_false(ktls_forward_running(&l.forward));
		line_turn(&l);
		close_one(&l, (unsigned)~seed);
		peer_close(&l.from.peer);
		peer_close(&l.to.peer);
		world_while(&l.from, !l.from.side.closed || !l.to.side.closed);
		line_close(&l);
	}
}

/* --- records that are not data --- */

static void send_data_record(struct line *l, size_t at, size_t len)
{
	if (len > 0)
		peer_send_record(&l->from.peer, 23, l->body + at, len);
}

/* Nothing of the kind is an end, nor lost, nor forwarded. */
void empty_records_in_a_chunk(void **state)
{
	static const unsigned char canceled[] = {1, 90};

	for (uint64_t seed = 0; seed < line_seeds(state, 2 * SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;
		size_t at = 0;

		config.from = &ways[WAY_SERVER_13];
		config.to = NULL;
		config.clear_records = true;
		line_open(&l, *state, &config);
		l.body = world_bytes(&l.from, SIZE);
		line_start(&l, SIZE);
		while (at < SIZE) {
			size_t n = 1 + world_below(&l.from, 16384);

			if (n > SIZE - at)
				n = SIZE - at;
			send_data_record(&l, at, n);
			at += n;
			if (world_below(&l.from, 3) == 0)
				peer_send_record(&l.from.peer, 23, "", 0);
			if (world_below(&l.from, 4) == 0)
				peer_send_record(&l.from.peer, 21, canceled, 2);
			world_while(&l.from, l.from.peer.wire_len > 60000);
		}
		until_ended(&l, KTLS_FORWARD_DONE);
		assert_int_equal(l.forward.taken, SIZE);
		line_expect_arrived(&l, 0, SIZE);
		if (line_splices(&l))
			assert_true(l.forward.spliced > 0);
		line_close(&l);
	}
}

static void key_updates(struct shop *shop, uint64_t seed, bool of_client)
{
	struct line_config config = by_seed(seed);
	const size_t size = SIZE;
	struct line l;

	config.from = line_ways[0].from;
	config.to = line_ways[0].to;
	config.rekey = true;
	line_open(&l, shop, &config);
	line_client_sends(&l, &size, 1);
	line_start(&l, size);
	for (int i = 0; i < 6; i++) {
		struct peer *peer = of_client ? &l.from.peer : &l.to.peer;

		for (unsigned t = world_below(&l.from, 60); t > 0; t--)
			line_turn(&l);
		peer_key_update(peer, seed & 1);
	}
	until_ended(&l, KTLS_FORWARD_DONE);
	line_expect_command(&l);
	line_expect_arrived(&l, 0, size);
	assert_false(side_failed(&l.from));
	assert_false(side_failed(&l.to));
	line_close(&l);
}

void a_key_update_in_a_chunk(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, 2 * SEEDS); seed++)
		key_updates(*state, seed, true);
}

void a_key_update_of_the_next_hop(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, 2 * SEEDS); seed++)
		key_updates(*state, seed, false);
}

/* What came before it has gone on; the client's owner hears why it ends. */
void a_key_update_that_cant_be_followed(void **state)
{
	for (uint64_t seed = 0; seed < line_seeds(state, SEEDS); seed++) {
		struct line_config config = by_seed(seed);
		struct line l;

		config.from = line_ways[0].from;
		config.to = line_ways[0].to;
		open_in_the_middle(&l, *state, &config, 200000);
		until_sent(&l);
		peer_key_update(&l.from.peer, seed & 1);
		until_ended(&l, KTLS_FORWARD_SOURCE);
		world_until(&l.from, side_failed);
		assert_int_equal(l.from.side.failure.kind, KTLS_FAILURE_REKEY);
		assert_int_equal(l.forward.taken, 200000);
		line_expect_arrived(&l, 0, 200000);
		line_close(&l);
	}
}
