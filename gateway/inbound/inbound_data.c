/* SPDX-License-Identifier: Apache-2.0 */
/* The commands DATA and BDAT, and the states in which a message comes in. */
#include <assert.h>

#include "gateway/inbound/inbound_session.h"

/* A refused message is read to its end so that its refusal can be said, but
 * not for ever. */
#define DISCARD_MAX(limit) (4 * (limit) + UINT64_C(64) * 1024 * 1024)

static uint64_t data_time(const struct inbound_session *s)
{
	return s->pool->config.config->timeouts.data;
}

/* --- DATA (RFC 5321 section 4.1.1.4) --- */

enum inbound_state inbound_do_data(struct inbound_session *s,
				   const struct smtp_command *command)
{
	if (s->tx->leg)
		return inbound_relay_data(s);
	if (!inbound_body_begin(s, SMTP_DATA_DOTTED)) {
		inbound_say(s, s->refusal);
		return INBOUND_COMMAND;
	}
	s->tx->phase = INBOUND_BODY;
	inbound_say(s, REPLY_START_DATA);
	return INBOUND_DATA;
}

static enum inbound_state cut_off(struct inbound_session *s)
{
	s->end = INBOUND_END_CUT_OFF;
	return INBOUND_CLOSING;
}

enum inbound_state inbound_data_on_input(struct inbound_session *s)
{
	if (inbound_waits_for_room(s))
		return INBOUND_DATA;
	switch (inbound_body_move(s)) {
	case INBOUND_BODY_MORE:
		if (s->ended)
			return cut_off(s);
		inbound_timer_arm(s, data_time(s));
		return INBOUND_DATA;
	case INBOUND_BODY_BEHIND:
		return INBOUND_DATA;
	case INBOUND_BODY_DONE:
		return INBOUND_COMMIT;
	case INBOUND_BODY_REFUSED:
		break;
	}
	return INBOUND_DISCARD;
}

enum inbound_state inbound_data_enter(struct inbound_session *s)
{
	inbound_timer_arm(s, data_time(s));
	return inbound_data_on_input(s);
}

static void on_room(struct inbound_session *s)
{
	s->tx->behind = false;
	ktls_stream_resume(&s->stream);
}

enum inbound_state inbound_data_on_room(struct inbound_session *s)
{
	on_room(s);
	return inbound_data_on_input(s);
}

enum inbound_state inbound_body_on_timeout(struct inbound_session *s)
{
	inbound_say(s, REPLY_TIMEOUT);
	s->end = INBOUND_END_TIMEOUT;
	return INBOUND_CLOSING;
}

/* --- BDAT (RFC 3030 section 2) --- */

/* A size that can't be read leaves no way to tell the chunk from the commands
 * behind it. */
static bool take_size(struct inbound_session *s,
		      const struct smtp_command *command)
{
	if (smtp_command_bdat(command->args, command->args_len, &s->chunk_left,
			      &s->chunk_last) == 0)
		return true;
	inbound_refuse(s, REPLY_CHUNK_SIZE, command->args);
	s->end = INBOUND_END_CHUNK_SIZE;
	return false;
}

static enum inbound_state discard_chunk(struct inbound_session *s,
					enum inbound_reply_id why)
{
	inbound_body_refuse(s, why);
	return INBOUND_DISCARD;
}

enum inbound_state inbound_refuse_bdat(struct inbound_session *s,
				       const struct smtp_command *command,
				       enum inbound_reply_id why)
{
	return take_size(s, command) ? discard_chunk(s, why) : INBOUND_CLOSING;
}

enum inbound_state inbound_do_bdat(struct inbound_session *s,
				   const struct smtp_command *command)
{
	uint64_t limit = s->pool->config.config->limits.message_size;
	struct inbound_transaction *tx = s->tx;

	if (!take_size(s, command))
		return INBOUND_CLOSING;
	if (tx->phase == INBOUND_ENVELOPE &&
	    !inbound_body_begin(s, SMTP_DATA_CHUNKS))
		return discard_chunk(s, s->refusal);
	tx->phase = INBOUND_CHUNKS;
	if (s->chunk_left > limit || tx->data.stored > limit - s->chunk_left)
		return discard_chunk(s, REPLY_TOO_BIG);
	s->chunk_size = s->chunk_left;
	return tx->leg ? inbound_relay_bdat(s) : INBOUND_BDAT;
}

static enum inbound_state chunk_done(struct inbound_session *s)
{
	if (s->chunk_last)
		return INBOUND_COMMIT;
	inbound_printf(s, "250 2.0.0 %llu octets received\r\n",
		       (unsigned long long)s->chunk_size);
	return INBOUND_COMMAND;
}

enum inbound_state inbound_bdat_on_input(struct inbound_session *s)
{
	if (inbound_waits_for_room(s))
		return INBOUND_BDAT;
	switch (inbound_body_move(s)) {
	case INBOUND_BODY_MORE:
		if (s->ended)
			return cut_off(s);
		inbound_timer_arm(s, data_time(s));
		return INBOUND_BDAT;
	case INBOUND_BODY_BEHIND:
		return INBOUND_BDAT;
	case INBOUND_BODY_DONE:
		return chunk_done(s);
	case INBOUND_BODY_REFUSED:
		break;
	}
	return INBOUND_DISCARD;
}

enum inbound_state inbound_bdat_enter(struct inbound_session *s)
{
	inbound_timer_arm(s, data_time(s));
	return inbound_bdat_on_input(s);
}

enum inbound_state inbound_bdat_on_room(struct inbound_session *s)
{
	on_room(s);
	return inbound_bdat_on_input(s);
}

/* --- DISCARD --- */

static bool discards_data(const struct inbound_session *s)
{
	return s->tx && s->tx->phase == INBOUND_BODY;
}

/* True: the end of what is to be discarded was reached. */
static bool discard(struct inbound_session *s)
{
	const unsigned char *in = NULL;
	enum smtp_data_result result;
	size_t n, used, made;

	for (;;) {
		n = ktls_stream_peek(&s->stream, &in);
		if (discards_data(s)) {
			result = smtp_data_run(&s->tx->data, in, n, &used, NULL,
					       0, &made);
			ktls_stream_consume(&s->stream, used);
			if (result == SMTP_DATA_DONE)
				return true;
		} else {
			used = n < s->chunk_left ? n : (size_t)s->chunk_left;
			ktls_stream_consume(&s->stream, used);
			s->chunk_left -= used;
			if (s->chunk_left == 0)
				return true;
		}
		s->discarded += used;
		if (n == 0)
			return false;
	}
}

/* What a refusal leaves of the transaction: after a refused chunk nothing of
 * the message may be accepted any more, or it would be without a part. */
static void conclude(struct inbound_session *s)
{
	if (!s->tx)
		return;
	if (discards_data(s) || s->chunk_last)
		inbound_reset(s);
	else
		s->tx->phase = INBOUND_REFUSED;
}

enum inbound_state inbound_discard_on_input(struct inbound_session *s)
{
	uint64_t limit = s->pool->config.config->limits.message_size;

	if (discard(s)) {
		inbound_say(s, s->refusal);
		conclude(s);
		return INBOUND_COMMAND;
	}
	if (s->ended)
		return cut_off(s);
	if (s->discarded > DISCARD_MAX(limit)) {
		inbound_say(s, s->refusal);
		s->end = INBOUND_END_DISCARDED;
		return INBOUND_CLOSING;
	}
	inbound_timer_arm(s, data_time(s));
	return INBOUND_DISCARD;
}

enum inbound_state inbound_discard_enter(struct inbound_session *s)
{
	inbound_timer_arm(s, data_time(s));
	return inbound_discard_on_input(s);
}
