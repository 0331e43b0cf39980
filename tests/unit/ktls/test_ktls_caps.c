/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe against kernels that refuse this or that, and the words for it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/tls.h>
#include <sys/stat.h>

#include "ktls/ktls_caps_private.h"
#include "tests/support/test_cert.h"
#include "tests/unit/ktls/fake_kernel.h"

#define LEVEL_TLS 282
#define NAME_TX	  1
#define NAME_RX	  2

static bool is_install(const struct fake_call *call)
{
	return call->level == LEVEL_TLS &&
	       (call->name == NAME_TX || call->name == NAME_RX);
}

/* Has this socket had keys in this direction before? */
static bool again(const struct fake_kernel *fake, const struct fake_call *call)
{
	for (const struct fake_call *c = fake->calls; c < call; c++)
		if (c->fd == call->fd && c->level == call->level &&
		    c->name == call->name && c->len == call->len &&
		    memcmp(c->value, call->value, 4) == 0)
			return true;
	return false;
}

/* 5.11 to 6.13: all ciphers, no rekey. */
static int no_rekey(struct fake_kernel *fake, const struct fake_call *call)
{
	return is_install(call) && again(fake, call) ? -EBUSY : 0;
}

static void test_everything_works(void **state)
{
	struct fake_kernel fake;
	struct ktls_caps caps;
	char reason[512];

	fake_kernel_init(&fake);
	assert_int_equal(ktls_caps_probe(&fake.ops, &caps), 0);
	assert_true(caps.ulp);
	for (int c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++)
		for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++)
			for (int d = 0; d < KTLS_DIRECTIONS; d++)
				assert_true(caps.cipher[c][v][d]);
	assert_true(caps.rekey_tx && caps.rekey_rx);
	assert_true(caps.no_pad && caps.max_payload);
	assert_string_equal(ktls_caps_reason(&caps, reason, sizeof(reason)),
			    "");
}

static void test_kernel_without_rekey(void **state)
{
	struct fake_kernel fake;
	struct ktls_caps caps;

	fake_kernel_init(&fake);
	fake.decide = no_rekey;
	assert_int_equal(ktls_caps_probe(&fake.ops, &caps), 0);
	assert_true(caps.cipher[KTLS_AES_128_GCM][KTLS_TLS_1_3][KTLS_RX]);
	assert_false(caps.rekey_tx || caps.rekey_rx);
}

static int no_chacha(struct fake_kernel *fake, const struct fake_call *call)
{
	struct tls_crypto_info info;

	memcpy(&info, call->value, sizeof(info));
	return is_install(call) &&
			       info.cipher_type == TLS_CIPHER_CHACHA20_POLY1305
		       ? -EINVAL
		       : 0;
}

static void test_kernel_without_chacha20(void **state)
{
	struct fake_kernel fake;
	struct ktls_caps caps;

	fake_kernel_init(&fake);
	fake.decide = no_chacha;
	assert_int_equal(ktls_caps_probe(&fake.ops, &caps), 0);
	assert_true(caps.cipher[KTLS_AES_256_GCM][KTLS_TLS_1_2][KTLS_TX]);
	assert_false(
		caps.cipher[KTLS_CHACHA20_POLY1305][KTLS_TLS_1_2][KTLS_TX]);
	assert_int_equal(caps.cipher_error[KTLS_CHACHA20_POLY1305][KTLS_TLS_1_3]
					  [KTLS_RX],
			 EINVAL);
}

static int no_rx13(struct fake_kernel *fake, const struct fake_call *call)
{
	struct tls_crypto_info info;

	memcpy(&info, call->value, sizeof(info));
	return is_install(call) && call->name == NAME_RX &&
			       info.version == TLS_1_3_VERSION
		       ? -EINVAL
		       : 0;
}

static void test_directions_are_probed_apart(void **state)
{
	struct fake_kernel fake;
	struct ktls_caps caps;

	fake_kernel_init(&fake);
	fake.decide = no_rx13;
	assert_int_equal(ktls_caps_probe(&fake.ops, &caps), 0);
	assert_true(caps.cipher[KTLS_AES_128_GCM][KTLS_TLS_1_3][KTLS_TX]);
	assert_false(caps.cipher[KTLS_AES_128_GCM][KTLS_TLS_1_3][KTLS_RX]);
	assert_true(caps.cipher[KTLS_AES_128_GCM][KTLS_TLS_1_2][KTLS_RX]);
}

static int refuse_all(struct fake_kernel *fake, const struct fake_call *call)
{
	return fake->result;
}

static void test_no_ulp_denies_all(void **state)
{
	struct fake_kernel fake;
	struct ktls_caps caps;

	fake_kernel_init(&fake);
	fake.decide = refuse_all;
	fake.result = -ENOENT;
	assert_int_equal(ktls_caps_probe(&fake.ops, &caps), 0);
	assert_false(caps.ulp);
	assert_int_equal(caps.ulp_error, ENOENT);
	assert_false(caps.cipher[KTLS_AES_128_GCM][KTLS_TLS_1_3][KTLS_TX]);
	assert_int_equal(
		caps.cipher_error[KTLS_AES_128_GCM][KTLS_TLS_1_3][KTLS_TX],
		ENOENT);
	assert_false(caps.rekey_tx || caps.no_pad || caps.max_payload);
}

/* What the machine really says, whatever that is, hangs together. */
static void test_this_machine(void **state)
{
	struct ktls_caps caps;
	char reason[512];

	assert_int_equal(ktls_caps_probe(ktls_kernel_system(), &caps), 0);
	ktls_caps_reason(&caps, reason, sizeof(reason));
	if (caps.ulp)
		assert_string_equal(reason, "");
	else
		assert_true(strlen(reason) > 20);
}

static void make_dirs(const char *root, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			mkdir(full, 0700);
			*p = '/';
		}
	mkdir(full, 0700);
}

/* The words for @error on a machine that has one @file with @text. */
static const char *reason_with(int error, const char *dir, const char *file,
			       const char *text, char *buf, size_t size)
{
	struct ktls_caps caps = {.ulp_error = error};
	struct test_certs root;

	test_certs_open(&root);
	if (dir) {
		make_dirs(root.dir, dir);
		test_certs_write(&root, file, text, strlen(text));
	}
	ktls_caps_reason_at(&caps, root.dir, "6.1.0-test", buf, size);
	test_certs_close(&root);
	return buf;
}

static void test_module_there_but_not_loaded(void **state)
{
	char buf[512];

	reason_with(ENOENT, "/lib/modules/6.1.0-test/kernel/net/tls",
		    "lib/modules/6.1.0-test/kernel/net/tls/tls.ko", "", buf,
		    sizeof(buf));
	assert_non_null(strstr(buf, "modprobe tls"));
	assert_non_null(strstr(buf, "modules-load.d"));
}

static void test_compressed_module_counts(void **state)
{
	char buf[512];

	reason_with(ENOENT, "/lib/modules/6.1.0-test/kernel/net/tls",
		    "lib/modules/6.1.0-test/kernel/net/tls/tls.ko.zst", "", buf,
		    sizeof(buf));
	assert_non_null(strstr(buf, "modprobe tls"));
}

static void test_kernel_built_without(void **state)
{
	char buf[512];

	reason_with(ENOENT, "/boot", "boot/config-6.1.0-test",
		    "CONFIG_NET=y\n# CONFIG_TLS is not set\n", buf,
		    sizeof(buf));
	assert_non_null(strstr(buf, "built without"));
	assert_non_null(strstr(buf, "CONFIG_TLS"));
	assert_null(strstr(buf, "modprobe"));
}

static void test_nothing_known_names_both_ways(void **state)
{
	char buf[512];

	reason_with(ENOENT, NULL, NULL, NULL, buf, sizeof(buf));
	assert_non_null(strstr(buf, "on the host"));
	assert_non_null(strstr(buf, "CONFIG_TLS"));
}

static void test_loaded_but_unseen(void **state)
{
	char buf[512];

	reason_with(ENOENT, "/proc", "proc/modules",
		    "nf_tls 1 0 - Live\ntls 151552 0 - Live 0x0\n", buf,
		    sizeof(buf));
	assert_non_null(strstr(buf, "is loaded"));
}

static void test_blocked(void **state)
{
	char buf[512];

	reason_with(EPERM, NULL, NULL, NULL, buf, sizeof(buf));
	assert_non_null(strstr(buf, "seccomp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_works),
		cmocka_unit_test(test_kernel_without_rekey),
		cmocka_unit_test(test_kernel_without_chacha20),
		cmocka_unit_test(test_directions_are_probed_apart),
		cmocka_unit_test(test_no_ulp_denies_all),
		cmocka_unit_test(test_this_machine),
		cmocka_unit_test(test_module_there_but_not_loaded),
		cmocka_unit_test(test_compressed_module_counts),
		cmocka_unit_test(test_kernel_built_without),
		cmocka_unit_test(test_nothing_known_names_both_ways),
		cmocka_unit_test(test_loaded_but_unseen),
		cmocka_unit_test(test_blocked),
	};

	return cmocka_run_group_tests_name("ktls_caps", tests, NULL, NULL);
}
