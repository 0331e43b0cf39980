/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setsockopt(2) of SOL_TCP TCP_ULP and SOL_TLS TLS_TX, TLS_RX.
 */
#include "ktls/ktls_install.h"

#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <string.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4
#endif

#define SALT_LEN 4 /* of AES-GCM; ChaCha20 has none */

union crypto_info {
	struct tls_crypto_info any;
	struct tls12_crypto_info_aes_gcm_128 aes128;
	struct tls12_crypto_info_aes_gcm_256 aes256;
	struct tls12_crypto_info_chacha20_poly1305 chacha;
};

static int system_setsockopt(const struct ktls_kernel *kernel, int fd,
			     int level, int name, const void *value,
			     socklen_t len)
{
	return setsockopt(fd, level, name, value, len) == 0 ? 0 : -errno;
}

const struct ktls_kernel *ktls_kernel_system(void)
{
	static const struct ktls_kernel kernel = {system_setsockopt};

	return &kernel;
}

enum ktls_reason ktls_validate(const struct ktls_caps *caps,
			       enum ktls_direction dir,
			       enum ktls_version version,
			       enum ktls_cipher cipher)
{
	assert((unsigned)dir < KTLS_DIRECTIONS);
	assert((unsigned)version < KTLS_VERSIONS);
	assert((unsigned)cipher < KTLS_CIPHERS);

	if (!caps->ulp)
		return KTLS_REASON_NO_ULP;
	if (version == KTLS_VERSION_NONE)
		return KTLS_REASON_VERSION;
	if (cipher == KTLS_CIPHER_OTHER)
		return KTLS_REASON_CIPHER_OTHER;
	if (!caps->cipher[cipher][version][dir])
		return KTLS_REASON_NO_CIPHER;
	return KTLS_REASON_NONE;
}

int ktls_attach(const struct ktls_kernel *kernel, int fd)
{
	return kernel->setsockopt(kernel, fd, SOL_TCP, TCP_ULP, "tls",
				  sizeof("tls"));
}

static void put_be64(unsigned char out[8], uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		out[i] = (unsigned char)value;
}

/* The two AES-GCM structs differ in the key's length alone. The kernel splits
 * the nonce: 4 bytes of salt, then 8 that TLS 1.3 XORs with the sequence
 * number and TLS 1.2 sends as the explicit nonce, counting up. */
#define FILL_GCM(dst, keys)                                             \
	do {                                                            \
		static_assert(sizeof((dst)->salt) == SALT_LEN, "salt"); \
		static_assert(sizeof((dst)->iv) == 8, "explicit part"); \
		memcpy((dst)->salt, (keys)->iv, SALT_LEN);              \
		memcpy((dst)->iv, (keys)->iv + SALT_LEN, 8);            \
		memcpy((dst)->key, (keys)->key, sizeof((dst)->key));    \
		put_be64((dst)->rec_seq, (keys)->seq);                  \
	} while (0)

/* Returns the struct's length, 0 for a cipher without one. */
static socklen_t fill(union crypto_info *info, const struct ktls_keys *keys)
{
	info->any.version = keys->version == KTLS_TLS_1_3 ? TLS_1_3_VERSION
							  : TLS_1_2_VERSION;
	switch (keys->cipher) {
	case KTLS_AES_128_GCM:
		info->any.cipher_type = TLS_CIPHER_AES_GCM_128;
		FILL_GCM(&info->aes128, keys);
		return sizeof(info->aes128);
	case KTLS_AES_256_GCM:
		info->any.cipher_type = TLS_CIPHER_AES_GCM_256;
		FILL_GCM(&info->aes256, keys);
		return sizeof(info->aes256);
	case KTLS_CHACHA20_POLY1305:
		info->any.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
		memcpy(info->chacha.iv, keys->iv, sizeof(info->chacha.iv));
		memcpy(info->chacha.key, keys->key, sizeof(info->chacha.key));
		put_be64(info->chacha.rec_seq, keys->seq);
		return sizeof(info->chacha);
	case KTLS_CIPHER_OTHER:
	case KTLS_CIPHERS:
		break;
	}
	return 0;
}

int ktls_install(const struct ktls_kernel *kernel, int fd,
		 enum ktls_direction dir, const struct ktls_keys *keys)
{
	union crypto_info info;
	socklen_t len;
	int err;

	assert((unsigned)dir < KTLS_DIRECTIONS);
	if (keys->version == KTLS_VERSION_NONE)
		return -ENOTSUP;
	memset(&info, 0, sizeof(info));
	len = fill(&info, keys);
	if (len)
		err = kernel->setsockopt(kernel, fd, SOL_TLS,
					 dir == KTLS_TX ? TLS_TX : TLS_RX,
					 &info, len);
	else
		err = -ENOTSUP;
	OPENSSL_cleanse(&info, sizeof(info));
	return err;
}

void ktls_expect_no_pad(const struct ktls_kernel *kernel, int fd)
{
	int one = 1;

	(void)kernel->setsockopt(kernel, fd, SOL_TLS, TLS_RX_EXPECT_NO_PAD,
				 &one, sizeof(one));
}
