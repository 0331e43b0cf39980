/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates made while a test runs.
 */
#include "tests/support/test_cert.h"

#include <assert.h>
#include <ftw.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEED(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "test_cert: %s failed\n", #condition); \
			ERR_print_errors_fp(stderr);                           \
			abort();                                               \
		}                                                              \
	} while (0)

const char *test_certs_path(struct test_certs *certs, const char *file)
{
	char *path = certs->path[certs->next++ % 8];
	char dir[sizeof(certs->dir)];

	memcpy(dir, certs->dir, sizeof(dir));
	snprintf(path, sizeof(certs->path[0]), "%s/%s", dir, file);
	return path;
}

const char *test_certs_write(struct test_certs *certs, const char *file,
			     const void *data, size_t len)
{
	const char *path = test_certs_path(certs, file);
	FILE *out = fopen(path, "we");

	NEED(out);
	NEED(fwrite(data, 1, len, out) == len);
	NEED(fclose(out) == 0);
	return path;
}

static EVP_PKEY *make_key(enum test_key kind)
{
	EVP_PKEY *key = NULL;

	switch (kind) {
	case TEST_KEY_P256:
		key = EVP_EC_gen("P-256");
		break;
	case TEST_KEY_RSA2048:
		key = EVP_RSA_gen(2048);
		break;
	case TEST_KEY_RSA512:
		key = EVP_RSA_gen(512);
		break;
	}
	NEED(key);
	return key;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	NEED(ext);
	NEED(X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static void add_names(X509 *cert, X509 *issuer, const char *const *names)
{
	char list[1024] = "";

	for (size_t i = 0; names && names[i]; i++) {
		size_t used = strlen(list);

		snprintf(list + used, sizeof(list) - used, "%sDNS:%s",
			 used ? "," : "", names[i]);
	}
	if (*list)
		add_extension(cert, issuer, NID_subject_alt_name, list);
}

/* Signs; with no issuer, by itself. */
static X509 *make_cert(EVP_PKEY *key, const struct test_cert_spec *spec,
		       bool ca, X509 *issuer, EVP_PKEY *issuer_key)
{
	const char *name = spec->common_name ? spec->common_name : "test";
	bool any_time = !spec->from && !spec->until;
	X509 *cert = X509_new();
	BIGNUM *serial = BN_new();
	X509_NAME *subject;

	NEED(cert && serial && BN_rand(serial, 64, 0, 0));
	NEED(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)));
	BN_free(serial);
	X509_set_version(cert, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(cert),
			any_time ? -86400 : spec->from);
	X509_gmtime_adj(X509_getm_notAfter(cert),
			any_time ? 86400 : spec->until);
	X509_set_pubkey(cert, key);
	subject = X509_get_subject_name(cert);
	NEED(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					(const unsigned char *)name, -1, -1,
					0));
	NEED(X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer)
					       : subject));
	add_extension(cert, issuer ? issuer : cert, NID_basic_constraints,
		      ca ? "critical,CA:TRUE" : "CA:FALSE");
	add_names(cert, issuer ? issuer : cert, spec->names);
	NEED(X509_sign(cert, issuer ? issuer_key : key, EVP_sha256()));
	return cert;
}

static void write_cert(const char *path, X509 *cert, X509 *next)
{
	FILE *out = fopen(path, "we");

	NEED(out && PEM_write_X509(out, cert));
	if (next)
		NEED(PEM_write_X509(out, next));
	NEED(fclose(out) == 0);
}

static void write_key(const char *path, EVP_PKEY *key)
{
	FILE *out = fopen(path, "we");

	NEED(out);
	NEED(PEM_write_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL));
	NEED(fclose(out) == 0);
}

void test_certs_make(struct test_certs *certs,
		     const struct test_cert_spec *spec)
{
	EVP_PKEY *key = make_key(spec->key);
	X509 *cert = make_cert(key, spec, false,
			       spec->self_signed ? NULL : certs->ca_cert,
			       certs->ca_key);
	char name[128];

	snprintf(name, sizeof(name), "%s.pem", spec->file);
	write_cert(test_certs_path(certs, name), cert,
		   spec->with_ca ? certs->ca_cert : NULL);
	snprintf(name, sizeof(name), "%s.key", spec->file);
	write_key(test_certs_path(certs, name), key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

void test_certs_make_simple(struct test_certs *certs, const char *file,
			    const char *name)
{
	const char *const names[] = {name, NULL};
	struct test_cert_spec spec = {
		.file = file, .common_name = name, .names = names};

	test_certs_make(certs, &spec);
}

void test_certs_open(struct test_certs *certs)
{
	const struct test_cert_spec spec = {.common_name = "test CA"};
	const char *tmp = getenv("TMPDIR");
	EVP_PKEY *key = make_key(TEST_KEY_P256);

	memset(certs, 0, sizeof(*certs));
	snprintf(certs->dir, sizeof(certs->dir), "%s/ringpost-certs-XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	NEED(mkdtemp(certs->dir));
	memcpy(certs->ca, test_certs_path(certs, "ca.pem"), sizeof(certs->ca));
	certs->ca_key = key;
	certs->ca_cert = make_cert(key, &spec, true, NULL, NULL);
	write_cert(certs->ca, certs->ca_cert, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	return remove(path);
}

void test_certs_close(struct test_certs *certs)
{
	X509_free(certs->ca_cert);
	EVP_PKEY_free(certs->ca_key);
	assert(strstr(certs->dir, "ringpost-certs-"));
	nftw(certs->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	memset(certs, 0, sizeof(*certs));
}
