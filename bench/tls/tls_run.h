/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: goes through a plan with a server, run by run.
 */
#ifndef BENCH_TLS_RUN_H
#define BENCH_TLS_RUN_H

#include <stdbool.h>

#include "bench/tls/tls_result.h"
#include "bench/tls/tls_usage.h"

/* Says how far the work is; `row` is the one that is now measured. */
typedef void (*tls_progress_fn)(void *arg, const struct tls_row *row,
				unsigned repeat, size_t done, size_t all);

struct tls_run {
	const struct tls_plan *plan;
	const char *folder; /* for the file of messages */
	enum tls_counter counter;
	bool loopback;		  /* the server is this machine */
	tls_progress_fn progress; /* may be NULL */
	void *progress_arg;
};

/*
 * tls_run() - `control` is a connection to a server; taken. @out is filled;
 * tls_result_free() it in any case. 0; or -errno with `error` (TLS_ERROR)
 * filled when the work could not go on. What a machine can't do, and runs that
 * failed, are rows with a reason.
 */
int tls_run(const struct tls_run *run, int control, struct tls_result *out,
	    char *error);

#endif
