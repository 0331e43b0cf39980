/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL contexts and the throw-away certificate; see bench_tls.h. */
#include "bench/bench_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static void explain(char *error, size_t cap, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	snprintf(error, cap, "%s: %s", what, reason ? reason : "failed");
	ERR_clear_error();
}

static int add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int ok = ext && X509_add_ext(cert, ext, -1);

	X509_EXTENSION_free(ext);
	return ok;
}

static X509 *self_signed(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;

	if (name && X509_set_version(cert, X509_VERSION_3) &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), 30L * 86400) &&
	    X509_set_pubkey(cert, key) &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				       (const unsigned char *)"ringpost-bench",
				       -1, -1, 0) &&
	    X509_set_issuer_name(cert, name) &&
	    add_extension(cert, NID_subject_alt_name,
			  "DNS:localhost,IP:127.0.0.1,IP:::1") &&
	    X509_sign(cert, key, EVP_sha256()))
		return cert;
	X509_free(cert);
	return NULL;
}

static int use_throw_away(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? self_signed(key) : NULL;
	int ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1 &&
		 SSL_CTX_use_PrivateKey(ctx, key) == 1;

	X509_free(cert);
	EVP_PKEY_free(key);
	return ok;
}

static int use_files(SSL_CTX *ctx, const struct bench_tls_config *config)
{
	const char *key = config->key ? config->key : config->certificate;

	return SSL_CTX_use_certificate_chain_file(ctx, config->certificate) ==
		       1 &&
	       SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 &&
	       SSL_CTX_check_private_key(ctx) == 1;
}

static int use_limits(SSL_CTX *ctx, const struct bench_tls_config *config)
{
	int min = config->min_version ? config->min_version : TLS1_2_VERSION;

	if (config->cipher && SSL_CTX_set_cipher_list(ctx, config->cipher) != 1)
		return 0;
	if (config->ciphersuites &&
	    SSL_CTX_set_ciphersuites(ctx, config->ciphersuites) != 1)
		return 0;
	/* Big reads: one read(2) for several records. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 64 * 1024);
	SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
	/* The witness never takes the path under test. */
	SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_KTLS);
	return SSL_CTX_set_min_proto_version(ctx, min) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, config->max_version) == 1;
}

static SSL_CTX *refuse(SSL_CTX *ctx, const char *what, char *error, size_t cap)
{
	explain(error, cap, what);
	SSL_CTX_free(ctx);
	return NULL;
}

SSL_CTX *bench_tls_server(const struct bench_tls_config *config, char *error,
			  size_t cap)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || !use_limits(ctx, config))
		return refuse(ctx, "TLS settings", error, cap);
	if (config->certificate ? !use_files(ctx, config)
				: !use_throw_away(ctx))
		return refuse(ctx, "certificate and key", error, cap);
	if (config->tickets >= 0)
		SSL_CTX_set_num_tickets(ctx, (size_t)config->tickets);
	if (config->tickets == 0)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	return ctx;
}

SSL_CTX *bench_tls_client(const struct bench_tls_config *config, char *error,
			  size_t cap)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || !use_limits(ctx, config))
		return refuse(ctx, "TLS settings", error, cap);
	if (config->ca) {
		if (SSL_CTX_load_verify_file(ctx, config->ca) != 1)
			return refuse(ctx, config->ca, error, cap);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	return ctx;
}

static void see_message(int write_p, int version, int content_type,
			const void *buf, size_t len, SSL *ssl, void *arg)
{
	struct bench_tls_seen *seen = arg;
	const unsigned char *message = buf;

	if (write_p || content_type != SSL3_RT_HANDSHAKE || !len)
		return;
	if (message[0] == SSL3_MT_KEY_UPDATE)
		atomic_fetch_add(&seen->key_updates, 1);
	else if (message[0] == SSL3_MT_NEWSESSION_TICKET)
		atomic_fetch_add(&seen->tickets, 1);
}

void bench_tls_watch(SSL_CTX *ctx, struct bench_tls_seen *seen)
{
	SSL_CTX_set_msg_callback(ctx, see_message);
	SSL_CTX_set_msg_callback_arg(ctx, seen);
}

int bench_tls_mode_opt(const char *text, void *field)
{
	enum bench_tls_mode *mode = field;

	if (!strcmp(text, "none"))
		*mode = BENCH_TLS_NONE;
	else if (!strcmp(text, "starttls"))
		*mode = BENCH_TLS_STARTTLS;
	else if (!strcmp(text, "implicit"))
		*mode = BENCH_TLS_IMPLICIT;
	else
		return -EINVAL;
	return 0;
}

int bench_tls_version_opt(const char *text, void *field)
{
	struct bench_tls_config *config =
		(void *)((char *)field -
			 offsetof(struct bench_tls_config, min_version));

	if (!strcmp(text, "1.2")) {
		config->min_version = config->max_version = TLS1_2_VERSION;
	} else if (!strcmp(text, "1.3")) {
		config->min_version = config->max_version = TLS1_3_VERSION;
	} else if (!strcmp(text, "1.2-1.3")) {
		config->min_version = TLS1_2_VERSION;
		config->max_version = TLS1_3_VERSION;
	} else {
		return -EINVAL;
	}
	return 0;
}

const char *bench_tls_mode_name(enum bench_tls_mode mode)
{
	switch (mode) {
	case BENCH_TLS_NONE:
		return "none";
	case BENCH_TLS_STARTTLS:
		return "starttls";
	case BENCH_TLS_IMPLICIT:
		return "implicit";
	}
	return "?";
}
