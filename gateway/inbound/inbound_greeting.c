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
		s->pool->stats.tls_failures++;
		s->why = "TLS could not start";
		return INBOUND_ABORTING;
	}
	return INBOUND_TLS;
}

enum inbound_state inbound_tls_on_secure(struct inbound_session *s)
{
	s->secure = true;
	s->pool->stats.tls_handshakes++;
	return s->listener->config->tls == CONFIG_LISTEN_IMPLICIT
		       ? INBOUND_GREETING
		       : INBOUND_COMMAND;
}

/* Bytes may be there before SECURE is told; an end leads nowhere. */
enum inbound_state inbound_tls_on_readable(struct inbound_session *s)
{
	if (!s->ended)
		return INBOUND_TLS;
	s->pool->stats.tls_failures++;
	s->why = "closed in the handshake";
	return INBOUND_ABORTING;
}

enum inbound_state inbound_tls_on_failed(struct inbound_session *s)
{
	s->pool->stats.tls_failures++;
	return inbound_on_failed(s);
}

enum inbound_state inbound_tls_on_timeout(struct inbound_session *s)
{
	s->pool->stats.tls_failures++;
	s->why = "TLS timeout";
	return INBOUND_ABORTING;
}

/* 421 can't be said in here. */
enum inbound_state inbound_tls_on_shutdown(struct inbound_session *s)
{
	s->why = "shutdown";
	return INBOUND_ABORTING;
}
