/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the envelope: MAIL and RCPT. */
#include <stdio.h>
#include <string.h>

#include "gateway/inbound/inbound_session.h"
#include "gateway/smtp/smtp_params.h"
#include "gateway/smtp/smtp_path.h"

static enum inbound_reply_id params_reply(enum smtp_params_result result)
{
	switch (result) {
	case SMTP_PARAMS_OK:
		return REPLY_OK;
	case SMTP_PARAMS_UNKNOWN:
		return REPLY_PARAMETER_UNKNOWN;
	case SMTP_PARAMS_SYNTAX:
		break;
	}
	return REPLY_PARAMETER_SYNTAX;
}

/* May this sender's message come? Pure. */
static enum inbound_reply_id check_sender(const struct inbound_session *s,
					  const struct smtp_command *command,
					  struct smtp_path *path,
					  struct smtp_mail_params *params)
{
	const struct config *config = s->pool->config.config;
	enum inbound_reply_id why;
	size_t used;

	if (smtp_path_parse(command->args, command->args_len, SMTP_REVERSE_PATH,
			    path, &used) != SMTP_PATH_OK)
		return REPLY_SENDER_SYNTAX;
	why = params_reply(smtp_params_mail(command->args + used,
					    command->args_len - used, params));
	if (why != REPLY_OK)
		return why;
	if (path->utf8 && !params->smtputf8)
		return REPLY_SENDER_UTF8;
	if (params->has_size && params->size > config->limits.message_size)
		return REPLY_TOO_BIG;
	return REPLY_OK;
}

/* A transaction for this sender; NULL: no memory. */
static struct inbound_transaction *begin(const struct smtp_path *path,
					 const struct smtp_mail_params *params)
{
	char dsn[SMTP_DSN_MAIL_SIZE];
	struct inbound_transaction *tx =
		inbound_transaction_begin(path->mailbox);

	if (!tx)
		return NULL;
	tx->smtputf8 = params->smtputf8;
	tx->body_8bitmime = params->body_8bitmime;
	tx->has_size = params->has_size;
	tx->size = params->size;
	if (smtp_dsn_mail_write(&params->dsn, dsn)[0] == '\0')
		return tx;
	tx->dsn = strdup(dsn);
	if (!tx->dsn)
		inbound_transaction_free(&tx);
	return tx;
}

enum inbound_state inbound_do_mail(struct inbound_session *s,
				   const struct smtp_command *command)
{
	unsigned limit = s->pool->config.config->limits.messages_per_connection;
	struct smtp_mail_params params;
	struct smtp_path path;
	enum inbound_reply_id why;

	if (limit > 0 && s->messages >= limit) {
		inbound_say(s, REPLY_TOO_MANY_MESSAGES);
		s->end = INBOUND_END_MESSAGES;
		return INBOUND_CLOSING;
	}
	why = check_sender(s, command, &path, &params);
	if (why == REPLY_OK) {
		s->tx = begin(&path, &params);
		why = s->tx ? REPLY_SENDER_OK : REPLY_NO_MEMORY;
	}
	inbound_refuse(s, why, command->args);
	return INBOUND_COMMAND;
}

static enum inbound_reply_id check_recipient(const struct inbound_session *s,
					     const struct smtp_command *command,
					     struct smtp_path *path,
					     struct smtp_dsn_rcpt *dsn,
					     const char **domain,
					     const struct config_route **route)
{
	const struct config *config = s->pool->config.config;
	enum inbound_reply_id why;
	size_t used;

	if (smtp_path_parse(command->args, command->args_len, SMTP_FORWARD_PATH,
			    path, &used) != SMTP_PATH_OK)
		return REPLY_RECIPIENT_SYNTAX;
	why = params_reply(smtp_params_rcpt(command->args + used,
					    command->args_len - used, dsn));
	if (why != REPLY_OK)
		return why;
	if ((path->utf8 || dsn->utf8) && !s->tx->smtputf8)
		return REPLY_RECIPIENT_UTF8;
	if (!s->relay)
		return REPLY_RELAY_DENIED;
	/* <Postmaster> is this host's (RFC 5321 section 4.5.1). */
	*domain = path->domain ? path->domain : config->hostname;
	*route = config_route_for(config, *domain);
	if (!*route)
		return REPLY_NO_ROUTE;
	if (s->tx->recipient_count >= config->limits.recipients)
		return REPLY_TOO_MANY_RECIPIENTS;
	return REPLY_OK;
}

enum inbound_state inbound_do_rcpt(struct inbound_session *s,
				   const struct smtp_command *command)
{
	struct smtp_path path;
	struct smtp_dsn_rcpt params;
	char dsn[SMTP_DSN_RCPT_SIZE] = "";
	const char *domain = NULL;
	const struct config_route *route = NULL;
	enum inbound_reply_id why =
		check_recipient(s, command, &path, &params, &domain, &route);

	if (why == REPLY_OK)
		smtp_dsn_rcpt_write(&params, dsn);
	if (why == REPLY_OK && inbound_relay_wanted(s, route)) {
		why = inbound_relay_rcpt(s, route, &path, domain, dsn);
		if (why == REPLY_OK)
			return INBOUND_RELAY;
	} else if (why == REPLY_OK) {
		why = inbound_transaction_add(s->tx, path.mailbox,
					      path.domain ? NULL : domain, dsn)
			      ? REPLY_RECIPIENT_OK
			      : REPLY_NO_MEMORY;
	}
	if (why != REPLY_RECIPIENT_OK) {
		s->tx->recipients_refused = true;
		s->pool->stats.rejected_recipients++;
	}
	inbound_refuse(s, why, command->args);
	return INBOUND_COMMAND;
}
