/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of operation, in every world. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/uring/world.h"

/* A send's shortest control message: SOL_TLS, TLS_SET_RECORD_TYPE. */
struct control {
	_Alignas(struct cmsghdr) unsigned char bytes[CMSG_SPACE(1)];
};

static void init_control(struct control *control)
{
	struct msghdr msg = {.msg_control = control->bytes,
			     .msg_controllen = sizeof(control->bytes)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	memset(control, 0, sizeof(*control));
	cmsg->cmsg_len = CMSG_LEN(1);
	cmsg->cmsg_level = 282;
	cmsg->cmsg_type = 1;
	*CMSG_DATA(cmsg) = 21;
}

static void nop_gives_one_event_in_a_later_turn(void **state)
{
	struct world *w = *state;

	assert_non_null(uring_nop(w->ring, world_target(w, 1)));
	assert_int_equal(w->count, 0);
	assert_int_equal(uring_inflight(w->ring), 1);
	world_await(w, 1);
	world_linger(w);
	assert_int_equal(world_record(w, 1)->res, 0);
	assert_false(world_record(w, 1)->more);
	assert_int_equal(world_record(w, 1)->kind, URING_OP_NOP);
	assert_int_equal(uring_inflight(w->ring), 0);
}

static void send_reaches_the_peer(void **state)
{
	struct world *w = *state;
	char got[6] = "";
	int fds[2];

	world_pair(w, fds);
	uring_send(w->ring, world_target(w, 1), fds[0], "hello", 5, 0);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 5);
	world_read(w, fds[1], got, 5);
	assert_string_equal(got, "hello");
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void send_to_a_closed_peer_fails_without_a_signal(void **state)
{
	struct world *w = *state;
	int fds[2];

	world_pair(w, fds);
	world_close(w, fds[1]);
	uring_send(w->ring, world_target(w, 1), fds[0], "hello", 5, 0);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, -EPIPE);
	world_close(w, fds[0]);
}

static void sendmsg_gathers_and_copies_its_vector(void **state)
{
	struct world *w = *state;
	struct iovec iov[URING_IOV_MAX];
	char letters[URING_IOV_MAX];
	char got[URING_IOV_MAX];
	int fds[2];

	world_pair(w, fds);
	for (unsigned i = 0; i < URING_IOV_MAX; i++) {
		letters[i] = (char)('a' + i);
		iov[i] = (struct iovec){&letters[i], 1};
	}
	uring_sendmsg(w->ring, world_target(w, 1), fds[0], iov, URING_IOV_MAX,
		      NULL, 0, 0);
	memset(iov, 0xff, sizeof(iov));
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, URING_IOV_MAX);
	world_read(w, fds[1], got, sizeof(got));
	assert_memory_equal(got, letters, sizeof(got));
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void sendmsg_takes_control_data_at_every_level(void **state)
{
	struct world *w = *state;
	struct control control;
	struct iovec iov = {(char[]){1, 0}, 2};
	char got[2];
	int fds[2];

	init_control(&control);
	world_pair(w, fds);
	uring_sendmsg(w->ring, world_target(w, 1), fds[0], &iov, 1, &control,
		      sizeof(control), 0);
	memset(&control, 0xff, sizeof(control));
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 2);
	assert_int_equal(world_record(w, 1)->kind, URING_OP_SENDMSG);
	world_read(w, fds[1], got, 2);
	assert_int_equal(got[0], 1);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

/* Fill a socket until a send would wait; returns the bytes in it. */
static size_t fill(struct world *w, int fd)
{
	static char junk[4096];
	size_t sum = 0;

	do {
		w->count = 0;
		uring_send(w->ring, world_target(w, 9), fd, junk, sizeof(junk),
			   MSG_DONTWAIT);
		world_await(w, 1);
		if (w->log[0].res > 0)
			sum += (size_t)w->log[0].res;
	} while (w->log[0].res > 0);
	assert_int_equal(w->log[0].res, -EAGAIN);
	w->count = 0;
	return sum;
}

static void sendmsg_with_control_waits_for_room(void **state)
{
	struct world *w = *state;
	struct control control;
	struct iovec iov = {(char[]){1, 0}, 2};
	int fds[2];
	size_t sum;
	char *got;

	init_control(&control);
	world_pair(w, fds);
	sum = fill(w, fds[0]);
	uring_sendmsg(w->ring, world_target(w, 1), fds[0], &iov, 1, &control,
		      sizeof(control), 0);
	world_linger(w);
	assert_int_equal(w->count, 0);
	got = malloc(sum + 2);
	world_read(w, fds[1], got, sum);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 2);
	free(got);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void recv_into_own_memory(void **state)
{
	struct world *w = *state;
	char got[8] = "";
	int fds[2];

	world_pair(w, fds);
	uring_recv(w->ring, world_target(w, 1), fds[0], got, sizeof(got), 0);
	world_linger(w);
	assert_int_equal(w->count, 0);
	world_write(w, fds[1], "abc", 3);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 3);
	assert_string_equal(got, "abc");
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

/* Kernels before 5.19 give what is there, MSG_WAITALL or not. */
static void recv_waitall_gathers_all(void **state)
{
	struct world *w = *state;
	char got[7] = "";
	size_t done = 0;
	int fds[2];

	world_pair(w, fds);
	uring_recv(w->ring, world_target(w, 1), fds[0], got, 6, MSG_WAITALL);
	world_write(w, fds[1], "abc", 3);
	world_linger(w);
	if (uring_caps(w->ring)->buf_ring)
		assert_int_equal(w->count, 0);
	else if (w->count == 1)
		done = (size_t)world_record(w, 1)->res;
	world_write(w, fds[1], "defg", 4);
	if (done > 0)
		uring_recv(w->ring, world_target(w, 2), fds[0], got + done,
			   6 - done, MSG_WAITALL);
	world_settle(w);
	assert_int_equal((size_t)w->log[w->count - 1].res + done, 6);
	assert_string_equal(got, "abcdef");
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void recv_tells_the_end(void **state)
{
	struct world *w = *state;
	char got[8];
	int fds[2];

	world_pair(w, fds);
	uring_recv(w->ring, world_target(w, 1), fds[0], got, sizeof(got), 0);
	world_shutdown(w, fds[1]);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 0);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void recvmsg_into_own_memory_gives_its_control_area(void **state)
{
	struct world *w = *state;
	char got[8] = "";
	int fds[2];

	world_tcp_pair(w, fds);
	uring_recvmsg(w->ring, world_target(w, 1), fds[0], got, sizeof(got),
		      URING_CONTROL_MAX);
	world_write(w, fds[1], "abc", 3);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 3);
	assert_true(world_record(w, 1)->has_control);
	assert_int_equal(world_record(w, 1)->control_len, 0);
	assert_int_equal(world_record(w, 1)->msg_flags & MSG_CTRUNC, 0);
	assert_string_equal(got, "abc");
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

struct acceptor {
	int fd;
	struct uring_op *op; /* in flight, or NULL */
};

/* Accept again whenever a (multi)shot ends, as owners do. */
static void accept_again(struct world *w, const struct uring_event *event,
			 const struct record *record)
{
	struct acceptor *acceptor = w->then_arg;

	if (event->kind != URING_OP_ACCEPT || event->more)
		return;
	acceptor->op =
		event->res < 0
			? NULL
			: uring_accept(w->ring, world_target(w, record->tag),
				       acceptor->fd);
}

static void stop_accepting(struct world *w, struct acceptor *acceptor)
{
	if (acceptor->op)
		uring_op_cancel(w->ring, acceptor->op);
	world_settle(w);
	world_close(w, acceptor->fd);
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void connect_and_accept_meet(void **state)
{
	enum {
		CLIENTS = 5
	};
	struct world *w = *state;
	struct sockaddr_in addr;
	struct acceptor acceptor;
	uint16_t port;
	int fds[CLIENTS];

	acceptor.fd = world_listen(w, &port);
	w->then = accept_again;
	w->then_arg = &acceptor;
	acceptor.op = uring_accept(w->ring, world_target(w, 1), acceptor.fd);
	for (int i = 0; i < CLIENTS; i++) {
		addr = loopback(port);
		fds[i] = world_socket(w);
		uring_connect(w->ring, world_target(w, 10 + i), fds[i],
			      (struct sockaddr *)&addr, sizeof(addr));
		memset(&addr, 0xff, sizeof(addr)); /* it was copied */
	}
	world_await(w, 2 * CLIENTS);
	assert_int_equal(world_records(w, 1), CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(world_record(w, 10 + i)->res, 0);
		world_write(w, fds[i], "x", 1);
	}
	for (int i = 0; i < CLIENTS; i++) {
		world_close(w, world_record_n(w, 1, (unsigned)i)->res);
		world_close(w, fds[i]);
	}
	stop_accepting(w, &acceptor);
}

static void accepted_sockets_are_close_on_exec(void **state)
{
	struct world *w = *state;
	struct sockaddr_in addr;
	struct acceptor acceptor;
	uint16_t port;
	int fd = world_socket(w);
	int got;

	acceptor.fd = world_listen(w, &port);
	w->then = accept_again;
	w->then_arg = &acceptor;
	addr = loopback(port);
	acceptor.op = uring_accept(w->ring, world_target(w, 1), acceptor.fd);
	uring_connect(w->ring, world_target(w, 2), fd, (struct sockaddr *)&addr,
		      sizeof(addr));
	world_await(w, 2);
	got = world_record(w, 1)->res;
	assert_true(got >= 0);
	if (!w->fake)
		assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	world_close(w, got);
	world_close(w, fd);
	stop_accepting(w, &acceptor);
}

static void connect_to_nobody_is_refused(void **state)
{
	struct world *w = *state;
	struct sockaddr_in addr;
	uint16_t port;
	int fd = world_socket(w);

	world_close(w, world_listen(w, &port));
	addr = loopback(port);
	uring_connect(w->ring, world_target(w, 1), fd, (struct sockaddr *)&addr,
		      sizeof(addr));
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, -ECONNREFUSED);
	world_close(w, fd);
}

static void shutdown_ends_the_peers_stream(void **state)
{
	struct world *w = *state;
	int fds[2];

	world_pair(w, fds);
	uring_shutdown(w->ring, world_target(w, 1), fds[0], SHUT_WR);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 0);
	assert_int_equal(world_record(w, 1)->kind, URING_OP_SHUTDOWN);
	assert_true(world_at_eof(w, fds[1]));
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void close_frees_the_descriptor(void **state)
{
	struct world *w = *state;
	int fds[2];

	world_pair(w, fds);
	uring_close(w->ring, world_target(w, 1), fds[0]);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 0);
	assert_true(world_at_eof(w, fds[1]));
	if (w->fake)
		assert_int_equal(uring_fake_open_fds(w->fake), 1);
	else
		assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	world_close(w, fds[1]);
}

static void poll_tells_what_is_ready(void **state)
{
	struct world *w = *state;
	int fds[2];

	world_pair(w, fds);
	uring_poll(w->ring, world_target(w, 1), fds[0], POLLIN);
	uring_poll(w->ring, world_target(w, 2), fds[0], POLLOUT);
	world_await(w, 1);
	assert_int_equal(world_record(w, 2)->res & (POLLIN | POLLOUT), POLLOUT);
	world_linger(w);
	assert_int_equal(world_records(w, 1), 0);
	world_write(w, fds[1], "x", 1);
	world_await(w, 2);
	assert_int_equal(world_record(w, 1)->res & POLLIN, POLLIN);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static int scratch_file(void)
{
	int fd = memfd_create("uring-test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void writev_and_read_use_offsets(void **state)
{
	struct world *w = *state;
	struct iovec iov[2] = {{(char[]){"abc"}, 3}, {(char[]){"def"}, 3}};
	char got[5] = "";
	int fd = scratch_file();

	uring_writev(w->ring, world_target(w, 1), fd, iov, 2, 100);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 6);
	uring_read(w->ring, world_target(w, 2), fd, got, 4, 101);
	world_await(w, 2);
	assert_int_equal(world_record(w, 2)->res, 4);
	assert_string_equal(got, "bcde");
	assert_int_equal(close(fd), 0);
}

static void fdatasync_fallocate_madvise(void **state)
{
	struct world *w = *state;
	struct stat st;
	int fd = scratch_file();
	void *page;

	uring_fallocate(w->ring, world_target(w, 1), fd, 0, 4096, 8192);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 12288);
	uring_fdatasync(w->ring, world_target(w, 2), fd);
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(page != MAP_FAILED);
	uring_madvise(w->ring, world_target(w, 3), page, 4096, MADV_WILLNEED);
	world_await(w, 3);
	assert_int_equal(world_record(w, 2)->res, 0);
	assert_int_equal(world_record(w, 3)->res, 0);
	assert_int_equal(munmap(page, 4096), 0);
	assert_int_equal(close(fd), 0);
}

static void splice_moves_between_socket_and_pipe(void **state)
{
	struct world *w = *state;
	char got[6] = "";
	int fds[2], ends[2];

	world_pair(w, fds);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	world_write(w, fds[1], "hello", 5);
	uring_splice(w->ring, world_target(w, 1), fds[0], -1, ends[1], -1, 5,
		     0);
	world_await(w, 1);
	assert_int_equal(world_record(w, 1)->res, 5);
	uring_splice(w->ring, world_target(w, 2), ends[0], -1, fds[0], -1, 5,
		     0);
	world_await(w, 2);
	assert_int_equal(world_record(w, 2)->res, 5);
	world_read(w, fds[1], got, 5);
	assert_string_equal(got, "hello");
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(close(ends[1]), 0);
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void a_bad_descriptor_is_an_event(void **state)
{
	struct world *w = *state;
	int fds[2];
	char byte;

	world_pair(w, fds);
	world_close(w, fds[0]);
	uring_recv(w->ring, world_target(w, 1), fds[0], &byte, 1, 0);
	uring_send(w->ring, world_target(w, 2), fds[0], "x", 1, 0);
	uring_close(w->ring, world_target(w, 3), fds[0]);
	uring_poll(w->ring, world_target(w, 4), fds[0], POLLIN);
	world_await(w, 4);
	for (int tag = 1; tag <= 4; tag++)
		assert_int_equal(world_record(w, tag)->res, -EBADF);
	world_close(w, fds[1]);
}

static void one_bad_request_does_not_stop_the_others(void **state)
{
	struct world *w = *state;
	int fds[2];

	world_pair(w, fds);
	for (int i = 0; i < 8; i++) {
		uring_fallocate(w->ring, world_target(w, 2 * i), -1, -1, 1, 1);
		uring_send(w->ring, world_target(w, 2 * i + 1), fds[0], "x", 1,
			   0);
	}
	world_await(w, 16);
	for (int i = 0; i < 8; i++) {
		assert_true(world_record(w, 2 * i)->res < 0);
		assert_int_equal(world_record(w, 2 * i + 1)->res, 1);
	}
	world_close(w, fds[0]);
	world_close(w, fds[1]);
}

static void every_kind_has_its_name(void **state)
{
	for (int a = 0; a < URING_OP_KINDS; a++) {
		assert_non_null(uring_op_kind_name((enum uring_op_kind)a));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(
				uring_op_kind_name((enum uring_op_kind)a),
				uring_op_kind_name((enum uring_op_kind)b));
	}
	assert_string_equal(uring_op_kind_name(URING_OP_RECVMSG), "recvmsg");
	assert_string_equal(uring_op_kind_name(URING_OP_KINDS), "?");
}

int main(void)
{
	static const struct world_test tests[] = {
		WORLD_TEST(nop_gives_one_event_in_a_later_turn),
		WORLD_TEST(send_reaches_the_peer),
		WORLD_TEST(send_to_a_closed_peer_fails_without_a_signal),
		WORLD_TEST(sendmsg_gathers_and_copies_its_vector),
		WORLD_TEST(sendmsg_takes_control_data_at_every_level),
		WORLD_TEST(sendmsg_with_control_waits_for_room),
		WORLD_TEST(recv_into_own_memory),
		WORLD_TEST(recv_waitall_gathers_all),
		WORLD_TEST(recv_tells_the_end),
		WORLD_TEST(recvmsg_into_own_memory_gives_its_control_area),
		WORLD_TEST(connect_and_accept_meet),
		WORLD_TEST(accepted_sockets_are_close_on_exec),
		WORLD_TEST(connect_to_nobody_is_refused),
		WORLD_TEST(shutdown_ends_the_peers_stream),
		WORLD_TEST(close_frees_the_descriptor),
		WORLD_TEST(poll_tells_what_is_ready),
		WORLD_TEST(writev_and_read_use_offsets),
		WORLD_TEST(fdatasync_fallocate_madvise),
		WORLD_TEST(splice_moves_between_socket_and_pipe),
		WORLD_TEST(a_bad_descriptor_is_an_event),
		WORLD_TEST(one_bad_request_does_not_stop_the_others),
		WORLD_TEST(every_kind_has_its_name),
	};

	return run_worlds("uring_ops", tests, sizeof(tests) / sizeof(tests[0]));
}
