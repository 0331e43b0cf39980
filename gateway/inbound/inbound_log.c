/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines of sessions. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "gateway/inbound/inbound_session.h"
#include "gateway/log/log.h"
#include "gateway/log/log_tls.h"
#include "uring/uring.h"

const char *inbound_client_address(const struct inbound_session *s,
				   char buf[INET6_ADDRSTRLEN])
{
	const struct in6_addr *in6 = &s->peer.in6.sin6_addr;
	const void *address = in6;
	int family = s->peer.any.sa_family;

	if (family == AF_INET) {
		address = &s->peer.in.sin_addr;
	} else if (family != AF_INET6) {
		snprintf(buf, INET6_ADDRSTRLEN, "0.0.0.0");
		return buf;
	} else if (IN6_IS_ADDR_V4MAPPED(in6)) {
		family = AF_INET;
		address = in6->s6_addr + 12;
	}
	if (!inet_ntop(family, address, buf, INET6_ADDRSTRLEN))
		snprintf(buf, INET6_ADDRSTRLEN, "0.0.0.0");
	return buf;
}

const char *inbound_client(const struct inbound_session *s,
			   char buf[INBOUND_CLIENT_SIZE])
{
	char address[INET6_ADDRSTRLEN];
	uint16_t port = 0;

	if (s->peer.any.sa_family == AF_UNIX) {
		snprintf(buf, INBOUND_CLIENT_SIZE, "local:uid=%u",
			 s->peer.local.uid);
		return buf;
	}
	if (s->peer.any.sa_family == AF_INET)
		port = ntohs(s->peer.in.sin_port);
	else if (s->peer.any.sa_family == AF_INET6)
		port = ntohs(s->peer.in6.sin6_port);
	snprintf(buf, INBOUND_CLIENT_SIZE, "[%s]:%u",
		 inbound_client_address(s, address), port);
	return buf;
}

void inbound_log_connected(const struct inbound_session *s)
{
	char client[INBOUND_CLIENT_SIZE];

	inbound_event_connected(s, true);
	log_debug("inbound.connected",
		  L_STR("client", inbound_client(s, client)),
		  L_STR("listener", s->listener->config->address.text));
}

/* A flood of connections must not become a flood of lines. */
void inbound_log_refused(const struct inbound_session *s,
			 enum inbound_reply_id reply)
{
	struct inbound *pool = s->pool;
	uint64_t now = uring_now(pool->config.env->ring);
	char client[INBOUND_CLIENT_SIZE];

	if (pool->refused_logged && now - pool->refused_logged < URING_SEC) {
		pool->refused_silently++;
		return;
	}
	log_info("inbound.refused", L_STR("client", inbound_client(s, client)),
		 L_STR("reply", inbound_reply_text(reply)),
		 L_UINT("more", pool->refused_silently));
	pool->refused_logged = now;
	pool->refused_silently = 0;
}

void inbound_log_rejected(struct inbound_session *s,
			  enum inbound_reply_id reply, const char *subject)
{
	uint64_t bit = UINT64_C(1) << reply;
	char client[INBOUND_CLIENT_SIZE];

	if (s->logged & bit)
		return;
	s->logged |= bit;
	inbound_event_rejected(s, reply, subject);
	log_info("inbound.rejected", L_STR("client", inbound_client(s, client)),
		 L_STR("reply", inbound_reply_text(reply)),
		 L_STR("subject", subject), L_STR("helo", s->helo),
		 L_STR("from", s->tx ? s->tx->reverse_path : NULL));
}

void inbound_log_accepted(const struct inbound_session *s, bool client_gone)
{
	const struct inbound_transaction *tx = s->tx;
	struct ktls_stream_info info = {.tls = false};
	char client[INBOUND_CLIENT_SIZE];
	struct log_tls words;

	inbound_event_accepted(s, client_gone);
	if (!log_enabled(CONFIG_LOG_INFO))
		return;
	if (s->open && !client_gone)
		ktls_stream_info(&s->stream, &info);
	log_tls_words(&info, &words);
	log_info("inbound.accepted", L_ID(tx->id),
		 L_STR("from", tx->reverse_path),
		 L_UINT("rcpts", tx->recipient_count),
		 L_UINT("size", tx->data.stored),
		 L_STR("client", inbound_client(s, client)),
		 L_STR("helo", s->helo),
		 L_STR("tls", client_gone ? NULL : words.version),
		 L_STR("cipher", words.cipher),
		 L_STR("note",
		       client_gone ? "client gone before the reply" : NULL));
}

void inbound_log_failed(const struct inbound_session *s)
{
	struct ktls_failure_info failure;
	char client[INBOUND_CLIENT_SIZE];

	ktls_stream_failure(&s->stream, &failure);
	log_info("inbound.failed", L_STR("client", inbound_client(s, client)),
		 L_STR("state", inbound_state_name(s->state)),
		 L_STR("error", failure.text),
		 L_STR("errno",
		       failure.error ? strerrordesc_np(failure.error) : NULL));
}

void inbound_log_closed(const struct inbound_session *s)
{
	uint64_t now = uring_now(s->pool->config.env->ring);
	struct ktls_stream_info info;
	char client[INBOUND_CLIENT_SIZE];
	struct log_tls words;

	inbound_event_connected(s, false);
	if (!log_enabled(CONFIG_LOG_INFO))
		return;
	ktls_stream_info(&s->stream, &info);
	log_tls_words(&info, &words);
	log_info("inbound.closed", L_STR("client", inbound_client(s, client)),
		 L_STR("tls", words.version), L_STR("cipher", words.cipher),
		 L_STR("resumed", words.resumed),
		 L_STR("offload", words.offload), L_STR("why", words.why),
		 L_UINT("messages", s->messages), L_UINT("bytes", s->bytes),
		 L_SECONDS("seconds", now - s->opened),
		 L_STR("end", inbound_end_text(s->end)));
}
