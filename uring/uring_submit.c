/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Submission entries: from the SQ while there is room, else, when even a
 * forced submit makes none (the kernel says -EBUSY while its CQ overflows),
 * from a backlog that keeps their order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uring/uring_internal.h"

int uring_submit(struct uring *ring, uint64_t wait_ns)
{
	int n = ring->backend->ops->submit(ring->backend, wait_ns);

	if (n < 0)
		return n;
	ring->stats.submitted += (unsigned)n;
	return 0;
}

static int backlog_grow(struct uring_backlog *log)
{
	unsigned room = log->room ? log->room * 2 : 64;
	struct io_uring_sqe *sqes;

	sqes = calloc(room, sizeof(*sqes));
	if (!sqes)
		return -ENOMEM;
	for (unsigned i = 0; i < log->count; i++)
		sqes[i] = log->sqes[(log->head + i) & (log->room - 1)];
	free(log->sqes);
	log->sqes = sqes;
	log->room = room;
	log->head = 0;
	return 0;
}

static struct io_uring_sqe *backlog_add(struct uring_backlog *log)
{
	struct io_uring_sqe *sqe;

	if (log->count == log->room && backlog_grow(log) != 0)
		return NULL;
	sqe = &log->sqes[(log->head + log->count++) & (log->room - 1)];
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

struct io_uring_sqe *uring_sqe(struct uring *ring)
{
	const struct uring_backend_ops *ops = ring->backend->ops;
	struct io_uring_sqe *sqe = NULL;

	if (ring->backlog.count == 0) {
		sqe = ops->get_sqe(ring->backend);
		if (!sqe) {
			ring->stats.sq_full++;
			if (uring_submit(ring, 0) == 0)
				sqe = ops->get_sqe(ring->backend);
		}
	}
	return sqe ? sqe : backlog_add(&ring->backlog);
}

int uring_backlog_flush(struct uring *ring)
{
	struct uring_backlog *log = &ring->backlog;
	struct io_uring_sqe *sqe;
	uint64_t before;
	int err;

	while (log->count > 0) {
		sqe = ring->backend->ops->get_sqe(ring->backend);
		if (sqe) {
			*sqe = log->sqes[log->head];
			log->head = (log->head + 1) & (log->room - 1);
			log->count--;
			continue;
		}
		before = ring->stats.submitted;
		err = uring_submit(ring, 0);
		if (err || ring->stats.submitted == before)
			return err;
	}
	return 0;
}
