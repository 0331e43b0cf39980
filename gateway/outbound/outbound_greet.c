/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From connect to READY: greeting, EHLO (or HELO), STARTTLS, EHLO again.
 * RFC 5321 section 3.1 and 4.1.1.1, RFC 3207.
 */
#include <errno.h>
#include <stdio.h>

#include "gateway/outbound/outbound_session.h"

static bool positive(const struct outbound_session *s)
{
	return s->parser.reply.code / 100 == 2;
}

static enum config_tls_level level(const struct outbound_session *s)
{
	return s->plain ? CONFIG_TLS_NONE : s->terms.tls;
}

enum outbound_state outbound_connect_on_connected(struct outbound_session *s)
{
	return OUTBOUND_GREETING;
}

enum outbound_state outbound_greeting_on_reply(struct outbound_session *s)
{
	if (s->parser.reply.code != 220)
		return outbound_fail_reply(s);
	return OUTBOUND_EHLO;
}

enum outbound_state outbound_ehlo_enter(struct outbound_session *s)
{
	s->extensions = 0;
	s->size_limit = 0;
	smtp_reply_start(&s->parser, true);
	outbound_command(s, "EHLO %s", s->pool->config.config->hostname);
	return s->state;
}

/* Greetings are over and TLS is as the route wants it, or it isn't. */
static enum outbound_state after_ehlo(struct outbound_session *s)
{
	enum config_tls_level want = level(s);

	if (want == CONFIG_TLS_NONE || s->secure)
		return OUTBOUND_READY;
	if (s->extensions & SMTP_EXT_STARTTLS)
		return OUTBOUND_STARTTLS;
	if (want == CONFIG_TLS_MAY)
		return OUTBOUND_READY;
	return outbound_fail_text(s, "4.7.4",
				  "TLS is required, the server offers none");
}

enum outbound_state outbound_ehlo_on_reply(struct outbound_session *s)
{
	if (s->parser.reply.code / 100 == 5 && !s->secure)
		return OUTBOUND_HELO;
	if (!positive(s))
		return outbound_fail_reply(s);
	s->extensions = s->parser.reply.extensions;
	s->size_limit = s->parser.reply.size_limit;
	return after_ehlo(s);
}

enum outbound_state outbound_helo_enter(struct outbound_session *s)
{
	outbound_command(s, "HELO %s", s->pool->config.config->hostname);
	return s->state;
}

enum outbound_state outbound_helo_on_reply(struct outbound_session *s)
{
	if (!positive(s))
		return outbound_fail_reply(s);
	return after_ehlo(s);
}

enum outbound_state outbound_starttls_enter(struct outbound_session *s)
{
	outbound_command(s, "STARTTLS");
	return s->state;
}

enum outbound_state outbound_starttls_on_reply(struct outbound_session *s)
{
	if (s->parser.reply.code == 220)
		return OUTBOUND_TLS;
	if (level(s) == CONFIG_TLS_MAY && s->parser.reply.code != 421)
		return OUTBOUND_READY;
	return outbound_fail_reply(s);
}

static enum ktls_offload offload(const struct outbound_session *s)
{
	return s->rekeys ? KTLS_OFFLOAD_REKEYS
			 : s->pool->config.config->offload;
}

enum outbound_state outbound_tls_enter(struct outbound_session *s)
{
	const struct config_route *route = s->hop->route;
	char key[320]; /* a host name with its address and port */
	struct ktls_engine_config tls = {
		.server_name = route->tls_name ? route->tls_name : s->host,
		.session_key = key,
		.verify = s->terms.tls == CONFIG_TLS_VERIFY ? KTLS_VERIFY_NAME
							    : KTLS_VERIFY_NONE,
	};
	int r;

	snprintf(key, sizeof(key), "%s %s", s->host, s->relay);
	if (s->expected > 0) { /* replies are few bytes beside them */
		ktls_stream_expect(&s->stream, KTLS_TX, s->expected);
		ktls_stream_expect(&s->stream, KTLS_RX, 0);
	}
	r = ktls_stream_start_tls(&s->stream, s->hop->ctx, &tls, offload(s));

	if (r == -EBADMSG)
		return outbound_fail_text(
			s, "4.7.0",
			"clear text behind the server's STARTTLS reply");
	if (r < 0)
		return outbound_fail_text(s, "4.3.0", "TLS can't be started");
	return s->state;
}

enum outbound_state outbound_tls_on_secure(struct outbound_session *s)
{
	struct ktls_stream_info info;

	s->secure = true;
	ktls_stream_info(&s->stream, &info);
	tls_stats_secured(&s->pool->stats.tls, &info);
	/* RFC 3207 4.2: forget what the server said in clear. */
	return OUTBOUND_EHLO;
}

/* From STARTTLS on: the server offered what it can't do. */
static void note_failure(struct outbound_session *s, enum tls_failed how)
{
	s->tls_failed = true;
	tls_stats_failed(&s->pool->stats.tls, how);
}

enum outbound_state outbound_tls_on_lost(struct outbound_session *s)
{
	struct ktls_failure_info failure;

	ktls_stream_failure(&s->stream, &failure);
	note_failure(s, tls_stats_failure(failure.kind));
	return outbound_on_lost(s);
}

enum outbound_state outbound_tls_on_timeout(struct outbound_session *s)
{
	note_failure(s, TLS_FAILED_TIMEOUT);
	return outbound_on_timeout(s);
}
