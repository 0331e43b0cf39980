/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic keys in the form the kernel takes, and their derivation.
 * RFC 8446 sections 7.1 and 7.3 (HKDF-Expand-Label), RFC 5246 section 6.3
 * (key expansion), checked against RFC 8448 and OpenSSL.
 */
#ifndef KTLS_KTLS_KEYS_H
#define KTLS_KTLS_KEYS_H

#include "ktls/ktls_types.h"

#define KTLS_SECRET_MAX 48 /* SHA-384 */

/* One direction's keys. Never copied except into the kernel; wiped by every
 * holder on every path. */
struct ktls_keys {
	enum ktls_version version;
	enum ktls_cipher cipher;
	unsigned char key[32];
	unsigned char iv[12];  /* TLS 1.2 GCM: 4-byte salt, then the explicit
				* nonce of the next record (zero when derived;
				* the engine continues OpenSSL's) */
	uint64_t seq;	       /* of the next record */
	/* TLS 1.3: the secret the next generation grows from (KeyUpdate). */
	unsigned char secret[KTLS_SECRET_MAX];
	size_t secret_len;
};

size_t ktls_cipher_key_len(enum ktls_cipher cipher); /* bytes; 0: OTHER */

/* ktls_keys_wipe() - cleanse; accepts NULL. */
void ktls_keys_wipe(struct ktls_keys *keys);

/*
 * ktls_keys_tls13() - key and IV of a traffic secret; seq 0.
 * @hash: "SHA256" or "SHA384"; @secret borrowed.  0 or -errno.
 */
int ktls_keys_tls13(enum ktls_cipher cipher, const char *hash,
		    const unsigned char *secret, size_t secret_len,
		    struct ktls_keys *out);

/* ktls_keys_next() - the next generation after a KeyUpdate ("traffic upd",
 * RFC 8446 7.2); seq 0. TLS 1.3 only. */
int ktls_keys_next(const char *hash, const struct ktls_keys *now,
		   struct ktls_keys *out);

/*
 * ktls_keys_tls12() - both directions' keys from the master secret.
 * @hash: PRF hash; randoms are 32 bytes each; @out[KTLS_TX/RX] as seen by
 * @role.  0 or -errno.
 */
int ktls_keys_tls12(enum ktls_cipher cipher, const char *hash,
		    const unsigned char master[48],
		    const unsigned char client_random[32],
		    const unsigned char server_random[32], enum ktls_role role,
		    struct ktls_keys out[KTLS_DIRECTIONS]);

#endif
