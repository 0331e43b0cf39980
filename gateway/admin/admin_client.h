/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the admin socket: a line in, lines out. */
#ifndef GATEWAY_ADMIN_ADMIN_CLIENT_H
#define GATEWAY_ADMIN_ADMIN_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/admin/admin_core.h"

struct admin_client;

/* admin_client_open() - @fd (non-blocking) is taken, unless NULL is returned
 * (no memory). All times: monotonic, ns. */
struct admin_client *admin_client_open(struct admin_core *core, int fd,
				       const struct admin_who *who,
				       uint64_t now);
/* admin_client_close() - accepts NULL; clears. */
void admin_client_close(struct admin_client **client);

/* admin_client_pollfd() - what it waits for. admin_client_serve() - that has
 * come; @news: workers have something. False: close it. */
struct pollfd admin_client_pollfd(const struct admin_client *client);
bool admin_client_serve(struct admin_client *client, short revents, bool news,
			uint64_t now);

#endif
