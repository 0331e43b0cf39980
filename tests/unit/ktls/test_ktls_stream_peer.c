/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer of a world: OpenSSL on memory BIOs, moved over a socket of the
 * fake or of the real kernel.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "tests/unit/ktls/test_ktls_stream_peer.h"

/* Memory grows by doubling: what was gathered is not copied all the time. */
static size_t room_for(size_t len)
{
	size_t room = 1;

	while (room < len)
		room *= 2;
	return len ? room : 0;
}

static void append(unsigned char **to, size_t *len, const void *data, size_t n)
{
	if (n == 0)
		return;
	if (room_for(*len + n) != room_for(*len))
		*to = realloc(*to, room_for(*len + n));
	assert_non_null(*to);
	memcpy(*to + *len, data, n);
	*len += n;
}

static ssize_t sys_read(struct peer *p, void *buf, size_t len)
{
	ssize_t n;

	if (p->world->fake)
		return uring_fake_peer_read(p->world->fake, p->fd, buf, len);
	n = recv(p->fd, buf, len, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static ssize_t sys_write(struct peer *p, const void *buf, size_t len)
{
	ssize_t n;

	if (p->world->fake)
		return uring_fake_peer_write(p->world->fake, p->fd, buf, len);
	n = send(p->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static void on_message(int write, int version, int type, const void *data,
		       size_t len, SSL *ssl, void *arg)
{
	struct peer *p = arg;

	if (!write && type == SSL3_RT_ALERT && len >= 2)
		p->alert = ((const unsigned char *)data)[1];
	if (!write && type == SSL3_RT_HANDSHAKE && len >= 1)
		p->key_updates +=
			*(const unsigned char *)data == SSL3_MT_KEY_UPDATE;
}

void peer_tls(struct peer *p, SSL_CTX *ctx, bool server)
{
	const struct world_config *config = &p->world->config;

	p->ssl = SSL_new(ctx);
	assert_non_null(p->ssl);
	SSL_set_bio(p->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_msg_callback(p->ssl, on_message);
	SSL_set_msg_callback_arg(p->ssl, p);
	if (server)
		SSL_set_accept_state(p->ssl);
	else
		SSL_set_connect_state(p->ssl);
	if (config->version != KTLS_VERSION_NONE) {
		int v = config->version == KTLS_TLS_1_3 ? TLS1_3_VERSION
							: TLS1_2_VERSION;

		assert_true(SSL_set_min_proto_version(p->ssl, v));
		assert_true(SSL_set_max_proto_version(p->ssl, v));
	}
	if (config->suite && config->version == KTLS_TLS_1_3)
		assert_true(SSL_set_ciphersuites(p->ssl, config->suite));
	else if (config->suite)
		assert_true(SSL_set_cipher_list(p->ssl, config->suite));
	p->tls = true;
}

static void peer_collect(struct peer *p)
{
	char *data;
	long n = BIO_get_mem_data(SSL_get_wbio(p->ssl), &data);

	append(&p->wire, &p->wire_len, data, (size_t)n);
	(void)BIO_reset(SSL_get_wbio(p->ssl));
}

static void peer_ssl_result(struct peer *p, int ret)
{
	switch (SSL_get_error(p->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		break;
	case SSL_ERROR_ZERO_RETURN:
		p->notify = true;
		break;
	default:
		p->broken = true;
		break;
	}
	ERR_clear_error();
}

static void peer_ssl_read(struct peer *p)
{
	unsigned char buf[20000];
	size_t n;

	while (SSL_read_ex(p->ssl, buf, sizeof(buf), &n) == 1)
		append(&p->in, &p->in_len, buf, n);
	peer_ssl_result(p, 0);
}

static void peer_ssl_write(struct peer *p)
{
	size_t n, len = p->out_len - p->out_at;

	if (len == 0 || p->wire_len > 100000 || p->broken)
		return;
	len = 1 + world_below(p->world, len < 40000 ? (unsigned)len : 40000);
	if (len > p->out_len - p->out_at)
		len = p->out_len - p->out_at;
	if (SSL_write_ex(p->ssl, p->out + p->out_at, len, &n) == 1)
		p->out_at += n;
	else
		peer_ssl_result(p, 0);
}

static void peer_ssl_work(struct peer *p)
{
	if (!p->done && !p->broken) {
		int ret = SSL_do_handshake(p->ssl);

		p->done = ret == 1;
		if (ret != 1)
			peer_ssl_result(p, ret);
	}
	if (p->done) {
		peer_ssl_read(p);
		peer_ssl_write(p);
	}
	peer_collect(p);
}

static void peer_flush(struct peer *p)
{
	ssize_t n;

	if (p->wire_len == 0 || p->reset)
		return;
	n = sys_write(p, p->wire,
		      1 + world_below(p->world, (unsigned)p->wire_len));
	if (n == -EAGAIN)
		return;
	if (n < 0) {
		p->reset = true;
		return;
	}
	memmove(p->wire, p->wire + n, p->wire_len - (size_t)n);
	p->wire_len -= (size_t)n;
}

static void peer_receive(struct peer *p)
{
	unsigned char buf[40000];
	ssize_t n;

	if (p->fin || p->reset)
		return;
	n = sys_read(p, buf, 1 + world_below(p->world, sizeof(buf)));
	if (n == -EAGAIN)
		return;
	p->fin = n == 0;
	p->reset = n < 0;
	if (n <= 0)
		return;
	append(&p->raw, &p->raw_len, buf, (size_t)n);
	if (p->tls && !(p->done && p->world->config.clear_records))
		assert_int_equal(BIO_write(SSL_get_rbio(p->ssl), buf, (int)n),
				 n);
	else
		append(&p->in, &p->in_len, buf, (size_t)n);
}

void peer_pump(struct peer *p)
{
	if (p->fd < 0 || p->stalled)
		return;
	peer_receive(p);
	if (p->tls) {
		peer_ssl_work(p);
	} else if (p->out_at < p->out_len) {
		append(&p->wire, &p->wire_len, p->out + p->out_at,
		       p->out_len - p->out_at);
		p->out_at = p->out_len;
	}
	peer_flush(p);
}

void peer_send(struct peer *p, const void *data, size_t len)
{
	assert_true(p->out_at == p->out_len);
	p->out = data;
	p->out_len = len;
	p->out_at = 0;
}

void peer_send_raw(struct peer *p, const void *data, size_t len)
{
	append(&p->wire, &p->wire_len, data, len);
}

void peer_send_record(struct peer *p, uint8_t type, const void *data,
		      size_t len)
{
	unsigned char header[5] = {type, 3, 3, (unsigned char)(len >> 8),
				   (unsigned char)len};

	peer_send_raw(p, header, sizeof(header));
	peer_send_raw(p, data, len);
}

void peer_key_update(struct peer *p, bool ask)
{
	assert_true(SSL_key_update(p->ssl, ask ? SSL_KEY_UPDATE_REQUESTED
					       : SSL_KEY_UPDATE_NOT_REQUESTED));
	assert_int_equal(SSL_do_handshake(p->ssl), 1);
	peer_collect(p);
}

void peer_close_notify(struct peer *p)
{
	SSL_shutdown(p->ssl);
	ERR_clear_error();
	peer_collect(p);
}

void peer_fin(struct peer *p)
{
	if (p->world->fake)
		uring_fake_peer_shutdown(p->world->fake, p->fd);
	else
		shutdown(p->fd, SHUT_WR);
}

void peer_reset(struct peer *p)
{
	struct linger linger = {.l_onoff = 1};

	if (p->world->fake) {
		uring_fake_peer_reset(p->world->fake, p->fd);
		p->reset = true;
		return;
	}
	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	peer_close(p);
}

void peer_close(struct peer *p)
{
	if (p->fd < 0)
		return;
	if (p->world->fake)
		uring_fake_peer_close(p->world->fake, p->fd);
	else
		close(p->fd);
	p->fd = -1;
}

void peer_free(struct peer *p)
{
	peer_close(p);
	SSL_free(p->ssl);
	free(p->in);
	free(p->raw);
	free(p->wire);
}
