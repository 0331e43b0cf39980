/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sender asks for about notifications: RET, ENVID, NOTIFY and ORCPT
 * (RFC 3461 section 4).
 *
 * They are kept, in the spool too, as the parameters they came as: that is
 * what the next hop is told, and what smtp_params.h reads again.
 */
#ifndef GATEWAY_SMTP_SMTP_DSN_H
#define GATEWAY_SMTP_SMTP_DSN_H

#include <stdbool.h>
#include <stddef.h>

/* Of their values, in octets as they are sent (RFC 3461 section 4). */
#define SMTP_ENVID_MAX 100
#define SMTP_ORCPT_MAX 500

/* The longest text of each kind, with its NUL. */
#define SMTP_DSN_MAIL_SIZE (sizeof(" RET=HDRS ENVID=") + SMTP_ENVID_MAX)
#define SMTP_DSN_RCPT_SIZE \
	(sizeof(" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=") + SMTP_ORCPT_MAX)

/* What comes back with a failure. */
enum smtp_ret {
	SMTP_RET_UNSAID,
	SMTP_RET_FULL, /* the message */
	SMTP_RET_HDRS, /* its header */
};

/* NOTIFY's words; none of them: it was not given. */
#define SMTP_NOTIFY_NEVER   1u
#define SMTP_NOTIFY_SUCCESS 2u
#define SMTP_NOTIFY_FAILURE 4u
#define SMTP_NOTIFY_DELAY   8u

/* Values are borrowed from the text that was read, as they stand there. */
struct smtp_dsn_mail {
	enum smtp_ret ret;
	const char *envid; /* xtext; NULL: not given */
	size_t envid_len;
};

struct smtp_dsn_rcpt {
	unsigned notify;
	const char *orcpt; /* "rfc822;" and xtext; NULL: not given */
	size_t orcpt_len;
	bool utf8; /* orcpt has octets beyond ASCII (RFC 6533 section 3) */
};

/* Readers of the four values. False: not one (then 501). */
bool smtp_dsn_ret(const char *text, size_t len, struct smtp_dsn_mail *out);
bool smtp_dsn_envid(const char *text, size_t len, struct smtp_dsn_mail *out);
bool smtp_dsn_notify(const char *text, size_t len, struct smtp_dsn_rcpt *out);
bool smtp_dsn_orcpt(const char *text, size_t len, struct smtp_dsn_rcpt *out);

/*
 * smtp_dsn_mail_write() - " RET=HDRS ENVID=QQ314159" as it goes behind the
 * path, "" when nothing was given.  Returns @out.
 */
const char *smtp_dsn_mail_write(const struct smtp_dsn_mail *mail,
				char out[SMTP_DSN_MAIL_SIZE]);
const char *smtp_dsn_rcpt_write(const struct smtp_dsn_rcpt *rcpt,
				char out[SMTP_DSN_RCPT_SIZE]);

/*
 * smtp_dsn_original() - ORCPT's address as a header field has it: xtext decoded,
 * one of type utf-8 as it stands (its '+' means itself, RFC 6533 section 3).
 * @rcpt: has an orcpt.  @type_len: of the address type in front of ';'.
 */
void smtp_dsn_original(const struct smtp_dsn_rcpt *rcpt,
		       char out[SMTP_ORCPT_MAX + 1], size_t *type_len);

/*
 * smtp_xtext_decode() - what xtext (RFC 3461 section 4) stands for, into
 * @out with a NUL; never longer than it.  Nothing but printable ASCII comes
 * of an ENVID that was read.
 * @out: at least @len + 1 octets.
 */
void smtp_xtext_decode(const char *text, size_t len, char *out);

#endif
