/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates made while a test runs, as PEM files in a folder of their own.
 * Anything that fails ends the program: a test without its certificates has
 * nothing to say.
 */
#ifndef TESTS_SUPPORT_TEST_CERT_H
#define TESTS_SUPPORT_TEST_CERT_H

#include <stdbool.h>
#include <stddef.h>

enum test_key {
	TEST_KEY_P256,
	TEST_KEY_RSA2048,
	TEST_KEY_RSA512
};

struct test_cert_spec {
	const char *file;	  /* "a": writes DIR/a.pem and DIR/a.key */
	const char *common_name;  /* NULL: "test" */
	const char *const *names; /* DNS names, NULL at the end; NULL: none */
	enum test_key key;
	long from, until; /* seconds from now; 0, 0: a day around now */
	bool self_signed; /* else by the folder's CA */
	bool with_ca;	  /* append the CA to the chain, like an intermediate */
};

struct test_certs {
	char dir[256];
	char ca[300]; /* DIR/ca.pem */
	void *ca_cert, *ca_key;
	char path[8][300]; /* round robin of test_certs_path() */
	unsigned next;
};

/* test_certs_open() - a new folder under TMPDIR with a CA in it. */
void test_certs_open(struct test_certs *certs);
/* test_certs_close() - remove the folder and everything in it. */
void test_certs_close(struct test_certs *certs);

void test_certs_make(struct test_certs *certs,
		     const struct test_cert_spec *spec);
/* test_certs_make_simple() - a P-256 certificate for one name. */
void test_certs_make_simple(struct test_certs *certs, const char *file,
			    const char *name);

/* test_certs_path() - DIR/@file, good for the next seven calls. */
const char *test_certs_path(struct test_certs *certs, const char *file);

/* test_certs_write() - any bytes as DIR/@file; returns its path. */
const char *test_certs_write(struct test_certs *certs, const char *file,
			     const void *data, size_t len);

#endif
