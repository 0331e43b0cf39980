/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of the recipients of the running transaction: each gets
 * exactly one answer, from its RCPT, from MAIL, from the end of the message,
 * or from the connection's end.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/outbound/outbound_session.h"
#include "uring/uring.h"

/* A reply as an answer. RFC 5321 4.5.3.1.10: 552 to RCPT means "too many
 * recipients" and is to be taken as 452. */
struct outbound_answer outbound_answer_of(const struct smtp_reply *reply,
					  const char *where)
{
	uint16_t code = reply->code;

	if (code == 552 && strcmp(where, "RCPT") == 0)
		code = 452;
	return (struct outbound_answer){
		.code = code,
		.said = reply->code,
		.reply = reply,
		.enhanced = reply->enhanced,
		.text = reply->text,
		.where = where,
	};
}

/* Make room for a transaction's recipients. False: no memory. */
bool outbound_answers_begin(struct outbound_session *s)
{
	size_t n = s->delivery->recipient_count;

	if (n > s->recipients_room) {
		unsigned char *more = realloc(s->recipients, n);

		if (!more)
			return false;
		s->recipients = more;
		s->recipients_room = n;
	}
	memset(s->recipients, OUTBOUND_RCPT_OPEN, n);
	s->accepted = 0;
	return true;
}

void outbound_answer_one(struct outbound_session *s, size_t index,
			 const struct outbound_answer *answer)
{
	struct outbound_answer told = *answer;

	assert(s->delivery && index < s->delivery->recipient_count);
	assert(s->recipients[index] != OUTBOUND_RCPT_ANSWERED);
	if (s->recipients[index] == OUTBOUND_RCPT_ACCEPTED)
		s->accepted--;
	s->recipients[index] = OUTBOUND_RCPT_ANSWERED;
	told.tells = s->extensions & SMTP_EXT_DSN;
	told.session = s;
	s->pool->config.ops->answered(s->destination, s->delivery, index,
				      &told);
}

/* The same answer for all that have none yet. */
void outbound_answer_open(struct outbound_session *s,
			  const struct outbound_answer *answer)
{
	if (!s->delivery)
		return;
	outbound_loan_lost(s, answer);
	for (size_t i = 0; i < s->delivery->recipient_count; i++)
		if (s->recipients[i] != OUTBOUND_RCPT_ANSWERED)
			outbound_answer_one(s, i, answer);
}

void outbound_trip(const struct outbound_session *s, struct outbound_trip *out)
{
	uint64_t now = uring_now(s->pool->config.env->ring);

	*out = (struct outbound_trip){
		.host = s->host,
		.relay = s->relay,
		.messages = s->messages,
		.connect = s->messages == 1 ? s->begun - s->opened : 0,
		.transmit = now - s->begun,
	};
	ktls_stream_info(&s->stream, &out->info);
}

/* The transaction is over and nothing reads from its view any more. */
void outbound_finish(struct outbound_session *s)
{
	struct outbound_delivery *delivery = s->delivery;

	if (!delivery)
		return;
	/* Closed streams have let go of everything. */
	assert(s->state == OUTBOUND_CLOSING ||
	       ktls_stream_unsent(&s->stream) == 0);
	s->delivery = NULL;
	s->pool->config.ops->finished(s->destination, delivery);
}
