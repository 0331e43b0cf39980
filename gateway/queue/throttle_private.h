/* SPDX-License-Identifier: Apache-2.0 */
/* What throttle.c and throttle_share.c share. Not for other files. */
#ifndef GATEWAY_QUEUE_THROTTLE_PRIVATE_H
#define GATEWAY_QUEUE_THROTTLE_PRIVATE_H

#include "gateway/queue/throttle.h"

/* Of destinations without mail, whose rates or troubles go on. Beyond that the
 * oldest is forgotten. */
#define THROTTLES_KEPT 100000

struct throttles {
	pthread_mutex_t lock; /* guards the table, and who uses what */
	struct table table;
	struct throttle *oldest, *newest; /* without users */
	unsigned seat_count;
	struct throttle_seat seats[];
};

/* The claim's worker shall look at it. Under no seat's lock. */
void throttle_post(struct throttle_claim *claim);
/* From now on limits are divided by 2 that often. */
void throttle_halve(struct throttle *throttle, unsigned halvings);

#endif
