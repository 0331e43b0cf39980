/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of MAIL and RCPT (RFC 5321 section 4.1.1.11): SIZE (RFC 1870),
 * BODY (RFC 6152), SMTPUTF8 (RFC 6531), those of DSN (RFC 3461).
 */
#ifndef GATEWAY_SMTP_SMTP_PARAMS_H
#define GATEWAY_SMTP_SMTP_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/smtp/smtp_dsn.h"

enum smtp_params_result {
	SMTP_PARAMS_OK,
	SMTP_PARAMS_SYNTAX,  /* malformed, or given twice: 501 5.5.4 */
	SMTP_PARAMS_UNKNOWN, /* not one of ours: 555 5.5.4 */
};

struct smtp_mail_params {
	bool has_size;
	uint64_t size; /* octets; UINT64_MAX: more than fits */
	bool has_body;
	bool body_8bitmime;
	bool smtputf8;
	struct smtp_dsn_mail dsn; /* borrows from the text */
};

/* smtp_params_mail() - what follows the path of MAIL; @text may be empty. */
enum smtp_params_result smtp_params_mail(const char *text, size_t len,
					 struct smtp_mail_params *out);

/* smtp_params_rcpt() - what follows the path of RCPT; @out borrows from @text.
 */
enum smtp_params_result smtp_params_rcpt(const char *text, size_t len,
					 struct smtp_dsn_rcpt *out);

#endif
