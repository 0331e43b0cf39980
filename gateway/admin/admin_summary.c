/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of domains added up (admin_summary.h): a table by name. */
#include "gateway/admin/admin_summary.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct admin_summary {
	bool by_domain, sorted;
	struct admin_row **rows; /* owned */
	size_t count, room;
	uint32_t *slots; /* row + 1 by hash; owned; size is a power of two */
	size_t size;
	struct admin_row *total; /* owned */
};

struct admin_summary *admin_summary_create(bool by_domain)
{
	struct admin_summary *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->by_domain = by_domain;
	s->total = calloc(1, sizeof(*s->total));
	if (!s->total)
		admin_summary_free(&s);
	return s;
}

void admin_summary_free(struct admin_summary **pointer)
{
	struct admin_summary *s = *pointer;

	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->rows[i]);
	free(s->rows);
	free(s->total);
	free(s->slots);
	free(s);
	*pointer = NULL;
}

static const char *text_of(const char *text)
{
	return text ? text : "";
}

/* By domain the destination counts too: a domain may have a fallback. */
static uint64_t hash_of(const struct admin_summary *s,
			const struct admin_row *row)
{
	const char *destination = text_of(row->destination);
	uint64_t hash = XXH3_64bits(destination, strlen(destination));

	if (s->by_domain)
		hash = XXH3_64bits_withSeed(row->domain, strlen(row->domain),
					    hash);
	return hash;
}

static bool same(const struct admin_summary *s, const struct admin_row *a,
		 const struct admin_row *b)
{
	return strcmp(text_of(a->destination), text_of(b->destination)) == 0 &&
	       (!s->by_domain || strcmp(a->domain, b->domain) == 0);
}

static uint32_t *slot_for(const struct admin_summary *s,
			  const struct admin_row *row)
{
	size_t i = (size_t)hash_of(s, row) & (s->size - 1);

	while (s->slots[i] && !same(s, s->rows[s->slots[i] - 1], row))
		i = (i + 1) & (s->size - 1);
	return &s->slots[i];
}

static bool make_room(struct admin_summary *s)
{
	size_t size = s->size ? s->size * 2 : 256;
	struct admin_row **more;
	uint32_t *slots;

	if (s->count < s->size / 2)
		return true;
	more = reallocarray(s->rows, size, sizeof(s->rows[0]));
	if (!more)
		return false;
	s->rows = more;
	slots = calloc(size, sizeof(slots[0]));
	if (!slots)
		return false;
	free(s->slots);
	s->slots = slots;
	s->size = size;
	for (size_t i = 0; i < s->count; i++)
		*slot_for(s, s->rows[i]) = (uint32_t)i + 1;
	return true;
}

static void add_up(struct admin_row *to, const struct admin_row *row)
{
	for (unsigned i = 0; i < QUEUE_STATES; i++)
		to->count[i] += row->count[i];
	to->sessions += row->sessions;
	/* All workers share it. */
	if (row->limit > to->limit)
		to->limit = row->limit;
	to->unreachable |= row->unreachable;
	to->suspended |= row->suspended;
	if (row->arrival && (!to->arrival || row->arrival < to->arrival))
		to->arrival = row->arrival;
}

static bool is_later(const struct admin_row *a, const struct admin_row *b)
{
	return a->code && (!b->code || a->reply_at > b->reply_at);
}

/* The row with the later reply stays, for its text is in its memory. */
static void join(struct admin_row **old, struct admin_row *row)
{
	struct admin_row *stays = *old, *goes = row;

	if (is_later(row, *old)) {
		stays = row;
		goes = *old;
	}
	add_up(stays, goes);
	free(goes);
	*old = stays;
}

bool admin_summary_add(struct admin_summary *s, struct admin_row *row)
{
	uint32_t *slot;

	if (!make_room(s)) {
		free(row);
		return false;
	}
	if (!s->by_domain)
		row->domain = NULL;
	add_up(s->total, row);
	slot = slot_for(s, row);
	if (*slot) {
		join(&s->rows[*slot - 1], row);
		return true;
	}
	s->rows[s->count++] = row;
	*slot = (uint32_t)s->count;
	return true;
}

static size_t queued(const struct admin_row *row)
{
	size_t n = 0;

	for (unsigned i = 0; i < QUEUE_STATES; i++)
		n += row->count[i];
	return n;
}

static int most_first(const void *a, const void *b)
{
	const struct admin_row *x = *(struct admin_row *const *)a;
	const struct admin_row *y = *(struct admin_row *const *)b;
	size_t n = queued(x), m = queued(y);

	if (n != m)
		return n > m ? -1 : 1;
	return strcmp(text_of(x->destination), text_of(y->destination));
}

struct admin_row **admin_summary_sort(struct admin_summary *s, size_t *count)
{
	if (s->count > 0 && !s->sorted)
		qsort(s->rows, s->count, sizeof(s->rows[0]), most_first);
	s->sorted = true;
	*count = s->count;
	return s->rows;
}

const struct admin_row *admin_summary_total(const struct admin_summary *s)
{
	return s->total;
}
