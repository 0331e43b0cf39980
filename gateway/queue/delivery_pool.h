/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for deliveries to one recipient, which most are: side by side and
 * without malloc(3)'s share, so that a million of them cost what they are.
 * What was given back is used again, not freed before the end.
 */
#ifndef GATEWAY_QUEUE_DELIVERY_POOL_H
#define GATEWAY_QUEUE_DELIVERY_POOL_H

#include <stddef.h>

struct delivery_slab;

struct delivery_pool {
	void *free;		     /* a list, by their first word */
	struct delivery_slab *slabs; /* owned */
};

/* delivery_pool_get() - @size zeroed bytes, the same @size each time, a
 * multiple of 8. NULL: no memory. */
void *delivery_pool_get(struct delivery_pool *pool, size_t size);
/* delivery_pool_put() - @place came from delivery_pool_get(). */
void delivery_pool_put(struct delivery_pool *pool, void *place);
/* delivery_pool_deinit() - free all, also what was not given back. */
void delivery_pool_deinit(struct delivery_pool *pool);

#endif
