/* SPDX-License-Identifier: Apache-2.0 */
/* Message bytes from the stream through the scanner into the spool's memory. */
#include <assert.h>

#include "gateway/inbound/inbound_session.h"

static enum inbound_reply_id spool_reply(enum spool_status status)
{
	return status == SPOOL_FULL ? REPLY_SPOOL_FULL : REPLY_SPOOL_FAILED;
}

static bool begin_writer(struct inbound_session *s)
{
	struct inbound_transaction *tx = s->tx;
	enum spool_status status =
		spool_begin(s->pool->config.spool, &tx->writer);

	if (status == SPOOL_OK) {
		tx->id = spool_writer_id(tx->writer);
		return true;
	}
	tx->writer = NULL;
	s->refusal = spool_reply(status);
	return false;
}

bool inbound_body_begin(struct inbound_session *s, enum smtp_data_form form)
{
	const struct config *config = s->pool->config.config;
	struct inbound_transaction *tx = s->tx;

	if (!tx->leg && !begin_writer(s))
		return false;
	smtp_data_start(&tx->data, form,
			config->bare_line_ends == CONFIG_NORMALISE,
			config->limits.text_line_length);
	smtp_header_start(&tx->header);
	return true;
}

void inbound_body_refuse(struct inbound_session *s, enum inbound_reply_id why)
{
	s->refusal = why;
	s->discarded = 0;
	if (!s->tx)
		return;
	spool_abort(&s->tx->writer);
	/* What the next hop has of it must not be completed. Its own refusal
	 * is still to be said. */
	if (why != REPLY_NEXT_HOP)
		cutthrough_drop(&s->tx->leg);
}

bool inbound_waits_for_room(const struct inbound_session *s)
{
	return s->waiter.next != NULL || (s->tx && s->tx->behind);
}

static void on_room(void *owner)
{
	inbound_event(owner, INBOUND_ON_ROOM);
}

/* The delay is ours: the client's time does not run. */
static enum inbound_body wait_for_room(struct inbound_session *s)
{
	inbound_timer_clear(s);
	ktls_stream_pause(&s->stream);
	if (s->tx->leg) {
		s->tx->behind = true;
		return INBOUND_BODY_BEHIND;
	}
	s->waiter.fn = on_room;
	s->waiter.owner = s;
	spool_wait(s->pool->config.spool, &s->waiter);
	return INBOUND_BODY_BEHIND;
}

enum inbound_reply_id inbound_body_judge(const struct inbound_session *s)
{
	const struct config_limits *limits = &s->pool->config.config->limits;
	const struct inbound_transaction *tx = s->tx;

	if (tx->data.stored > limits->message_size)
		return REPLY_TOO_BIG;
	if (tx->data.bare && !tx->data.normalise)
		return REPLY_BARE_LINE_END;
	if (tx->data.long_line)
		return REPLY_TEXT_LINE_TOO_LONG;
	if (tx->header.received > limits->received)
		return REPLY_LOOP;
	return REPLY_OK;
}

static bool chunked(const struct inbound_session *s)
{
	return s->tx->data.form == SMTP_DATA_CHUNKS;
}

static void stored(struct inbound_session *s, const unsigned char *data,
		   size_t len)
{
	smtp_header_feed(&s->tx->header, data, len);
	if (s->tx->leg)
		cutthrough_advance(s->tx->leg, len);
	else
		spool_advance(s->tx->writer, len);
}

/* Memory for more; 0: not now. */
static size_t reserve(struct inbound_session *s, unsigned char **out)
{
	if (s->tx->leg)
		return cutthrough_reserve(s->tx->leg, out);
	return spool_reserve(s->tx->writer, out);
}

/* One piece. True: the message (DATA) or the chunk (BDAT) is complete. */
static bool move_piece(struct inbound_session *s, const unsigned char *in,
		       size_t in_len, unsigned char *out, size_t out_len)
{
	enum smtp_data_result result;
	size_t used, made;

	if (chunked(s) && in_len > s->chunk_left)
		in_len = (size_t)s->chunk_left;
	result = smtp_data_run(&s->tx->data, in, in_len, &used, out, out_len,
			       &made);
	stored(s, out, made);
	ktls_stream_consume(&s->stream, used);
	if (!chunked(s))
		return result == SMTP_DATA_DONE;
	s->chunk_left -= used;
	return s->chunk_left == 0 && !s->chunk_last;
}

/* The last chunk's end may still owe a byte. */
static void finish_chunks(struct inbound_session *s, unsigned char *out)
{
	stored(s, out, smtp_data_finish(&s->tx->data, out));
}

static enum inbound_body verdict(struct inbound_session *s,
				 enum inbound_body otherwise)
{
	enum inbound_reply_id why = inbound_body_judge(s);

	if (why == REPLY_OK)
		return otherwise;
	inbound_body_refuse(s, why);
	return INBOUND_BODY_REFUSED;
}

enum inbound_body inbound_body_move(struct inbound_session *s)
{
	assert((s->tx->writer || s->tx->leg) && !inbound_waits_for_room(s));
	for (;;) {
		bool ends = chunked(s) && s->chunk_left == 0;
		const unsigned char *in = NULL;
		unsigned char *out;
		size_t in_len = 0, room;

		if (ends && !s->chunk_last)
			return verdict(s, INBOUND_BODY_DONE);
		if (!ends)
			in_len = ktls_stream_peek(&s->stream, &in);
		if (!ends && in_len == 0)
			return INBOUND_BODY_MORE;
		room = reserve(s, &out);
		if (room == 0)
			return wait_for_room(s);
		if (ends) {
			finish_chunks(s, out);
			return verdict(s, INBOUND_BODY_DONE);
		}
		if (move_piece(s, in, in_len, out, room))
			return verdict(s, INBOUND_BODY_DONE);
		if (verdict(s, INBOUND_BODY_MORE) == INBOUND_BODY_REFUSED)
			return INBOUND_BODY_REFUSED;
	}
}
