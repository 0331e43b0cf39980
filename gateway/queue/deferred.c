/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries that wait for their time. */
#include "gateway/queue/deferred.h"

#include <stdlib.h>

#include "gateway/queue/delivery.h"

static bool earlier(const struct deferred *d, size_t a, size_t b)
{
	return d->heap[a]->due < d->heap[b]->due;
}

static void put(struct deferred *d, size_t at, struct delivery *delivery)
{
	d->heap[at] = delivery;
	delivery->heap_at = at;
}

static void swap(struct deferred *d, size_t a, size_t b)
{
	struct delivery *t = d->heap[a];

	put(d, a, d->heap[b]);
	put(d, b, t);
}

static void sift_up(struct deferred *d, size_t i)
{
	for (; i > 0 && earlier(d, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(d, i, (i - 1) / 2);
}

static void sift_down(struct deferred *d, size_t i)
{
	for (;;) {
		size_t least = i, left = 2 * i + 1;

		for (size_t c = left; c < left + 2 && c < d->count; c++)
			if (earlier(d, c, least))
				least = c;
		if (least == i)
			return;
		swap(d, i, least);
		i = least;
	}
}

bool deferred_push(struct deferred *d, struct delivery *delivery)
{
	if (d->count == d->room) {
		size_t room = d->room ? d->room * 2 : 64;
		struct delivery **more =
			reallocarray(d->heap, room, sizeof(struct delivery *));

		if (!more)
			return false;
		d->heap = more;
		d->room = room;
	}
	put(d, d->count++, delivery);
	sift_up(d, d->count - 1);
	return true;
}

struct delivery *deferred_top(const struct deferred *d)
{
	return d->count > 0 ? d->heap[0] : NULL;
}

void deferred_remove(struct deferred *d, struct delivery *delivery)
{
	size_t i = delivery->heap_at;
	struct delivery *last = d->heap[--d->count];

	delivery->heap_at = 0;
	if (i == d->count)
		return;
	put(d, i, last);
	sift_up(d, i);
	sift_down(d, last->heap_at);
}

struct delivery *deferred_pop(struct deferred *d)
{
	struct delivery *top = deferred_top(d);

	if (top)
		deferred_remove(d, top);
	return top;
}

void deferred_deinit(struct deferred *d)
{
	free(d->heap);
	*d = (struct deferred){0};
}
