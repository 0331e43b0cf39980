/* SPDX-License-Identifier: Apache-2.0 */
/* The admin socket's address, for the relay and for its commands. */
#ifndef GATEWAY_ADMIN_ADMIN_ADDRESS_H
#define GATEWAY_ADMIN_ADMIN_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

/* The socket's name in the spool folder, where the configuration names none. */
#define ADMIN_SOCKET_NAME "admin.sock"

/*
 * admin_address() - @path as an address, whatever its length: a long one goes
 * by its folder's descriptor, *@folder, to be closed after use (-1: none).
 * 0 or -errno.
 */
int admin_address(const char *path, struct sockaddr_un *out, int *folder);

/* admin_connect() - a connection to the relay at @path, or -errno. */
int admin_connect(const char *path);

#endif
