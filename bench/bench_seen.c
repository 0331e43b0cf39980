/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing over 128-bit hashes; see bench_seen.h. */
#include "bench/bench_seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

struct bench_seen {
	XXH128_hash_t *slots; /* owned; all zero: free */
	size_t size;	      /* power of two */
	size_t used;
};

struct bench_seen *bench_seen_new(void)
{
	struct bench_seen *seen = calloc(1, sizeof(*seen));

	if (!seen)
		return NULL;
	seen->size = 1024;
	seen->slots = calloc(seen->size, sizeof(*seen->slots));
	if (!seen->slots) {
		free(seen);
		return NULL;
	}
	return seen;
}

void bench_seen_free(struct bench_seen *seen)
{
	if (!seen)
		return;
	free(seen->slots);
	free(seen);
}

/* The key's slot, or the free one where it would go. */
static XXH128_hash_t *find(XXH128_hash_t *slots, size_t size, XXH128_hash_t key)
{
	size_t i = key.low64 & (size - 1);

	while ((slots[i].low64 || slots[i].high64) &&
	       !XXH128_isEqual(slots[i], key))
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static int grow(struct bench_seen *seen)
{
	size_t size = seen->size * 2;
	XXH128_hash_t *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < seen->size; i++) {
		if (seen->slots[i].low64 || seen->slots[i].high64)
			*find(slots, size, seen->slots[i]) = seen->slots[i];
	}
	free(seen->slots);
	seen->slots = slots;
	seen->size = size;
	return 0;
}

int bench_seen_add(struct bench_seen *seen, const char *id, const char *rcpt,
		   size_t rcpt_len)
{
	XXH128_hash_t key = XXH3_128bits_withSeed(rcpt, rcpt_len,
						  XXH3_64bits(id, strlen(id)));
	XXH128_hash_t *slot;

	if (!key.low64 && !key.high64)
		key.low64 = 1;
	slot = find(seen->slots, seen->size, key);
	if (slot->low64 || slot->high64)
		return 0;
	if (seen->used >= seen->size / 2) {
		if (grow(seen))
			return -ENOMEM;
		slot = find(seen->slots, seen->size, key);
	}
	*slot = key;
	seen->used++;
	return 1;
}
