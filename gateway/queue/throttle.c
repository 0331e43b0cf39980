/* SPDX-License-Identifier: Apache-2.0 */
/* The table of throttles, their rates, and what replies bring upon them. */
#include "gateway/queue/throttle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/queue/throttle_private.h"

#define SECOND UINT64_C(1000000000)

/* A place in a stream is good for that long: then whoever had it has found no
 * use for it. */
#define PLACE_TIME (60 * SECOND)

/* 1/256 of what is configured is the least. */
#define HALVINGS_MAX 8
/* All connections hear of trouble together: that counts once. */
#define HALVING_PAUSE (10 * SECOND)

/* --- the table --- */

int throttles_create(unsigned workers, struct throttles **out)
{
	struct throttles *all =
		calloc(1, sizeof(*all) + workers * sizeof(all->seats[0]));
	uint64_t seed = 1;

	*out = all;
	if (!all)
		return -ENOMEM;
	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	table_init(&all->table, seed);
	pthread_mutex_init(&all->lock, NULL);
	all->seat_count = workers;
	for (unsigned i = 0; i < workers; i++)
		pthread_mutex_init(&all->seats[i].lock, NULL);
	return 0;
}

static void forget(struct throttle *t)
{
	struct throttles *all = t->all;

	assert(t->users == 0 && !t->claims && t->open == 0);
	if (t->older)
		t->older->newer = t->newer;
	else
		all->oldest = t->newer;
	if (t->newer)
		t->newer->older = t->older;
	else
		all->newest = t->older;
	table_remove(&all->table, &t->node);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void throttles_destroy(struct throttles **pointer)
{
	struct throttles *all = *pointer;

	if (!all)
		return;
	while (all->oldest)
		forget(all->oldest);
	table_deinit(&all->table);
	pthread_mutex_destroy(&all->lock);
	for (unsigned i = 0; i < all->seat_count; i++)
		pthread_mutex_destroy(&all->seats[i].lock);
	free(all);
	*pointer = NULL;
}

/* --- seats --- */

void throttles_sit(struct throttles *all, unsigned index,
		   void (*wake)(void *arg), void *arg)
{
	struct throttle_seat *seat = &all->seats[index];

	assert(index < all->seat_count);
	pthread_mutex_lock(&seat->lock);
	seat->wake = wake;
	seat->arg = arg;
	pthread_mutex_unlock(&seat->lock);
}

void throttles_leave(struct throttles *all, unsigned index)
{
	throttles_sit(all, index, NULL, NULL);
}

void throttle_post(struct throttle_claim *claim)
{
	struct throttle_seat *seat = claim->seat;

	pthread_mutex_lock(&seat->lock);
	if (!claim->is_posted) {
		claim->is_posted = true;
		claim->next_posted = seat->posted;
		seat->posted = claim;
		if (seat->wake)
			seat->wake(seat->arg);
	}
	pthread_mutex_unlock(&seat->lock);
}

static void unpost(struct throttle_claim *claim)
{
	struct throttle_seat *seat = claim->seat;
	struct throttle_claim **at = &seat->posted;

	pthread_mutex_lock(&seat->lock);
	if (claim->is_posted) {
		while (*at != claim)
			at = &(*at)->next_posted;
		*at = claim->next_posted;
		claim->is_posted = false;
	}
	pthread_mutex_unlock(&seat->lock);
}

void *throttles_attend(struct throttles *all, unsigned index)
{
	struct throttle_seat *seat = &all->seats[index];
	struct throttle_claim *claim;

	pthread_mutex_lock(&seat->lock);
	claim = seat->posted;
	if (claim) {
		seat->posted = claim->next_posted;
		claim->is_posted = false;
	}
	pthread_mutex_unlock(&seat->lock);
	return claim ? claim->owner : NULL;
}

/* --- found by key --- */

/* Nothing that would be missed. */
static bool rests(const struct throttle *t, uint64_t now)
{
	return rate_rests(&t->messages, now) &&
	       rate_rests(&t->connections, now) &&
	       atomic_load(&t->suspended_until) <= now &&
	       atomic_load(&t->halvings) == 0;
}

/* Few at a time: never much work at once. */
static void forget_resting(struct throttles *all, uint64_t now)
{
	for (int i = 0; i < 2 && all->oldest; i++) {
		struct throttle *t = all->oldest;

		if (rests(t, now) || all->table.count > THROTTLES_KEPT)
			forget(t);
	}
}

static struct throttle *find(struct throttles *all, const char *key,
			     uint64_t hash)
{
	struct table_node *node = table_first(&all->table, hash);

	for (; node; node = table_next(node)) {
		struct throttle *t = (struct throttle *)node;

		if (strcmp(t->key, key) == 0)
			return t;
	}
	return NULL;
}

static struct throttle *create(struct throttles *all, const char *key,
			       const struct config_destination *rule,
			       unsigned limit, uint64_t hash)
{
	size_t len = strlen(key) + 1;
	struct throttle *t = calloc(1, sizeof(*t) + len);

	if (!t)
		return NULL;
	t->all = all;
	t->message_rate = rule->message_rate;
	t->connection_rate = rule->connection_rate;
	t->limit = limit;
	memcpy(t->key, key, len);
	if (!table_add(&all->table, &t->node, hash)) {
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

/* Used again. */
static void unrest(struct throttle *t)
{
	struct throttles *all = t->all;

	if (t->older)
		t->older->newer = t->newer;
	else
		all->oldest = t->newer;
	if (t->newer)
		t->newer->older = t->older;
	else
		all->newest = t->older;
	t->older = t->newer = NULL;
}

static struct throttle *get(struct throttles *all, const char *key,
			    const struct config_destination *rule,
			    unsigned limit, uint64_t now)
{
	uint64_t hash = table_hash(&all->table, key, strlen(key));
	struct throttle *t;

	pthread_mutex_lock(&all->lock);
	t = find(all, key, hash);
	if (t && t->users == 0)
		unrest(t);
	if (!t) {
		forget_resting(all, now);
		t = create(all, key, rule, limit, hash);
	}
	if (t)
		t->users++;
	pthread_mutex_unlock(&all->lock);
	return t;
}

static void put(struct throttle *t)
{
	struct throttles *all = t->all;

	pthread_mutex_lock(&all->lock);
	assert(t->users > 0);
	if (--t->users == 0) {
		t->older = all->newest;
		if (t->older)
			t->older->newer = t;
		else
			all->oldest = t;
		all->newest = t;
	}
	pthread_mutex_unlock(&all->lock);
}

bool throttle_claim(struct throttles *all, unsigned index, const char *key,
		    const struct config_destination *rule, unsigned limit,
		    void *owner, struct throttle_claim *claim, uint64_t now)
{
	struct throttle *t = get(all, key, rule, limit, now);

	if (!t)
		return false;
	assert(index < all->seat_count && limit > 0);
	*claim = (struct throttle_claim){
		.throttle = t, .seat = &all->seats[index], .owner = owner};
	pthread_mutex_lock(&t->lock);
	claim->next = t->claims;
	if (t->claims)
		t->claims->prev = claim;
	t->claims = claim;
	pthread_mutex_unlock(&t->lock);
	return true;
}

void throttle_disclaim(struct throttle_claim *claim, uint64_t now)
{
	struct throttle *t = claim->throttle;

	if (!t)
		return;
	throttle_settle(claim, false);
	pthread_mutex_lock(&t->lock);
	assert(claim->held == 0 && !claim->waiting);
	if (claim->prev)
		claim->prev->next = claim->next;
	else
		t->claims = claim->next;
	if (claim->next)
		claim->next->prev = claim->prev;
	pthread_mutex_unlock(&t->lock);
	unpost(claim);
	claim->throttle = NULL;
	put(t);
}

/* --- rates --- */

static uint64_t place(uint64_t *at, struct rate *rate,
		      const struct config_rate *limit, unsigned halvings,
		      uint64_t now)
{
	if (*at == 0 || *at + PLACE_TIME < now)
		*at = rate_take(rate, limit, halvings, now);
	return *at;
}

uint64_t throttle_message_at(struct throttle_claim *claim, uint64_t now)
{
	struct throttle *t = claim->throttle;

	if (t->message_rate.count == 0)
		return 0;
	return place(&claim->message_at, &t->messages, &t->message_rate,
		     atomic_load(&t->halvings), now);
}

uint64_t throttle_connection_at(struct throttle_claim *claim, uint64_t now)
{
	struct throttle *t = claim->throttle;

	if (t->connection_rate.count == 0)
		return 0;
	return place(&claim->connection_at, &t->connections,
		     &t->connection_rate, atomic_load(&t->halvings), now);
}

void throttle_message_used(struct throttle_claim *claim)
{
	claim->message_at = 0;
}

void throttle_connection_used(struct throttle_claim *claim)
{
	claim->connection_at = 0;
}

/* --- what replies bring --- */

uint64_t throttle_suspended(const struct throttle *t, uint64_t now)
{
	uint64_t until = atomic_load(&t->suspended_until);

	return until > now ? until : 0;
}

static void post_all(struct throttle *t)
{
	pthread_mutex_lock(&t->lock);
	for (struct throttle_claim *c = t->claims; c; c = c->next)
		throttle_post(c);
	pthread_mutex_unlock(&t->lock);
}

void throttle_suspend(struct throttle *t, uint64_t until)
{
	uint64_t before = atomic_load(&t->suspended_until);

	if (until == 0) {
		atomic_store(&t->suspended_until, 0);
		post_all(t);
		return;
	}
	while (before < until && !atomic_compare_exchange_weak(
					 &t->suspended_until, &before, until))
		;
}

bool throttle_slow_down(struct throttle *t, uint64_t step, uint64_t now)
{
	uint64_t since = atomic_load(&t->slowed);
	unsigned halvings = atomic_load(&t->halvings);

	/* A reply while it is slow keeps it so. */
	if (halvings > 0 && now < since + HALVING_PAUSE)
		return false;
	if (!atomic_compare_exchange_strong(&t->slowed, &since, now))
		return false; /* another worker does it just now */
	atomic_store(&t->step, step);
	if (halvings >= HALVINGS_MAX)
		return false;
	throttle_halve(t, halvings + 1);
	return true;
}

bool throttle_delivered(struct throttle *t, uint64_t now)
{
	unsigned halvings =
		atomic_load_explicit(&t->halvings, memory_order_relaxed);
	uint64_t since;

	if (halvings == 0)
		return false;
	since = atomic_load(&t->slowed);
	if (now < since + atomic_load(&t->step) ||
	    !atomic_compare_exchange_strong(&t->slowed, &since, now))
		return false;
	throttle_halve(t, halvings - 1);
	return true;
}

unsigned throttle_failed(struct throttle *t)
{
	return atomic_fetch_add(&t->failures, 1) + 1;
}

void throttle_reached(struct throttle *t)
{
	if (atomic_load_explicit(&t->failures, memory_order_relaxed) > 0)
		atomic_store(&t->failures, 0);
}
