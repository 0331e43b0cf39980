/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel TLS for the fake kernel (soft_tls.h). */
#include "tests/support/soft_tls.h"

#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/seal.h"
#include "uring/uring_fake_ktls.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

struct soft_tls {
	struct uring_fake_ktls base;
	struct ktls_keys keys;
};

static size_t soft_seal(struct uring_fake_ktls *tls, uint8_t type,
			const void *text, size_t len, unsigned char *out)
{
	return seal(&((struct soft_tls *)tls)->keys, type, text, len, out);
}

/* The kernel's checks of the header: net/tls/tls_sw.c, tls_rx_msg_size(). */
static ssize_t soft_open(struct uring_fake_ktls *tls,
			 const unsigned char *record, size_t len,
			 unsigned char *out, uint8_t *type)
{
	struct soft_tls *soft = (struct soft_tls *)tls;
	bool nonce = soft->keys.version == KTLS_TLS_1_2 &&
		     soft->keys.cipher != KTLS_CHACHA20_POLY1305;
	size_t text;

	if (len > 5 + 16384 + 256)
		return -EMSGSIZE;
	if (len < 5 + (nonce ? 8u : 0u) + 16)
		return -EBADMSG;
	if (record[1] != 3 || record[2] != 3)
		return -EINVAL;
	text = unseal(&soft->keys, record, len, out, type);
	return text == SIZE_MAX ? -EBADMSG : (ssize_t)text;
}

static size_t clear_seal(struct uring_fake_ktls *tls, uint8_t type,
			 const void *text, size_t len, unsigned char *out)
{
	out[0] = type;
	out[1] = out[2] = 3;
	out[3] = (unsigned char)(len >> 8);
	out[4] = (unsigned char)len;
	memcpy(out + 5, text, len);
	return 5 + len;
}

static ssize_t clear_open(struct uring_fake_ktls *tls,
			  const unsigned char *record, size_t len,
			  unsigned char *out, uint8_t *type)
{
	if (record[1] != 3)
		return -EINVAL;
	*type = record[0];
	memcpy(out, record + 5, len - 5);
	return (ssize_t)len - 5;
}

static void soft_free(struct uring_fake_ktls *tls)
{
	ktls_keys_wipe(&((struct soft_tls *)tls)->keys);
	free(tls);
}

static uint64_t from_be64(const unsigned char *in)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | in[i];
	return v;
}

static int keys_from_gcm_128(struct ktls_keys *keys, const void *value,
			     size_t len)
{
	struct tls12_crypto_info_aes_gcm_128 info;

	if (len != sizeof(info))
		return -EINVAL;
	memcpy(&info, value, len);
	keys->cipher = KTLS_AES_128_GCM;
	memcpy(keys->key, info.key, sizeof(info.key));
	memcpy(keys->iv, info.salt, 4);
	memcpy(keys->iv + 4, info.iv, 8);
	keys->seq = from_be64(info.rec_seq);
	return 0;
}

static int keys_from_gcm_256(struct ktls_keys *keys, const void *value,
			     size_t len)
{
	struct tls12_crypto_info_aes_gcm_256 info;

	if (len != sizeof(info))
		return -EINVAL;
	memcpy(&info, value, len);
	keys->cipher = KTLS_AES_256_GCM;
	memcpy(keys->key, info.key, sizeof(info.key));
	memcpy(keys->iv, info.salt, 4);
	memcpy(keys->iv + 4, info.iv, 8);
	keys->seq = from_be64(info.rec_seq);
	return 0;
}

static int keys_from_chacha(struct ktls_keys *keys, const void *value,
			    size_t len)
{
	struct tls12_crypto_info_chacha20_poly1305 info;

	if (len != sizeof(info))
		return -EINVAL;
	memcpy(&info, value, len);
	keys->cipher = KTLS_CHACHA20_POLY1305;
	memcpy(keys->key, info.key, sizeof(info.key));
	memcpy(keys->iv, info.iv, sizeof(info.iv));
	keys->seq = from_be64(info.rec_seq);
	return 0;
}

static int keys_from(struct ktls_keys *keys, const void *value, size_t len)
{
	struct tls_crypto_info info;

	if (len < sizeof(info))
		return -EINVAL;
	memcpy(&info, value, sizeof(info));
	keys->version =
		info.version == TLS_1_3_VERSION ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
	switch (info.cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		return keys_from_gcm_128(keys, value, len);
	case TLS_CIPHER_AES_GCM_256:
		return keys_from_gcm_256(keys, value, len);
	case TLS_CIPHER_CHACHA20_POLY1305:
		return keys_from_chacha(keys, value, len);
	default:
		return -EINVAL;
	}
}

int soft_tls_set(struct uring_fake *fake, int fd, int name, const void *value,
		 socklen_t len, const struct soft_tls_how *how)
{
	struct soft_tls *soft = calloc(1, sizeof(*soft));
	bool tx = name == TLS_TX;
	int error;

	assert(soft);
	soft->base.seal = how->clear ? clear_seal : soft_seal;
	soft->base.open = how->clear ? clear_open : soft_open;
	soft->base.free = soft_free;
	soft->base.rekeys = how->rekeys[tx ? KTLS_TX : KTLS_RX];
	error = keys_from(&soft->keys, value, len);
	if (!error)
		error = tx ? uring_fake_ktls_tx(fake, fd, &soft->base)
			   : uring_fake_ktls_rx(fake, fd, &soft->base);
	if (error)
		soft_free(&soft->base);
	return error;
}

static int kernel_setsockopt(const struct ktls_kernel *base, int fd, int level,
			     int name, const void *value, socklen_t len)
{
	const struct soft_tls_kernel *kernel =
		(const struct soft_tls_kernel *)(const void *)base;

	if (level != SOL_TLS || (name != TLS_TX && name != TLS_RX))
		return 0;
	return soft_tls_set(kernel->fake, fd, name, value, len, &kernel->how);
}

void soft_tls_kernel_init(struct soft_tls_kernel *kernel,
			  struct uring_fake *fake, bool rekeys,
			  struct ktls_caps *caps)
{
	*kernel = (struct soft_tls_kernel){
		.base.setsockopt = kernel_setsockopt,
		.fake = fake,
		.how.rekeys = {rekeys, rekeys},
	};
	*caps = (struct ktls_caps){
		.ulp = true,
		.rekey_tx = rekeys,
		.rekey_rx = rekeys,
	};
	for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++)
		for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++)
			for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
				caps->cipher[c][v][d] = true;
}
