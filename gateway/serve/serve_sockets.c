/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets, as the control thread has them: a copy of each one that a
 * worker has, so that they can outlive the workers in a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/serve/inherited.h"
#include "gateway/serve/notify.h"
#include "gateway/serve/serve_private.h"
#include "gateway/worker/listener.h"

/* A ':' would end the name. */
static void name_of(const char *address, char out[64])
{
	snprintf(out, 64, "%s", address);
	for (char *c = out; *c; c++)
		if (*c == ':')
			*c = '_';
}

/* Without memory or descriptors a restart will have to bind again. */
static void hold(struct serve *s, const struct config_endpoint *address, int fd)
{
	struct serve_socket *more =
		reallocarray(s->sockets, s->socket_count + 1, sizeof(*more));
	int copy;
	char name[64];

	if (!more)
		return;
	s->sockets = more;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return;
	more[s->socket_count] = (struct serve_socket){.fd = copy};
	snprintf(more[s->socket_count].address, sizeof(more->address), "%s",
		 address->text);
	s->socket_count++;
	name_of(address->text, name);
	notify_fd(copy, name);
}

int serve_socket(struct serve *s, const struct config_endpoint *address,
		 bool alone)
{
	int fd = inherited_get(s->inherited, address), r;

	if (fd < 0)
		fd = listener_bind(address, alone);
	if (fd < 0)
		return fd;
	r = listener_start(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	hold(s, address, fd);
	return fd;
}

static bool has(const struct config *config, const char *address)
{
	for (size_t i = 0; config && i < config->listener_count; i++)
		if (strcmp(config->listeners[i].address.text, address) == 0)
			return true;
	return false;
}

void serve_sockets_keep(struct serve *s, const struct config *config)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->socket_count; i++) {
		char name[64];

		if (has(config, s->sockets[i].address)) {
			s->sockets[kept++] = s->sockets[i];
			continue;
		}
		close(s->sockets[i].fd);
		name_of(s->sockets[i].address, name);
		/* A manager that restarts us shall have them still. */
		if (config)
			notify_fd_gone(name);
	}
	s->socket_count = kept;
}
