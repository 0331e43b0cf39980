/* SPDX-License-Identifier: Apache-2.0 */
/* Who has knocked before; see sink_grey.h. */
#include "bench/sink/sink_grey.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	BUCKETS = 8192,
	WAYS = 8, /* 65,536 in all */
};

struct entry {
	uint64_t key; /* 0: free */
	uint64_t first_ms;
};

struct sink_grey {
	pthread_mutex_t lock;
	struct entry entries[BUCKETS][WAYS];
};

struct sink_grey *sink_grey_new(void)
{
	struct sink_grey *grey = calloc(1, sizeof(*grey));

	if (grey)
		pthread_mutex_init(&grey->lock, NULL);
	return grey;
}

void sink_grey_free(struct sink_grey *grey)
{
	if (grey)
		pthread_mutex_destroy(&grey->lock);
	free(grey);
}

/* FNV-1a; a NUL between the parts, so that none runs into the next. */
static uint64_t key_of(const char *const *parts, size_t count)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < count; i++) {
		for (const char *p = parts[i]; p && *p; p++) {
			hash ^= (uint64_t)tolower((unsigned char)*p);
			hash *= 0x100000001b3ull;
		}
		hash *= 0x100000001b3ull;
	}
	return hash ? hash : 1;
}

/* Its entry, new ones in place of a free or the oldest one. */
static struct entry *find(struct entry *bucket, uint64_t key, uint64_t now_ms)
{
	struct entry *oldest = bucket;

	for (int i = 0; i < WAYS; i++) {
		if (bucket[i].key == key)
			return &bucket[i];
		if (!oldest->key)
			continue;
		if (!bucket[i].key || bucket[i].first_ms < oldest->first_ms)
			oldest = &bucket[i];
	}
	*oldest = (struct entry){key, now_ms};
	return NULL;
}

bool sink_grey_early(struct sink_grey *grey, const char *const *parts,
		     size_t count, uint64_t now_ms, unsigned wait_ms)
{
	uint64_t key = key_of(parts, count);
	struct entry *known;
	bool early;

	assert(grey);
	pthread_mutex_lock(&grey->lock);
	known = find(grey->entries[(key ^ key >> 32) % BUCKETS], key, now_ms);
	early = !known || now_ms - known->first_ms < wait_ms;
	pthread_mutex_unlock(&grey->lock);
	return early;
}
