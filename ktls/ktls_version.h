/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which OpenSSL does the handshakes.
 */
#ifndef KTLS_KTLS_VERSION_H
#define KTLS_KTLS_VERSION_H

/* ktls_openssl_version() - of the library that was loaded, "OpenSSL 3.0.15 3
 * Sep 2024"; static. */
const char *ktls_openssl_version(void);

#endif
