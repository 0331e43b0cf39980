/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of embedded nodes: chains, doubled when they get long. */
#include "gateway/queue/table.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

void table_init(struct table *table, uint64_t seed)
{
	*table = (struct table){.seed = seed};
}

void table_deinit(struct table *table)
{
	assert(table->count == 0);
	free(table->slots);
	*table = (struct table){0};
}

uint64_t table_hash(const struct table *table, const void *key, size_t len)
{
	return XXH3_64bits_withSeed(key, len, table->seed);
}

static struct table_node *with_hash(struct table_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct table_node *table_first(const struct table *table, uint64_t hash)
{
	if (table->size == 0)
		return NULL;
	return with_hash(table->slots[hash & (table->size - 1)], hash);
}

struct table_node *table_next(const struct table_node *node)
{
	return with_hash(node->next, node->hash);
}

static void put(struct table *table, struct table_node *node)
{
	struct table_node **slot =
		&table->slots[node->hash & (table->size - 1)];

	node->next = *slot;
	*slot = node;
}

/* Room for one more; a table that can't grow just has longer chains. */
static bool make_room(struct table *table)
{
	struct table_node **old = table->slots, **more;
	size_t old_size = table->size, size = old_size ? old_size * 2 : 64;

	if (table->count < old_size)
		return true;
	more = calloc(size, sizeof(struct table_node *));
	if (!more)
		return old_size > 0;
	table->slots = more;
	table->size = size;
	for (size_t i = 0; i < old_size; i++) {
		struct table_node *node = old[i], *next;

		for (; node; node = next) {
			next = node->next;
			put(table, node);
		}
	}
	free(old);
	return true;
}

bool table_add(struct table *table, struct table_node *node, uint64_t hash)
{
	if (!make_room(table))
		return false;
	node->hash = hash;
	put(table, node);
	table->count++;
	return true;
}

void table_remove(struct table *table, struct table_node *node)
{
	struct table_node **at = &table->slots[node->hash & (table->size - 1)];

	while (*at && *at != node)
		at = &(*at)->next;
	assert(*at);
	*at = node->next;
	node->next = NULL;
	table->count--;
}

void table_walk(struct table *table,
		void (*fn)(struct table_node *node, void *arg), void *arg)
{
	for (size_t i = 0; i < table->size; i++) {
		struct table_node *node = table->slots[i], *next;

		for (; node; node = next) {
			next = node->next;
			fn(node, arg);
		}
	}
}
