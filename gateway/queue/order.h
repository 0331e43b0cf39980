/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items by a number that mostly grows (message ids): in order, found by
 * number, and walked in pieces between which the set may change.
 *
 * An array of short arrays: adding the highest is cheap, all else moves at
 * most one short array.  Costs about a pointer per item.  Several items may
 * have the same number.
 */
#ifndef GATEWAY_QUEUE_ORDER_H
#define GATEWAY_QUEUE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct order_chunk;

struct order_part {
	uint64_t low; /* no number in it, or behind it, is lower */
	struct order_chunk *chunk;
};

struct order {
	/* An item's number; the same as long as it is in here. */
	uint64_t (*number)(const void *item);
	struct order_part *parts; /* owned; ascending */
	size_t count, room;
	size_t total;	  /* items */
	uint64_t changes; /* grows with each of them */
};

/* A place in an order; good as long as order->changes stays. */
struct order_at {
	size_t part, index;
};

void order_init(struct order *order, uint64_t (*number)(const void *item));
/* order_deinit() - free it, not the items. */
void order_deinit(struct order *order);

/* order_add() - @item is borrowed until order_remove(). False: no memory. */
bool order_add(struct order *order, void *item);
/* order_remove() - @item is in it. */
void order_remove(struct order *order, void *item);

/* order_from() - the first item whose number is @number or more; NULL: none.
 * order_next() - the one behind *@at. */
void *order_from(const struct order *order, uint64_t number,
		 struct order_at *at);
void *order_next(const struct order *order, struct order_at *at);
/* order_last() - the highest, or NULL. */
void *order_last(const struct order *order);

#endif
