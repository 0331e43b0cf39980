/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On every way: bytes, who takes them, backlog, ends at any time.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_ways.h"

#define SEEDS 60

static void exchange(struct shop *shop, const struct way *way, uint64_t seed)
{
	unsigned char *up, *down;
	bool kernel = way_in_kernel(shop, way);
	struct world w;

	way_secure(&w, shop, way, seed);
	assert_int_equal(w.side.info.agreed.version, way->version);
	up = world_bytes(&w, 200000);
	down = world_bytes(&w, 200000);
	side_send(&w.side, up, 17 + world_below(&w, 199000));
	peer_send(&w.peer, down, 1 + world_below(&w, 199000));
	world_until(&w, world_exchanged);
	world_assert_exchanged(&w);
	way_assert_nothing_in_clear(&w);
	world_turns(&w, 10);
	assert_int_equal(w.kernel.calls[KTLS_TX], kernel);
	assert_int_equal(w.kernel.calls[KTLS_RX], kernel);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_while(&w, !w.peer.fin);
	assert_true(w.peer.notify);
	assert_false(w.peer.broken);
	peer_close(&w.peer);
	world_until(&w, side_closed);
	assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
	world_close(&w);
	free(up);
	free(down);
}

void bytes_in_are_bytes_out_on_every_way(void **state)
{
	for (size_t i = 0; i < way_count; i++)
		for (uint64_t seed = 0; seed < SEEDS / 5; seed++)
			exchange(*state, &ways[i], seed);
}

void the_kernel_takes_both_directions(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		bool kernel = way_in_kernel(*state, &ways[i]);
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		for (unsigned d = 0; d < KTLS_DIRECTIONS; d++) {
			assert_int_equal(w.side.info.offload[d], kernel);
			assert_int_equal(w.side.info.reason[d],
					 way_reason(*state, &ways[i]));
		}
		if (kernel)
			assert_null(w.side.stream.p->engine);
		world_close(&w);
	}
}

void a_client_receives_in_openssl_until_the_first_reply(void **state)
{
	const struct way *way = &ways[WAY_CLIENT_13];
	struct world w;

	way_secure(&w, *state, way, 1);
	world_turns(&w, 50); /* the tickets */
	assert_true(w.side.info.offload[KTLS_TX]);
	assert_false(w.side.info.offload[KTLS_RX]);
	assert_int_equal(w.side.info.reason[KTLS_RX], KTLS_REASON_NOT_YET);
	assert_non_null(strstr(w.side.described, "offload=tx why=not_yet"));
	way_receive_one(&w);
	assert_true(w.side.info.offload[KTLS_RX]);
	assert_non_null(strstr(w.side.described, "offload=tx,rx"));
	world_close(&w);
}

void an_idle_kernel_stream_is_small(void **state)
{
	struct world w;

	way_secure(&w, *state, &ways[WAY_CLIENT_13], 0);
	way_receive_one(&w);
	world_turns(&w, 10);
	assert_null(w.side.stream.p->engine);
	assert_null(w.side.stream.p->reader);
	assert_null(w.side.stream.p->queue);
	assert_null(w.side.stream.p->wire);
	assert_null(w.side.stream.p->block);
	assert_true(sizeof(struct ktls_stream_private) +
			    sizeof(struct ktls_info) +
			    w.side.stream.p->inbox.size *
				    sizeof(struct uring_buf) <=
		    1024);
	world_close(&w);
}

void tickets_reach_the_session_cache(void **state)
{
	struct shop *shop = *state;
	struct ktls_engine_config config = {.server_name = WORLD_NAME,
					    .session_key = "again:25",
					    .verify = KTLS_VERIFY_NAME};

	for (int round = 0; round < 2; round++) {
		struct world w;

		way_open(&w, shop, &ways[WAY_CLIENT_13], 7);
		assert_int_equal(ktls_stream_start_tls(&w.side.stream,
						       shop->client, &config,
						       KTLS_OFFLOAD_AUTO),
				 0);
		world_peer_tls(&w, KTLS_CLIENT);
		world_until_event(&w, KTLS_EVENT_SECURE);
		way_receive_one(&w);
		assert_int_equal(w.side.info.agreed.resumed, round == 1);
		assert_true(w.side.info.offload[KTLS_RX]);
		world_close(&w);
	}
}

/* More than one send takes at a time. */
void a_large_range_goes_out_whole(void **state)
{
	const size_t len = 5 * 1024 * 1024 + 17;

	for (size_t i = 0; i < way_count; i += 3) {
		unsigned char *up;
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		up = world_bytes(&w, len);
		w.side.out = up;
		w.side.out_len = w.side.out_at = len;
		ktls_stream_write(&w.side.stream, up, 100);
		ktls_stream_send(&w.side.stream, up + 100, len - 100);
		assert_int_equal(ktls_stream_unsent(&w.side.stream), len);
		w.side.close_when_written = true;
		world_while(&w, !w.peer.fin);
		assert_int_equal(w.peer.in_len, len);
		assert_memory_equal(w.peer.in, up, len);
		assert_true(w.peer.notify);
		peer_close(&w.peer);
		world_until(&w, side_closed);
		assert_int_equal(w.side.info.bytes_out, len);
		world_close(&w);
		free(up);
	}
}

/* --- backlog --- */

void unread_bytes_stop_the_receiving(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		unsigned char *down;
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		down = world_bytes(&w, 1000000);
		w.side.hold = true;
		peer_send(&w.peer, down, 1000000);
		world_turns(&w, 400);
		assert_true(w.peer.wire_len > 0 || w.peer.out_at < 1000000);
		assert_true(uring_bufs_out(w.bufs) <= 12);
		world_close(&w);
		free(down);
	}
}

/* Whoever waits for another stream before it reads on must not keep all the
 * buffers that the other one needs. */
void unread_bytes_leave_buffers_for_others(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world_config config = way_config(*state, &ways[i], i);
		unsigned char *down;
		struct world w, other;

		config.bufs = 4;
		world_open(&w, *state, &config);
		world_open_beside(&other, &w, &config);
		world_start(&w);
		world_start(&other);
		world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
		world_secure(&other, ways[i].role, KTLS_OFFLOAD_AUTO);
		way_receive_one(&w);
		way_receive_one(&other);
		down = world_bytes(&w, 500000);
		w.side.hold = true;
		peer_send(&w.peer, down, 500000);
		world_turns(&w, 400);
		way_receive_one(&other);
		/* and nothing was lost */
		side_unhold(&w.side);
		world_until(&w, world_exchanged);
		world_assert_exchanged(&w);
		world_close(&other);
		world_close(&w);
		free(down);
	}
}

static void read_some(struct side *side)
{
	const unsigned char *data;
	size_t n = ktls_stream_peek(&side->stream, &data);
	struct world *w = side->world;

	if (n == 0)
		return;
	n = 1 + world_below(w, (unsigned)n);
	assert_memory_equal(data, w->peer.out + side->in_len, n);
	side->in_len += n;
	ktls_stream_consume(&side->stream, n);
}

static void read_slowly(struct world *w, size_t len)
{
	unsigned char *down = world_bytes(w, len);

	w->side.hold = true;
	peer_send(&w->peer, down, len);
	for (int t = 0; t < 400000 && w->side.in_len < len; t++) {
		world_turn(w);
		if (t % 3 == 0)
			read_some(&w->side);
	}
	assert_int_equal(w->side.in_len, len);
	world_close(w);
	free(down);
}

void a_slow_owner_gets_all_in_the_end(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		read_slowly(&w, 300000);
	}
}

/* A multishot receive runs out of buffers all the time. */
void one_buffer_is_enough(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world_config config =
			way_config(*state, &ways[i], 4 * i);
		struct world w;

		config.bufs = 1;
		world_open(&w, *state, &config);
		world_start(&w);
		world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
		read_slowly(&w, 100000);
	}
}

void pause_stops_and_resume_goes_on(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		unsigned char *down;
		unsigned before;
		struct world w;

		way_secure(&w, *state, &ways[i], i);
		way_receive_one(&w);
		down = world_bytes(&w, 400000);
		peer_send(&w.peer, down, 400000);
		ktls_stream_pause(&w.side.stream);
		world_turns(&w, 100);
		before = w.side.count[KTLS_EVENT_READABLE];
		world_turns(&w, 100);
		assert_int_equal(w.side.count[KTLS_EVENT_READABLE], before);
		assert_true(w.side.in_len < 400000);
		ktls_stream_resume(&w.side.stream);
		world_until(&w, world_exchanged);
		world_assert_exchanged(&w);
		world_close(&w);
		free(down);
	}
}

/* --- at any time --- */

/* A real kernel has its own chance, and takes its time. RINGPOST_SEEDS asks for
 * more than a test suite has time for. */
static uint64_t runs(void **state)
{
	const struct shop *shop = *state;
	const char *asked = getenv("RINGPOST_SEEDS");

	if (asked)
		return strtoull(asked, NULL, 10);
	return shop->real ? SEEDS : 8 * SEEDS;
}

static void run_into_the_end(struct shop *shop, uint64_t seed,
			     unsigned reset_percent, bool abort)
{
	const struct way *way = &ways[seed % way_count];
	struct world_config config = way_config(shop, way, seed);
	unsigned char *up, *down;
	struct world w;

	config.reset_percent = reset_percent;
	world_open(&w, shop, &config);
	world_start(&w);
	assert_int_equal(world_start_tls(&w, way->role, KTLS_OFFLOAD_AUTO), 0);
	world_peer_tls(&w, way->role);
	up = world_bytes(&w, 100000);
	down = world_bytes(&w, 100000);
	side_send(&w.side, up, 100000);
	peer_send(&w.peer, down, 100000);
	world_turns(&w, world_below(&w, 120));
	if (w.side.in_len > 0)
		assert_memory_equal(w.side.in, down, w.side.in_len);
	if (w.peer.in_len > 0)
		assert_memory_equal(w.peer.in, up, w.peer.in_len);
	way_assert_nothing_in_clear(&w);
	if (!abort) {
		ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
		world_turns(&w, world_below(&w, 60));
		if (w.peer.fd >= 0)
			peer_close(&w.peer);
		world_turns(&w, 5);
		for (int i = 0; i < 3 && !w.side.closed; i++)
			world_pass(&w, 31 * URING_SEC);
	}
	assert_true(w.side.count[KTLS_EVENT_FAILED] <= 1);
	world_close(&w);
	free(up);
	free(down);
}

void aborts_at_any_time_leak_nothing(void **state)
{
	for (uint64_t seed = 0; seed < runs(state); seed++)
		run_into_the_end(*state, seed, 0, true);
}

void flushes_at_any_time_leak_nothing(void **state)
{
	for (uint64_t seed = 0; seed < runs(state); seed++)
		run_into_the_end(*state, seed, 0, false);
}

void resets_at_any_time_leak_nothing(void **state)
{
	for (uint64_t seed = 0; seed < runs(state); seed++)
		run_into_the_end(*state, seed, 2, seed & 1);
}
