/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection's SSL object: handshake and user-space records.
 */
#include "ktls/ktls_engine.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "ktls/ktls_engine_private.h"

/* Output beyond this should be sent before more is made. */
#define OUT_ENOUGH  (256 * 1024)
#define WRITE_CHUNK (4 * KTLS_RECORD_MAX)

#define NAME_MAX_LEN 253 /* of a host name, RFC 1035 */

/* OpenSSL takes an empty name for "check none" and one that begins with a dot
 * for any name below it: neither may come out of somebody's DNS. */
static bool is_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789-_.:");

	return len > 0 && len <= NAME_MAX_LEN && name[len] == '\0' &&
	       name[0] != '.';
}

static bool is_address(const char *name)
{
	unsigned char addr[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, addr) == 1 ||
	       inet_pton(AF_INET6, name, addr) == 1;
}

/* DNS ends names with a dot, certificates and SNI don't. Owned, or NULL. */
static char *copy_host(const char *name)
{
	size_t len = strlen(name);

	return strndup(name, len > 1 && name[len - 1] == '.' ? len - 1 : len);
}

/* The name is checked in any case, so that info can say whether it was good;
 * verify only decides whether a bad one ends the handshake. */
static int set_name(struct ktls_engine *engine)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(engine->ssl);
	char *name = engine->server_name; /* OpenSSL's macro casts const away */

	if (!is_name(name))
		return -EINVAL;
	if (is_address(name)) /* RFC 6066: no literal addresses in SNI */
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) ? 0 : -EINVAL;
	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!X509_VERIFY_PARAM_set1_host(param, name, 0) ||
	    !SSL_set_tlsext_host_name(engine->ssl, name))
		return -EINVAL;
	return 0;
}

static void offer_session(struct ktls_engine *engine)
{
	struct ktls_session_id id = {engine->session_key, engine->server_name};
	SSL_SESSION *session;

	if (!engine->ctx->sessions || !engine->session_key)
		return;
	session = ktls_sessions_take(engine->ctx->sessions, &id,
				     engine->verify == KTLS_VERIFY_NAME);
	if (!session)
		return;
	SSL_set_session(engine->ssl, session);
	SSL_SESSION_free(session);
	engine->session_offered = true;
}

static int set_up_client(struct ktls_engine *engine,
			 const struct ktls_engine_config *config)
{
	int err = 0;

	if (config->verify == KTLS_VERIFY_NAME && !config->server_name)
		return -EINVAL;
	engine->verify = config->verify;
	if (config->server_name) {
		engine->server_name = copy_host(config->server_name);
		if (!engine->server_name)
			return -ENOMEM;
		err = set_name(engine);
	}
	if (!err && config->session_key) {
		engine->session_key = strdup(config->session_key);
		if (!engine->session_key)
			return -ENOMEM;
	}
	if (err)
		return err;
	SSL_set_verify(engine->ssl,
		       config->verify == KTLS_VERIFY_NAME ? SSL_VERIFY_PEER
							  : SSL_VERIFY_NONE,
		       NULL);
	offer_session(engine);
	return 0;
}

static int set_up(struct ktls_engine *engine,
		  const struct ktls_engine_config *config)
{
	bool server = ktls_ctx_role(engine->ctx) == KTLS_SERVER;
	BIO *wire;

	engine->in.max = KTLS_IN_MAX;
	engine->out.max = KTLS_OUT_BYTES_MAX;
	engine->ssl = SSL_new(engine->ctx->ssl);
	if (!engine->ssl)
		return -ENOMEM;
	SSL_set_app_data(engine->ssl, engine);
	wire = BIO_new(engine->ctx->bio);
	if (!wire)
		return -ENOMEM;
	BIO_set_data(wire, engine);
	SSL_set_bio(engine->ssl, wire, wire);
	if (server) {
		SSL_set_accept_state(engine->ssl);
		return 0;
	}
	SSL_set_connect_state(engine->ssl);
	return config ? set_up_client(engine, config) : 0;
}

int ktls_engine_create(struct ktls_ctx *ctx,
		       const struct ktls_engine_config *config,
		       struct ktls_engine **out)
{
	struct ktls_engine *engine = calloc(1, sizeof(*engine));
	int err;

	*out = NULL;
	if (!engine)
		return -ENOMEM;
	engine->ctx = ktls_ctx_ref(ctx);
	ERR_clear_error();
	err = set_up(engine, config);
	ERR_clear_error();
	if (err)
		ktls_engine_free(&engine);
	*out = engine;
	return err;
}

void ktls_engine_free(struct ktls_engine **engine)
{
	struct ktls_engine *gone = *engine;

	*engine = NULL;
	if (!gone)
		return;
	SSL_free(gone->ssl);
	ktls_ctx_unref(&gone->ctx);
	ktls_buf_free(&gone->in);
	ktls_buf_free(&gone->out);
	free(gone->server_name);
	free(gone->session_key);
	OPENSSL_cleanse(gone, sizeof(*gone));
	free(gone);
}

/* --- the handshake --- */

static enum ktls_step handshake_failed(struct ktls_engine *engine,
				       enum ktls_fault fault, const char *what)
{
	struct ktls_session_id id = {engine->session_key, engine->server_name};

	ktls_engine_fail(engine, fault, what);
	/* A ticket that ends in failure must not do so twice. */
	if (engine->session_offered)
		ktls_sessions_forget(engine->ctx->sessions, &id);
	return KTLS_STEP_FAILED;
}

static enum ktls_step advance(struct ktls_engine *engine)
{
	int ret;

	assert(engine->state == ENGINE_HANDSHAKE);
	ERR_clear_error();
	ret = SSL_do_handshake(engine->ssl);
	if (ret == 1) {
		engine->state = ENGINE_OPEN;
		ktls_engine_settle(engine);
		return KTLS_STEP_DONE;
	}
	if (SSL_get_error(engine->ssl, ret) == SSL_ERROR_WANT_READ)
		return KTLS_STEP_MORE;
	return handshake_failed(engine, KTLS_FAULT_PROTOCOL, NULL);
}

enum ktls_step ktls_engine_start(struct ktls_engine *engine)
{
	assert(engine->state == ENGINE_NEW);
	engine->state = ENGINE_HANDSHAKE;
	if (ktls_ctx_role(engine->ctx) == KTLS_SERVER)
		return KTLS_STEP_MORE;
	return advance(engine);
}

/* One whole record, as its own header says? */
static bool is_record(const unsigned char *p, size_t len)
{
	if (len < KTLS_RECORD_HEADER ||
	    len > KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX)
		return false;
	if (p[0] < KTLS_CHANGE_CIPHER_SPEC || p[0] > KTLS_APPLICATION_DATA ||
	    p[1] != 3)
		return false;
	return len == KTLS_RECORD_HEADER + (((size_t)p[3] << 8) | p[4]);
}

enum ktls_step ktls_engine_feed(struct ktls_engine *engine, const void *record,
				size_t len)
{
	if (engine->state != ENGINE_HANDSHAKE)
		return handshake_failed(engine, KTLS_FAULT_INTERNAL,
					"record outside a handshake");
	if (!is_record(record, len))
		return handshake_failed(engine, KTLS_FAULT_PROTOCOL,
					"what came is not a TLS record");
	engine->handshake_bytes += len;
	engine->handshake_records++;
	if (engine->handshake_bytes > KTLS_HANDSHAKE_BYTES_MAX ||
	    engine->handshake_records > KTLS_HANDSHAKE_RECORDS_MAX)
		return handshake_failed(engine, KTLS_FAULT_PROTOCOL,
					"the handshake does not end");
	if (ktls_buf_append(&engine->in, record, len) < 0)
		return handshake_failed(engine, KTLS_FAULT_INTERNAL,
					"out of memory");
	return advance(engine);
}

/* --- the output --- */

const unsigned char *ktls_engine_output(struct ktls_engine *engine, size_t *len)
{
	*len = engine->out.len;
	return ktls_buf_front(&engine->out);
}

void ktls_engine_output_drop(struct ktls_engine *engine, size_t len)
{
	ktls_buf_drop(&engine->out, len);
}

void *ktls_engine_output_take(struct ktls_engine *engine,
			      const unsigned char **data, size_t *len)
{
	void *memory = engine->out.data;

	*data = ktls_buf_front(&engine->out);
	*len = engine->out.len;
	if (!*len)
		return NULL;
	engine->out = (struct ktls_buf){.max = engine->out.max};
	return memory;
}

/* --- user-space records --- */

int ktls_engine_put(struct ktls_engine *engine, const void *data, size_t len)
{
	if (engine->state == ENGINE_CLOSED)
		return 0; /* RFC 8446 6.1: ignored after close_notify */
	if (engine->state != ENGINE_OPEN)
		return -EPROTO;
	return ktls_buf_append(&engine->in, data, len);
}

void ktls_engine_lend(struct ktls_engine *engine, const void *data, size_t len)
{
	assert(!engine->lent.data);
	if (engine->state == ENGINE_OPEN && !engine->in_record && len > 0)
		engine->lent = (struct engine_lent){.data = data, .len = len};
}

size_t ktls_engine_reclaim(struct ktls_engine *engine)
{
	struct engine_lent lent = engine->lent;

	engine->lent = (struct engine_lent){0};
	/* In the middle of a record: OpenSSL has given up for good. */
	if (lent.used > 0 && engine->in.len == 0)
		engine->in_record = 0;
	return lent.used;
}

/* Of @len bytes at @data, behind @in: how many belong to the first record. */
static size_t part_of_record(const struct ktls_buf *in,
			     const unsigned char *data, size_t len)
{
	unsigned char header[KTLS_RECORD_HEADER];
	size_t have = in->len < sizeof(header) ? in->len : sizeof(header);
	size_t more = sizeof(header) - have, record;

	if (have + len < sizeof(header))
		return len;
	if (have)
		memcpy(header, ktls_buf_front(in), have);
	memcpy(header + have, data, more);
	record = ktls_engine_record(header);
	if (record <= in->len) /* none, or a whole one: as _put() */
		return len;
	return record - in->len < len ? record - in->len : len;
}

ssize_t ktls_engine_put_part(struct ktls_engine *engine, const void *data,
			     size_t len)
{
	size_t part = part_of_record(&engine->in, data, len);
	int error = ktls_engine_put(engine, data, part);

	return error < 0 ? error : (ssize_t)part;
}

/* The peer may want our keys renewed too; OpenSSL would wait for our next
 * write, which may be the kernel's. */
static void answer_key_update(struct ktls_engine *engine)
{
	if (SSL_get_key_update_type(engine->ssl) == SSL_KEY_UPDATE_NONE)
		return;
	ktls_engine_key_update(engine, false);
}

ssize_t ktls_engine_read(struct ktls_engine *engine, void *buf, size_t len)
{
	size_t n = 0;
	int ret;

	if (engine->state == ENGINE_CLOSED)
		return 0;
	if (engine->state != ENGINE_OPEN)
		return -EPROTO;
	ERR_clear_error();
	ret = SSL_read_ex(engine->ssl, buf, len, &n);
	if (ret == 1) {
		engine->key_updates = 0;
		answer_key_update(engine);
		return (ssize_t)n;
	}
	switch (SSL_get_error(engine->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		if (engine->key_updates > KTLS_KEY_UPDATES_MAX)
			return ktls_engine_fail(engine, KTLS_FAULT_PROTOCOL,
						"too many KeyUpdates");
		answer_key_update(engine);
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		engine->state = ENGINE_CLOSED;
		return 0;
	default:
		return ktls_engine_fail(engine, KTLS_FAULT_PROTOCOL, NULL);
	}
}

ssize_t ktls_engine_write(struct ktls_engine *engine, const void *data,
			  size_t len)
{
	size_t n = 0;
	int ret;

	if (engine->state != ENGINE_OPEN && engine->state != ENGINE_CLOSED)
		return -EPROTO;
	if (SSL_get_shutdown(engine->ssl) & SSL_SENT_SHUTDOWN)
		return -EPIPE;
	if (!len)
		return -EINVAL;
	if (engine->out.len >= OUT_ENOUGH)
		return -EAGAIN;
	ERR_clear_error();
	ret = SSL_write_ex(engine->ssl, data,
			   len < WRITE_CHUNK ? len : WRITE_CHUNK, &n);
	if (ret == 1)
		return (ssize_t)n;
	return ktls_engine_fail(engine, KTLS_FAULT_INTERNAL, NULL);
}

void ktls_engine_write_ahead(struct ktls_engine *engine, size_t len)
{
	size_t records = len / KTLS_RECORD_MAX + 1;

	/* Without memory now it is tried again as it is needed. */
	(void)ktls_buf_reserve(&engine->out, len + records * KTLS_RECORD_EXTRA);
}

void ktls_engine_shutdown(struct ktls_engine *engine)
{
	if (engine->state != ENGINE_OPEN && engine->state != ENGINE_CLOSED)
		return;
	ERR_clear_error();
	if (!(SSL_get_shutdown(engine->ssl) & SSL_SENT_SHUTDOWN))
		SSL_shutdown(engine->ssl);
	ERR_clear_error();
}

int ktls_engine_key_update(struct ktls_engine *engine, bool ask)
{
	bool done;

	if (engine->state != ENGINE_OPEN && engine->state != ENGINE_CLOSED)
		return -EPROTO;
	if (SSL_version(engine->ssl) != TLS1_3_VERSION)
		return -ENOTSUP;
	ERR_clear_error();
	done = SSL_key_update(engine->ssl,
			      ask ? SSL_KEY_UPDATE_REQUESTED
				  : SSL_KEY_UPDATE_NOT_REQUESTED) &&
	       SSL_do_handshake(engine->ssl) == 1;
	ERR_clear_error();
	return done ? 0 : -EPROTO;
}

/* --- what there is to know --- */

uint64_t ktls_engine_records(const struct ktls_engine *engine,
			     enum ktls_direction dir)
{
	return engine->dir[dir].records;
}

bool ktls_engine_idle(struct ktls_engine *engine, enum ktls_direction dir)
{
	assert((unsigned)dir < KTLS_DIRECTIONS);
	/* Between messages too: half a ticket may sit in OpenSSL. */
	if (engine->state != ENGINE_OPEN || !SSL_is_init_finished(engine->ssl))
		return false;
	if (dir == KTLS_TX)
		return engine->out.len == 0 &&
		       SSL_get_key_update_type(engine->ssl) ==
			       SSL_KEY_UPDATE_NONE;
	return engine->in.len == 0 && engine->in_record == 0 &&
	       SSL_pending(engine->ssl) == 0 && !SSL_has_pending(engine->ssl);
}

bool ktls_engine_verified(const struct ktls_engine *engine)
{
	return ktls_ctx_role(engine->ctx) == KTLS_CLIENT &&
	       engine->server_name && SSL_get0_peer_certificate(engine->ssl) &&
	       SSL_get_verify_result(engine->ssl) == X509_V_OK;
}

/* It goes into logs and headers: nothing but a host name's letters. */
static void copy_name(char *out, size_t size, const char *name)
{
	size_t n = 0;

	for (; name && *name && n + 1 < size; name++, n++) {
		bool plain = (*name >= 'a' && *name <= 'z') ||
			     (*name >= 'A' && *name <= 'Z') ||
			     (*name >= '0' && *name <= '9') ||
			     strchr("-._", *name);

		out[n] = plain ? *name : '?';
	}
	out[n] = '\0';
}

void ktls_engine_server_name(struct ktls_engine *engine,
			     char out[KTLS_SERVER_NAME_MAX])
{
	const char *name = NULL;

	if (ktls_ctx_role(engine->ctx) == KTLS_SERVER)
		name = SSL_get_servername(engine->ssl,
					  TLSEXT_NAMETYPE_host_name);
	copy_name(out, KTLS_SERVER_NAME_MAX, name);
}

void ktls_engine_info(struct ktls_engine *engine, struct ktls_info *out)
{
	const SSL_CIPHER *suite = SSL_get_current_cipher(engine->ssl);
	const SSL_SESSION *session = SSL_get_session(engine->ssl);

	*out = (struct ktls_info){.suite = ""};
	ktls_engine_agreed(engine, &out->version, &out->cipher);
	if (suite) {
		out->suite = SSL_CIPHER_standard_name(suite);
		out->cipher_bits = (unsigned)SSL_CIPHER_get_bits(suite, NULL);
	}
	out->resumed = SSL_session_reused(engine->ssl);
	out->small_records =
		session && SSL_SESSION_get_max_fragment_length(session) !=
				   TLSEXT_max_fragment_length_DISABLED;
	out->verified = ktls_engine_verified(engine);
}

const char *ktls_engine_error(struct ktls_engine *engine)
{
	return engine->error;
}

enum ktls_fault ktls_engine_fault(const struct ktls_engine *engine)
{
	return engine->fault;
}
