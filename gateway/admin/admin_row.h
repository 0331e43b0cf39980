/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows: what workers answer.  A row is one piece of memory, made by a worker,
 * read and freed by the control thread.
 */
#ifndef GATEWAY_ADMIN_ADMIN_ROW_H
#define GATEWAY_ADMIN_ADMIN_ROW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/outbound/outbound_trace.h"
#include "gateway/queue/deferrals.h"
#include "gateway/queue/queue_look.h"

enum admin_row_kind {
	ADMIN_ROW_ENTRY,     /* a delivery */
	ADMIN_ROW_DOMAIN,    /* a domain with mail */
	ADMIN_ROW_MESSAGE,   /* a message, shown */
	ADMIN_ROW_RECIPIENT, /* one of its recipients */
	ADMIN_ROW_BYTES,     /* a piece of it */
	ADMIN_ROW_TRACE,     /* a line of a dialogue */
	ADMIN_ROW_DEFERRAL,  /* what deferred some recipient */
};

/* A recipient whose result is final: one more state. */
#define ADMIN_DONE QUEUE_STATES

/* Strings point into the row's own memory; NULL: not known. */
struct admin_row {
	struct admin_row *next;
	size_t size; /* of all of it */
	enum admin_row_kind kind;
	uint64_t id;
	uint64_t arrival, due; /* wall clock, ns; 0: none */
	unsigned state;	       /* enum queue_state, or ADMIN_DONE */
	unsigned attempts, code;
	const char *domain, *destination, *route, *reply;
	const char *sender, *client;
	const char *recipient;	/* the first of those that are open */
	size_t recipient_count; /* open ones */
	uint64_t message_size;
	uint32_t flags;
	/* DOMAIN */
	size_t count[QUEUE_STATES];
	uint64_t reply_at;
	unsigned sessions, limit;
	bool unreachable, suspended, fallback;
	/* DEFERRAL: arrival is its time, reply all of it, sender where it was
	 * said */
	/* TRACE: arrival is its time, reply its text, client the relay,
	 * destination the host, state the kind */
	uint64_t dropped; /* before it */
	uint64_t session;
	/* BYTES */
	size_t len;
	const unsigned char *bytes;
	char text[];
};

/* Makers: NULL without memory. Freed with free(). */
struct admin_row *admin_row_entry(const struct queue_entry *entry);
struct admin_row *admin_row_domain(const struct queue_domain *domain);
struct admin_row *admin_row_message(const struct queue_entry *entry,
				    const struct spool_glance *glance);
/* @entry: the delivery that has it; NULL: its result is final. */
struct admin_row *admin_row_recipient(const struct queue_entry *entry,
				      const char *recipient);
struct admin_row *admin_row_deferral(const struct deferral *deferral);
struct admin_row *admin_row_trace(const struct outbound_trace_line *line,
				  uint64_t now, uint64_t dropped);
struct admin_row *admin_row_bytes(uint64_t id, const void *bytes, size_t len);

/* admin_row_json() - as clients see it; NULL without memory. @now: wall clock,
 * for ages. */
json_t *admin_row_json(const struct admin_row *row, uint64_t now);

/* admin_json_text() - a string with what is not UTF-8 replaced; null for NULL.
 * Returned owned, NULL without memory. */
json_t *admin_json_text(const char *text);
/* admin_json_time() - "2026-11-23T22:00:00.123Z"; null for 0. */
json_t *admin_json_time(uint64_t ns);

#endif
