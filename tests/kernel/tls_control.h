/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control records through a socket with kernel TLS, by plain system calls; a
 * failure fails the test.
 */
#ifndef TESTS_KERNEL_TLS_CONTROL_H
#define TESTS_KERNEL_TLS_CONTROL_H

#include <stddef.h>

/* One record, sent with its type beside it; @len: at most 16 bytes. */
void tls_control_send(int fd, unsigned char type, const void *data, size_t len);
/* Returns the record's type; its bytes in @buf, their number in *len. */
unsigned char tls_control_recv(int fd, void *buf, size_t *len);

#endif
