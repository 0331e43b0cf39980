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

/* What became of a recipient, the gravest last.  A relay never says
 * "delivered" (RFC 3464 section 2.3.3). */
enum dsn_action {
	DSN_NOTHING, /* nobody is to be told */
	DSN_RELAYED, /* to a host that will not report itself */
	DSN_DELAYED,
	DSN_FAILED,
	DSN_ACTIONS
};

/* dsn_action_name() - "failed", as in the report and in the log; static. */
const char *dsn_action_name(enum dsn_action action);

/* One recipient of the message. Strings are borrowed. */
struct dsn_recipient {
	const char *address; /* without <> */
	const char *dsn;     /* what RCPT asked for, as smtp_dsn_rcpt_write()
			      * writes it; NULL: nothing */
	enum dsn_action action;
	uint16_t code; /* of the reply; 0: @reply has it; with @ours it only
			* says which class it would be */
	const char *status; /* RFC 3463 "5.1.1"; NULL or "": made from code */
	const char *reply; /* the next hop's words; with '\n' between lines each
			    * has its code; hostile */
	const char *remote; /* the next hop's name or address, NULL: unknown */
	bool ours;    /* the words are this relay's own, about the next hop */
	bool expired; /* was tried until its time was over */
};

struct dsn {
	const char *hostname; /* ours: Reporting-MTA, and the sender's domain */
	uint64_t now;	      /* wall clock, ns */
	uint64_t queue_id;    /* of the message it is about */
	const struct spool_view *view; /* of that message */
	const struct dsn_recipient *recipients;
	size_t recipient_count;
	size_t return_max;    /* larger messages come back as headers only */
	uint64_t retry_until; /* wall clock, ns: for what is delayed */
};

/* A composed notification. */
struct dsn_text {
	char *data; /* owned; CRLF line ends */
	size_t len, room;
	bool eight_bit; /* it holds octets >= 0x80 */
	bool utf8;	/* in its header or status, too: needs SMTPUTF8 */
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
