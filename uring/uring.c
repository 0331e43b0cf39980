/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a ring and its turn. */
#include "uring/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "uring/uring_internal.h"

enum {
	URING_DEFAULT_MAX_OPS = 65536,
	URING_DRAIN_ROUNDS = 50, /* of 100 ms each */
};

static int ring_backend(struct uring *ring, const struct uring_config *config)
{
	if (config->backend) {
		ring->backend = config->backend;
		return 0;
	}
	return uring_backend_liburing(config, &ring->backend);
}

static int ring_init(struct uring *ring, const struct uring_config *config)
{
	unsigned max_ops = config->max_ops;
	int err;

	ring->wake_fd = -1;
	ring->clock = config->clock ? config->clock : uring_clock_monotonic();
	ring->now = ring->clock->now(ring->clock);
	err = uring_pool_init(&ring->pool,
			      max_ops ? max_ops : URING_DEFAULT_MAX_OPS);
	if (err)
		return err;
	err = ring_backend(ring, config);
	if (err)
		return err;
	ring->backend->ops->probe(ring->backend, config->level, &ring->caps);
	return uring_wake_init(ring, config);
}

static void ring_free(struct uring *ring)
{
	uring_wake_free(ring);
	if (ring->backend)
		ring->backend->ops->destroy(ring->backend);
	uring_pool_free(&ring->pool);
	free(ring->backlog.sqes);
	free(ring);
}

int uring_create(const struct uring_config *config, struct uring **out)
{
	struct uring *ring;
	int err;

	*out = NULL;
	if ((config->entries & (config->entries - 1)) != 0 ||
	    config->max_ops > URING_MAX_OPS)
		return -EINVAL;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	err = ring_init(ring, config);
	if (err) {
		if (config->backend)
			ring->backend = NULL; /* taken on success only */
		ring_free(ring);
		return err;
	}
	*out = ring;
	return 0;
}

/* A connection that nobody will hear of must not leak. */
static void drop_cqe(struct uring *ring, const struct uring_cqe *cqe)
{
	struct uring_op *op = uring_pool_find(&ring->pool, cqe->user_data);

	if (!op)
		return;
	if (op->kind == URING_OP_ACCEPT && cqe->res >= 0)
		(void)close(cqe->res);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		uring_pool_put(&ring->pool, op);
}

/*
 * The kernel may write into an op's memory as long as the op flies, so it must
 * not be freed before.  False when the kernel would not let go.
 */
static bool ring_drain(struct uring *ring)
{
	struct uring_cqe cqes[URING_TURN_CQES];
	unsigned n;

	uring_cancel_all(ring);
	for (int i = 0; i < URING_DRAIN_ROUNDS && ring->pool.inflight; i++) {
		(void)uring_backlog_flush(ring);
		(void)uring_submit(ring, 100 * URING_MSEC);
		while ((n = ring->backend->ops->reap(ring->backend, cqes,
						     URING_TURN_CQES)) > 0)
			for (unsigned k = 0; k < n; k++)
				drop_cqe(ring, &cqes[k]);
	}
	return ring->pool.inflight == 0;
}

void uring_destroy(struct uring **ringp)
{
	struct uring *ring = *ringp;

	if (!ring)
		return;
	assert(!ring->in_turn);
	assert(!ring->groups);
	*ringp = NULL;
	if (ring->pool.inflight > 0 && !ring_drain(ring)) {
		/* Leak the ops rather than let the kernel write into freed
		 * memory. */
		ring->pool = (struct uring_op_pool){0};
	}
	ring_free(ring);
}

static uint64_t turn_wait(struct uring *ring, uint64_t wait_ns)
{
	uint64_t deadline, now, left;

	if (wait_ns == 0 || ring->backlog.count > 0 || uring_bufs_waiting(ring))
		return 0;
	if (!uring_timers_next(ring, &deadline))
		return wait_ns;
	now = ring->clock->now(ring->clock);
	left = deadline > now ? deadline - now : 0;
	return left < wait_ns ? left : wait_ns;
}

/* Submit and wait; true results of no consequence for the turn become 0. */
static int turn_submit(struct uring *ring, uint64_t wait_ns)
{
	int err;

	if (!ring->wake_armed)
		uring_wake_arm(ring);
	if (ring->cancels_unsent)
		uring_cancel_unsent(ring);
	err = uring_backlog_flush(ring);
	if (!err)
		err = uring_submit(ring, turn_wait(ring, wait_ns));
	/* The kernel is short of CQ room or memory: reaping helps. */
	if (err == -EBUSY || err == -EAGAIN || err == -EINTR)
		return 0;
	return err;
}

static unsigned turn_dispatch(struct uring *ring)
{
	struct uring_cqe cqes[URING_TURN_CQES];
	unsigned events = 0;
	unsigned n;

	if (ring->backend->ops->overflowed)
		ring->stats.cq_overflow +=
			ring->backend->ops->overflowed(ring->backend);
	/* Taken out before any handler runs: what handlers cause belongs to
	 * the next turn. */
	n = ring->backend->ops->reap(ring->backend, cqes, URING_TURN_CQES);
	ring->stats.completions += n;
	events += uring_timers_run(ring);
	events += uring_bufs_run_waiters(ring);
	for (unsigned i = 0; i < n; i++)
		events += uring_dispatch(ring, &cqes[i]);
	return events;
}

int uring_turn(struct uring *ring, uint64_t wait_ns)
{
	unsigned events;
	int err;

	assert(!ring->in_turn); /* handlers don't turn the ring */
	ring->stats.turns++;
	err = turn_submit(ring, wait_ns);
	if (err)
		return err;
	ring->now = ring->clock->now(ring->clock);
	ring->in_turn = true;
	events = turn_dispatch(ring);
	ring->in_turn = false;
	return (int)events;
}

uint64_t uring_now(const struct uring *ring)
{
	return ring->now;
}

const struct uring_caps *uring_caps(const struct uring *ring)
{
	return &ring->caps;
}

unsigned uring_inflight(const struct uring *ring)
{
	return ring->pool.inflight;
}

const struct uring_stats *uring_stats(const struct uring *ring)
{
	return &ring->stats;
}
