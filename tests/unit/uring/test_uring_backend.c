/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring on a backend that does what kernels do at their worst: refuses
 * submissions, sends completions that belong to nobody, has no memory.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/uring/world.h"
#include "uring/uring_backend.h"
#include "uring/uring_internal.h"

enum {
	STUB_SQ = 4,
	STUB_SEEN = 4096,
};

struct stub {
	struct uring_backend base;
	struct uring_caps caps;
	struct io_uring_sqe sq[STUB_SQ];
	unsigned queued;
	int refuse;	      /* what a submit returns, 0: accepts */
	unsigned refusals;    /* how often, then accepts */
	unsigned let_through; /* submits that pass all the same */
	bool answer;	      /* every SQE completes with 0 at once */
	struct io_uring_sqe seen[STUB_SEEN];
	unsigned count;
	struct uring_cqe cqes[STUB_SEEN];
	unsigned cqe_count;
	unsigned seen_at_shutdown;
	int sendmsg_results[4]; /* of sys_sendmsg, in order */
	unsigned sendmsgs;
	unsigned *cancels; /* counted here if set: outlives the stub */
};

static struct stub *stub_of(struct uring_backend *backend)
{
	return (struct stub *)backend;
}

static void stub_probe(struct uring_backend *backend, enum uring_level level,
		       struct uring_caps *caps)
{
	*caps = stub_of(backend)->caps;
}

static struct io_uring_sqe *stub_get_sqe(struct uring_backend *backend)
{
	struct stub *stub = stub_of(backend);

	if (stub->queued == STUB_SQ)
		return NULL;
	memset(&stub->sq[stub->queued], 0, sizeof(stub->sq[0]));
	return &stub->sq[stub->queued++];
}

static void stub_complete(struct stub *stub, uint64_t user_data, int res,
			  uint32_t flags)
{
	stub->cqes[stub->cqe_count++] = (struct uring_cqe){
		.user_data = user_data, .res = res, .flags = flags};
}

static void stub_take(struct stub *stub, const struct io_uring_sqe *sqe)
{
	stub->seen[stub->count++] = *sqe;
	if (sqe->opcode == IORING_OP_ASYNC_CANCEL && stub->cancels) {
		++*stub->cancels;
		stub_complete(stub, sqe->addr, -ECANCELED, 0);
	}
	if (stub->answer)
		stub_complete(stub, sqe->user_data, 0, 0);
}

static int stub_submit(struct uring_backend *backend, uint64_t wait_ns)
{
	struct stub *stub = stub_of(backend);
	unsigned n = stub->queued;

	if (stub->let_through > 0) {
		stub->let_through--;
	} else if (stub->refusals > 0) {
		stub->refusals--;
		return stub->refuse;
	}
	for (unsigned i = 0; i < n; i++)
		stub_take(stub, &stub->sq[i]);
	stub->queued = 0;
	return (int)n;
}

static unsigned stub_reap(struct uring_backend *backend, struct uring_cqe *cqes,
			  unsigned max)
{
	struct stub *stub = stub_of(backend);
	unsigned n = stub->cqe_count < max ? stub->cqe_count : max;

	memcpy(cqes, stub->cqes, n * sizeof(*cqes));
	stub->cqe_count -= n;
	memmove(stub->cqes, stub->cqes + n, stub->cqe_count * sizeof(*cqes));
	return n;
}

static int stub_register(struct uring_backend *backend, void *ring_mem,
			 unsigned count, uint16_t group)
{
	return 0;
}

static int stub_unregister(struct uring_backend *backend, uint16_t group)
{
	return 0;
}

static int stub_sys_shutdown(struct uring_backend *backend, int fd, int how)
{
	stub_of(backend)->seen_at_shutdown = stub_of(backend)->count;
	return -ENOTCONN;
}

static int stub_sys_sendmsg(struct uring_backend *backend, int fd,
			    const struct msghdr *msg, int flags)
{
	struct stub *stub = stub_of(backend);

	return stub->sendmsg_results[stub->sendmsgs++];
}

static void stub_destroy(struct uring_backend *backend)
{
	free(backend);
}

static const struct uring_backend_ops stub_ops = {
	.probe = stub_probe,
	.get_sqe = stub_get_sqe,
	.submit = stub_submit,
	.reap = stub_reap,
	.buf_ring_register = stub_register,
	.buf_ring_unregister = stub_unregister,
	.sys_shutdown = stub_sys_shutdown,
	.sys_sendmsg = stub_sys_sendmsg,
	.destroy = stub_destroy,
};

struct bench {
	struct stub *stub;
	struct uring *ring;
	unsigned events;
	struct record log[64];
	struct uring_buf buf; /* of the last event */
};

static void on_event(void *owner, const struct uring_event *event)
{
	struct bench *b = owner;
	struct record *record = &b->log[b->events++ % 64];

	*record = (struct record){
		.kind = event->kind,
		.res = event->res,
		.more = event->more,
		.len = event->buf.len,
		.control_len = event->control_len,
	};
	b->buf = event->buf;
}

static struct uring_target target(struct bench *b)
{
	return (struct uring_target){on_event, b};
}

static struct bench *make_bench(struct uring_caps caps)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct uring_config config = {0};

	b->stub = calloc(1, sizeof(*b->stub));
	b->stub->base.ops = &stub_ops;
	b->stub->caps = caps;
	b->stub->answer = true;
	config.backend = &b->stub->base;
	assert_int_equal(uring_create(&config, &b->ring), 0);
	return b;
}

static int setup(void **state)
{
	struct uring_caps all;

	memset(&all, true, sizeof(all));
	*state = make_bench(all);
	return 0;
}

static int setup_bare(void **state)
{
	*state = make_bench((struct uring_caps){0});
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	if (b->ring) {
		b->stub->answer = true;
		b->stub->refusals = 0;
	}
	uring_destroy(&b->ring);
	free(b);
	return 0;
}

static void turn(struct bench *b)
{
	assert_true(uring_turn(b->ring, 0) >= 0);
}

static void refused_submissions_keep_their_order(void **state)
{
	struct bench *b = *state;

	b->stub->refuse = -EBUSY;
	b->stub->refusals = 20;
	for (int fd = 0; fd < 300; fd++)
		assert_non_null(uring_close(b->ring, target(b), fd));
	while (b->events < 300)
		turn(b);
	assert_int_equal(b->stub->count, 300);
	for (int fd = 0; fd < 300; fd++)
		assert_int_equal(b->stub->seen[fd].fd, fd);
	assert_int_equal(uring_stats(b->ring)->submitted, 300);
	assert_true(uring_stats(b->ring)->sq_full > 0);
}

/* The backlog goes round and grows while it is in use. */
static void a_backlog_in_use_keeps_its_order(void **state)
{
	struct bench *b = *state;
	int fd = 0;

	b->stub->refuse = -EBUSY;
	b->stub->refusals = 100000;
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 7; i++)
			uring_close(b->ring, target(b), fd++);
		b->stub->let_through = 1;
		turn(b);
	}
	b->stub->refusals = 0;
	while (b->events < (unsigned)fd)
		turn(b);
	for (int i = 0; i < fd; i++)
		assert_int_equal(b->stub->seen[i].fd, i);
}

static void a_refusal_is_no_error_of_the_turn(void **state)
{
	static const int passing[] = {-EBUSY, -EAGAIN, -EINTR};
	struct bench *b = *state;

	for (unsigned i = 0; i < 3; i++) {
		uring_nop(b->ring, target(b));
		b->stub->refuse = passing[i];
		b->stub->refusals = 1;
		assert_int_equal(uring_turn(b->ring, 0), 0);
		assert_int_equal(uring_turn(b->ring, 0), 1);
	}
}

static void what_cannot_pass_is_an_error_of_the_turn(void **state)
{
	struct bench *b = *state;

	uring_nop(b->ring, target(b));
	b->stub->refuse = -EBADR;
	b->stub->refusals = 1;
	assert_int_equal(uring_turn(b->ring, 0), -EBADR);
	turn(b);
	assert_int_equal(b->events, 1);
}

static void completions_of_nobody_are_counted_and_dropped(void **state)
{
	struct bench *b = *state;
	uint64_t user_data;

	uring_nop(b->ring, target(b));
	turn(b);
	user_data = b->stub->seen[0].user_data;
	assert_int_equal(b->events, 1);
	/* The same again; another generation; no such slot; no such tag. */
	stub_complete(b->stub, user_data, 0, 0);
	stub_complete(b->stub, user_data + (UINT64_C(1) << 32), 0, 0);
	stub_complete(b->stub, user_data | 0xffffff, 0, 0);
	stub_complete(b->stub, UINT64_C(0xff) << 56, 0, 0);
	turn(b);
	assert_int_equal(b->events, 1);
	assert_int_equal(uring_stats(b->ring)->stale, 4);
	assert_int_equal(uring_inflight(b->ring), 0);
}

static void a_reused_slot_has_a_new_generation(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 10; i++) {
		uring_nop(b->ring, target(b));
		turn(b);
	}
	for (unsigned i = 0; i < 10; i++)
		for (unsigned k = 0; k < i; k++)
			assert_true(b->stub->seen[i].user_data !=
				    b->stub->seen[k].user_data);
}

/* The old completion comes late: the slot's next user must not get it. */
static void a_late_completion_misses_the_next_user(void **state)
{
	struct bench *b = *state;

	uring_nop(b->ring, target(b));
	turn(b);
	b->stub->answer = false;
	uring_nop(b->ring, target(b));
	turn(b);
	assert_int_equal((uint32_t)b->stub->seen[0].user_data,
			 (uint32_t)b->stub->seen[1].user_data);
	stub_complete(b->stub, b->stub->seen[0].user_data, 7, 0);
	turn(b);
	assert_int_equal(b->events, 1);
	stub_complete(b->stub, b->stub->seen[1].user_data, 8, 0);
	turn(b);
	assert_int_equal(b->events, 2);
	assert_int_equal(b->log[1].res, 8);
}

static void shutdown_by_system_call_follows_earlier_sends(void **state)
{
	struct bench *b = *state;

	uring_send(b->ring, target(b), 5, "x", 1, 0);
	uring_shutdown(b->ring, target(b), 5, SHUT_WR);
	assert_int_equal(b->events, 0);
	assert_int_equal(b->stub->seen[0].opcode, IORING_OP_SEND);
	assert_true(b->stub->seen_at_shutdown >= 1);
	turn(b);
	assert_int_equal(b->events, 2);
	assert_int_equal(b->log[1].kind, URING_OP_SHUTDOWN);
	assert_int_equal(b->log[1].res, -ENOTCONN);
}

static void send_control(struct bench *b)
{
	struct iovec iov = {(char[]){1, 0}, 2};

	uring_sendmsg(b->ring, target(b), 5, &iov, 1, "control", 8, 0);
}

/* A socket that polls writable and still has no room. */
static void a_send_by_system_call_polls_again(void **state)
{
	struct bench *b = *state;

	b->stub->sendmsg_results[0] = -EAGAIN;
	b->stub->sendmsg_results[1] = 2;
	send_control(b);
	turn(b);
	assert_int_equal(b->events, 0);
	turn(b);
	assert_int_equal(b->events, 1);
	assert_int_equal(b->log[0].res, 2);
	assert_int_equal(b->stub->sendmsgs, 2);
	assert_int_equal(b->stub->seen[1].opcode, IORING_OP_POLL_ADD);
}

static void a_send_by_system_call_reports_its_error(void **state)
{
	struct bench *b = *state;

	b->stub->sendmsg_results[0] = -EPIPE;
	send_control(b);
	turn(b);
	assert_int_equal(b->log[0].res, -EPIPE);
}

static void a_second_cancel_asks_nobody(void **state)
{
	struct bench *b = *state;
	unsigned cancels = 0;
	struct uring_op *op;

	b->stub->answer = false;
	b->stub->cancels = &cancels;
	op = uring_recv(b->ring, target(b), 5, NULL, 0, 0);
	uring_op_cancel(b->ring, op);
	uring_op_cancel(b->ring, op);
	turn(b);
	assert_int_equal(cancels, 1);
	assert_int_equal(b->log[0].res, -ECANCELED);
}

static void destroy_cancels_and_awaits(void **state)
{
	struct bench *b = *state;
	unsigned cancels = 0;

	b->stub->answer = false;
	b->stub->cancels = &cancels;
	for (int i = 0; i < 10; i++)
		uring_recv(b->ring, target(b), i, NULL, 0, 0);
	turn(b);
	uring_recv(b->ring, target(b), 10, NULL, 0, 0);
	uring_destroy(&b->ring);
	assert_int_equal(cancels, 11);
	assert_int_equal(b->events, 0);
}

static void file_requests_say_what_they_mean(void **state)
{
	struct bench *b = *state;
	const struct io_uring_sqe *seen = b->stub->seen;

	uring_fdatasync(b->ring, target(b), 5);
	uring_fallocate(b->ring, target(b), 6, 3, 4096, UINT64_C(1) << 40);
	uring_splice(b->ring, target(b), 7, -1, 8, 99, 1000, 2);
	turn(b);
	assert_int_equal(seen[0].fsync_flags, IORING_FSYNC_DATASYNC);
	assert_int_equal(seen[1].len, 3);
	assert_int_equal(seen[1].off, 4096);
	assert_true(seen[1].addr == UINT64_C(1) << 40);
	assert_int_equal(seen[2].splice_fd_in, 7);
	assert_true(seen[2].splice_off_in == UINT64_MAX);
	assert_int_equal(seen[2].fd, 8);
	assert_int_equal(seen[2].off, 99);
	assert_int_equal(seen[2].splice_flags, 2);
}

static struct uring_bufs *make_group(struct bench *b)
{
	struct uring_bufs *bufs;

	assert_int_equal(uring_bufs_create(b->ring, 4, 256, &bufs), 0);
	return bufs;
}

/* What picked receives take and give back is what there is. */
static void picked_buffers_come_back_after_failures(void **state)
{
	struct bench *b = *state;
	struct uring_bufs *bufs = make_group(b);
	const struct io_uring_sqe *seen = b->stub->seen;

	b->stub->answer = false;
	for (unsigned i = 0; i < 20; i++) {
		b->stub->count = 0;
		uring_recv_group(b->ring, target(b), 5, bufs, true);
		turn(b);
		stub_complete(b->stub, seen[0].user_data, POLLIN, 0);
		turn(b);
		turn(b);
		assert_int_equal(seen[1].opcode, IORING_OP_RECV);
		assert_int_equal(seen[1].flags & IOSQE_BUFFER_SELECT, 0);
		stub_complete(b->stub, seen[1].user_data, -ECONNRESET, 0);
		turn(b);
		assert_int_equal(b->log[i].res, -ECONNRESET);
		assert_null(b->buf.data);
	}
	assert_int_equal(uring_bufs_out(bufs), 0);
	uring_bufs_destroy(&bufs);
}

/* The poll has succeeded, nobody knows yet, the owner cancels. */
static void a_cancel_between_poll_and_receive_wins(void **state)
{
	struct bench *b = *state;
	struct uring_bufs *bufs = make_group(b);
	struct uring_op *op;
	unsigned last;

	b->stub->answer = false;
	op = uring_recv_group(b->ring, target(b), 5, bufs, true);
	turn(b);
	last = b->stub->count - 1;
	assert_int_equal(b->stub->seen[last].opcode, IORING_OP_POLL_ADD);
	stub_complete(b->stub, b->stub->seen[last].user_data, POLLIN, 0);
	uring_op_cancel(b->ring, op);
	turn(b);
	assert_int_equal(b->events, 1);
	assert_int_equal(b->log[0].res, -ECANCELED);
	assert_int_equal(uring_inflight(b->ring), 0);
	uring_bufs_destroy(&bufs);
}

/* Start a multishot RECVMSG; returns its user_data. */
static uint64_t start_recvmsg(struct bench *b, struct uring_bufs *bufs)
{
	b->stub->answer = false;
	b->stub->count = 0;
	assert_non_null(
		uring_recvmsg_group(b->ring, target(b), 5, bufs, 24, true));
	turn(b);
	assert_true(b->stub->seen[0].ioprio & IORING_RECV_MULTISHOT);
	return b->stub->seen[0].user_data;
}

static uint32_t with_buffer(unsigned id)
{
	return IORING_CQE_F_BUFFER | id << IORING_CQE_BUFFER_SHIFT;
}

static void a_buffer_without_content_goes_back(void **state)
{
	struct bench *b = *state;
	struct uring_bufs *bufs = make_group(b);
	static const int results[] = {-EBADMSG, 0, 3};

	for (unsigned i = 0; i < 3; i++) {
		stub_complete(b->stub, start_recvmsg(b, bufs), results[i],
			      with_buffer(i));
		turn(b);
		assert_int_equal(b->log[i].res,
				 results[i] < 0 ? results[i] : 0);
		assert_null(b->buf.data);
		assert_int_equal(uring_bufs_out(bufs), 0);
	}
	uring_bufs_destroy(&bufs);
}

static void a_control_length_beyond_its_area_is_cut(void **state)
{
	struct bench *b = *state;
	struct uring_bufs *bufs = make_group(b);
	struct io_uring_recvmsg_out out = {.controllen = 4000,
					   .payloadlen = 10};
	uint64_t user_data = start_recvmsg(b, bufs);

	/* What a kernel would write into buffer 1. */
	memset(bufs->memory + bufs->size, 0, bufs->size);
	memcpy(bufs->memory + bufs->size, &out, sizeof(out));
	stub_complete(b->stub, user_data, 16 + 24 + 10, with_buffer(1));
	turn(b);
	assert_int_equal(b->log[0].res, 10);
	assert_int_equal(b->log[0].control_len, 24);
	assert_int_equal(b->log[0].len, 10);
	uring_buf_return(&b->buf);
	uring_bufs_destroy(&bufs);
}

static void group_numbers_are_never_used_again(void **state)
{
	struct bench *b = *state;
	struct uring_bufs *bufs;

	for (unsigned i = 0; i < 65536; i++) {
		assert_int_equal(uring_bufs_create(b->ring, 1, 16, &bufs), 0);
		uring_bufs_destroy(&bufs);
	}
	assert_int_equal(uring_bufs_create(b->ring, 1, 16, &bufs), -ENOSPC);
}

static void lengths_are_clamped_to_what_kernels_move(void **state)
{
	struct bench *b = *state;

	uring_send(b->ring, target(b), 5, "x", SIZE_MAX, 0);
	turn(b);
	assert_int_equal(b->stub->seen[0].len, 0x7ffff000);
	assert_true(b->stub->seen[0].msg_flags & MSG_NOSIGNAL);
}

static void a_ring_on_a_borrowed_backend_has_no_wakes(void **state)
{
	struct bench *b = *state;

	assert_int_equal(uring_wake(b->ring), -ENOTSUP);
}

#define BENCH_TEST(function) \
	cmocka_unit_test_setup_teardown(function, setup, teardown)
#define BARE_TEST(function) \
	cmocka_unit_test_setup_teardown(function, setup_bare, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BENCH_TEST(refused_submissions_keep_their_order),
		BENCH_TEST(a_backlog_in_use_keeps_its_order),
		BENCH_TEST(a_refusal_is_no_error_of_the_turn),
		BENCH_TEST(what_cannot_pass_is_an_error_of_the_turn),
		BENCH_TEST(completions_of_nobody_are_counted_and_dropped),
		BENCH_TEST(a_reused_slot_has_a_new_generation),
		BENCH_TEST(a_late_completion_misses_the_next_user),
		BARE_TEST(shutdown_by_system_call_follows_earlier_sends),
		BARE_TEST(a_send_by_system_call_polls_again),
		BARE_TEST(a_send_by_system_call_reports_its_error),
		BENCH_TEST(a_second_cancel_asks_nobody),
		BENCH_TEST(destroy_cancels_and_awaits),
		BENCH_TEST(file_requests_say_what_they_mean),
		BARE_TEST(picked_buffers_come_back_after_failures),
		BARE_TEST(a_cancel_between_poll_and_receive_wins),
		BENCH_TEST(a_buffer_without_content_goes_back),
		BENCH_TEST(a_control_length_beyond_its_area_is_cut),
		BENCH_TEST(group_numbers_are_never_used_again),
		BENCH_TEST(lengths_are_clamped_to_what_kernels_move),
		BENCH_TEST(a_ring_on_a_borrowed_backend_has_no_wakes),
	};

	return cmocka_run_group_tests_name("uring_backend", tests, NULL, NULL);
}
