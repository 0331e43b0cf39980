/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few threads that stay and do one task after another together: rings
 * belong to the thread that made them, so threads can't be made anew for each
 * stretch of a run.
 */
#ifndef BENCH_TLS_CREW_H
#define BENCH_TLS_CREW_H

#include <stddef.h>

/* Room for why something failed. */
#define TLS_ERROR 320

struct tls_crew;

/* The task of one thread. 0 or -errno with `error` (TLS_ERROR) filled. */
typedef int (*tls_task_fn)(void *arg, unsigned thread, char *error);

/* tls_crew_create() - `threads` threads, waiting. 0 or -errno. */
int tls_crew_create(unsigned threads, struct tls_crew **out);

/* tls_crew_run() - the task on each thread; back when all are done. The first
 * failure of any with its `error` (TLS_ERROR), or 0. */
int tls_crew_run(struct tls_crew *crew, tls_task_fn task, void *arg,
		 char *error);

/* tls_crew_free() - ends and joins the threads; accepts NULL. */
void tls_crew_free(struct tls_crew **crew);

#endif
