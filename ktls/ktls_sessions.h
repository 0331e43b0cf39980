/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's session cache: tickets by (cache key, server name), least
 * recently stored out first. Shared between threads. Private to ktls/.
 */
#ifndef KTLS_KTLS_SESSIONS_H
#define KTLS_KTLS_SESSIONS_H

#include <openssl/ssl.h>

#include "ktls/ktls_ctx.h"

struct ktls_sessions;

/* Several for one peer, as several connections to it may start at once; a
 * TLS 1.3 ticket serves once (RFC 8446 appendix C.4). */
#define KTLS_SESSIONS_PER_PEER 8

/* Whom a session is for. Strings are borrowed for the call. */
struct ktls_session_id {
	const char *key;	 /* "host:port" */
	const char *server_name; /* or NULL */
};

struct ktls_sessions *ktls_sessions_create(size_t max); /* NULL: no memory */
void ktls_sessions_free(struct ktls_sessions **sessions);

/*
 * ktls_sessions_put() - keep @session (a copy of it is made).
 * @verified: the chain and the name were good when it was agreed.
 */
void ktls_sessions_put(struct ktls_sessions *sessions,
		       const struct ktls_session_id *id, SSL_SESSION *session,
		       bool verified);

/*
 * ktls_sessions_take() - the newest one that is still good; with @verified only
 * one that was verified. Returned owned, or NULL.
 */
SSL_SESSION *ktls_sessions_take(struct ktls_sessions *sessions,
				const struct ktls_session_id *id,
				bool verified);

/* ktls_sessions_forget() - drop all of a peer's: a handshake failed. */
void ktls_sessions_forget(struct ktls_sessions *sessions,
			  const struct ktls_session_id *id);

void ktls_sessions_stats(struct ktls_sessions *sessions,
			 struct ktls_ctx_stats *out);

#endif
