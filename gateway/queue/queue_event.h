/* SPDX-License-Identifier: Apache-2.0 */
/* What the queue tells those who keep account of messages (event.h). */
#ifndef GATEWAY_QUEUE_QUEUE_EVENT_H
#define GATEWAY_QUEUE_QUEUE_EVENT_H

#include <stddef.h>
#include <stdint.h>

struct delivery;
struct outbound_answer;
struct spool_message;

/* Recipient @index of a running transaction has its answer, which is kept. */
void queue_event_answered(const struct delivery *delivery, size_t index,
			  const struct outbound_answer *answer, uint64_t now);
/* Before delivery_end(): perhaps the message's last recipient is settled. */
void queue_event_settled(const struct delivery *delivery);
/* A report about @delivery is stored. */
void queue_event_notified(const struct delivery *delivery,
			  const struct spool_message *notification);

#endif
