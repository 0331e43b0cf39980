/* SPDX-License-Identifier: Apache-2.0 */
/* Connections shared out among the claims of a throttle. */
#include <assert.h>

#include "gateway/queue/throttle_private.h"

/* How far to look for one that has less than its share. */
#define LOOK_MAX 8

unsigned throttle_limit(const struct throttle *t)
{
	unsigned limit = t->limit >> atomic_load(&t->halvings);

	return limit > 0 ? limit : 1;
}

unsigned throttle_count(struct throttle *t)
{
	unsigned open;

	pthread_mutex_lock(&t->lock);
	open = t->open;
	pthread_mutex_unlock(&t->lock);
	return open;
}

/* What holders look at without the lock: is there any reason to give
 * something up? */
static void note_wanting(struct throttle *t)
{
	unsigned limit = throttle_limit(t);

	atomic_store(&t->wanting,
		     t->lines[THROTTLE_HUNGRY].count +
			     t->lines[THROTTLE_MORE].count +
			     (t->open > limit ? t->open - limit : 0));
}

/* --- the lines --- */

static bool is_active(const struct throttle_claim *c)
{
	return c->held > 0 || c->waiting != THROTTLE_NOT_WAITING;
}

static void enqueue(struct throttle_claim *c, enum throttle_line line)
{
	struct throttle *t = c->throttle;

	t->active -= is_active(c);
	c->waiting = line;
	c->next_waiting = NULL;
	c->prev_waiting = t->lines[line].last;
	if (t->lines[line].last)
		t->lines[line].last->next_waiting = c;
	else
		t->lines[line].first = c;
	t->lines[line].last = c;
	t->lines[line].count++;
	t->active += is_active(c);
}

static void dequeue(struct throttle_claim *c)
{
	struct throttle *t = c->throttle;
	enum throttle_line line = c->waiting;

	if (c->prev_waiting)
		c->prev_waiting->next_waiting = c->next_waiting;
	else
		t->lines[line].first = c->next_waiting;
	if (c->next_waiting)
		c->next_waiting->prev_waiting = c->prev_waiting;
	else
		t->lines[line].last = c->prev_waiting;
	t->lines[line].count--;
	t->active -= is_active(c);
	c->waiting = THROTTLE_NOT_WAITING;
	t->active += is_active(c);
}

static void hold(struct throttle_claim *c, int more)
{
	struct throttle *t = c->throttle;

	t->active -= is_active(c);
	c->held += more;
	t->open += more;
	t->active += is_active(c);
}

/* Free connections go to those in line, the hungry first. */
static void grant(struct throttle *t)
{
	while (t->open < throttle_limit(t)) {
		struct throttle_claim *c =
			t->lines[THROTTLE_HUNGRY].first
				? t->lines[THROTTLE_HUNGRY].first
				: t->lines[THROTTLE_MORE].first;

		if (!c)
			break;
		dequeue(c);
		hold(c, 1);
		c->granted++;
		throttle_post(c);
	}
	note_wanting(t);
}

/* Whoever has a connection without work gives it up at once. With
 * throttle_idle() before throttle_yields() there: one of both sees the
 * other. */
static void ask_idle(struct throttle *t)
{
	if (atomic_load(&t->idle) == 0)
		return;
	for (struct throttle_claim *c = t->claims; c; c = c->next)
		if (atomic_load(&c->has_idle))
			throttle_post(c);
}

void throttle_idle(struct throttle_claim *c, int more)
{
	c->idle += more;
	atomic_store(&c->has_idle, c->idle > 0);
	atomic_fetch_add(&c->throttle->idle, more);
}

static bool wait_in_line(struct throttle_claim *c)
{
	enum throttle_line line = c->held > 0 ? THROTTLE_MORE : THROTTLE_HUNGRY;

	if (c->waiting == line)
		return false;
	if (c->waiting)
		dequeue(c);
	enqueue(c, line);
	note_wanting(c->throttle);
	ask_idle(c->throttle);
	return false;
}

bool throttle_open(struct throttle_claim *c)
{
	struct throttle *t = c->throttle;
	bool yes = true;

	pthread_mutex_lock(&t->lock);
	if (c->granted > 0) {
		c->granted--;
	} else if (t->open < throttle_limit(t)) {
		/* A free one that nobody in line has got is for anybody. */
		if (c->waiting)
			dequeue(c);
		hold(c, 1);
		note_wanting(t);
	} else {
		yes = wait_in_line(c);
	}
	pthread_mutex_unlock(&t->lock);
	return yes;
}

void throttle_close(struct throttle_claim *c, bool yielded)
{
	struct throttle *t = c->throttle;

	pthread_mutex_lock(&t->lock);
	assert(c->held > 0);
	hold(c, -1);
	if (yielded) {
		assert(c->yielding > 0 && t->yielding > 0);
		c->yielding--;
		t->yielding--;
	}
	/* Who holds nothing any more is hungry. */
	if (c->waiting == THROTTLE_MORE && c->held == 0) {
		dequeue(c);
		enqueue(c, THROTTLE_HUNGRY);
	}
	grant(t);
	pthread_mutex_unlock(&t->lock);
}

void throttle_settle(struct throttle_claim *c, bool wants)
{
	struct throttle *t = c->throttle;

	pthread_mutex_lock(&t->lock);
	if (c->waiting && !wants)
		dequeue(c);
	if (c->granted > 0) {
		hold(c, -(int)c->granted);
		c->granted = 0;
	}
	grant(t);
	pthread_mutex_unlock(&t->lock);
}

/* --- giving up --- */

static unsigned fair_share(const struct throttle *t)
{
	unsigned share = t->active ? throttle_limit(t) / t->active : 1;

	return share > 0 ? share : 1;
}

/* Is somebody in line who has less than his share? The others go to its
 * end. */
static bool anyone_below(struct throttle *t, unsigned share)
{
	for (int i = 0; i < LOOK_MAX && t->lines[THROTTLE_MORE].first; i++) {
		struct throttle_claim *c = t->lines[THROTTLE_MORE].first;

		if (c->held < share)
			return true;
		dequeue(c);
		enqueue(c, THROTTLE_MORE);
	}
	return false;
}

static bool must_yield(struct throttle *t, const struct throttle_claim *c,
		       bool turn_over, bool idle)
{
	unsigned limit = throttle_limit(t), share = fair_share(t);
	unsigned surplus = t->open > limit ? t->open - limit : 0;
	unsigned hungry = t->lines[THROTTLE_HUNGRY].count;
	/* Nobody gives up a connection to get it back. */
	unsigned more =
		t->lines[THROTTLE_MORE].count - (c->waiting == THROTTLE_MORE);

	if (t->yielding < surplus)
		return true;
	if (t->yielding < surplus + hungry)
		return idle || turn_over || c->held - c->yielding > share;
	if (t->yielding >= surplus + hungry + more)
		return false;
	if (idle)
		return true;
	return c->held - c->yielding > share && anyone_below(t, share);
}

bool throttle_yields(struct throttle_claim *c, bool turn_over, bool idle)
{
	struct throttle *t = c->throttle;
	bool yes;

	if (atomic_load(&t->wanting) == 0)
		return false;
	pthread_mutex_lock(&t->lock);
	yes = must_yield(t, c, turn_over, idle);
	if (yes) {
		c->yielding++;
		t->yielding++;
	}
	pthread_mutex_unlock(&t->lock);
	return yes;
}

void throttle_halve(struct throttle *t, unsigned halvings)
{
	pthread_mutex_lock(&t->lock);
	atomic_store(&t->halvings, halvings);
	grant(t);
	pthread_mutex_unlock(&t->lock);
}
