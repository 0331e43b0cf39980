/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection's OpenSSL: an SSL object on memory BIOs, without a socket.
 *
 * Sans-IO: the owner feeds it what came from the wire and sends what it has
 * to say.  During the handshake it is fed exactly one record at a time, so
 * that nothing behind the last handshake record ever leaves the socket and
 * the kernel can take over right there (ktls_install.h).  After the handshake
 * it may serve as the user-space record layer.
 *
 * It counts the records under the current application keys in each direction:
 * these are the sequence numbers that the kernel continues from.
 */
#ifndef KTLS_KTLS_ENGINE_H
#define KTLS_KTLS_ENGINE_H

#include <sys/types.h>

#include "ktls/ktls_ctx.h"
#include "ktls/ktls_keys.h"
#include "ktls/ktls_types.h"

struct ktls_engine;

/* How a client checks its server. */
enum ktls_verify {
	KTLS_VERIFY_NONE, /* RFC 7435: encrypt, whoever it is */
	KTLS_VERIFY_NAME, /* chain to a trust anchor and name (RFC 6125) */
};

struct ktls_engine_config {
	/* Client: SNI and the name (or address) to verify, a final dot is
	 * dropped; or NULL. Empty or no host name: -EINVAL. */
	const char *server_name;
	const char *session_key; /* client: cache key ("host:port"); NULL: no resumption */
	enum ktls_verify verify;
};

enum ktls_step {
	KTLS_STEP_MORE,	  /* send the output, then feed the next record */
	KTLS_STEP_DONE,	  /* handshake complete; send the output first */
	KTLS_STEP_FAILED, /* see ktls_engine_error(); send the output (alert) */
};

/*
 * ktls_engine_create() - @ctx is referenced; @config borrowed for the call
 * (may be NULL for a server). @out returned owned.  0 or -errno.
 */
int ktls_engine_create(struct ktls_ctx *ctx,
		       const struct ktls_engine_config *config,
		       struct ktls_engine **out);
/* ktls_engine_free() - wipes keys and secrets; accepts NULL; clears. */
void ktls_engine_free(struct ktls_engine **engine);

/* ktls_engine_start() - client: makes the ClientHello; server: MORE. */
enum ktls_step ktls_engine_start(struct ktls_engine *engine);

/*
 * ktls_engine_feed() - one whole record (header and body) from the wire,
 * during the handshake. @record is borrowed for the call.
 */
enum ktls_step ktls_engine_feed(struct ktls_engine *engine, const void *record,
				size_t len);

/*
 * Bytes to be sent, oldest first: peek, send, then drop what was sent.
 * Valid until the next call on the engine.
 */
const unsigned char *ktls_engine_output(struct ktls_engine *engine, size_t *len);
void ktls_engine_output_drop(struct ktls_engine *engine, size_t len);
/* ktls_engine_output_take() - all of the output, so that it stays where it is:
 * returns the memory it is in, owned (free(3)); NULL: there is none. */
void *ktls_engine_output_take(struct ktls_engine *engine,
			      const unsigned char **data, size_t *len);

/*
 * User-space records, after KTLS_STEP_DONE.
 * ktls_engine_put(): wire bytes in (any amount, copied); 0 or -errno.
 * ktls_engine_read(): decrypted bytes; > 0 bytes, -EAGAIN (needs more wire
 *   bytes), 0 close_notify was received, -EPROTO (see ktls_engine_error()).
 *   May produce output (alerts, KeyUpdate answers).
 * ktls_engine_put(): also -ENOBUFS when 1 MiB already waits to be read.
 * ktls_engine_write(): encrypts at most @len bytes into the output; returns
 *   the bytes taken (> 0) or -errno: -EAGAIN when too much output waits
 *   (256 KiB: send it first), -EPIPE after close_notify was sent.
 * ktls_engine_shutdown(): puts close_notify into the output.
 */
int ktls_engine_put(struct ktls_engine *engine, const void *data, size_t len);
/*
 * The same without copying whole records: between _lend() and _reclaim() the
 * engine reads from @data (borrowed) what is behind the bytes put before.
 * ktls_engine_reclaim(): how many of them are used.
 * ktls_engine_put_part(): copies the front of @data up to the end of the record
 *   that begins there or was begun by what was put before: what _read() then
 *   needs more of. Returns the bytes taken (> 0 unless @len is 0) or -errno as
 *   _put() does.
 */
void ktls_engine_lend(struct ktls_engine *engine, const void *data, size_t len);
size_t ktls_engine_reclaim(struct ktls_engine *engine);
ssize_t ktls_engine_put_part(struct ktls_engine *engine, const void *data,
			     size_t len);
ssize_t ktls_engine_read(struct ktls_engine *engine, void *buf, size_t len);
ssize_t ktls_engine_write(struct ktls_engine *engine, const void *data,
			  size_t len);
void ktls_engine_shutdown(struct ktls_engine *engine);
/* ktls_engine_write_ahead() - @len bytes are going to be written, in a row: a
 * hint for the output's memory. */
void ktls_engine_write_ahead(struct ktls_engine *engine, size_t len);

/* ktls_engine_key_update() - puts a KeyUpdate into the output; what is written
 * next is under new keys. @ask: the peer shall change its keys too. 0, -ENOTSUP
 * (not TLS 1.3) or -EPROTO. */
int ktls_engine_key_update(struct ktls_engine *engine, bool ask);
/* ktls_engine_records() - how many went by under the current key. */
uint64_t ktls_engine_records(const struct ktls_engine *engine,
			     enum ktls_direction dir);

/* True when nothing is buffered inside OpenSSL in the given direction: no
 * wire byte, no half record, no decrypted byte, no unsent output. Only then
 * may the kernel take that direction. */
bool ktls_engine_idle(struct ktls_engine *engine, enum ktls_direction dir);

/*
 * ktls_engine_keys() - the kernel's key material for a direction: traffic
 * key, IV and the next sequence number, derived from the secrets that the
 * keylog callback gave (RFC 8446 7.3, RFC 5246 6.3).
 * Returns 0, or -ENOTSUP (suite or version without a kernel form).
 * @out is filled by value; wipe it with ktls_keys_wipe().
 */
int ktls_engine_keys(struct ktls_engine *engine, enum ktls_direction dir,
		     struct ktls_keys *out);

/* What was agreed; valid after KTLS_STEP_DONE. */
struct ktls_info {
	enum ktls_version version;
	enum ktls_cipher cipher;
	const char *suite;    /* IANA name: "TLS_AES_128_GCM_SHA256"; static */
	unsigned cipher_bits; /* 128, 256 */
	bool resumed;
	bool small_records; /* record_size_limit / max_fragment_length agreed */
	bool verified;	    /* client: chain and name are good */
};
void ktls_engine_info(struct ktls_engine *engine, struct ktls_info *out);

#define KTLS_SERVER_NAME_MAX 256

/* ktls_engine_server_name() - server: the SNI received, "" if none, letters
 * that no host name has replaced by '?'. After KTLS_STEP_DONE. Apart from the
 * info because that is kept for each connection. */
void ktls_engine_server_name(struct ktls_engine *engine,
			     char out[KTLS_SERVER_NAME_MAX]);

/* Why the engine failed: OpenSSL's reason, the alert received or sent, the
 * verify error; one line. Borrowed until the engine is freed. */
const char *ktls_engine_error(struct ktls_engine *engine);

/* The same for a program; NONE until KTLS_STEP_FAILED or -EPROTO. */
enum ktls_fault {
	KTLS_FAULT_NONE,
	KTLS_FAULT_PROTOCOL, /* the peer broke TLS, or nothing in common */
	KTLS_FAULT_VERIFY,   /* client: the server's certificate or name */
	KTLS_FAULT_ALERT,    /* the peer sent a fatal alert */
	KTLS_FAULT_INTERNAL, /* out of memory or beyond a bound of ours */
};
enum ktls_fault ktls_engine_fault(const struct ktls_engine *engine);

#endif
