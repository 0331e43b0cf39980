/* SPDX-License-Identifier: Apache-2.0 */
/* The socket for local mail. */
#include "gateway/inject/inject_door.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/admin/admin_listen.h"
#include "gateway/inbound/inbound.h"
#include "gateway/log/log.h"

#define BACKLOG 128

/* Out of descriptors: waiting is all that helps. */
#define PAUSE_MS 100

struct inject_door {
	char *path;
	int fd, stop_fd;
	pthread_t thread;
	bool runs;
	struct inject_desk **desks;
	size_t desk_count;
	atomic_size_t turn;
};

/* To a worker that has room; false: none has. */
static bool hand_in(struct inject_door *door, const struct inject_guest *guest)
{
	for (size_t i = 0; i < door->desk_count; i++) {
		size_t turn = atomic_fetch_add(&door->turn, 1);

		if (inject_desk_put(door->desks[turn % door->desk_count],
				    guest))
			return true;
	}
	return false;
}

static void refuse(int fd)
{
	static const char text[] = "421 4.3.2 Busy or stopping\r\n";

	/* A fresh socket has room for a line. */
	(void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void take(struct inject_door *door, int fd)
{
	struct inject_guest guest = {.fd = fd, .way = INJECT_BY_SOCKET};
	struct inbound_local local = {.family = AF_UNIX};
	struct ucred who = {0};
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0) {
		close(fd);
		return;
	}
	local.uid = who.uid;
	memcpy(&guest.peer, &local, sizeof(local));
	guest.peer_len = sizeof(local);
	if (!hand_in(door, &guest))
		refuse(fd);
}

static void *run(void *arg)
{
	struct inject_door *door = arg;
	struct pollfd fds[] = {
		{.fd = door->fd, .events = POLLIN},
		{.fd = door->stop_fd, .events = POLLIN},
	};

	while (!fds[1].revents) {
		int fd;

		if (poll(fds, 2, -1) < 0 || fds[1].revents)
			continue;
		/* Blocking: io_uring waits for it, which it would not do for
		 * one that is not. */
		fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			take(door, fd);
		else if (errno != EAGAIN && errno != EINTR &&
			 errno != ECONNABORTED)
			(void)poll(&fds[1], 1, PAUSE_MS);
	}
	return NULL;
}

static int make(struct inject_door *door,
		const struct inject_door_config *config)
{
	int r;

	door->path = strdup(config->path);
	door->desks = calloc(config->desk_count, sizeof(struct inject_desk *));
	if (!door->path || !door->desks)
		return -ENOMEM;
	memcpy(door->desks, config->desks,
	       config->desk_count * sizeof(struct inject_desk *));
	door->desk_count = config->desk_count;
	door->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (door->stop_fd < 0)
		return -errno;
	/* The folder says who may reach it. */
	door->fd = admin_listen(door->path, 0666, NULL, BACKLOG);
	if (door->fd < 0)
		return door->fd;
	r = -pthread_create(&door->thread, NULL, run, door);
	door->runs = r == 0;
	if (door->runs)
		pthread_setname_np(door->thread, "inject");
	return r;
}

int inject_door_open(const struct inject_door_config *config,
		     struct inject_door **out)
{
	struct inject_door *door = calloc(1, sizeof(*door));
	int r;

	if (!door)
		return -ENOMEM;
	door->fd = door->stop_fd = -1;
	r = make(door, config);
	if (r < 0)
		inject_door_close(&door);
	*out = door;
	return r;
}

void inject_door_close(struct inject_door **pointer)
{
	struct inject_door *door = *pointer;

	if (!door)
		return;
	if (door->runs) {
		(void)eventfd_write(door->stop_fd, 1);
		pthread_join(door->thread, NULL);
	}
	/* Without ours the socket is another relay's. */
	if (door->fd >= 0) {
		(void)unlink(door->path);
		close(door->fd);
	}
	if (door->stop_fd >= 0)
		close(door->stop_fd);
	free(door->desks);
	free(door->path);
	free(door);
	*pointer = NULL;
}

int inject_door_connect(struct inject_door *door, const struct sockaddr *peer,
			socklen_t peer_len)
{
	struct inject_guest guest = {.way = INJECT_BY_HTTP};
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	if (peer_len > sizeof(guest.peer))
		peer_len = sizeof(guest.peer);
	memcpy(&guest.peer, peer, peer_len);
	guest.peer_len = peer_len;
	guest.fd = fds[1];
	if (hand_in(door, &guest))
		return fds[0];
	close(fds[0]);
	close(fds[1]);
	return -EAGAIN;
}
