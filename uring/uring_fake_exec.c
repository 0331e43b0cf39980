/* SPDX-License-Identifier: Apache-2.0 */
/* What each request does on a fake socket. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "uring/uring_fake_internal.h"

static void *ptr(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

bool fake_is_multishot(const struct fake_req *req)
{
	switch (req->sqe.opcode) {
	case IORING_OP_ACCEPT:
		return req->sqe.ioprio & IORING_ACCEPT_MULTISHOT;
	case IORING_OP_RECV:
	case IORING_OP_RECVMSG:
		return req->sqe.ioprio & IORING_RECV_MULTISHOT;
	default:
		return false;
	}
}

/* MSG_DONTWAIT turns "later" into a result. */
static int blocked(const struct fake_req *req)
{
	return req->sqe.msg_flags & MSG_DONTWAIT ? -EAGAIN : FAKE_BLOCK;
}

/* Scatter up to @len bytes; returns what fitted. */
static size_t take_iov(struct uring_fake *fake, struct fake_sock *sock,
		       const struct iovec *iov, size_t iovcnt, size_t len)
{
	size_t done = 0;
	size_t n;

	for (size_t i = 0; i < iovcnt && done < len; i++) {
		n = len - done < iov[i].iov_len ? len - done : iov[i].iov_len;
		fake_take(fake, sock, iov[i].iov_base, n);
		done += n;
	}
	return done;
}

static size_t iov_bytes(const struct iovec *iov, size_t iovcnt)
{
	size_t sum = 0;

	for (size_t i = 0; i < iovcnt; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* How much of what is wanted and there is moved; MSG_WAITALL: all of it, so
 * that what is missing then is not there. */
static size_t amount(struct uring_fake *fake, const struct fake_req *req,
		     size_t wanted, size_t there)
{
	size_t n = wanted < there ? wanted : there;

	return req->sqe.msg_flags & MSG_WAITALL ? n : fake_short(fake, n);
}

static size_t recv_amount(struct uring_fake *fake, const struct fake_req *req,
			  size_t room)
{
	return amount(fake, req, room, fake_readable(req->sock));
}

static int recv_here(struct uring_fake *fake, struct fake_req *req,
		     unsigned char *to, size_t room)
{
	size_t n;

	if (req->sqe.msg_flags & MSG_WAITALL) {
		to += req->done;
		room -= req->done;
	}
	n = recv_amount(fake, req, room);
	if (req->sqe.msg_flags & MSG_PEEK) {
		memcpy(to,
		       req->sock->peer->out.data + req->sock->peer->out.read,
		       n);
		return (int)n;
	}
	fake_take(fake, req->sock, to, n);
	if (!(req->sqe.msg_flags & MSG_WAITALL))
		return (int)n;
	req->done += n;
	return n < room ? FAKE_BLOCK : (int)req->done;
}

static int recv_selected(struct uring_fake *fake, struct fake_req *req,
			 uint32_t *flags)
{
	struct io_uring_buf buf;
	size_t room = req->sqe.len;
	size_t n;
	int err = fake_select(fake, req->sqe.buf_group, &buf, flags);

	if (err)
		return err;
	if (room == 0 || room > buf.len)
		room = buf.len;
	n = recv_amount(fake, req, room);
	fake_take(fake, req->sock, ptr(buf.addr), n);
	return (int)n;
}

static int recvmsg_here(struct uring_fake *fake, struct fake_req *req)
{
	struct msghdr *msg = ptr(req->sqe.addr);
	size_t n = recv_amount(fake, req,
			       iov_bytes(msg->msg_iov, msg->msg_iovlen));

	msg->msg_controllen = 0;
	msg->msg_flags = 0;
	return (int)take_iov(fake, req->sock, msg->msg_iov, msg->msg_iovlen, n);
}

/* Single-shot: the payload alone; the header stays with the caller. */
static int recvmsg_single(struct uring_fake *fake, struct fake_req *req,
			  const struct io_uring_buf *buf)
{
	struct msghdr *msg = ptr(req->sqe.addr);
	size_t room = buf->len;
	size_t n;

	if (msg->msg_iovlen > 0 && msg->msg_iov[0].iov_len < room)
		room = msg->msg_iov[0].iov_len;
	n = recv_amount(fake, req, room);
	msg->msg_controllen = 0;
	msg->msg_flags = 0;
	fake_take(fake, req->sock, ptr(buf->addr), n);
	return (int)n;
}

/* Multishot: header, control area (empty), payload in one buffer. */
static int recvmsg_multi(struct uring_fake *fake, struct fake_req *req,
			 const struct io_uring_buf *buf)
{
	const struct msghdr *msg = ptr(req->sqe.addr);
	size_t front =
		sizeof(struct io_uring_recvmsg_out) + msg->msg_controllen;
	struct io_uring_recvmsg_out out = {0};
	unsigned char *to = ptr(buf->addr);
	size_t n;

	if (buf->len < front)
		return -EFAULT;
	n = recv_amount(fake, req, buf->len - front);
	out.payloadlen = (uint32_t)n;
	memset(to, 0, front);
	memcpy(to, &out, sizeof(out));
	fake_take(fake, req->sock, to + front, n);
	return (int)(front + n);
}

static int recvmsg_selected(struct uring_fake *fake, struct fake_req *req,
			    uint32_t *flags)
{
	struct io_uring_buf buf;
	int err = fake_select(fake, req->sqe.buf_group, &buf, flags);

	if (err)
		return err;
	return fake_is_multishot(req) ? recvmsg_multi(fake, req, &buf)
				      : recvmsg_single(fake, req, &buf);
}

/* The end of the stream; RECVMSG says it with a header and no payload. */
static int recv_eof(struct uring_fake *fake, struct fake_req *req,
		    uint32_t *flags)
{
	bool select = req->sqe.flags & IOSQE_BUFFER_SELECT;

	req->last = true;
	if (!select) {
		if (req->sqe.opcode == IORING_OP_RECVMSG)
			return recvmsg_here(fake, req);
		return (int)req->done;
	}
	if (req->sqe.opcode == IORING_OP_RECVMSG)
		return recvmsg_selected(fake, req, flags);
	/* Kernels may have taken a buffer for it, or not. */
	return fake_chance(fake, 50) ? recv_selected(fake, req, flags) : 0;
}

static bool recv_is_allowed(const struct uring_fake *fake,
			    const struct fake_req *req)
{
	if (!fake_is_multishot(req))
		return true;
	return fake->caps.multishot_recv &&
	       (req->sqe.flags & IOSQE_BUFFER_SELECT) &&
	       !(req->sqe.msg_flags & MSG_WAITALL) &&
	       (req->sqe.opcode == IORING_OP_RECVMSG || req->sqe.len == 0);
}

static int exec_recv(struct uring_fake *fake, struct fake_req *req,
		     uint32_t *flags)
{
	bool select = req->sqe.flags & IOSQE_BUFFER_SELECT;
	bool message = req->sqe.opcode == IORING_OP_RECVMSG;
	bool eof;
	int state;

	if (!recv_is_allowed(fake, req))
		return -EINVAL;
	if (fake_chance(fake, fake->config.reset_percent))
		fake_sock_reset(fake, req->sock);
	if (req->sock->rx) {
		state = fake_ktls_recv(fake, req, flags);
		return state == FAKE_BLOCK ? blocked(req) : state;
	}
	state = fake_recv_state(req->sock, &eof);
	if (eof)
		return recv_eof(fake, req, flags);
	if (state == FAKE_BLOCK)
		return blocked(req);
	if (state < 0)
		return state;
	if (message)
		return select ? recvmsg_selected(fake, req, flags)
			      : recvmsg_here(fake, req);
	if (select)
		return recv_selected(fake, req, flags);
	return recv_here(fake, req, ptr(req->sqe.addr), req->sqe.len);
}

/* Gather, behind what was moved before, as much as a send moves now. */
static size_t put_iov(struct uring_fake *fake, const struct fake_req *req,
		      const struct iovec *iov, size_t iovcnt)
{
	struct fake_sock *sock = req->sock;
	size_t skip = req->done;
	size_t left = amount(fake, req, iov_bytes(iov, iovcnt) - skip,
			     fake_writable(fake, sock));
	size_t sum = left;
	size_t n;

	for (size_t i = 0; i < iovcnt && left > 0; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		n = iov[i].iov_len - skip;
		if (n > left)
			n = left;
		fake_put(fake, sock, (char *)iov[i].iov_base + skip, n);
		left -= n;
		skip = 0;
	}
	return sum;
}

static int send_iov(struct uring_fake *fake, struct fake_req *req,
		    const struct iovec *iov, size_t iovcnt)
{
	int state;

	if (fake_chance(fake, fake->config.reset_percent))
		fake_sock_reset(fake, req->sock);
	state = fake_send_state(fake, req->sock);
	if (state == FAKE_BLOCK)
		return blocked(req);
	if (state < 0)
		return req->done ? (int)req->done : state;
	if (req->sock->tx) {
		state = fake_ktls_send(fake, req, iov, iovcnt);
		return state == FAKE_BLOCK ? blocked(req) : state;
	}
	req->done += put_iov(fake, req, iov, iovcnt);
	if ((req->sqe.msg_flags & MSG_WAITALL) &&
	    req->done < iov_bytes(iov, iovcnt))
		return FAKE_BLOCK;
	return (int)req->done;
}

static int exec_send(struct uring_fake *fake, struct fake_req *req)
{
	const struct msghdr *msg = ptr(req->sqe.addr);
	struct iovec one = {.iov_base = ptr(req->sqe.addr),
			    .iov_len = req->sqe.len};

	if (req->sqe.opcode == IORING_OP_SEND)
		return send_iov(fake, req, &one, 1);
	return send_iov(fake, req, msg->msg_iov, msg->msg_iovlen);
}

static int exec_accept(struct uring_fake *fake, struct fake_req *req)
{
	struct fake_sock *sock;

	if (fake_is_multishot(req) && !fake->caps.multishot_accept)
		return -EINVAL;
	if (!req->sock->listening)
		return -EINVAL;
	sock = fake_listener_take(fake, req->sock);
	return sock ? sock->fd : FAKE_BLOCK;
}

static int exec_connect(struct uring_fake *fake, struct fake_req *req)
{
	const struct sockaddr *addr = ptr(req->sqe.addr);
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (req->sock->peer)
		return -EISCONN;
	if (addr->sa_family == AF_INET && req->sqe.off >= sizeof(in)) {
		memcpy(&in, addr, sizeof(in));
		return fake_connect(fake, req->sock, ntohs(in.sin_port));
	}
	if (addr->sa_family == AF_INET6 && req->sqe.off >= sizeof(in6)) {
		memcpy(&in6, addr, sizeof(in6));
		return fake_connect(fake, req->sock, ntohs(in6.sin6_port));
	}
	return -EAFNOSUPPORT;
}

static int exec_poll(struct uring_fake *fake, struct fake_req *req)
{
	unsigned want = req->sqe.poll32_events | POLLERR | POLLHUP;
	struct pollfd fd = {.fd = req->sqe.fd,
			    .events = (short)req->sqe.poll32_events};
	unsigned got;

	if (req->sock)
		got = fake_sock_events(fake, req->sock) & want;
	else if (poll(&fd, 1, 0) < 0)
		return -errno;
	else
		got = (unsigned)fd.revents;
	return got ? (int)got : FAKE_BLOCK;
}

static int exec_shutdown(struct uring_fake *fake, struct fake_req *req)
{
	if (!fake->caps.op_shutdown)
		return -EINVAL;
	return fake_sock_shutdown(fake, req->sock, (int)req->sqe.len);
}

static int exec_close(struct uring_fake *fake, struct fake_req *req)
{
	/* The descriptor may have been closed since this was queued. */
	return req->sock->open ? fake_sock_close(fake, req->sock) : -EBADF;
}

static int exec_socket(struct uring_fake *fake, struct fake_req *req,
		       uint32_t *flags)
{
	switch (req->sqe.opcode) {
	case IORING_OP_RECV:
	case IORING_OP_RECVMSG:
		return exec_recv(fake, req, flags);
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
		return exec_send(fake, req);
	case IORING_OP_ACCEPT:
		return exec_accept(fake, req);
	case IORING_OP_CONNECT:
		return exec_connect(fake, req);
	case IORING_OP_POLL_ADD:
		return exec_poll(fake, req);
	case IORING_OP_SHUTDOWN:
		return exec_shutdown(fake, req);
	case IORING_OP_CLOSE:
		return exec_close(fake, req);
	default:
		return -EINVAL;
	}
}

int fake_exec(struct uring_fake *fake, struct fake_req *req, uint32_t *flags)
{
	if (req->sqe.opcode == IORING_OP_NOP)
		return 0;
	if (req->sqe.opcode == IORING_OP_SPLICE)
		return fake_splice(fake, req);
	if (req->sock)
		return exec_socket(fake, req, flags);
	if (req->sqe.opcode == IORING_OP_POLL_ADD)
		return exec_poll(fake, req);
	return fake_file_exec(fake, &req->sqe);
}
