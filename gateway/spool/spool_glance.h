/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A glance at a queued message, for those who look at the queue: its envelope
 * and pieces of its body as they stand in the mapped log.  Lengths are
 * checked, checksums are not, nothing is allocated.  Delivery uses
 * spool_view().
 */
#ifndef GATEWAY_SPOOL_SPOOL_GLANCE_H
#define GATEWAY_SPOOL_SPOOL_GLANCE_H

#include "gateway/spool/spool.h"

/* Everything points into the log: valid until the ring's next turn. */
struct spool_glance {
	uint64_t arrival;   /* wall clock, ns */
	uint64_t size;	    /* of the body */
	uint32_t flags;	    /* SPOOL_8BITMIME... */
	const char *client; /* "[127.0.0.1]:40000" */
	const char *sender; /* without <>; "" for the null path */
	size_t recipient_count;
	const char *first; /* recipient; see spool_glance_next() */
	const void *trace;
	size_t trace_len;
};

/* spool_glance() - 0, -EBADMSG (damaged) or -ENOMEM (no map). */
int spool_glance(struct spool_message *message, struct spool_glance *out);

/* spool_glance_next() - the recipient behind @recipient; there must be one. */
const char *spool_glance_next(const char *recipient);

/* spool_glance_body() - what stands at @offset of the body, as far as it is in
 * one piece; *len 0: the end. 0, -EBADMSG or -ENOMEM. */
int spool_glance_body(struct spool_message *message, uint64_t offset,
		      const unsigned char **data, size_t *len);

#endif
