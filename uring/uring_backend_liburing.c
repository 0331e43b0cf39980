/* SPDX-License-Identifier: Apache-2.0 */
/* The real backend: set-up with the best flags the kernel takes, submitting
 * and waiting, by liburing. */
#include "uring/uring_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uring/uring_internal.h"

enum {
	DEFAULT_ENTRIES = 1024,
	CQ_FACTOR = 4, /* multishot: many completions per submission */
};

/* Without these (5.5 to 5.7) completions get lost, memory must stay longer
 * than we keep it, and every receive blocks a worker. */
#define FEATURES_NEEDED \
	(IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL)

struct real_backend {
	struct uring_backend base;
	struct io_uring ring;
	struct __kernel_timespec timeout; /* for waits without EXT_ARG */
	unsigned flags;
	bool ext_arg;
	bool registered;
	bool iowq_max;
};

static struct real_backend *real_of(struct uring_backend *backend)
{
	return (struct real_backend *)backend; /* base comes first */
}

static void real_probe(struct uring_backend *backend, enum uring_level level,
		       struct uring_caps *caps)
{
	struct real_backend *real = real_of(backend);
	struct io_uring_probe *probe = io_uring_get_probe_ring(&real->ring);

	*caps = (struct uring_caps){0};
	if (probe) {
		caps->op_splice =
			io_uring_opcode_supported(probe, IORING_OP_SPLICE);
		caps->op_shutdown =
			io_uring_opcode_supported(probe, IORING_OP_SHUTDOWN);
		caps->op_unlinkat =
			io_uring_opcode_supported(probe, IORING_OP_UNLINKAT);
		caps->op_renameat =
			io_uring_opcode_supported(probe, IORING_OP_RENAMEAT);
		caps->op_msg_ring =
			io_uring_opcode_supported(probe, IORING_OP_MSG_RING);
		caps->op_socket =
			io_uring_opcode_supported(probe, IORING_OP_SOCKET);
		caps->op_send_zc =
			io_uring_opcode_supported(probe, IORING_OP_SEND_ZC);
		/* No bit tells; it came with SOCKET, in 5.19. */
		caps->cancel_fd = caps->op_socket;
		io_uring_free_probe(probe);
	}
	uring_probe_tries(caps);
	caps->single_issuer = real->flags & IORING_SETUP_SINGLE_ISSUER;
	caps->defer_taskrun = real->flags & IORING_SETUP_DEFER_TASKRUN;
	caps->coop_taskrun = real->flags & IORING_SETUP_COOP_TASKRUN;
	caps->ext_arg = real->ext_arg;
	caps->registered_ring = real->registered;
	caps->iowq_max = real->iowq_max;
	uring_caps_limit(caps, level);
}

static struct io_uring_sqe *real_get_sqe(struct uring_backend *backend)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&real_of(backend)->ring);

	if (sqe)
		memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

static struct __kernel_timespec to_timespec(uint64_t ns)
{
	return (struct __kernel_timespec){
		.tv_sec = (long long)(ns / URING_SEC),
		.tv_nsec = (long long)(ns % URING_SEC),
	};
}

/*
 * Before 5.11 a wait is ended by a timeout request: it completes after the
 * time or after the first other completion. Its own completion is not passed
 * on (real_reap).
 */
static int wait_by_request(struct real_backend *real, uint64_t wait_ns)
{
	struct io_uring_sqe *sqe = real_get_sqe(&real->base);
	int err;

	if (!sqe) {
		err = io_uring_submit(&real->ring);
		sqe = real_get_sqe(&real->base);
		if (!sqe)
			return err < 0 ? err : -EAGAIN;
	}
	real->timeout = to_timespec(wait_ns);
	uring_prep(sqe, IORING_OP_TIMEOUT, -1, &real->timeout, 1, 1);
	sqe->user_data = LIBURING_UDATA_TIMEOUT;
	return io_uring_submit_and_wait(&real->ring, 1);
}

static int real_enter(struct real_backend *real, uint64_t wait_ns)
{
	struct __kernel_timespec timeout;
	struct io_uring_cqe *cqe;

	if (wait_ns == 0)
		return io_uring_submit_and_get_events(&real->ring);
	if (wait_ns == UINT64_MAX)
		return io_uring_submit_and_wait(&real->ring, 1);
	if (!real->ext_arg)
		return wait_by_request(real, wait_ns);
	timeout = to_timespec(wait_ns);
	return io_uring_submit_and_wait_timeout(&real->ring, &cqe, 1, &timeout,
						NULL);
}

static int real_submit(struct uring_backend *backend, uint64_t wait_ns)
{
	struct real_backend *real = real_of(backend);
	unsigned before = io_uring_sq_ready(&real->ring);
	int ret;

	if (io_uring_cq_ready(&real->ring) > 0) {
		wait_ns = 0;
		/* Nothing that only the kernel could do. */
		if (before == 0 && !io_uring_cq_has_overflow(&real->ring))
			return 0;
	}
	ret = real_enter(real, wait_ns);
	if (ret < 0 && ret != -ETIME)
		return ret;
	ret = (int)(before - io_uring_sq_ready(&real->ring));
	return ret > 0 ? ret : 0;
}

static bool real_overflowed(struct uring_backend *backend)
{
	return io_uring_cq_has_overflow(&real_of(backend)->ring);
}

static unsigned real_reap(struct uring_backend *backend, struct uring_cqe *cqes,
			  unsigned max)
{
	struct io_uring *ring = &real_of(backend)->ring;
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0, n = 0;

	io_uring_for_each_cqe(ring, head, cqe)
	{
		if (n == max)
			break;
		seen++;
		if (cqe->user_data == LIBURING_UDATA_TIMEOUT)
			continue;
		cqes[n++] = (struct uring_cqe){
			.user_data = cqe->user_data,
			.res = cqe->res,
			.flags = cqe->flags,
		};
	}
	io_uring_cq_advance(ring, seen);
	return n;
}

static int real_buf_ring_register(struct uring_backend *backend, void *ring_mem,
				  unsigned count, uint16_t group)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uint64_t)(uintptr_t)ring_mem,
		.ring_entries = count,
		.bgid = group,
	};

	return io_uring_register_buf_ring(&real_of(backend)->ring, &reg, 0);
}

static int real_buf_ring_unregister(struct uring_backend *backend,
				    uint16_t group)
{
	return io_uring_unregister_buf_ring(&real_of(backend)->ring, group);
}

static int real_sys_shutdown(struct uring_backend *backend, int fd, int how)
{
	(void)backend;
	return shutdown(fd, how) < 0 ? -errno : 0;
}

static int real_sys_sendmsg(struct uring_backend *backend, int fd,
			    const struct msghdr *msg, int flags)
{
	ssize_t n;

	(void)backend;
	do
		n = sendmsg(fd, msg, flags | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

static void real_destroy(struct uring_backend *backend)
{
	struct real_backend *real = real_of(backend);

	io_uring_queue_exit(&real->ring);
	free(real);
}

static const struct uring_backend_ops real_ops = {
	.probe = real_probe,
	.get_sqe = real_get_sqe,
	.submit = real_submit,
	.overflowed = real_overflowed,
	.reap = real_reap,
	.buf_ring_register = real_buf_ring_register,
	.buf_ring_unregister = real_buf_ring_unregister,
	.sys_shutdown = real_sys_shutdown,
	.sys_sendmsg = real_sys_sendmsg,
	.destroy = real_destroy,
};

/* Best first; each is tried if its level allows and taken if the kernel does.
 */
static const struct {
	unsigned flags;
	enum uring_level since;
} setups[] = {
	{IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
		 IORING_SETUP_DEFER_TASKRUN,
	 URING_LEVEL_6_1},
	{IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
		 IORING_SETUP_COOP_TASKRUN,
	 URING_LEVEL_6_1},
	{IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN, URING_LEVEL_5_19},
	{IORING_SETUP_SUBMIT_ALL, URING_LEVEL_5_19},
	{0, URING_LEVEL_5_10},
};

static int real_setup(struct real_backend *real, unsigned entries,
		      enum uring_level level)
{
	struct io_uring_params params;
	int err = -EINVAL;

	for (unsigned i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		if (level != URING_LEVEL_BEST && setups[i].since > level)
			continue;
		params = (struct io_uring_params){
			.flags = setups[i].flags | IORING_SETUP_CQSIZE |
				 IORING_SETUP_CLAMP,
			.cq_entries = entries * CQ_FACTOR,
		};
		err = io_uring_queue_init_params(entries, &real->ring, &params);
		if (err == -EINVAL)
			continue;
		real->flags = setups[i].flags;
		return err;
	}
	return err;
}

/* What may fail without harm. */
static void real_tune(struct real_backend *real,
		      const struct uring_config *config)
{
	unsigned workers[2] = {config->iowq_max, 0};

	real->ext_arg = (real->ring.features & IORING_FEAT_EXT_ARG) &&
			config->level != URING_LEVEL_5_10;
	if (config->level == URING_LEVEL_5_10)
		return;
	real->registered = io_uring_register_ring_fd(&real->ring) == 1;
	/* {0, 0} changes nothing: it asks whether the call is there. */
	real->iowq_max =
		io_uring_register_iowq_max_workers(&real->ring, workers) == 0;
}

int uring_backend_liburing(const struct uring_config *config,
			   struct uring_backend **out)
{
	struct real_backend *real = calloc(1, sizeof(*real));
	int err;

	*out = NULL;
	if (!real)
		return -ENOMEM;
	real->base.ops = &real_ops;
	err = real_setup(real,
			 config->entries ? config->entries : DEFAULT_ENTRIES,
			 config->level);
	if (err) {
		free(real);
		return err;
	}
	if ((real->ring.features & FEATURES_NEEDED) != FEATURES_NEEDED) {
		real_destroy(&real->base);
		return -ENOSYS;
	}
	real_tune(real, config);
	*out = &real->base;
	return 0;
}
