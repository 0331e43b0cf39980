/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams in clear: reading, writing, backlog, ends and failures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_world.h"

#define SEEDS 150

static void open_plain(struct world *w, const struct world_config *config)
{
	world_open(w, NULL, config);
	world_start(w);
}

static void bytes_in_are_bytes_out(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct world_config config = world_seeded(seed);
		unsigned char *up, *down;
		struct world w;

		open_plain(&w, &config);
		up = world_bytes(&w, 300000);
		down = world_bytes(&w, 300000);
		side_send(&w.side, up, 1 + world_below(&w, 300000));
		peer_send(&w.peer, down, 1 + world_below(&w, 300000));
		world_until(&w, world_exchanged);
		world_assert_exchanged(&w);
		world_turns(&w, 20);
		assert_int_equal(w.side.info.bytes_in, w.side.in_len);
		assert_int_equal(ktls_stream_unsent(&w.side.stream), 0);
		world_close(&w);
		free(up);
		free(down);
	}
}

static void flush_sends_all_then_fin(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct world_config config = world_seeded(seed);
		unsigned char *up;
		struct world w;

		open_plain(&w, &config);
		up = world_bytes(&w, 100000);
		assert_int_equal(ktls_stream_write(&w.side.stream, up, 60000),
				 0);
		assert_int_equal(
			ktls_stream_send(&w.side.stream, up + 60000, 40000), 0);
		ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
		world_while(&w, !w.peer.fin);
		assert_false(w.side.closed); /* it waits for our end */
		peer_close(&w.peer);
		world_until(&w, side_closed);
		assert_int_equal(w.peer.in_len, 100000);
		assert_memory_equal(w.peer.in, up, 100000);
		world_close(&w);
		free(up);
	}
}

static void after_close_only_closed_comes(void **state)
{
	struct world_config config = {0};
	struct world w;

	open_plain(&w, &config);
	world_turns(&w, 3);
	peer_send(&w.peer, "hello", 5);
	ktls_stream_write(&w.side.stream, "bye", 3);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_turns(&w, 10);
	peer_close(&w.peer);
	world_until(&w, side_closed);
	assert_int_equal(w.side.count[KTLS_EVENT_READABLE], 0);
	assert_int_equal(w.side.count[KTLS_EVENT_WRITTEN], 0);
	assert_int_equal(w.side.count[KTLS_EVENT_EOF], 0);
	world_close(&w);
}

static void linger_ends_after_its_time(void **state)
{
	struct world_config config = {0};
	struct world w;

	open_plain(&w, &config);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_turns(&w, 20);
	assert_false(w.side.closed);
	world_pass(&w, 3 * URING_SEC);
	world_turns(&w, 20);
	assert_true(w.side.closed);
	world_close(&w);
}

static void linger_ends_after_its_bytes(void **state)
{
	struct world_config config = {0};
	unsigned char *flood;
	struct world w;

	open_plain(&w, &config);
	flood = world_bytes(&w, 300000);
	peer_send(&w.peer, flood, 300000);
	w.side.hold = true;
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_until(&w, side_closed);
	world_close(&w);
	free(flood);
}

static void a_peer_that_never_reads_is_left(void **state)
{
	struct world_config config = {.socket_buffer = 1000};
	unsigned char *up;
	struct world w;

	open_plain(&w, &config);
	up = world_bytes(&w, 50000);
	w.peer.stalled = true;
	ktls_stream_send(&w.side.stream, up, 50000);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_turns(&w, 50);
	assert_false(w.side.closed);
	world_pass(&w, 31 * URING_SEC);
	world_turns(&w, 20);
	assert_true(w.side.closed);
	world_close(&w);
	free(up);
}

static void abort_hurries_a_flush_on(void **state)
{
	struct world_config config = {.socket_buffer = 1000};
	unsigned char *up;
	struct world w;

	open_plain(&w, &config);
	up = world_bytes(&w, 50000);
	w.peer.stalled = true;
	ktls_stream_send(&w.side.stream, up, 50000);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_turns(&w, 10);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_ABORT);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_ABORT);
	world_turns(&w, 20);
	assert_true(w.side.closed);
	world_close(&w);
	free(up);
}

static void fin_is_eof_and_writing_goes_on(void **state)
{
	struct world_config config = {0};
	struct world w;

	open_plain(&w, &config);
	peer_send(&w.peer, "QUIT\r\n", 6);
	world_turns(&w, 5);
	peer_fin(&w.peer);
	world_until(&w, side_eof);
	assert_int_equal(w.side.in_len, 6);
	side_send(&w.side, "221 bye\r\n", 9);
	world_until(&w, world_exchanged);
	assert_int_equal(w.side.count[KTLS_EVENT_EOF], 1);
	assert_int_equal(w.side.count[KTLS_EVENT_FAILED], 0);
	world_close(&w);
}

static void eof_comes_behind_the_bytes(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct world_config config = world_seeded(seed);
		unsigned char *down;
		struct world w;

		open_plain(&w, &config);
		down = world_bytes(&w, 40000);
		peer_send(&w.peer, down, 40000);
		world_while(&w, w.peer.out_at < 40000 || w.peer.wire_len > 0);
		peer_fin(&w.peer);
		world_until(&w, side_eof);
		assert_int_equal(w.side.in_len, 40000);
		assert_int_equal(w.side.last, KTLS_EVENT_EOF);
		world_close(&w);
		free(down);
	}
}

static void reset_is_a_failure_with_its_errno(void **state)
{
	struct world_config config = {0};
	struct world w;

	open_plain(&w, &config);
	world_turns(&w, 3);
	peer_reset(&w.peer);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_IO);
	assert_int_equal(w.side.failure.error, ECONNRESET);
	assert_true(strlen(w.side.failure_text) > 0);
	assert_int_equal(ktls_stream_write(&w.side.stream, "x", 1), -EPIPE);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_until(&w, side_closed);
	world_close(&w);
}

/* With resets anywhere a stream ends once and leaves nothing behind. */
static void resets_anywhere_leak_nothing(void **state)
{
	for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
		struct world_config config = world_seeded(seed);
		unsigned char *up, *down;
		struct world w;

		config.reset_percent = 3;
		open_plain(&w, &config);
		up = world_bytes(&w, 200000);
		down = world_bytes(&w, 200000);
		side_send(&w.side, up, 200000);
		peer_send(&w.peer, down, 200000);
		for (int i = 0; i < 400 && !side_failed(&w); i++)
			world_turn(&w);
		assert_memory_equal(w.side.in, down, w.side.in_len);
		assert_memory_equal(w.peer.in, up, w.peer.in_len);
		assert_true(w.side.count[KTLS_EVENT_FAILED] <= 1);
		world_close(&w);
		free(up);
		free(down);
	}
}

static void abort_at_any_time_leaks_nothing(void **state)
{
	for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
		struct world_config config = world_seeded(seed);
		unsigned char *up, *down;
		struct world w;

		open_plain(&w, &config);
		up = world_bytes(&w, 100000);
		down = world_bytes(&w, 100000);
		side_send(&w.side, up, 100000);
		peer_send(&w.peer, down, 100000);
		world_turns(&w, world_below(&w, 40));
		world_close(&w);
		free(up);
		free(down);
	}
}

static void unread_bytes_stop_the_receiving(void **state)
{
	struct world_config config = {.bufs = 16};
	unsigned char *down;
	struct world w;

	open_plain(&w, &config);
	down = world_bytes(&w, 1000000);
	w.side.hold = true;
	peer_send(&w.peer, down, 1000000);
	world_turns(&w, 200);
	assert_true(uring_bufs_out(w.bufs) <= 8);
	assert_true(w.peer.wire_len > 500000); /* the peer feels it */
	world_close(&w);
	free(down);
}

static void read_now(struct side *side, enum ktls_event event)
{
	const unsigned char *data;
	size_t n;

	if (event != KTLS_EVENT_READABLE || side->hold)
		return;
	while ((n = ktls_stream_peek(&side->stream, &data)) > 0) {
		assert_memory_equal(data, side->world->peer.out + side->in_len,
				    n);
		side->in_len += n;
		ktls_stream_consume(&side->stream, n);
	}
}

static void a_slow_owner_gets_all_in_the_end(void **state)
{
	struct world_config config = {.bufs = 16};
	unsigned char *down;
	struct world w;

	open_plain(&w, &config);
	down = world_bytes(&w, 400000);
	w.side.hold = true;
	peer_send(&w.peer, down, 400000);
	for (int i = 0; i < 100000 && w.side.in_len < 400000; i++) {
		world_turn(&w);
		w.side.hold = false;
		if (i % 7 == 0)
			read_now(&w.side, KTLS_EVENT_READABLE);
		w.side.hold = true;
	}
	assert_int_equal(w.side.in_len, 400000);
	w.side.in_len = 0;
	world_close(&w);
	free(down);
}

static void pause_stops_and_resume_goes_on(void **state)
{
	struct world_config config = {0};
	unsigned char *down;
	struct world w;
	unsigned before;

	open_plain(&w, &config);
	down = world_bytes(&w, 300000);
	ktls_stream_pause(&w.side.stream);
	peer_send(&w.peer, down, 300000);
	world_turns(&w, 20);
	before = w.side.count[KTLS_EVENT_READABLE];
	world_turns(&w, 50);
	assert_int_equal(w.side.count[KTLS_EVENT_READABLE], before);
	ktls_stream_resume(&w.side.stream);
	world_until(&w, world_exchanged);
	world_assert_exchanged(&w);
	world_close(&w);
	free(down);
}

static void a_full_queue_takes_nothing(void **state)
{
	struct world_config config = {0};
	unsigned char big[1000] = {0};
	struct world w;
	size_t before;

	open_plain(&w, &config);
	for (int i = 0; i < KTLS_OUT_MAX; i++)
		assert_int_equal(
			ktls_stream_send(&w.side.stream, big, sizeof(big)), 0);
	before = ktls_stream_unsent(&w.side.stream);
	assert_int_equal(ktls_stream_send(&w.side.stream, big, sizeof(big)),
			 -ENOBUFS);
	assert_int_equal(ktls_stream_write(&w.side.stream, "x", 1), -ENOBUFS);
	assert_int_equal(ktls_stream_unsent(&w.side.stream), before);
	assert_int_equal(before, KTLS_OUT_MAX * sizeof(big));
	world_until_event(&w, KTLS_EVENT_WRITTEN);
	assert_int_equal(ktls_stream_unsent(&w.side.stream), 0);
	world_close(&w);
}

static void many_small_writes_share_a_piece(void **state)
{
	struct world_config config = {0};
	struct world w;

	open_plain(&w, &config);
	for (int i = 0; i < 100; i++)
		assert_int_equal(ktls_stream_write(&w.side.stream,
						   "250 2.1.5 ok\r\n", 14),
				 0);
	world_while(&w, w.peer.in_len < 1400);
	for (int i = 0; i < 100; i++)
		assert_memory_equal(w.peer.in + i * 14, "250 2.1.5 ok\r\n", 14);
	world_close(&w);
}

static void events_never_come_from_inside_a_call(void **state)
{
	struct world_config config = {0};
	unsigned counted;
	struct world w;

	open_plain(&w, &config);
	ktls_stream_write(&w.side.stream, "x", 1);
	ktls_stream_resume(&w.side.stream);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_ABORT);
	counted = 0;
	for (unsigned e = 0; e <= KTLS_EVENT_CLOSED; e++)
		counted += w.side.count[e];
	assert_int_equal(counted, 0);
	world_until(&w, side_closed);
	world_close(&w);
}

static void connect_event(void *owner, enum ktls_event event)
{
	struct side *side = owner;

	side->count[event]++;
	if (event == KTLS_EVENT_FAILED)
		ktls_stream_failure(&side->stream, &side->failure);
	if (event == KTLS_EVENT_CLOSED)
		side->closed = true;
}

static void connect_to(struct world *w, struct side *side, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port)};
	int fd = uring_fake_socket(w->fake);

	assert_int_equal(ktls_stream_connect(&side->stream, &w->env, fd,
					     (struct sockaddr *)&addr,
					     sizeof(addr), connect_event, side),
			 0);
}

static void connect_ends_in_connected(void **state)
{
	struct world_config config = {0};
	struct side side = {0};
	struct world w;
	char got[8];
	int listener, fd;

	open_plain(&w, &config);
	listener = uring_fake_listen(w.fake, 25);
	connect_to(&w, &side, 25);
	assert_int_equal(ktls_stream_write(&side.stream, "early", 5), 0);
	world_turns(&w, 10);
	assert_int_equal(side.count[KTLS_EVENT_CONNECTED], 1);
	fd = uring_fake_accept(w.fake, listener);
	assert_int_equal(uring_fake_peer_read(w.fake, fd, got, 8), 5);
	assert_memory_equal(got, "early", 5);
	ktls_stream_close(&side.stream, KTLS_CLOSE_FLUSH);
	world_turns(&w, 5);
	uring_fake_peer_close(w.fake, fd);
	uring_fake_peer_close(w.fake, listener);
	world_turns(&w, 10);
	assert_true(side.closed);
	world_close(&w);
}

static void refused_connect_is_a_failure(void **state)
{
	struct world_config config = {0};
	struct side side = {0};
	struct world w;

	open_plain(&w, &config);
	connect_to(&w, &side, 2525);
	world_turns(&w, 10);
	assert_int_equal(side.count[KTLS_EVENT_FAILED], 1);
	assert_int_equal(side.failure.kind, KTLS_FAILURE_CONNECT);
	assert_int_equal(side.failure.error, ECONNREFUSED);
	ktls_stream_close(&side.stream, KTLS_CLOSE_FLUSH);
	world_turns(&w, 10);
	assert_true(side.closed);
	world_close(&w);
}

static void a_connect_can_be_aborted(void **state)
{
	struct world_config config = {0};
	struct side side = {0};
	struct world w;

	open_plain(&w, &config);
	uring_fake_fail(w.fake, 16 /* IORING_OP_CONNECT */, 0, 0, 1);
	connect_to(&w, &side, 25);
	world_turns(&w, 5);
	assert_false(side.closed);
	ktls_stream_close(&side.stream, KTLS_CLOSE_FLUSH);
	world_turns(&w, 10);
	assert_true(side.closed);
	world_close(&w);
}

static void too_many_operations_is_a_failure(void **state)
{
	struct world_config config = {.max_ops = 1};
	struct world w;

	open_plain(&w, &config);
	world_turns(&w, 3); /* the receive takes the only one */
	ktls_stream_write(&w.side.stream, "x", 1);
	world_until(&w, side_failed);
	assert_int_equal(w.side.failure.kind, KTLS_FAILURE_INTERNAL);
	ktls_stream_close(&w.side.stream, KTLS_CLOSE_FLUSH);
	world_turns(&w, 10);
	world_pass(&w, URING_SEC); /* the close itself needs one, too */
	world_until(&w, side_closed);
	world_close(&w);
}

static void start_tls_refuses_unread_bytes(void **state)
{
	struct shop *shop = *state;
	struct world_config config = {0};
	struct world w;

	world_open(&w, shop, &config);
	world_start(&w);
	w.side.hold = true;
	peer_send(&w.peer, "STARTTLS\r\nMAIL FROM:<>\r\n", 24);
	world_until_event(&w, KTLS_EVENT_READABLE);
	world_turns(&w, 20);
	ktls_stream_consume(&w.side.stream, 1);
	assert_int_equal(world_start_tls(&w, KTLS_SERVER, KTLS_OFFLOAD_AUTO),
			 -EBADMSG);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_in_are_bytes_out),
		cmocka_unit_test(flush_sends_all_then_fin),
		cmocka_unit_test(after_close_only_closed_comes),
		cmocka_unit_test(linger_ends_after_its_time),
		cmocka_unit_test(linger_ends_after_its_bytes),
		cmocka_unit_test(a_peer_that_never_reads_is_left),
		cmocka_unit_test(abort_hurries_a_flush_on),
		cmocka_unit_test(fin_is_eof_and_writing_goes_on),
		cmocka_unit_test(eof_comes_behind_the_bytes),
		cmocka_unit_test(reset_is_a_failure_with_its_errno),
		cmocka_unit_test(resets_anywhere_leak_nothing),
		cmocka_unit_test(abort_at_any_time_leaks_nothing),
		cmocka_unit_test(unread_bytes_stop_the_receiving),
		cmocka_unit_test(a_slow_owner_gets_all_in_the_end),
		cmocka_unit_test(pause_stops_and_resume_goes_on),
		cmocka_unit_test(a_full_queue_takes_nothing),
		cmocka_unit_test(many_small_writes_share_a_piece),
		cmocka_unit_test(events_never_come_from_inside_a_call),
		cmocka_unit_test(connect_ends_in_connected),
		cmocka_unit_test(refused_connect_is_a_failure),
		cmocka_unit_test(a_connect_can_be_aborted),
		cmocka_unit_test(too_many_operations_is_a_failure),
		cmocka_unit_test(start_tls_refuses_unread_bytes),
	};

	return cmocka_run_group_tests(tests, shop_set_up, shop_tear_down);
}
