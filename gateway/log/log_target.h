/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lines go: a file, standard error, or journald's socket.
 *
 * Threads write without a lock: the descriptor's number never changes once the
 * target was opened, a new file is dup3()ed onto it, which is atomic.  What
 * can't be written is lost and counted: a full disk must not stop mail.
 */
#ifndef GATEWAY_LOG_LOG_TARGET_H
#define GATEWAY_LOG_LOG_TARGET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

struct log_target {
	pthread_mutex_t lock; /* of opening; not of writing */
	char *path;	      /* owned; NULL: standard error */
	bool journal;	      /* path is a datagram socket */
	struct sockaddr_un socket;
	atomic_int fd; /* standard error until opened */
	atomic_uint_fast64_t lost;
};

#define LOG_TARGET_INIT                                    \
	{                                                  \
		.lock = PTHREAD_MUTEX_INITIALIZER, .fd = 2 \
	}

/* log_target_open() - also anew, elsewhere. @path: copied; NULL: standard
 * error, or journald's usual socket. 0 or -errno, then all is as before. */
int log_target_open(struct log_target *target, bool journal, const char *path);
/* log_target_reopen() - the same path: after rotation. 0 or -errno. */
int log_target_reopen(struct log_target *target);
/* log_target_close() - with no thread writing any more. */
void log_target_close(struct log_target *target);

/* log_target_write() - from any thread, whole or not at all; waits for a disk,
 * never for journald. */
void log_target_write(struct log_target *target, const char *text, size_t len);
/* log_target_lost() - entries that could not be written, so far. */
uint64_t log_target_lost(const struct log_target *target);

#endif
