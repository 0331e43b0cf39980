/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a ring needs of a kernel: the seam where the liburing backend and the
 * fake one (uring_fake.h) meet.  It speaks SQEs and CQEs as the kernel defines
 * them (<linux/io_uring.h>), so everything above it is the same code in
 * production, in unit tests and in the simulation.
 */
#ifndef URING_URING_BACKEND_H
#define URING_URING_BACKEND_H

#include <stdint.h>
#include <sys/socket.h>

#include "uring/uring_caps.h"

struct io_uring_sqe;
struct uring_backend;

/* A completion, copied out of the CQ. */
struct uring_cqe {
	uint64_t user_data;
	int32_t res;
	uint32_t flags; /* IORING_CQE_F_* */
};

struct uring_backend_ops {
	/* Fill *caps with what this kernel can do, within @level. */
	void (*probe)(struct uring_backend *, enum uring_level level,
		      struct uring_caps *caps);
	/* A cleared SQE to fill, or NULL when the SQ is full. Borrowed until
	 * the next submit. */
	struct io_uring_sqe *(*get_sqe)(struct uring_backend *);
	/* Submit all; then wait until a completion is there or @wait_ns have
	 * passed (0: don't wait; UINT64_MAX: no limit). Returns the number
	 * submitted or -errno (-ETIME is reported as success; after -EBUSY and
	 * -EAGAIN some SQEs are still queued: reap, and submit again). */
	int (*submit)(struct uring_backend *, uint64_t wait_ns);
	/* Does the kernel hold completions back, for want of room? NULL: never. */
	bool (*overflowed)(struct uring_backend *);
	/* Copy out at most @max completions and mark them seen. */
	unsigned (*reap)(struct uring_backend *, struct uring_cqe *cqes,
			 unsigned max);
	/* Register / unregister a buffer ring: @ring_mem is page-aligned
	 * memory of count * sizeof(struct io_uring_buf). */
	int (*buf_ring_register)(struct uring_backend *, void *ring_mem,
				 unsigned count, uint16_t group);
	int (*buf_ring_unregister)(struct uring_backend *, uint16_t group);
	/* shutdown(2) and a sendmsg(2) that does not block, for kernels whose
	 * ring can't; return as the system call does, or -errno. */
	int (*sys_shutdown)(struct uring_backend *, int fd, int how);
	int (*sys_sendmsg)(struct uring_backend *, int fd,
			   const struct msghdr *msg, int flags);
	void (*destroy)(struct uring_backend *); /* frees it */
};

struct uring_backend {
	const struct uring_backend_ops *ops;
};

struct uring_config;

/* uring_backend_liburing() - the real one. @out returned owned. */
int uring_backend_liburing(const struct uring_config *config,
			   struct uring_backend **out);

#endif
