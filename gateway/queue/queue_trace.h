/* SPDX-License-Identifier: Apache-2.0 */
/* Listening to the sessions of one destination, or about one message. */
#ifndef GATEWAY_QUEUE_QUEUE_TRACE_H
#define GATEWAY_QUEUE_QUEUE_TRACE_H

#include "gateway/outbound/outbound_trace.h"
#include "gateway/queue/queue.h"

struct queue_trace {
	const char *destination; /* its text, a host, or a domain; or NULL */
	uint64_t id;		 /* of the message; 0: any */
	void (*fn)(void *arg, const struct outbound_trace_line *line);
	void *arg;
	struct queue_trace *next; /* the queue's */
};

/* queue_trace_begin() - @trace is borrowed until queue_trace_end(). */
void queue_trace_begin(struct queue *queue, struct queue_trace *trace);
void queue_trace_end(struct queue *queue, struct queue_trace *trace);

#endif
