/* SPDX-License-Identifier: Apache-2.0 */
/* Where lines go. */
#include "gateway/log/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Not connected: journald may be started anew behind it. */
static int open_journal(const char *path, struct sockaddr_un *address)
{
	int fd;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	if (access(path, W_OK) < 0)
		return -errno;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static int open_file(const char *path)
{
	int fd;

	if (path)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
			  0640);
	else
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

/* Takes @fd. */
static int redirect(struct log_target *target, int fd)
{
	int mine = atomic_load(&target->fd);
	int error = 0;

	if (mine == STDERR_FILENO) {
		atomic_store(&target->fd, fd);
		return 0;
	}
	if (dup3(fd, mine, O_CLOEXEC) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int open_locked(struct log_target *target, bool journal,
		       const char *path)
{
	struct sockaddr_un address = {0};
	int fd = journal ? open_journal(path, &address) : open_file(path);
	int error;

	if (fd < 0)
		return fd;
	error = redirect(target, fd);
	if (error)
		return error;
	target->journal = journal;
	target->socket = address;
	return 0;
}

int log_target_open(struct log_target *target, bool journal, const char *path)
{
	char *copy;
	int error;

	if (journal && !path)
		path = LOG_JOURNAL_SOCKET;
	copy = path ? strdup(path) : NULL;
	if (path && !copy)
		return -ENOMEM;
	pthread_mutex_lock(&target->lock);
	error = open_locked(target, journal, copy);
	if (!error) {
		free(target->path);
		target->path = copy;
		copy = NULL;
	}
	pthread_mutex_unlock(&target->lock);
	free(copy);
	return error;
}

int log_target_reopen(struct log_target *target)
{
	int error = 0;

	pthread_mutex_lock(&target->lock);
	if (target->path)
		error = open_locked(target, target->journal, target->path);
	pthread_mutex_unlock(&target->lock);
	return error;
}

void log_target_close(struct log_target *target)
{
	int fd = atomic_exchange(&target->fd, STDERR_FILENO);

	if (fd != STDERR_FILENO)
		close(fd);
	free(target->path);
	target->path = NULL;
}

static ssize_t write_some(struct log_target *target, int fd, const char *text,
			  size_t len)
{
	if (!target->journal)
		return write(fd, text, len);
	return sendto(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&target->socket,
		      sizeof(target->socket));
}

void log_target_write(struct log_target *target, const char *text, size_t len)
{
	int fd = atomic_load_explicit(&target->fd, memory_order_acquire);
	ssize_t n;

	do {
		n = write_some(target, fd, text, len);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)len)
		atomic_fetch_add_explicit(&target->lost, 1,
					  memory_order_relaxed);
}

uint64_t log_target_lost(const struct log_target *target)
{
	return atomic_load_explicit(&target->lost, memory_order_relaxed);
}
