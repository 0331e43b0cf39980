/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the admin socket (admin_client.h). */
#include "gateway/admin/admin_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/log/log.h"

#define SECOND UINT64_C(1000000000)
/* To say what it wants; to take what it was told. */
#define PATIENCE (30 * SECOND)
/* Lines that wait for the client; beyond it no more are asked for. */
#define OUT_ENOUGH (256 * 1024)
/* A line is at most some KiB more than that: bytes of a message are 64 KiB. */
#define OUT_MAX (64 * 1024 * 1024)

struct admin_client {
	struct admin_core *core;
	int fd;
	struct admin_who who;
	struct admin_call *call; /* NULL: waits for a request */
	bool ended;		 /* the client has said all */
	bool blocked;		 /* the call has more than there is room for */
	uint64_t moved;		 /* when something last went in or out */
	char *out;		 /* owned */
	size_t out_from, out_to, out_room;
	size_t in_count;
	char in[ADMIN_REQUEST_MAX + 2]; /* with CR LF */
};

struct admin_client *admin_client_open(struct admin_core *core, int fd,
				       const struct admin_who *who,
				       uint64_t now)
{
	struct admin_client *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	memset(c, 0, offsetof(struct admin_client, in));
	c->core = core;
	c->fd = fd;
	c->who = *who;
	c->moved = now;
	return c;
}

void admin_client_close(struct admin_client **pointer)
{
	struct admin_client *c = *pointer;

	if (!c)
		return;
	admin_call_end(&c->call);
	close(c->fd);
	free(c->out);
	free(c);
	*pointer = NULL;
}

/* --- out --- */

static bool make_room(struct admin_client *c, size_t len)
{
	size_t used = c->out_to - c->out_from, room = c->out_room;
	char *more;

	if (c->out_from > 0) {
		memmove(c->out, c->out + c->out_from, used);
		c->out_from = 0;
		c->out_to = used;
	}
	if (used + len <= room)
		return true;
	while (room < used + len)
		room = room ? room * 2 : 16384;
	more = room <= OUT_MAX ? realloc(c->out, room) : NULL;
	if (!more)
		return false;
	c->out = more;
	c->out_room = room;
	return true;
}

static bool on_line(void *arg, const char *line, size_t len)
{
	struct admin_client *c = arg;

	if (c->out_to + len > c->out_room && !make_room(c, len)) {
		/* What is cut must not look whole. */
		c->ended = true;
		c->out_to = c->out_from;
		(void)shutdown(c->fd, SHUT_RDWR);
		return false;
	}
	memcpy(c->out + c->out_to, line, len);
	c->out_to += len;
	c->blocked = c->out_to - c->out_from >= OUT_ENOUGH;
	return !c->blocked;
}

/* False: the client is gone. */
static bool flush(struct admin_client *c, uint64_t now)
{
	while (c->out_from < c->out_to) {
		ssize_t n = send(c->fd, c->out + c->out_from,
				 c->out_to - c->out_from,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_from += (size_t)n;
		c->moved = now;
	}
	c->out_from = c->out_to = 0;
	return true;
}

/* --- in --- */

/* False: the client is gone, or sends nonsense. */
static bool fill(struct admin_client *c, uint64_t now)
{
	size_t room = sizeof(c->in) - c->in_count;
	ssize_t n;

	if (room == 0 || c->ended)
		return true;
	n = recv(c->fd, c->in + c->in_count, room, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->ended = n == 0;
	c->in_count += (size_t)n;
	c->moved = now;
	return true;
}

/* Begin what the next line asks for. False: no memory. */
static bool begin(struct admin_client *c)
{
	struct admin_sink sink = {.write = on_line, .arg = c};
	char *end = memchr(c->in, '\n', c->in_count);
	size_t used, len;

	if (!end && c->in_count < sizeof(c->in))
		return true;
	/* Without an end it is too long, and is refused as such. */
	len = end ? (size_t)(end - c->in) : c->in_count;
	used = end ? len + 1 : len;
	if (!end)
		c->ended = true;
	if (len > 0 && c->in[len - 1] == '\r')
		len--;
	c->call = admin_call_begin(c->core, c->in, len, &c->who, &sink);
	c->in_count -= used;
	memmove(c->in, c->in + used, c->in_count);
	return c->call != NULL;
}

/* Go on with the call, and the next one. False: no memory. */
static bool advance(struct admin_client *c)
{
	c->blocked = c->out_to - c->out_from >= OUT_ENOUGH;
	while (c->out_to - c->out_from < OUT_ENOUGH) {
		if (!c->call && !begin(c))
			return false;
		if (!c->call || !admin_call_pump(c->call))
			return true;
		admin_call_end(&c->call);
	}
	return true;
}

/* --- a round --- */

struct pollfd admin_client_pollfd(const struct admin_client *c)
{
	struct pollfd fd = {.fd = c->fd};

	if (!c->ended && c->in_count < sizeof(c->in))
		fd.events |= POLLIN;
	/* What was held back comes when there is room, in a later round. */
	if (c->out_from < c->out_to || c->blocked)
		fd.events |= POLLOUT;
	return fd;
}

static bool is_late(const struct admin_client *c, uint64_t now)
{
	bool waits_for_us = c->call && c->out_from == c->out_to;

	return !waits_for_us && now > c->moved && now - c->moved > PATIENCE;
}

bool admin_client_serve(struct admin_client *c, short revents, bool news,
			uint64_t now)
{
	if (revents & (POLLHUP | POLLERR | POLLNVAL))
		return false;
	if ((revents & POLLIN) && !fill(c, now))
		return false;
	if ((revents || news) &&
	    (!flush(c, now) || !advance(c) || !flush(c, now)))
		return false;
	if (c->ended && !c->call && c->out_from == c->out_to)
		return false;
	if (!is_late(c, now))
		return true;
	log_warning("admin.dropped", L_UINT("uid", c->who.uid),
		    L_UINT("pid", c->who.pid),
		    L_STR("error", c->call ? "it does not read its answer"
					   : "it asks nothing"));
	return false;
}
