/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. */
#include "gateway/worker/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Connections that wait to be accepted; the kernel's somaxconn bounds it. */
#define BACKLOG 4096

enum {
	BIND_PAUSE_MS = 20,
	BIND_TRIES = 150, /* three seconds */
};

static int on(int fd, int level, int name)
{
	int one = 1;

	return setsockopt(fd, level, name, &one, sizeof(one)) < 0 ? -errno : 0;
}

static int bind_one(const struct config_endpoint *address, bool shared)
{
	int family = address->addr.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = on(fd, SOL_SOCKET, SO_REUSEADDR);
	if (r == 0 && shared)
		r = on(fd, SOL_SOCKET, SO_REUSEPORT);
	/* Each family its own listener, whatever the system's default. */
	if (r == 0 && family == AF_INET6)
		r = on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (r == 0 &&
	    bind(fd, (const struct sockaddr *)&address->addr, address->len) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/*
 * A relay that was killed holds its sockets for a moment longer than it lives:
 * the kernel takes its ring apart behind its back, and accepts in it have a
 * reference. Who restarts it at once must not be refused.
 */
static int bind_alone(const struct config_endpoint *address)
{
	const struct timespec pause = {.tv_nsec = BIND_PAUSE_MS * 1000000L};
	int fd = bind_one(address, false);

	for (int i = 0; fd == -EADDRINUSE && i < BIND_TRIES; i++) {
		nanosleep(&pause, NULL);
		fd = bind_one(address, false);
	}
	return fd;
}

int listener_bind(const struct config_endpoint *address, bool alone)
{
	if (alone) {
		int fd = bind_alone(address);

		if (fd < 0)
			return fd;
		close(fd);
	}
	return bind_one(address, true);
}

int listener_start(int fd)
{
	return listen(fd, BACKLOG) < 0 ? -errno : 0;
}
