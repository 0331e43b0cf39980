/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which directions go to the kernel, and the way there: everything is
 * validated first, then TCP_ULP, RX, TX.  Before the first key is in, any
 * refusal means OpenSSL for that connection, with a reason; after it a
 * failure ends the connection, because the kernel may have encrypted or
 * decrypted under the keys already.
 *
 * A TLS 1.3 client leaves receiving in OpenSSL until the first reply is read:
 * the session tickets come in front of it, and only OpenSSL can put them into
 * the session cache.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ktls/ktls_stream_private.h"

/* offload: auto follows what was measured. */
static bool offload_pays(const struct ktls_stream_private *p)
{
	const struct ktls_policy *policy =
		p->env->paths ? ktls_paths_policy(p->env->paths)
			      : &ktls_policy_measured;

	return p->offload != KTLS_OFFLOAD_AUTO ||
	       ktls_policy_offload(policy, p->expected);
}

static enum ktls_reason offload_reason(struct ktls_stream_private *p,
				       enum ktls_direction dir)
{
	enum ktls_reason reason;

	if (p->offload == KTLS_OFFLOAD_NEVER)
		return KTLS_REASON_POLICY;
	if (p->offload == KTLS_OFFLOAD_REKEYS)
		return KTLS_REASON_REKEYS;
	if (!offload_pays(p))
		return KTLS_REASON_FEW_BYTES;
	reason = ktls_validate(p->env->caps, dir, p->agreed->version,
			       p->agreed->cipher);
	if (reason != KTLS_REASON_NONE)
		return reason;
	/* the kernel cuts records of 16 KiB */
	if (p->agreed->small_records)
		return KTLS_REASON_RECORD_SIZE;
	if (!ktls_engine_idle(p->engine, dir))
		return KTLS_REASON_PENDING;
	if (dir == KTLS_RX && p->inbox.count > 0)
		return KTLS_REASON_PENDING;
	if (dir == KTLS_RX && p->role == KTLS_CLIENT &&
	    p->agreed->version == KTLS_TLS_1_3)
		return KTLS_REASON_NOT_YET;
	return KTLS_REASON_NONE;
}

static void offload_refuse(struct ktls_stream_private *p,
			   const bool wanted[KTLS_DIRECTIONS],
			   enum ktls_reason reason, int error)
{
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		if (wanted[dir])
			p->reason[dir] = reason;
	}
	p->reason_error = -error;
}

static enum kstream_state offload_broken(struct ktls_stream_private *p,
					 enum ktls_direction dir, int error)
{
	char text[96];

	snprintf(text, sizeof(text), "kernel refused the %s keys: %s",
		 ktls_direction_name(dir), strerror(-error));
	p->reason[dir] = KTLS_REASON_SETSOCKOPT;
	p->reason_error = -error;
	return kstream_fail(p, KTLS_FAILURE_INSTALL, -error, text);
}

static bool offload_started(const struct ktls_stream_private *p)
{
	return p->path[KTLS_TX] == KSTREAM_KERNEL ||
	       p->path[KTLS_RX] == KSTREAM_KERNEL;
}

/* The point of no return is the first ktls_install() that succeeds. */
static enum kstream_state offload_commit(struct ktls_stream_private *p,
					 const bool wanted[KTLS_DIRECTIONS],
					 const struct ktls_keys *keys)
{
	static const enum ktls_direction order[] = {KTLS_RX, KTLS_TX};
	const struct ktls_kernel *kernel = p->env->kernel;
	int error = ktls_attach(kernel, p->fd);

	if (error < 0 && error != -EEXIST) {
		offload_refuse(p, wanted, KTLS_REASON_NO_ULP, error);
		return p->state;
	}
	for (unsigned i = 0; i < KTLS_DIRECTIONS; i++) {
		enum ktls_direction dir = order[i];

		if (!wanted[dir])
			continue;
		error = ktls_install(kernel, p->fd, dir, &keys[dir]);
		if (error < 0 && offload_started(p))
			return offload_broken(p, dir, error);
		if (error < 0) {
			offload_refuse(p, wanted, KTLS_REASON_SETSOCKOPT,
				       error);
			return p->state;
		}
		p->path[dir] = KSTREAM_KERNEL;
		p->reason[dir] = KTLS_REASON_NONE;
		kstream_rekey_keep(p, dir, &keys[dir]);
	}
	/* No ktls_expect_no_pad(): a peer may pad whenever it likes. */
	return p->state;
}

static enum kstream_state offload_install(struct ktls_stream_private *p,
					  bool wanted[KTLS_DIRECTIONS])
{
	struct ktls_keys keys[KTLS_DIRECTIONS] = {0};
	enum kstream_state next = p->state;

	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		if (!wanted[dir])
			continue;
		if (ktls_engine_keys(p->engine, (enum ktls_direction)dir,
				     &keys[dir]) < 0) {
			p->reason[dir] = KTLS_REASON_CIPHER_OTHER;
			wanted[dir] = false;
		}
	}
	if (wanted[KTLS_TX] || wanted[KTLS_RX])
		next = offload_commit(p, wanted, keys);
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++)
		ktls_keys_wipe(&keys[dir]);
	return next;
}

/* offload: always means that a connection without it is no connection. */
static enum kstream_state offload_insist(struct ktls_stream_private *p,
					 enum kstream_state next)
{
	if (next == KSTREAM_FAILED || p->offload != KTLS_OFFLOAD_ALWAYS)
		return next;
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		enum ktls_reason reason = p->reason[dir];

		if (reason != KTLS_REASON_NONE && reason != KTLS_REASON_NOT_YET)
			return kstream_fail(p, KTLS_FAILURE_INSTALL,
					    p->reason_error,
					    ktls_reason_text(reason));
	}
	return next;
}

/* What the kernel has not taken is OpenSSL's; what nobody needs is freed. */
static void offload_settle_paths(struct ktls_stream_private *p)
{
	if (p->path[KTLS_TX] != KSTREAM_KERNEL)
		p->path[KTLS_TX] = KSTREAM_ENGINE;
	if (p->reason[KTLS_RX] == KTLS_REASON_NOT_YET)
		p->path[KTLS_RX] = KSTREAM_RECORD;
	else if (p->path[KTLS_RX] != KSTREAM_KERNEL)
		p->path[KTLS_RX] = KSTREAM_ENGINE;
	if (p->path[KTLS_RX] != KSTREAM_RECORD) {
		assert(!p->ops.recv);
		free(p->reader);
		p->reader = NULL;
	}
	if (p->path[KTLS_TX] == KSTREAM_KERNEL &&
	    p->path[KTLS_RX] == KSTREAM_KERNEL)
		ktls_engine_free(&p->engine);
}

enum kstream_state kstream_finishing_advance(struct ktls_stream_private *p)
{
	bool wanted[KTLS_DIRECTIONS];
	enum kstream_state next;

	if (!kstream_send_idle(p))
		return p->state;
	p->agreed = calloc(1, sizeof(*p->agreed));
	if (!p->agreed)
		return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOMEM, NULL);
	ktls_engine_info(p->engine, p->agreed);
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		p->reason[dir] = offload_reason(p, (enum ktls_direction)dir);
		wanted[dir] = p->reason[dir] == KTLS_REASON_NONE;
	}
	next = offload_insist(p, p->state);
	if (next != KSTREAM_FAILED)
		next = offload_insist(p, offload_install(p, wanted));
	if (next == KSTREAM_FAILED)
		return next;
	offload_settle_paths(p);
	return KSTREAM_SECURE;
}

enum kstream_state kstream_offload_receive(struct ktls_stream_private *p)
{
	bool wanted[KTLS_DIRECTIONS] = {[KTLS_RX] = true};
	enum kstream_state next;

	assert(p->path[KTLS_RX] == KSTREAM_RECORD && !p->ops.recv);
	assert(p->reason[KTLS_RX] == KTLS_REASON_NOT_YET);
	if (!ktls_engine_idle(p->engine, KTLS_RX))
		return p->state;
	next = offload_insist(p, offload_install(p, wanted));
	if (next != KSTREAM_FAILED)
		offload_settle_paths(p);
	return next;
}
