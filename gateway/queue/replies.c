/* SPDX-License-Identifier: Apache-2.0 */
/* Replies kept once (replies.h): a chained hash, numbers reused. */
#include "gateway/queue/replies.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct reply {
	uint32_t users; /* 0: free */
	uint32_t hash;
	uint32_t next; /* in its slot, or in the free list */
	uint16_t code;
	char *text; /* owned */
};

static uint32_t hash_of(unsigned code, const char *text)
{
	return (uint32_t)XXH3_64bits_withSeed(text, strlen(text), code);
}

static uint32_t *slot_of(const struct replies *r, uint32_t hash)
{
	return &r->slots[hash % REPLIES_SLOTS];
}

static uint32_t find(const struct replies *r, uint32_t hash, unsigned code,
		     const char *text)
{
	uint32_t n = *slot_of(r, hash);

	for (; n; n = r->all[n].next)
		if (r->all[n].hash == hash && r->all[n].code == code &&
		    strcmp(r->all[n].text, text) == 0)
			return n;
	return 0;
}

static bool make_room(struct replies *r)
{
	uint32_t room = r->room ? r->room * 2 : 64;
	struct reply *more;

	if (!r->slots)
		r->slots = calloc(REPLIES_SLOTS, sizeof(r->slots[0]));
	if (!r->slots)
		return false;
	if (r->free || r->used + 1 < r->room)
		return true;
	more = reallocarray(r->all, room, sizeof(r->all[0]));
	if (!more)
		return false;
	r->all = more;
	r->room = room;
	return true;
}

static uint32_t add(struct replies *r, uint32_t hash, unsigned code,
		    const char *text)
{
	char *copy = strdup(text);
	uint32_t n = r->free;

	if (!copy)
		return 0;
	if (n)
		r->free = r->all[n].next;
	else
		n = ++r->used;
	r->all[n] = (struct reply){.users = 1,
				   .hash = hash,
				   .next = *slot_of(r, hash),
				   .code = (uint16_t)code,
				   .text = copy};
	*slot_of(r, hash) = n;
	r->count++;
	return n;
}

static uint32_t find_or_add(struct replies *r, unsigned code, const char *line,
			    bool may_add)
{
	uint32_t hash = hash_of(code, line);
	uint32_t n = find(r, hash, code, line);

	if (n)
		return replies_again(r, n);
	return may_add ? add(r, hash, code, line) : 0;
}

uint32_t replies_keep(struct replies *r, unsigned code, const char *enhanced,
		      const char *text)
{
	/* A server's words begin with it, our own do not. */
	bool has = strncmp(text, enhanced, strlen(enhanced)) == 0;
	char line[REPLIES_TEXT];
	uint32_t n;

	if (!make_room(r))
		return 0;
	snprintf(line, sizeof(line), "%s%s%s", has ? "" : enhanced,
		 has ? "" : " ", text);
	n = find_or_add(r, code, line, r->count < REPLIES_MAX);
	/* Codes and statuses are few: they are always kept. */
	if (!n)
		n = find_or_add(r, code, enhanced, r->count < 2 * REPLIES_MAX);
	return n;
}

uint32_t replies_again(struct replies *r, uint32_t n)
{
	if (n)
		r->all[n].users++;
	return n;
}

void replies_drop(struct replies *r, uint32_t n)
{
	uint32_t *at;

	if (!n)
		return;
	assert(n <= r->used && r->all[n].users > 0);
	if (--r->all[n].users > 0)
		return;
	for (at = slot_of(r, r->all[n].hash); *at != n; at = &r->all[*at].next)
		;
	*at = r->all[n].next;
	free(r->all[n].text);
	r->all[n].text = NULL;
	r->all[n].next = r->free;
	r->free = n;
	r->count--;
}

const char *replies_get(const struct replies *r, uint32_t n, unsigned *code)
{
	if (!n)
		return NULL;
	assert(n <= r->used && r->all[n].users > 0);
	*code = r->all[n].code;
	return r->all[n].text;
}

void replies_deinit(struct replies *r)
{
	for (uint32_t n = 1; n <= r->used; n++)
		free(r->all[n].text);
	free(r->all);
	free(r->slots);
	*r = (struct replies){0};
}
