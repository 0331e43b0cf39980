/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of nodes that are embedded in what is kept. */
#ifndef GATEWAY_QUEUE_TABLE_H
#define GATEWAY_QUEUE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **slots; /* owned; size is 0 or a power of two */
	size_t size, count;
	uint64_t seed; /* names come from outside: not to be guessed */
};

void table_init(struct table *table, uint64_t seed);
/* table_deinit() - with nothing in it any more. */
void table_deinit(struct table *table);
uint64_t table_hash(const struct table *table, const void *key, size_t len);
/* table_first(), table_next() - the nodes with that hash, NULL: no more. */
struct table_node *table_first(const struct table *table, uint64_t hash);
struct table_node *table_next(const struct table_node *node);
/* table_add() - @node is borrowed until table_remove(). False: no memory. */
bool table_add(struct table *table, struct table_node *node, uint64_t hash);
void table_remove(struct table *table, struct table_node *node);
/* table_walk() - @fn for each node; it may remove and free that node. */
void table_walk(struct table *table,
		void (*fn)(struct table_node *node, void *arg), void *arg);

#endif
