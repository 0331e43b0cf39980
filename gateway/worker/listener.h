/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets: one per configured address and worker (SO_REUSEPORT), so
 * that the kernel spreads connections and no thread hands one to another.
 */
#ifndef GATEWAY_WORKER_LISTENER_H
#define GATEWAY_WORKER_LISTENER_H

#include <stddef.h>

#include "gateway/config/config.h"

/*
 * listener_bind() - one bound socket, not yet listening.
 * @alone: first try the address without SO_REUSEPORT, so that another program
 * (or another relay of the same user) on it is noticed. One in use is tried
 * for three seconds: it may be that of a relay that was just killed. Blocks.
 * Returns the descriptor, owned by the caller, or -errno.
 */
int listener_bind(const struct config_endpoint *address, bool alone);

/* listener_start() - listen(2). 0 or -errno. */
int listener_start(int fd);

#endif
