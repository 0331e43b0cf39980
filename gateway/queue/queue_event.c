/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the queue: answers with all that is known of their way. */
#include "gateway/queue/queue_event.h"

#include <string.h>

#include "gateway/bounce/dsn.h"
#include "gateway/event/event.h"
#include "gateway/log/log_tls.h"
#include "gateway/queue/queue_private.h"

static enum event_kind kind_of(const struct delivery_answer *kept,
			       const struct outbound_answer *answer)
{
	switch (kept->result) {
	case SPOOL_DELIVERED:
		return EVENT_DELIVERY;
	case SPOOL_DEFERRED:
		return EVENT_TRANSIENT;
	case SPOOL_BOUNCED:
		break;
	}
	if (kept->expired)
		return EVENT_EXPIRATION;
	return strcmp(answer->where, "queue") == 0 ? EVENT_ADMIN_BOUNCE
						   : EVENT_BOUNCE;
}

/* The session's part of it. */
static void add_trip(struct event *event, const struct outbound_trip *trip,
		     const struct log_tls *words)
{
	uint64_t connect = trip->connect, spent = trip->transmit;

	event->relay_host = trip->host;
	event->relay_address = trip->relay[0] ? trip->relay : NULL;
	event->connection_use = trip->messages;
	event->tls = words->version;
	event->cipher = words->cipher;
	event->offload = trip->info.tls ? words->offload : NULL;
	event->why = trip->info.tls ? words->why : NULL;
	event->path = words->path;
	/* A connection may be older than the message it carries. */
	spent = spent < event->delay ? spent : event->delay;
	if (connect > event->delay - spent)
		connect = event->delay - spent;
	event->parts[EVENT_IN_QUEUE] = event->delay - spent - connect;
	event->parts[EVENT_CONNECT] = connect;
	event->parts[EVENT_TRANSMIT] = spent;
	event->timed = true;
}

void queue_event_answered(const struct delivery *delivery, size_t index,
			  const struct outbound_answer *answer, uint64_t now)
{
	const struct delivery_run *run = delivery->run;
	const struct spool_envelope *e = &run->view.envelope;
	const struct destination *d = delivery->destination;
	struct event event = {
		.kind = kind_of(&run->answers[index], answer),
		.id = spool_message_id(delivery->message),
		.sender = e->reverse_path,
		.recipient = e->recipients[delivery->recipients[index]],
		.size = run->view.body_size,
		.queue = d ? d->text : domain_name(delivery->domain),
		.code = answer->code,
		.enhanced = answer->enhanced,
		.reply = answer->text,
		.command = answer->where,
		.attempts = delivery->attempts + 1u,
		.created = delivery->arrival,
		.delay = now > delivery->arrival ? now - delivery->arrival : 0,
	};
	struct outbound_trip trip;
	struct log_tls words;

	if (!event_wanted())
		return;
	event.parts[EVENT_IN_QUEUE] = event.delay;
	if (answer->session) {
		outbound_trip(answer->session, &trip);
		log_tls_words(&trip.info, &words);
		add_trip(&event, &trip, &words);
	}
	event_publish(&event);
}

/* How many recipients will be final when the answers are recorded. */
static size_t final_answers(const struct delivery *delivery)
{
	size_t n = 0;

	for (size_t i = 0; i < delivery->recipient_count; i++) {
		const struct delivery_answer *a = &delivery->run->answers[i];

		n += a->given && a->result != SPOOL_DEFERRED;
	}
	return n;
}

static size_t open_recipients(const struct spool_message *message)
{
	size_t count = spool_message_recipient_count(message), n = 0;

	for (size_t i = 0; i < count; i++)
		n += !spool_message_recipient_done(message, i);
	return n;
}

void queue_event_settled(const struct delivery *delivery)
{
	const struct spool_envelope *e = &delivery->run->view.envelope;
	uint64_t now;

	if (!event_wanted() ||
	    final_answers(delivery) != open_recipients(delivery->message))
		return;
	now = queue_wall(delivery->domain->queue);
	event_publish(&(const struct event){
		.kind = EVENT_REMOVAL,
		.id = spool_message_id(delivery->message),
		.sender = e->reverse_path,
		.recipient_count = e->recipient_count,
		.size = delivery->run->view.body_size,
		.created = delivery->arrival,
		.delay = now > delivery->arrival ? now - delivery->arrival : 0,
	});
}

void queue_event_notified(const struct delivery *delivery,
			  const struct spool_message *notification)
{
	const struct delivery_run *run = delivery->run;

	if (!event_wanted())
		return;
	event_publish(&(const struct event){
		.kind = EVENT_NOTIFICATION,
		.id = spool_message_id(notification),
		.about = spool_message_id(delivery->message),
		.sender = "",
		.recipient = run->view.envelope.reverse_path,
		.recipient_count = 1,
		.command = dsn_action_name((enum dsn_action)run->gravest),
	});
}
