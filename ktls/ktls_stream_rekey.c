/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KeyUpdates received and sent, where kernel TLS has at least one direction
 * (ktls_stream_rekey.h).  Where the other one is OpenSSL's, that changes its
 * keys itself, and each side says its part through whoever sends.
 */
#include "ktls/ktls_stream_rekey.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ktls/ktls_stream_private.h"

enum {
	MESSAGE_KEY_UPDATE = 24,
};

/* RFC 8446 section 5.5 allows 2^24.5 full records under an AES-GCM key; with
 * ChaCha20-Poly1305 the sequence number would end first. RFC 9325 section 4.4
 * wants the same of TLS 1.2. */
#define AES_GCM_RECORDS (UINT64_C(1) << 24)

static uint64_t rekey_limit(const struct ktls_stream_private *p)
{
	if (p->env->record_limit)
		return p->env->record_limit;
	return p->agreed->cipher == KTLS_CHACHA20_POLY1305 ? UINT64_MAX
							   : AES_GCM_RECORDS;
}

/* A ring that polls before it receives can't be used: once the kernel has read
 * a KeyUpdate its poll stays quiet, though that record has still to be fetched
 * (seen on 7.2). Kernels that can rekey have better rings. */
static bool rekey_kernel_can(const struct ktls_stream_private *p,
			     enum ktls_direction dir)
{
	const struct uring_caps *ring = uring_caps(p->env->ring);

	return dir == KTLS_TX ? p->env->caps->rekey_tx && ring->sendmsg_control
			      : p->env->caps->rekey_rx && ring->buf_ring;
}

void kstream_rekey_keep(struct ktls_stream_private *p, enum ktls_direction dir,
			const struct ktls_keys *keys)
{
	struct kstream_secret *secret;

	p->use[dir].records = keys->seq;
	if (keys->version != KTLS_TLS_1_3 || !rekey_kernel_can(p, dir))
		return;
	if (!p->rekey)
		p->rekey = calloc(1, sizeof(*p->rekey));
	if (!p->rekey)
		return; /* then its keys can't be changed: no more than that */
	assert(keys->secret_len <= sizeof(secret->bytes));
	secret = &p->rekey->secret[dir];
	memcpy(secret->bytes, keys->secret, keys->secret_len);
	secret->len = (uint8_t)keys->secret_len;
}

void kstream_rekey_free(struct ktls_stream_private *p)
{
	if (p->rekey)
		OPENSSL_cleanse(p->rekey, sizeof(*p->rekey));
	free(p->rekey);
	p->rekey = NULL;
}

/* Can the kernel's key of this direction be changed? */
static bool rekey_in_kernel(const struct ktls_stream_private *p,
			    enum ktls_direction dir)
{
	return p->path[dir] == KSTREAM_KERNEL && p->rekey &&
	       p->rekey->secret[dir].len > 0;
}

/* OpenSSL's can where the protocol can. */
static bool rekey_possible(const struct ktls_stream_private *p,
			   enum ktls_direction dir)
{
	if (p->path[dir] == KSTREAM_KERNEL)
		return rekey_in_kernel(p, dir);
	return p->agreed->version == KTLS_TLS_1_3;
}

/* The next generation of keys into the kernel. 0 or -errno. */
static int rekey_install(struct ktls_stream_private *p, enum ktls_direction dir)
{
	struct kstream_secret *secret = &p->rekey->secret[dir];
	struct ktls_keys now = {
		.version = KTLS_TLS_1_3,
		.cipher = p->agreed->cipher,
		.secret_len = secret->len,
	};
	struct ktls_keys next = {0};
	int error;

	memcpy(now.secret, secret->bytes, secret->len);
	error = ktls_keys_next(secret->len == 48 ? "SHA384" : "SHA256", &now,
			       &next);
	if (!error)
		error = ktls_install(p->env->kernel, p->fd, dir, &next);
	if (!error) {
		memcpy(secret->bytes, next.secret, secret->len);
		p->use[dir].records = 0;
		p->use[dir].renewed++;
	}
	ktls_keys_wipe(&now);
	ktls_keys_wipe(&next);
	return error;
}

static enum kstream_state rekey_refused(struct ktls_stream_private *p,
					enum ktls_failure kind,
					enum ktls_direction dir, int error)
{
	char text[96];

	snprintf(text, sizeof(text), "kernel refused the new %s keys: %s",
		 ktls_direction_name(dir), strerror(-error));
	return kstream_fail(p, kind, -error, text);
}

/* --- sending --- */

static void rekey_say(struct ktls_stream_private *p, bool ask)
{
	if (p->path[KTLS_TX] == KSTREAM_KERNEL) {
		p->rekey->due = true;
		p->rekey->ask |= ask;
	} else {
		(void)ktls_engine_key_update(p->engine, ask);
	}
}

bool kstream_rekey_due(const struct ktls_stream_private *p)
{
	return p->rekey && p->rekey->due &&
	       kstream_allowed(p) == KSTREAM_SENDS_ALL;
}

enum kstream_state kstream_rekey_send(struct ktls_stream_private *p)
{
	struct kstream_rekey *r = p->rekey;
	const uint8_t message[] = {MESSAGE_KEY_UPDATE, 0, 0, 1, r->ask};

	assert(r->due && rekey_in_kernel(p, KTLS_TX) && !p->ops.send);
	static_assert(sizeof(message) == sizeof(r->message), "one KeyUpdate");
	memcpy(r->message, message, sizeof(message));
	kstream_record_send(p, KTLS_HANDSHAKE, r->message, sizeof(r->message));
	if (!p->ops.send)
		return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOBUFS,
				    "too many operations in flight");
	p->sending = KSTREAM_SENDING_KEY_UPDATE;
	r->due = r->ask = false;
	return p->state;
}

enum kstream_state kstream_rekey_sent(struct ktls_stream_private *p, int res)
{
	struct kstream_rekey *r = p->rekey;
	int error;

	if (res == -EINTR || res == -EAGAIN) {
		r->due = true;
		r->ask |= r->message[4];
		return p->state;
	}
	/* Nothing may follow under the old keys. */
	error = rekey_install(p, KTLS_TX);
	if (error < 0)
		return rekey_refused(p, KTLS_FAILURE_INSTALL, KTLS_TX, error);
	return p->state;
}

/* --- receiving --- */

enum kstream_state kstream_rekey_received(struct ktls_stream_private *p,
					  bool asked)
{
	int error;

	if (!rekey_in_kernel(p, KTLS_RX) ||
	    (asked && !rekey_possible(p, KTLS_TX)))
		return kstream_fail(p, KTLS_FAILURE_REKEY, 0, NULL);
	error = rekey_install(p, KTLS_RX);
	if (error < 0)
		return rekey_refused(p, KTLS_FAILURE_REKEY, KTLS_RX, error);
	p->rekey->renewed = true;
	if (asked)
		rekey_say(p, false);
	return p->state;
}

enum kstream_state kstream_rekey_answer(struct ktls_stream_private *p)
{
	size_t len;

	if (p->agreed->version != KTLS_TLS_1_3)
		return kstream_fail(p, KTLS_FAILURE_RECORD, 0,
				    "peer asked to renegotiate");
	if (!rekey_in_kernel(p, KTLS_TX))
		return kstream_fail(p, KTLS_FAILURE_REKEY, 0, NULL);
	ktls_engine_output(p->engine, &len);
	ktls_engine_output_drop(p->engine, len);
	rekey_say(p, false);
	return p->state;
}

bool kstream_rekey_expired(struct ktls_stream_private *p)
{
	bool renewed = p->rekey && p->rekey->renewed;

	if (renewed)
		p->rekey->renewed = false;
	return renewed;
}

/* --- limits --- */

/* The bound is one of cipher blocks, so bytes tell more than the records that
 * a receive may have joined. */
void kstream_rekey_count(struct ktls_stream_private *p, enum ktls_direction dir,
			 uint64_t bytes)
{
	p->use[dir].records += bytes / KTLS_RECORD_MAX + 1;
}

static uint64_t rekey_records(const struct ktls_stream_private *p,
			      enum ktls_direction dir)
{
	if (p->path[dir] == KSTREAM_KERNEL || !p->engine)
		return p->use[dir].records;
	return ktls_engine_records(p->engine, dir);
}

/* Has the peer to be asked for new keys? Once for each of them. */
static bool rekey_must_ask(struct ktls_stream_private *p)
{
	struct kstream_use *use = &p->use[KTLS_RX];

	if (rekey_records(p, KTLS_RX) < rekey_limit(p)) {
		use->asked = false;
		return false;
	}
	if (use->asked || !rekey_possible(p, KTLS_RX))
		return false;
	use->asked = true;
	return true;
}

void kstream_rekey_limits(struct ktls_stream_private *p)
{
	bool ask;

	if (p->state != KSTREAM_SECURE || !rekey_possible(p, KTLS_TX))
		return;
	ask = rekey_must_ask(p);
	if (ask || rekey_records(p, KTLS_TX) >= rekey_limit(p))
		rekey_say(p, ask);
}

bool kstream_rekey_worn(const struct ktls_stream_private *p)
{
	if (p->state != KSTREAM_SECURE)
		return false;
	for (unsigned i = 0; i < KTLS_DIRECTIONS; i++) {
		enum ktls_direction dir = (enum ktls_direction)i;

		if (rekey_records(p, dir) < rekey_limit(p))
			continue;
		/* a peer's key can be changed only by asking for it */
		if (!rekey_possible(p, dir) || !rekey_possible(p, KTLS_TX))
			return true;
	}
	return false;
}
