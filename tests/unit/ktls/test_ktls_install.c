/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact bytes that reach setsockopt(2), its errors, and the validation
 * before it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "tests/unit/ktls/fake_kernel.h"

#define FD	    7
#define LEVEL_TLS   282
#define NAME_TX	    1
#define NAME_RX	    2
#define NAME_NO_PAD 4

/* Every byte of the keys tells where it comes from. */
static struct ktls_keys make_keys(enum ktls_version version,
				  enum ktls_cipher cipher)
{
	struct ktls_keys keys = {.version = version,
				 .cipher = cipher,
				 .seq = 0x0102030405060708};

	for (unsigned i = 0; i < 32; i++)
		keys.key[i] = (unsigned char)(0x40 + i);
	for (unsigned i = 0; i < 12; i++)
		keys.iv[i] = (unsigned char)(0xa0 + i);
	return keys;
}

static void put(unsigned char **at, unsigned first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*(*at)++ = (unsigned char)(first + i);
}

/* linux/tls.h: version and cipher in the machine's order, then for AES-GCM
 * iv[8], key, salt[4], rec_seq[8]; for ChaCha20 iv[12], key, rec_seq[8]. */
static size_t expected(unsigned char *out, uint16_t version, uint16_t type,
		       size_t key_len, bool salt)
{
	unsigned char *at = out;

	memcpy(at, &version, 2);
	memcpy(at + 2, &type, 2);
	at += 4;
	if (salt)
		put(&at, 0xa4, 8);
	else
		put(&at, 0xa0, 12);
	put(&at, 0x40, key_len);
	if (salt)
		put(&at, 0xa0, 4);
	put(&at, 0x01, 8);
	return (size_t)(at - out);
}

static void check_bytes(enum ktls_version version, enum ktls_cipher cipher,
			uint16_t wire_version, uint16_t type, size_t key_len)
{
	struct ktls_keys keys = make_keys(version, cipher);
	struct fake_kernel fake;
	unsigned char want[FAKE_VALUE_MAX];
	size_t len = expected(want, wire_version, type, key_len,
			      cipher != KTLS_CHACHA20_POLY1305);

	fake_kernel_init(&fake);
	assert_int_equal(ktls_install(&fake.ops, FD, KTLS_TX, &keys), 0);
	assert_int_equal(ktls_install(&fake.ops, FD, KTLS_RX, &keys), 0);
	assert_int_equal(fake.count, 2);
	assert_int_equal(fake.calls[0].name, NAME_TX);
	assert_int_equal(fake.calls[1].name, NAME_RX);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fake.calls[i].fd, FD);
		assert_int_equal(fake.calls[i].level, LEVEL_TLS);
		assert_int_equal(fake.calls[i].len, len);
		assert_memory_equal(fake.calls[i].value, want, len);
	}
}

static void test_aes_128_gcm_bytes(void **state)
{
	check_bytes(KTLS_TLS_1_2, KTLS_AES_128_GCM, 0x0303, 51, 16);
	check_bytes(KTLS_TLS_1_3, KTLS_AES_128_GCM, 0x0304, 51, 16);
}

static void test_aes_256_gcm_bytes(void **state)
{
	check_bytes(KTLS_TLS_1_2, KTLS_AES_256_GCM, 0x0303, 52, 32);
	check_bytes(KTLS_TLS_1_3, KTLS_AES_256_GCM, 0x0304, 52, 32);
}

static void test_chacha20_poly1305_bytes(void **state)
{
	check_bytes(KTLS_TLS_1_2, KTLS_CHACHA20_POLY1305, 0x0303, 54, 32);
	check_bytes(KTLS_TLS_1_3, KTLS_CHACHA20_POLY1305, 0x0304, 54, 32);
}

static void test_cipher_or_version_without_form_makes_no_call(void **state)
{
	struct ktls_keys keys = make_keys(KTLS_TLS_1_3, KTLS_CIPHER_OTHER);
	struct fake_kernel fake;

	fake_kernel_init(&fake);
	assert_int_equal(ktls_install(&fake.ops, FD, KTLS_TX, &keys), -ENOTSUP);
	keys = make_keys(KTLS_VERSION_NONE, KTLS_AES_128_GCM);
	assert_int_equal(ktls_install(&fake.ops, FD, KTLS_TX, &keys), -ENOTSUP);
	assert_int_equal(fake.count, 0);
}

static int refuse(struct fake_kernel *fake, const struct fake_call *call)
{
	return fake->result;
}

static void test_kernel_errors_come_back(void **state)
{
	struct ktls_keys keys = make_keys(KTLS_TLS_1_3, KTLS_AES_128_GCM);
	struct fake_kernel fake;

	fake_kernel_init(&fake);
	fake.decide = refuse;
	fake.result = -EBUSY;
	assert_int_equal(ktls_install(&fake.ops, FD, KTLS_TX, &keys), -EBUSY);
	fake.result = -ENOENT;
	assert_int_equal(ktls_attach(&fake.ops, FD), -ENOENT);
}

static void test_install_leaves_the_callers_keys_alone(void **state)
{
	struct ktls_keys keys = make_keys(KTLS_TLS_1_3, KTLS_AES_256_GCM);
	struct ktls_keys before = keys;
	struct fake_kernel fake;

	fake_kernel_init(&fake);
	assert_int_equal(ktls_install(&fake.ops, FD, KTLS_RX, &keys), 0);
	assert_memory_equal(&keys, &before, sizeof(keys));
}

static void test_attach_sets_the_ulp(void **state)
{
	struct fake_kernel fake;

	fake_kernel_init(&fake);
	assert_int_equal(ktls_attach(&fake.ops, FD), 0);
	assert_int_equal(fake.count, 1);
	assert_int_equal(fake.calls[0].level, IPPROTO_TCP);
	assert_int_equal(fake.calls[0].name, TCP_ULP);
	assert_memory_equal(fake.calls[0].value, "tls", 3);
}

static void test_no_pad_is_set_and_its_refusal_ignored(void **state)
{
	struct fake_kernel fake;

	fake_kernel_init(&fake);
	fake.decide = refuse;
	fake.result = -ENOPROTOOPT;
	ktls_expect_no_pad(&fake.ops, FD);
	assert_int_equal(fake.count, 1);
	assert_int_equal(fake.calls[0].level, LEVEL_TLS);
	assert_int_equal(fake.calls[0].name, NAME_NO_PAD);
	assert_int_equal(fake.calls[0].value[0], 1);
}

static void test_system_kernel_returns_negative_errno(void **state)
{
	assert_int_equal(ktls_attach(ktls_kernel_system(), -1), -EBADF);
}

static void test_validate_names_every_obstacle(void **state)
{
	struct ktls_caps caps = {.ulp = false};

	assert_int_equal(
		ktls_validate(&caps, KTLS_TX, KTLS_TLS_1_3, KTLS_AES_128_GCM),
		KTLS_REASON_NO_ULP);
	caps.ulp = true;
	assert_int_equal(
		ktls_validate(&caps, KTLS_TX, KTLS_TLS_1_3, KTLS_AES_128_GCM),
		KTLS_REASON_NO_CIPHER);
	caps.cipher[KTLS_AES_128_GCM][KTLS_TLS_1_3][KTLS_TX] = true;
	assert_int_equal(
		ktls_validate(&caps, KTLS_TX, KTLS_TLS_1_3, KTLS_AES_128_GCM),
		KTLS_REASON_NONE);
	assert_int_equal(
		ktls_validate(&caps, KTLS_RX, KTLS_TLS_1_3, KTLS_AES_128_GCM),
		KTLS_REASON_NO_CIPHER);
	assert_int_equal(
		ktls_validate(&caps, KTLS_TX, KTLS_TLS_1_2, KTLS_AES_128_GCM),
		KTLS_REASON_NO_CIPHER);
	assert_int_equal(
		ktls_validate(&caps, KTLS_TX, KTLS_TLS_1_3, KTLS_CIPHER_OTHER),
		KTLS_REASON_CIPHER_OTHER);
	assert_int_equal(ktls_validate(&caps, KTLS_TX, KTLS_VERSION_NONE,
				       KTLS_AES_128_GCM),
			 KTLS_REASON_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aes_128_gcm_bytes),
		cmocka_unit_test(test_aes_256_gcm_bytes),
		cmocka_unit_test(test_chacha20_poly1305_bytes),
		cmocka_unit_test(
			test_cipher_or_version_without_form_makes_no_call),
		cmocka_unit_test(test_kernel_errors_come_back),
		cmocka_unit_test(test_install_leaves_the_callers_keys_alone),
		cmocka_unit_test(test_attach_sets_the_ulp),
		cmocka_unit_test(test_no_pad_is_set_and_its_refusal_ignored),
		cmocka_unit_test(test_system_kernel_returns_negative_errno),
		cmocka_unit_test(test_validate_names_every_obstacle),
	};

	return cmocka_run_group_tests_name("ktls_install", tests, NULL, NULL);
}
