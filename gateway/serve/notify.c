/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify's protocol (notify.h). */
#include "gateway/serve/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A path, or with '@' in front a name in the abstract namespace. */
static bool manager(struct sockaddr_un *address, socklen_t *len)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (n < 2 || n >= sizeof(address->sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return false;
	memcpy(address->sun_path, path, n);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

/* @attached: a descriptor to go along, or -1. */
static bool tell(const char *text, size_t len, int attached)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct sockaddr_un address;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text,
			    .iov_len = len};
	struct msghdr message = {
		.msg_name = &address, .msg_iov = &iov, .msg_iovlen = 1};
	int fd;
	bool sent;

	if (!manager(&address, &message.msg_namelen))
		return false;
	if (attached >= 0) {
		struct cmsghdr *c;

		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &attached, sizeof(int));
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	sent = sendmsg(fd, &message, MSG_NOSIGNAL) >= 0;
	close(fd);
	return sent;
}

bool notify(const char *format, ...)
{
	char text[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return len > 0 && (size_t)len < sizeof(text) &&
	       tell(text, (size_t)len, -1);
}

void notify_reloading(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	(void)notify("RELOADING=1\nMONOTONIC_USEC=%llu",
		     (unsigned long long)ts.tv_sec * 1000000u +
			     (unsigned long long)ts.tv_nsec / 1000u);
}

void notify_fd(int fd, const char *name)
{
	char text[300];
	int len =
		snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%.250s", name);

	(void)tell(text, (size_t)len, fd);
}

void notify_fd_gone(const char *name)
{
	(void)notify("FDSTOREREMOVE=1\nFDNAME=%.250s", name);
}

uint64_t notify_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(usec, NULL, 10) * 1000;
}
