/* SPDX-License-Identifier: Apache-2.0 */
/* The fake's stream sockets: connections, listeners, ends of life. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "uring/uring_fake_internal.h"

static struct fake_sock *sock_by_number(struct uring_fake *fake, int fd)
{
	unsigned n = (unsigned)(fd - FAKE_FD_BASE);

	return fd >= FAKE_FD_BASE && n < fake->sock_count ? fake->socks[n]
							  : NULL;
}

struct fake_sock *fake_sock_of(struct uring_fake *fake, int fd)
{
	struct fake_sock *sock = sock_by_number(fake, fd);

	return sock && sock->open ? sock : NULL;
}

struct fake_sock *fake_sock_new(struct uring_fake *fake)
{
	struct fake_sock *sock = fake_alloc(sizeof(*sock));

	if (fake->sock_count == fake->sock_room) {
		fake->sock_room = fake->sock_room ? fake->sock_room * 2 : 8;
		fake->socks = fake_grow(fake->socks, fake->sock_room,
					sizeof(struct fake_sock *));
	}
	sock->fd = FAKE_FD_BASE + (int)fake->sock_count;
	sock->refs = 1;
	sock->open = true;
	fake->socks[fake->sock_count++] = sock;
	fake->open_fds++;
	return sock;
}

void fake_socks_free(struct uring_fake *fake)
{
	for (unsigned i = 0; i < fake->sock_count; i++) {
		fake_ktls_free(fake->socks[i]);
		free(fake->socks[i]->out.data);
		free(fake->socks[i]->pending);
		free(fake->socks[i]);
	}
	free(fake->socks);
}

void fake_sock_pair(struct fake_sock *a, struct fake_sock *b)
{
	assert(!a->peer && !b->peer);
	a->peer = b;
	b->peer = a;
}

size_t fake_readable(const struct fake_sock *sock)
{
	if (!sock->peer || sock->shut_rd)
		return 0;
	return sock->peer->out.end - sock->peer->out.read;
}

size_t fake_writable(const struct uring_fake *fake,
		     const struct fake_sock *sock)
{
	size_t used = sock->out.end - sock->out.read;
	size_t limit = fake->config.socket_buffer;

	return used < limit ? limit - used : 0;
}

static bool at_eof(const struct fake_sock *sock)
{
	return sock->shut_rd || sock->dead || sock->peer->shut_wr;
}

unsigned fake_sock_events(const struct uring_fake *fake,
			  const struct fake_sock *sock)
{
	unsigned events = 0;

	if (sock->listening)
		return sock->pending_count ? POLLIN : 0;
	if (!sock->peer)
		return POLLOUT | POLLHUP;
	if (fake_readable(sock) > 0 || fake_ktls_unread(sock) || at_eof(sock) ||
	    sock->error)
		events |= POLLIN;
	if (at_eof(sock))
		events |= POLLRDHUP;
	if (fake_writable(fake, sock) > 0 || sock->dead || sock->shut_wr)
		events |= POLLOUT;
	if (sock->error)
		events |= POLLERR;
	if (sock->dead)
		events |= POLLHUP;
	return events;
}

int fake_recv_state(struct fake_sock *sock, bool *eof)
{
	*eof = false;
	if (!sock->peer)
		return -ENOTCONN;
	/* What had arrived before an error is still delivered. */
	if (fake_readable(sock) > 0)
		return 0;
	return fake_recv_rest(sock, eof);
}

int fake_recv_rest(struct fake_sock *sock, bool *eof)
{
	int error = sock->error;

	if (error) {
		sock->error = 0;
		return -error;
	}
	*eof = at_eof(sock);
	return *eof ? 0 : FAKE_BLOCK;
}

int fake_send_state(const struct uring_fake *fake, struct fake_sock *sock)
{
	int error = sock->error;

	if (!sock->peer)
		return -ENOTCONN;
	if (error) {
		sock->error = 0;
		return -error;
	}
	if (sock->shut_wr || sock->dead || sock->peer->dead)
		return -EPIPE;
	return fake_writable(fake, sock) > 0 ? 0 : FAKE_BLOCK;
}

void fake_take(struct uring_fake *fake, struct fake_sock *sock, void *to,
	       size_t len)
{
	struct fake_stream *in = &sock->peer->out;

	assert(len <= in->end - in->read);
	if (len == 0)
		return;
	memcpy(to, in->data + in->read, len);
	in->read += len;
	fake_sock_wake(fake, sock->peer); /* there is room now */
}

void fake_put(struct uring_fake *fake, struct fake_sock *sock, const void *from,
	      size_t len)
{
	struct fake_stream *out = &sock->out;

	assert(len <= fake_writable(fake, sock));
	if (out->len + len > out->room) {
		out->room = out->room ? out->room * 2 : 256;
		if (out->room < out->len + len)
			out->room = out->len + len;
		out->data = fake_grow(out->data, out->room, 1);
	}
	if (len > 0)
		memcpy(out->data + out->len, from, len);
	out->len += len;
	out->end = out->len;
	fake_sock_wake(fake, sock->peer);
}

static void reset_end(struct uring_fake *fake, struct fake_sock *sock)
{
	struct fake_stream *in = &sock->peer->out;

	/* Some of what was on its way never arrives. */
	if (in->end > in->read)
		in->end = in->read + fake_random(fake) % (in->end - in->read);
	sock->error = ECONNRESET;
	sock->dead = true;
	fake_sock_wake(fake, sock);
}

void fake_sock_reset(struct uring_fake *fake, struct fake_sock *sock)
{
	if (!sock->peer || sock->dead)
		return;
	if (!sock->peer->dead)
		reset_end(fake, sock->peer);
	reset_end(fake, sock);
}

int fake_sock_shutdown(struct uring_fake *fake, struct fake_sock *sock, int how)
{
	if (!sock->peer || sock->dead)
		return -ENOTCONN;
	if (how == SHUT_RD || how == SHUT_RDWR)
		sock->shut_rd = true;
	if (how == SHUT_WR || how == SHUT_RDWR)
		sock->shut_wr = true;
	fake_sock_wake(fake, sock);
	fake_sock_wake(fake, sock->peer);
	return 0;
}

static void release_connection(struct uring_fake *fake, struct fake_sock *sock)
{
	struct fake_sock *peer = sock->peer;

	if (sock->dead)
		return;
	if ((sock->peer->out.end > sock->peer->out.read ||
	     fake_ktls_unread(sock)) &&
	    !peer->dead)
		reset_end(fake, peer);
	sock->dead = sock->shut_wr = true;
	fake_sock_wake(fake, peer);
}

static void release_listener(struct uring_fake *fake, struct fake_sock *sock)
{
	struct fake_sock **link = &fake->listeners;
	struct fake_sock *child;

	while (*link != sock)
		link = &(*link)->next_listener;
	*link = sock->next_listener;
	while ((child = fake_listener_take(fake, sock))) {
		fake_sock_reset(fake, child);
		fake_sock_close(fake, child);
	}
	sock->listening = false;
}

/* The last user is gone. The struct stays, for its wire image. */
void fake_sock_unref(struct uring_fake *fake, struct fake_sock *sock)
{
	assert(sock->refs > 0);
	if (--sock->refs > 0)
		return;
	assert(!sock->open && !sock->waiters);
	if (sock->listening)
		release_listener(fake, sock);
	else if (sock->peer)
		release_connection(fake, sock);
}

int fake_sock_close(struct uring_fake *fake, struct fake_sock *sock)
{
	assert(sock->open);
	sock->open = false;
	fake->open_fds--;
	fake_sock_unref(fake, sock);
	return 0;
}

static struct fake_sock *listener_on(struct uring_fake *fake, uint16_t port)
{
	struct fake_sock *sock = fake->listeners;

	while (sock && (sock->port != port || !sock->open))
		sock = sock->next_listener;
	return sock;
}

int fake_listen(struct uring_fake *fake, struct fake_sock *sock, uint16_t port)
{
	if (listener_on(fake, port))
		return -EADDRINUSE;
	sock->listening = true;
	sock->port = port;
	sock->next_listener = fake->listeners;
	fake->listeners = sock;
	return 0;
}

static void pending_add(struct fake_sock *listener, struct fake_sock *child)
{
	if (listener->pending_count == listener->pending_room) {
		listener->pending_room =
			listener->pending_room ? listener->pending_room * 2 : 4;
		listener->pending =
			fake_grow(listener->pending, listener->pending_room,
				  sizeof(struct fake_sock *));
	}
	listener->pending[listener->pending_count++] = child;
}

int fake_connect(struct uring_fake *fake, struct fake_sock *sock, uint16_t port)
{
	struct fake_sock *listener = listener_on(fake, port);
	struct fake_sock *child;

	if (!listener)
		return -ECONNREFUSED;
	child = fake_sock_new(fake);
	fake->open_fds--; /* nobody's descriptor until it is accepted */
	fake_sock_pair(sock, child);
	pending_add(listener, child);
	fake_sock_wake(fake, listener);
	return 0;
}

struct fake_sock *fake_listener_take(struct uring_fake *fake,
				     struct fake_sock *listener)
{
	struct fake_sock *sock;

	if (listener->pending_count == 0)
		return NULL;
	sock = listener->pending[0];
	listener->pending_count--;
	memmove(listener->pending, listener->pending + 1,
		listener->pending_count * sizeof(struct fake_sock *));
	fake->open_fds++;
	return sock;
}
