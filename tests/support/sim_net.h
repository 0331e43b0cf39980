/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every test of sessions needs below them: a fake kernel, a ring on it,
 * receive buffers, and a setsockopt that knows no kernel TLS unless told to.
 */
#ifndef TESTS_SUPPORT_SIM_NET_H
#define TESTS_SUPPORT_SIM_NET_H

#include "gateway/outbound/next_hop.h"
#include "ktls/ktls_stream.h"
#include "tests/support/soft_tls.h"
#include "uring/uring.h"
#include "uring/uring_bufs.h"
#include "uring/uring_fake.h"

struct sim_net {
	struct uring_fake *fake;
	struct uring *ring;
	struct uring_bufs *bufs;
	struct ktls_caps caps;
	struct ktls_kernel kernel;
	struct soft_tls_kernel soft; /* after sim_net_kernel_tls() */
	struct ktls_paths *paths;    /* likewise */
	struct ktls_env env;
};

/* @buffers: receive buffers, a power of two. Fails by assert(). */
void sim_net_open(struct sim_net *net, const struct uring_fake_config *fake,
		  unsigned buffers);
/* From now on keys go into the kernel, which can change them or not, however
 * few bytes they are for. */
void sim_net_kernel_tls(struct sim_net *net, bool rekeys);
/* Asserts that no operation and no buffer is left. */
void sim_net_close(struct sim_net *net);

/* For outbound_config.socket and queue_config.socket; @arg is the net. */
int sim_net_socket(void *arg, int family);

/* A route's way of speaking to its next hop. */
void sim_net_hop(struct next_hop *hop, const struct config_route *route);

/* Wall clock that runs with the fake's clock (of the last net opened). */
uint64_t sim_net_wall_clock(void);

#endif
