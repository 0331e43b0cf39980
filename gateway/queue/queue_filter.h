/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the queued mail is meant; all that is given must fit. */
#ifndef GATEWAY_QUEUE_QUEUE_FILTER_H
#define GATEWAY_QUEUE_QUEUE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/spool/spool_glance.h"

/* What a delivery is doing, as people call it. */
enum queue_state {
	QUEUE_READY,	/* due: waits for DNS or a connection */
	QUEUE_ACTIVE,	/* being delivered */
	QUEUE_DEFERRED, /* waits for its next attempt */
	QUEUE_HELD,	/* until somebody releases it */
	QUEUE_STATES
};

const char *queue_state_name(enum queue_state state);

/* Strings are borrowed; NULL: any. Addresses and domains in lower case where
 * ASCII; case does not matter in what they are compared with. */
struct queue_filter {
	unsigned states;	 /* 1 << enum queue_state; 0: any */
	const char *domain;	 /* the recipient's */
	const char *destination; /* "mx1.example,mx2.example:25", or one of its
				  * hosts */
	const char *sender;	 /* "a@b", "@b", "" (the null path) */
	const char *recipient;	 /* "a@b", "@b" */
	const char *reply;	 /* a part of "451 4.7.1 try later" */
	uint64_t before, since;	 /* arrival, wall clock ns; 0: any */
	const uint64_t *ids;	 /* ascending */
	size_t id_count;	 /* 0: any */
};

/* queue_filter_envelope() - is the envelope needed to tell? */
bool queue_filter_envelope(const struct queue_filter *filter);
/* queue_filter_sender() - does the sender fit? */
bool queue_filter_sender(const struct queue_filter *filter, const char *sender);
/* queue_filter_recipient() - do the recipient and its domain fit? */
bool queue_filter_recipient(const struct queue_filter *filter,
			    const char *recipient);
/* queue_filter_reply() - @text as replies_get() gives it, or NULL. */
bool queue_filter_reply(const struct queue_filter *filter, unsigned code,
			const char *text);
/* queue_filter_destination() - is it this text, or does it name that host? */
bool queue_filter_destination(const char *wanted, const char *text);

#endif
