/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin interface on a Unix-domain socket: requests are lines of JSON, and
 * so are the answers (admin_core.h).  Served by the control thread, in the
 * calls of admin_server_poll().
 *
 * root, the relay's own user and members of one group may ask; others hear
 * "denied".
 */
#ifndef GATEWAY_ADMIN_ADMIN_SERVER_H
#define GATEWAY_ADMIN_ADMIN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/admin/admin_core.h"

struct admin_server;

struct admin_server_config {
	const char *path;  /* of the socket; borrowed for the call */
	const char *group; /* whose members may ask; NULL: none */
	const struct admin_worker *workers;
	unsigned worker_count;
	struct suspended *suspended; /* borrowed */
	/* As in struct admin_core_config. */
	json_t *(*control)(void *control_arg, enum admin_command command,
			   const char *by);
	void *control_arg;
	struct host_meter *meter;    /* borrowed, as health; may be NULL */
	const struct admin_health *health;
};

/*
 * admin_server_open() - listen at @config->path. A socket that nobody listens
 * on any more is replaced. @out: returned owned. 0 or -errno; *@what says
 * (static) what failed: "bind", "the group is not known"...
 */
int admin_server_open(const struct admin_server_config *config,
		      struct admin_server **out, const char **what);
/* admin_server_close() - end all calls, remove the socket; accepts NULL;
 * clears. The workers may be stopping, but must be there. */
void admin_server_close(struct admin_server **server);

/* admin_server_poll() - serve for at most @ns, or until @fd is readable (then
 * true). */
bool admin_server_poll(struct admin_server *server, int fd, uint64_t ns);

#endif
