/* SPDX-License-Identifier: Apache-2.0 */
/* The admin interface on a Unix-domain socket (admin_server.h). */
#include "gateway/admin/admin_server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/admin/admin_client.h"
#include "gateway/admin/admin_listen.h"
#include "gateway/log/log.h"

#define CLIENTS_MAX 32
/* Descriptors beside the clients' that are polled. */
#define OTHERS 3
#define NS     UINT64_C(1000000000)

struct admin_server {
	struct admin_core *core;
	char *path; /* owned */
	int fd, news_fd;
	gid_t group;
	bool has_group;
	struct admin_client *clients[CLIENTS_MAX];
	unsigned count;
};

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/* From any worker. */
static void on_news(void *arg)
{
	const struct admin_server *server = arg;
	uint64_t one = 1;

	/* EAGAIN: the counter is full, so they know. */
	if (write(server->news_fd, &one, sizeof(one)) < 0)
		return;
}

/* --- opening --- */

static int find_group(struct admin_server *s, const char *name)
{
	const struct group *group;

	if (!name)
		return 0;
	errno = 0;
	group = getgrnam(name);
	if (!group)
		return errno ? -errno : -ENOENT;
	s->group = group->gr_gid;
	s->has_group = true;
	return 0;
}

static int listen_at(struct admin_server *s)
{
	int fd = admin_listen(s->path, s->has_group ? 0660 : 0600,
			      s->has_group ? &s->group : NULL, 16);

	if (fd < 0)
		return fd;
	s->fd = fd;
	return 0;
}

static int make(struct admin_server *s,
		const struct admin_server_config *config, const char **what)
{
	struct admin_core_config core = {
		.workers = config->workers,
		.worker_count = config->worker_count,
		.suspended = config->suspended,
		.control = config->control,
		.control_arg = config->control_arg,
		.meter = config->meter,
		.health = config->health,
		.news = on_news,
		.arg = s,
	};
	int r;

	*what = "out of memory";
	s->core = admin_core_create(&core);
	if (!s->core)
		return -ENOMEM;
	*what = "eventfd";
	s->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->news_fd < 0)
		return -errno;
	*what = "its group";
	r = find_group(s, config->group);
	if (r < 0)
		return r;
	*what = "out of memory";
	s->path = strdup(config->path);
	if (!s->path)
		return -ENOMEM;
	*what = "its address";
	return listen_at(s);
}

int admin_server_open(const struct admin_server_config *config,
		      struct admin_server **out, const char **what)
{
	struct admin_server *s = calloc(1, sizeof(*s));
	int r;

	*what = "out of memory";
	if (!s)
		return -ENOMEM;
	s->fd = s->news_fd = -1;
	r = make(s, config, what);
	if (r == 0) {
		*out = s;
		return 0;
	}
	/* The socket of another relay is not ours to remove. */
	free(s->path);
	s->path = NULL;
	admin_server_close(&s);
	return r;
}

void admin_server_close(struct admin_server **pointer)
{
	struct admin_server *s = *pointer;

	if (!s)
		return;
	while (s->count > 0)
		admin_client_close(&s->clients[--s->count]);
	if (s->path)
		(void)unlink(s->path);
	if (s->fd >= 0)
		close(s->fd);
	if (s->news_fd >= 0)
		close(s->news_fd);
	admin_core_destroy(&s->core);
	free(s->path);
	free(s);
	*pointer = NULL;
}

/* --- who may ask --- */

static bool is_member(int fd, gid_t group)
{
	gid_t groups[256];
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static bool may_ask(const struct admin_server *s, int fd,
		    const struct ucred *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return s->has_group &&
	       (peer->gid == s->group || is_member(fd, s->group));
}

static void refuse(int fd, const char *code, const char *text)
{
	char line[256];
	int len = snprintf(line, sizeof(line),
			   "{\"type\":\"error\",\"code\":\"%s\","
			   "\"error\":\"%s\"}\n",
			   code, text);

	/* A fresh socket has room for a line. */
	(void)send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void take(struct admin_server *s, int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		close(fd);
		return;
	}
	if (!may_ask(s, fd, &peer)) {
		log_warning("admin.denied", L_UINT("uid", peer.uid),
			    L_UINT("pid", peer.pid));
		refuse(fd, "denied",
		       "only root, the relay's user and members of "
		       "admin.group may ask");
		return;
	}
	if (s->count < CLIENTS_MAX)
		s->clients[s->count] = admin_client_open(
			s->core, fd,
			&(struct admin_who){.uid = peer.uid, .pid = peer.pid},
			monotonic());
	if (s->count < CLIENTS_MAX && s->clients[s->count])
		s->count++;
	else
		refuse(fd, "unavailable", "too many at once; try again");
}

static void accept_all(struct admin_server *s)
{
	int fd;

	while ((fd = accept4(s->fd, NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		take(s, fd);
}

/* --- a round --- */

static void serve_client(struct admin_server *s, unsigned i, short revents,
			 bool news, uint64_t now)
{
	struct admin_client *client = s->clients[i];

	if (admin_client_serve(client, revents, news, now))
		return;
	admin_client_close(&client);
	s->clients[i] = s->clients[--s->count];
}

static int wait_ms(uint64_t ns)
{
	uint64_t ms = ns / 1000000 + !!(ns % 1000000);

	/* Once a second at least: clients may have had their time. */
	return ms > 1000 ? 1000 : (int)ms;
}

/* True: @fd is readable. */
static bool round_of(struct admin_server *s, int fd, uint64_t ns)
{
	struct pollfd fds[OTHERS + CLIENTS_MAX] = {
		{.fd = fd, .events = POLLIN},
		{.fd = s->fd, .events = POLLIN},
		{.fd = s->news_fd, .events = POLLIN},
	};
	unsigned count = s->count;
	uint64_t unused, now;
	bool news;

	for (unsigned i = 0; i < count; i++)
		fds[OTHERS + i] = admin_client_pollfd(s->clients[i]);
	if (poll(fds, OTHERS + count, wait_ms(ns)) < 0)
		return false;
	now = monotonic();
	news = fds[2].revents != 0;
	if (news && read(s->news_fd, &unused, sizeof(unused)) < 0)
		news = errno != EBADF;
	/* From the last: one that goes is replaced by one that was served. */
	for (unsigned i = count; i-- > 0;)
		serve_client(s, i, fds[OTHERS + i].revents, news, now);
	if (fds[1].revents)
		accept_all(s);
	return fds[0].revents != 0;
}

bool admin_server_poll(struct admin_server *s, int fd, uint64_t ns)
{
	uint64_t now = monotonic(), end = now + ns;

	do {
		if (round_of(s, fd, end - now))
			return true;
		now = monotonic();
	} while (now < end);
	return false;
}
