/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys into the kernel: TCP_ULP "tls", then SOL_TLS TLS_RX / TLS_TX with the
 * cipher's struct tls12_crypto_info_*.  Validate, then install; after a first
 * success nothing may be patched up: a later failure ends the connection.
 *
 * Kernel document: Documentation/networking/tls.rst.
 */
#ifndef KTLS_KTLS_INSTALL_H
#define KTLS_KTLS_INSTALL_H

#include <sys/socket.h>

#include "ktls/ktls_caps.h"
#include "ktls/ktls_keys.h"

/* The system call, injected so that tests can refuse, fail and record.
 * Returns 0 or -errno. */
struct ktls_kernel {
	int (*setsockopt)(const struct ktls_kernel *kernel, int fd, int level,
			  int name, const void *value, socklen_t len);
};
const struct ktls_kernel *ktls_kernel_system(void); /* setsockopt(2); static */

/* ktls_validate() - may this direction go to the kernel? No side effect.
 * KTLS_REASON_NONE: yes. */
enum ktls_reason ktls_validate(const struct ktls_caps *caps,
			       enum ktls_direction dir, enum ktls_version version,
			       enum ktls_cipher cipher);

/* ktls_attach() - TCP_ULP "tls"; 0 or -errno (-ENOENT: no tls module). Until
 * a key follows, the socket still passes raw bytes. */
int ktls_attach(const struct ktls_kernel *kernel, int fd);

/* ktls_install() - one direction's keys. 0 or -errno. The kernel's copy is
 * wiped from our stack; @keys stays the caller's to wipe. A second install in
 * a direction is a rekey (mainline 6.14), -EBUSY elsewhere. */
int ktls_install(const struct ktls_kernel *kernel, int fd,
		 enum ktls_direction dir, const struct ktls_keys *keys);

/* ktls_expect_no_pad() - TLS_RX_EXPECT_NO_PAD (6.0, TLS 1.3, after RX): saves
 * a copy of received records; errors are ignored. Only for peers that never
 * pad: of padded records that one receive joins the second and later ones come
 * out in the wrong place (docs/control-records.md). */
void ktls_expect_no_pad(const struct ktls_kernel *kernel, int fd);

#endif
