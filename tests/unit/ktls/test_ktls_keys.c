/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key derivation against RFC 8448 section 3 and against an HMAC written out by
 * hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "ktls/ktls_keys.h"
#include "tests/support/seal.h"

/* clang-format off */
static const unsigned char rfc8448_client_secret[32] = {
	0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d,
	0xc0, 0x5a, 0xf8, 0x88, 0x9b, 0xce, 0x65, 0x52,
	0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf, 0x00, 0x87,
	0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5};
static const unsigned char rfc8448_client_key[16] = {
	0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9,
	0xac, 0xd8, 0x90, 0xe3, 0xc6, 0x3f, 0x50, 0x51};
static const unsigned char rfc8448_client_iv[12] = {
	0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08, 0x57, 0x90,
	0x33, 0xe5, 0x23, 0xd9};
static const unsigned char rfc8448_server_secret[32] = {
	0xa1, 0x1a, 0xf9, 0xf0, 0x55, 0x31, 0xf8, 0x56,
	0xad, 0x47, 0x11, 0x6b, 0x45, 0xa9, 0x50, 0x32,
	0x82, 0x04, 0xb4, 0xf4, 0x4b, 0xfb, 0x6b, 0x3a,
	0x4b, 0x4f, 0x1f, 0x3f, 0xcb, 0x63, 0x16, 0x43};
static const unsigned char rfc8448_server_key[16] = {
	0x9f, 0x02, 0x28, 0x3b, 0x6c, 0x9c, 0x07, 0xef,
	0xc2, 0x6b, 0xb9, 0xf2, 0xac, 0x92, 0xe3, 0x56};
static const unsigned char rfc8448_server_iv[12] = {
	0xcf, 0x78, 0x2b, 0x88, 0xdd, 0x83, 0x54, 0x9a,
	0xad, 0xf1, 0xe9, 0x84};
/* "{client} send application_data record", 50 bytes 0x00 to 0x31. */
static const unsigned char rfc8448_client_record[72] = {
	0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94,
	0xd0, 0xaf, 0xfa, 0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea,
	0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc, 0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8,
	0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20, 0x44, 0x1e, 0x2b,
	0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
	0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4};
/* clang-format on */

static void test_rfc8448_client_application_keys(void **state)
{
	struct ktls_keys keys;

	assert_int_equal(ktls_keys_tls13(KTLS_AES_128_GCM, "SHA256",
					 rfc8448_client_secret, 32, &keys),
			 0);
	assert_memory_equal(keys.key, rfc8448_client_key, 16);
	assert_memory_equal(keys.iv, rfc8448_client_iv, 12);
	assert_int_equal(keys.seq, 0);
	assert_int_equal(keys.version, KTLS_TLS_1_3);
}

static void test_rfc8448_server_application_keys(void **state)
{
	struct ktls_keys keys;

	assert_int_equal(ktls_keys_tls13(KTLS_AES_128_GCM, "SHA256",
					 rfc8448_server_secret, 32, &keys),
			 0);
	assert_memory_equal(keys.key, rfc8448_server_key, 16);
	assert_memory_equal(keys.iv, rfc8448_server_iv, 12);
}

/* This proves the tests' own sealing too. */
static void test_rfc8448_client_record(void **state)
{
	unsigned char text[50], record[128];
	struct ktls_keys keys;
	size_t len;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)i;
	assert_int_equal(ktls_keys_tls13(KTLS_AES_128_GCM, "SHA256",
					 rfc8448_client_secret, 32, &keys),
			 0);
	len = seal(&keys, KTLS_APPLICATION_DATA, text, sizeof(text), record);
	assert_int_equal(len, sizeof(rfc8448_client_record));
	assert_memory_equal(record, rfc8448_client_record, len);
}

/* HKDF-Expand-Label for at most one hash length, by hand. */
static void expand(const EVP_MD *md, const unsigned char *secret, size_t len,
		   const char *label, unsigned char *out, size_t out_len)
{
	unsigned char info[64], block[EVP_MAX_MD_SIZE];
	size_t n = 0;
	unsigned got;

	info[n++] = 0;
	info[n++] = (unsigned char)out_len;
	info[n++] = (unsigned char)(6 + strlen(label));
	memcpy(info + n, "tls13 ", 6);
	memcpy(info + n + 6, label, strlen(label));
	n += 6 + strlen(label);
	info[n++] = 0;
	info[n++] = 1; /* T(1) */
	assert_non_null(HMAC(md, secret, (int)len, info, n, block, &got));
	assert_true(out_len <= got);
	memcpy(out, block, out_len);
}

static void check_tls13(enum ktls_cipher cipher, const char *hash,
			const EVP_MD *md)
{
	size_t len = (size_t)EVP_MD_get_size(md);
	unsigned char secret[48], key[32], iv[12], next[48];
	struct ktls_keys keys, after;

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (unsigned char)(i * 7 + 1);
	assert_int_equal(ktls_keys_tls13(cipher, hash, secret, len, &keys), 0);
	expand(md, secret, len, "key", key, ktls_cipher_key_len(cipher));
	expand(md, secret, len, "iv", iv, 12);
	assert_memory_equal(keys.key, key, ktls_cipher_key_len(cipher));
	assert_memory_equal(keys.iv, iv, 12);

	keys.seq = 99;
	assert_int_equal(ktls_keys_next(hash, &keys, &after), 0);
	expand(md, secret, len, "traffic upd", next, len);
	assert_int_equal(after.secret_len, len);
	assert_memory_equal(after.secret, next, len);
	expand(md, next, len, "key", key, ktls_cipher_key_len(cipher));
	assert_memory_equal(after.key, key, ktls_cipher_key_len(cipher));
	assert_int_equal(after.seq, 0);
}

static void test_tls13_every_cipher_and_its_update(void **state)
{
	check_tls13(KTLS_AES_128_GCM, "SHA256", EVP_sha256());
	check_tls13(KTLS_AES_256_GCM, "SHA384", EVP_sha384());
	check_tls13(KTLS_CHACHA20_POLY1305, "SHA256", EVP_sha256());
}

/* P_hash of RFC 5246 section 5, by hand. */
static void prf(const EVP_MD *md, const unsigned char *secret, size_t len,
		const unsigned char *seed, size_t seed_len, unsigned char *out,
		size_t out_len)
{
	unsigned char a[EVP_MAX_MD_SIZE + 128], block[EVP_MAX_MD_SIZE];
	unsigned a_len, n;

	HMAC(md, secret, (int)len, seed, seed_len, a, &a_len);
	while (out_len) {
		unsigned char both[EVP_MAX_MD_SIZE + 128];

		memcpy(both, a, a_len);
		memcpy(both + a_len, seed, seed_len);
		HMAC(md, secret, (int)len, both, a_len + seed_len, block, &n);
		if (n > out_len)
			n = (unsigned)out_len;
		memcpy(out, block, n);
		out += n;
		out_len -= n;
		HMAC(md, secret, (int)len, a, a_len, both, &n);
		memcpy(a, both, n);
	}
}

static void check_tls12(enum ktls_cipher cipher, const char *hash,
			const EVP_MD *md, size_t iv_len)
{
	size_t key_len = ktls_cipher_key_len(cipher);
	unsigned char master[48], client[32], server[32], seed[13 + 64];
	unsigned char block[128];
	struct ktls_keys c[KTLS_DIRECTIONS], s[KTLS_DIRECTIONS];

	memset(master, 0x4d, sizeof(master));
	memset(client, 0x11, sizeof(client));
	memset(server, 0x22, sizeof(server));
	memcpy(seed, "key expansion", 13);
	memcpy(seed + 13, server, 32);
	memcpy(seed + 45, client, 32);
	prf(md, master, 48, seed, sizeof(seed), block, sizeof(block));
	assert_int_equal(ktls_keys_tls12(cipher, hash, master, client, server,
					 KTLS_CLIENT, c),
			 0);
	assert_int_equal(ktls_keys_tls12(cipher, hash, master, client, server,
					 KTLS_SERVER, s),
			 0);
	assert_memory_equal(c[KTLS_TX].key, block, key_len);
	assert_memory_equal(c[KTLS_RX].key, block + key_len, key_len);
	assert_memory_equal(c[KTLS_TX].iv, block + 2 * key_len, iv_len);
	assert_memory_equal(c[KTLS_RX].iv, block + 2 * key_len + iv_len,
			    iv_len);
	assert_memory_equal(&s[KTLS_TX], &c[KTLS_RX], sizeof(c[0]));
	assert_memory_equal(&s[KTLS_RX], &c[KTLS_TX], sizeof(c[0]));
}

static void test_tls12_key_block_of_every_cipher(void **state)
{
	check_tls12(KTLS_AES_128_GCM, "SHA256", EVP_sha256(), 4);
	check_tls12(KTLS_AES_256_GCM, "SHA384", EVP_sha384(), 4);
	check_tls12(KTLS_CHACHA20_POLY1305, "SHA256", EVP_sha256(), 12);
}

static void test_cipher_without_kernel_form_is_refused(void **state)
{
	unsigned char secret[48] = {0}, random[32] = {0};
	struct ktls_keys keys, both[KTLS_DIRECTIONS];

	assert_int_equal(
		ktls_keys_tls13(KTLS_CIPHER_OTHER, "SHA256", secret, 32, &keys),
		-ENOTSUP);
	assert_int_equal(ktls_keys_tls12(KTLS_CIPHER_OTHER, "SHA256", secret,
					 random, random, KTLS_CLIENT, both),
			 -ENOTSUP);
}

static void test_secret_of_wrong_length_is_refused(void **state)
{
	unsigned char secret[48] = {0};
	struct ktls_keys keys;

	assert_int_equal(
		ktls_keys_tls13(KTLS_AES_128_GCM, "SHA256", secret, 31, &keys),
		-EINVAL);
	assert_int_equal(
		ktls_keys_tls13(KTLS_AES_128_GCM, "SHA256", secret, 48, &keys),
		-EINVAL);
	assert_int_equal(
		ktls_keys_tls13(KTLS_AES_128_GCM, "MD5", secret, 32, &keys),
		-EINVAL);
}

static void test_tls12_keys_have_no_next(void **state)
{
	struct ktls_keys now = {.version = KTLS_TLS_1_2,
				.cipher = KTLS_AES_128_GCM,
				.secret_len = 32};
	struct ktls_keys next;

	assert_int_equal(ktls_keys_next("SHA256", &now, &next), -EINVAL);
}

static void test_wipe_leaves_no_byte(void **state)
{
	struct ktls_keys keys, zero;

	memset(&keys, 0xa5, sizeof(keys));
	memset(&zero, 0, sizeof(zero));
	ktls_keys_wipe(&keys);
	assert_memory_equal(&keys, &zero, sizeof(keys));
	ktls_keys_wipe(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc8448_client_application_keys),
		cmocka_unit_test(test_rfc8448_server_application_keys),
		cmocka_unit_test(test_rfc8448_client_record),
		cmocka_unit_test(test_tls13_every_cipher_and_its_update),
		cmocka_unit_test(test_tls12_key_block_of_every_cipher),
		cmocka_unit_test(test_cipher_without_kernel_form_is_refused),
		cmocka_unit_test(test_secret_of_wrong_length_is_refused),
		cmocka_unit_test(test_tls12_keys_have_no_next),
		cmocka_unit_test(test_wipe_leaves_no_byte),
	};

	return cmocka_run_group_tests_name("ktls_keys", tests, NULL, NULL);
}
