/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records by hand with EVP.
 */
#include "tests/support/seal.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#define TAG 16

static const EVP_CIPHER *cipher_of(enum ktls_cipher cipher)
{
	if (cipher == KTLS_AES_128_GCM)
		return EVP_aes_128_gcm();
	if (cipher == KTLS_AES_256_GCM)
		return EVP_aes_256_gcm();
	assert(cipher == KTLS_CHACHA20_POLY1305);
	return EVP_chacha20_poly1305();
}

static void be64(unsigned char *out, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (unsigned char)v;
}

static bool explicit_nonce(const struct ktls_keys *keys)
{
	return keys->version == KTLS_TLS_1_2 &&
	       keys->cipher != KTLS_CHACHA20_POLY1305;
}

/* The nonce: salt and explicit part, or the IV XOR the sequence number. */
static void make_nonce(const struct ktls_keys *keys,
		       const unsigned char *explicit_part, unsigned char *nonce)
{
	unsigned char seq[8];

	memcpy(nonce, keys->iv, 12);
	be64(seq, keys->seq);
	if (explicit_nonce(keys))
		memcpy(nonce + 4, explicit_part, 8);
	else
		for (int i = 0; i < 8; i++)
			nonce[4 + i] ^= seq[i];
}

/* Additional data: TLS 1.3 the header; 1.2 sequence, type, version, length. */
static size_t make_aad(const struct ktls_keys *keys,
		       const unsigned char *header, size_t len,
		       unsigned char *aad)
{
	if (keys->version == KTLS_TLS_1_3) {
		memcpy(aad, header, 5);
		return 5;
	}
	be64(aad, keys->seq);
	memcpy(aad + 8, header, 3);
	aad[11] = (unsigned char)(len >> 8);
	aad[12] = (unsigned char)len;
	return 13;
}

static size_t aead_seal(const struct ktls_keys *keys,
			const unsigned char *nonce, const unsigned char *aad,
			size_t aad_len, const unsigned char *in, size_t len,
			unsigned char *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	assert(EVP_EncryptInit_ex(ctx, cipher_of(keys->cipher), NULL, keys->key,
				  nonce));
	assert(EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len));
	assert(EVP_EncryptUpdate(ctx, out, &n, in, (int)len));
	assert(EVP_EncryptFinal_ex(ctx, out + n, &n));
	assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, out + len));
	EVP_CIPHER_CTX_free(ctx);
	return len + TAG;
}

static bool aead_open(const struct ktls_keys *keys, const unsigned char *nonce,
		      const unsigned char *aad, size_t aad_len,
		      const unsigned char *in, size_t len, unsigned char *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char tag[TAG];
	int n, ok;

	memcpy(tag, in + len, TAG);
	assert(EVP_DecryptInit_ex(ctx, cipher_of(keys->cipher), NULL, keys->key,
				  nonce));
	assert(EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_len));
	assert(EVP_DecryptUpdate(ctx, out, &n, in, (int)len));
	assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag));
	ok = EVP_DecryptFinal_ex(ctx, out + n, &n);
	EVP_CIPHER_CTX_free(ctx);
	return ok == 1;
}

size_t seal(struct ktls_keys *keys, unsigned char type, const void *text,
	    size_t len, unsigned char *out)
{
	bool tls13 = keys->version == KTLS_TLS_1_3;
	size_t skip = explicit_nonce(keys) ? 8 : 0;
	size_t inner_len = len + (tls13 ? 1 : 0);
	size_t body = skip + inner_len + TAG;
	unsigned char nonce[12], aad[13], inner[20000];
	size_t aad_len;

	assert(inner_len <= sizeof(inner));
	memcpy(inner, text, len);
	if (tls13)
		inner[len] = type;
	out[0] = tls13 ? KTLS_APPLICATION_DATA : type;
	out[1] = out[2] = 3;
	out[3] = (unsigned char)(body >> 8);
	out[4] = (unsigned char)body;
	if (skip)
		memcpy(out + 5, keys->iv + 4, 8);
	make_nonce(keys, out + 5, nonce);
	aad_len = make_aad(keys, out, len, aad);
	aead_seal(keys, nonce, aad, aad_len, inner, inner_len, out + 5 + skip);
	keys->seq++;
	if (skip)
		for (int i = 11; i >= 4 && ++keys->iv[i] == 0; i--)
			;
	return 5 + body;
}

size_t unseal(struct ktls_keys *keys, const unsigned char *record, size_t len,
	      unsigned char *out, unsigned char *type)
{
	size_t skip = explicit_nonce(keys) ? 8 : 0;
	unsigned char nonce[12], aad[13];
	size_t text_len, aad_len;

	assert(len >= 5 + skip + TAG);
	assert(len == 5 + (((size_t)record[3] << 8) | record[4]));
	text_len = len - 5 - skip - TAG;
	make_nonce(keys, record + 5, nonce);
	aad_len = make_aad(keys, record, text_len, aad);
	if (!aead_open(keys, nonce, aad, aad_len, record + 5 + skip, text_len,
		       out))
		return SIZE_MAX;
	keys->seq++;
	*type = record[0];
	if (keys->version == KTLS_TLS_1_3) {
		while (text_len && out[text_len - 1] == 0)
			text_len--; /* padding */
		assert(text_len > 0);
		*type = out[--text_len];
	}
	return text_len;
}
