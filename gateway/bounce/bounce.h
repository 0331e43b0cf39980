/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounce on its way into the spool: it is committed before the failure that
 * caused it is recorded, so that a crash may repeat a bounce but never loses
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
 * bounce_due() - does a failure of this message call for a bounce? Never for
 * the null reverse-path (RFC 5321 section 4.5.5): a bounce does not bounce.
 */
bool bounce_due(const struct spool_envelope *envelope);

#endif
