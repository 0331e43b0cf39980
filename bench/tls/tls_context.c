/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts for both of the TLS codes in use; see tls_context.h. */
#include "bench/tls/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "bench/bench_tls.h"

enum {
	TICKETS = 2,	    /* OpenSSL's own default */
	SESSIONS_MAX = 256, /* a few for each thread */
};

/* As OpenSSL calls them; the certificate is an ECDSA one. */
static const char *const names_1_2[KTLS_CIPHERS] = {
	[KTLS_AES_128_GCM] = "ECDHE-ECDSA-AES128-GCM-SHA256",
	[KTLS_AES_256_GCM] = "ECDHE-ECDSA-AES256-GCM-SHA384",
	[KTLS_CHACHA20_POLY1305] = "ECDHE-ECDSA-CHACHA20-POLY1305",
};
static const char *const names_1_3[KTLS_CIPHERS] = {
	[KTLS_AES_128_GCM] = "TLS_AES_128_GCM_SHA256",
	[KTLS_AES_256_GCM] = "TLS_AES_256_GCM_SHA384",
	[KTLS_CHACHA20_POLY1305] = "TLS_CHACHA20_POLY1305_SHA256",
};

/* --- a file in memory: ktls/ reads certificates from files --- */

struct memory_file {
	int fd;
	char path[32];
};

static int memory_file_open(struct memory_file *f)
{
	f->fd = memfd_create("ringpost-bench", MFD_CLOEXEC);
	if (f->fd < 0)
		return -errno;
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	return 0;
}

static bool write_certificate(int fd, X509 *cert)
{
	BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);
	bool ok = bio && cert && PEM_write_bio_X509(bio, cert);

	BIO_free(bio);
	return ok;
}

static bool write_key(int fd, EVP_PKEY *key)
{
	BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);
	bool ok = bio && key &&
		  PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);

	BIO_free(bio);
	return ok;
}

/* --- contexts --- */

static int make_openssl(SSL_CTX **out, bool server, enum ktls_version version,
			enum ktls_cipher cipher, char *error, size_t cap)
{
	bool old = version == KTLS_TLS_1_2;
	int number = old ? TLS1_2_VERSION : TLS1_3_VERSION;
	struct bench_tls_config config = {
		.min_version = number,
		.max_version = number,
		.cipher = old ? names_1_2[cipher] : NULL,
		.ciphersuites = old ? NULL : names_1_3[cipher],
		.tickets = TICKETS,
	};

	*out = server ? bench_tls_server(&config, error, cap)
		      : bench_tls_client(&config, error, cap);
	return *out ? 0 : -EINVAL;
}

static int make_ktls(struct ktls_ctx **out, enum ktls_role role,
		     enum ktls_version version, enum ktls_cipher cipher,
		     const struct ktls_cert_files *files, char *error,
		     size_t cap)
{
	bool old = version == KTLS_TLS_1_2;
	struct ktls_ctx_config config = {
		.role = role,
		.min_version = version,
		.max_version = version,
		.ciphers = old ? names_1_2[cipher] : NULL,
		.ciphersuites = old ? NULL : names_1_3[cipher],
		.certs = role == KTLS_SERVER ? files : NULL,
		.cert_count = role == KTLS_SERVER,
		/* Nothing is verified: any file will do, and one certificate
		 * is read faster than the system's store. */
		.ca_file = role == KTLS_CLIENT ? files->certificate : NULL,
		.tickets = TICKETS,
		.session_cache = SESSIONS_MAX,
	};
	struct ktls_error why = {""};
	int err = ktls_ctx_create(&config, out, &why);

	if (err)
		snprintf(error, cap, "%s", why.text);
	return err;
}

/* ringpost's context with the certificate that a server's SSL_CTX made. */
static int make_ktls_with(struct ktls_ctx **out, enum ktls_role role,
			  enum ktls_version version, enum ktls_cipher cipher,
			  SSL_CTX *from, char *error, size_t cap)
{
	struct memory_file cert = {.fd = -1}, key = {.fd = -1};
	struct ktls_cert_files files = {cert.path, key.path};
	int err = memory_file_open(&cert);

	if (!err)
		err = memory_file_open(&key);
	if (!err &&
	    (!write_certificate(cert.fd, SSL_CTX_get0_certificate(from)) ||
	     !write_key(key.fd, SSL_CTX_get0_privatekey(from))))
		err = -EIO;
	if (err)
		snprintf(error, cap, "a certificate in memory: %s",
			 strerror(-err));
	else
		err = make_ktls(out, role, version, cipher, &files, error, cap);
	if (cert.fd >= 0)
		close(cert.fd);
	if (key.fd >= 0)
		close(key.fd);
	return err;
}

static int make_context(struct tls_context *c, bool server,
			enum ktls_version version, enum ktls_cipher cipher,
			char *error, size_t cap)
{
	SSL_CTX *from = NULL;
	int err =
		make_openssl(&c->openssl, server, version, cipher, error, cap);

	if (!err && !server)
		err = make_openssl(&from, true, version, cipher, error, cap);
	if (!err)
		err = make_ktls_with(
			&c->ktls, server ? KTLS_SERVER : KTLS_CLIENT, version,
			cipher, from ? from : c->openssl, error, cap);
	SSL_CTX_free(from);
	return err;
}

static void context_free(struct tls_context *c)
{
	SSL_CTX_free(c->openssl);
	c->openssl = NULL;
	ktls_ctx_unref(&c->ktls);
}

const struct tls_context *tls_contexts_get(struct tls_contexts *contexts,
					   enum ktls_version version,
					   enum ktls_cipher cipher, char *error,
					   size_t cap)
{
	struct tls_context *c = &contexts->of[version][cipher];

	if (c->ktls)
		return c;
	if (make_context(c, contexts->server, version, cipher, error, cap)) {
		context_free(c);
		return NULL;
	}
	return c;
}

void tls_contexts_free(struct tls_contexts *contexts)
{
	for (int v = 0; v < KTLS_VERSIONS; v++) {
		for (int c = 0; c < KTLS_CIPHERS; c++)
			context_free(&contexts->of[v][c]);
	}
}
