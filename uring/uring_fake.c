/* SPDX-License-Identifier: Apache-2.0 */
/* The fake kernel's face: backend operations, chance, time. */
#include "uring/uring_fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uring/uring_fake_internal.h"
#include "uring/uring_internal.h"

void *fake_alloc(size_t size)
{
	void *p = calloc(1, size);

	assert(p);
	return p;
}

void *fake_grow(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count, size);

	assert(p);
	return p;
}

/* splitmix64 */
uint64_t fake_random(struct uring_fake *fake)
{
	uint64_t z = (fake->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned fake_below(struct uring_fake *fake, unsigned limit)
{
	return (unsigned)((fake_random(fake) >> 32) * limit >> 32);
}

bool fake_chance(struct uring_fake *fake, unsigned percent)
{
	return percent > 0 && fake_below(fake, 100) < percent;
}

size_t fake_short(struct uring_fake *fake, size_t len)
{
	if (len < 2 || !fake_chance(fake, fake->config.short_percent))
		return len;
	/* Tiny pieces find other bugs than big ones. */
	if (len > 8 && fake_chance(fake, 50))
		len = 8;
	return 1 + (size_t)(fake_random(fake) % (len - 1));
}

void fake_post(struct uring_fake *fake, uint64_t user_data, int res,
	       uint32_t flags)
{
	if (fake->cq_count == fake->cq_room) {
		fake->cq_room = fake->cq_room ? fake->cq_room * 2 : 64;
		fake->cq =
			fake_grow(fake->cq, fake->cq_room, sizeof(*fake->cq));
	}
	fake->cq[fake->cq_count++] = (struct uring_cqe){
		.user_data = user_data, .res = res, .flags = flags};
}

static struct uring_fake *fake_of(struct uring_backend *backend)
{
	return (struct uring_fake *)backend; /* base comes first */
}

static void fake_probe(struct uring_backend *backend, enum uring_level level,
		       struct uring_caps *caps)
{
	*caps = fake_of(backend)->caps;
	uring_caps_limit(caps, level);
}

static struct io_uring_sqe *fake_get_sqe(struct uring_backend *backend)
{
	struct uring_fake *fake = fake_of(backend);
	struct io_uring_sqe *sqe;

	if (fake->sq_count == FAKE_SQ)
		return NULL;
	sqe = &fake->sq[fake->sq_count++];
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

/* Nothing is ready: let the wait's time pass, or wait for the world outside. */
static int fake_wait(struct uring_fake *fake, uint64_t wait_ns)
{
	if (wait_ns != UINT64_MAX) {
		uring_fake_advance(fake, wait_ns);
		return 0;
	}
	return fake_outside_wait(fake);
}

static int fake_submit(struct uring_backend *backend, uint64_t wait_ns)
{
	struct uring_fake *fake = fake_of(backend);
	unsigned n = fake->sq_count;
	int err = 0;

	for (unsigned i = 0; i < n; i++)
		fake_submit_sqe(fake, &fake->sq[i]);
	fake->sq_count = 0;
	fake_wake_outside(fake);
	fake_run_ready(fake);
	if (wait_ns == 0)
		return (int)n;
	while (fake->cq_count == fake->cq_head && fake->ready.count > 0)
		fake_run_ready(fake);
	if (fake->cq_count == fake->cq_head)
		err = fake_wait(fake, wait_ns);
	return err ? err : (int)n;
}

static unsigned fake_reap(struct uring_backend *backend, struct uring_cqe *cqes,
			  unsigned max)
{
	struct uring_fake *fake = fake_of(backend);
	unsigned n = fake->cq_count - fake->cq_head;

	if (n > max)
		n = max;
	if (n > 0)
		memcpy(cqes, fake->cq + fake->cq_head, n * sizeof(*cqes));
	fake->cq_head += n;
	if (fake->cq_head == fake->cq_count)
		fake->cq_head = fake->cq_count = 0;
	return n;
}

static int fake_buf_ring_register(struct uring_backend *backend, void *ring_mem,
				  unsigned count, uint16_t group)
{
	return fake_group_register(fake_of(backend), ring_mem, count, group);
}

static int fake_buf_ring_unregister(struct uring_backend *backend,
				    uint16_t group)
{
	return fake_group_unregister(fake_of(backend), group);
}

static int fake_sys_shutdown(struct uring_backend *backend, int fd, int how)
{
	struct uring_fake *fake = fake_of(backend);
	struct fake_sock *sock = fake_sock_of(fake, fd);

	return sock ? fake_sock_shutdown(fake, sock, how) : -EBADF;
}

static int fake_sys_sendmsg(struct uring_backend *backend, int fd,
			    const struct msghdr *msg, int flags)
{
	struct io_uring_sqe sqe = {0};
	struct fake_req req = {0};
	uint32_t cqe_flags = 0;

	uring_prep(&sqe, IORING_OP_SENDMSG, fd, msg, 1, 0);
	sqe.msg_flags = (uint32_t)(flags | MSG_DONTWAIT);
	req.sqe = sqe;
	req.sock = fake_sock_of(fake_of(backend), fd);
	return fake_exec(fake_of(backend), &req, &cqe_flags);
}

static void fake_destroy(struct uring_backend *backend)
{
	struct uring_fake *fake = fake_of(backend);
	struct fake_fault *fault;

	while ((fault = fake->faults)) {
		fake->faults = fault->next;
		free(fault);
	}
	fake_reqs_free(fake);
	fake_groups_free(fake);
	fake_socks_free(fake);
	free(fake->cq);
	free(fake);
}

static const struct uring_backend_ops fake_ops = {
	.probe = fake_probe,
	.get_sqe = fake_get_sqe,
	.submit = fake_submit,
	.reap = fake_reap,
	.buf_ring_register = fake_buf_ring_register,
	.buf_ring_unregister = fake_buf_ring_unregister,
	.sys_shutdown = fake_sys_shutdown,
	.sys_sendmsg = fake_sys_sendmsg,
	.destroy = fake_destroy,
};

static uint64_t fake_now(const struct uring_clock *clock)
{
	return ((const struct fake_clock *)clock)->now;
}

int uring_fake_create(const struct uring_fake_config *config,
		      struct uring_fake **out)
{
	struct uring_fake *fake = calloc(1, sizeof(*fake));

	*out = fake;
	if (!fake)
		return -ENOMEM;
	fake->base.ops = &fake_ops;
	fake->config = *config;
	if (!fake->config.socket_buffer)
		fake->config.socket_buffer = FAKE_SOCKET_BUFFER;
	fake->random = config->seed;
	fake->clock.base.now = fake_now;
	fake->clock.now = URING_SEC;
	memset(&fake->caps, true, sizeof(fake->caps)); /* all are bools */
	uring_caps_limit(&fake->caps, config->level);
	return 0;
}

struct uring_backend *uring_fake_backend(struct uring_fake *fake)
{
	return &fake->base;
}

const struct uring_clock *uring_fake_clock(struct uring_fake *fake)
{
	return &fake->clock.base;
}

void uring_fake_advance(struct uring_fake *fake, uint64_t ns)
{
	fake->clock.now += ns;
}

void uring_fake_fail(struct uring_fake *fake, unsigned opcode, unsigned nth,
		     int error, unsigned count)
{
	struct fake_fault *fault = fake_alloc(sizeof(*fault));
	struct fake_fault **link = &fake->faults;

	*fault = (struct fake_fault){
		.opcode = opcode, .nth = nth, .error = error, .count = count};
	while (*link)
		link = &(*link)->next;
	*link = fault;
}
