/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a delivery status notification: multipart/report (RFC 6522)
 * with a part for people, a message/delivery-status (RFC 3464) and what is
 * returned of the message.  No I/O: it is composed into memory.
 */
#ifndef GATEWAY_BOUNCE_DSN_H
#define GATEWAY_BOUNCE_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/spool/spool.h"

/* One recipient that could not be reached. Strings are borrowed. */
struct dsn_recipient {
	const char *address; /* without <> */
	uint16_t code;	     /* of the reply, 4xx when it expired */
	const char *status;  /* RFC 3463 "5.1.1"; NULL or "": made from code */
	const char *reply;   /* the next hop's words; hostile */
	const char *remote;  /* the next hop's name or address */
	bool expired;	     /* was tried until its time was over */
};

struct dsn {
	const char *hostname; /* ours: Reporting-MTA, and the sender's domain */
	uint64_t now;	      /* wall clock, ns */
	uint64_t queue_id;    /* of the message that failed */
	const struct spool_view *view; /* of that message */
	const struct dsn_recipient *recipients;
	size_t recipient_count;
	size_t return_max; /* larger messages come back as headers only */
};

/* A composed notification. */
struct dsn_text {
	char *data; /* owned; CRLF line ends */
	size_t len, room;
	bool eight_bit; /* it holds octets >= 0x80 */
	bool failed;	/* no memory */
};

/*
 * dsn_compose() - header and body of the notification, to be delivered from
 * <> to view->envelope.reverse_path.  Nothing of the peers' can end a line or
 * a part.  Returns 0, or -ENOMEM; @out is to be freed either way.
 */
int dsn_compose(const struct dsn *dsn, struct dsn_text *out);
void dsn_text_free(struct dsn_text *text);

#endif
