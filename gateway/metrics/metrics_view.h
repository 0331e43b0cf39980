/* SPDX-License-Identifier: Apache-2.0 */
/* Everything there is to show at one moment, and how it looks to Prometheus
 * (text format 0.0.4). docs/metrics.md says what each name means. */
#ifndef GATEWAY_METRICS_METRICS_VIEW_H
#define GATEWAY_METRICS_METRICS_VIEW_H

#include <stdio.h>

#include "gateway/metrics/host_stats.h"
#include "gateway/metrics/worker_stats.h"
#include "gateway/queue/queue_filter.h"

#define METRICS_TOP_MAX 100

struct metrics_destination {
	const char *name;	      /* borrowed; NULL: not known yet */
	uint64_t count[QUEUE_STATES]; /* deliveries */
	uint64_t sessions, limit;
	uint64_t oldest; /* arrival, wall clock, ns; 0: none */
	bool unreachable, suspended;
};

struct metrics_view {
	uint64_t now;		   /* wall clock, ns */
	unsigned workers;	   /* that there are */
	unsigned responding;	   /* that answered in time; the others' figures
				    * are their last ones */
	bool ready;		   /* as /readyz */
	struct worker_stats stats; /* of all workers */
	struct host_stats host;
	/* Those with most mail, and the rest together. */
	struct metrics_destination top[METRICS_TOP_MAX], other, total;
	size_t top_count, destinations, unreachable, suspended;
};

/* metrics_write() - all of it as text. */
void metrics_write(const struct metrics_view *view, FILE *out);

/* metrics_each() - the families, in order. */
struct metrics_family {
	const char *name; /* "ringpost_..." */
	const char *type; /* "counter", "gauge", "histogram" */
	const char *help;
};
void metrics_each(void (*fn)(void *arg, const struct metrics_family *family),
		  void *arg);

#endif
