/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel TLS as the fake has it (uring_fake_ktls.h). */
#include "uring/uring_fake_ktls.h"

#include <errno.h>
#include <linux/tls.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uring/uring_fake_internal.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum {
	TYPE_HANDSHAKE = 22,
	TYPE_DATA = 23,
	KEY_UPDATE = 24,
	HEADER = 5,
	TEXT_MAX = 16384,
	RECORD_MAX = HEADER + TEXT_MAX + 2048,
	OVERHEAD = 64, /* at most, of a record */
};

struct fake_ktls_tx {
	struct uring_fake_ktls *tls;
	size_t len; /* of the record that MSG_MORE left open */
	unsigned char text[TEXT_MAX];
};

struct fake_ktls_rx {
	struct uring_fake_ktls *tls;
	bool loaded;  /* a record is in text[] */
	bool expired; /* a KeyUpdate was read, its keys are not there */
	uint8_t type;
	int error;	/* for good */
	size_t have;	/* of record[] */
	size_t at, len; /* of text[] */
	unsigned char record[RECORD_MAX];
	unsigned char text[RECORD_MAX];
};

static void *ptr(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

int uring_fake_ktls_tx(struct uring_fake *fake, int fd,
		       struct uring_fake_ktls *tls)
{
	struct fake_sock *sock = fake_sock_of(fake, fd);

	if (!sock || !sock->peer)
		return -ENOTCONN;
	if (sock->tx && !sock->tx->tls->rekeys)
		return -EBUSY;
	if (sock->tx)
		sock->tx->tls->free(sock->tx->tls);
	else
		sock->tx = fake_alloc(sizeof(*sock->tx));
	assert(sock->tx->len == 0); /* would change keys inside a record */
	sock->tx->tls = tls;
	return 0;
}

int uring_fake_ktls_rx(struct uring_fake *fake, int fd,
		       struct uring_fake_ktls *tls)
{
	struct fake_sock *sock = fake_sock_of(fake, fd);

	if (!sock || !sock->peer)
		return -ENOTCONN;
	if (sock->rx && !sock->rx->tls->rekeys)
		return -EBUSY;
	if (sock->rx)
		sock->rx->tls->free(sock->rx->tls);
	else
		sock->rx = fake_alloc(sizeof(*sock->rx));
	sock->rx->tls = tls;
	sock->rx->expired = false;
	return 0;
}

void fake_ktls_free(struct fake_sock *sock)
{
	if (sock->tx)
		sock->tx->tls->free(sock->tx->tls);
	if (sock->rx)
		sock->rx->tls->free(sock->rx->tls);
	free(sock->tx);
	free(sock->rx);
}

bool fake_ktls_unread(const struct fake_sock *sock)
{
	return sock->rx && (sock->rx->loaded || sock->rx->error);
}

/* --- sending --- */

static uint8_t record_type(const struct msghdr *msg)
{
	struct cmsghdr *cmsg = msg && msg->msg_controllen >= CMSG_LEN(1)
				       ? CMSG_FIRSTHDR(msg)
				       : NULL;

	if (!cmsg || cmsg->cmsg_level != SOL_TLS ||
	    cmsg->cmsg_type != TLS_SET_RECORD_TYPE)
		return TYPE_DATA;
	return *CMSG_DATA(cmsg);
}

static void seal(struct uring_fake *fake, struct fake_sock *sock, uint8_t type)
{
	unsigned char record[TEXT_MAX + OVERHEAD];
	struct fake_ktls_tx *tx = sock->tx;
	size_t len = tx->tls->seal(tx->tls, type, tx->text, tx->len, record);

	assert(len <= tx->len + OVERHEAD);
	fake_put(fake, sock, record, len);
	tx->len = 0;
}

static size_t gather(struct fake_ktls_tx *tx, const struct iovec *iov,
		     size_t iovcnt, size_t len)
{
	size_t done = 0;

	for (size_t i = 0; i < iovcnt && done < len; i++) {
		size_t n = len - done < iov[i].iov_len ? len - done
						       : iov[i].iov_len;

		memcpy(tx->text + tx->len, iov[i].iov_base, n);
		tx->len += n;
		done += n;
	}
	return done;
}

/* How much fits into the open record, and that into the socket's buffer. */
static size_t room_for(const struct uring_fake *fake,
		       const struct fake_sock *sock)
{
	size_t room = fake_writable(fake, sock);

	room = room > sock->tx->len + OVERHEAD ? room - sock->tx->len - OVERHEAD
					       : 0;
	return room < TEXT_MAX - sock->tx->len ? room
					       : TEXT_MAX - sock->tx->len;
}

/* Room for text of @type, after what has to be sealed before; 0: none now. */
static size_t make_room(struct uring_fake *fake, struct fake_sock *sock,
			uint8_t type)
{
	size_t n;

	if (type != TYPE_DATA && sock->tx->len > 0)
		seal(fake, sock, TYPE_DATA);
	n = room_for(fake, sock);
	if (n == 0 && sock->tx->len > 0 &&
	    fake_writable(fake, sock) >= sock->tx->len + OVERHEAD) {
		seal(fake, sock, TYPE_DATA);
		n = room_for(fake, sock);
	}
	return n;
}

/* At most one record per call: short counts are the rule. */
int fake_ktls_send(struct uring_fake *fake, struct fake_req *req,
		   const struct iovec *iov, size_t iovcnt)
{
	const struct msghdr *msg = req->sqe.opcode == IORING_OP_SENDMSG
					   ? ptr(req->sqe.addr)
					   : NULL;
	struct fake_sock *sock = req->sock;
	bool more = req->sqe.msg_flags & MSG_MORE;
	uint8_t type = record_type(msg);
	size_t want = 0, n;

	assert(!(req->sqe.msg_flags & MSG_WAITALL)); /* -EOPNOTSUPP there */
	for (size_t i = 0; i < iovcnt; i++)
		want += iov[i].iov_len;
	n = make_room(fake, sock, type);
	if (n == 0 || (type != TYPE_DATA && n < want))
		return FAKE_BLOCK;
	n = want < n ? want : fake_short(fake, n);
	n = gather(sock->tx, iov, iovcnt, n);
	if (!more || n < want || sock->tx->len == TEXT_MAX)
		seal(fake, sock, type);
	return (int)n;
}

int fake_ktls_splice(struct uring_fake *fake, struct fake_sock *sock, int pipe,
		     size_t len, bool more)
{
	struct fake_ktls_tx *tx = sock->tx;
	size_t room = make_room(fake, sock, TYPE_DATA);
	ssize_t n;

	if (room == 0)
		return FAKE_BLOCK;
	n = read(pipe, tx->text + tx->len,
		 fake_short(fake, len < room ? len : room));
	if (n <= 0)
		return n < 0 ? -errno : 0;
	tx->len += (size_t)n;
	if (!more || (size_t)n < len || tx->len == TEXT_MAX)
		seal(fake, sock, TYPE_DATA);
	return (int)n;
}

/* --- receiving --- */

/* What is there of @need bytes goes into record[], so that a record may be
 * larger than the socket's buffer. */
static bool stage(struct uring_fake *fake, struct fake_sock *sock, size_t need)
{
	struct fake_ktls_rx *rx = sock->rx;
	size_t n = fake_readable(sock);

	if (n > need - rx->have)
		n = need - rx->have;
	if (n > 0)
		fake_take(fake, sock, rx->record + rx->have, n);
	rx->have += n;
	return rx->have == need;
}

/* The next record into text[]: 0, FAKE_BLOCK, -errno; *eof. */
static int load(struct uring_fake *fake, struct fake_sock *sock, bool *eof)
{
	struct fake_ktls_rx *rx = sock->rx;
	size_t len;
	ssize_t text;

	if (rx->have < HEADER && !stage(fake, sock, HEADER))
		return fake_recv_rest(sock, eof);
	len = HEADER + ((size_t)rx->record[3] << 8 | rx->record[4]);
	if (len > RECORD_MAX)
		return rx->error = -EMSGSIZE;
	if (!stage(fake, sock, len))
		return fake_recv_rest(sock, eof);
	rx->have = 0;
	text = rx->tls->open(rx->tls, rx->record, len, rx->text, &rx->type);
	if (text < 0)
		return rx->error = (int)text;
	rx->at = 0;
	rx->len = (size_t)text;
	rx->loaded = rx->len > 0 || rx->type != TYPE_DATA;
	rx->expired = rx->tls->rekeys && rx->type == TYPE_HANDSHAKE &&
		      rx->len > 0 && rx->text[0] == KEY_UPDATE;
	return 0;
}

static int load_one(struct uring_fake *fake, struct fake_sock *sock, bool *eof)
{
	int state = 0;

	*eof = false;
	while (!sock->rx->loaded && !*eof && state == 0) {
		if (sock->rx->error)
			state = sock->rx->error;
		else if (sock->rx->expired)
			state = -EKEYEXPIRED;
		else
			state = load(fake, sock, eof);
	}
	return state;
}

static size_t take_text(struct uring_fake *fake, struct fake_ktls_rx *rx,
			unsigned char *to, size_t room)
{
	size_t n = rx->len - rx->at;

	if (!rx->loaded)
		return 0;
	if (n > room)
		n = room;
	/* records of other types come in one piece when they fit */
	if (n > 0 && rx->type == TYPE_DATA)
		n = fake_short(fake, n);
	memcpy(to, rx->text + rx->at, n);
	rx->at += n;
	rx->loaded = rx->at < rx->len;
	return n;
}

/* Returns the bytes used of the control area. */
static size_t put_type(void *control, size_t room, uint8_t type)
{
	struct cmsghdr header = {
		.cmsg_level = SOL_TLS,
		.cmsg_type = TLS_GET_RECORD_TYPE,
		.cmsg_len = CMSG_LEN(sizeof(type)),
	};

	if (room < CMSG_SPACE(sizeof(type)))
		return 0;
	memcpy(control, &header, sizeof(header));
	memcpy((char *)control + CMSG_LEN(0), &type, sizeof(type));
	return CMSG_SPACE(sizeof(type));
}

static int recvmsg_to(struct uring_fake *fake, struct fake_req *req,
		      unsigned char *to, size_t room, bool eof)
{
	struct msghdr *msg = ptr(req->sqe.addr);
	uint8_t type = req->sock->rx->type;
	/* 5.10 names the type of such pieces twice */
	bool rest = req->sock->rx->loaded && req->sock->rx->at > 0;
	size_t control = 0;

	if (!eof)
		control = put_type(msg->msg_control, msg->msg_controllen, type);
	msg->msg_controllen = control;
	msg->msg_flags = rest ? MSG_CTRUNC : 0;
	return (int)take_text(fake, req->sock->rx, to, room);
}

static int recvmsg_multi(struct uring_fake *fake, struct fake_req *req,
			 const struct io_uring_buf *buf, bool eof)
{
	const struct msghdr *msg = ptr(req->sqe.addr);
	size_t front =
		sizeof(struct io_uring_recvmsg_out) + msg->msg_controllen;
	struct io_uring_recvmsg_out out = {0};
	unsigned char *to = ptr(buf->addr);
	size_t n;

	if (buf->len < front)
		return -EFAULT;
	memset(to, 0, front);
	if (!eof)
		out.controllen = (uint32_t)put_type(to + sizeof(out),
						    msg->msg_controllen,
						    req->sock->rx->type);
	n = take_text(fake, req->sock->rx, to + front, buf->len - front);
	out.payloadlen = (uint32_t)n;
	memcpy(to, &out, sizeof(out));
	return (int)(front + n);
}

static int recv_selected(struct uring_fake *fake, struct fake_req *req,
			 bool eof, uint32_t *flags)
{
	bool message = req->sqe.opcode == IORING_OP_RECVMSG;
	struct io_uring_buf buf;
	int err;

	if (eof && !message)
		return 0;
	err = fake_select(fake, req->sqe.buf_group, &buf, flags);
	if (err)
		return err;
	if (!message)
		return (int)take_text(fake, req->sock->rx, ptr(buf.addr),
				      buf.len);
	if (fake_is_multishot(req))
		return recvmsg_multi(fake, req, &buf, eof);
	return recvmsg_to(fake, req, ptr(buf.addr), buf.len, eof);
}

int fake_ktls_recv(struct uring_fake *fake, struct fake_req *req,
		   uint32_t *flags)
{
	bool message = req->sqe.opcode == IORING_OP_RECVMSG;
	const struct msghdr *msg = ptr(req->sqe.addr);
	bool eof;
	int state = load_one(fake, req->sock, &eof);

	assert(!(req->sqe.msg_flags & (MSG_WAITALL | MSG_PEEK)));
	if (state)
		return state;
	req->last = eof;
	if (!eof && !message && req->sock->rx->type != TYPE_DATA)
		return -EIO;
	if (req->sqe.flags & IOSQE_BUFFER_SELECT)
		return recv_selected(fake, req, eof, flags);
	if (!message)
		return (int)take_text(fake, req->sock->rx, ptr(req->sqe.addr),
				      req->sqe.len);
	assert(msg->msg_iovlen == 1);
	return recvmsg_to(fake, req, msg->msg_iov[0].iov_base,
			  msg->msg_iov[0].iov_len, eof);
}

/* --- splice --- */

int fake_ktls_splice_in(struct uring_fake *fake, struct fake_sock *sock,
			void *to, size_t room, bool *eof)
{
	struct fake_ktls_rx *rx = sock->rx;
	int state = 0;

	*eof = false;
	if (!rx->loaded)
		state = rx->error     ? rx->error
			: rx->expired ? -EKEYEXPIRED
				      : load(fake, sock, eof);
	if (state || *eof || !rx->loaded)
		return state; /* 0 of an empty record, too */
	if (rx->type != TYPE_DATA)
		return -EINVAL;
	return (int)take_text(fake, rx, to, room);
}
