/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that can't be reached, and servers whose TLS is broken. */
#include "gateway/queue/reach.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/queue/retry.h"

/* Beyond that the oldest is forgotten: it is tried once more than needed. */
#define ENTRIES_MAX 20000

struct reach_entry {
	struct table_node node; /* first: the pointers are the same */
	struct reach_entry *older, *newer;
	struct dns_address address;
	unsigned failures;
	uint64_t since; /* the last failure */
	uint64_t until; /* not before */
	uint64_t plain_until;
	uint64_t rekeys_until;
};

void reach_init(struct reach *reach, const struct config_retry *retry,
		uint64_t seed)
{
	*reach = (struct reach){.retry = retry};
	table_init(&reach->table, seed);
}

static uint64_t hash_of(const struct reach *reach, const struct dns_address *a)
{
	return table_hash(&reach->table, a, sizeof(*a));
}

static struct reach_entry *find(const struct reach *reach,
				const struct dns_address *a)
{
	struct table_node *node;

	if (reach->table.count == 0)
		return NULL;
	node = table_first(&reach->table, hash_of(reach, a));
	for (; node; node = table_next(node)) {
		struct reach_entry *e = (struct reach_entry *)node;

		if (dns_address_equal(&e->address, a))
			return e;
	}
	return NULL;
}

static void drop(struct reach *reach, struct reach_entry *e)
{
	if (e->older)
		e->older->newer = e->newer;
	else
		reach->oldest = e->newer;
	if (e->newer)
		e->newer->older = e->older;
	else
		reach->newest = e->older;
	table_remove(&reach->table, &e->node);
	free(e);
}

/* NULL: no memory, so nothing is remembered. */
static struct reach_entry *find_or_add(struct reach *reach,
				       const struct dns_address *a)
{
	struct reach_entry *e = find(reach, a);

	if (e)
		return e;
	if (reach->table.count >= ENTRIES_MAX)
		drop(reach, reach->oldest);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->address = *a;
	if (!table_add(&reach->table, &e->node, hash_of(reach, a))) {
		free(e);
		return NULL;
	}
	e->older = reach->newest;
	if (e->older)
		e->older->newer = e;
	else
		reach->oldest = e;
	reach->newest = e;
	return e;
}

void reach_deinit(struct reach *reach)
{
	while (reach->oldest)
		drop(reach, reach->oldest);
	table_deinit(&reach->table);
}

uint64_t reach_until(const struct reach *reach, const struct dns_address *a)
{
	const struct reach_entry *e = find(reach, a);

	return e ? e->until : 0;
}

void reach_probe(struct reach *reach, const struct dns_address *a, uint64_t now)
{
	struct reach_entry *e = find(reach, a);

	if (e && e->failures > 0)
		e->until = now + retry_delay(reach->retry, e->failures);
}

void reach_failed(struct reach *reach, const struct dns_address *a,
		  uint64_t opened, uint64_t now)
{
	struct reach_entry *e = find_or_add(reach, a);

	if (!e || (e->failures > 0 && opened < e->since))
		return;
	e->failures++;
	e->since = now;
	e->until = now + retry_delay(reach->retry, e->failures);
}

void reach_works(struct reach *reach, const struct dns_address *a)
{
	struct reach_entry *e = find(reach, a);

	if (!e)
		return;
	e->failures = 0;
	e->until = 0;
	if (e->plain_until == 0 && e->rekeys_until == 0)
		drop(reach, e);
}

bool reach_set_plain(struct reach *reach, const struct dns_address *a,
		     uint64_t until)
{
	struct reach_entry *e = find_or_add(reach, a);

	if (e)
		e->plain_until = until;
	return e != NULL;
}

bool reach_plain(const struct reach *reach, const struct dns_address *a,
		 uint64_t now)
{
	const struct reach_entry *e = find(reach, a);

	return e && now < e->plain_until;
}

bool reach_set_rekeys(struct reach *reach, const struct dns_address *a,
		      uint64_t until)
{
	struct reach_entry *e = find_or_add(reach, a);

	if (e)
		e->rekeys_until = until;
	return e != NULL;
}

bool reach_rekeys(const struct reach *reach, const struct dns_address *a,
		  uint64_t now)
{
	const struct reach_entry *e = find(reach, a);

	return e && now < e->rekeys_until;
}
