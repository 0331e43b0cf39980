/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that was cut through to a next hop which reports nothing: who asked for
 * NOTIFY=SUCCESS hears that it was relayed (RFC 3461 section 5.2.2).  Nothing
 * of the message is left here but our own trace field.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/bounce/bounce.h"
#include "gateway/inbound/inbound_session.h"
#include "gateway/log/log.h"

static void on_stored(void *owner, struct spool_message *notification)
{
	struct inbound *pool = owner;

	pool->notifying--;
	if (notification)
		pool->config.accepted(pool->config.arg, notification);
	else
		log_error("inbound.no_notification",
			  L_STR("error", "it can't be stored"));
	inbound_idle(pool);
}

/* The recipients that are to be told of; returns their number. */
static size_t gather(const struct inbound_session *s,
		     const struct spool_envelope *e, struct dsn_recipient *out)
{
	const struct cutthrough_answer *answer = cutthrough_answer(s->tx->leg);
	size_t n = 0;

	for (size_t i = 0; i < e->recipient_count; i++) {
		enum dsn_action action =
			bounce_action(e, i, SPOOL_DELIVERED, false, false);

		if (action == DSN_NOTHING)
			continue;
		out[n++] = (struct dsn_recipient){
			.address = e->recipients[i],
			.dsn = e->recipients_dsn[i],
			.action = action,
			.code = answer->code,
			.reply = answer->text,
			.remote = cutthrough_route(s->tx->leg)->next_hop.host,
		};
	}
	return n;
}

static int store(struct inbound_session *s, const struct spool_view *view,
		 const struct dsn_recipient *recipients, size_t count)
{
	struct inbound *pool = s->pool;
	struct dsn dsn = {
		.hostname = pool->config.config->hostname,
		.now = inbound_wall_clock(s),
		.queue_id = s->tx->id,
		.view = view,
		.recipients = recipients,
		.recipient_count = count,
	};
	int r = bounce_start(pool->config.spool, &dsn, on_stored, pool);

	if (r == 0)
		pool->notifying++;
	return r;
}

/* @lists: as many recipients as the transaction has. */
static int notify(struct inbound_session *s, const char *const *mailboxes,
		  const char *const *dsn, struct dsn_recipient *recipients)
{
	const struct inbound_transaction *tx = s->tx;
	char trace[SMTP_TRACE_MAX];
	struct spool_view view = {
		.envelope = {.reverse_path = tx->reverse_path,
			     .recipients = mailboxes,
			     .recipient_count = tx->recipient_count,
			     .dsn = tx->dsn,
			     .recipients_dsn = dsn,
			     .arrival = tx->arrival,
			     .flags = tx->smtputf8 ? SPOOL_SMTPUTF8 : 0},
		.trace = (const unsigned char *)trace,
		.trace_len = inbound_trace_write(s, trace),
	};
	size_t count = gather(s, &view.envelope, recipients);

	return count > 0 ? store(s, &view, recipients, count) : 0;
}

void inbound_notify(struct inbound_session *s)
{
	const struct inbound_transaction *tx = s->tx;
	size_t n = tx->recipient_count;
	const char **mailboxes, **dsn;
	struct dsn_recipient *recipients;
	int r = -ENOMEM;

	if (!tx->recipients_dsn.bytes || cutthrough_tells(tx->leg))
		return;
	mailboxes = inbound_texts_list(&tx->recipients, n);
	dsn = inbound_texts_list(&tx->recipients_dsn, n);
	recipients = calloc(n, sizeof(*recipients));
	if (mailboxes && dsn && recipients)
		r = notify(s, mailboxes, dsn, recipients);
	/* The next hop has the message, whatever we can say about it. */
	if (r < 0)
		log_error("inbound.no_notification", L_ID(tx->id),
			  L_STR("error", strerrordesc_np(-r)));
	free(mailboxes);
	free(dsn);
	free(recipients);
}
