/* SPDX-License-Identifier: Apache-2.0 */
/* Buffer groups, in both forms: who holds a buffer, who waits for one. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/uring/world.h"

enum {
	COUNT = 4,
	SIZE = 128,
};

static struct uring_bufs *make_group(struct world *w)
{
	struct uring_bufs *bufs;

	assert_int_equal(uring_bufs_create(w->ring, COUNT, SIZE, &bufs), 0);
	assert_int_equal(uring_bufs_size(bufs), SIZE);
	assert_int_equal(uring_bufs_out(bufs), 0);
	return bufs;
}

/* Receives that are to go on whatever ends them; all have tag 1. */
struct receiver {
	int fd;
	struct uring_bufs *bufs;
	struct uring_op *op;
	bool message; /* recvmsg */
	bool stopped;
};

static void receive(struct world *w, struct receiver *r)
{
	struct uring_target target = world_target(w, 1);

	if (r->message)
		r->op = uring_recvmsg_group(w->ring, target, r->fd, r->bufs,
					    URING_CONTROL_MAX, true);
	else
		r->op = uring_recv_group(w->ring, target, r->fd, r->bufs, true);
}

static void receive_again(struct world *w, const struct uring_event *event,
			  const struct record *record)
{
	struct receiver *r = w->then_arg;

	if (event->more)
		return;
	r->op = NULL;
	if (event->res > 0 && !r->stopped)
		receive(w, r);
}

static void start_receiver(struct world *w, struct receiver *r)
{
	w->then = receive_again;
	w->then_arg = r;
	receive(w, r);
}

static void stop_receiver(struct world *w, struct receiver *r)
{
	r->stopped = true;
	if (r->op)
		uring_op_cancel(w->ring, r->op);
	world_settle(w);
}

static void end(struct world *w, int fds[2], struct uring_bufs *bufs)
{
	world_close(w, fds[0]);
	world_close(w, fds[1]);
	world_settle(w);
	assert_int_equal(uring_bufs_out(bufs), 0);
	uring_bufs_destroy(&bufs);
	assert_null(bufs);
}

static void recv_brings_a_buffer(void **state)
{
	struct world *w = *state;
	struct receiver r = {.bufs = make_group(w)};
	int fds[2];

	world_pair(w, fds);
	r.fd = fds[0];
	w->keep_buffers = true;
	start_receiver(w, &r);
	world_linger(w);
	assert_int_equal(w->count, 0);
	world_write(w, fds[1], "abc", 3);
	world_await(w, 1);
	assert_int_equal(w->log[0].res, 3);
	assert_int_equal(w->log[0].len, 3);
	assert_memory_equal(w->log[0].data, "abc", 3);
	assert_int_equal(uring_bufs_out(r.bufs), 1);
	uring_buf_return(&w->kept[0]);
	assert_int_equal(uring_bufs_out(r.bufs), 0);
	assert_null(w->kept[0].data);
	uring_buf_return(&w->kept[0]); /* nothing there: harmless */
	stop_receiver(w, &r);
	end(w, fds, r.bufs);
}

static void multishot_goes_on_where_the_kernel_can(void **state)
{
	struct world *w = *state;
	struct receiver r = {.bufs = make_group(w)};
	const struct uring_caps *caps = uring_caps(w->ring);
	bool more = false;
	int fds[2];

	world_pair(w, fds);
	r.fd = fds[0];
	start_receiver(w, &r);
	for (unsigned i = 0; i < 20; i++) {
		world_write(w, fds[1], "abc", 3);
		world_await(w, i + 1);
		more |= w->log[i].more;
	}
	assert_int_equal(more, caps->multishot_recv);
	stop_receiver(w, &r);
	end(w, fds, r.bufs);
}

static void single_shot_is_single_everywhere(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs = make_group(w);
	int fds[2];

	world_pair(w, fds);
	world_write(w, fds[1], "abc", 3);
	uring_recv_group(w->ring, world_target(w, 1), fds[0], bufs, false);
	world_await(w, 1);
	assert_false(world_record(w, 1)->more);
	assert_int_equal(uring_inflight(w->ring), 0);
	end(w, fds, bufs);
}

/* Many times round the ring, every byte in its place. */
static void buffers_go_round(void **state)
{
	struct world *w = *state;
	struct receiver r = {.bufs = make_group(w)};
	char text[16];
	int fds[2];

	world_pair(w, fds);
	r.fd = fds[0];
	start_receiver(w, &r);
	for (unsigned i = 0; i < 20 * COUNT; i++) {
		(void)snprintf(text, sizeof(text), "message %u", i);
		world_write(w, fds[1], text, strlen(text));
		world_await(w, i + 1);
		assert_int_equal(w->log[i].res, strlen(text));
		assert_memory_equal(w->log[i].data, text, strlen(text));
	}
	stop_receiver(w, &r);
	end(w, fds, r.bufs);
}

static void more_than_a_buffer_comes_in_pieces(void **state)
{
	struct world *w = *state;
	struct receiver r = {.bufs = make_group(w)};
	unsigned char text[3 * SIZE];
	size_t done = 0;
	int fds[2];

	world_pair(w, fds);
	r.fd = fds[0];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)(i / SIZE * 100 + i % SIZE);
	world_write(w, fds[1], text, sizeof(text));
	start_receiver(w, &r);
	world_await(w, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(w->log[i].res, SIZE);
		assert_memory_equal(w->log[i].data, text + done, WORLD_DATA);
		done += SIZE;
	}
	stop_receiver(w, &r);
	end(w, fds, r.bufs);
}

static void the_end_brings_no_buffer(void **state)
{
	for (int message = 0; message < 2; message++) {
		struct world *w = *state;
		struct receiver r = {.bufs = make_group(w), .message = message};
		int fds[2];

		w->count = 0;
		world_tcp_pair(w, fds);
		r.fd = fds[0];
		w->keep_buffers = true;
		start_receiver(w, &r);
		world_shutdown(w, fds[1]);
		world_await(w, 1);
		assert_int_equal(w->log[0].res, 0);
		assert_int_equal(w->log[0].len, 0);
		assert_false(w->log[0].more);
		assert_int_equal(w->kept_count, 0);
		end(w, fds, r.bufs);
	}
}

static void recvmsg_gives_payload_and_control(void **state)
{
	struct world *w = *state;
	struct receiver r = {.bufs = make_group(w), .message = true};
	int fds[2];

	world_tcp_pair(w, fds);
	r.fd = fds[0];
	start_receiver(w, &r);
	for (unsigned i = 0; i < 3 * COUNT; i++) {
		world_write(w, fds[1], "payload", 7);
		world_await(w, i + 1);
		assert_int_equal(w->log[i].kind, URING_OP_RECVMSG);
		assert_int_equal(w->log[i].res, 7);
		assert_int_equal(w->log[i].len, 7);
		assert_memory_equal(w->log[i].data, "payload", 7);
		assert_true(w->log[i].has_control);
		assert_int_equal(w->log[i].control_len, 0);
		assert_int_equal(w->log[i].msg_flags & MSG_CTRUNC, 0);
	}
	stop_receiver(w, &r);
	end(w, fds, r.bufs);
}

/* A TCP socket tells with each piece how much more there is. */
static void recvmsg_brings_real_control_data(void **state)
{
	struct world *w = *state;
	struct receiver r = {.bufs = make_group(w), .message = true};
	struct cmsghdr cmsg;
	int left, on = 1;
	int fds[2];

	world_tcp_pair(w, fds);
	r.fd = fds[0];
	assert_int_equal(
		setsockopt(fds[0], IPPROTO_TCP, TCP_INQ, &on, sizeof(on)), 0);
	start_receiver(w, &r);
	for (unsigned i = 0; i < 3; i++) {
		world_write(w, fds[1], "abc", 3);
		world_await(w, i + 1);
		assert_int_equal(w->log[i].res, 3);
		assert_memory_equal(w->log[i].data, "abc", 3);
		assert_in_range(w->log[i].control_len, CMSG_LEN(sizeof(left)),
				CMSG_SPACE(sizeof(left)));
		memcpy(&cmsg, w->log[i].control, sizeof(cmsg));
		assert_int_equal(cmsg.cmsg_level, IPPROTO_TCP);
		assert_int_equal(cmsg.cmsg_type, TCP_CM_INQ);
		memcpy(&left, w->log[i].control + CMSG_LEN(0), sizeof(left));
		assert_int_equal(left, 0);
	}
	stop_receiver(w, &r);
	end(w, fds, r.bufs);
}

/* Let the receives of @fds (one each, tags 1..) take all buffers. */
static void take_all(struct world *w, struct uring_bufs *bufs, int fds[][2])
{
	w->keep_buffers = true;
	for (int i = 0; i < COUNT; i++) {
		world_pair(w, fds[i]);
		world_write(w, fds[i][1], "x", 1);
		uring_recv_group(w->ring, world_target(w, 100 + i), fds[i][0],
				 bufs, false);
	}
	world_await(w, COUNT);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(world_record(w, 100 + i)->res, 1);
	assert_int_equal(uring_bufs_out(bufs), COUNT);
}

static void give_all(struct world *w, int fds[][2])
{
	for (unsigned i = 0; i < w->kept_count; i++)
		uring_buf_return(&w->kept[i]);
	for (int i = 0; i < COUNT; i++) {
		world_close(w, fds[i][0]);
		world_close(w, fds[i][1]);
	}
}

static void without_buffers_a_receive_ends_with_enobufs(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs = make_group(w);
	int taken[COUNT][2], fds[2];

	take_all(w, bufs, taken);
	world_pair(w, fds);
	world_write(w, fds[1], "late", 4);
	uring_recv_group(w->ring, world_target(w, 1), fds[0], bufs, true);
	world_await(w, COUNT + 1);
	assert_int_equal(world_record(w, 1)->res, -ENOBUFS);
	assert_false(world_record(w, 1)->more);
	assert_int_equal(uring_stats(w->ring)->nobufs, 1);
	give_all(w, taken);
	/* Nothing of the data was lost. */
	w->keep_buffers = false;
	uring_recv_group(w->ring, world_target(w, 2), fds[0], bufs, false);
	world_await(w, COUNT + 2);
	assert_int_equal(world_record(w, 2)->res, 4);
	assert_memory_equal(world_record(w, 2)->data, "late", 4);
	end(w, fds, bufs);
}

/* One who waits, and what he does when called. */
struct waiting {
	struct uring_bufs_waiter waiter;
	struct world *world;
	struct uring_bufs *bufs;
	unsigned calls;
	bool again; /* wait again when called */
	unsigned *order, rank;
};

static void on_buffer(void *owner)
{
	struct waiting *me = owner;

	me->calls++;
	if (me->order)
		me->rank = ++*me->order;
	if (me->again)
		uring_bufs_wait(me->bufs, &me->waiter);
}

static void start_waiting(struct waiting *me, struct world *w,
			  struct uring_bufs *bufs)
{
	me->world = w;
	me->bufs = bufs;
	me->waiter.fn = on_buffer;
	me->waiter.owner = me;
	uring_bufs_wait(bufs, &me->waiter);
	uring_bufs_wait(bufs, &me->waiter); /* twice is once */
}

static void a_waiter_is_called_when_a_buffer_comes_back(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs = make_group(w);
	struct waiting me = {0};
	int taken[COUNT][2];

	take_all(w, bufs, taken);
	start_waiting(&me, w, bufs);
	world_linger(w);
	assert_int_equal(me.calls, 0);
	uring_buf_return(&w->kept[0]);
	assert_int_equal(me.calls, 0); /* from a turn, not from here */
	world_linger(w);
	assert_int_equal(me.calls, 1);
	uring_buf_return(&w->kept[1]);
	world_linger(w);
	assert_int_equal(me.calls, 1);
	give_all(w, taken);
	uring_bufs_destroy(&bufs);
}

static void an_unwaited_waiter_is_not_called(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs = make_group(w);
	struct waiting me = {0};
	int taken[COUNT][2];

	take_all(w, bufs, taken);
	start_waiting(&me, w, bufs);
	uring_bufs_unwait(bufs, &me.waiter);
	uring_bufs_unwait(bufs, &me.waiter);
	give_all(w, taken);
	world_linger(w);
	assert_int_equal(me.calls, 0);
	uring_bufs_destroy(&bufs);
}

/* The buffer may have come back between the -ENOBUFS and the wait. */
static void a_new_waiter_gets_a_try_when_buffers_are_free(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs = make_group(w);
	struct waiting me = {0};

	start_waiting(&me, w, bufs);
	world_turn(w, UINT64_MAX); /* does not wait for an event */
	assert_int_equal(me.calls, 1);
	uring_bufs_destroy(&bufs);
}

static void a_waiter_that_failed_does_not_spin(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs = make_group(w);
	struct waiting me = {.again = true};
	int fds[2];

	world_pair(w, fds);
	start_waiting(&me, w, bufs);
	world_linger(w);
	assert_int_equal(me.calls, 1);
	/* A buffer goes and comes back: hope. */
	world_write(w, fds[1], "x", 1);
	uring_recv_group(w->ring, world_target(w, 1), fds[0], bufs, false);
	world_await(w, 1);
	world_linger(w);
	assert_int_equal(me.calls, 2);
	uring_bufs_unwait(bufs, &me.waiter);
	end(w, fds, bufs);
}

static void no_more_waiters_are_called_than_buffers_are_free(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs = make_group(w);
	struct waiting many[3] = {{.waiter = {0}}};
	unsigned order = 0;
	int taken[COUNT][2];

	take_all(w, bufs, taken);
	for (unsigned i = 0; i < 3; i++) {
		many[i].order = &order;
		start_waiting(&many[i], w, bufs);
	}
	uring_buf_return(&w->kept[0]);
	world_turn(w, 0);
	assert_int_equal(many[0].calls, 1);
	assert_int_equal(order, 1);
	/* The buffer was not used: the next in line may try. */
	world_linger(w);
	assert_int_equal(many[1].rank, 2);
	assert_int_equal(many[2].rank, 3);
	give_all(w, taken);
	uring_bufs_destroy(&bufs);
}

/* Idle connections must not hold the buffers that a busy one needs. */
static void idle_receives_hold_no_buffers(void **state)
{
	enum {
		IDLE = 5 * COUNT
	};
	struct world *w = *state;
	struct uring_bufs *bufs = make_group(w);
	struct uring_op *ops[IDLE];
	int fds[IDLE][2], busy[2];

	for (int i = 0; i < IDLE; i++) {
		world_pair(w, fds[i]);
		ops[i] = uring_recv_group(w->ring, world_target(w, 100 + i),
					  fds[i][0], bufs, true);
	}
	world_linger(w);
	assert_int_equal(w->count, 0);
	world_pair(w, busy);
	world_write(w, busy[1], "work", 4);
	uring_recv_group(w->ring, world_target(w, 1), busy[0], bufs, false);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 4);
	for (int i = 0; i < IDLE; i++)
		uring_op_cancel(w->ring, ops[i]);
	world_settle(w);
	for (int i = 0; i < IDLE; i++) {
		assert_int_equal(world_record(w, 100 + i)->res, -ECANCELED);
		world_close(w, fds[i][0]);
		world_close(w, fds[i][1]);
	}
	end(w, busy, bufs);
}

static void groups_are_apart(void **state)
{
	struct world *w = *state;
	struct uring_bufs *one = make_group(w);
	struct uring_bufs *two = make_group(w);
	int taken[COUNT][2], fds[2];

	take_all(w, one, taken);
	world_pair(w, fds);
	world_write(w, fds[1], "x", 1);
	uring_recv_group(w->ring, world_target(w, 1), fds[0], two, false);
	world_await(w, COUNT + 1);
	assert_int_equal(world_record(w, 1)->res, 1);
	assert_int_equal(uring_bufs_out(two), 1);
	give_all(w, taken);
	uring_bufs_destroy(&one);
	end(w, fds, two);
}

/* A group's successor must not be written through the old one's list. */
static void a_destroyed_group_is_not_used_again(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs;
	int fds[2];

	for (int i = 0; i < 20; i++) {
		w->count = 0;
		bufs = make_group(w);
		world_pair(w, fds);
		world_write(w, fds[1], "x", 1);
		uring_recv_group(w->ring, world_target(w, 1), fds[0], bufs,
				 false);
		world_await(w, 1);
		assert_int_equal(w->log[0].res, 1);
		end(w, fds, bufs);
	}
}

static void create_refuses_what_no_kernel_takes(void **state)
{
	struct world *w = *state;
	struct uring_bufs *bufs;

	assert_int_equal(uring_bufs_create(w->ring, 0, 64, &bufs), -EINVAL);
	assert_int_equal(uring_bufs_create(w->ring, 3, 64, &bufs), -EINVAL);
	assert_int_equal(uring_bufs_create(w->ring, 65536, 64, &bufs), -EINVAL);
	assert_int_equal(uring_bufs_create(w->ring, 4, 0, &bufs), -EINVAL);
	assert_null(bufs);
	uring_bufs_destroy(&bufs);
}

/* The bugs that are caught; each in a child of its own. */
static struct world *child_with_buffer(const struct world_kind *kind,
				       struct uring_bufs **bufs)
{
	struct world *w = world_new(kind, (struct uring_config){0},
				    (struct uring_fake_config){0});
	int fds[2];

	*bufs = make_group(w);
	world_pair(w, fds);
	world_write(w, fds[1], "x", 1);
	w->keep_buffers = true;
	uring_recv_group(w->ring, world_target(w, 1), fds[0], *bufs, false);
	world_await(w, 1);
	return w;
}

static void take_another(struct world *w, struct uring_bufs *bufs)
{
	int fds[2];

	world_pair(w, fds);
	world_write(w, fds[1], "y", 1);
	uring_recv_group(w->ring, world_target(w, 2), fds[0], bufs, false);
	world_await(w, 2);
	if (uring_bufs_out(bufs) != 2)
		_exit(1);
}

static void return_twice(const struct world_kind *kind)
{
	struct uring_bufs *bufs;
	struct world *w = child_with_buffer(kind, &bufs);
	struct uring_buf copy = w->kept[0];

	/* Another one is out, so that a mere count would not notice. */
	take_another(w, bufs);
	uring_buf_return(&w->kept[0]);
	uring_buf_return(&copy);
}

static void return_to_another_group(const struct world_kind *kind)
{
	struct uring_bufs *bufs;
	struct world *w = child_with_buffer(kind, &bufs);

	w->kept[0].group = make_group(w);
	uring_buf_return(&w->kept[0]);
}

static void destroy_with_a_buffer_out(const struct world_kind *kind)
{
	struct uring_bufs *bufs;

	(void)child_with_buffer(kind, &bufs);
	uring_bufs_destroy(&bufs);
}

static void destroy_with_a_receive_in_flight(const struct world_kind *kind)
{
	struct uring_bufs *bufs;
	struct world *w = child_with_buffer(kind, &bufs);
	int fds[2];

	uring_buf_return(&w->kept[0]);
	world_pair(w, fds);
	uring_recv_group(w->ring, world_target(w, 2), fds[0], bufs, true);
	uring_bufs_destroy(&bufs);
}

static void ownership_is_asserted(void **state)
{
	const struct world_kind *kind = world_kind(*state);

	assert_true(aborts(return_twice, kind));
	assert_true(aborts(return_to_another_group, kind));
	assert_true(aborts(destroy_with_a_buffer_out, kind));
	assert_true(aborts(destroy_with_a_receive_in_flight, kind));
}

int main(void)
{
	static const struct world_test tests[] = {
		WORLD_TEST(recv_brings_a_buffer),
		WORLD_TEST(multishot_goes_on_where_the_kernel_can),
		WORLD_TEST(single_shot_is_single_everywhere),
		WORLD_TEST(buffers_go_round),
		WORLD_TEST(more_than_a_buffer_comes_in_pieces),
		WORLD_TEST(the_end_brings_no_buffer),
		WORLD_TEST(recvmsg_gives_payload_and_control),
		WORLD_TEST_IN(recvmsg_brings_real_control_data, WORLDS_REAL),
		WORLD_TEST(without_buffers_a_receive_ends_with_enobufs),
		WORLD_TEST(a_waiter_is_called_when_a_buffer_comes_back),
		WORLD_TEST(an_unwaited_waiter_is_not_called),
		WORLD_TEST(a_new_waiter_gets_a_try_when_buffers_are_free),
		WORLD_TEST(a_waiter_that_failed_does_not_spin),
		WORLD_TEST(no_more_waiters_are_called_than_buffers_are_free),
		WORLD_TEST(idle_receives_hold_no_buffers),
		WORLD_TEST(groups_are_apart),
		WORLD_TEST(a_destroyed_group_is_not_used_again),
		WORLD_TEST(create_refuses_what_no_kernel_takes),
		WORLD_TEST(ownership_is_asserted),
	};

	return run_worlds("uring_bufs", tests,
			  sizeof(tests) / sizeof(tests[0]));
}
