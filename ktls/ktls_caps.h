/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel's TLS can do, found by really installing keys on a loopback
 * TCP pair, once at start.
 */
#ifndef KTLS_KTLS_CAPS_H
#define KTLS_KTLS_CAPS_H

#include "ktls/ktls_types.h"

struct ktls_kernel;

struct ktls_caps {
	bool ulp;      /* TCP_ULP "tls" works */
	int ulp_error; /* errno of the refusal, 0 when it works */
	bool cipher[KTLS_CIPHERS][KTLS_VERSIONS][KTLS_DIRECTIONS];
	int cipher_error[KTLS_CIPHERS][KTLS_VERSIONS][KTLS_DIRECTIONS];
	bool rekey_tx, rekey_rx; /* mainline 6.14 */
	bool no_pad;		 /* TLS_RX_EXPECT_NO_PAD, 6.0 */
	bool max_payload;	 /* TLS_TX_MAX_PAYLOAD_LEN, newest kernels */
};

/*
 * ktls_caps_probe() - fill @caps.  Makes and closes a few loopback TCP
 * connections; takes some milliseconds; blocking.
 * Returns 0, or -errno when not even a loopback pair could be made (caps then
 * say nothing works).
 */
int ktls_caps_probe(const struct ktls_kernel *kernel, struct ktls_caps *caps);

/*
 * ktls_caps_reason() - why kernel TLS is not there, and the mend, one or two
 * sentences for an operator: module not loaded (modprobe tls; modules-load.d),
 * not built for this kernel, no right to load it, blocked.  "" when it works.
 * Looks at /proc/modules, /lib/modules and the kernel's config.
 */
const char *ktls_caps_reason(const struct ktls_caps *caps, char *buf,
			     size_t size);

#endif
