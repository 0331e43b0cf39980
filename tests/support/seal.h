/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS records sealed and opened by hand with struct ktls_keys, as the kernel
 * does it: RFC 5288, 7905 (TLS 1.2), RFC 8446 section 5.2. Each call uses the
 * keys' sequence number and counts it up.
 */
#ifndef TESTS_SUPPORT_SEAL_H
#define TESTS_SUPPORT_SEAL_H

#include "ktls/ktls_keys.h"

/* seal() - returns the record's length; @out must hold len + 64. */
size_t seal(struct ktls_keys *keys, unsigned char type, const void *text,
	    size_t len, unsigned char *out);

/* unseal() - @record is one whole record; returns the plaintext's length or
 * SIZE_MAX when it is not authentic; the inner content type in @type. */
size_t unseal(struct ktls_keys *keys, const unsigned char *record, size_t len,
	      unsigned char *out, unsigned char *type);

#endif
