/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worlds for streams (test_ktls_stream_world.h).
 */
#include "tests/unit/ktls/test_ktls_stream_world.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/soft_tls.h"
#include "tests/unit/ktls/test_ktls_stream_peer.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

#define BUFFER_SIZE  20480
#define TURNS_MAX    200000
#define REAL_SECONDS 60 /* RINGPOST_TEST_PATIENCE for slow machines */
#define BESIDE_NS    (URING_MSEC / 10)

/* --- chance --- */

uint64_t world_random(struct world *w)
{
	uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned world_below(struct world *w, unsigned limit)
{
	return limit ? (unsigned)(world_random(w) % limit) : 0;
}

unsigned char *world_bytes(struct world *w, size_t len)
{
	unsigned char *bytes = malloc(len + 8);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i += 8) {
		uint64_t r = world_random(w);

		memcpy(bytes + i, &r, sizeof(r));
	}
	return bytes;
}

/* --- contexts --- */

static struct ktls_ctx *shop_ctx(struct shop *shop, enum ktls_role role)
{
	char cert[300], key[300];
	struct ktls_cert_files files = {cert, key};
	struct ktls_error error;
	struct ktls_ctx_config config = {
		.role = role,
		.tickets = 2,
		.ca_file = role == KTLS_CLIENT ? shop->certs.ca : NULL,
		.session_cache = role == KTLS_CLIENT ? 16 : 0,
	};
	struct ktls_ctx *ctx;

	snprintf(cert, sizeof(cert), "%s",
		 test_certs_path(&shop->certs, "server.pem"));
	snprintf(key, sizeof(key), "%s",
		 test_certs_path(&shop->certs, "server.key"));
	if (role == KTLS_SERVER) {
		config.certs = &files;
		config.cert_count = 1;
	}
	assert_int_equal(ktls_ctx_create(&config, &ctx, &error), 0);
	return ctx;
}

void shop_open(struct shop *shop)
{
	*shop = (struct shop){0};
	test_certs_open(&shop->certs);
	test_certs_make_simple(&shop->certs, "server", WORLD_NAME);
	shop->server = shop_ctx(shop, KTLS_SERVER);
	shop->client = shop_ctx(shop, KTLS_CLIENT);
	shop->peer_server = SSL_CTX_new(TLS_server_method());
	shop->peer_client = SSL_CTX_new(TLS_client_method());
	assert_true(SSL_CTX_use_certificate_chain_file(
		shop->peer_server,
		test_certs_path(&shop->certs, "server.pem")));
	assert_true(SSL_CTX_use_PrivateKey_file(
		shop->peer_server, test_certs_path(&shop->certs, "server.key"),
		SSL_FILETYPE_PEM));
}

void shop_close(struct shop *shop)
{
	ktls_ctx_unref(&shop->server);
	ktls_ctx_unref(&shop->client);
	SSL_CTX_free(shop->peer_server);
	SSL_CTX_free(shop->peer_client);
	test_certs_close(&shop->certs);
}

int shop_set_up(void **state)
{
	struct shop *shop = calloc(1, sizeof(*shop));

	assert_non_null(shop);
	shop_open(shop);
	*state = shop;
	return 0;
}

int shop_tear_down(void **state)
{
	shop_close(*state);
	free(*state);
	return 0;
}

/* --- the kernel's face --- */

static int soft_tls(const struct world *w, int fd, int name, const void *value,
		    socklen_t len)
{
	const struct soft_tls_how how = {
		.rekeys[KTLS_TX] = w->caps.rekey_tx,
		.rekeys[KTLS_RX] = w->caps.rekey_rx,
		.clear = w->config.clear_records,
	};

	return soft_tls_set(w->fake, fd, name, value, len, &how);
}

static int world_setsockopt(const struct ktls_kernel *kernel, int fd, int level,
			    int name, const void *value, socklen_t len)
{
	const struct world_kernel *k = (const struct world_kernel *)kernel;
	struct world *w = k->world;
	int error = 0;

	if (level == SOL_TLS || name == TCP_ULP) {
		if (k->fail_error && k->fail_name == name)
			return -k->fail_error;
	}
	if (!w->fake)
		error = setsockopt(fd, level, name, value, len) ? -errno : 0;
	else if (level == SOL_TLS && (name == TLS_TX || name == TLS_RX))
		error = soft_tls(w, fd, name, value, len);
	if (!error && level == SOL_TLS && (name == TLS_TX || name == TLS_RX))
		w->kernel.calls[name == TLS_TX ? KTLS_TX : KTLS_RX]++;
	return error;
}

static void world_caps(struct world *w)
{
	if (w->shop && w->shop->real) {
		if (w->config.kernel_tls)
			w->caps = w->shop->caps;
		return;
	}
	w->caps.ulp = w->config.kernel_tls;
	w->caps.rekey_tx = w->caps.rekey_rx = w->config.rekey;
	for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++)
		for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++)
			for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
				w->caps.cipher[c][v][d] = w->caps.ulp;
}

/* --- the owner --- */

static void side_take(struct side *side, const unsigned char *data, size_t n)
{
	side->in = realloc(side->in, side->in_len + n);
	assert_non_null(side->in);
	memcpy(side->in + side->in_len, data, n);
	side->in_len += n;
}

static void side_read(struct side *side)
{
	size_t left = side->read_max ? side->read_max : SIZE_MAX;
	const unsigned char *data;
	size_t n;

	while (left > 0 && (n = ktls_stream_peek(&side->stream, &data)) > 0) {
		n = 1 + (size_t)(world_random(side->world) % n);
		if (n > left)
			n = left;
		side_take(side, data, n);
		ktls_stream_consume(&side->stream, n);
		left -= left == SIZE_MAX ? 0 : n;
	}
}

static void side_feed(struct side *side)
{
	while (side->out_at < side->out_len) {
		size_t n = side->out_len - side->out_at;
		const unsigned char *data = side->out + side->out_at;
		int error;

		if (n > 60000)
			n = 60000;
		n = 1 + (size_t)(world_random(side->world) % n);
		if (world_below(side->world, 3) == 0)
			n = n % 600 + 1;
		if (n > side->out_len - side->out_at)
			n = side->out_len - side->out_at;
		if (n <= 600)
			error = ktls_stream_write(&side->stream, data, n);
		else
			error = ktls_stream_send(&side->stream, data, n);
		if (error == -ENOBUFS)
			return;
		assert_int_equal(error, 0);
		side->out_at += n;
	}
}

static void side_note(struct side *side)
{
	ktls_stream_info(&side->stream, &side->info);
	ktls_stream_describe(&side->stream, side->described,
			     sizeof(side->described));
}

static void side_event(void *owner, enum ktls_event event)
{
	struct side *side = owner;

	assert_false(side->closed);
	side->count[event]++;
	side->last = event;
	if (event == KTLS_EVENT_CLOSED) {
		assert_null(side->stream.p);
		side->closed = true;
	} else {
		side_note(side);
	}
	if (event == KTLS_EVENT_FAILED) {
		ktls_stream_failure(&side->stream, &side->failure);
		snprintf(side->failure_text, sizeof(side->failure_text), "%s",
			 side->failure.text);
	}
	if (event == KTLS_EVENT_READABLE && !side->hold)
		side_read(side);
	if (event == KTLS_EVENT_SECURE || event == KTLS_EVENT_WRITTEN)
		side_feed(side);
	if (event == KTLS_EVENT_WRITTEN && side->close_when_written &&
	    side->out_at == side->out_len)
		ktls_stream_close(&side->stream, KTLS_CLOSE_FLUSH);
	if (side->on)
		side->on(side, event);
}

void side_unhold(struct side *side)
{
	side->hold = false;
	side_read(side);
}

void side_send(struct side *side, const void *data, size_t len)
{
	assert_true(side->out_at == side->out_len);
	side->out = data;
	side->out_len = len;
	side->out_at = 0;
	side_feed(side);
}

/* --- the world --- */

static void real_pair(int fds[2])
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	assert_true(l >= 0);
	assert_int_equal(bind(l, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&addr, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&addr, len), 0);
	fds[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(l);
}

static void world_ring(struct world *w)
{
	struct uring_fake_config fake = {
		.seed = w->config.seed,
		.level = w->config.level,
		.short_percent = w->config.short_percent,
		.delay_percent = w->config.delay_percent,
		.reset_percent = w->config.reset_percent,
		.socket_buffer = w->config.socket_buffer,
	};
	struct uring_config config = {.level = w->config.level,
				      .max_ops = w->config.max_ops};

	if (!w->shop || !w->shop->real) {
		assert_int_equal(uring_fake_create(&fake, &w->fake), 0);
		config.backend = uring_fake_backend(w->fake);
		config.clock = uring_fake_clock(w->fake);
	}
	assert_int_equal(uring_create(&config, &w->ring), 0);
	assert_int_equal(uring_bufs_create(w->ring,
					   w->config.bufs ? w->config.bufs : 16,
					   BUFFER_SIZE, &w->bufs),
			 0);
}

struct world_config world_seeded(uint64_t seed)
{
	static const unsigned buffers[] = {0, 3000, 20000};
	unsigned s = (unsigned)seed;

	return (struct world_config){
		.seed = seed,
		.level = (enum uring_level)(s % 4),
		.short_percent = s % 3 * 30,
		.delay_percent = s % 5 * 15,
		.socket_buffer = buffers[s % 3],
	};
}

static void world_connect(struct world *w)
{
	int fds[2];

	if (w->fake)
		assert_int_equal(uring_fake_socketpair(w->fake, fds), 0);
	else
		real_pair(fds);
	w->fd = fds[0];
	w->peer = (struct peer){.world = w, .fd = fds[1], .alert = -1};
	w->side.world = w;
}

void world_open(struct world *w, struct shop *shop,
		const struct world_config *config)
{
	*w = (struct world){.config = *config, .shop = shop};
	w->random = config->seed * 77 + 1;
	w->kernel.base.setsockopt = world_setsockopt;
	w->kernel.world = w;
	world_caps(w);
	world_ring(w);
	w->env = (struct ktls_env){.ring = w->ring,
				   .bufs = w->bufs,
				   .caps = &w->caps,
				   .kernel = &w->kernel.base,
				   .record_limit = w->config.record_limit};
	world_connect(w);
}

void world_open_beside(struct world *w, struct world *host,
		       const struct world_config *config)
{
	assert_null(host->host);
	*w = (struct world){.config = *config, .shop = host->shop};
	w->random = config->seed * 131 + 7;
	w->host = w->beside = host;
	host->beside = w;
	w->fake = host->fake;
	w->ring = host->ring;
	w->bufs = host->bufs;
	w->env = host->env;
	world_connect(w);
}

void world_start(struct world *w)
{
	assert_int_equal(ktls_stream_open(&w->side.stream, &w->env, w->fd,
					  side_event, &w->side),
			 0);
}

void world_turn(struct world *w)
{
	int n;

	/* bytes that are forwarded wait by naps, too */
	if (w->fake && w->beside)
		uring_fake_advance(w->fake, BESIDE_NS);
	n = uring_turn(w->ring, w->fake ? 0 : URING_MSEC);
	assert_true(n >= 0);
	peer_pump(&w->peer);
	if (w->beside)
		peer_pump(&w->beside->peer);
}

void world_turns(struct world *w, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++)
		world_turn(w);
}

void world_pass(struct world *w, uint64_t ns)
{
	if (w->fake)
		uring_fake_advance(w->fake, ns);
	world_turn(w);
}

static time_t real_seconds(void)
{
	const char *patience = getenv("RINGPOST_TEST_PATIENCE");

	return patience ? atoi(patience) : REAL_SECONDS;
}

void world_patience(struct world *w, unsigned turns)
{
	if (turns == 0)
		w->since = time(NULL);
	if (w->fake ? turns < TURNS_MAX
		    : time(NULL) - w->since < real_seconds())
		return;
	fail_msg("stuck; seed %lu, last event %s, %s",
		 (unsigned long)w->config.seed, ktls_event_name(w->side.last),
		 w->side.failure_text);
}

void world_until(struct world *w, bool (*done)(struct world *))
{
	world_while(w, !done(w));
}

void world_until_event(struct world *w, enum ktls_event event)
{
	world_while(w, w->side.count[event] == 0);
}

bool world_exchanged(struct world *w)
{
	return w->side.in_len == w->peer.out_len &&
	       w->peer.in_len == w->side.out_len;
}

void world_assert_exchanged(struct world *w)
{
	assert_int_equal(w->side.in_len, w->peer.out_len);
	assert_memory_equal(w->side.in, w->peer.out, w->side.in_len);
	assert_int_equal(w->peer.in_len, w->side.out_len);
	assert_memory_equal(w->peer.in, w->side.out, w->peer.in_len);
}

bool side_closed(struct world *w)
{
	return w->side.closed;
}

bool side_secure(struct world *w)
{
	return w->side.count[KTLS_EVENT_SECURE] > 0;
}

bool side_failed(struct world *w)
{
	return w->side.count[KTLS_EVENT_FAILED] > 0;
}

bool side_eof(struct world *w)
{
	return w->side.count[KTLS_EVENT_EOF] > 0;
}

int world_start_tls(struct world *w, enum ktls_role role,
		    enum ktls_offload offload)
{
	struct ktls_engine_config config = {
		.server_name = WORLD_NAME,
		.session_key = NULL,
		.verify = KTLS_VERIFY_NAME,
	};

	return ktls_stream_start_tls(
		&w->side.stream,
		role == KTLS_SERVER ? w->shop->server : w->shop->client,
		role == KTLS_SERVER ? NULL : &config, offload);
}

void world_peer_tls(struct world *w, enum ktls_role stream_role)
{
	bool server = stream_role == KTLS_CLIENT;

	peer_tls(&w->peer, server ? w->shop->peer_server : w->shop->peer_client,
		 server);
}

void world_secure(struct world *w, enum ktls_role role,
		  enum ktls_offload offload)
{
	assert_int_equal(world_start_tls(w, role, offload), 0);
	world_peer_tls(w, role);
	world_until_event(w, KTLS_EVENT_SECURE);
}

static void world_check(struct world *w)
{
	assert_int_equal(w->side.count[KTLS_EVENT_CLOSED], 1);
	if (w->host)
		return;
	assert_int_equal(uring_inflight(w->ring), 0);
	assert_int_equal(uring_bufs_out(w->bufs), 0);
	if (w->fake)
		assert_int_equal(uring_fake_open_fds(w->fake), 0);
}

void world_close(struct world *w)
{
	if (!w->side.closed) {
		ktls_stream_close(&w->side.stream, KTLS_CLOSE_ABORT);
		world_until(w, side_closed);
	}
	peer_free(&w->peer);
	world_turns(w, 2);
	world_check(w);
	free(w->side.in);
	if (w->host) {
		w->host->beside = NULL;
		return;
	}
	uring_bufs_destroy(&w->bufs);
	uring_destroy(&w->ring);
}
