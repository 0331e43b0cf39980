/* SPDX-License-Identifier: Apache-2.0 */
/* Cancelling, at every moment of an operation's life. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/uring/world.h"

enum {
	TURN_LIMIT = 256, /* completions that a turn dispatches */
};

static void a_waiting_receive_is_cancelled(void **state)
{
	struct world *w = *state;
	struct uring_op *op;
	char byte;
	int fds[2];

	world_pair(w, fds);
	op = uring_recv(w->ring, world_target(w, 1), fds[0], &byte, 1, 0);
	world_linger(w);
	assert_int_equal(w->count, 0);
	uring_op_cancel(w->ring, op);
	world_await(w, 1);
	world_linger(w);
	assert_int_equal(world_record(w, 1)->res, -ECANCELED);
	assert_false(world_record(w, 1)->more);
	assert_int_equal(uring_stats(w->ring)->cancelled, 1);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void an_op_that_is_only_queued_is_cancelled(void **state)
{
	struct world *w = *state;
	struct uring_op *op;
	char byte;
	int fds[2];

	world_pair(w, fds);
	op = uring_recv(w->ring, world_target(w, 1), fds[0], &byte, 1, 0);
	uring_op_cancel(w->ring, op);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, -ECANCELED);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void cancelling_twice_is_cancelling_once(void **state)
{
	struct world *w = *state;
	struct uring_op *op;
	char byte;
	int fds[2];

	world_pair(w, fds);
	op = uring_recv(w->ring, world_target(w, 1), fds[0], &byte, 1, 0);
	uring_op_cancel(w->ring, op);
	uring_op_cancel(w->ring, op);
	world_turn(w, 0);
	if (w->count == 0)
		uring_op_cancel(w->ring, op);
	world_await(w, 1);
	world_linger(w);
	assert_int_equal(world_record(w, 1)->res, -ECANCELED);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void poll_and_accept_are_cancelled(void **state)
{
	struct world *w = *state;
	uint16_t port;
	int listener = world_listen(w, &port);
	int fds[2];

	world_pair(w, fds);
	uring_op_cancel(w->ring,
			uring_accept(w->ring, world_target(w, 1), listener));
	uring_op_cancel(w->ring, uring_poll(w->ring, world_target(w, 2), fds[0],
					    POLLIN));
	world_await(w, 2);
	assert_int_equal(world_record(w, 1)->res, -ECANCELED);
	assert_int_equal(world_record(w, 2)->res, -ECANCELED);
	world_close(w, listener);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void group_receives_are_cancelled_without_a_buffer(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs;
	struct uring_op *ops[2];
	int fds[2];

	assert_int_equal(uring_bufs_create(w->ring, 4, 128, &bufs), 0);
	world_tcp_pair(w, fds);
	ops[0] = uring_recv_group(w->ring, world_target(w, 1), fds[0], bufs,
				  true);
	ops[1] = uring_recvmsg_group(w->ring, world_target(w, 2), fds[1], bufs,
				     URING_CONTROL_MAX, true);
	world_linger(w);
	for (int i = 0; i < 2; i++)
		uring_op_cancel(w->ring, ops[i]);
	world_await(w, 2);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(world_record(w, i)->res, -ECANCELED);
		assert_int_equal(world_record(w, i)->len, 0);
	}
	uring_bufs_destroy(&bufs);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

/* Data and cancel at once: either may win, nothing may be lost. */
static void a_cancel_that_races_data_loses_nothing(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs;
	struct uring_op *op;
	char got;
	int fds[2];

	assert_int_equal(uring_bufs_create(w->ring, 4, 128, &bufs), 0);
	world_pair(w, fds);
	for (unsigned i = 0; i < 50; i++) {
		w->count = 0;
		op = uring_recv_group(w->ring, world_target(w, 1), fds[0], bufs,
				      false);
		if (i % 2)
			world_turn(w, 0);
		world_write(w, fds[1], "x", 1);
		uring_op_cancel(w->ring, op);
		world_await(w, 1);
		if (w->log[0].res == 1)
			continue;
		assert_int_equal(w->log[0].res, -ECANCELED);
		world_read(w, fds[0], &got, 1);
	}
	uring_bufs_destroy(&bufs);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

/* More completions than a turn takes: the last one waits in the CQ. */
static void an_unreaped_completion_wins_over_a_cancel(void **state)
{
	struct world *w = *state;
	struct uring_op *ops[TURN_LIMIT + 1];
	unsigned left = 0;

	for (int i = 0; i <= TURN_LIMIT; i++)
		ops[i] = uring_nop(w->ring, world_target(w, i));
	while (w->count < TURN_LIMIT)
		world_turn(w, 0);
	assert_int_equal(w->count, TURN_LIMIT);
	for (int i = 0; i <= TURN_LIMIT; i++)
		if (world_records(w, i) == 0) {
			uring_op_cancel(w->ring, ops[i]);
			left++;
		}
	assert_int_equal(left, 1);
	world_await(w, TURN_LIMIT + 1);
	world_linger(w);
	for (unsigned i = 0; i < w->count; i++)
		assert_int_equal(w->log[i].res, 0);
}

struct rivals {
	struct uring_op *ops[2];
	bool done[2];
};

/* The first to come cancels the other. */
static void cancel_the_other(struct world *w, const struct uring_event *event,
			     const struct record *record)
{
	struct rivals *rivals = w->then_arg;
	int me = record->tag - 1;

	rivals->done[me] = true;
	if (!rivals->done[!me])
		uring_op_cancel(w->ring, rivals->ops[!me]);
}

static void a_handler_cancels_an_op_of_the_same_batch(void **state)
{
	struct world *w = *state;
	struct rivals rivals = {.done = {false}};

	w->then = cancel_the_other;
	w->then_arg = &rivals;
	for (int i = 0; i < 2; i++)
		rivals.ops[i] = uring_nop(w->ring, world_target(w, 1 + i));
	world_await(w, 2);
	world_linger(w);
	assert_int_equal(world_record(w, 1)->res, 0);
	assert_int_equal(world_record(w, 2)->res, 0);
}

static void cancel_self(struct world *w, const struct uring_event *event,
			const struct record *record)
{
	uring_op_cancel(w->ring, event->op);
}

static void a_handler_may_cancel_its_own_op(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs;
	unsigned last;
	int fds[2];

	assert_int_equal(uring_bufs_create(w->ring, 4, 128, &bufs), 0);
	world_pair(w, fds);
	w->then = cancel_self;
	uring_recv_group(w->ring, world_target(w, 1), fds[0], bufs, true);
	world_write(w, fds[1], "x", 1);
	world_settle(w);
	assert_int_equal(w->log[0].res, 1);
	last = w->count - 1;
	if (last > 0)
		assert_int_equal(w->log[last].res, -ECANCELED);
	assert_false(w->log[last].more);
	uring_bufs_destroy(&bufs);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

struct successor {
	struct uring_op *old;
	struct uring_op *next;
	char byte;
	int fd;
};

/*
 * In one batch: the first handler cancels the second op, whose completion is
 * already taken; the third starts another in the slot that the second left.
 * The cancel reaches the kernel after that.
 */
static void succeed(struct world *w, const struct uring_event *event,
		    const struct record *record)
{
	struct successor *s = w->then_arg;

	if (record->tag == 1 && world_records(w, 2) == 0)
		uring_op_cancel(w->ring, s->old);
	if (record->tag == 3)
		s->next = uring_recv(w->ring, world_target(w, 4), s->fd,
				     &s->byte, 1, 0);
}

static void a_cancel_does_not_hit_the_slots_next_user(void **state)
{
	struct world *w = *state;
	struct successor s;
	int fds[2];

	w->then = succeed;
	w->then_arg = &s;
	for (int i = 0; i < 20; i++) { /* the fake decides who comes first */
		w->count = 0;
		world_pair(w, fds);
		s = (struct successor){.fd = fds[0]};
		uring_nop(w->ring, world_target(w, 1));
		s.old = uring_nop(w->ring, world_target(w, 2));
		uring_nop(w->ring, world_target(w, 3));
		world_await(w, 3);
		if (!w->fake) /* the case that matters */
			assert_ptr_equal(s.next, s.old);
		world_linger(w);
		assert_int_equal(world_records(w, 4), 0);
		world_write(w, fds[1], "x", 1);
		world_await(w, 4);
		assert_int_equal(world_record(w, 4)->res, 1);
		world_close(w, fds[0]);
		world_close(w, fds[1]);
	}
	w->then_arg = NULL;
}

static void a_close_is_never_cancelled(void **state)
{
	struct world *w = *state;
	struct uring_op *op;
	int fds[2];

	for (int i = 0; i < 10; i++) {
		w->count = 0;
		world_pair(w, fds);
		op = uring_close(w->ring, world_target(w, 1), fds[0]);
		uring_op_cancel(w->ring, op);
		world_await(w, 1);
		assert_int_equal(world_record(w, 1)->res, 0);
		assert_true(world_at_eof(w, fds[1]));
		world_close(w, fds[1]);
	}
}

static void a_cancelled_sendmsg_with_control_sends_nothing(void **state)
{
	static char junk[4096];
	struct world *w = *state;
	union {
		struct {
			size_t len;
			int level, type;
		} head;
		unsigned char bytes[CMSG_SPACE(1)];
	} control = {.head = {CMSG_LEN(1), 282, 1}};
	struct iovec iov = {junk, 1};
	struct uring_op *op;
	int fds[2];

	world_pair(w, fds);
	do {
		w->count = 0;
		uring_send(w->ring, world_target(w, 1), fds[0], junk,
			   sizeof(junk), MSG_DONTWAIT);
		world_await(w, 1);
	} while (w->log[0].res > 0);
	op = uring_sendmsg(w->ring, world_target(w, 2), fds[0], &iov, 1,
			   control.bytes, sizeof(control.bytes), 0);
	world_linger(w);
	uring_op_cancel(w->ring, op);
	world_await(w, 2);
	assert_int_equal(world_record(w, 2)->res, -ECANCELED);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

/* The ring's end with all sorts in flight: ASan and the kernel would tell. */
static void destroy_ends_what_is_in_flight(void **state)
{
	const struct world_kind *kind = world_kind(*state);
	struct world *w = world_new(kind, (struct uring_config){0},
				    (struct uring_fake_config){0});
	char *memory = malloc(64);
	uint16_t port;
	int listener = world_listen(w, &port);
	int fds[2];

	world_tcp_pair(w, fds);
	uring_accept(w->ring, world_target(w, 1), listener);
	uring_poll(w->ring, world_target(w, 2), fds[0], POLLIN);
	uring_recv(w->ring, world_target(w, 3), fds[0], memory, 32, 0);
	uring_recvmsg(w->ring, world_target(w, 4), fds[1], memory + 32, 32, 64);
	world_turn(w, 0);
	uring_nop(w->ring, world_target(w, 5)); /* only queued */
	if (!w->fake)
		world_close(w, listener);
	uring_destroy(&w->ring);
	assert_null(w->ring);
	uring_destroy(&w->ring);
	free(memory);
	if (!w->fake) {
		world_close(w, fds[0]);
		world_close(w, fds[1]);
	}
	assert_int_equal(w->count, 0); /* nobody hears of it */
	world_free(w);
}

/* A connection that is accepted while the ring ends must not leak. */
static void destroy_closes_what_is_accepted_meanwhile(void **state)
{
	const struct world_kind *kind = world_kind(*state);
	struct world *w = world_new(kind, (struct uring_config){0},
				    (struct uring_fake_config){0});
	struct sockaddr_in addr = {.sin_family = AF_INET};
	uint16_t port;
	int listener = world_listen(w, &port);
	int client = world_socket(w);
	int left;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons(port);
	assert_int_equal(
		connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
	uring_accept(w->ring, world_target(w, 1), listener);
	uring_destroy(&w->ring);
	assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	left = accept(listener, NULL, NULL);
	if (left >= 0) /* the cancel won */
		assert_int_equal(close(left), 0);
	world_close(w, listener);
	assert_true(world_at_eof(w, client)); /* hangs if it leaked */
	world_close(w, client);
	world_free(w);
}

static void cancel_a_dead_op(const struct world_kind *kind)
{
	struct world *w = world_new(kind, (struct uring_config){0},
				    (struct uring_fake_config){0});
	struct uring_op *op = uring_nop(w->ring, world_target(w, 1));

	world_await(w, 1);
	uring_op_cancel(w->ring, op);
}

static void a_dead_op_is_noticed(void **state)
{
	assert_true(aborts(cancel_a_dead_op, world_kind(*state)));
}

int main(void)
{
	static const struct world_test tests[] = {
		WORLD_TEST(a_waiting_receive_is_cancelled),
		WORLD_TEST(an_op_that_is_only_queued_is_cancelled),
		WORLD_TEST(cancelling_twice_is_cancelling_once),
		WORLD_TEST(poll_and_accept_are_cancelled),
		WORLD_TEST(group_receives_are_cancelled_without_a_buffer),
		WORLD_TEST(a_cancel_that_races_data_loses_nothing),
		WORLD_TEST(an_unreaped_completion_wins_over_a_cancel),
		WORLD_TEST(a_handler_cancels_an_op_of_the_same_batch),
		WORLD_TEST(a_handler_may_cancel_its_own_op),
		WORLD_TEST(a_cancel_does_not_hit_the_slots_next_user),
		WORLD_TEST(a_close_is_never_cancelled),
		WORLD_TEST(a_cancelled_sendmsg_with_control_sends_nothing),
		WORLD_TEST(destroy_ends_what_is_in_flight),
		WORLD_TEST_IN(destroy_closes_what_is_accepted_meanwhile,
			      WORLDS_REAL),
		WORLD_TEST(a_dead_op_is_noticed),
	};

	return run_worlds("uring_cancel", tests,
			  sizeof(tests) / sizeof(tests[0]));
}
