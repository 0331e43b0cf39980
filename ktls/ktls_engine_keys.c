/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the secrets that OpenSSL logged to keys in the kernel's form.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/objects.h>
#include <string.h>

#include "ktls/ktls_engine_private.h"

static enum ktls_cipher cipher_of(const SSL_CIPHER *cipher)
{
	switch (SSL_CIPHER_get_cipher_nid(cipher)) {
	case NID_aes_128_gcm:
		return KTLS_AES_128_GCM;
	case NID_aes_256_gcm:
		return KTLS_AES_256_GCM;
	case NID_chacha20_poly1305:
		return KTLS_CHACHA20_POLY1305;
	default:
		return KTLS_CIPHER_OTHER;
	}
}

void ktls_engine_agreed(const struct ktls_engine *engine,
			enum ktls_version *version, enum ktls_cipher *cipher)
{
	const SSL_CIPHER *suite = SSL_get_current_cipher(engine->ssl);

	*version = KTLS_VERSION_NONE;
	if (SSL_version(engine->ssl) == TLS1_3_VERSION)
		*version = KTLS_TLS_1_3;
	else if (SSL_version(engine->ssl) == TLS1_2_VERSION)
		*version = KTLS_TLS_1_2;
	*cipher = suite ? cipher_of(suite) : KTLS_CIPHER_OTHER;
}

static const char *hash_of(const struct ktls_engine *engine)
{
	const SSL_CIPHER *suite = SSL_get_current_cipher(engine->ssl);
	const EVP_MD *md =
		suite ? SSL_CIPHER_get_handshake_digest(suite) : NULL;

	return md && EVP_MD_get_type(md) == NID_sha384 ? "SHA384" : "SHA256";
}

void ktls_engine_forget(struct ktls_engine *engine)
{
	for (int dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		struct engine_dir *d = &engine->dir[dir];

		OPENSSL_cleanse(d->secret, sizeof(d->secret));
		d->secret_len = 0;
		ktls_keys_wipe(&d->tls12);
	}
	OPENSSL_cleanse(engine->master, sizeof(engine->master));
	engine->have_master = false;
}

static void settle_tls12(struct ktls_engine *engine, enum ktls_cipher cipher)
{
	unsigned char client_random[32], server_random[32];
	struct ktls_keys keys[KTLS_DIRECTIONS];
	int err = -ENOTSUP;

	SSL_get_client_random(engine->ssl, client_random, 32);
	SSL_get_server_random(engine->ssl, server_random, 32);
	if (engine->have_master)
		err = ktls_keys_tls12(cipher, hash_of(engine), engine->master,
				      client_random, server_random,
				      ktls_ctx_role(engine->ctx), keys);
	ktls_engine_forget(engine);
	if (!err) {
		engine->dir[KTLS_TX].tls12 = keys[KTLS_TX];
		engine->dir[KTLS_RX].tls12 = keys[KTLS_RX];
	}
	OPENSSL_cleanse(keys, sizeof(keys));
}

void ktls_engine_settle(struct ktls_engine *engine)
{
	enum ktls_version version;
	enum ktls_cipher cipher;

	ktls_engine_agreed(engine, &version, &cipher);
	if (cipher == KTLS_CIPHER_OTHER || version == KTLS_VERSION_NONE)
		ktls_engine_forget(engine);
	else if (version == KTLS_TLS_1_2)
		settle_tls12(engine, cipher);
}

void ktls_engine_rotate(struct ktls_engine *engine, enum ktls_direction dir)
{
	struct engine_dir *d = &engine->dir[dir];
	struct ktls_keys now, next;
	enum ktls_version version;
	enum ktls_cipher cipher;
	int err;

	d->records = 0;
	if (!d->secret_len)
		return;
	ktls_engine_agreed(engine, &version, &cipher);
	err = ktls_keys_tls13(cipher, hash_of(engine), d->secret, d->secret_len,
			      &now);
	if (!err) {
		err = ktls_keys_next(hash_of(engine), &now, &next);
		ktls_keys_wipe(&now);
	}
	/* Without the next secret this direction just stays in OpenSSL. */
	OPENSSL_cleanse(d->secret, sizeof(d->secret));
	d->secret_len = 0;
	if (!err) {
		memcpy(d->secret, next.secret, next.secret_len);
		d->secret_len = next.secret_len;
		ktls_keys_wipe(&next);
	}
}

/* The kernel sends iv as the explicit nonce and counts it up. OpenSSL began at
 * a random place: going on from there is what keeps a nonce from ever being
 * used twice under one key (RFC 5288 section 3). */
static void continue_nonce(const struct ktls_engine *engine,
			   struct ktls_keys *keys)
{
	unsigned char *nonce = keys->iv + 4;

	memcpy(nonce, engine->out_record.nonce, 8);
	for (int i = 7; i >= 0; i--)
		if (++nonce[i] != 0)
			break;
}

int ktls_engine_keys(struct ktls_engine *engine, enum ktls_direction dir,
		     struct ktls_keys *out)
{
	struct engine_dir *d = &engine->dir[dir];
	enum ktls_version version;
	enum ktls_cipher cipher;
	int err = 0;

	assert((unsigned)dir < KTLS_DIRECTIONS);
	memset(out, 0, sizeof(*out));
	if (engine->state != ENGINE_OPEN)
		return -ENOTSUP;
	ktls_engine_agreed(engine, &version, &cipher);
	if (version == KTLS_TLS_1_3 && d->secret_len)
		err = ktls_keys_tls13(cipher, hash_of(engine), d->secret,
				      d->secret_len, out);
	else if (version == KTLS_TLS_1_2 && d->tls12.version == KTLS_TLS_1_2)
		*out = d->tls12;
	else
		return -ENOTSUP;
	if (err)
		return -ENOTSUP;
	out->seq = d->records;
	if (version == KTLS_TLS_1_2 && dir == KTLS_TX &&
	    cipher != KTLS_CHACHA20_POLY1305)
		continue_nonce(engine, out);
	return 0;
}
