/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers in a pairing heap whose nodes are the timers themselves, so arming
 * can't fail.  A timer's place in the heap (key) may lie before its deadline:
 * pushing a deadline out writes one word, and the timer moves only if it comes
 * to the top before it is pushed or cleared again.
 *
 * Links: child is the first child, next the next sibling, prev the previous
 * sibling or, for a first child, the parent.
 */
#include "uring/uring_timer.h"

#include <time.h>

#include "uring/uring_internal.h"

static uint64_t monotonic_now(const struct uring_clock *clock)
{
	struct timespec ts;

	(void)clock;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * URING_SEC + (uint64_t)ts.tv_nsec;
}

const struct uring_clock *uring_clock_monotonic(void)
{
	static const struct uring_clock monotonic = {.now = monotonic_now};

	return &monotonic;
}

/* Two roots become one. */
static struct uring_timer *meld(struct uring_timer *a, struct uring_timer *b)
{
	struct uring_timer *first = a, *second = b;

	if (!a || !b)
		return a ? a : b;
	if (b->key < a->key) {
		first = b;
		second = a;
	}
	second->next = first->child;
	if (first->child)
		first->child->prev = second;
	second->prev = first;
	first->child = second;
	first->next = first->prev = NULL;
	return first;
}

/*
 * A list of siblings becomes one root: meld pairs from left to right, then the
 * pairs from right to left.  This order is what makes a pop O(log n) in the
 * long run.
 */
static struct uring_timer *meld_siblings(struct uring_timer *list)
{
	struct uring_timer *pairs = NULL, *root = NULL;
	struct uring_timer *a, *b, *rest;

	for (; list; list = rest) {
		a = list;
		b = a->next;
		rest = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	for (; pairs; pairs = rest) {
		rest = pairs->next;
		pairs->next = pairs->prev = NULL;
		root = meld(root, pairs);
	}
	return root;
}

static void heap_insert(struct uring *ring, struct uring_timer *timer)
{
	timer->next = timer->prev = timer->child = NULL;
	timer->key = timer->deadline;
	ring->timers = meld(ring->timers, timer);
}

static void heap_remove(struct uring *ring, struct uring_timer *timer)
{
	struct uring_timer *children = meld_siblings(timer->child);

	if (timer == ring->timers) {
		ring->timers = children;
	} else {
		if (timer->prev->child == timer)
			timer->prev->child = timer->next;
		else
			timer->prev->next = timer->next;
		if (timer->next)
			timer->next->prev = timer->prev;
		ring->timers = meld(ring->timers, children);
	}
	timer->next = timer->prev = timer->child = NULL;
}

/* The due list marks its members by child == timer, which no heap node has. */
static bool is_due(const struct uring_timer *timer)
{
	return timer->child == timer;
}

static void due_remove(struct uring *ring, struct uring_timer *timer)
{
	if (timer->prev)
		timer->prev->next = timer->next;
	else
		ring->due = timer->next;
	if (timer->next)
		timer->next->prev = timer->prev;
	timer->next = timer->prev = timer->child = NULL;
}

static void timer_remove(struct uring *ring, struct uring_timer *timer)
{
	if (is_due(timer))
		due_remove(ring, timer);
	else
		heap_remove(ring, timer);
}

void uring_timer_set(struct uring *ring, struct uring_timer *timer,
		     uint64_t delay_ns)
{
	uint64_t deadline = ring->now + delay_ns;

	assert(timer->fn);
	if (deadline < ring->now)
		deadline = UINT64_MAX;
	timer->deadline = deadline;
	if (timer->armed && !is_due(timer) && deadline >= timer->key)
		return; /* pushed out: moves when it comes to the top */
	if (timer->armed)
		timer_remove(ring, timer);
	timer->armed = true;
	heap_insert(ring, timer);
}

void uring_timer_clear(struct uring *ring, struct uring_timer *timer)
{
	if (!timer->armed)
		return;
	timer_remove(ring, timer);
	timer->armed = false;
}

/* Bring those that were pushed out to their place until the top is true. */
static struct uring_timer *true_top(struct uring *ring)
{
	struct uring_timer *top;

	while ((top = ring->timers) && top->key < top->deadline) {
		heap_remove(ring, top);
		heap_insert(ring, top);
	}
	return top;
}

bool uring_timers_next(struct uring *ring, uint64_t *deadline)
{
	struct uring_timer *top = true_top(ring);

	if (top)
		*deadline = top->deadline;
	return top != NULL;
}

/*
 * All that is due leaves the heap before the first handler runs: what handlers
 * arm goes to the heap and waits for the next turn, what they clear or push
 * out leaves the list.
 */
static void collect_due(struct uring *ring)
{
	struct uring_timer *top, *last = NULL;

	while ((top = true_top(ring)) && top->key <= ring->now) {
		heap_remove(ring, top);
		top->child = top;
		top->prev = last;
		if (last)
			last->next = top;
		else
			ring->due = top;
		last = top;
	}
}

unsigned uring_timers_run(struct uring *ring)
{
	struct uring_timer *timer;
	unsigned fired = 0;

	assert(!ring->due);
	collect_due(ring);
	while ((timer = ring->due)) {
		due_remove(ring, timer);
		timer->armed = false;
		timer->fn(timer->owner);
		fired++;
	}
	return fired;
}
