/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening to the dialogue of sessions, for operators.  While nobody listens
 * it costs one branch per line.  Message bodies are not shown, nor what
 * stands behind AUTH.
 */
#ifndef GATEWAY_OUTBOUND_OUTBOUND_TRACE_H
#define GATEWAY_OUTBOUND_OUTBOUND_TRACE_H

#include "gateway/outbound/outbound.h"

enum outbound_trace_kind {
	OUTBOUND_TRACE_NOTE, /* what happens to the connection */
	OUTBOUND_TRACE_SENT,
	OUTBOUND_TRACE_RECEIVED,
};

/* A line; borrowed for the call. */
struct outbound_trace_line {
	enum outbound_trace_kind kind;
	uint64_t session;			  /* its number, from 1 */
	void *destination;			  /* as in outbound_open() */
	const struct outbound_delivery *delivery; /* NULL: none just now */
	const char *relay;			  /* "[192.0.2.1]:25" */
	const char *host;
	const char *text; /* without a line end; not NUL-terminated */
	size_t len;
};

struct outbound_trace {
	void (*fn)(void *arg, const struct outbound_trace_line *line);
	void *arg;
};

/* outbound_set_trace() - @trace (borrowed; NULL: nobody) hears all sessions.
 * It must not act on them. */
void outbound_set_trace(struct outbound *outbound,
			const struct outbound_trace *trace);

#endif
