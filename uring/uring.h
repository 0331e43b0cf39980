/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring and its turns: one struct uring per thread, which owns the
 * operations in flight (uring_op.h), the buffers lent to the kernel
 * (uring_bufs.h) and the timers (uring_timer.h).
 *
 * Nothing in this folder logs, exits or keeps globals; every failure is a
 * returned -errno.  A ring belongs to the thread that created it: only
 * uring_wake() may be called from another one.
 *
 * Kernel documents: io_uring(7), io_uring_setup(2), io_uring_enter(2).
 */
#ifndef URING_URING_H
#define URING_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uring/uring_caps.h"

struct uring;
struct uring_backend;
struct uring_clock;

/* Called in a ring's own turn after uring_wake(); may coalesce wakes. */
typedef void (*uring_wake_fn)(void *arg);

struct uring_config {
	unsigned entries;	/* SQ size, a power of two; 0 means 1024 */
	unsigned max_ops;	/* most operations in flight; 0 means 65536 */
	unsigned iowq_max;	/* bounded io-wq workers (5.15+); 0: kernel's */
	enum uring_level level; /* URING_LEVEL_BEST or a forced older set */
	const struct uring_clock *clock; /* borrowed; NULL: CLOCK_MONOTONIC */
	struct uring_backend *backend;	 /* taken on success; NULL: liburing */
	uring_wake_fn on_wake; /* may be NULL: a wake only ends the wait (with
				* a backend of your own: no wakes then) */
	void *wake_arg;	       /* borrowed */
};

/*
 * uring_create() - set a ring up with the best flags the kernel takes.
 * @config: borrowed for the call, except the members said to be taken
 * @out:    returned owned; free with uring_destroy()
 *
 * Returns 0 or -errno: -ENOSYS (no io_uring), -EPERM (sysctl
 * kernel.io_uring_disabled or a seccomp profile), -ENOMEM (RLIMIT_MEMLOCK
 * before 5.12).  uring_blocked_reason() names the cause and the mend.
 */
int uring_create(const struct uring_config *config, struct uring **out);

/*
 * uring_destroy() - free a ring and all it owns.
 * Nothing may be in flight that uses memory of an owner which is gone:
 * owners cancel and wait first.  What is in flight all the same is cancelled
 * here and its completions are awaited (some seconds at most); no handler is
 * called, and connections accepted meanwhile are closed.  Buffer groups must
 * be gone.  Armed timers are forgotten, not touched.
 * Accepts NULL; sets *ring to NULL.
 */
void uring_destroy(struct uring **ring);

/*
 * uring_turn() - one bounded turn: submit what is queued, wait, dispatch.
 * @wait_ns: longest wait for a first completion, in nanoseconds; 0 polls;
 *           UINT64_MAX waits until something happens.  A due timer ends
 *           the wait whatever was asked for.
 *
 * Takes one time stamp (uring_now()), runs due timers, then dispatches at
 * most a fixed number of completions that were there when the wait ended,
 * so that a handler which queues more cannot starve the others.
 * Returns the number of events dispatched (timers included) or -errno.
 * -EINTR is returned as 0.
 */
int uring_turn(struct uring *ring, uint64_t wait_ns);

/* uring_now() - this turn's time in nanoseconds of the ring's clock; read
 * once per turn, so that all handlers of a turn agree. */
uint64_t uring_now(const struct uring *ring);

/* uring_caps() - what was found; borrowed, valid as long as the ring. */
const struct uring_caps *uring_caps(const struct uring *ring);

/* uring_inflight() - operations queued or in flight, for leak checks; the
 * ring's own (wake-up) operation is not counted. */
unsigned uring_inflight(const struct uring *ring);

/*
 * uring_wake() - make the ring's thread run on_wake soon.
 * The one call that any thread may make (it writes an eventfd).  Returns 0
 * or -errno: -ENOTSUP for a ring made without wakes (see on_wake).
 */
int uring_wake(struct uring *ring);

struct uring_stats {
	uint64_t turns;	      /* uring_turn() calls */
	uint64_t submitted;   /* SQEs given to the kernel */
	uint64_t completions; /* CQEs taken */
	uint64_t cancelled;   /* operations that ended -ECANCELED */
	uint64_t nobufs;      /* receives that ended -ENOBUFS */
	uint64_t sq_full;     /* submissions forced by a full SQ */
	uint64_t cq_overflow; /* turns in which the kernel had more completions
			       * than its queue has room for */
	uint64_t stale;	      /* CQEs of operations that are gone: a bug */
};

/* uring_stats() - counters since creation; borrowed, changes every turn. */
const struct uring_stats *uring_stats(const struct uring *ring);

#endif
