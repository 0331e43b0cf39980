/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of the source came to, for people or as JSON. */
#ifndef BENCH_SOURCE_REPORT_H
#define BENCH_SOURCE_REPORT_H

#include "bench/source/source_run.h"

/* Prints it and gives the exit status that it deserves. */
int source_report(const struct source_config *config,
		  const struct source_totals *totals,
		  const struct source_latency *latency);

#endif
