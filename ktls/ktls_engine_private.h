/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine holds, and its OpenSSL callbacks. Private to ktls/.
 */
#ifndef KTLS_KTLS_ENGINE_PRIVATE_H
#define KTLS_KTLS_ENGINE_PRIVATE_H

#include <openssl/ssl.h>

#include "ktls/ktls_buf.h"
#include "ktls/ktls_ctx_private.h"
#include "ktls/ktls_engine.h"

/* A handshake's flood guard: more than any honest certificate chain takes. */
#define KTLS_HANDSHAKE_BYTES_MAX   (256 * 1024)
#define KTLS_HANDSHAKE_RECORDS_MAX 1024

/* KeyUpdates received without data in between: each costs us new keys, and an
 * answer if it asks for one. */
#define KTLS_KEY_UPDATES_MAX 64

/* User-space records: what may wait on either side of OpenSSL. */
#define KTLS_IN_MAX	   (1024 * 1024)
#define KTLS_OUT_BYTES_MAX (1024 * 1024)

enum engine_state {
	ENGINE_NEW,	  /* created; start not called */
	ENGINE_HANDSHAKE, /* records are fed one by one */
	ENGINE_OPEN,	  /* handshake done, application data */
	ENGINE_CLOSED,	  /* close_notify received; may still write */
	ENGINE_FAILED,	  /* nothing works any more but the output */
};

/* One direction's secret and how far its records have been counted. */
struct engine_dir {
	/* TLS 1.3: the current application traffic secret; wiped when the
	 * suite turns out to have no kernel form. */
	unsigned char secret[KTLS_SECRET_MAX];
	size_t secret_len;
	uint64_t records; /* under the current keys */
	/* TLS 1.2: the keys, derived when the handshake ended so that the
	 * master secret need not be kept. */
	struct ktls_keys tls12;
};

/* Where in the records the output is, and the last one's first bytes. */
struct engine_out_record {
	unsigned char header[KTLS_RECORD_HEADER];
	unsigned char nonce[8]; /* TLS 1.2 AES-GCM: sent in clear */
	size_t pos, end;
};

/* Wire bytes that stand behind those of `in`, in somebody else's memory. */
struct engine_lent {
	const unsigned char *data; /* NULL: none */
	size_t len, used;
};

struct ktls_engine {
	struct ktls_ctx *ctx; /* a reference */
	SSL *ssl;	      /* owned */
	enum engine_state state;
	enum ktls_fault fault;
	enum ktls_verify verify;
	char *server_name; /* owned, or NULL */
	char *session_key; /* owned, or NULL */
	bool session_offered;
	struct ktls_buf in, out;
	struct engine_lent lent;
	size_t handshake_bytes;
	unsigned handshake_records;
	struct engine_dir dir[KTLS_DIRECTIONS];
	unsigned char master[48]; /* TLS 1.2, until the handshake ends */
	bool have_master;
	size_t in_record; /* of in, or lent: bytes OpenSSL may read */
	struct engine_out_record out_record;
	unsigned key_updates; /* received since the last data */
	bool alert_sent, alert_received;
	uint8_t alert; /* the fatal one */
	char error[256];
};

/* OpenSSL's callbacks; each finds its engine in the SSL's application data. */
void ktls_engine_keylog(const SSL *ssl, const char *line);
int ktls_engine_new_session(SSL *ssl, SSL_SESSION *session);
BIO_METHOD *ktls_engine_bio_method(void); /* returned owned, or NULL */
/* ktls_engine_record() - length of the record whose header is at @p; 0: no
 * record may be so long. */
size_t ktls_engine_record(const unsigned char *p);
void ktls_engine_message(int write, int version, int type, const void *data,
			 size_t len, SSL *ssl, void *arg);

/* ktls_engine_agreed() - version and cipher of the connection. */
void ktls_engine_agreed(const struct ktls_engine *engine,
			enum ktls_version *version, enum ktls_cipher *cipher);
/* ktls_engine_settle() - the handshake is done: derive what must be derived,
 * wipe what is not needed any more. */
void ktls_engine_settle(struct ktls_engine *engine);
/* ktls_engine_forget() - wipe all secrets and keys. */
void ktls_engine_forget(struct ktls_engine *engine);
/* ktls_engine_rotate() - a KeyUpdate passed in @dir: the next secret. */
void ktls_engine_rotate(struct ktls_engine *engine, enum ktls_direction dir);

/* ktls_engine_verified() - client: is the server who we asked for? */
bool ktls_engine_verified(const struct ktls_engine *engine);

/* ktls_engine_fail() - note why: @what, or else the certificate check, the
 * alert received or OpenSSL's reason; wipes the secrets. Always -EPROTO. The
 * first failure stays. */
int ktls_engine_fail(struct ktls_engine *engine, enum ktls_fault fault,
		     const char *what);

#endif
