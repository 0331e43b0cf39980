/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a session: the greeting, and TLS. */
#include <stdlib.h>

#include "gateway/inbound/inbound_session.h"

enum inbound_state inbound_greeting_enter(struct inbound_session *s)
{
	inbound_printf(s, "220 %s ESMTP ringpost\r\n",
		       s->pool->config.config->hostname);
	return INBOUND_COMMAND;
}

/* Nothing said in clear is known under TLS (RFC 3207 section 4.2). */
static void forget(struct inbound_session *s)
{
	inbound_reset(s);
	free(s->helo);
	s->helo = NULL;
	s->extended = false;
}

static void failed(struct inbound_session *s, enum tls_failed how)
{
	tls_stats_failed(&s->pool->stats.tls, how);
}

enum inbound_state inbound_tls_enter(struct inbound_session *s)
{
	const struct config *config = s->pool->config.config;

	forget(s);
	inbound_flush(s); /* the 220 goes out before, in clear */
	inbound_timer_arm(s, config->timeouts.tls);
	/* Replies are few bytes beside the messages. */
	ktls_stream_expect(
		&s->stream, KTLS_RX,
		ktls_traffic_guess(&s->pool->traffic[s->listener->index]));
	ktls_stream_expect(&s->stream, KTLS_TX, 0);
	/* -EBADMSG: clear text came in behind STARTTLS. */
	if (ktls_stream_start_tls(&s->stream, s->listener->ctx, NULL,
				  config->offload) < 0) {
		failed(s, TLS_FAILED_OTHER);
		s->end = INBOUND_END_TLS_START;
		return INBOUND_ABORTING;
	}
	return INBOUND_TLS;
}

enum inbound_state inbound_tls_on_secure(struct inbound_session *s)
{
	struct ktls_stream_info info;

	s->secure = true;
	ktls_stream_info(&s->stream, &info);
	tls_stats_secured(&s->pool->stats.tls, &info);
	return s->listener->config->tls == CONFIG_LISTEN_IMPLICIT
		       ? INBOUND_GREETING
		       : INBOUND_COMMAND;
}

/* Bytes may be there before SECURE is told; an end leads nowhere. */
enum inbound_state inbound_tls_on_readable(struct inbound_session *s)
{
	if (!s->ended)
		return INBOUND_TLS;
	failed(s, TLS_FAILED_CLOSED);
	s->end = INBOUND_END_TLS_CLOSED;
	return INBOUND_ABORTING;
}

enum inbound_state inbound_tls_on_failed(struct inbound_session *s)
{
	struct ktls_failure_info failure;

	ktls_stream_failure(&s->stream, &failure);
	failed(s, tls_stats_failure(failure.kind));
	return inbound_on_failed(s);
}

enum inbound_state inbound_tls_on_timeout(struct inbound_session *s)
{
	failed(s, TLS_FAILED_TIMEOUT);
	s->end = INBOUND_END_TLS_TIMEOUT;
	return INBOUND_ABORTING;
}

/* 421 can't be said in here. */
enum inbound_state inbound_tls_on_shutdown(struct inbound_session *s)
{
	s->end = INBOUND_END_SHUTDOWN;
	return INBOUND_ABORTING;
}
