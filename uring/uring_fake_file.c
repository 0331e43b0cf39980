/* SPDX-License-Identifier: Apache-2.0 */
/* Real descriptors under the fake kernel, and splices to fake sockets. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "uring/uring_fake_internal.h"

static void *ptr(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static int result(ssize_t n)
{
	return n < 0 ? -errno : (int)n;
}

static int exec_read(struct uring_fake *fake, const struct io_uring_sqe *sqe)
{
	size_t len = fake_short(fake, sqe->len);

	if (sqe->off == UINT64_MAX)
		return result(read(sqe->fd, ptr(sqe->addr), len));
	return result(pread(sqe->fd, ptr(sqe->addr), len, (off_t)sqe->off));
}

/* A copy of the vector that ends after @len bytes. Returns its length. */
static int cut_iov(struct iovec *to, const struct iovec *from, unsigned count,
		   size_t len)
{
	unsigned n = 0;

	for (; n < count && len > 0; n++) {
		to[n] = from[n];
		if (to[n].iov_len > len)
			to[n].iov_len = len;
		len -= to[n].iov_len;
	}
	return (int)n;
}

static int exec_writev(struct uring_fake *fake, const struct io_uring_sqe *sqe)
{
	const struct iovec *iov = ptr(sqe->addr);
	struct iovec *cut;
	size_t len = 0;
	int n, res;

	if (sqe->len > IOV_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < sqe->len; i++)
		len += iov[i].iov_len;
	cut = fake_alloc((sqe->len + 1) * sizeof(*cut));
	n = cut_iov(cut, iov, sqe->len, fake_short(fake, len));
	if (sqe->off == UINT64_MAX)
		res = result(writev(sqe->fd, cut, n));
	else
		res = result(pwritev(sqe->fd, cut, n, (off_t)sqe->off));
	free(cut);
	return res;
}

static int exec_fsync(const struct io_uring_sqe *sqe)
{
	if (sqe->fsync_flags & IORING_FSYNC_DATASYNC)
		return result(fdatasync(sqe->fd));
	return result(fsync(sqe->fd));
}

int fake_file_exec(struct uring_fake *fake, const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_READ:
		return exec_read(fake, sqe);
	case IORING_OP_WRITEV:
		return exec_writev(fake, sqe);
	case IORING_OP_FSYNC:
		return exec_fsync(sqe);
	case IORING_OP_FALLOCATE:
		return result(fallocate(sqe->fd, (int)sqe->len, (off_t)sqe->off,
					(off_t)sqe->addr));
	case IORING_OP_MADVISE:
		return result(madvise(ptr(sqe->addr), sqe->len,
				      (int)sqe->fadvise_advice));
	case IORING_OP_CLOSE:
		return result(close(sqe->fd));
	case IORING_OP_RECV:
	case IORING_OP_RECVMSG:
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
	case IORING_OP_ACCEPT:
	case IORING_OP_CONNECT:
	case IORING_OP_SHUTDOWN:
		return -ENOTSOCK; /* the fake has no real sockets */
	default:
		return -EINVAL;
	}
}

static bool is_ready(int fd, short events)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};

	return poll(&poll_fd, 1, 0) == 1;
}

static int splice_to_plain(struct uring_fake *fake, struct fake_sock *sock,
			   const struct io_uring_sqe *sqe)
{
	unsigned char chunk[FAKE_PIPE_CHUNK];
	size_t len = sqe->len < sizeof(chunk) ? sqe->len : sizeof(chunk);
	size_t room = fake_writable(fake, sock);
	ssize_t n = read(sqe->splice_fd_in, chunk,
			 fake_short(fake, len < room ? len : room));

	if (n > 0)
		fake_put(fake, sock, chunk, (size_t)n);
	return result(n);
}

/* A socket waits unless its descriptor says O_NONBLOCK, which fake ones can't:
 * SPLICE_F_NONBLOCK stands for it here. */
static int splice_to_sock(struct uring_fake *fake, struct fake_sock *sock,
			  const struct io_uring_sqe *sqe)
{
	int full = sqe->splice_flags & SPLICE_F_NONBLOCK ? -EAGAIN : FAKE_BLOCK;
	int res = fake_send_state(fake, sock);

	if (res)
		return res == FAKE_BLOCK ? full : res;
	if (!is_ready(sqe->splice_fd_in, POLLIN))
		return FAKE_BLOCK;
	if (!sock->tx)
		return splice_to_plain(fake, sock, sqe);
	res = fake_ktls_splice(fake, sock, sqe->splice_fd_in, sqe->len,
			       sqe->splice_flags & SPLICE_F_MORE);
	return res == FAKE_BLOCK ? full : res;
}

/* A length, 0 at the end, FAKE_BLOCK or -errno. */
static int splice_take(struct uring_fake *fake, struct fake_sock *sock,
		       void *to, size_t room)
{
	bool eof;
	int state;

	if (sock->rx)
		return fake_ktls_splice_in(fake, sock, to, room, &eof);
	state = fake_recv_state(sock, &eof);
	if (state || eof)
		return state;
	if (room > fake_readable(sock))
		room = fake_readable(sock);
	room = fake_short(fake, room);
	fake_take(fake, sock, to, room);
	return (int)room;
}

static int splice_from_sock(struct uring_fake *fake, struct fake_sock *sock,
			    const struct io_uring_sqe *sqe)
{
	unsigned char chunk[FAKE_PIPE_CHUNK];
	size_t len = sqe->len < sizeof(chunk) ? sqe->len : sizeof(chunk);
	ssize_t n;
	int got;

	if (fake_chance(fake, fake->config.reset_percent))
		fake_sock_reset(fake, sock);
	if (!is_ready(sqe->fd, POLLOUT))
		return FAKE_BLOCK;
	got = splice_take(fake, sock, chunk, len);
	if (got == FAKE_BLOCK && sqe->splice_flags & SPLICE_F_NONBLOCK)
		return -EAGAIN;
	if (got <= 0)
		return got;
	n = write(sqe->fd, chunk, (size_t)got);
	assert(n < 0 || n == got); /* it polled: PIPE_BUF fits */
	return result(n);
}

static int splice_real(const struct io_uring_sqe *sqe)
{
	loff_t in = (loff_t)sqe->splice_off_in;
	loff_t out = (loff_t)sqe->off;
	ssize_t n;

	n = splice(sqe->splice_fd_in, in == -1 ? NULL : &in, sqe->fd,
		   out == -1 ? NULL : &out, sqe->len,
		   sqe->splice_flags | SPLICE_F_NONBLOCK);
	if (n < 0 && errno == EAGAIN)
		return FAKE_BLOCK;
	return result(n);
}

int fake_splice(struct uring_fake *fake, struct fake_req *req)
{
	struct fake_sock *in = NULL;

	if (req->sqe.splice_fd_in >= FAKE_FD_BASE) {
		in = fake_sock_of(fake, req->sqe.splice_fd_in);
		if (!in)
			return -EBADF;
	}
	if (in && req->sock)
		return -EINVAL; /* one end must be a pipe */
	if (in)
		return splice_from_sock(fake, in, &req->sqe);
	if (req->sock)
		return splice_to_sock(fake, req->sock, &req->sqe);
	return splice_real(&req->sqe);
}
