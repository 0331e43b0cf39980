/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lines go.
 *
 * Threads write without a lock: the descriptor's number never changes once the
 * log was opened, a new file is dup3()ed onto it, which is atomic.
 */
#include "gateway/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/log/log_line.h"

static struct {
	pthread_mutex_t lock; /* of opening; not of writing */
	char *file;	      /* NULL: standard error */
	enum config_log_format format;
	atomic_int fd; /* standard error until opened */
	atomic_int level;
	atomic_int shape;
} the_log = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.fd = STDERR_FILENO,
	.level = CONFIG_LOG_INFO,
	.shape = LOG_SHAPE_TERMINAL,
};

static int open_target(const char *file)
{
	int fd;

	if (file)
		fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
			  0640);
	else
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

static enum log_shape choose_shape(enum config_log_format format, int fd)
{
	bool terminal = isatty(fd) == 1;

	if (format == CONFIG_LOG_JSON ||
	    (format == CONFIG_LOG_AUTO && !terminal))
		return LOG_SHAPE_JSON;
	return terminal ? LOG_SHAPE_TERMINAL : LOG_SHAPE_TEXT;
}

/* Takes @fd. */
static int redirect(int fd)
{
	int mine = atomic_load(&the_log.fd);
	int error = 0;

	if (mine == STDERR_FILENO) {
		atomic_store(&the_log.fd, fd);
		return 0;
	}
	if (dup3(fd, mine, O_CLOEXEC) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int open_locked(const char *file, enum config_log_format format)
{
	int fd = open_target(file);
	enum log_shape shape;
	int error;

	if (fd < 0)
		return fd;
	shape = choose_shape(format, fd);
	error = redirect(fd);
	if (!error)
		atomic_store(&the_log.shape, (int)shape);
	return error;
}

int log_open(const char *file, enum config_log_format format,
	     enum config_log_level level)
{
	char *copy = file ? strdup(file) : NULL;
	int error;

	if (file && !copy)
		return -ENOMEM;
	pthread_mutex_lock(&the_log.lock);
	error = open_locked(file, format);
	if (!error) {
		free(the_log.file);
		the_log.file = copy;
		the_log.format = format;
		copy = NULL;
		atomic_store(&the_log.level, (int)level);
	}
	pthread_mutex_unlock(&the_log.lock);
	free(copy);
	return error;
}

int log_reopen(void)
{
	int error = 0;

	pthread_mutex_lock(&the_log.lock);
	if (the_log.file)
		error = open_locked(the_log.file, the_log.format);
	pthread_mutex_unlock(&the_log.lock);
	return error;
}

bool log_enabled(enum config_log_level level)
{
	return (int)level >=
	       atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

/* A line that can't be written is lost: a full disk must not stop mail. */
static void write_line(const struct log_line *line)
{
	int fd = atomic_load_explicit(&the_log.fd, memory_order_acquire);
	ssize_t n;

	do {
		n = write(fd, line->text, line->len);
	} while (n < 0 && errno == EINTR);
}

void log_event_(enum config_log_level level, const char *event,
		const struct log_field *fields)
{
	struct log_line line;
	struct timespec now;
	int saved = errno;

	if (!log_enabled(level))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	log_line_format(&line,
			(enum log_shape)atomic_load_explicit(
				&the_log.shape, memory_order_relaxed),
			&now, level, event, fields);
	write_line(&line);
	errno = saved;
}
