/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams under TLS, in user space and on the fake's kernel TLS, against
 * OpenSSL: the same behaviour on every path.
 */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ktls/ktls_stream_private.h"
#include "tests/unit/ktls/test_ktls_stream_world.h"

#define SEEDS 60

/* Every way a stream can carry TLS. */
struct way {
	enum ktls_role role;
	enum ktls_version version;
	const char *suite;
	bool kernel;
};

static const struct way ways[] = {
	{KTLS_SERVER, KTLS_TLS_1_3, "TLS_AES_128_GCM_SHA256", true},
	{KTLS_SERVER, KTLS_TLS_1_3, "TLS_AES_256_GCM_SHA384", true},
	{KTLS_SERVER, KTLS_TLS_1_3, "TLS_CHACHA20_POLY1305_SHA256", true},
	{KTLS_SERVER, KTLS_TLS_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
	{KTLS_SERVER, KTLS_TLS_1_2, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
	{KTLS_SERVER, KTLS_TLS_1_2, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
	{KTLS_CLIENT, KTLS_TLS_1_3, "TLS_AES_128_GCM_SHA256", true},
	{KTLS_CLIENT, KTLS_TLS_1_3, "TLS_AES_256_GCM_SHA384", true},
	{KTLS_CLIENT, KTLS_TLS_1_3, "TLS_CHACHA20_POLY1305_SHA256", true},
	{KTLS_CLIENT, KTLS_TLS_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
	{KTLS_CLIENT, KTLS_TLS_1_2, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
	{KTLS_CLIENT, KTLS_TLS_1_2, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
	{KTLS_SERVER, KTLS_TLS_1_3, "TLS_AES_128_GCM_SHA256", false},
	{KTLS_SERVER, KTLS_TLS_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", false},
	{KTLS_CLIENT, KTLS_TLS_1_3, "TLS_AES_128_GCM_SHA256", false},
	{KTLS_CLIENT, KTLS_TLS_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", false},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void open_way(struct world *w, struct shop *shop, const struct way *way,
		     uint64_t seed)
{
	struct world_config config = world_seeded(seed);

	/* the system call has no fake */
	if (way->kernel && config.level == URING_LEVEL_5_10)
		config.level = URING_LEVEL_5_19;
	config.kernel_tls = way->kernel;
	config.version = way->version;
	config.suite = way->suite;
	world_open(w, shop, &config);
	world_start(w);
}

static void secure_way(struct world *w, struct shop *shop,
		       const struct way *way, uint64_t seed)
{
	open_way(w, shop, way, seed);
	world_secure(w, way->role, KTLS_OFFLOAD_AUTO);
}

static void receive_one(struct world *w)
{
	unsigned before = w->side.count[KTLS_EVENT_READABLE];

	peer_send(&w->peer, "250 ok\r\n", 8);
	world_while(w, w->side.count[KTLS_EVENT_READABLE] == before);
	world_while(w, w->side.in_len < 8);
	w->side.in_len = 0;
	w->peer.out_len = w->peer.out_at = 0;
}

static void assert_nothing_in_clear(struct world *w)
{
	size_t len;
	const unsigned char *wire = uring_fake_wire(w->fake, w->fd, &len);

	for (size_t at = 0; at + 16 <= w->side.out_len; at += 4096)
		assert_true(len == 0 ||
			    !memmem(wire, len, w->side.out + at, 16));
}

static void exchange(struct shop *shop, const struct way *way, uint64_t seed)
{
	unsigned char *up, *down;
	struct world w;

	secure_way(&w, shop, way, seed);
	assert_int_equal(w.side.info.agreed.version, way->version);
	up = world_bytes(&w, 200000);
	down = world_bytes(&w, 200000);
	side_send(&w.side, up, 17 + world_below(&w, 199000));
	peer_send(&w.peer, down, 1 + world_below(&w, 199000));
	world_until(&w, world_exchanged);
	world_assert_exchanged(&w);
	assert_nothing_in_clear(&w);
	world_turns(&w, 10);
	assert_int_equal(w.kernel.calls[KTLS_TX], way->kernel);
	assert_int_equal(w.kernel.calls[KTLS_RX], way->kernel);
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

static void bytes_in_are_bytes_out_on_every_way(void **state)
{
	for (size_t i = 0; i < WAYS; i++)
		for (uint64_t seed = 0; seed < SEEDS / 5; seed++)
			exchange(*state, &ways[i], seed);
}

static void the_kernel_takes_both_directions(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
		for (unsigned d = 0; d < KTLS_DIRECTIONS; d++) {
			assert_int_equal(w.side.info.offload[d],
					 ways[i].kernel);
			assert_int_equal(w.side.info.reason[d],
					 ways[i].kernel ? KTLS_REASON_NONE
							: KTLS_REASON_NO_ULP);
		}
		if (ways[i].kernel)
			assert_null(w.side.stream.p->engine);
		world_close(&w);
	}
}

static void a_client_receives_in_openssl_until_the_first_reply(void **state)
{
	const struct way *way = &ways[6];
	struct world w;

	secure_way(&w, *state, way, 1);
	world_turns(&w, 50); /* the tickets */
	assert_true(w.side.info.offload[KTLS_TX]);
	assert_false(w.side.info.offload[KTLS_RX]);
	assert_int_equal(w.side.info.reason[KTLS_RX], KTLS_REASON_NOT_YET);
	assert_non_null(strstr(w.side.described, "offload=tx why=not_yet"));
	receive_one(&w);
	assert_true(w.side.info.offload[KTLS_RX]);
	assert_non_null(strstr(w.side.described, "offload=tx,rx"));
	world_close(&w);
}

static void an_idle_kernel_stream_is_small(void **state)
{
	struct world w;

	secure_way(&w, *state, &ways[6], 0);
	receive_one(&w);
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

static void tickets_reach_the_session_cache(void **state)
{
	struct shop *shop = *state;
	struct ktls_engine_config config = {.server_name = WORLD_NAME,
					    .session_key = "again:25",
					    .verify = KTLS_VERIFY_NAME};

	for (int round = 0; round < 2; round++) {
		struct world w;

		open_way(&w, shop, &ways[6], 7);
		assert_int_equal(ktls_stream_start_tls(&w.side.stream,
						       shop->client, &config,
						       KTLS_OFFLOAD_AUTO),
				 0);
		world_peer_tls(&w, KTLS_CLIENT);
		world_until_event(&w, KTLS_EVENT_SECURE);
		receive_one(&w);
		assert_int_equal(w.side.info.agreed.resumed, round == 1);
		assert_true(w.side.info.offload[KTLS_RX]);
		world_close(&w);
	}
}

/* --- why not --- */

static void offload_never_is_policy(void **state)
{
	struct world w;

	open_way(&w, *state, &ways[0], 3);
	world_secure(&w, KTLS_SERVER, KTLS_OFFLOAD_NEVER);
	receive_one(&w);
	assert_int_equal(w.side.info.reason[KTLS_TX], KTLS_REASON_POLICY);
	assert_int_equal(w.side.info.reason[KTLS_RX], KTLS_REASON_POLICY);
	assert_non_null(strstr(w.side.described, "offload=none why=policy"));
	assert_int_equal(w.kernel.calls[KTLS_TX], 0);
	world_close(&w);
}

static void one_direction_alone_can_be_in_the_kernel(void **state)
{
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		for (size_t i = 0; i < WAYS; i += 3) {
			unsigned char *up, *down;
			struct world w;

			if (!ways[i].kernel)
				continue;
			open_way(&w, *state, &ways[i], i);
			for (unsigned c = 0; c < KTLS_CIPHERS; c++)
				w.caps.cipher[c][ways[i].version][dir] = false;
			world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
			up = world_bytes(&w, 50000);
			down = world_bytes(&w, 50000);
			side_send(&w.side, up, 50000);
			peer_send(&w.peer, down, 50000);
			world_until(&w, world_exchanged);
			world_assert_exchanged(&w);
			assert_int_equal(w.side.info.reason[dir],
					 KTLS_REASON_NO_CIPHER);
			assert_true(w.side.info.offload[!dir]);
			world_close(&w);
			free(up);
			free(down);
		}
	}
}

static void refused(struct shop *shop, const struct way *way, int name,
		    enum ktls_reason reason)
{
	struct world w;

	open_way(&w, shop, way, 5);
	w.kernel.fail_name = name;
	w.kernel.fail_error = ENOENT;
	world_secure(&w, way->role, KTLS_OFFLOAD_AUTO);
	receive_one(&w);
	assert_int_equal(w.side.info.reason[KTLS_TX], reason);
	assert_int_equal(w.side.info.reason[KTLS_RX], reason);
	assert_int_equal(w.side.info.reason_error, ENOENT);
	assert_false(w.side.info.offload[KTLS_TX]);
	world_close(&w);
}

static void a_refusal_before_the_first_key_is_no_failure(void **state)
{
	refused(*state, &ways[0], TCP_ULP, KTLS_REASON_NO_ULP);
	refused(*state, &ways[0], TLS_RX, KTLS_REASON_SETSOCKOPT);
	refused(*state, &ways[3], TLS_RX, KTLS_REASON_SETSOCKOPT);
	refused(*state, &ways[9], TLS_RX, KTLS_REASON_SETSOCKOPT);
}

static void a_refusal_after_the_first_key_is_one(void **state)
{
	struct world w;

	open_way(&w, *state, &ways[0], 5);
	w.kernel.fail_name = TLS_TX;
	w.kernel.fail_error = EINVAL;
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 0);
	world_peer_tls(&w, KTLS_SERVER);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_INSTALL);
	assert_int_equal(w.side.failure.error, EINVAL);
	assert_int_equal(w.side.count[KTLS_EVENT_SECURE], 0);
	world_close(&w);
}

static void a_late_refusal_is_one_too(void **state)
{
	struct world w;

	open_way(&w, *state, &ways[6], 5);
	w.kernel.fail_name = TLS_RX;
	w.kernel.fail_error = EINVAL;
	world_secure(&w, KTLS_CLIENT, KTLS_OFFLOAD_AUTO);
	peer_send(&w.peer, "250 ok\r\n", 8);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_INSTALL);
	assert_true(w.side.in_len > 0); /* what came was good */
	world_close(&w);
}

static void offload_always_insists(void **state)
{
	struct world w;

	open_way(&w, *state, &ways[12], 5);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_ALWAYS),
			 0);
	world_peer_tls(&w, KTLS_SERVER);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_INSTALL);
	assert_string_equal(w.side.failure_text,
			    ktls_reason_text(KTLS_REASON_NO_ULP));
	world_close(&w);
}

/* --- ends --- */

static void close_notify_is_eof(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		for (int early = 0; early < 2; early++) {
			struct world w;

			secure_way(&w, *state, &ways[i], i);
			if (!early)
				receive_one(&w);
			world_while(&w, !w.peer.done);
			peer_close_notify(&w.peer);
			world_until(&w, side_eof);
			assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
			world_turns(&w, 5);
			peer_fin(&w.peer);
			world_turns(&w, 5);
			assert_int_equal(w.side.count[KTLS_EVENT_EOF], 1);
			assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
			world_close(&w);
		}
	}
}

static void fin_alone_is_truncation(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
		peer_send(&w.peer, "last words", 10);
		world_while(&w, w.peer.out_at < 10 || w.peer.wire_len > 0);
		peer_fin(&w.peer);
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_TRUNCATED);
		assert_int_equal(w.side.in_len, 10);
		assert_int_equal(w.side.count[KTLS_EVENT_EOF], 0);
		world_close(&w);
	}
}

/* After a truncation our side may still end in order. */
static void a_truncated_stream_can_be_flushed(void **state)
{
	struct world w;

	secure_way(&w, *state, &ways[0], 2);
	receive_one(&w);
	peer_fin(&w.peer);
	world_until(&w, side_failed);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_until(&w, side_closed);
	world_turns(&w, 5);
	assert_true(w.peer.notify);
	world_close(&w);
}

static void a_bad_record_is_a_failure(void **state)
{
	unsigned char record[5 + 40] = {23, 3, 3, 0, 40};

	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
		peer_send_raw(&w.peer, record, sizeof(record));
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_RECORD);
		assert_true(strlen(w.side.failure_text) > 0);
		world_close(&w);
	}
}

static void no_record_at_all_is_a_failure(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		for (int early = 0; early < 2; early++) {
			struct world w;

			secure_way(&w, *state, &ways[i], i);
			if (!early)
				receive_one(&w);
			peer_send_raw(&w.peer, "GET / HTTP/1.0\r\n\r\n......",
				      24);
			world_turns(&w, 20);
			peer_fin(&w.peer);
			world_until(&w, side_failed);
			assert_true(
				w.side.failure.kind == KTLS_FAILURE_RECORD ||
				w.side.failure.kind == KTLS_FAILURE_TRUNCATED);
			world_close(&w);
		}
	}
}

/* The peer gets a record that it can't open, and says so. */
static void a_fatal_alert_is_a_failure_with_a_name(void **state)
{
	unsigned char record[5 + 40] = {23, 3, 3, 0, 40};

	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
		BIO_write(SSL_get_rbio(w.peer.ssl), record, sizeof(record));
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_ALERT);
		assert_non_null(strstr(w.side.failure_text, "bad"));
		world_close(&w);
	}
}

static void reset_is_a_failure(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		secure_way(&w, *state, &ways[i], i);
		peer_reset(&w.peer);
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_IO);
		assert_int_equal(w.side.failure.error, ECONNRESET);
		world_close(&w);
	}
}

/* --- after the handshake --- */

static bool is_13(const struct way *way)
{
	return way->version == KTLS_TLS_1_3;
}

static void late_tickets_do_no_harm(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		if (ways[i].role != KTLS_CLIENT || !is_13(&ways[i]))
			continue;
		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
		for (int t = 0; t < 5; t++) {
			assert_true(SSL_new_session_ticket(w.peer.ssl));
			receive_one(&w);
		}
		assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
		world_close(&w);
	}
}

static void a_flood_of_tickets_ends(void **state)
{
	struct world w;

	secure_way(&w, *state, &ways[6], 0);
	receive_one(&w);
	for (int t = 0; t < KSTREAM_CONTROL_RECORDS + 2 && !side_failed(&w);
	     t++) {
		SSL_new_session_ticket(w.peer.ssl);
		peer_send(&w.peer, "x", 1);
		world_while(&w, !side_failed(&w) && w.side.in_len < 1);
		w.side.in_len = 0;
		world_turns(&w, 5);
		w.peer.out_len = w.peer.out_at = 0;
	}
	assert_true(side_failed(&w));
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_RECORD);
	world_close(&w);
}

/* User space follows new keys; the kernel can't, and ends in order. */
static void a_key_update_is_followed_or_ends_in_order(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		if (!is_13(&ways[i]))
			continue;
		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
		assert_true(
			SSL_key_update(w.peer.ssl, SSL_KEY_UPDATE_REQUESTED));
		if (!ways[i].kernel) {
			receive_one(&w);
			side_send(&w.side, "still here", 10);
			world_while(&w, w.peer.in_len < 10);
			assert_memory_equal(w.peer.in, "still here", 10);
			world_close(&w);
			continue;
		}
		peer_send(&w.peer, "new", 3);
		world_until(&w, side_failed);
		assert_int_equal(w.side.failure.kind, KTLS_FAILURE_REKEY);
		ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
		world_while(&w, !w.peer.fin);
		assert_true(w.peer.notify);
		peer_close(&w.peer);
		world_until(&w, side_closed);
		world_close(&w);
	}
}

/* What was queued before the peer changed its keys still goes out. */
static void rekey_still_sends_the_queue(void **state)
{
	unsigned char *up;
	struct world w;

	secure_way(&w, *state, &ways[0], 1);
	receive_one(&w);
	up = world_bytes(&w, 90000);
	w.peer.stalled = true;
	side_send(&w.side, up, 90000);
	w.peer.stalled = false;
	assert_true(SSL_key_update(w.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
	SSL_do_handshake(w.peer.ssl);
	world_until(&w, side_failed);
	assert_int_equal(w.side.out_at, 90000);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_while(&w, !w.peer.fin);
	assert_int_equal(w.peer.in_len, 90000);
	assert_memory_equal(w.peer.in, up, 90000);
	assert_true(w.peer.notify);
	peer_close(&w.peer);
	world_until(&w, side_closed);
	world_close(&w);
	free(up);
}

/* While the client still receives in OpenSSL, a request for new keys can't be
 * answered (sending is the kernel's), but new keys alone can be followed. */
static void a_key_update_before_the_first_reply(void **state)
{
	for (int requested = 0; requested < 2; requested++) {
		struct world w;

		secure_way(&w, *state, &ways[6], 4);
		world_while(&w, !w.peer.done);
		assert_true(SSL_key_update(
			w.peer.ssl, requested ? SSL_KEY_UPDATE_REQUESTED
					      : SSL_KEY_UPDATE_NOT_REQUESTED));
		if (!requested) {
			receive_one(&w);
			receive_one(&w);
			assert_true(w.side.info.offload[KTLS_RX]);
		} else {
			peer_send(&w.peer, "x", 1);
			world_until(&w, side_failed);
			assert_int_equal(w.side.failure.kind,
					 KTLS_FAILURE_REKEY);
		}
		world_close(&w);
	}
}

static void renegotiation_is_refused(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		if (is_13(&ways[i]) || ways[i].role != KTLS_SERVER)
			continue;
		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
		if (!SSL_renegotiate(w.peer.ssl)) {
			world_close(&w);
			continue;
		}
		SSL_do_handshake(w.peer.ssl);
		world_turns(&w, 200);
		/* OpenSSL refuses with a warning; the kernel path ends */
		assert_true(w.peer.broken || w.peer.fin || side_failed(&w));
		world_close(&w);
	}
}

/* --- backlog --- */

static void unread_bytes_stop_the_receiving(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		unsigned char *down;
		struct world w;

		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
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

static void a_slow_owner_gets_all_in_the_end(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct world w;

		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
		read_slowly(&w, 300000);
	}
}

/* A multishot receive runs out of buffers all the time. */
static void one_buffer_is_enough(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct world_config config = world_seeded(4 * i);
		struct world w;

		config.bufs = 1;
		config.kernel_tls = ways[i].kernel;
		config.version = ways[i].version;
		config.suite = ways[i].suite;
		world_open(&w, *state, &config);
		world_start(&w);
		world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
		read_slowly(&w, 100000);
	}
}

static void pause_stops_and_resume_goes_on(void **state)
{
	for (size_t i = 0; i < WAYS; i++) {
		unsigned char *down;
		unsigned before;
		struct world w;

		secure_way(&w, *state, &ways[i], i);
		receive_one(&w);
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

static void run_into_the_end(struct shop *shop, uint64_t seed,
			     unsigned reset_percent, bool abort)
{
	const struct way *way = &ways[seed % WAYS];
	struct world_config config = world_seeded(seed);
	unsigned char *up, *down;
	struct world w;

	if (way->kernel && config.level == URING_LEVEL_5_10)
		config.level = URING_LEVEL_5_19;
	config.kernel_tls = way->kernel;
	config.version = way->version;
	config.suite = way->suite;
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
	assert_nothing_in_clear(&w);
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

static void aborts_at_any_time_leak_nothing(void **state)
{
	for (uint64_t seed = 0; seed < 8 * SEEDS; seed++)
		run_into_the_end(*state, seed, 0, true);
}

static void flushes_at_any_time_leak_nothing(void **state)
{
	for (uint64_t seed = 0; seed < 8 * SEEDS; seed++)
		run_into_the_end(*state, seed, 0, false);
}

static void resets_at_any_time_leak_nothing(void **state)
{
	for (uint64_t seed = 0; seed < 8 * SEEDS; seed++)
		run_into_the_end(*state, seed, 2, seed & 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_in_are_bytes_out_on_every_way),
		cmocka_unit_test(the_kernel_takes_both_directions),
		cmocka_unit_test(
			a_client_receives_in_openssl_until_the_first_reply),
		cmocka_unit_test(an_idle_kernel_stream_is_small),
		cmocka_unit_test(tickets_reach_the_session_cache),
		cmocka_unit_test(offload_never_is_policy),
		cmocka_unit_test(one_direction_alone_can_be_in_the_kernel),
		cmocka_unit_test(a_refusal_before_the_first_key_is_no_failure),
		cmocka_unit_test(a_refusal_after_the_first_key_is_one),
		cmocka_unit_test(a_late_refusal_is_one_too),
		cmocka_unit_test(offload_always_insists),
		cmocka_unit_test(close_notify_is_eof),
		cmocka_unit_test(fin_alone_is_truncation),
		cmocka_unit_test(a_truncated_stream_can_be_flushed),
		cmocka_unit_test(a_bad_record_is_a_failure),
		cmocka_unit_test(no_record_at_all_is_a_failure),
		cmocka_unit_test(a_fatal_alert_is_a_failure_with_a_name),
		cmocka_unit_test(reset_is_a_failure),
		cmocka_unit_test(late_tickets_do_no_harm),
		cmocka_unit_test(a_flood_of_tickets_ends),
		cmocka_unit_test(a_key_update_is_followed_or_ends_in_order),
		cmocka_unit_test(rekey_still_sends_the_queue),
		cmocka_unit_test(a_key_update_before_the_first_reply),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(unread_bytes_stop_the_receiving),
		cmocka_unit_test(a_slow_owner_gets_all_in_the_end),
		cmocka_unit_test(one_buffer_is_enough),
		cmocka_unit_test(pause_stops_and_resume_goes_on),
		cmocka_unit_test(aborts_at_any_time_leak_nothing),
		cmocka_unit_test(flushes_at_any_time_leak_nothing),
		cmocka_unit_test(resets_at_any_time_leak_nothing),
	};

	return cmocka_run_group_tests(tests, shop_set_up, shop_tear_down);
}
