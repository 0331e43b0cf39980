/* SPDX-License-Identifier: Apache-2.0 */
/* The sink as a whole: listener, threads, signals. */
#ifndef BENCH_SINK_RUN_H
#define BENCH_SINK_RUN_H

#include "bench/sink/sink_session.h"

/*
 * Listens and serves until SIGTERM or SIGINT, then lets messages under way
 * finish. 0 with the totals, or -errno with the reason in error when it could
 * not even start.
 */
int sink_run(const struct sink_config *config, struct sink_totals *totals,
	     char *error, size_t cap);

#endif
