/* SPDX-License-Identifier: Apache-2.0 */
/* The fake kernel is itself under test: simulations trust it. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/uring/world.h"

static const struct world_kind best = {"fake best", URING_LEVEL_BEST, true};

static struct world *fake_world(struct uring_fake_config config)
{
	return world_new(&best, (struct uring_config){0}, config);
}

static int setup(void **state)
{
	*state = fake_world((struct uring_fake_config){.seed = 1});
	return 0;
}

/*
 * Two ends talk over small sockets with few buffers: a run with much to
 * decide, which must give the same bytes whatever is decided.
 */
enum {
	TALK = 3000,
};

struct talker {
	struct world *world;
	struct talker *peer;
	struct uring_bufs *bufs;
	struct uring_bufs_waiter waiter;
	int fd;
	size_t sent, got;
	bool ended;
	uint64_t *trace; /* of all that happened */
};

static void trace(struct talker *t, int kind, int res)
{
	*t->trace = (*t->trace ^ (uint64_t)(t->fd * 1000 + kind)) *
			    UINT64_C(1099511628211) +
		    (uint64_t)res;
}

static unsigned char talk_byte(const struct talker *t, size_t at)
{
	return (unsigned char)(at * 7 + (size_t)t->fd);
}

static void talk_send(struct talker *t);
static void talk_receive(void *owner);

static void on_talk_sent(void *owner, const struct uring_event *event)
{
	struct talker *t = owner;

	trace(t, event->kind, event->res);
	if (event->res <= 0 || event->kind == URING_OP_SHUTDOWN)
		return;
	t->sent += (size_t)event->res;
	talk_send(t);
}

static void talk_send(struct talker *t)
{
	static unsigned char chunk[2][200];
	unsigned char *bytes = chunk[t->fd & 1];
	struct uring_target target = {on_talk_sent, t};
	size_t n = TALK - t->sent;

	if (n == 0) {
		uring_shutdown(t->world->ring, target, t->fd, SHUT_WR);
		return;
	}
	n = n < 200 ? n : 200;
	for (size_t i = 0; i < n; i++)
		bytes[i] = talk_byte(t, t->sent + i);
	uring_send(t->world->ring, target, t->fd, bytes, n, 0);
}

static void on_talk_received(void *owner, const struct uring_event *event)
{
	struct talker *t = owner;
	struct uring_buf buf = event->buf;

	trace(t, event->kind, event->res);
	for (size_t i = 0; i < buf.len; i++)
		if (buf.data[i] != talk_byte(t->peer, t->got + i))
			abort();
	t->got += buf.len;
	uring_buf_return(&buf);
	if (event->more)
		return;
	if (event->res == -ENOBUFS)
		uring_bufs_wait(t->bufs, &t->waiter);
	else if (event->res > 0)
		talk_receive(t);
	else
		t->ended = true;
}

static void talk_receive(void *owner)
{
	struct talker *t = owner;

	uring_recv_group(t->world->ring,
			 (struct uring_target){on_talk_received, t}, t->fd,
			 t->bufs, true);
}

/* A whole run; returns what identifies it. */
static uint64_t talk(struct uring_fake_config config)
{
	struct world *w = fake_world(config);
	struct talker talkers[2] = {{.world = NULL}};
	struct uring_bufs *bufs;
	uint64_t hash = 1;
	int fds[2];

	assert_int_equal(uring_bufs_create(w->ring, 2, 128, &bufs), 0);
	world_pair(w, fds);
	for (int i = 0; i < 2; i++) {
		struct talker *t = &talkers[i];

		*t = (struct talker){.world = w,
				     .peer = &talkers[!i],
				     .bufs = bufs,
				     .fd = fds[i],
				     .trace = &hash};
		t->waiter.fn = talk_receive;
		t->waiter.owner = t;
		talk_receive(t);
		talk_send(t);
	}
	while (uring_inflight(w->ring) > 0 || talkers[0].waiter.next ||
	       talkers[1].waiter.next)
		world_turn(w, UINT64_MAX);
	if (config.reset_percent == 0)
		for (int i = 0; i < 2; i++)
			assert_int_equal(talkers[i].got, TALK);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
	assert_int_equal(uring_fake_open_fds(w->fake), 0);
	uring_bufs_destroy(&bufs);
	world_free(w);
	return hash;
}

static struct uring_fake_config rough(uint64_t seed)
{
	return (struct uring_fake_config){
		.seed = seed,
		.level = URING_LEVEL_BEST,
		.short_percent = 30,
		.delay_percent = 30,
		.socket_buffer = 300,
	};
}

static void the_same_seed_gives_the_same_run(void **state)
{
	for (uint64_t seed = 0; seed < 20; seed++)
		assert_true(talk(rough(seed)) == talk(rough(seed)));
}

static void other_seeds_give_other_runs(void **state)
{
	uint64_t first = talk(rough(0));

	for (uint64_t seed = 1; seed < 20; seed++)
		assert_true(talk(rough(seed)) != first);
}

static void accidents_lose_no_byte(void **state)
{
	for (uint64_t seed = 100; seed < 400; seed++)
		(void)talk(rough(seed)); /* compares every byte */
}

static void resets_end_runs_in_order(void **state)
{
	struct uring_fake_config config;

	for (uint64_t seed = 0; seed < 300; seed++) {
		config = rough(seed);
		config.reset_percent = 1;
		(void)talk(config);
	}
}

/* Ready at the same time: any order. */
static void completions_come_in_any_order(void **state)
{
	unsigned first[4] = {0};

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct world *w =
			fake_world((struct uring_fake_config){.seed = seed});

		for (int i = 0; i < 4; i++)
			uring_nop(w->ring, world_target(w, i));
		world_await(w, 4);
		first[w->log[0].tag]++;
		world_free(w);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(first[i], 20, 100);
}

static void delays_keep_ready_work_for_a_later_turn(void **state)
{
	struct world *w = fake_world(
		(struct uring_fake_config){.seed = 1, .delay_percent = 50});

	for (int i = 0; i < 100; i++)
		uring_nop(w->ring, world_target(w, i));
	world_turn(w, 0); /* 64 fit in the SQ, the rest follows */
	assert_in_range(w->count, 10, 90);
	world_await(w, 100);
	world_free(w);
}

static void sends_and_receives_are_short_at_times(void **state)
{
	struct world *w = fake_world(
		(struct uring_fake_config){.seed = 1, .short_percent = 50});
	unsigned shorts = 0;
	char chunk[100] = "";
	int fds[2];

	world_pair(w, fds);
	for (unsigned i = 0; i < 50; i++) {
		uring_send(w->ring, world_target(w, 1), fds[0], chunk, 100, 0);
		world_await(w, i + 1);
		assert_in_range(w->log[i].res, 1, 100);
		shorts += w->log[i].res < 100;
	}
	assert_in_range(shorts, 10, 40);
	world_free(w);
}

static void a_full_direction_makes_a_send_wait(void **state)
{
	struct world *w = fake_world(
		(struct uring_fake_config){.seed = 1, .socket_buffer = 10});
	char got[10];
	int fds[2];

	world_pair(w, fds);
	uring_send(w->ring, world_target(w, 1), fds[0], "0123456789abc", 13, 0);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 10);
	uring_send(w->ring, world_target(w, 2), fds[0], "abc", 3, 0);
	world_linger(w);
	assert_int_equal(world_records(w, 2), 0);
	assert_int_equal(uring_fake_peer_write(w->fake, fds[0], "x", 1),
			 -EAGAIN);
	world_read(w, fds[1], got, 1);
	world_await(w, 2);
	assert_int_equal(world_record(w, 2)->res, 1); /* what fitted */
	world_free(w);
}

/* Over many seeds a cancel of ready work must win and lose. */
static void a_cancel_races_success(void **state)
{
	unsigned won = 0, lost = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct world *w =
			fake_world((struct uring_fake_config){.seed = seed});
		struct uring_op *op;
		char byte;
		int fds[2];

		world_pair(w, fds);
		op = uring_recv(w->ring, world_target(w, 1), fds[0], &byte, 1,
				0);
		world_turn(w, 0);
		world_write(w, fds[1], "x", 1);
		uring_op_cancel(w->ring, op);
		world_await(w, 1);
		if (w->log[0].res == 1)
			won++;
		else if (w->log[0].res == -ECANCELED)
			lost++;
		assert_int_equal(world_records(w, 1), 1);
		world_free(w);
	}
	assert_int_equal(won + lost, 100);
	assert_in_range(won, 20, 80);
}

static void a_multishot_ends_at_times(void **state)
{
	unsigned ended = 0, went_on = 0;

	for (uint64_t seed = 0; seed < 300; seed++) {
		struct world *w =
			fake_world((struct uring_fake_config){.seed = seed});
		struct uring_bufs *bufs;
		struct uring_op *op;
		int fds[2];

		assert_int_equal(uring_bufs_create(w->ring, 2, 64, &bufs), 0);
		world_pair(w, fds);
		world_write(w, fds[1], "x", 1);
		op = uring_recv_group(w->ring, world_target(w, 1), fds[0], bufs,
				      true);
		world_await(w, 1);
		assert_int_equal(w->log[0].res, 1);
		if (w->log[0].more) {
			went_on++;
			uring_op_cancel(w->ring, op);
		} else {
			ended++;
		}
		world_settle(w);
		uring_bufs_destroy(&bufs);
		world_free(w);
	}
	assert_in_range(ended, 3, 100);
	assert_in_range(went_on, 100, 297);
}

static void injected_failures_hit_the_nth_and_stop(void **state)
{
	static const int wanted[] = {0, 0, -EIO, -EIO, 0};
	struct world *w = *state;
	int fd = memfd_create("fake-test", MFD_CLOEXEC);

	uring_fake_fail(w->fake, IORING_OP_FSYNC, 2, EIO, 2);
	for (unsigned i = 0; i < 5; i++) {
		uring_fdatasync(w->ring, world_target(w, 1), fd);
		world_await(w, i + 1);
		assert_int_equal(w->log[i].res, wanted[i]);
	}
	assert_int_equal(close(fd), 0);
}

static void injected_failures_leave_other_opcodes_alone(void **state)
{
	struct world *w = *state;
	struct iovec iov = {(char[]){"abc"}, 3};
	char got[3];
	int fd = memfd_create("fake-test", MFD_CLOEXEC);

	uring_fake_fail(w->fake, IORING_OP_WRITEV, 0, ENOSPC, 1);
	uring_fdatasync(w->ring, world_target(w, 1), fd);
	uring_writev(w->ring, world_target(w, 2), fd, &iov, 1, 0);
	world_await(w, 2);
	assert_int_equal(world_record(w, 1)->res, 0);
	assert_int_equal(world_record(w, 2)->res, -ENOSPC);
	uring_read(w->ring, world_target(w, 3), fd, got, 3, 0);
	world_await(w, 3);
	assert_int_equal(world_record(w, 3)->res, 0); /* nothing written */
	assert_int_equal(close(fd), 0);
}

static void an_injected_hang_ends_by_cancel_alone(void **state)
{
	struct world *w = *state;
	struct uring_op *op;
	int fds[2];

	world_pair(w, fds);
	uring_fake_fail(w->fake, IORING_OP_SEND, 0, 0, 1);
	op = uring_send(w->ring, world_target(w, 1), fds[0], "x", 1, 0);
	world_linger(w);
	assert_int_equal(w->count, 0);
	uring_op_cancel(w->ring, op);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, -ECANCELED);
	assert_int_equal(uring_fake_peer_read(w->fake, fds[1], (char[1]){0}, 1),
			 -EAGAIN);
}

static void short_writes_write_a_front(void **state)
{
	struct world *w = fake_world(
		(struct uring_fake_config){.seed = 3, .short_percent = 60});
	struct iovec iov[2] = {{(char[]){"abcd"}, 4}, {(char[]){"efgh"}, 4}};
	unsigned shorts = 0;
	char got[9];
	int fd;

	for (unsigned i = 0; i < 50; i++) {
		fd = memfd_create("fake-test", MFD_CLOEXEC);
		uring_writev(w->ring, world_target(w, 1), fd, iov, 2, 0);
		world_await(w, i + 1);
		memset(got, 0, sizeof(got));
		assert_int_equal(pread(fd, got, 8, 0), w->log[i].res);
		assert_memory_equal(got, "abcdefgh", (size_t)w->log[i].res);
		shorts += w->log[i].res < 8;
		assert_int_equal(close(fd), 0);
	}
	assert_in_range(shorts, 10, 45);
	world_free(w);
}

static void the_wire_is_remembered(void **state)
{
	struct world *w = *state;
	const unsigned char *wire;
	size_t len;
	char got[5];
	int fds[2];

	world_pair(w, fds);
	uring_send(w->ring, world_target(w, 1), fds[0], "EHLO ", 5, 0);
	world_await(w, 1);
	world_read(w, fds[1], got, 5);
	uring_send(w->ring, world_target(w, 2), fds[0], "you", 3, 0);
	world_await(w, 2);
	uring_close(w->ring, world_target(w, 3), fds[0]);
	world_await(w, 3);
	wire = uring_fake_wire(w->fake, fds[0], &len);
	assert_int_equal(len, 8);
	assert_memory_equal(wire, "EHLO you", 8);
	(void)uring_fake_wire(w->fake, fds[1], &len);
	assert_int_equal(len, 0);
}

/* As in the kernel: the descriptor is gone, the socket is not. */
static void a_request_in_flight_keeps_a_closed_socket(void **state)
{
	struct world *w = *state;
	char byte = 0;
	int fds[2];

	world_pair(w, fds);
	uring_recv(w->ring, world_target(w, 1), fds[0], &byte, 1, 0);
	world_turn(w, 0);
	uring_close(w->ring, world_target(w, 2), fds[0]);
	world_await(w, 1);
	assert_int_equal(world_record(w, 2)->res, 0);
	assert_false(uring_fake_open_fds(w->fake) == 2);
	world_write(w, fds[1], "x", 1);
	world_await(w, 2);
	assert_int_equal(world_record(w, 1)->res, 1);
	assert_true(world_at_eof(w, fds[1])); /* now it is released */
}

static void closing_with_bytes_unread_resets_the_peer(void **state)
{
	struct world *w = *state;
	char byte;
	int fds[2];

	world_pair(w, fds);
	world_write(w, fds[1], "unread", 6);
	uring_close(w->ring, world_target(w, 1), fds[0]);
	world_await(w, 1);
	assert_int_equal(uring_fake_peer_read(w->fake, fds[1], &byte, 1),
			 -ECONNRESET);
	assert_int_equal(uring_fake_peer_write(w->fake, fds[1], "x", 1),
			 -EPIPE);
}

static void a_peers_reset_is_reported_once_each(void **state)
{
	struct world *w = *state;
	char byte;
	int fds[2];

	world_pair(w, fds);
	uring_recv(w->ring, world_target(w, 1), fds[0], &byte, 1, 0);
	world_turn(w, 0);
	uring_fake_peer_reset(w->fake, fds[1]);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, -ECONNRESET);
	uring_recv(w->ring, world_target(w, 2), fds[0], &byte, 1, 0);
	uring_send(w->ring, world_target(w, 3), fds[0], "x", 1, 0);
	world_await(w, 3);
	assert_int_equal(world_record(w, 2)->res, 0);
	assert_int_equal(world_record(w, 3)->res, -EPIPE);
}

static void half_closed_still_receives(void **state)
{
	struct world *w = *state;
	char got[4] = "";
	int fds[2];

	world_pair(w, fds);
	uring_shutdown(w->ring, world_target(w, 1), fds[0], SHUT_WR);
	world_await(w, 1);
	uring_send(w->ring, world_target(w, 2), fds[0], "x", 1, 0);
	world_await(w, 2);
	assert_int_equal(world_record(w, 2)->res, -EPIPE);
	world_write(w, fds[1], "bye", 3);
	uring_recv(w->ring, world_target(w, 3), fds[0], got, 3, 0);
	world_await(w, 3);
	assert_string_equal(got, "bye");
}

static void a_wait_for_ever_with_nothing_coming_is_an_error(void **state)
{
	struct world *w = *state;
	char byte;
	int fds[2];

	assert_int_equal(uring_turn(w->ring, UINT64_MAX), -EDEADLK);
	world_pair(w, fds);
	uring_recv(w->ring, world_target(w, 1), fds[0], &byte, 1, 0);
	assert_int_equal(uring_turn(w->ring, UINT64_MAX), -EDEADLK);
	world_write(w, fds[1], "x", 1);
	world_turn(w, UINT64_MAX);
	assert_int_equal(world_record(w, 1)->res, 1);
}

static void time_passes_only_in_waits(void **state)
{
	struct world *w = *state;
	const struct uring_clock *clock = uring_fake_clock(w->fake);
	uint64_t start = clock->now(clock);

	assert_int_equal(start, URING_SEC);
	world_turn(w, 0);
	uring_nop(w->ring, world_target(w, 1));
	world_turn(w, URING_SEC); /* something was ready */
	assert_int_equal(clock->now(clock), start);
	world_turn(w, URING_SEC);
	assert_int_equal(clock->now(clock), start + URING_SEC);
	uring_fake_advance(w->fake, 5);
	assert_int_equal(clock->now(clock), start + URING_SEC + 5);
}

static void descriptors_are_never_given_out_twice(void **state)
{
	struct world *w = *state;
	int last = 0;
	int fd;

	for (int i = 0; i < 20; i++) {
		fd = uring_fake_socket(w->fake);
		assert_true(fd >= 1 << 20);
		assert_true(fd > last);
		last = fd;
		uring_fake_peer_close(w->fake, fd);
	}
	assert_int_equal(uring_fake_open_fds(w->fake), 0);
}

static void test_peers_connect_and_accept(void **state)
{
	struct world *w = *state;
	int listener = uring_fake_listen(w->fake, 25);
	int client, server;
	char got[2];

	assert_int_equal(uring_fake_listen(w->fake, 25), -EADDRINUSE);
	assert_int_equal(uring_fake_connect(w->fake, 26), -ECONNREFUSED);
	assert_int_equal(uring_fake_accept(w->fake, listener), -EAGAIN);
	client = uring_fake_connect(w->fake, 25);
	server = uring_fake_accept(w->fake, listener);
	assert_true(client > 0 && server > 0);
	world_write(w, client, "hi", 2);
	world_read(w, server, got, 2);
	assert_memory_equal(got, "hi", 2);
	assert_int_equal(uring_fake_open_fds(w->fake), 3);
	world_close(w, client);
	assert_true(world_at_eof(w, server));
	world_close(w, server);
	/* One that nobody accepted is reset when the listener goes. */
	client = uring_fake_connect(w->fake, 25);
	world_close(w, listener);
	assert_int_equal(uring_fake_peer_read(w->fake, client, got, 1),
			 -ECONNRESET);
	world_close(w, client);
	assert_int_equal(uring_fake_open_fds(w->fake), 0);
}

/* What a level has not is refused, so that code can't rely on it. */
static void a_level_refuses_what_it_has_not(void **state)
{
	struct uring_fake_config config = {.level = URING_LEVEL_5_10};
	struct uring_fake *fake;
	struct uring_backend *backend;
	struct io_uring_sqe *sqe;
	struct uring_cqe cqe;
	char page[4096];
	int fds[2];

	assert_int_equal(uring_fake_create(&config, &fake), 0);
	backend = uring_fake_backend(fake);
	assert_int_equal(backend->ops->buf_ring_register(backend, page, 4, 0),
			 -EINVAL);
	assert_int_equal(uring_fake_socketpair(fake, fds), 0);
	sqe = backend->ops->get_sqe(backend);
	sqe->opcode = IORING_OP_SHUTDOWN;
	sqe->fd = fds[0];
	assert_int_equal(backend->ops->submit(backend, 0), 1);
	assert_int_equal(backend->ops->reap(backend, &cqe, 1), 1);
	assert_int_equal(cqe.res, -EINVAL);
	sqe = backend->ops->get_sqe(backend);
	sqe->opcode = IORING_OP_RECV;
	sqe->fd = fds[0];
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags = IOSQE_BUFFER_SELECT;
	assert_int_equal(backend->ops->submit(backend, 0), 1);
	assert_int_equal(backend->ops->reap(backend, &cqe, 1), 1);
	assert_int_equal(cqe.res, -EINVAL);
	backend->ops->destroy(backend);
}

#define FAKE_TEST(function) \
	cmocka_unit_test_setup_teardown(function, setup, world_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_run),
		cmocka_unit_test(other_seeds_give_other_runs),
		cmocka_unit_test(accidents_lose_no_byte),
		cmocka_unit_test(resets_end_runs_in_order),
		cmocka_unit_test(completions_come_in_any_order),
		cmocka_unit_test(delays_keep_ready_work_for_a_later_turn),
		cmocka_unit_test(sends_and_receives_are_short_at_times),
		cmocka_unit_test(a_full_direction_makes_a_send_wait),
		cmocka_unit_test(a_cancel_races_success),
		cmocka_unit_test(a_multishot_ends_at_times),
		FAKE_TEST(injected_failures_hit_the_nth_and_stop),
		FAKE_TEST(injected_failures_leave_other_opcodes_alone),
		FAKE_TEST(an_injected_hang_ends_by_cancel_alone),
		cmocka_unit_test(short_writes_write_a_front),
		FAKE_TEST(the_wire_is_remembered),
		FAKE_TEST(a_request_in_flight_keeps_a_closed_socket),
		FAKE_TEST(closing_with_bytes_unread_resets_the_peer),
		FAKE_TEST(a_peers_reset_is_reported_once_each),
		FAKE_TEST(half_closed_still_receives),
		FAKE_TEST(a_wait_for_ever_with_nothing_coming_is_an_error),
		FAKE_TEST(time_passes_only_in_waits),
		FAKE_TEST(descriptors_are_never_given_out_twice),
		FAKE_TEST(test_peers_connect_and_accept),
		cmocka_unit_test(a_level_refuses_what_it_has_not),
	};

	return cmocka_run_group_tests_name("uring_fake", tests, NULL, NULL);
}
