/* SPDX-License-Identifier: Apache-2.0 */
/* What senders hear of a transaction. */
#include "gateway/queue/notify.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/bounce/bounce.h"
#include "gateway/log/log.h"
#include "gateway/queue/queue_event.h"
#include "gateway/queue/queue_private.h"

/* How many of the times for a warning have passed. */
static unsigned steps_passed(const struct delivery *delivery, uint64_t now)
{
	const struct config *config = delivery->domain->queue->config.config;
	uint64_t age = now > delivery->arrival ? now - delivery->arrival : 0;
	unsigned n = 0;

	while (n < config->bounce.delay_warning_count &&
	       age >= config->bounce.delay_warning[n])
		n++;
	return n;
}

static enum dsn_action action_of(const struct delivery *delivery, size_t i,
				 bool late)
{
	const struct delivery_answer *a = &delivery->run->answers[i];

	if (!a->given)
		return DSN_NOTHING;
	return bounce_action(&delivery->run->view.envelope,
			     delivery->recipients[i], a->result, a->tells,
			     late);
}

/* The host that had the last word; NULL: none had. */
static const char *remote_of(const struct delivery *delivery)
{
	const struct domain *domain = delivery->domain;

	if (delivery->run->remote[0])
		return delivery->run->remote;
	return domain->hop ? domain->hop->host : NULL;
}

/* The recipients that the sender is to hear of; returns their number. */
static size_t gather(const struct delivery *delivery, bool late,
		     struct dsn_recipient *out)
{
	const struct spool_envelope *e = &delivery->run->view.envelope;
	size_t n = 0;

	for (size_t i = 0; i < delivery->recipient_count; i++) {
		const struct delivery_answer *a = &delivery->run->answers[i];
		enum dsn_action action = action_of(delivery, i, late);
		uint32_t index = delivery->recipients[i];

		if (action == DSN_NOTHING)
			continue;
		out[n++] = (struct dsn_recipient){
			.address = e->recipients[index],
			.dsn = e->recipients_dsn ? e->recipients_dsn[index]
						 : NULL,
			.action = action,
			/* A transcript has the codes in it. */
			.code = a->transcript ? 0
				: a->said     ? a->said
					      : a->code,
			.status = a->status,
			.reply = a->transcript ? a->transcript : a->reply,
			.remote = remote_of(delivery),
			.ours = a->said == 0,
			.expired = a->expired,
		};
	}
	return n;
}

/* A failure that its sender does not hear of must not become final: it is
 * tried again. Other results stand; delays are told with a later attempt. */
static void keep_failures(struct delivery *delivery)
{
	log_error("queue.no_bounce", L_ID(spool_message_id(delivery->message)),
		  L_STR("error", "the notification can't be stored; failed "
				 "recipients are tried again later"));
	for (size_t i = 0; i < delivery->recipient_count; i++)
		if (action_of(delivery, i, false) == DSN_FAILED)
			delivery->run->answers[i].result = SPOOL_DEFERRED;
}

/* How many are to be told of, and the gravest of it. */
static size_t count_told(const struct delivery *delivery, bool late,
			 uint8_t *gravest)
{
	size_t n = 0;

	for (size_t i = 0; i < delivery->recipient_count; i++) {
		enum dsn_action action = action_of(delivery, i, late);

		n += action != DSN_NOTHING;
		if (action > *gravest)
			*gravest = (uint8_t)action;
	}
	return n;
}

static void on_stored(void *owner, struct spool_message *notification)
{
	struct delivery *delivery = owner;
	struct queue *queue = delivery->domain->queue;
	struct spool *spool = spool_message_spool(delivery->message);
	struct delivery_run *run = delivery->run;
	char id[LOG_ID_SIZE];

	queue->bouncing--;
	if (notification) {
		log_info("queue.bounced", L_ID(spool_message_id(notification)),
			 L_STR("about",
			       log_id_text(spool_message_id(delivery->message),
					   id)),
			 L_STR("to", run->view.envelope.reverse_path),
			 L_STR("action",
			       dsn_action_name((enum dsn_action)run->gravest)),
			 L_UINT("recipients", run->told));
		queue_event_notified(delivery, notification);
		delivery->warned = run->warned;
	} else {
		keep_failures(delivery);
	}
	queue_settle(delivery);
	if (notification)
		queue_add(queue, spool, notification);
}

static int store(struct delivery *delivery, bool late, uint64_t now)
{
	const struct config *config = delivery->domain->queue->config.config;
	struct delivery_run *run = delivery->run;
	struct dsn_recipient *recipients =
		calloc(run->told, sizeof(*recipients));
	struct dsn dsn = {
		.hostname = config->hostname,
		.now = now,
		.queue_id = spool_message_id(delivery->message),
		.view = &run->view,
		.recipients = recipients,
		.recipient_count = run->told,
		.return_max = config->bounce.return_max,
		.retry_until = delivery->arrival + config->retry.expire,
	};
	int r = -ENOMEM;

	if (recipients) {
		gather(delivery, late, recipients);
		r = bounce_start(spool_message_spool(delivery->message), &dsn,
				 on_stored, delivery);
	}
	free(recipients);
	return r;
}

bool notify_start(struct delivery *delivery)
{
	struct queue *queue = delivery->domain->queue;
	struct delivery_run *run = delivery->run;
	uint64_t now = queue_wall(queue);
	unsigned steps = steps_passed(delivery, now);
	bool late = steps > delivery->warned;

	run->told = count_told(delivery, late, &run->gravest);
	run->warned = late ? (uint8_t)steps : delivery->warned;
	if (run->told == 0) {
		delivery->warned = run->warned;
		return false;
	}
	if (store(delivery, late, now) < 0) {
		keep_failures(delivery);
		return false;
	}
	queue->bouncing++;
	return true;
}
