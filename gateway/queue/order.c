/* SPDX-License-Identifier: Apache-2.0 */
/* Items by number (order.h). */
#include "gateway/queue/order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHUNK_FIRST = 4,
	CHUNK_MAX = 128, /* items; 1 KiB */
};

struct order_chunk {
	uint32_t count, room;
	void *items[];
};

void order_init(struct order *order, uint64_t (*number)(const void *item))
{
	*order = (struct order){.number = number};
}

void order_deinit(struct order *order)
{
	for (size_t i = 0; i < order->count; i++)
		free(order->parts[i].chunk);
	free(order->parts);
	order_init(order, order->number);
}

/* The last part whose low is not above @number; 0 when there is none. */
static size_t part_of(const struct order *order, uint64_t number)
{
	size_t from = 0, to = order->count;

	while (to - from > 1) {
		size_t middle = from + (to - from) / 2;

		if (order->parts[middle].low <= number)
			from = middle;
		else
			to = middle;
	}
	return from;
}

/* The first item of @chunk with @number or more; its count: none. */
static uint32_t index_of(const struct order *order,
			 const struct order_chunk *chunk, uint64_t number)
{
	uint32_t from = 0, to = chunk->count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (order->number(chunk->items[middle]) < number)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* --- adding --- */

static struct order_chunk *chunk_sized(struct order_chunk *chunk, uint32_t room)
{
	struct order_chunk *more =
		realloc(chunk, sizeof(*more) + room * sizeof(more->items[0]));

	if (more && !chunk)
		more->count = 0;
	if (more)
		more->room = room;
	return more;
}

/* An empty chunk as part @at. */
static bool insert_part(struct order *order, size_t at, uint64_t low,
			uint32_t room)
{
	struct order_chunk *chunk;

	if (order->count == order->room) {
		size_t more = order->room ? order->room * 2 : 1;
		struct order_part *parts = reallocarray(
			order->parts, more, sizeof(order->parts[0]));

		if (!parts)
			return false;
		order->parts = parts;
		order->room = more;
	}
	chunk = chunk_sized(NULL, room);
	if (!chunk)
		return false;
	memmove(&order->parts[at + 1], &order->parts[at],
		(order->count - at) * sizeof(order->parts[0]));
	order->parts[at] = (struct order_part){.low = low, .chunk = chunk};
	order->count++;
	return true;
}

/* The upper half of the full part @at becomes a part of its own; of the last
 * one less: what comes next goes behind it, but for a few. */
static bool split(struct order *order, size_t at)
{
	struct order_chunk *full = order->parts[at].chunk, *upper;
	uint32_t half = at + 1 == order->count ? full->count - full->count / 8
					       : full->count / 2;

	if (!insert_part(order, at + 1, order->number(full->items[half]),
			 CHUNK_MAX))
		return false;
	upper = order->parts[at + 1].chunk;
	upper->count = full->count - half;
	memcpy(upper->items, &full->items[half],
	       upper->count * sizeof(upper->items[0]));
	full->count = half;
	return true;
}

static bool grow(struct order_part *part)
{
	uint32_t room = part->chunk->room * 2;
	struct order_chunk *more =
		chunk_sized(part->chunk, room < CHUNK_MAX ? room : CHUNK_MAX);

	if (more)
		part->chunk = more;
	return more;
}

/* A part with room for @number, or NULL without memory. */
static struct order_part *make_room(struct order *order, uint64_t number)
{
	size_t at = part_of(order, number);
	struct order_chunk *chunk;

	if (order->count == 0)
		return insert_part(order, 0, number, CHUNK_FIRST)
			       ? &order->parts[0]
			       : NULL;
	chunk = order->parts[at].chunk;
	if (chunk->count < chunk->room)
		return &order->parts[at];
	if (chunk->room < CHUNK_MAX)
		return grow(&order->parts[at]) ? &order->parts[at] : NULL;
	/* Numbers grow: leave full what is behind them. */
	if (at + 1 == order->count &&
	    order->number(chunk->items[chunk->count - 1]) <= number)
		return insert_part(order, at + 1, number, CHUNK_MAX)
			       ? &order->parts[at + 1]
			       : NULL;
	if (!split(order, at))
		return NULL;
	return &order->parts[part_of(order, number)];
}

bool order_add(struct order *order, void *item)
{
	uint64_t number = order->number(item);
	struct order_part *part = make_room(order, number);
	struct order_chunk *chunk;
	uint32_t i;

	if (!part)
		return false;
	chunk = part->chunk;
	i = chunk->count;
	if (i > 0 && order->number(chunk->items[i - 1]) > number)
		i = index_of(order, chunk, number + 1);
	memmove(&chunk->items[i + 1], &chunk->items[i],
		(chunk->count - i) * sizeof(chunk->items[0]));
	chunk->items[i] = item;
	chunk->count++;
	order->total++;
	order->changes++;
	if (number < part->low)
		part->low = number;
	return true;
}

/* --- removing --- */

static void remove_part(struct order *order, size_t at)
{
	free(order->parts[at].chunk);
	order->count--;
	memmove(&order->parts[at], &order->parts[at + 1],
		(order->count - at) * sizeof(order->parts[0]));
	if (order->count == 0) {
		free(order->parts);
		order->parts = NULL;
		order->room = 0;
	}
}

/* Move what part @at has to the front of the one behind it, if that is not
 * much for one chunk. */
static bool join(struct order *order, size_t at)
{
	struct order_chunk *chunk, *next;

	if (at + 1 >= order->count)
		return false;
	chunk = order->parts[at].chunk;
	next = order->parts[at + 1].chunk;
	if (chunk->count + next->count > CHUNK_MAX / 2 ||
	    chunk->count + next->count > next->room)
		return false;
	memmove(&next->items[chunk->count], next->items,
		next->count * sizeof(next->items[0]));
	memcpy(next->items, chunk->items,
	       chunk->count * sizeof(next->items[0]));
	next->count += chunk->count;
	order->parts[at + 1].low = order->parts[at].low;
	remove_part(order, at);
	return true;
}

/* Something has left part @at: few items do not keep a chunk alone. */
static void tidy(struct order *order, size_t at)
{
	uint32_t count = order->parts[at].chunk->count;

	if (count == 0)
		remove_part(order, at);
	else if (count <= CHUNK_MAX / 4 && !join(order, at) && at > 0)
		(void)join(order, at - 1);
}

/* By address: numbers would have to be fetched from each item. */
static bool remove_from(struct order_chunk *chunk, const void *item)
{
	for (uint32_t i = 0; i < chunk->count; i++) {
		if (chunk->items[i] != item)
			continue;
		chunk->count--;
		memmove(&chunk->items[i], &chunk->items[i + 1],
			(chunk->count - i) * sizeof(chunk->items[0]));
		return true;
	}
	return false;
}

void order_remove(struct order *order, void *item)
{
	uint64_t number = order->number(item);
	size_t at = part_of(order, number);

	assert(order->count > 0);
	/* Equal numbers may lie on both sides of a border. */
	while (!remove_from(order->parts[at].chunk, item)) {
		assert(at > 0 && order->parts[at].low == number);
		at--;
	}
	order->total--;
	order->changes++;
	tidy(order, at);
}

/* --- looking --- */

static void *at_or_behind(const struct order *order, struct order_at *at)
{
	for (; at->part < order->count; at->part++, at->index = 0) {
		const struct order_chunk *chunk = order->parts[at->part].chunk;

		if (at->index < chunk->count)
			return chunk->items[at->index];
	}
	return NULL;
}

void *order_from(const struct order *order, uint64_t number,
		 struct order_at *at)
{
	*at = (struct order_at){0};
	if (order->count == 0)
		return NULL;
	at->part = part_of(order, number);
	while (at->part > 0 && order->parts[at->part].low == number)
		at->part--;
	at->index = index_of(order, order->parts[at->part].chunk, number);
	return at_or_behind(order, at);
}

void *order_next(const struct order *order, struct order_at *at)
{
	at->index++;
	return at_or_behind(order, at);
}

void *order_last(const struct order *order)
{
	const struct order_chunk *chunk;

	if (order->count == 0)
		return NULL;
	chunk = order->parts[order->count - 1].chunk;
	return chunk->items[chunk->count - 1];
}
