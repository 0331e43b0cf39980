/* SPDX-License-Identifier: Apache-2.0 */
/* A list of deliveries (delivery_list.h). */
#include "gateway/queue/delivery_list.h"

#include "gateway/queue/delivery.h"

void delivery_list_append(struct delivery_list *list, struct delivery *d)
{
	d->next = NULL;
	d->prev = list->last;
	if (list->last)
		list->last->next = d;
	else
		list->first = d;
	list->last = d;
	list->count++;
}

void delivery_list_prepend(struct delivery_list *list, struct delivery *d)
{
	d->prev = NULL;
	d->next = list->first;
	if (list->first)
		list->first->prev = d;
	else
		list->last = d;
	list->first = d;
	list->count++;
}

void delivery_list_remove(struct delivery_list *list, struct delivery *d)
{
	if (d->prev)
		d->prev->next = d->next;
	else
		list->first = d->next;
	if (d->next)
		d->next->prev = d->prev;
	else
		list->last = d->prev;
	d->next = d->prev = NULL;
	list->count--;
}

struct delivery *delivery_list_pop(struct delivery_list *list)
{
	struct delivery *d = list->first;

	if (d)
		delivery_list_remove(list, d);
	return d;
}
