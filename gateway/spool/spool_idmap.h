/* SPDX-License-Identifier: Apache-2.0 */
/* Messages by id, while the log is read back: a hash table with linear
 * probing, freed when recovery is done. */
#ifndef GATEWAY_SPOOL_SPOOL_IDMAP_H
#define GATEWAY_SPOOL_SPOOL_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool_message;

struct spool_idmap {
	struct spool_message **slots; /* NULL: free */
	size_t room, count;	      /* room: a power of two, or 0 */
};

/* Returns false without memory. No message with this id may be there. */
bool spool_idmap_add(struct spool_idmap *map, struct spool_message *message);
struct spool_message *spool_idmap_find(const struct spool_idmap *map,
				       uint64_t id);
void spool_idmap_remove(struct spool_idmap *map, uint64_t id);
void spool_idmap_free(struct spool_idmap *map);

#endif
