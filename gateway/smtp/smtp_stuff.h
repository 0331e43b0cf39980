/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dot-stuffing for DATA going out (RFC 5321 section 4.5.2): a stored body
 * (CRLF line ends, dots undoubled) becomes its wire form.
 */
#ifndef GATEWAY_SMTP_SMTP_STUFF_H
#define GATEWAY_SMTP_SMTP_STUFF_H

#include <stdbool.h>
#include <stddef.h>

struct smtp_stuff {
	bool line_start; /* the next byte begins a line */
	bool cr;	 /* the last byte was CR */
};

void smtp_stuff_start(struct smtp_stuff *stuff);

/*
 * smtp_stuff_run() - the longest prefix of @data that goes out as it is.
 * Returns its length; *dot is set when a '.' must be sent before what
 * follows it (then call again with the rest).
 */
size_t smtp_stuff_run(struct smtp_stuff *stuff, const unsigned char *data,
		      size_t len, bool *dot);

/* smtp_stuff_end() - what ends the data: ".\r\n", or "\r\n.\r\n" when the body
 * did not end with CRLF. Static. */
const char *smtp_stuff_end(const struct smtp_stuff *stuff);
#endif
