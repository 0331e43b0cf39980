/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destinations that an operator has suspended, kept in a file: a restart must
 * not let mail loose on a server whose owner asked for silence.  Shared by all
 * workers.  What is suspended itself is the destination's throttle
 * (throttle_suspend()); this says which ones must be when they come to be.
 */
#ifndef GATEWAY_QUEUE_SUSPENDED_H
#define GATEWAY_QUEUE_SUSPENDED_H

#include <stdbool.h>
#include <stddef.h>

#define SUSPENDED_MAX 1000 /* names */
/* As far away as a ring's clock is concerned: a hundred years. */
#define SUSPENDED_TIME (UINT64_C(100) * 365 * 86400 * 1000000000)

struct suspended;

/* suspended_open() - read @path, which need not be there. @out: returned
 * owned. 0, -EINVAL (the file is damaged), -errno. */
int suspended_open(const char *path, struct suspended **out);
void suspended_close(struct suspended **suspended); /* accepts NULL; clears */

/*
 * suspended_add(), suspended_remove() - @name is a destination's text, one of
 * its hosts, or a domain.  The file is changed durably first.  1: it was so
 * already; 0; -ENOSPC (too many), -errno of the file.
 */
int suspended_add(struct suspended *s, const char *name, const char *by);
int suspended_remove(struct suspended *s, const char *name);

/* suspended_has() - shall a destination (or the mail for @domain, which may be
 * NULL, to it) be suspended? Any thread; @s may be NULL. */
bool suspended_has(struct suspended *s, const char *destination,
		   const char *domain);

/* suspended_each() - @fn for each name, under a lock. */
void suspended_each(struct suspended *s,
		    void (*fn)(void *arg, const char *name), void *arg);

#endif
