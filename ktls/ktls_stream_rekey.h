/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing keys (KeyUpdate, RFC 8446 sections 4.6.3 and 7.2) of a stream whose
 * keys are in the kernel, and how much a key has been used (section 5.5).
 *
 * A kernel that can rekey (mainline 6.14) wants, behind the peer's KeyUpdate,
 * TLS_RX with the next keys before it gives anything more, and behind ours
 * TLS_TX before anything more is sent; both begin with sequence number 0.
 * For that the current traffic secrets are kept, and only for that.
 */
#ifndef KTLS_KTLS_STREAM_REKEY_H
#define KTLS_KTLS_STREAM_REKEY_H

#include <stdbool.h>
#include <stdint.h>

#include "ktls/ktls_keys.h"

struct ktls_stream_private;

/* One direction's traffic secret, as far as the kernel has it and can change
 * it; len 0: not. */
struct kstream_secret {
	unsigned char bytes[KTLS_SECRET_MAX];
	uint8_t len;
};

/* Exists only where the kernel can rekey. */
struct kstream_rekey {
	struct kstream_secret secret[KTLS_DIRECTIONS];
	bool due;	    /* a KeyUpdate has to go out before anything else */
	bool ask;	    /* ... and shall ask for the peer's */
	bool renewed;	    /* RX: an EKEYEXPIRED may still be on its way */
	uint8_t message[5]; /* in flight */
};

/* What a direction's current key has done. */
struct kstream_use {
	uint64_t records; /* of full size, rounded up */
	uint32_t renewed; /* changes of the key so far */
	bool asked;	  /* RX: the peer was asked to change it */
};

/* kstream_rekey_keep() - @keys went into the kernel; their secret is kept when
 * it will be of use. */
void kstream_rekey_keep(struct ktls_stream_private *p, enum ktls_direction dir,
			const struct ktls_keys *keys);
void kstream_rekey_free(struct ktls_stream_private *p); /* wipes */

/* kstream_rekey_count() - @bytes of application data went by under the
 * kernel's key. */
void kstream_rekey_count(struct ktls_stream_private *p, enum ktls_direction dir,
			 uint64_t bytes);
/* kstream_rekey_limits() - asks for new keys in time. */
void kstream_rekey_limits(struct ktls_stream_private *p);
/* kstream_rekey_worn() - a key that can't be changed has done its share. */
bool kstream_rekey_worn(const struct ktls_stream_private *p);

/* kstream_rekey_expired() - receiving ended with EKEYEXPIRED; true: the keys
 * behind it are there already. */
bool kstream_rekey_expired(struct ktls_stream_private *p);

#endif
