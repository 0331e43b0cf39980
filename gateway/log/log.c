/* SPDX-License-Identifier: Apache-2.0 */
/* The log of this process. */
#include "gateway/log/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "gateway/log/log_journal.h"
#include "gateway/log/log_line.h"
#include "gateway/log/log_target.h"

static struct {
	pthread_mutex_t lock; /* of opening; not of writing */
	struct log_target target;
	enum config_log_format format;
	atomic_int level;
	atomic_int shape;
	atomic_bool journal;
} the_log = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.target = LOG_TARGET_INIT,
	.level = CONFIG_LOG_INFO,
	.shape = LOG_SHAPE_TERMINAL,
};

static enum log_shape choose_shape(enum config_log_format format, int fd)
{
	bool terminal = isatty(fd) == 1;

	if (format == CONFIG_LOG_JSON ||
	    (format == CONFIG_LOG_AUTO && !terminal))
		return LOG_SHAPE_JSON;
	return terminal ? LOG_SHAPE_TERMINAL : LOG_SHAPE_TEXT;
}

static void set_shape(void)
{
	enum log_shape shape =
		choose_shape(the_log.format, atomic_load(&the_log.target.fd));

	atomic_store(&the_log.shape, (int)shape);
}

static int open_locked(const char *file, enum config_log_format format,
		       enum config_log_level level)
{
	bool journal = format == CONFIG_LOG_JOURNALD;
	int error = log_target_open(&the_log.target, journal, file);

	if (error)
		return error;
	the_log.format = format;
	atomic_store(&the_log.journal, journal);
	atomic_store(&the_log.level, (int)level);
	set_shape();
	return 0;
}

int log_open(const char *file, enum config_log_format format,
	     enum config_log_level level)
{
	int error;

	pthread_mutex_lock(&the_log.lock);
	error = open_locked(file, format, level);
	pthread_mutex_unlock(&the_log.lock);
	return error;
}

int log_reopen(void)
{
	int error;

	pthread_mutex_lock(&the_log.lock);
	error = log_target_reopen(&the_log.target);
	if (!error)
		set_shape();
	pthread_mutex_unlock(&the_log.lock);
	return error;
}

bool log_enabled(enum config_log_level level)
{
	return (int)level >=
	       atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

static void write_line(enum config_log_level level, const char *event,
		       const struct log_field *fields)
{
	struct log_line line;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	log_line_format(&line,
			(enum log_shape)atomic_load_explicit(
				&the_log.shape, memory_order_relaxed),
			&now, level, event, fields);
	log_target_write(&the_log.target, line.text, line.len);
}

static void write_entry(enum config_log_level level, const char *event,
			const struct log_field *fields)
{
	struct log_journal entry;

	log_journal_format(&entry, level, event, fields);
	log_target_write(&the_log.target, entry.bytes, entry.len);
}

void log_event_(enum config_log_level level, const char *event,
		const struct log_field *fields)
{
	int saved = errno;

	if (!log_enabled(level))
		return;
	if (atomic_load_explicit(&the_log.journal, memory_order_relaxed))
		write_entry(level, event, fields);
	else
		write_line(level, event, fields);
	errno = saved;
}
