/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of a ring: embedded in their owners, so arming never allocates; run
 * from uring_turn() against the ring's clock, which tests replace.
 *
 * Re-arming on every read of 10,000 connections is the common case: pushing a
 * deadline out must be O(1).
 */
#ifndef URING_URING_TIMER_H
#define URING_URING_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct uring;

/* Where a ring's time comes from. */
struct uring_clock {
	/* Nanoseconds, never going back. */
	uint64_t (*now)(const struct uring_clock *clock);
};

/* uring_clock_monotonic() - CLOCK_MONOTONIC; static. */
const struct uring_clock *uring_clock_monotonic(void);

struct uring_timer {
	void (*fn)(void *owner); /* runs in uring_turn(); may re-arm */
	void *owner;		 /* borrowed while armed */
	bool armed;		 /* read-only for owners */
	/* Private; zero-initialise the struct. */
	uint64_t deadline; /* ns of the ring's clock */
	uint64_t key;	   /* place in the heap: <= deadline */
	struct uring_timer *next, *prev, *child;
};

/*
 * uring_timer_set() - (re)arm to fire @delay_ns from uring_now().
 * Fires once, not before the deadline.  Timers that are due in one turn fire
 * in the order of their deadlines; one armed by a handler of a turn fires in
 * a later turn, even with a delay of 0.
 */
void uring_timer_set(struct uring *ring, struct uring_timer *timer,
		     uint64_t delay_ns);

/* uring_timer_clear() - disarm; harmless when not armed. The owner may go
 * away afterwards. */
void uring_timer_clear(struct uring *ring, struct uring_timer *timer);

#define URING_MSEC UINT64_C(1000000)
#define URING_SEC  UINT64_C(1000000000)

#endif
