/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate that several threads keep together: one 64-bit number and no lock.
 *
 * It is the generic cell rate algorithm (ITU-T I.371): the number is the time
 * at which a stream that kept exactly to the rate would send next.  Whoever
 * asks is given a place in that stream, so that nobody is overtaken; a place
 * in the future is waited for.
 *
 * What may be sent at once after a pause is what the rate gives in a second,
 * at least one: 10/s lets ten go together, 100/h never two.
 */
#ifndef GATEWAY_QUEUE_RATE_H
#define GATEWAY_QUEUE_RATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "gateway/config/config_destination.h"

struct rate {
	_Atomic uint64_t next; /* ns; zeroed: nothing was sent for long */
};

/*
 * rate_take() - the next place, at @now or later: the caller may send once
 * from the returned time on, and must not ask again before.
 * @limit: how much in which time; a count of 0 is no limit.
 * @halvings: the rate is divided by 2 that often.
 * Times in ns, of one clock for all callers.
 */
uint64_t rate_take(struct rate *rate, const struct config_rate *limit,
		   unsigned halvings, uint64_t now);

/* rate_rests() - is nothing remembered that matters at @now? */
bool rate_rests(const struct rate *rate, uint64_t now);

#endif
