/* SPDX-License-Identifier: Apache-2.0 */
/* Unix-domain sockets that a relay listens at. */
#ifndef GATEWAY_ADMIN_ADMIN_LISTEN_H
#define GATEWAY_ADMIN_ADMIN_LISTEN_H

#include <sys/types.h>

/*
 * admin_listen() - a listening socket at @path, not blocking, that those whom
 * @mode and @group (NULL: as it comes) permit may connect to, from its first
 * moment on.  What an ended relay has left there is replaced; a socket in use,
 * or a file, is not.  The descriptor, or -errno.
 */
int admin_listen(const char *path, mode_t mode, const gid_t *group,
		 int backlog);

#endif
