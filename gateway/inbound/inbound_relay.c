/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions that are cut through: the states RELAY and CHUNK, in which the
 * next hop has the word, and what its answers mean for the session.
 */
#include <assert.h>
#include <stdlib.h>

#include "gateway/inbound/inbound_session.h"

static void on_leg(void *owner, enum cutthrough_event event)
{
	static const enum inbound_event events[] = {
		[CUTTHROUGH_ANSWER] = INBOUND_ON_ANSWER,
		[CUTTHROUGH_ROOM] = INBOUND_ON_ROOM,
		[CUTTHROUGH_FORWARDED] = INBOUND_ON_FORWARDED,
		[CUTTHROUGH_LOST] = INBOUND_ON_LOST,
	};

	inbound_event(owner, events[event]);
}

static enum inbound_state ask(struct inbound_session *s,
			      enum inbound_asked what)
{
	s->tx->asked = what;
	return INBOUND_RELAY;
}

enum inbound_state inbound_relay_enter(struct inbound_session *s)
{
	inbound_timer_clear(s);
	return INBOUND_RELAY;
}

/* Whose new keys can't be followed still hears what became of a message that
 * the next hop has all of. */
enum inbound_state inbound_relay_on_failed(struct inbound_session *s)
{
	inbound_note_failure(s);
	if (!s->rekeyed)
		return INBOUND_CLOSING;
	if (s->tx->asked == INBOUND_ASKED_MESSAGE)
		return INBOUND_RELAY;
	inbound_say(s, REPLY_NEW_KEYS);
	return INBOUND_CLOSING;
}

/* --- recipients --- */

/* Of a message that no spool gives a number to. */
static uint64_t new_id(struct inbound_session *s)
{
	uint64_t id = inbound_wall_clock(s);

	if (id <= s->pool->last_id)
		id = s->pool->last_id + 1;
	return s->pool->last_id = id;
}

static bool begin(struct inbound_session *s, const struct config_route *route,
		  const char *recipient, const char *dsn)
{
	struct inbound_transaction *tx = s->tx;
	struct cutthrough_mail mail = {
		.reverse_path = tx->reverse_path,
		.dsn = tx->dsn ? tx->dsn : "",
		.has_size = tx->has_size,
		.size = tx->size,
		.body_8bitmime = tx->body_8bitmime,
		.smtputf8 = tx->smtputf8,
		.id = tx->id = new_id(s),
	};

	tx->leg = cutthrough_begin(s->pool->config.cutthrough, route, &mail,
				   recipient, dsn, on_leg, s);
	/* Chunks are best left in the socket. From here on to the session's
	 * end: where one such message comes from, more will. */
	if (tx->leg && ktls_stream_spare(&s->stream, true) < 0)
		cutthrough_drop(&tx->leg);
	return tx->leg != NULL;
}

static void forget_recipient(struct inbound_transaction *tx)
{
	tx->recipients.len = tx->recipients_before;
	tx->recipients_dsn.len = tx->dsn_before;
	tx->recipient_count--;
	if (tx->dsn_before > 0)
		return;
	/* Nobody before it had parameters: as before, there is no list. */
	free(tx->recipients_dsn.bytes);
	tx->recipients_dsn = (struct inbound_texts){0};
}

bool inbound_relay_wanted(struct inbound_session *s,
			  const struct config_route *route)
{
	struct inbound_transaction *tx = s->tx;

	/* As long as nobody is promised anything, start afresh. */
	if (tx->leg && tx->recipient_count == 0 &&
	    (cutthrough_route(tx->leg) != route || cutthrough_over(tx->leg)))
		cutthrough_drop(&tx->leg);
	return tx->leg || route->mode == CONFIG_MODE_CUT_THROUGH;
}

enum inbound_reply_id inbound_relay_rcpt(struct inbound_session *s,
					 const struct config_route *route,
					 const struct smtp_path *path,
					 const char *domain, const char *dsn)
{
	struct inbound_transaction *tx = s->tx;
	const char *recipient;
	bool asked;

	if (tx->leg ? cutthrough_route(tx->leg) != route
		    : tx->recipient_count > 0)
		return REPLY_ONE_DESTINATION;
	assert(s->pool->config.cutthrough);
	tx->recipients_before = tx->recipients.len;
	tx->dsn_before = tx->recipients_dsn.len;
	if (!inbound_transaction_add(tx, path->mailbox,
				     path->domain ? NULL : domain, dsn))
		return REPLY_NO_MEMORY;
	recipient = tx->recipients.bytes + tx->recipients_before;
	asked = tx->leg ? cutthrough_recipient(tx->leg, recipient, dsn)
			: begin(s, route, recipient, dsn);
	if (asked) {
		tx->asked = INBOUND_ASKED_RCPT;
		return REPLY_OK;
	}
	forget_recipient(tx);
	return REPLY_NO_MEMORY;
}

static enum inbound_state rcpt_answered(struct inbound_session *s, bool yes)
{
	if (!yes) {
		forget_recipient(s->tx);
		s->tx->recipients_refused = true;
		s->pool->stats.rejected_recipients++;
	}
	inbound_say(s, REPLY_NEXT_HOP);
	return INBOUND_COMMAND;
}

/* --- the message --- */

enum inbound_state inbound_relay_data(struct inbound_session *s)
{
	cutthrough_data(s->tx->leg);
	return ask(s, INBOUND_ASKED_DATA);
}

static size_t write_trace(struct inbound_session *s, char buf[SMTP_TRACE_MAX])
{
	s->tx->arrival = inbound_wall_clock(s);
	return inbound_trace_write(s, buf);
}

static void begin_text(struct inbound_session *s)
{
	char trace[SMTP_TRACE_MAX];
	size_t len = write_trace(s, trace);

	cutthrough_text(s->tx->leg, trace, len);
}

static enum inbound_state data_answered(struct inbound_session *s, bool yes)
{
	inbound_say(s, REPLY_NEXT_HOP);
	if (!yes)
		return INBOUND_COMMAND;
	inbound_body_begin(s, SMTP_DATA_DOTTED);
	s->tx->phase = INBOUND_BODY;
	begin_text(s);
	return INBOUND_DATA;
}

/* The chunk comes nevertheless. */
static enum inbound_state discard(struct inbound_session *s,
				  enum inbound_reply_id why)
{
	inbound_body_refuse(s, why);
	return INBOUND_DISCARD;
}

/* A next hop without CHUNKING gets the chunks as one message by DATA. */
enum inbound_state inbound_relay_bdat(struct inbound_session *s)
{
	struct inbound_transaction *tx = s->tx;

	if (cutthrough_over(tx->leg))
		return discard(s, REPLY_NEXT_HOP);
	if (cutthrough_chunking(tx->leg))
		return INBOUND_CHUNK;
	if (tx->arrival)
		return INBOUND_BDAT;
	cutthrough_data(tx->leg);
	return ask(s, INBOUND_ASKED_CONVERT);
}

static enum inbound_state convert_answered(struct inbound_session *s, bool yes)
{
	if (!yes)
		return discard(s, REPLY_NEXT_HOP);
	begin_text(s);
	return INBOUND_BDAT;
}

enum inbound_state inbound_relay_end(struct inbound_session *s)
{
	cutthrough_end(s->tx->leg);
	return ask(s, INBOUND_ASKED_MESSAGE);
}

static enum inbound_state chunk_answered(struct inbound_session *s, bool yes)
{
	inbound_say(s, REPLY_NEXT_HOP);
	if (!yes)
		s->tx->phase = INBOUND_REFUSED;
	return INBOUND_COMMAND;
}

static enum inbound_state message_answered(struct inbound_session *s, bool yes)
{
	if (yes) {
		s->messages++;
		s->bytes += s->tx->data.stored;
		s->idle = 0;
		s->pool->stats.messages++;
		s->pool->stats.bytes += s->tx->data.stored;
		inbound_log_accepted(s, false);
		inbound_notify(s);
	}
	inbound_say(s, REPLY_NEXT_HOP);
	inbound_reset(s);
	return INBOUND_COMMAND;
}

enum inbound_state inbound_relay_on_answer(struct inbound_session *s)
{
	bool yes = cutthrough_answer(s->tx->leg)->code < 400;

	switch (s->tx->asked) {
	case INBOUND_ASKED_RCPT:
		return rcpt_answered(s, yes);
	case INBOUND_ASKED_DATA:
		return data_answered(s, yes);
	case INBOUND_ASKED_CONVERT:
		return convert_answered(s, yes);
	case INBOUND_ASKED_CHUNK:
		return chunk_answered(s, yes);
	case INBOUND_ASKED_MESSAGE:
		break;
	}
	return message_answered(s, yes);
}

enum inbound_state inbound_body_on_lost(struct inbound_session *s)
{
	if (s->tx->behind)
		ktls_stream_resume(&s->stream);
	s->tx->behind = false;
	return discard(s, REPLY_NEXT_HOP);
}

/* --- CHUNK --- */

static void arm(struct inbound_session *s)
{
	s->tx->left = cutthrough_left(s->tx->leg);
	inbound_timer_arm(s, s->pool->config.config->timeouts.data);
}

static enum inbound_state refuse_chunk(struct inbound_session *s,
				       enum inbound_reply_id why)
{
	s->chunk_left = cutthrough_left(s->tx->leg);
	return discard(s, why);
}

/* No more comes. What is here already may still be all of it. */
static enum inbound_state starved(struct inbound_session *s)
{
	if (s->ended) {
		s->end = INBOUND_END_CUT_OFF;
		return INBOUND_CLOSING;
	}
	arm(s);
	return INBOUND_CHUNK;
}

/* A message's header is looked at, for mail loops; behind it there is nothing
 * that would have to be seen. */
enum inbound_state inbound_chunk_on_input(struct inbound_session *s)
{
	struct inbound_transaction *tx = s->tx;
	uint64_t left;

	while (!tx->header.ended && (left = cutthrough_left(tx->leg)) > 0) {
		const unsigned char *data;
		size_t n = ktls_stream_peek(&s->stream, &data);

		if (n > left)
			n = (size_t)left;
		if (n == 0)
			return starved(s);
		if (cutthrough_put(tx->leg, data, n) == 0) {
			tx->behind = true;
			return INBOUND_CHUNK;
		}
		smtp_header_feed(&tx->header, data, n);
		ktls_stream_consume(&s->stream, n);
		if (inbound_body_judge(s) != REPLY_OK)
			return refuse_chunk(s, inbound_body_judge(s));
	}
	if (tx->forwarding) /* it has failed */
		return starved(s);
	tx->forwarding = true;
	arm(s);
	cutthrough_forward(tx->leg, &s->stream);
	return INBOUND_CHUNK;
}

enum inbound_state inbound_chunk_enter(struct inbound_session *s)
{
	struct inbound_transaction *tx = s->tx;
	char trace[SMTP_TRACE_MAX];
	size_t len = tx->arrival ? 0 : write_trace(s, trace);

	tx->forwarding = false;
	tx->data.stored += s->chunk_left;
	cutthrough_chunk(tx->leg, s->chunk_left, s->chunk_last, trace, len);
	arm(s);
	return inbound_chunk_on_input(s);
}

enum inbound_state inbound_chunk_on_room(struct inbound_session *s)
{
	s->tx->behind = false;
	return inbound_chunk_on_input(s);
}

enum inbound_state inbound_chunk_on_forwarded(struct inbound_session *s)
{
	s->chunk_left = 0;
	return ask(s,
		   s->chunk_last ? INBOUND_ASKED_MESSAGE : INBOUND_ASKED_CHUNK);
}

enum inbound_state inbound_chunk_on_lost(struct inbound_session *s)
{
	s->tx->behind = false;
	return refuse_chunk(s, REPLY_NEXT_HOP);
}

/* The next hop's slowness is not the client's; the leg looks after it. */
enum inbound_state inbound_chunk_on_timeout(struct inbound_session *s)
{
	if (s->tx->left == cutthrough_left(s->tx->leg) &&
	    !cutthrough_behind(s->tx->leg))
		return inbound_body_on_timeout(s);
	arm(s);
	return INBOUND_CHUNK;
}
