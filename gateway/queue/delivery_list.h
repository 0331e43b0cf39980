/* SPDX-License-Identifier: Apache-2.0 */
/* A list of deliveries that any of them may leave. */
#ifndef GATEWAY_QUEUE_DELIVERY_LIST_H
#define GATEWAY_QUEUE_DELIVERY_LIST_H

#include <stddef.h>

struct delivery;

struct delivery_list {
	struct delivery *first, *last;
	size_t count;
};

void delivery_list_append(struct delivery_list *list, struct delivery *d);
void delivery_list_prepend(struct delivery_list *list, struct delivery *d);
/* delivery_list_remove() - @d is in @list. */
void delivery_list_remove(struct delivery_list *list, struct delivery *d);
/* delivery_list_pop() - remove and return the first, or NULL. */
struct delivery *delivery_list_pop(struct delivery_list *list);

#endif
