/* SPDX-License-Identifier: Apache-2.0 */
/* Body hashes by libcrypto and libxxhash; see bench_hash.h. */
#include "bench/bench_hash.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <xxhash.h>

struct bench_hash {
	enum bench_hash_kind kind;
	EVP_MD_CTX *sha;   /* owned; only for SHA-256 */
	EVP_MD *md;	   /* owned; fetched once, a lookup costs 1 us */
	XXH3_state_t *xxh; /* owned; only for xxh3 */
};

static int hash_setup(struct bench_hash *h)
{
	switch (h->kind) {
	case BENCH_HASH_SHA256:
		h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
		h->sha = EVP_MD_CTX_new();
		return h->md && h->sha ? 0 : -ENOMEM;
	case BENCH_HASH_XXH3:
		h->xxh = XXH3_createState();
		return h->xxh ? 0 : -ENOMEM;
	case BENCH_HASH_NONE:
		return 0;
	}
	return -EINVAL;
}

struct bench_hash *bench_hash_new(enum bench_hash_kind kind)
{
	struct bench_hash *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->kind = kind;
	if (hash_setup(h)) {
		bench_hash_free(h);
		return NULL;
	}
	return h;
}

void bench_hash_free(struct bench_hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->sha);
	EVP_MD_free(h->md);
	XXH3_freeState(h->xxh);
	free(h);
}

void bench_hash_start(struct bench_hash *h)
{
	if (h->sha && EVP_DigestInit_ex2(h->sha, h->md, NULL) != 1)
		abort(); /* only memory can fail, and a wrong hash is worse */
	if (h->xxh)
		XXH3_64bits_reset(h->xxh);
}

void bench_hash_add(struct bench_hash *h, const void *data, size_t len)
{
	if (h->sha && EVP_DigestUpdate(h->sha, data, len) != 1)
		abort();
	if (h->xxh)
		XXH3_64bits_update(h->xxh, data, len);
}

static void put_hex(const uint8_t *bytes, size_t len, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}

void bench_hash_text(struct bench_hash *h, char text[BENCH_HASH_TEXT])
{
	uint8_t bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (h->sha) {
		if (EVP_DigestFinal_ex(h->sha, bytes, &len) != 1)
			abort();
		assert(len == 32);
	} else if (h->xxh) {
		XXH64_canonical_t canonical;

		XXH64_canonicalFromHash(&canonical, XXH3_64bits_digest(h->xxh));
		len = sizeof(canonical.digest);
		memcpy(bytes, canonical.digest, len);
	} else {
		strcpy(text, "-");
		return;
	}
	put_hex(bytes, len, text);
}

int bench_hash_opt(const char *text, void *field)
{
	enum bench_hash_kind *kind = field;

	if (!strcmp(text, "sha256"))
		*kind = BENCH_HASH_SHA256;
	else if (!strcmp(text, "xxh3"))
		*kind = BENCH_HASH_XXH3;
	else if (!strcmp(text, "none"))
		*kind = BENCH_HASH_NONE;
	else
		return -EINVAL;
	return 0;
}
