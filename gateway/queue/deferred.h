/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries that wait for their time: a binary heap, the earliest on top. */
#ifndef GATEWAY_QUEUE_DEFERRED_H
#define GATEWAY_QUEUE_DEFERRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delivery;

struct deferred {
	struct delivery **heap; /* owned array of borrowed deliveries */
	size_t count, room;
};

/* deferred_push() - @delivery waits until delivery->due. False: no memory,
 * nothing changed. */
bool deferred_push(struct deferred *deferred, struct delivery *delivery);
/* deferred_top() - the earliest, or NULL. */
struct delivery *deferred_top(const struct deferred *deferred);
/* deferred_pop() - remove and return the earliest, or NULL. */
struct delivery *deferred_pop(struct deferred *deferred);
/* deferred_remove() - @delivery is in it and doesn't wait any more. */
void deferred_remove(struct deferred *deferred, struct delivery *delivery);
/* deferred_deinit() - free the array, not the deliveries. */
void deferred_deinit(struct deferred *deferred);

#endif
