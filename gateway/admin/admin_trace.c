/* SPDX-License-Identifier: Apache-2.0 */
/* `trace`: rows come as sessions speak, until nobody listens any more. */
#include "gateway/admin/admin_job.h"

#include <stdlib.h>
#include <time.h>

static void on_line(void *arg, const struct outbound_trace_line *line)
{
	struct admin_job *job = arg;
	struct timespec now;
	struct admin_row *row;

	/* Never waited for: a reader that is slow misses some. */
	if (admin_port_full(job->port)) {
		job->dropped++;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	row = admin_row_trace(line,
			      (uint64_t)now.tv_sec * 1000000000u +
				      (uint64_t)now.tv_nsec,
			      job->dropped);
	if (!row) {
		job->dropped++;
		return;
	}
	job->dropped = 0;
	(void)admin_port_put(job->port, row);
}

void admin_trace_begin(struct admin_job *job)
{
	const struct admin_request *request = job->port->request;
	struct admin_row *row; /* says that this worker listens */

	job->trace = (struct queue_trace){
		.destination = request->destination,
		.id = request->ids ? request->ids[0] : 0,
		.fn = on_line,
		.arg = job,
	};
	job->tracing = true;
	queue_trace_begin(job->queue, &job->trace);
	row = admin_row_bytes(0, "", 0);
	if (row)
		(void)admin_port_put(job->port, row);
}

void admin_trace_end(struct admin_job *job)
{
	if (job->tracing)
		queue_trace_end(job->queue, &job->trace);
	job->tracing = false;
}
