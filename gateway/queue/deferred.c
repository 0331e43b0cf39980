/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries that wait for their time. */
#include "gateway/queue/deferred.h"

#include <stdlib.h>

#include "gateway/queue/delivery.h"

static bool earlier(const struct deferred *d, size_t a, size_t b)
{
	return d->heap[a]->due < d->heap[b]->due;
}

static void swap(struct deferred *d, size_t a, size_t b)
{
	struct delivery *t = d->heap[a];

	d->heap[a] = d->heap[b];
	d->heap[b] = t;
}

bool deferred_push(struct deferred *d, struct delivery *delivery)
{
	size_t i = d->count;

	if (d->count == d->room) {
		size_t room = d->room ? d->room * 2 : 64;
		struct delivery **more =
			reallocarray(d->heap, room, sizeof(struct delivery *));

		if (!more)
			return false;
		d->heap = more;
		d->room = room;
	}
	d->heap[d->count++] = delivery;
	for (; i > 0 && earlier(d, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(d, i, (i - 1) / 2);
	return true;
}

struct delivery *deferred_top(const struct deferred *d)
{
	return d->count > 0 ? d->heap[0] : NULL;
}

struct delivery *deferred_pop(struct deferred *d)
{
	struct delivery *top = deferred_top(d);
	size_t i = 0;

	if (!top)
		return NULL;
	d->heap[0] = d->heap[--d->count];
	for (;;) {
		size_t least = i, left = 2 * i + 1;

		for (size_t c = left; c < left + 2 && c < d->count; c++)
			if (earlier(d, c, least))
				least = c;
		if (least == i)
			return top;
		swap(d, i, least);
		i = least;
	}
}

void deferred_deinit(struct deferred *d)
{
	free(d->heap);
	*d = (struct deferred){0};
}
