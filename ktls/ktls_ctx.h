/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS settings that many connections share: certificates, versions, ciphers,
 * verification, tickets and the client's session cache.
 *
 * A context is immutable once made (a reload makes a new one) and counted:
 * connections keep theirs alive.  It may be shared between threads.
 */
#ifndef KTLS_KTLS_CTX_H
#define KTLS_KTLS_CTX_H

#include "ktls/ktls_types.h"

struct ktls_ctx;

/* A certificate chain with its key; files in PEM. */
struct ktls_cert_files {
	const char *certificate; /* leaf first, then intermediates */
	const char *key;
};

/* A message for a person: what is wrong, with which file, how to mend. */
struct ktls_error {
	char text[512];
};

struct ktls_ctx_config {
	enum ktls_role role;
	enum ktls_version min_version; /* NONE: TLS 1.2 */
	enum ktls_version max_version; /* NONE: TLS 1.3 */
	const char *ciphers;	   /* TLS 1.2, OpenSSL syntax; NULL: AEAD with ECDHE */
	const char *ciphersuites;  /* TLS 1.3; NULL: AES-128-GCM first */
	/* Server: the first is the default; the others are chosen by SNI
	 * from the names in their certificates (wildcards too). Client:
	 * optional client certificate (one). */
	const struct ktls_cert_files *certs;
	size_t cert_count;
	/* Client: trust anchors; NULL, NULL: the system's. */
	const char *ca_file;
	const char *ca_dir;
	unsigned tickets;	/* server: tickets per full handshake (TLS 1.3) */
	/* Server: seconds for which a key seals tickets; it opens them for as
	 * long again, then it is wiped. 0: as long as a ticket is good for. */
	uint64_t ticket_key_lifetime;
	/* Seconds, for the above; NULL: the system's since boot. */
	uint64_t (*clock)(void);
	size_t session_cache;	/* client: sessions kept (LRU); 0: no resumption */
};

/*
 * ktls_ctx_create() - load files and make a context.
 * @config: borrowed for the call.   @out: returned owned (one reference).
 * Returns 0 or -errno (-EINVAL for what OpenSSL refuses) with @error filled:
 * missing file, unreadable, not PEM, key does not match its certificate,
 * certificate expired or not yet valid (an error), unknown cipher...
 * Renegotiation and compression are off (RFC 9325); ALPN is not offered.
 */
int ktls_ctx_create(const struct ktls_ctx_config *config, struct ktls_ctx **out,
		    struct ktls_error *error);
struct ktls_ctx *ktls_ctx_ref(struct ktls_ctx *ctx);
void ktls_ctx_unref(struct ktls_ctx **ctx); /* accepts NULL; clears */

enum ktls_role ktls_ctx_role(const struct ktls_ctx *ctx);

struct ktls_ctx_stats {
	uint64_t sessions_stored; /* tickets that reached the client's cache */
	uint64_t sessions_used;	  /* resumptions offered from it */
};
void ktls_ctx_stats(struct ktls_ctx *ctx, struct ktls_ctx_stats *out);

#endif
