/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSL_CTX: what all connections of a listener or of a delivery policy share.
 */
#include "ktls/ktls_ctx.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ktls/ktls_ctx_private.h"
#include "ktls/ktls_engine_private.h"
#include "ktls/ktls_error.h"

/* RFC 9325 section 4.2: forward secrecy and AEAD. AES-128 first: the kernel's
 * and the processor's fastest, and as strong as any use of it here needs. */
/* clang-format off */
#define DEFAULT_CIPHERS                                                        \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"           \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"           \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define DEFAULT_CIPHERSUITES                                                   \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"                       \
	"TLS_CHACHA20_POLY1305_SHA256"
/* clang-format on */

#define CIPHER_NAME_MAX 64
#define CERTS_MAX	1024
#define TICKETS_MAX	16

static int openssl_error(struct ktls_error *error, const char *what)
{
	char buf[160];

	return ktls_error_set(error, -EINVAL, "%s: %s", what,
			      ktls_error_openssl(buf, sizeof(buf)));
}

static int version_number(enum ktls_version version, int otherwise)
{
	switch (version) {
	case KTLS_TLS_1_2:
		return TLS1_2_VERSION;
	case KTLS_TLS_1_3:
		return TLS1_3_VERSION;
	case KTLS_VERSION_NONE:
	case KTLS_VERSIONS:
		break;
	}
	return otherwise;
}

static int set_versions(SSL_CTX *ssl, const struct ktls_ctx_config *config,
			struct ktls_error *error)
{
	int min = version_number(config->min_version, TLS1_2_VERSION);
	int max = version_number(config->max_version, TLS1_3_VERSION);

	if (min > max)
		return ktls_error_set(error, -EINVAL,
				      "the lowest TLS version is above the "
				      "highest; exchange them");
	if (!SSL_CTX_set_min_proto_version(ssl, min) ||
	    !SSL_CTX_set_max_proto_version(ssl, max))
		return openssl_error(error, "TLS versions");
	return 0;
}

/* OpenSSL passes over a name it does not know as long as another one is good;
 * a misspelled cipher must not vanish like that. */
static int check_cipher_names(SSL_CTX *ssl, const char *list,
			      struct ktls_error *error)
{
	char name[CIPHER_NAME_MAX];

	while (*list) {
		size_t len = strcspn(list, ":, ");
		size_t skip = strspn(list, "!-+");

		if (len > skip && list[0] != '@') {
			if (len - skip >= sizeof(name))
				return ktls_error_set(error, -EINVAL,
						      "cipher name too long: "
						      "%.*s",
						      (int)sizeof(name), list);
			memcpy(name, list + skip, len - skip);
			name[len - skip] = '\0';
			if (!SSL_CTX_set_cipher_list(ssl, name)) {
				ERR_clear_error();
				return ktls_error_set(
					error, -EINVAL,
					"unknown cipher \"%s\"; 'openssl "
					"ciphers -v' lists the known ones",
					name);
			}
		}
		list += len;
		list += strspn(list, ":, ");
	}
	return 0;
}

static int set_ciphers(SSL_CTX *ssl, const struct ktls_ctx_config *config,
		       struct ktls_error *error)
{
	const char *ciphers = config->ciphers, *suites = config->ciphersuites;
	int err = 0;

	if (ciphers)
		err = check_cipher_names(ssl, ciphers, error);
	if (err)
		return err;
	if (!SSL_CTX_set_cipher_list(ssl, ciphers ? ciphers : DEFAULT_CIPHERS))
		return openssl_error(error, "ciphers");
	if (!SSL_CTX_set_ciphersuites(ssl,
				      suites ? suites : DEFAULT_CIPHERSUITES)) {
		ERR_clear_error();
		return ktls_error_set(error, -EINVAL,
				      "unknown TLS 1.3 cipher suite in \"%s\"; "
				      "'openssl ciphers -s -tls1_3' lists the "
				      "known ones",
				      suites);
	}
	return 0;
}

static void set_options(SSL_CTX *ssl)
{
	SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* The system's openssl.cnf may have set these. A missing close_notify
	 * is an attack until proven otherwise; OpenSSL's own kernel TLS would
	 * look for a socket. */
	SSL_CTX_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF |
					   SSL_OP_ENABLE_KTLS |
					   SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	SSL_CTX_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ssl, 0);
	SSL_CTX_set_max_early_data(ssl, 0);
	SSL_CTX_set_recv_max_early_data(ssl, 0);
	SSL_CTX_set_dh_auto(ssl, 1);
	SSL_CTX_set_keylog_callback(ssl, ktls_engine_keylog);
	SSL_CTX_set_msg_callback(ssl, ktls_engine_message);
}

static int load_certs(struct ktls_ctx *ctx,
		      const struct ktls_ctx_config *config,
		      struct ktls_error *error)
{
	size_t n = config->cert_count;

	if (!n)
		return 0;
	if (n > CERTS_MAX)
		return ktls_error_set(error, -EINVAL,
				      "%zu certificates in one place; at most "
				      "%d fit",
				      n, CERTS_MAX);
	ctx->certs = calloc(n, sizeof(*ctx->certs));
	if (!ctx->certs)
		return ktls_error_set(error, -ENOMEM, "out of memory");
	for (; ctx->cert_count < n; ctx->cert_count++) {
		int err = ktls_cert_load(&config->certs[ctx->cert_count],
					 &ctx->certs[ctx->cert_count], error);

		if (err)
			return err;
	}
	return 0;
}

/* Every certificate is tried, so that a key which OpenSSL's security level
 * refuses shows at start; the first goes last and stays. */
static int use_certs(struct ktls_ctx *ctx, const struct ktls_ctx_config *config,
		     struct ktls_error *error)
{
	char buf[160];

	for (size_t i = ctx->cert_count; i-- > 0;) {
		const struct ktls_cert *cert = &ctx->certs[i];
		SSL *trial = SSL_new(ctx->ssl);
		int ok = trial &&
			 SSL_use_cert_and_key(trial, cert->leaf, cert->key,
					      cert->chain, 1) == 1;

		SSL_free(trial);
		if (ok && i == 0)
			ok = SSL_CTX_use_cert_and_key(ctx->ssl, cert->leaf,
						      cert->key, cert->chain,
						      1) == 1;
		if (!ok)
			return ktls_error_set(
				error, -EINVAL,
				"%s: OpenSSL refuses the certificate: %s; a "
				"bigger key or a newer signature mends it",
				config->certs[i].certificate,
				ktls_error_openssl(buf, sizeof(buf)));
	}
	return 0;
}

/* SSL_CTX's slots are by key type: one RSA, one ECDSA... All that fit the name
 * are given, and none of the default's, so that OpenSSL picks the right type of
 * the right name. */
static bool use_named_certs(const struct ktls_ctx *ctx, SSL *ssl,
			    const char *name)
{
	bool found = false;

	for (size_t i = ctx->cert_count; i-- > 0;) {
		const struct ktls_cert *cert = &ctx->certs[i];

		if (!ktls_cert_names(cert, name))
			continue;
		if (!found)
			SSL_certs_clear(ssl);
		found = true;
		SSL_use_cert_and_key(ssl, cert->leaf, cert->key, cert->chain,
				     1);
	}
	return found;
}

/* RFC 6066 section 3. An unknown name gets the default certificate: a mail
 * server is known by many names, and the client decides. */
static int choose_by_name(SSL *ssl, int *alert, void *arg)
{
	const struct ktls_ctx *ctx = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (!name || !*name || !use_named_certs(ctx, ssl, name))
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL's own ticket keys would live as long as the context. */
static int set_up_tickets(struct ktls_ctx *ctx,
			  const struct ktls_ctx_config *config,
			  struct ktls_error *error)
{
	uint64_t lifetime = config->ticket_key_lifetime;

	if (!lifetime)
		lifetime = (uint64_t)SSL_CTX_get_timeout(ctx->ssl);
	ctx->tickets = ktls_tickets_create(lifetime, config->clock);
	if (!ctx->tickets)
		return ktls_error_set(error, -ENOMEM, "out of memory");
	if (ktls_tickets_use(ctx->ssl, ctx->tickets) < 0)
		return openssl_error(error, "session tickets");
	return 0;
}

static int set_up_server(struct ktls_ctx *ctx,
			 const struct ktls_ctx_config *config,
			 struct ktls_error *error)
{
	static const unsigned char id[] = "ringpost";

	if (!ctx->cert_count)
		return ktls_error_set(
			error, -EINVAL,
			"a TLS server needs a certificate and its "
			"key; name both files");
	if (config->tickets > TICKETS_MAX)
		return ktls_error_set(error, -EINVAL,
				      "%u tickets per handshake are too many; "
				      "at most %d",
				      config->tickets, TICKETS_MAX);
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx->ssl, id, sizeof(id) - 1);
	SSL_CTX_set_num_tickets(ctx->ssl, config->tickets);
	SSL_CTX_set_tlsext_servername_callback(ctx->ssl, choose_by_name);
	SSL_CTX_set_tlsext_servername_arg(ctx->ssl, ctx);
	if (config->tickets)
		return set_up_tickets(ctx, config, error);
	SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_TICKET);
	return 0;
}

static int set_anchors(SSL_CTX *ssl, const struct ktls_ctx_config *config,
		       struct ktls_error *error)
{
	const char *file = config->ca_file, *dir = config->ca_dir;
	struct stat st;
	char buf[160];

	if (!file && !dir) {
		if (!SSL_CTX_set_default_verify_paths(ssl))
			return openssl_error(error, "system trust anchors");
		return 0;
	}
	if (file && stat(file, &st) < 0)
		return ktls_error_set(error, -errno,
				      "%s: cannot open the trust anchors: %s; "
				      "give a PEM file of CA certificates",
				      file, strerror(errno));
	if (file && !SSL_CTX_load_verify_file(ssl, file))
		return ktls_error_set(error, -EINVAL,
				      "%s: no trust anchor can be read from it "
				      "(%s); give a PEM file of CA "
				      "certificates",
				      file,
				      ktls_error_openssl(buf, sizeof(buf)));
	if (dir && (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)))
		return ktls_error_set(error, -ENOTDIR,
				      "%s: not a folder; give one of CA "
				      "certificates, hashed by 'openssl "
				      "rehash'",
				      dir);
	if (dir && !SSL_CTX_load_verify_dir(ssl, dir))
		return openssl_error(error, dir);
	return 0;
}

static int set_up_client(struct ktls_ctx *ctx,
			 const struct ktls_ctx_config *config,
			 struct ktls_error *error)
{
	if (ctx->cert_count > 1)
		return ktls_error_set(error, -EINVAL,
				      "a TLS client shows one certificate, not "
				      "%zu; leave the others out",
				      ctx->cert_count);
	if (!config->session_cache) {
		SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_TICKET);
		return set_anchors(ctx->ssl, config, error);
	}
	ctx->sessions = ktls_sessions_create(config->session_cache);
	if (!ctx->sessions)
		return ktls_error_set(error, -ENOMEM, "out of memory");
	SSL_CTX_set_session_cache_mode(
		ctx->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx->ssl, ktls_engine_new_session);
	return set_anchors(ctx->ssl, config, error);
}

static int set_up(struct ktls_ctx *ctx, const struct ktls_ctx_config *config,
		  struct ktls_error *error)
{
	bool server = config->role == KTLS_SERVER;
	int err;

	ctx->role = config->role;
	ctx->ssl =
		SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	ctx->bio = ktls_engine_bio_method();
	if (!ctx->ssl || !ctx->bio)
		return openssl_error(error, "OpenSSL cannot start");
	set_options(ctx->ssl);
	err = set_versions(ctx->ssl, config, error);
	if (!err)
		err = set_ciphers(ctx->ssl, config, error);
	if (!err)
		err = load_certs(ctx, config, error);
	if (!err)
		err = use_certs(ctx, config, error);
	if (err)
		return err;
	return server ? set_up_server(ctx, config, error)
		      : set_up_client(ctx, config, error);
}

int ktls_ctx_create(const struct ktls_ctx_config *config, struct ktls_ctx **out,
		    struct ktls_error *error)
{
	struct ktls_ctx *ctx = calloc(1, sizeof(*ctx));
	int err;

	*out = NULL;
	if (!ctx)
		return ktls_error_set(error, -ENOMEM, "out of memory");
	atomic_init(&ctx->refs, 1);
	ERR_clear_error();
	err = set_up(ctx, config, error);
	ERR_clear_error();
	if (err)
		ktls_ctx_unref(&ctx);
	*out = ctx;
	return err;
}

struct ktls_ctx *ktls_ctx_ref(struct ktls_ctx *ctx)
{
	unsigned before = atomic_fetch_add(&ctx->refs, 1);

	assert(before > 0);
	return ctx;
}

void ktls_ctx_unref(struct ktls_ctx **ctx)
{
	struct ktls_ctx *gone = *ctx;
	unsigned before;

	*ctx = NULL;
	if (!gone)
		return;
	before = atomic_fetch_sub(&gone->refs, 1);
	assert(before > 0);
	if (before > 1)
		return;
	SSL_CTX_free(gone->ssl);
	BIO_meth_free(gone->bio);
	for (size_t i = 0; i < gone->cert_count; i++)
		ktls_cert_free(&gone->certs[i]);
	free(gone->certs);
	ktls_sessions_free(&gone->sessions);
	ktls_tickets_free(&gone->tickets);
	free(gone);
}

enum ktls_role ktls_ctx_role(const struct ktls_ctx *ctx)
{
	return ctx->role;
}

void ktls_ctx_stats(struct ktls_ctx *ctx, struct ktls_ctx_stats *out)
{
	memset(out, 0, sizeof(*out));
	if (ctx->sessions)
		ktls_sessions_stats(ctx->sessions, out);
}
