/* SPDX-License-Identifier: Apache-2.0 */
/* Where a relay's sockets are, read by those who may read nothing else of
 * what its configuration names (keys, certificates). */
#ifndef GATEWAY_CONFIG_CONFIG_SOCKET_H
#define GATEWAY_CONFIG_CONFIG_SOCKET_H

#include <stdio.h>

/* config_socket() - admin.socket of @file, or what stands for it. @path:
 * returned owned. 0; -ENOENT, -EACCES... (said on @errors); -EINVAL: the file
 * is wrong, or does not say it. */
int config_socket(const char *file, FILE *errors, char **path);
/* config_inject_socket() - likewise, inject.socket. */
int config_inject_socket(const char *file, FILE *errors, char **path);

#endif
