/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On every way of TLS 1.3: changes of keys, by the peer, by us, at limits; and
 * what happens where the kernel can't change them.
 */
#include <errno.h>
#include <linux/tls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_ways.h"

#define SEEDS 12
#define FLOOD (4 * KSTREAM_CONTROL_RECORDS)

static bool is_13(const struct way *way)
{
	return way->version == KTLS_TLS_1_3;
}

/* @rekey: as if the kernel could change keys, or as if it couldn't. */
static void open_way(struct world *w, struct shop *shop, const struct way *way,
		     uint64_t seed, bool rekey)
{
	struct world_config config = way_config(shop, way, seed);

	config.rekey = rekey;
	/* no kernel that can rekey has so old a ring */
	if (rekey && config.level == URING_LEVEL_5_10)
		config.level = URING_LEVEL_BEST;
	world_open(w, shop, &config);
	if (!rekey)
		w->caps.rekey_tx = w->caps.rekey_rx = false;
	world_start(w);
}

static void open_secure(struct world *w, struct shop *shop,
			const struct way *way, uint64_t seed, bool rekey)
{
	open_way(w, shop, way, seed, rekey);
	world_secure(w, way->role, KTLS_OFFLOAD_AUTO);
	world_while(w, !w->peer.done);
	way_receive_one(w);
}

static void exchange(struct world *w, size_t up_len, size_t down_len)
{
	unsigned char *up = world_bytes(w, up_len);
	unsigned char *down = world_bytes(w, down_len);

	w->side.in_len = w->peer.in_len = 0;
	w->peer.out_len = w->peer.out_at = 0;
	side_send(&w->side, up, up_len);
	peer_send(&w->peer, down, down_len);
	world_until(w, world_exchanged);
	world_assert_exchanged(w);
	w->side.in_len = w->peer.in_len = 0;
	w->peer.out_len = w->peer.out_at = 0;
	w->side.out_len = w->side.out_at = 0;
	free(up);
	free(down);
}

static void note_info(struct world *w)
{
	ktls_stream_info(&w->side.stream, &w->side.info);
}

static void follow(struct shop *shop, const struct way *way, uint64_t seed,
		   bool ask)
{
	const unsigned rounds = 5;
	struct world w;

	open_secure(&w, shop, way, seed, true);
	for (unsigned i = 0; i < rounds; i++) {
		peer_key_update(&w.peer, ask);
		exchange(&w, 1 + world_below(&w, 40000),
			 1 + world_below(&w, 40000));
	}
	world_while(&w, ask && w.peer.key_updates < rounds);
	note_info(&w);
	assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
	assert_int_equal(w.peer.key_updates, ask ? rounds : 0);
	if (way_in_kernel(shop, way)) {
		assert_int_equal(w.side.info.rekeys[KTLS_RX], rounds);
		assert_int_equal(w.side.info.rekeys[KTLS_TX], ask ? rounds : 0);
	}
	assert_false(ktls_stream_worn(&w.side.stream));
	world_close(&w);
}

void the_peers_new_keys_are_followed(void **state)
{
	for (size_t i = 0; i < way_count; i++)
		for (uint64_t seed = 0; seed < SEEDS && is_13(&ways[i]); seed++)
			follow(*state, &ways[i], seed, seed & 1);
}

/* Requests come while our output waits: one answer before it goes on. */
void new_keys_come_before_what_waits(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		unsigned char *up;
		struct world w;

		if (!is_13(&ways[i]))
			continue;
		open_secure(&w, *state, &ways[i], i, true);
		peer_key_update(&w.peer, true);
		peer_key_update(&w.peer, true);
		up = world_bytes(&w, 300000);
		side_send(&w.side, up, 300000);
		world_while(&w, w.peer.in_len < 300000);
		assert_memory_equal(w.peer.in, up, 300000);
		assert_true(w.peer.key_updates >= 1);
		assert_true(w.peer.key_updates <= 2);
		assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
		world_close(&w);
		free(up);
	}
}

static void any_time(struct shop *shop, const struct way *way, uint64_t seed)
{
	unsigned char *up, *down;
	struct world w;

	open_way(&w, shop, way, seed, true);
	if (world_below(&w, 2) == 0)
		w.env.record_limit = 1 + world_below(&w, 8);
	world_secure(&w, way->role, KTLS_OFFLOAD_AUTO);
	up = world_bytes(&w, 300000);
	down = world_bytes(&w, 300000);
	world_while(&w, !w.peer.done);
	side_send(&w.side, up, 300000);
	peer_send(&w.peer, down, 300000);
	for (unsigned turn = 0; !world_exchanged(&w); turn++) {
		world_patience(&w, turn);
		if (world_below(&w, 6) == 0)
			peer_key_update(&w.peer, world_below(&w, 2));
		world_turns(&w, 1 + world_below(&w, 8));
		assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
		assert_false(w.peer.broken);
	}
	world_assert_exchanged(&w);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_while(&w, !w.peer.fin);
	assert_true(w.peer.notify);
	peer_close(&w.peer);
	world_until(&w, side_closed);
	world_close(&w);
	free(up);
	free(down);
}

void new_keys_at_any_time(void **state)
{
	for (size_t i = 0; i < way_count; i++)
		for (uint64_t seed = 0; seed < SEEDS && is_13(&ways[i]); seed++)
			any_time(*state, &ways[i], seed);
}

/* RFC 8446 section 5.5: before a key has been used too much. */
void keys_are_changed_at_their_limit(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		if (!is_13(&ways[i]))
			continue;
		open_way(&w, *state, &ways[i], i, true);
		w.env.record_limit = 10;
		world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
		world_while(&w, !w.peer.done);
		way_receive_one(&w);
		for (int round = 0; round < 4; round++)
			exchange(&w, 400000, 400000);
		note_info(&w);
		/* 4 x 400 KB are 98 full records */
		assert_true(w.peer.key_updates >= 8);
		if (way_in_kernel(*state, &ways[i])) {
			assert_int_equal(w.side.info.rekeys[KTLS_TX],
					 w.peer.key_updates);
			assert_true(w.side.info.rekeys[KTLS_RX] >= 1);
		}
		assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
		assert_false(ktls_stream_worn(&w.side.stream));
		world_close(&w);
	}
}

/* TLS 1.2, or a kernel that can't: whoever owns the stream has to end it. */
void keys_that_stay_are_worn_at_their_limit(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		for (int dir = 0; dir < KTLS_DIRECTIONS; dir++) {
			bool stays = !is_13(&ways[i]) ||
				     way_in_kernel(*state, &ways[i]);
			struct world w;

			open_way(&w, *state, &ways[i], i, false);
			w.env.record_limit = 20;
			world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
			world_while(&w, !w.peer.done);
			way_receive_one(&w);
			assert_false(ktls_stream_worn(&w.side.stream));
			exchange(&w, dir == KTLS_TX ? 400000 : 1,
				 dir == KTLS_RX ? 400000 : 1);
			assert_int_equal(ktls_stream_worn(&w.side.stream),
					 stays);
			exchange(&w, 100, 100);
			assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
			world_close(&w);
		}
	}
}

/* User space follows new keys itself; a kernel that can't leaves in order, and
 * the owner has the last word. */
void without_rekey_a_key_update_ends_in_order(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		if (!is_13(&ways[i]) || !way_in_kernel(*state, &ways[i]))
			continue;
		open_secure(&w, *state, &ways[i], i, false);
		peer_key_update(&w.peer, i & 1);
		peer_send(&w.peer, "new", 3);
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_REKEY);
		assert_int_equal(
			ktls_stream_write(&w.side.stream, "421 bye\r\n", 9), 0);
		ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
		world_while(&w, !w.peer.fin);
		assert_int_equal(w.peer.in_len, 9);
		assert_memory_equal(w.peer.in, "421 bye\r\n", 9);
		assert_true(w.peer.notify);
		assert_int_equal(w.peer.key_updates, 0);
		peer_close(&w.peer);
		world_until(&w, side_closed);
		world_close(&w);
	}
}

/* While the client still receives in OpenSSL. */
void a_key_update_before_the_first_reply(void **state)
{
	for (int i = 0; i < 4; i++) {
		bool ask = i & 1, rekey = i & 2;
		struct world w;

		open_way(&w, *state, &ways[WAY_CLIENT_13], 4, rekey);
		world_secure(&w, KTLS_CLIENT, KTLS_OFFLOAD_AUTO);
		world_while(&w, !w.peer.done);
		peer_key_update(&w.peer, ask);
		if (!ask || rekey) {
			way_receive_one(&w);
			exchange(&w, 1000, 1000);
			assert_true(w.side.info.offload[KTLS_RX]);
			assert_int_equal(w.peer.key_updates, ask);
			if (rekey) {
				peer_key_update(&w.peer, ask);
				exchange(&w, 1000, 1000);
				assert_int_equal(w.peer.key_updates, 2 * ask);
			}
		} else {
			peer_send(&w.peer, "x", 1);
			world_until(&w, side_failed);
			assert_int_equal(w.side.failure.kind,
					 KTLS_FAILURE_REKEY);
		}
		world_close(&w);
	}
}

/* One direction in the kernel, the other in OpenSSL. */
void each_half_changes_keys(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		for (int dir = 0; dir < KTLS_DIRECTIONS; dir++) {
			struct world w;

			if (!is_13(&ways[i]) ||
			    !way_in_kernel(*state, &ways[i]))
				continue;
			open_way(&w, *state, &ways[i], i, true);
			for (unsigned c = 0; c < KTLS_CIPHERS; c++)
				w.caps.cipher[c][KTLS_TLS_1_3][dir] = false;
			world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
			world_while(&w, !w.peer.done);
			for (unsigned n = 0; n < 6; n++) {
				peer_key_update(&w.peer, n & 1);
				exchange(&w, 30000, 30000);
			}
			world_while(&w, w.peer.key_updates < 3);
			note_info(&w);
			assert_int_equal(w.peer.key_updates, 3);
			assert_false(w.side.info.offload[dir]);
			assert_int_equal(w.side.info.rekeys[dir], 0);
			/* a client's first one was OpenSSL's */
			if (dir == KTLS_RX)
				assert_int_equal(w.side.info.rekeys[KTLS_TX],
						 3);
			else
				assert_int_equal(
					w.side.info.rekeys[KTLS_RX],
					6 - (ways[i].role == KTLS_CLIENT));
			world_close(&w);
		}
	}
}

void a_flood_of_key_updates_ends(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world w;

		if (!is_13(&ways[i]))
			continue;
		open_secure(&w, *state, &ways[i], i, true);
		/* a slow machine's clock allows a few more */
		for (unsigned n = 0; n < FLOOD; n++)
			peer_key_update(&w.peer, i % 2);
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_RECORD);
		assert_non_null(strstr(w.side.failure_text, "too many"));
		assert_true(w.side.info.rekeys[KTLS_RX] < FLOOD);
		world_close(&w);
	}
}

/* With data in between there is no end of them. */
void many_key_updates_with_data_are_no_flood(void **state)
{
	struct world w;

	open_secure(&w, *state, &ways[WAY_SERVER_13], 1, true);
	for (unsigned n = 0; n < 4 * KSTREAM_CONTROL_RECORDS; n++) {
		peer_key_update(&w.peer, n % 3 == 0);
		exchange(&w, 100, 200);
	}
	assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
	world_close(&w);
}

static void refuse(struct shop *shop, int name, enum ktls_failure kind,
		   const char *text)
{
	struct world w;

	open_secure(&w, shop, &ways[WAY_SERVER_13], 2, true);
	w.kernel.fail_name = name;
	w.kernel.fail_error = EBUSY;
	peer_key_update(&w.peer, true);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, kind);
	assert_int_equal(w.side.failure.error, EBUSY);
	assert_non_null(strstr(w.side.failure_text, text));
	world_close(&w);
}

/* Without new keys to receive with, there are still the old ones to send with;
 * with nothing to send with there is nothing more to say. */
void refused_new_keys_end(void **state)
{
	refuse(*state, TLS_RX, KTLS_FAILURE_REKEY, "new rx keys");
	refuse(*state, TLS_TX, KTLS_FAILURE_INSTALL, "new tx keys");
}
