/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a session, in order or not. */
#include <assert.h>
#include <stdlib.h>

#include "gateway/inbound/inbound_session.h"

static void count(struct inbound_session *s)
{
	struct ktls_stream_info info;

	ktls_stream_info(&s->stream, &info);
	tls_stats_ended(&s->pool->stats.tls, &info);
	s->pool->stats.ended[s->end]++;
	s->counted = true;
	if (!s->secure)
		return;
	ktls_traffic_add(&s->pool->traffic[s->listener->index],
			 ktls_traffic_worth(info.bytes_in, s->messages));
}

/* Nothing may call back any more, but for the stream's CLOSED. */
static void let_go(struct inbound_session *s)
{
	inbound_timer_clear(s);
	if (s->waiter.next)
		spool_unwait(s->pool->config.spool, &s->waiter);
	inbound_reset(s);
	free(s->line);
	s->line = NULL;
}

void inbound_hang_up(struct inbound_session *s, enum ktls_close how)
{
	assert(s->open);
	if (s->admitted) {
		inbound_log_closed(s);
		count(s);
	}
	if (how == KTLS_CLOSE_FLUSH)
		inbound_flush(s);
	s->pool->output.len = 0;
	ktls_stream_close(&s->stream, how);
}

enum inbound_state inbound_closing_enter(struct inbound_session *s)
{
	if (!s->admitted)
		inbound_say(s, s->refusal);
	inbound_hang_up(s, KTLS_CLOSE_FLUSH);
	let_go(s);
	return INBOUND_CLOSING;
}

/* Time for an orderly end is over. */
enum inbound_state inbound_closing_on_abort(struct inbound_session *s)
{
	ktls_stream_close(&s->stream, KTLS_CLOSE_ABORT);
	return INBOUND_CLOSING;
}

enum inbound_state inbound_aborting_enter(struct inbound_session *s)
{
	inbound_hang_up(s, KTLS_CLOSE_ABORT);
	let_go(s);
	return INBOUND_ABORTING;
}

enum inbound_state inbound_gone_enter(struct inbound_session *s)
{
	let_go(s);
	return INBOUND_GONE;
}

void inbound_note_failure(struct inbound_session *s)
{
	struct ktls_failure_info failure;

	ktls_stream_failure(&s->stream, &failure);
	inbound_log_failed(s);
	s->rekeyed = failure.kind == KTLS_FAILURE_REKEY;
	s->end = s->rekeyed ? INBOUND_END_NEW_KEYS : INBOUND_END_FAILED;
}

/* Many clients leave without close_notify. With nothing under way nothing was
 * cut off. */
enum inbound_state inbound_command_on_failed(struct inbound_session *s)
{
	struct ktls_failure_info failure;

	ktls_stream_failure(&s->stream, &failure);
	if (failure.kind != KTLS_FAILURE_TRUNCATED || s->tx || s->line)
		return inbound_on_failed(s);
	s->end = INBOUND_END_NO_CLOSE_NOTIFY;
	return INBOUND_CLOSING;
}

/* In order all the same: the stream knows what may still be sent, an alert for
 * one, or words to a client whose new keys can't be followed. */
enum inbound_state inbound_on_failed(struct inbound_session *s)
{
	inbound_note_failure(s);
	if (s->rekeyed)
		inbound_say(s, REPLY_NEW_KEYS);
	return INBOUND_CLOSING;
}

enum inbound_state inbound_on_abort(struct inbound_session *s)
{
	s->end = INBOUND_END_ABORTED;
	return INBOUND_ABORTING;
}
