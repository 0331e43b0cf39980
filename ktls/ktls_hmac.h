/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA-256 (RFC 2104), for whoever signs something and knows no OpenSSL. */
#ifndef KTLS_KTLS_HMAC_H
#define KTLS_KTLS_HMAC_H

#include <stddef.h>

#define KTLS_HMAC_SIZE 32

/* A piece of what is signed; borrowed for the call. */
struct ktls_hmac_piece {
	const void *bytes;
	size_t len;
};

/* ktls_hmac_sha256() - of all @pieces, one behind the other. 0 or -ENOMEM. */
int ktls_hmac_sha256(const void *key, size_t key_len,
		     const struct ktls_hmac_piece *pieces, size_t count,
		     unsigned char out[KTLS_HMAC_SIZE]);

/* ktls_equal_secret() - compares in a time that does not tell where they
 * differ. ktls_wipe() - memory that held a secret. */
int ktls_equal_secret(const void *a, const void *b, size_t len);
void ktls_wipe(void *secret, size_t len);

#endif
