/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands: when each may come (pure checks) and what it does
 * (inbound_verbs.c, inbound_envelope.c, inbound_chunks.c).
 */
#include "gateway/inbound/inbound_session.h"

/* A client that only says NOOP holds a slot for nothing. */
#define IDLE_COMMANDS_MAX 100

/* REPLY_OK, or why the command may not come now. */
typedef enum inbound_reply_id (*check)(const struct inbound_session *);

struct command {
	bool in_clear;	   /* also where TLS is required (RFC 3207 section 4) */
	bool before_hello; /* RFC 5321 section 4.1.4 */
	bool amid_chunks;  /* between BDATs */
	check check;
	enum inbound_state (*proceed)(struct inbound_session *,
				      const struct smtp_command *);
};

static enum inbound_reply_id check_nothing(const struct inbound_session *s)
{
	return REPLY_OK;
}

static enum inbound_reply_id check_starttls(const struct inbound_session *s)
{
	if (s->secure)
		return REPLY_TLS_ALREADY;
	return s->listener->ctx ? REPLY_OK : REPLY_TLS_NOT_OFFERED;
}

static enum inbound_reply_id check_mail(const struct inbound_session *s)
{
	return s->tx ? REPLY_NESTED_MAIL : REPLY_OK;
}

static enum inbound_reply_id check_rcpt(const struct inbound_session *s)
{
	return s->tx ? REPLY_OK : REPLY_MAIL_FIRST;
}

static enum inbound_reply_id check_body(const struct inbound_session *s)
{
	if (!s->tx)
		return REPLY_MAIL_FIRST;
	if (s->tx->phase == INBOUND_REFUSED)
		return REPLY_REFUSED_BEFORE;
	if (s->tx->recipient_count > 0)
		return REPLY_OK;
	return s->tx->recipients_refused ? REPLY_NO_VALID_RECIPIENTS
					 : REPLY_RCPT_FIRST;
}

static enum inbound_reply_id check_missing(const struct inbound_session *s)
{
	return REPLY_NOT_IMPLEMENTED;
}

/* clang-format off */
static const struct command commands[SMTP_VERBS] = {
	/* verb: in clear, before hello, amid chunks, check, proceed */
	[SMTP_HELO] =     {true,  true,  true,  check_nothing,  inbound_do_hello},
	[SMTP_EHLO] =     {true,  true,  true,  check_nothing,  inbound_do_hello},
	[SMTP_STARTTLS] = {true,  true,  false, check_starttls, inbound_do_starttls},
	[SMTP_MAIL] =     {false, false, false, check_mail,     inbound_do_mail},
	[SMTP_RCPT] =     {false, false, false, check_rcpt,     inbound_do_rcpt},
	[SMTP_DATA] =     {false, false, false, check_body,     inbound_do_data},
	[SMTP_BDAT] =     {false, false, true,  check_body,     inbound_do_bdat},
	[SMTP_RSET] =     {true,  true,  true,  check_nothing,  inbound_do_rset},
	[SMTP_NOOP] =     {true,  true,  true,  check_nothing,  inbound_do_noop},
	[SMTP_VRFY] =     {false, true,  true,  check_nothing,  inbound_do_vrfy},
	[SMTP_EXPN] =     {false, true,  true,  check_missing,  NULL},
	[SMTP_HELP] =     {true,  true,  true,  check_nothing,  inbound_do_help},
	[SMTP_QUIT] =     {true,  true,  true,  check_nothing,  inbound_do_quit},
};
/* clang-format on */

static bool amid_chunks(const struct inbound_session *s)
{
	return s->tx && (s->tx->phase == INBOUND_CHUNKS ||
			 s->tx->phase == INBOUND_REFUSED);
}

static enum inbound_reply_id check_all(const struct inbound_session *s,
				       enum smtp_verb verb)
{
	const struct command *command = &commands[verb];

	if (!command->in_clear && !s->secure &&
	    s->listener->config->tls == CONFIG_LISTEN_REQUIRED)
		return REPLY_TLS_FIRST;
	if (!command->before_hello && !s->helo)
		return REPLY_HELLO_FIRST;
	if (!command->amid_chunks && amid_chunks(s))
		return REPLY_CHUNKS_BEGUN;
	return command->check(s);
}

static enum inbound_reply_id parse(const char *line, size_t len,
				   struct smtp_command *out)
{
	switch (smtp_command_parse(line, len, out)) {
	case SMTP_COMMAND_OK:
		return REPLY_OK;
	case SMTP_COMMAND_UNKNOWN:
		return REPLY_UNKNOWN_COMMAND;
	case SMTP_COMMAND_ARGUMENTS:
		return REPLY_ARGUMENTS;
	case SMTP_COMMAND_MALFORMED:
		break;
	}
	return REPLY_MALFORMED;
}

enum inbound_state inbound_command_run(struct inbound_session *s,
				       const char *line, size_t len)
{
	struct smtp_command command;
	enum inbound_reply_id why = parse(line, len, &command);

	if (why == REPLY_OK)
		why = check_all(s, command.verb);
	if (why == REPLY_OK)
		return commands[command.verb].proceed(s, &command);
	if (command.verb == SMTP_BDAT)
		return inbound_refuse_bdat(s, &command, why);
	inbound_refuse(s, why, line);
	return INBOUND_COMMAND;
}

void inbound_idle_command(struct inbound_session *s)
{
	if (++s->idle > IDLE_COMMANDS_MAX)
		s->errors++;
}
