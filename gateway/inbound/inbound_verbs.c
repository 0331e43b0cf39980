/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the session: HELO, EHLO, STARTTLS, RSET, NOOP, VRFY, HELP, QUIT. */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/inbound_session.h"
#include "gateway/smtp/smtp_path.h"

static void say_extensions(struct inbound_session *s)
{
	const struct config *config = s->pool->config.config;

	inbound_printf(s, "250-%s\r\n", config->hostname);
	inbound_printf(s, "250-PIPELINING\r\n");
	inbound_printf(s, "250-SIZE %llu\r\n",
		       (unsigned long long)config->limits.message_size);
	if (s->listener->ctx && !s->secure)
		inbound_printf(s, "250-STARTTLS\r\n");
	inbound_printf(s, "250-ENHANCEDSTATUSCODES\r\n");
	inbound_printf(s, "250-8BITMIME\r\n");
	inbound_printf(s, "250-SMTPUTF8\r\n");
	inbound_printf(s, "250-DSN\r\n");
	inbound_printf(s, "250 CHUNKING\r\n");
}

/* What clients call themselves is rarely right; one printable word must do. */
static bool hello_valid(const struct smtp_command *command)
{
	if (command->args_len > SMTP_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < command->args_len; i++)
		if (command->args[i] <= ' ' || command->args[i] >= 0x7f)
			return false;
	return true;
}

/* Both reset the session (RFC 5321 section 4.1.4). */
enum inbound_state inbound_do_hello(struct inbound_session *s,
				    const struct smtp_command *command)
{
	char *name;

	if (!hello_valid(command)) {
		inbound_refuse(s, REPLY_ARGUMENTS, command->args);
		return INBOUND_COMMAND;
	}
	name = strndup(command->args, command->args_len);
	if (!name) {
		inbound_say(s, REPLY_NO_MEMORY);
		return INBOUND_COMMAND;
	}
	inbound_reset(s);
	free(s->helo);
	s->helo = name;
	s->extended = command->verb == SMTP_EHLO;
	inbound_idle_command(s);
	if (s->extended)
		say_extensions(s);
	else
		inbound_printf(s, "250 %s\r\n",
			       s->pool->config.config->hostname);
	return INBOUND_COMMAND;
}

/* What came behind it in clear was perhaps put there by somebody else, and
 * must never be taken for the client's words under TLS (RFC 3207 section 6;
 * CVE-2011-0411). */
enum inbound_state inbound_do_starttls(struct inbound_session *s,
				       const struct smtp_command *command)
{
	const unsigned char *data;

	if (ktls_stream_peek(&s->stream, &data) > 0) {
		inbound_say(s, REPLY_INJECTION);
		s->end = INBOUND_END_INJECTION;
		return INBOUND_CLOSING;
	}
	inbound_say(s, REPLY_START_TLS);
	return INBOUND_TLS;
}

enum inbound_state inbound_do_rset(struct inbound_session *s,
				   const struct smtp_command *command)
{
	inbound_reset(s);
	inbound_idle_command(s);
	inbound_say(s, REPLY_OK);
	return INBOUND_COMMAND;
}

enum inbound_state inbound_do_noop(struct inbound_session *s,
				   const struct smtp_command *command)
{
	inbound_idle_command(s);
	inbound_say(s, REPLY_OK);
	return INBOUND_COMMAND;
}

enum inbound_state inbound_do_vrfy(struct inbound_session *s,
				   const struct smtp_command *command)
{
	inbound_idle_command(s);
	inbound_say(s, REPLY_VRFY);
	return INBOUND_COMMAND;
}

enum inbound_state inbound_do_help(struct inbound_session *s,
				   const struct smtp_command *command)
{
	inbound_idle_command(s);
	inbound_say(s, REPLY_HELP);
	return INBOUND_COMMAND;
}

enum inbound_state inbound_do_quit(struct inbound_session *s,
				   const struct smtp_command *command)
{
	inbound_say(s, REPLY_BYE);
	return INBOUND_CLOSING;
}
