/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency keys: which message a key has made, for a day.  They are in
 * memory and in a file, which is synced before anybody hears of the message.
 * Not thread-safe but where it says so.
 */
#ifndef GATEWAY_INJECT_INJECT_KEYS_H
#define GATEWAY_INJECT_INJECT_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/log/log.h"

#define INJECT_KEYS_MAX	    50000 /* the oldest go first */
#define INJECT_KEYS_SECONDS 86400

struct inject_keys;

enum inject_key_state {
	INJECT_KEY_NEW,	  /* claimed: settle or drop it */
	INJECT_KEY_BUSY,  /* a request with it is under way */
	INJECT_KEY_DONE,  /* it has made the message @id */
	INJECT_KEY_OTHER, /* it has, of another request */
};

/* inject_keys_open() - @file is made when missing; what is damaged or old in it
 * is left out. @out returned owned. 0 or -errno. */
int inject_keys_open(const char *file, struct inject_keys **out);
void inject_keys_close(struct inject_keys **keys);

/* Thread-safe. @key, @body: any octets; only their digests are kept.
 * @now: seconds since 1970. */
enum inject_key_state inject_keys_claim(struct inject_keys *keys,
					const char *key, const char *body,
					size_t len, uint64_t now,
					char id[LOG_ID_SIZE]);
/* inject_keys_settle() - a claimed key has made message @id; NULL: none, it is
 * free again. 0, or -errno: it is known until the next start only. */
int inject_keys_settle(struct inject_keys *keys, const char *key,
		       const char *id, uint64_t now);

#endif
