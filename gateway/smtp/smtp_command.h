/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command line read into verb and arguments (RFC 5321 section 4.1.1).
 */
#ifndef GATEWAY_SMTP_SMTP_COMMAND_H
#define GATEWAY_SMTP_SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum smtp_verb {
	SMTP_UNKNOWN, /* not a verb we know */
	SMTP_HELO,
	SMTP_EHLO,
	SMTP_STARTTLS, /* RFC 3207 */
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT, /* RFC 3030 */
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_QUIT,
	SMTP_VERBS
};

enum smtp_command_result {
	SMTP_COMMAND_OK,
	SMTP_COMMAND_UNKNOWN,	/* no such verb: 500 5.5.1 */
	SMTP_COMMAND_MALFORMED, /* control characters, no word: 500 5.5.2 */
	SMTP_COMMAND_ARGUMENTS, /* missing, or where none belong: 501 5.5.4 */
};

struct smtp_command {
	enum smtp_verb verb;
	/* Behind the verb (and behind "FROM:" or "TO:"), without blanks around
	 * it; borrowed from the line. */
	const char *args;
	size_t args_len;
};

/*
 * smtp_command_parse() - @line without its line end; borrowed.  @out->verb is
 * set whatever the result (SMTP_UNKNOWN when no verb was recognised).
 */
enum smtp_command_result smtp_command_parse(const char *line, size_t len,
					    struct smtp_command *out);

/* smtp_verb_name() - "MAIL"; static. */
const char *smtp_verb_name(enum smtp_verb verb);

/*
 * smtp_command_bdat() - BDAT's arguments (RFC 3030 section 2): the chunk's size
 * in octets and LAST.  0, or -EINVAL (then nobody knows where the chunk ends).
 */
int smtp_command_bdat(const char *args, size_t len, uint64_t *size, bool *last);

#endif
