/* SPDX-License-Identifier: Apache-2.0 */
/* A fake kernel and what stands on it. */
#include "tests/support/sim_net.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

static struct uring_fake *clock_of;

static int no_kernel_tls(const struct ktls_kernel *kernel, int fd, int level,
			 int name, const void *value, socklen_t len)
{
	return level == IPPROTO_TCP && name == TCP_ULP ? -ENOENT : 0;
}

void sim_net_open(struct sim_net *net, const struct uring_fake_config *fake,
		  unsigned buffers)
{
	struct uring_config ring = {.level = fake->level};
	int r;

	*net = (struct sim_net){.kernel = {.setsockopt = no_kernel_tls}};
	r = uring_fake_create(fake, &net->fake);
	assert(r == 0);
	clock_of = net->fake;
	ring.clock = uring_fake_clock(net->fake);
	ring.backend = uring_fake_backend(net->fake);
	r = uring_create(&ring, &net->ring);
	assert(r == 0);
	r = uring_bufs_create(net->ring, buffers, 20000, &net->bufs);
	assert(r == 0);
	net->env = (struct ktls_env){.ring = net->ring,
				     .bufs = net->bufs,
				     .caps = &net->caps,
				     .kernel = &net->kernel};
}

void sim_net_kernel_tls(struct sim_net *net, bool rekeys)
{
	const struct ktls_paths_config paths = {
		.policy.path = KTLS_PATH_MAPPED, /* and no bytes are too few */
		.pipes = KTLS_PATHS_NONE,
	};
	int r = ktls_paths_create(&paths, &net->paths);

	assert(r == 0);
	soft_tls_kernel_init(&net->soft, net->fake, rekeys, &net->caps);
	net->env.kernel = &net->soft.base;
	net->env.paths = net->paths;
}

void sim_net_close(struct sim_net *net)
{
	assert(uring_inflight(net->ring) == 0);
	assert(uring_bufs_out(net->bufs) == 0);
	ktls_paths_destroy(&net->paths);
	uring_bufs_destroy(&net->bufs);
	uring_destroy(&net->ring);
}

int sim_net_socket(void *arg, int family)
{
	return uring_fake_socket(((struct sim_net *)arg)->fake);
}

void sim_net_hop(struct next_hop *hop, const struct config_route *route)
{
	struct ktls_error error;
	int r = next_hop_init(hop, route, &error);

	assert(r == 0);
}

uint64_t sim_net_wall_clock(void)
{
	const struct uring_clock *clock = uring_fake_clock(clock_of);

	return UINT64_C(1700000000000000000) + clock->now(clock);
}
