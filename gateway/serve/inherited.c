/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets from before (inherited.h). */
#include "gateway/serve/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/serve/notify.h"

#define FIRST_FD 3
#define FDS_MAX	 8192

struct inherited_socket {
	int fd;
	char *name; /* the manager's, owned; NULL: none */
	bool taken;
	struct sockaddr_storage address;
};

struct inherited {
	size_t count;
	struct inherited_socket sockets[];
};

/* Is it a listening TCP socket? */
static bool examine(struct inherited_socket *s)
{
	socklen_t len = sizeof(s->address), size = sizeof(int);
	int type = 0, listens = 0;

	return getsockname(s->fd, (struct sockaddr *)&s->address, &len) == 0 &&
	       getsockopt(s->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ==
		       0 &&
	       type == SOCK_STREAM && listens &&
	       (s->address.ss_family == AF_INET ||
		s->address.ss_family == AF_INET6);
}

static long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : 0;
}

/* "a:b:c", in the order of the sockets. */
static void take_names(struct inherited *inherited, const char *names)
{
	for (size_t i = 0; names && i < inherited->count; i++) {
		size_t len = strcspn(names, ":");

		inherited->sockets[i].name = strndup(names, len);
		names = names[len] ? names + len + 1 : NULL;
	}
}

struct inherited *inherited_take(void)
{
	const char *names = getenv("LISTEN_FDNAMES");
	long count = number("LISTEN_FDS");
	bool mine = number("LISTEN_PID") == getpid();
	struct inherited *inherited = NULL;

	if (mine && count >= 1 && count <= FDS_MAX)
		inherited = calloc(
			1,
			sizeof(*inherited) +
				(size_t)count * sizeof(inherited->sockets[0]));
	if (inherited) {
		inherited->count = (size_t)count;
		take_names(inherited, names);
	}
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDNAMES");
	if (!inherited)
		return NULL;
	for (size_t i = 0; i < inherited->count; i++) {
		struct inherited_socket *s = &inherited->sockets[i];
		int flags;

		s->fd = FIRST_FD + (int)i;
		flags = fcntl(s->fd, F_GETFD);
		if (flags < 0 || !examine(s))
			s->address.ss_family = AF_UNSPEC;
		if (flags >= 0)
			(void)fcntl(s->fd, F_SETFD, flags | FD_CLOEXEC);
	}
	return inherited;
}

void inherited_free(struct inherited **pointer)
{
	struct inherited *inherited = *pointer;

	if (!inherited)
		return;
	for (size_t i = 0; i < inherited->count; i++) {
		struct inherited_socket *s = &inherited->sockets[i];

		if (!s->taken) {
			log_warning(
				"serve.socket_unused", L_INT("fd", s->fd),
				L_STR("name", s->name),
				L_STR("error", "no listener has its address"));
			/* In a store it would go on, with nobody there. */
			if (s->name)
				notify_fd_gone(s->name);
			close(s->fd);
		}
		free(s->name);
	}
	free(inherited);
	*pointer = NULL;
}

static bool same(const struct sockaddr_storage *a,
		 const struct sockaddr_storage *b)
{
	struct sockaddr_in a4, b4;
	struct sockaddr_in6 a6, b6;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET) {
		memcpy(&a4, a, sizeof(a4));
		memcpy(&b4, b, sizeof(b4));
		return a4.sin_port == b4.sin_port &&
		       a4.sin_addr.s_addr == b4.sin_addr.s_addr;
	}
	memcpy(&a6, a, sizeof(a6));
	memcpy(&b6, b, sizeof(b6));
	return a6.sin6_port == b6.sin6_port &&
	       memcmp(&a6.sin6_addr, &b6.sin6_addr, sizeof(a6.sin6_addr)) == 0;
}

static bool may_be_bound_beside(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &len) == 0 &&
	       value;
}

int inherited_get(struct inherited *inherited,
		  const struct config_endpoint *address)
{
	int like = -1;

	for (size_t i = 0; inherited && i < inherited->count; i++) {
		struct inherited_socket *s = &inherited->sockets[i];

		if (!same(&s->address, &address->addr))
			continue;
		like = s->fd;
		if (s->taken)
			continue;
		s->taken = true;
		return s->fd;
	}
	if (like < 0 || may_be_bound_beside(like))
		return -1;
	return fcntl(like, F_DUPFD_CLOEXEC, FIRST_FD);
}

static int set_number(const char *name, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return setenv(name, text, 1) < 0 ? -errno : 0;
}

/* Above all numbers that will be used. */
static int move_up(const int *fds, size_t count, int *out)
{
	for (size_t i = 0; i < count; i++) {
		out[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + (int)count);
		if (out[i] < 0)
			return -errno;
	}
	return 0;
}

int inherited_leave(const int *fds, size_t count)
{
	int *high = calloc(count ? count : 1, sizeof(*high));
	int r = high ? move_up(fds, count, high) : -ENOMEM;

	/* dup2() leaves FD_CLOEXEC behind. */
	for (size_t i = 0; r == 0 && i < count; i++)
		if (dup2(high[i], FIRST_FD + (int)i) < 0)
			r = -errno;
	free(high);
	if (r == 0)
		r = set_number("LISTEN_FDS", (long)count);
	if (r == 0)
		r = set_number("LISTEN_PID", getpid());
	return r;
}
