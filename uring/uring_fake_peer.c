/* SPDX-License-Identifier: Apache-2.0 */
/* What a test does with the fake's sockets, without a ring. */
#include <errno.h>
#include <sys/socket.h>

#include "uring/uring_fake_internal.h"

int uring_fake_socketpair(struct uring_fake *fake, int fds[2])
{
	struct fake_sock *a = fake_sock_new(fake);
	struct fake_sock *b = fake_sock_new(fake);

	fake_sock_pair(a, b);
	fds[0] = a->fd;
	fds[1] = b->fd;
	return 0;
}

int uring_fake_socket(struct uring_fake *fake)
{
	return fake_sock_new(fake)->fd;
}

/* Close what could not be set up. */
static int sock_or_error(struct uring_fake *fake, struct fake_sock *sock,
			 int err)
{
	if (!err)
		return sock->fd;
	(void)fake_sock_close(fake, sock);
	return err;
}

int uring_fake_listen(struct uring_fake *fake, uint16_t port)
{
	struct fake_sock *sock = fake_sock_new(fake);

	return sock_or_error(fake, sock, fake_listen(fake, sock, port));
}

int uring_fake_connect(struct uring_fake *fake, uint16_t port)
{
	struct fake_sock *sock = fake_sock_new(fake);

	return sock_or_error(fake, sock, fake_connect(fake, sock, port));
}

/* A test that uses a descriptor which isn't open is wrong. */
static struct fake_sock *must_be_open(struct uring_fake *fake, int fd)
{
	struct fake_sock *sock = fake_sock_of(fake, fd);

	assert(sock);
	return sock;
}

int uring_fake_accept(struct uring_fake *fake, int listener)
{
	struct fake_sock *sock;

	sock = fake_listener_take(fake, must_be_open(fake, listener));
	return sock ? sock->fd : -EAGAIN;
}

ssize_t uring_fake_peer_write(struct uring_fake *fake, int fd, const void *data,
			      size_t len)
{
	struct fake_sock *sock = must_be_open(fake, fd);
	size_t room = fake_writable(fake, sock);
	int state = fake_send_state(fake, sock);

	if (state)
		return state == FAKE_BLOCK ? -EAGAIN : state;
	if (len > room)
		len = room;
	fake_put(fake, sock, data, len);
	return (ssize_t)len;
}

ssize_t uring_fake_peer_read(struct uring_fake *fake, int fd, void *data,
			     size_t len)
{
	struct fake_sock *sock = must_be_open(fake, fd);
	bool eof;
	int state = fake_recv_state(sock, &eof);

	if (state || eof)
		return state == FAKE_BLOCK ? -EAGAIN : state;
	if (len > fake_readable(sock))
		len = fake_readable(sock);
	fake_take(fake, sock, data, len);
	return (ssize_t)len;
}

void uring_fake_peer_shutdown(struct uring_fake *fake, int fd)
{
	(void)fake_sock_shutdown(fake, must_be_open(fake, fd), SHUT_WR);
}

void uring_fake_peer_reset(struct uring_fake *fake, int fd)
{
	fake_sock_reset(fake, must_be_open(fake, fd));
}

void uring_fake_peer_close(struct uring_fake *fake, int fd)
{
	(void)fake_sock_close(fake, must_be_open(fake, fd));
}

const unsigned char *uring_fake_wire(struct uring_fake *fake, int fd,
				     size_t *len)
{
	unsigned n = (unsigned)(fd - FAKE_FD_BASE);
	const struct fake_stream *out;

	assert(fd >= FAKE_FD_BASE && n < fake->sock_count);
	out = &fake->socks[n]->out;
	*len = out->len;
	return out->data;
}

unsigned uring_fake_open_fds(const struct uring_fake *fake)
{
	return fake->open_fds;
}
