/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a message's header while it streams by: how many Received fields
 * there are (mail loops, RFC 5321 section 6.3), the Message-ID, and where the
 * header ends.
 */
#ifndef GATEWAY_SMTP_SMTP_HEADER_H
#define GATEWAY_SMTP_SMTP_HEADER_H

#include <stdbool.h>
#include <stddef.h>

/* Octets kept of a Message-ID, with its NUL: RFC 5322 names no limit, and what
 * real ones have is below. */
#define SMTP_MESSAGE_ID_SIZE 200

struct smtp_header {
	unsigned received; /* fields counted so far */
	bool ended;	   /* the empty line was there; feeding is over */
	/* Of the first Message-ID, without blanks; "": none so far. */
	char message_id[SMTP_MESSAGE_ID_SIZE];
	/* Private: where in the line the next byte stands. */
	unsigned char name;    /* which one may match */
	unsigned char matched; /* letters of it */
	unsigned char place;
	unsigned char id_len;
};

void smtp_header_start(struct smtp_header *header);

/* smtp_header_feed() - the next bytes in stored form, in pieces of any size;
 * harmless when the header has ended. */
void smtp_header_feed(struct smtp_header *header, const unsigned char *data,
		      size_t len);

#endif
