/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A notification on its way into the spool: it is committed before what it
 * tells of is recorded, so that a crash may repeat a bounce but never loses
 * one.
 */
#ifndef GATEWAY_BOUNCE_BOUNCE_H
#define GATEWAY_BOUNCE_BOUNCE_H

#include "gateway/bounce/dsn.h"
#include "gateway/spool/spool.h"

struct bounce;

/* The end of it, exactly once, from a later turn: @message is the bounce in
 * the spool (the queue's to deliver), NULL when it could not be stored (no
 * space, no memory): the failure must not be recorded then. */
typedef void (*bounce_done_fn)(void *owner, struct spool_message *message);

/*
 * bounce_start() - compose @dsn and store it in @spool, for the message's
 * sender.  @dsn and what it points to are borrowed for the call.
 * @out: returned owned by itself: it is gone when @done was called.
 * Returns 0 or -errno (then @done is not called).
 */
int bounce_start(struct spool *spool, const struct dsn *dsn,
		 bounce_done_fn done, void *owner);

/*
 * bounce_action() - what the sender hears of @result for a recipient, by his
 * NOTIFY (RFC 3461 sections 4.1 and 5.2): without one, of failures and delays.
 * Nothing ever goes to the null reverse-path (RFC 5321 section 4.5.5): a
 * bounce does not bounce.
 * @recipient: index into the envelope.  @told: the next hop announced DSN, so
 * success is its to report.  @late: of a deferred one, a warning is due.
 */
enum dsn_action bounce_action(const struct spool_envelope *envelope,
			      size_t recipient, enum spool_result result,
			      bool told, bool late);

#endif
