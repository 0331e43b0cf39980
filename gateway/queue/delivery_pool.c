/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for deliveries to one recipient (delivery_pool.h). */
#include "gateway/queue/delivery_pool.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLAB_BYTES = 64 * 1024,
};

struct delivery_slab {
	struct delivery_slab *next;
	uint64_t room[]; /* aligned for what goes in */
};

static void push(struct delivery_pool *pool, void *place)
{
	memcpy(place, &pool->free, sizeof(pool->free));
	pool->free = place;
}

static bool grow(struct delivery_pool *pool, size_t size)
{
	size_t count = (SLAB_BYTES - sizeof(struct delivery_slab)) / size;
	struct delivery_slab *slab = malloc(sizeof(*slab) + count * size);

	if (!slab)
		return false;
	slab->next = pool->slabs;
	pool->slabs = slab;
	for (size_t i = count; i-- > 0;)
		push(pool, &slab->room[i * size / sizeof(slab->room[0])]);
	return true;
}

void *delivery_pool_get(struct delivery_pool *pool, size_t size)
{
	void *place;

	assert(size && size % sizeof(uint64_t) == 0 && size < SLAB_BYTES / 2);
	if (!pool->free && !grow(pool, size))
		return NULL;
	place = pool->free;
	memcpy(&pool->free, place, sizeof(pool->free));
	memset(place, 0, size);
	return place;
}

void delivery_pool_put(struct delivery_pool *pool, void *place)
{
	push(pool, place);
}

void delivery_pool_deinit(struct delivery_pool *pool)
{
	while (pool->slabs) {
		struct delivery_slab *slab = pool->slabs;

		pool->slabs = slab->next;
		free(slab);
	}
	pool->free = NULL;
}
