/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What senders hear of a transaction: failures, delays, and mail that was
 * passed on to hosts that report nothing (RFC 3464).  All recipients of one
 * transaction share one notification.
 */
#ifndef GATEWAY_QUEUE_NOTIFY_H
#define GATEWAY_QUEUE_NOTIFY_H

#include <stdbool.h>

struct delivery;

/*
 * notify_start() - the transaction is over: tell its sender if he is to hear
 * of it.  True: a notification is being stored, and queue_settle() follows in
 * a later turn.  False: there is none, settle now; when one could not be made,
 * no failure is given up any more.
 */
bool notify_start(struct delivery *delivery);

#endif
