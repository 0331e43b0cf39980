/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words shared by the whole folder: versions, ciphers, directions, reasons.
 *
 * Nothing in ktls/ logs, exits or keeps globals. OpenSSL's headers are
 * included by .c files of this folder only.
 */
#ifndef KTLS_KTLS_TYPES_H
#define KTLS_KTLS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ktls_role { KTLS_CLIENT, KTLS_SERVER };

/* Seen from our end: TX encrypts what we send, RX decrypts what we get. */
enum ktls_direction { KTLS_TX, KTLS_RX, KTLS_DIRECTIONS };

enum ktls_version { KTLS_VERSION_NONE, KTLS_TLS_1_2, KTLS_TLS_1_3, KTLS_VERSIONS };

/* The AEADs that the kernel and we know (RFC 5288, 7905, 8446). */
enum ktls_cipher {
	KTLS_CIPHER_OTHER, /* a suite that stays in OpenSSL */
	KTLS_AES_128_GCM,
	KTLS_AES_256_GCM,
	KTLS_CHACHA20_POLY1305,
	KTLS_CIPHERS
};

/* Record content types, RFC 8446 section 5.1. */
enum ktls_content_type {
	KTLS_CHANGE_CIPHER_SPEC = 20,
	KTLS_ALERT = 21,
	KTLS_HANDSHAKE = 22,
	KTLS_APPLICATION_DATA = 23,
};

#define KTLS_RECORD_HEADER 5
#define KTLS_RECORD_MAX	   16384		   /* plaintext, RFC 8446 5.1 */
#define KTLS_RECORD_WIRE_MAX (16384 + 2048)	   /* RFC 5246 6.2.3; 1.3: +256 */
#define KTLS_RECORD_EXTRA    64 /* beside the plaintext: header, nonce, tag */

/* Whether the owner wants keys in the kernel. REKEYS: no, for this peer is
 * known to change keys (RFC 8446 section 4.6.3) in ways it can't follow. */
enum ktls_offload {
	KTLS_OFFLOAD_AUTO,
	KTLS_OFFLOAD_ALWAYS,
	KTLS_OFFLOAD_NEVER,
	KTLS_OFFLOAD_REKEYS,
};

/* Why a direction is not in the kernel; "why not kTLS" always has a name.
 * ktls_reason_name() gives the short word for logs and metrics,
 * ktls_reason_text() a sentence for an operator. */
enum ktls_reason {
	KTLS_REASON_NONE,	  /* it is in the kernel */
	KTLS_REASON_POLICY,	  /* offload: never */
	KTLS_REASON_REKEYS,	  /* the peer changes keys, see KTLS_OFFLOAD_REKEYS */
	KTLS_REASON_FEW_BYTES,	  /* offload: auto, and it would not pay */
	KTLS_REASON_NO_ULP,	  /* TCP_ULP "tls" refused: module not loaded or not built */
	KTLS_REASON_NO_CIPHER,	  /* kernel lacks cipher x version x direction */
	KTLS_REASON_CIPHER_OTHER, /* the negotiated suite has no kernel form */
	KTLS_REASON_VERSION,	  /* neither TLS 1.2 nor 1.3 */
	KTLS_REASON_RECORD_SIZE,  /* peer asked for smaller records (RFC 8449, 6066) */
	KTLS_REASON_PENDING,	  /* decrypted bytes still in OpenSSL */
	KTLS_REASON_SETSOCKOPT,	  /* setsockopt failed (errno beside it) */
	KTLS_REASON_NOT_YET,	  /* client RX before the first reply */
	KTLS_REASON_PLAIN,	  /* no TLS on this connection */
	KTLS_REASONS
};

const char *ktls_role_name(enum ktls_role);
const char *ktls_version_name(enum ktls_version); /* "TLSv1.3" */
const char *ktls_cipher_name(enum ktls_cipher);	  /* "AES-128-GCM" */
const char *ktls_direction_name(enum ktls_direction); /* "tx" */
const char *ktls_reason_name(enum ktls_reason);	  /* "no_ulp" */
const char *ktls_reason_text(enum ktls_reason);
/* ktls_alert_name() - RFC 8446 section 6 description, "unknown alert" else. */
const char *ktls_alert_name(uint8_t description);

#endif
