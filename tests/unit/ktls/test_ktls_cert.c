/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts from good and bad files and settings: every error is a sentence
 * that names the file and what to do.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ktls/ktls_ctx.h"
#include "tests/support/test_cert.h"

static struct test_certs *certs_of(void **state)
{
	return *state;
}

static int set_up(void **state)
{
	struct test_certs *certs = calloc(1, sizeof(*certs));

	test_certs_open(certs);
	test_certs_make_simple(certs, "good", "mx.example.test");
	test_certs_make_simple(certs, "other", "other.example.test");
	*state = certs;
	return 0;
}

static int tear_down(void **state)
{
	test_certs_close(*state);
	free(*state);
	return 0;
}

/* Makes a server of two files that must be refused; the text must hold
 * @words, NULL at the end. */
static void refused(int err, const char *certificate, const char *key, ...)
{
	const struct ktls_cert_files files = {certificate, key};
	const struct ktls_ctx_config config = {
		.role = KTLS_SERVER, .certs = &files, .cert_count = 1};
	struct ktls_error error = {""};
	struct ktls_ctx *ctx = NULL;
	const char *word;
	va_list words;

	assert_int_equal(ktls_ctx_create(&config, &ctx, &error), err);
	assert_null(ctx);
	va_start(words, key);
	while ((word = va_arg(words, const char *)))
		if (!strstr(error.text, word))
			fail_msg("\"%s\" lacks \"%s\"", error.text, word);
	va_end(words);
	assert_null(strchr(error.text, '\n'));
}

#define GOOD_PEM test_certs_path(certs_of(state), "good.pem")
#define GOOD_KEY test_certs_path(certs_of(state), "good.key")
#define AT(file) test_certs_path(certs_of(state), file)

static void test_good_files(void **state)
{
	const struct ktls_cert_files files = {GOOD_PEM, GOOD_KEY};
	const struct ktls_ctx_config config = {
		.role = KTLS_SERVER, .certs = &files, .cert_count = 1};
	struct ktls_ctx *ctx;

	assert_int_equal(ktls_ctx_create(&config, &ctx, NULL), 0);
	assert_int_equal(ktls_ctx_role(ctx), KTLS_SERVER);
	ktls_ctx_unref(&ctx);
	assert_null(ctx);
	ktls_ctx_unref(&ctx);
}

static void test_missing_certificate(void **state)
{
	refused(-ENOENT, AT("gone.pem"), GOOD_KEY, "gone.pem", "No such file",
		"exists", NULL);
}

static void test_missing_key(void **state)
{
	refused(-ENOENT, GOOD_PEM, AT("gone.key"), "gone.key", "private key",
		NULL);
}

static void test_no_name_at_all(void **state)
{
	refused(-EINVAL, GOOD_PEM, NULL, "private key", NULL);
	refused(-EINVAL, "", GOOD_KEY, "certificate", NULL);
}

static void test_unreadable_key(void **state)
{
	bool root = geteuid() == 0;
	char path[300], certificate[300];

	snprintf(path, sizeof(path), "%s", AT("locked.key"));
	snprintf(certificate, sizeof(certificate), "%s", GOOD_PEM);
	test_certs_write(certs_of(state), "locked.key", "x", 1);
	chmod(path, 0);
	chmod(certs_of(state)->dir, 0755);
	if (root) /* who reads everything */
		assert_int_equal(seteuid(65534), 0);
	refused(-EACCES, certificate, path, "locked.key", "read it", NULL);
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void test_a_folder(void **state)
{
	refused(-EISDIR, certs_of(state)->dir, GOOD_KEY, "directory", NULL);
}

static void test_empty_file(void **state)
{
	test_certs_write(certs_of(state), "empty.pem", "", 0);
	refused(-EINVAL, AT("empty.pem"), GOOD_KEY, "empty.pem", "empty", NULL);
}

static void test_plain_text(void **state)
{
	test_certs_write(certs_of(state), "text.pem", "hello\n", 6);
	refused(-EINVAL, AT("text.pem"), GOOD_KEY, "text.pem",
		"BEGIN CERTIFICATE", NULL);
}

static void test_der_file(void **state)
{
	struct test_certs *certs = certs_of(state);
	unsigned char *der = NULL;
	int len = i2d_X509(certs->ca_cert, &der);

	test_certs_write(certs, "der.pem", der, (size_t)len);
	OPENSSL_free(der);
	refused(-EINVAL, AT("der.pem"), GOOD_KEY, "DER", "openssl x509", NULL);
}

static void test_files_exchanged(void **state)
{
	refused(-EINVAL, GOOD_KEY, GOOD_PEM, "good.key",
		"holds a private key and no certificate", NULL);
	refused(-EINVAL, GOOD_PEM, GOOD_PEM, "good.pem",
		"holds a certificate and no private key", NULL);
}

static void test_key_of_another_certificate(void **state)
{
	refused(-EINVAL, GOOD_PEM, AT("other.key"), "other.key", "good.pem",
		"does not belong", NULL);
}

static void test_locked_key(void **state)
{
	char pass[] = "secret";
	FILE *out;

	out = fopen(AT("pass.key"), "we");
	assert_non_null(out);
	assert_true(PEM_write_PKCS8PrivateKey(out, certs_of(state)->ca_key,
					      EVP_aes_128_cbc(), pass,
					      (int)strlen(pass), NULL, NULL));
	fclose(out);
	refused(-EINVAL, GOOD_PEM, AT("pass.key"), "pass.key", "passphrase",
		"openssl pkey", NULL);
}

static void test_broken_certificate(void **state)
{
	static const char text[] = "-----BEGIN CERTIFICATE-----\nAAAA\n"
				   "-----END CERTIFICATE-----\n";

	test_certs_write(certs_of(state), "broken.pem", text, sizeof(text) - 1);
	refused(-EINVAL, AT("broken.pem"), GOOD_KEY, "broken.pem",
		"cannot be read", NULL);
}

/* The leaf is good, the chain behind it is not: never half of a file. */
static void test_broken_chain(void **state)
{
	static const char tail[] = "-----BEGIN CERTIFICATE-----\nAAAA\n"
				   "-----END CERTIFICATE-----\n";
	char text[8192];
	FILE *in = fopen(GOOD_PEM, "re");
	size_t len = fread(text, 1, sizeof(text) - sizeof(tail), in);

	fclose(in);
	memcpy(text + len, tail, sizeof(tail) - 1);
	test_certs_write(certs_of(state), "tail.pem", text,
			 len + sizeof(tail) - 1);
	refused(-EINVAL, AT("tail.pem"), GOOD_KEY, "tail.pem", "chain", NULL);
}

static void test_expired(void **state)
{
	const struct test_cert_spec spec = {
		.file = "old", .from = -7200, .until = -3600};

	test_certs_make(certs_of(state), &spec);
	refused(-EINVAL, AT("old.pem"), AT("old.key"), "old.pem", "expired on",
		"renew", NULL);
}

static void test_not_yet_valid(void **state)
{
	const struct test_cert_spec spec = {
		.file = "new", .from = 3600, .until = 7200};

	test_certs_make(certs_of(state), &spec);
	refused(-EINVAL, AT("new.pem"), AT("new.key"), "new.pem",
		"not valid before", "clock", NULL);
}

static void test_weak_key(void **state)
{
	const struct test_cert_spec spec = {.file = "weak",
					    .key = TEST_KEY_RSA512};

	test_certs_make(certs_of(state), &spec);
	refused(-EINVAL, AT("weak.pem"), AT("weak.key"), "weak.pem",
		"too small", NULL);
}

static void test_second_certificate_is_checked_too(void **state)
{
	const struct ktls_cert_files files[] = {{GOOD_PEM, GOOD_KEY},
						{AT("second.pem"), GOOD_KEY}};
	const struct ktls_ctx_config config = {
		.role = KTLS_SERVER, .certs = files, .cert_count = 2};
	struct ktls_error error = {""};
	struct ktls_ctx *ctx;

	assert_int_equal(ktls_ctx_create(&config, &ctx, &error), -ENOENT);
	assert_non_null(strstr(error.text, "second.pem"));
}

static void test_server_without_certificate(void **state)
{
	const struct ktls_ctx_config config = {.role = KTLS_SERVER};
	struct ktls_error error = {""};
	struct ktls_ctx *ctx;

	assert_int_equal(ktls_ctx_create(&config, &ctx, &error), -EINVAL);
	assert_non_null(strstr(error.text, "needs a certificate"));
}

/* A client's settings that must be refused with @word in the text. */
static void client_refused(struct ktls_ctx_config config, int err,
			   const char *word)
{
	struct ktls_error error = {""};
	struct ktls_ctx *ctx = NULL;

	config.role = KTLS_CLIENT;
	assert_int_equal(ktls_ctx_create(&config, &ctx, &error), err);
	assert_null(ctx);
	if (!strstr(error.text, word))
		fail_msg("\"%s\" lacks \"%s\"", error.text, word);
}

static void test_unknown_cipher(void **state)
{
	const struct ktls_ctx_config config = {.ciphers = "ROT13"};

	client_refused(config, -EINVAL, "ROT13");
}

/* OpenSSL alone would pass over it in silence. */
static void test_unknown_cipher_among_good_ones(void **state)
{
	const struct ktls_ctx_config config = {
		.ciphers = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES12-GCM"};

	client_refused(config, -EINVAL, "\"ECDHE-RSA-AES12-GCM\"");
}

static void test_openssl_cipher_syntax_is_understood(void **state)
{
	const struct ktls_ctx_config config = {
		.role = KTLS_CLIENT,
		.ciphers = "ECDHE+AESGCM:!aNULL, -SHA1:@STRENGTH"};
	struct ktls_error error = {""};
	struct ktls_ctx *ctx;

	if (ktls_ctx_create(&config, &ctx, &error) != 0)
		fail_msg("%s", error.text);
	ktls_ctx_unref(&ctx);
}

static void test_unknown_ciphersuite(void **state)
{
	const struct ktls_ctx_config config = {.ciphersuites = "TLS_ROT13"};

	client_refused(config, -EINVAL, "TLS_ROT13");
}

static void test_versions_exchanged(void **state)
{
	const struct ktls_ctx_config config = {.min_version = KTLS_TLS_1_3,
					       .max_version = KTLS_TLS_1_2};

	client_refused(config, -EINVAL, "lowest");
}

static void test_trust_anchors_missing(void **state)
{
	const struct ktls_ctx_config config = {.ca_file = AT("gone-ca.pem")};

	client_refused(config, -ENOENT, "gone-ca.pem");
}

static void test_trust_anchors_not_pem(void **state)
{
	struct ktls_ctx_config config = {.ca_file = AT("text-ca.pem")};

	test_certs_write(certs_of(state), "text-ca.pem", "hello\n", 6);
	client_refused(config, -EINVAL, "text-ca.pem");
}

static void test_trust_anchor_folder_missing(void **state)
{
	const struct ktls_ctx_config config = {.ca_dir = AT("no-such-dir")};

	client_refused(config, -ENOTDIR, "no-such-dir");
}

static void test_client_with_two_certificates(void **state)
{
	const struct ktls_cert_files files[] = {
		{GOOD_PEM, GOOD_KEY}, {AT("other.pem"), AT("other.key")}};
	const struct ktls_ctx_config config = {.certs = files, .cert_count = 2};

	client_refused(config, -EINVAL, "one certificate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_files),
		cmocka_unit_test(test_missing_certificate),
		cmocka_unit_test(test_missing_key),
		cmocka_unit_test(test_no_name_at_all),
		cmocka_unit_test(test_unreadable_key),
		cmocka_unit_test(test_a_folder),
		cmocka_unit_test(test_empty_file),
		cmocka_unit_test(test_plain_text),
		cmocka_unit_test(test_der_file),
		cmocka_unit_test(test_files_exchanged),
		cmocka_unit_test(test_key_of_another_certificate),
		cmocka_unit_test(test_locked_key),
		cmocka_unit_test(test_broken_certificate),
		cmocka_unit_test(test_broken_chain),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_not_yet_valid),
		cmocka_unit_test(test_weak_key),
		cmocka_unit_test(test_second_certificate_is_checked_too),
		cmocka_unit_test(test_server_without_certificate),
		cmocka_unit_test(test_unknown_cipher),
		cmocka_unit_test(test_unknown_cipher_among_good_ones),
		cmocka_unit_test(test_openssl_cipher_syntax_is_understood),
		cmocka_unit_test(test_unknown_ciphersuite),
		cmocka_unit_test(test_versions_exchanged),
		cmocka_unit_test(test_trust_anchors_missing),
		cmocka_unit_test(test_trust_anchors_not_pem),
		cmocka_unit_test(test_trust_anchor_folder_missing),
		cmocka_unit_test(test_client_with_two_certificates),
	};

	return cmocka_run_group_tests_name("ktls_cert", tests, set_up,
					   tear_down);
}
