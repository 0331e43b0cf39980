/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel TLS for the fake kernel with real ciphers: the struct that ktls/
 * gives to setsockopt(2) becomes keys for seal() and unseal(), so that an
 * OpenSSL peer can tell whether keys, nonces and sequence numbers are right.
 */
#ifndef TESTS_SUPPORT_SOFT_TLS_H
#define TESTS_SUPPORT_SOFT_TLS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "ktls/ktls_caps.h"
#include "ktls/ktls_install.h"
#include "uring/uring_fake.h"

struct soft_tls_how {
	bool rekeys[KTLS_DIRECTIONS]; /* keys can be changed */
	bool clear; /* records without a cipher, so that a test can write any */
};

/* As setsockopt(2) of SOL_TLS with @name TLS_TX or TLS_RX; 0 or -errno. */
int soft_tls_set(struct uring_fake *fake, int fd, int name, const void *value,
		 socklen_t len, const struct soft_tls_how *how);

/* A setsockopt(2) for struct ktls_env. */
struct soft_tls_kernel {
	struct ktls_kernel base; /* first: the rest is found by it */
	struct uring_fake *fake;
	struct soft_tls_how how;
};

/* soft_tls_kernel_init() - all of it works, and @caps say so. */
void soft_tls_kernel_init(struct soft_tls_kernel *kernel,
			  struct uring_fake *fake, bool rekeys,
			  struct ktls_caps *caps);

#endif
