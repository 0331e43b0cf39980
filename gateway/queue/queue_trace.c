/* SPDX-License-Identifier: Apache-2.0 */
/* Listening to some sessions (queue_trace.h). */
#include "gateway/queue/queue_trace.h"

#include <assert.h>
#include <strings.h>

#include "gateway/queue/queue_filter.h"
#include "gateway/queue/queue_private.h"

static const struct domain *domain_of(const struct outbound_delivery *delivery)
{
	return ((const struct delivery_run *)(const void *)delivery)
		->delivery->domain;
}

static bool is_meant(const struct queue_trace *trace,
		     const struct outbound_trace_line *line)
{
	const struct destination *d = line->destination;

	if (trace->id)
		return line->delivery && line->delivery->id == trace->id;
	if (queue_filter_destination(trace->destination, d->text))
		return true;
	return line->delivery &&
	       strcasecmp(trace->destination,
			  domain_of(line->delivery)->name) == 0;
}

static void on_line(void *arg, const struct outbound_trace_line *line)
{
	struct queue *queue = arg;
	struct outbound_trace_line known = *line;

	/* Workers count for themselves. */
	known.session = line->session * 64 + queue->config.worker;

	for (struct queue_trace *t = queue->traces; t; t = t->next)
		if (is_meant(t, line))
			t->fn(t->arg, &known);
}

void queue_trace_begin(struct queue *queue, struct queue_trace *trace)
{
	trace->next = queue->traces;
	queue->traces = trace;
	queue->tracer = (struct outbound_trace){.fn = on_line, .arg = queue};
	outbound_set_trace(queue->outbound, &queue->tracer);
}

void queue_trace_end(struct queue *queue, struct queue_trace *trace)
{
	struct queue_trace **at = &queue->traces;

	while (*at && *at != trace)
		at = &(*at)->next;
	assert(*at);
	*at = trace->next;
	if (!queue->traces)
		outbound_set_trace(queue->outbound, NULL);
}
