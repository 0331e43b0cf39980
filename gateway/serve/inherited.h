/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that this process was started with (sd_listen_fds(3)):
 * from a service manager that opened or kept them, or from the relay that was
 * this process before its restart. They are known by their addresses.
 */
#ifndef GATEWAY_SERVE_INHERITED_H
#define GATEWAY_SERVE_INHERITED_H

#include <stddef.h>

#include "gateway/config/config.h"

struct inherited;

/* inherited_take() - those in the environment, which forgets them. NULL: none,
 * or no memory. inherited_free() closes what nobody took and says so in the
 * log; accepts NULL; clears. */
struct inherited *inherited_take(void);
void inherited_free(struct inherited **inherited);

/*
 * inherited_get() - a socket for @address, owned by the caller: one that nobody
 * has yet, or a copy of one that can't be bound beside it (SO_REUSEPORT).
 * -1: none; it is to be bound. Accepts NULL.
 */
int inherited_get(struct inherited *inherited,
		  const struct config_endpoint *address);

/*
 * inherited_leave() - leave @fds, @count of them, to the program that this
 * process becomes: as descriptors 3 and on, and in the environment. What else
 * is at those numbers is closed. 0 or -errno.
 */
int inherited_leave(const int *fds, size_t count);

#endif
