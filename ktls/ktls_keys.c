/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic keys from secrets: HKDF-Expand-Label (TLS 1.3) and the TLS 1.2 PRF,
 * with OpenSSL's own KDFs underneath.
 */
#include "ktls/ktls_keys.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#define IV_LEN	 12
#define SALT_LEN 4

/* length(2), label length(1), "tls13 " + label, context length(1) = 0 */
#define LABEL_MAX 32

size_t ktls_cipher_key_len(enum ktls_cipher cipher)
{
	static const size_t lens[KTLS_CIPHERS] = {
		[KTLS_AES_128_GCM] = 16,
		[KTLS_AES_256_GCM] = 32,
		[KTLS_CHACHA20_POLY1305] = 32,
	};

	assert((unsigned)cipher < KTLS_CIPHERS);
	return lens[cipher];
}

void ktls_keys_wipe(struct ktls_keys *keys)
{
	if (keys)
		OPENSSL_cleanse(keys, sizeof(*keys));
}

/* OSSL_PARAM's pointers are not const, though a KDF only reads them. */
static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
	union {
		const void *in;
		void *out;
	} bytes = {.in = data};

	return OSSL_PARAM_construct_octet_string(name, bytes.out, len);
}

static OSSL_PARAM utf8(const char *name, const char *text)
{
	union {
		const char *in;
		char *out;
	} bytes = {.in = text};

	return OSSL_PARAM_construct_utf8_string(name, bytes.out, 0);
}

static int derive(const char *kdf_name, const OSSL_PARAM *params,
		  unsigned char *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	int err = 0;

	if (!ctx)
		err = -ENOMEM;
	else if (EVP_KDF_derive(ctx, out, len, params) <= 0)
		err = -EINVAL;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return err;
}

/* RFC 8446 section 7.1; the context is always empty here. */
static int expand_label(const char *hash, const unsigned char *secret,
			size_t secret_len, const char *label,
			unsigned char *out, size_t len)
{
	size_t label_len = strlen(label);
	unsigned char info[4 + LABEL_MAX];
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[5];

	assert(len <= KTLS_SECRET_MAX);
	assert(6 + label_len <= LABEL_MAX);
	info[0] = 0;
	info[1] = (unsigned char)len;
	info[2] = (unsigned char)(6 + label_len);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, label_len);
	info[9 + label_len] = 0;
	params[0] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	params[1] = utf8(OSSL_KDF_PARAM_DIGEST, hash);
	params[2] = octets(OSSL_KDF_PARAM_KEY, secret, secret_len);
	params[3] = octets(OSSL_KDF_PARAM_INFO, info, 10 + label_len);
	params[4] = OSSL_PARAM_construct_end();
	return derive("HKDF", params, out, len);
}

/* The secret is as long as its hash, nothing else. */
static bool secret_fits(const char *hash, size_t secret_len)
{
	if (strcmp(hash, "SHA256") == 0)
		return secret_len == 32;
	return strcmp(hash, "SHA384") == 0 && secret_len == 48;
}

int ktls_keys_tls13(enum ktls_cipher cipher, const char *hash,
		    const unsigned char *secret, size_t secret_len,
		    struct ktls_keys *out)
{
	size_t key_len = ktls_cipher_key_len(cipher);
	int err;

	if (!key_len)
		return -ENOTSUP;
	if (!secret_fits(hash, secret_len))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->version = KTLS_TLS_1_3;
	out->cipher = cipher;
	err = expand_label(hash, secret, secret_len, "key", out->key, key_len);
	if (!err)
		err = expand_label(hash, secret, secret_len, "iv", out->iv,
				   IV_LEN);
	if (err) {
		ktls_keys_wipe(out);
		return err;
	}
	memcpy(out->secret, secret, secret_len);
	out->secret_len = secret_len;
	return 0;
}

int ktls_keys_next(const char *hash, const struct ktls_keys *now,
		   struct ktls_keys *out)
{
	unsigned char secret[KTLS_SECRET_MAX];
	size_t len = now->secret_len;
	int err;

	if (now->version != KTLS_TLS_1_3 || !secret_fits(hash, len))
		return -EINVAL;
	err = expand_label(hash, now->secret, len, "traffic upd", secret, len);
	if (!err)
		err = ktls_keys_tls13(now->cipher, hash, secret, len, out);
	OPENSSL_cleanse(secret, sizeof(secret));
	return err;
}

/* RFC 5246 section 6.3: PRF(master, "key expansion", server + client random) */
static int key_block(const char *hash, const unsigned char master[48],
		     const unsigned char client_random[32],
		     const unsigned char server_random[32], unsigned char *out,
		     size_t len)
{
	static const char label[] = "key expansion";
	unsigned char seed[sizeof(label) - 1 + 64];
	OSSL_PARAM params[4];

	memcpy(seed, label, sizeof(label) - 1);
	memcpy(seed + sizeof(label) - 1, server_random, 32);
	memcpy(seed + sizeof(label) - 1 + 32, client_random, 32);
	params[0] = utf8(OSSL_KDF_PARAM_DIGEST, hash);
	params[1] = octets(OSSL_KDF_PARAM_SECRET, master, 48);
	params[2] = octets(OSSL_KDF_PARAM_SEED, seed, sizeof(seed));
	params[3] = OSSL_PARAM_construct_end();
	return derive("TLS1-PRF", params, out, len);
}

/* Cuts the block: client key, server key, client IV, server IV (an AEAD has
 * no MAC keys). @server tells whose half to take. */
static void cut_block(const unsigned char *block, enum ktls_cipher cipher,
		      bool server, struct ktls_keys *out)
{
	size_t key_len = ktls_cipher_key_len(cipher);
	size_t iv_len = cipher == KTLS_CHACHA20_POLY1305 ? IV_LEN : SALT_LEN;

	memset(out, 0, sizeof(*out));
	out->version = KTLS_TLS_1_2;
	out->cipher = cipher;
	memcpy(out->key, block + (server ? key_len : 0), key_len);
	memcpy(out->iv, block + 2 * key_len + (server ? iv_len : 0), iv_len);
}

int ktls_keys_tls12(enum ktls_cipher cipher, const char *hash,
		    const unsigned char master[48],
		    const unsigned char client_random[32],
		    const unsigned char server_random[32], enum ktls_role role,
		    struct ktls_keys out[KTLS_DIRECTIONS])
{
	unsigned char block[2 * 32 + 2 * IV_LEN];
	size_t key_len = ktls_cipher_key_len(cipher);
	size_t iv_len = cipher == KTLS_CHACHA20_POLY1305 ? IV_LEN : SALT_LEN;
	int err;

	if (!key_len)
		return -ENOTSUP;
	err = key_block(hash, master, client_random, server_random, block,
			2 * (key_len + iv_len));
	if (!err) {
		cut_block(block, cipher, role == KTLS_SERVER, &out[KTLS_TX]);
		cut_block(block, cipher, role == KTLS_CLIENT, &out[KTLS_RX]);
	}
	OPENSSL_cleanse(block, sizeof(block));
	return err;
}
