/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two keys: the one that seals, and the one before it, which only opens.
 * Tickets are as RFC 5077 section 4 recommends: AES-256-CBC, HMAC-SHA-256.
 */
#include "ktls/ktls_tickets.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	NAME_SIZE = 16, /* RFC 5077 section 4; OpenSSL's callback */
	IV_SIZE = 16,
	CIPHER_KEY_SIZE = 32,
	MAC_KEY_SIZE = 32,
	KEYS = 2,
};

struct key {
	bool there;
	uint64_t since; /* seconds: sealing began */
	unsigned char name[NAME_SIZE];
	unsigned char cipher[CIPHER_KEY_SIZE], mac[MAC_KEY_SIZE];
};

struct ktls_tickets {
	pthread_mutex_t lock;
	uint64_t lifetime;
	uint64_t (*clock)(void);
	struct key keys[KEYS]; /* [0] seals */
};

static uint64_t seconds_since_boot(void)
{
	struct timespec now;

	/* A machine that slept was not safe meanwhile. */
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec;
}

struct ktls_tickets *ktls_tickets_create(uint64_t lifetime,
					 uint64_t (*clock)(void))
{
	struct ktls_tickets *tickets = calloc(1, sizeof(*tickets));

	assert(lifetime > 0);
	if (!tickets)
		return NULL;
	pthread_mutex_init(&tickets->lock, NULL);
	tickets->lifetime = lifetime;
	tickets->clock = clock ? clock : seconds_since_boot;
	return tickets;
}

void ktls_tickets_free(struct ktls_tickets **tickets)
{
	if (!*tickets)
		return;
	pthread_mutex_destroy(&(*tickets)->lock);
	OPENSSL_cleanse((*tickets)->keys, sizeof((*tickets)->keys));
	free(*tickets);
	*tickets = NULL;
}

static bool make_key(struct key *key, uint64_t now)
{
	*key = (struct key){.there = true, .since = now};
	if (RAND_bytes(key->name, sizeof(key->name)) == 1 &&
	    RAND_priv_bytes(key->cipher, sizeof(key->cipher)) == 1 &&
	    RAND_priv_bytes(key->mac, sizeof(key->mac)) == 1)
		return true;
	OPENSSL_cleanse(key, sizeof(*key));
	return false;
}

/* Move on to what the time is. */
static void age(struct ktls_tickets *tickets, uint64_t now)
{
	struct key *keys = tickets->keys;

	if (keys[0].there && now - keys[0].since >= tickets->lifetime) {
		keys[1] = keys[0];
		OPENSSL_cleanse(&keys[0], sizeof(keys[0]));
	}
	/* Sealed for one lifetime, opened for another. */
	if (keys[1].there && now - keys[1].since >= 2 * tickets->lifetime)
		OPENSSL_cleanse(&keys[1], sizeof(keys[1]));
}

/* The key that opens a ticket; NULL: none does any more. */
static const struct key *find_key(const struct ktls_tickets *tickets,
				  const unsigned char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (tickets->keys[i].there &&
		    memcmp(tickets->keys[i].name, name, NAME_SIZE) == 0)
			return &tickets->keys[i];
	return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, const struct key *key)
{
	/* OpenSSL's parameters are not const, but it only reads them. */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
						  (void *)(uintptr_t)key->mac,
						  sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL's answers: -1 failure, 0 no ticket, 1 fine. */
static int seal(struct ktls_tickets *tickets, uint64_t now, unsigned char *name,
		unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct key *key = &tickets->keys[0];

	if (!key->there && !make_key(key, now))
		return -1;
	if (RAND_bytes(iv, IV_SIZE) != 1)
		return -1;
	memcpy(name, key->name, NAME_SIZE);
	return EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher, iv,
				   NULL) == 1 &&
			       set_mac(mac, key)
		       ? 1
		       : -1;
}

/* 2: fine, and the client gets a new one: where the key is old, and always in
 * TLS 1.3, whose tickets serve once (RFC 8446 appendix C.4). */
static int open_ticket(struct ktls_tickets *tickets, bool once,
		       const unsigned char *name, const unsigned char *iv,
		       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	const struct key *key = find_key(tickets, name);

	if (!key)
		return 0;
	if (!set_mac(mac, key) ||
	    EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher, iv,
				NULL) != 1)
		return -1;
	return once || key != &tickets->keys[0] ? 2 : 1;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	struct ktls_tickets *tickets =
		SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	bool once = SSL_version(ssl) >= TLS1_3_VERSION;
	uint64_t now = tickets->clock();
	int result;

	pthread_mutex_lock(&tickets->lock);
	age(tickets, now);
	result = sealing ? seal(tickets, now, name, iv, cipher, mac)
			 : open_ticket(tickets, once, name, iv, cipher, mac);
	pthread_mutex_unlock(&tickets->lock);
	return result;
}

int ktls_tickets_use(SSL_CTX *ssl, struct ktls_tickets *tickets)
{
	if (!SSL_CTX_set_app_data(ssl, tickets) ||
	    !SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket))
		return -EINVAL;
	return 0;
}

unsigned ktls_tickets_keys(struct ktls_tickets *tickets)
{
	unsigned count = 0;

	pthread_mutex_lock(&tickets->lock);
	for (size_t i = 0; i < KEYS; i++)
		count += tickets->keys[i].there;
	pthread_mutex_unlock(&tickets->lock);
	return count;
}
