/* SPDX-License-Identifier: Apache-2.0 */
/* Waking a ring from another thread: an eventfd which the ring polls. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "uring/uring_internal.h"

int uring_wake_init(struct uring *ring, const struct uring_config *config)
{
	ring->on_wake = config->on_wake;
	ring->wake_arg = config->wake_arg;
	/* Simulations make rings by the hundred thousand, without wakes. */
	if (config->backend && !config->on_wake) {
		ring->wake_armed = true;
		return 0;
	}
	ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return ring->wake_fd < 0 ? -errno : 0;
}

void uring_wake_free(struct uring *ring)
{
	if (ring->wake_fd >= 0)
		(void)close(ring->wake_fd);
	ring->wake_fd = -1;
}

void uring_wake_arm(struct uring *ring)
{
	struct io_uring_sqe *sqe = uring_sqe(ring);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, ring->wake_fd, POLLIN);
	sqe->user_data = uring_own_data(URING_OWN_WAKE, 0);
	ring->wake_armed = true;
}

void uring_wake_done(struct uring *ring)
{
	uint64_t count;

	/* Read before the callback: a wake that comes while it runs makes the
	 * eventfd readable again and is not lost. */
	if (read(ring->wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	ring->wake_armed = false;
	if (count > 0 && ring->on_wake)
		ring->on_wake(ring->wake_arg);
}

int uring_wake(struct uring *ring)
{
	uint64_t one = 1;

	if (ring->wake_fd < 0)
		return -ENOTSUP;
	/* EAGAIN: the counter is full, so a wake is already pending. */
	if (write(ring->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}
