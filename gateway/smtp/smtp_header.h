/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a message's header while it streams by: how many Received fields
 * there are (mail loops, RFC 5321 section 6.3), and where the header ends.
 */
#ifndef GATEWAY_SMTP_SMTP_HEADER_H
#define GATEWAY_SMTP_SMTP_HEADER_H

#include <stdbool.h>
#include <stddef.h>

struct smtp_header {
	unsigned received; /* fields counted so far */
	bool ended;	   /* the empty line was there; feeding is over */
	/* Private: where in the line the next byte stands. */
	unsigned char matched; /* letters of "received" */
	unsigned char place;
};

void smtp_header_start(struct smtp_header *header);

/* smtp_header_feed() - the next bytes in stored form, in pieces of any size;
 * harmless when the header has ended. */
void smtp_header_feed(struct smtp_header *header, const unsigned char *data,
		      size_t len);

#endif
