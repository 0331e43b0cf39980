/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features that no probe bit tells, tried on a small ring of their own with
 * local sockets: multishot accept and receive, buffer rings, control data on
 * SENDMSG.  What can't be tried counts as missing, except the last, which
 * every ring but the first ones has.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "uring/uring_internal.h"

enum {
	TRY_GROUP = 1,
	TRY_BUF = 64, /* bytes */
};

/* The result of the one request queued; *flags are its CQE's. */
static int try_request(struct io_uring *ring, unsigned *flags)
{
	struct io_uring_cqe *cqe;
	int res = io_uring_submit_and_wait(ring, 1);

	*flags = 0;
	if (res < 0)
		return res;
	res = io_uring_peek_cqe(ring, &cqe);
	if (res < 0)
		return res;
	*flags = cqe->flags;
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

static struct io_uring_sqe *try_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	assert(sqe); /* the SQ is empty between tries */
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

static bool try_multishot_recv(struct io_uring *ring)
{
	struct io_uring_sqe *sqe;
	unsigned flags;
	int fds[2];
	int res;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return false;
	sqe = try_sqe(ring);
	uring_prep(sqe, IORING_OP_RECV, fds[0], NULL, 0, 0);
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = TRY_GROUP;
	/* Data is there: no kernel has anything to wait for. */
	res = write(fds[1], "x", 1) == 1 ? try_request(ring, &flags) : -1;
	(void)close(fds[0]);
	(void)close(fds[1]);
	return res == 1 && (flags & IORING_CQE_F_MORE);
}

static bool try_buf_ring(struct io_uring *ring, bool *multishot_recv)
{
	static const unsigned count = 1;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct io_uring_buf *entry = aligned_alloc(page, page);
	unsigned char memory[TRY_BUF];
	struct io_uring_buf_reg reg = {
		.ring_addr = (uint64_t)(uintptr_t)entry,
		.ring_entries = count,
		.bgid = TRY_GROUP,
	};
	bool ok;

	if (!entry)
		return false;
	memset(entry, 0, page);
	entry->addr = (uint64_t)(uintptr_t)memory;
	entry->len = TRY_BUF;
	ok = io_uring_register_buf_ring(ring, &reg, 0) == 0;
	if (ok) {
		__atomic_store_n(&entry->resv, 1, __ATOMIC_RELEASE);
		*multishot_recv = try_multishot_recv(ring);
		(void)io_uring_unregister_buf_ring(ring, TRY_GROUP);
	}
	free(entry);
	return ok;
}

/* A listener with one connection waiting; returns 0 or -1. */
static int make_pending(int fds[2])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sa_family_t); /* the kernel picks a name */

	fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[0] < 0 || fds[1] < 0)
		return -1;
	if (bind(fds[0], (struct sockaddr *)&addr, len) < 0 ||
	    listen(fds[0], 1) < 0)
		return -1;
	len = sizeof(addr);
	if (getsockname(fds[0], (struct sockaddr *)&addr, &len) < 0)
		return -1;
	return connect(fds[1], (struct sockaddr *)&addr, len);
}

static bool try_multishot_accept(struct io_uring *ring)
{
	struct io_uring_sqe *sqe;
	unsigned flags = 0;
	int fds[2] = {-1, -1};
	int fd = -1;

	if (make_pending(fds) == 0) {
		sqe = try_sqe(ring);
		uring_prep(sqe, IORING_OP_ACCEPT, fds[0], NULL, 0, 0);
		sqe->ioprio = IORING_ACCEPT_MULTISHOT;
		sqe->accept_flags = SOCK_CLOEXEC;
		fd = try_request(ring, &flags);
	}
	if (fd >= 0)
		(void)close(fd);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return fd >= 0 && (flags & IORING_CQE_F_MORE);
}

/* On a socket that isn't connected every send fails; one with control data
 * fails with EINVAL only where the ring refuses that. */
static bool try_sendmsg_control(struct io_uring *ring)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(1)];
	} control = {0};
	struct msghdr msg = {
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	struct io_uring_sqe *sqe;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned flags;
	int res;

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	cmsg->cmsg_level = 282; /* SOL_TLS: looked at by a TLS socket only */
	cmsg->cmsg_type = 1;
	cmsg->cmsg_len = CMSG_LEN(1);
	sqe = try_sqe(ring);
	uring_prep(sqe, IORING_OP_SENDMSG, fd, &msg, 1, 0);
	sqe->msg_flags = MSG_NOSIGNAL;
	res = try_request(ring, &flags);
	(void)close(fd);
	return res != -EINVAL;
}

/* A ring for one try: what a try leaves in flight ends with it. */
static int try_ring(struct io_uring *ring)
{
	return io_uring_queue_init(4, ring, 0);
}

void uring_probe_tries(struct uring_caps *caps)
{
	struct io_uring ring;

	caps->sendmsg_control = true;
	if (try_ring(&ring) != 0)
		return;
	caps->sendmsg_control = try_sendmsg_control(&ring);
	caps->multishot_accept = try_multishot_accept(&ring);
	io_uring_queue_exit(&ring);
	if (try_ring(&ring) != 0)
		return;
	caps->buf_ring = try_buf_ring(&ring, &caps->multishot_recv);
	io_uring_queue_exit(&ring);
}
