/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reverse-path and forward-path (RFC 5321 section 4.1.2; RFC 6531 for octets
 * beyond ASCII).
 */
#ifndef GATEWAY_SMTP_SMTP_PATH_H
#define GATEWAY_SMTP_SMTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Limits of RFC 5321 section 4.5.3.1, in octets. */
#define SMTP_LOCAL_MAX	 64
#define SMTP_DOMAIN_MAX	 255
#define SMTP_PATH_MAX	 256 /* with < and > */
#define SMTP_MAILBOX_MAX (SMTP_PATH_MAX - 2)

enum smtp_path_kind {
	SMTP_REVERSE_PATH,
	SMTP_FORWARD_PATH
};

enum smtp_path_result {
	SMTP_PATH_OK,
	SMTP_PATH_SYNTAX, /* 501 5.1.7 or 5.1.3 */
	SMTP_PATH_LENGTH, /* a limit above: 501 */
};

struct smtp_path {
	char mailbox[SMTP_MAILBOX_MAX + 1]; /* without <>; "": null path */
	size_t len;
	const char *domain; /* within mailbox, behind the last '@'; NULL: the
			     * null path, or <Postmaster> (section 4.1.1.3) */
	bool utf8;	    /* has octets beyond ASCII: needs SMTPUTF8 */
};

/*
 * smtp_path_parse() - read a path that @text begins with.
 * The null path is only a reverse-path, <Postmaster> only a forward-path. A
 * source route is read and dropped (appendix C). UTF-8 is read, and said by
 * @out->utf8, because the parameter that permits it comes later.
 * @used: octets taken, up to and with '>'.
 */
enum smtp_path_result smtp_path_parse(const char *text, size_t len,
				      enum smtp_path_kind kind,
				      struct smtp_path *out, size_t *used);

/* smtp_domain_valid() - a domain or an address literal (section 4.1.2, 4.1.3);
 * @utf8: U-labels too. */
bool smtp_domain_valid(const char *text, size_t len, bool utf8);

#endif
