/* SPDX-License-Identifier: Apache-2.0 */
/* Messages by id (spool_idmap.h). */
#include "gateway/spool/spool_idmap.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/spool/spool.h"

enum {
	ROOM_FIRST = 1024,
};

static size_t slot_of(const struct spool_idmap *map, uint64_t id)
{
	/* Ids differ in their middle bits: spread them. */
	return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) &
	       (map->room - 1);
}

static void put(struct spool_idmap *map, struct spool_message *message)
{
	size_t i = slot_of(map, spool_message_id(message));

	while (map->slots[i])
		i = (i + 1) & (map->room - 1);
	map->slots[i] = message;
}

static bool grow(struct spool_idmap *map)
{
	struct spool_idmap bigger = {
		.room = map->room ? 2 * map->room : ROOM_FIRST,
		.count = map->count,
	};

	bigger.slots = calloc(bigger.room, sizeof(struct spool_message *));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < map->room; i++)
		if (map->slots[i])
			put(&bigger, map->slots[i]);
	free(map->slots);
	*map = bigger;
	return true;
}

bool spool_idmap_add(struct spool_idmap *map, struct spool_message *message)
{
	if (map->count + 1 > map->room / 2 && !grow(map))
		return false;
	put(map, message);
	map->count++;
	return true;
}

static size_t find(const struct spool_idmap *map, uint64_t id)
{
	size_t i = slot_of(map, id);

	while (map->slots[i] && spool_message_id(map->slots[i]) != id)
		i = (i + 1) & (map->room - 1);
	return i;
}

struct spool_message *spool_idmap_find(const struct spool_idmap *map,
				       uint64_t id)
{
	return map->room ? map->slots[find(map, id)] : NULL;
}

/* Close the gap at @i, so that probing finds what is behind it. */
static void close_gap(struct spool_idmap *map, size_t i)
{
	size_t mask = map->room - 1;
	size_t j = i;

	for (;;) {
		size_t home;

		j = (j + 1) & mask;
		if (!map->slots[j])
			break;
		home = slot_of(map, spool_message_id(map->slots[j]));
		if (((j - home) & mask) < ((j - i) & mask))
			continue; /* it is at home behind the gap */
		map->slots[i] = map->slots[j];
		i = j;
	}
	map->slots[i] = NULL;
}

void spool_idmap_remove(struct spool_idmap *map, uint64_t id)
{
	size_t i;

	if (!map->room)
		return;
	i = find(map, id);
	if (!map->slots[i])
		return;
	close_gap(map, i);
	map->count--;
}

void spool_idmap_free(struct spool_idmap *map)
{
	free(map->slots);
	*map = (struct spool_idmap){0};
}
