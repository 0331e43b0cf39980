/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder in a log where a repair keeps what was broken: damaged segments
 * as they were, and what is left of messages that lost a part.
 */
#ifndef GATEWAY_SPOOL_SPOOL_ASIDE_H
#define GATEWAY_SPOOL_SPOOL_ASIDE_H

#include "gateway/spool/spool_private.h"

struct spool_aside {
	int log_fd; /* the log's folder; borrowed */
	int fd;	    /* -1: not made yet, nothing was set aside */
	char name[40];
};

/* Make the folder if it isn't there. 0 or -errno. */
int spool_aside_open(struct spool_aside *aside);
/* Sync what is in it and close it. 0 or -errno. */
int spool_aside_close(struct spool_aside *aside);

/* A copy of the log's file @name, as it is; what can't be read is a hole.
 * On stable storage when it returns 0; else -errno. */
int spool_aside_copy(struct spool_aside *aside, const char *name);
/* The log's file (or whatever it is) itself. 0 or -errno. */
int spool_aside_move(struct spool_aside *aside, const char *name);

/*
 * spool_aside_message() - what can be read of @message, as <id>.eml: lines that
 * say whose it was and what is missing, its trace header, its body without
 * the missing parts.  Returns 0 or -errno.
 */
int spool_aside_message(struct spool_aside *aside,
			const struct spool_message *message);

#endif
