/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA-256 by OpenSSL. */
#include "ktls/ktls_hmac.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static int sign(EVP_MAC_CTX *ctx, const void *key, size_t key_len,
		const struct ktls_hmac_piece *pieces, size_t count,
		unsigned char *out)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
						 0),
		OSSL_PARAM_construct_end(),
	};
	size_t len = 0;

	if (!EVP_MAC_init(ctx, key, key_len, params))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!EVP_MAC_update(ctx, pieces[i].bytes, pieces[i].len))
			return -ENOMEM;
	return EVP_MAC_final(ctx, out, &len, KTLS_HMAC_SIZE) ? 0 : -ENOMEM;
}

int ktls_hmac_sha256(const void *key, size_t key_len,
		     const struct ktls_hmac_piece *pieces, size_t count,
		     unsigned char out[KTLS_HMAC_SIZE])
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	int r = ctx ? sign(ctx, key, key_len, pieces, count, out) : -ENOMEM;

	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return r;
}

int ktls_equal_secret(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void ktls_wipe(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}
