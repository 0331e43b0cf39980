/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any records to a stream whose keys are in the (fake) kernel: types, lengths
 * and the places where they are cut come from the input.  Whatever a peer
 * sends, the stream ends in CLOSED, once, with nothing in flight.
 *
 * Input: one octet of settings, then per record: type, two octets of length,
 * the text; an octet of settings may let the peer end before the close.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "ktls/ktls_stream.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/sim_peer.h"
#include "tests/support/test_cert.h"
#include "uring/uring.h"
#include "uring/uring_bufs.h"
#include "uring/uring_fake.h"
#include "uring/uring_fake_ktls.h"

#define SOL_TLS_ 282
#define TLS_TX_	 1
#define BAD_TYPE 0xff /* a record that does not open */

static struct ktls_ctx *server_ctx, *client_ctx;

static void make_contexts(void)
{
	static struct test_certs certs;
	struct ktls_cert_files files;
	struct ktls_ctx_config server = {.role = KTLS_SERVER,
					 .certs = &files,
					 .cert_count = 1,
					 .tickets = 1};
	struct ktls_ctx_config client = {.role = KTLS_CLIENT};
	struct ktls_error error;
	int r;

	test_certs_open(&certs);
	test_certs_make_simple(&certs, "server", "fuzz.example.test");
	files.certificate = test_certs_path(&certs, "server.pem");
	files.key = test_certs_path(&certs, "server.key");
	r = ktls_ctx_create(&server, &server_ctx, &error);
	assert(r == 0);
	r = ktls_ctx_create(&client, &client_ctx, &error);
	assert(r == 0);
	test_certs_close(&certs);
}

/* --- kernel TLS without a cipher: header and text --- */

static size_t seal(struct uring_fake_ktls *tls, uint8_t type, const void *text,
		   size_t len, unsigned char *out)
{
	out[0] = type;
	out[1] = out[2] = 3;
	out[3] = (unsigned char)(len >> 8);
	out[4] = (unsigned char)len;
	memcpy(out + 5, text, len);
	return 5 + len;
}

static ssize_t open_record(struct uring_fake_ktls *tls,
			   const unsigned char *record, size_t len,
			   unsigned char *out, uint8_t *type)
{
	if (record[0] == BAD_TYPE)
		return -EBADMSG;
	*type = record[0];
	memcpy(out, record + 5, len - 5);
	return (ssize_t)(len - 5);
}

static void forget(struct uring_fake_ktls *tls)
{
	free(tls);
}

struct world {
	struct ktls_kernel kernel; /* first: setsockopt finds the world by it */
	struct uring_fake *fake;
	struct uring *ring;
	struct uring_bufs *bufs;
	struct ktls_caps caps;
	struct ktls_env env;
	struct ktls_stream stream;
	struct sim_peer peer;
	int fds[2];
	bool secure, closed, over;
	uint64_t read;
};

static int install(const struct ktls_kernel *kernel, int fd, int level,
		   int name, const void *value, socklen_t len)
{
	const struct world *w = (const struct world *)(const void *)kernel;
	struct uring_fake_ktls *tls;
	int r;

	if (level != SOL_TLS_ || (name != TLS_TX_ && name != TLS_TX_ + 1))
		return 0;
	tls = malloc(sizeof(*tls));
	assert(tls);
	*tls = (struct uring_fake_ktls){
		.rekeys = w->caps.rekey_rx,
		.seal = seal,
		.open = open_record,
		.free = forget,
	};
	r = name == TLS_TX_ ? uring_fake_ktls_tx(w->fake, fd, tls)
			    : uring_fake_ktls_rx(w->fake, fd, tls);
	if (r < 0)
		free(tls);
	return r;
}

static void on_event(void *owner, enum ktls_event event)
{
	struct world *w = owner;
	const unsigned char *data;
	size_t len;

	assert(!w->closed);
	if (event == KTLS_EVENT_SECURE)
		w->secure = true;
	if (event == KTLS_EVENT_READABLE)
		while ((len = ktls_stream_peek(&w->stream, &data)) > 0) {
			w->read += len;
			ktls_stream_consume(&w->stream, len);
		}
	if (event == KTLS_EVENT_EOF || event == KTLS_EVENT_FAILED)
		w->over = true;
	if (event == KTLS_EVENT_CLOSED)
		w->closed = true;
}

static void turn(struct world *w)
{
	int r = uring_turn(w->ring, 0);

	assert(r >= 0);
}

static void open_world(struct world *w, uint8_t settings)
{
	struct uring_fake_config fake = {
		.seed = settings,
		.level = settings & 1 ? URING_LEVEL_5_10 : URING_LEVEL_BEST,
		.short_percent = settings & 2 ? 30 : 0,
		.delay_percent = settings & 4 ? 30 : 0,
	};
	struct uring_config ring = {.level = fake.level};
	int r;

	w->kernel.setsockopt = install;
	r = uring_fake_create(&fake, &w->fake);
	assert(r == 0);
	ring.clock = uring_fake_clock(w->fake);
	ring.backend = uring_fake_backend(w->fake);
	r = uring_create(&ring, &w->ring);
	assert(r == 0);
	r = uring_bufs_create(w->ring, 4, 20000, &w->bufs);
	assert(r == 0);
	w->caps.ulp = true;
	memset(w->caps.cipher, 1, sizeof(w->caps.cipher));
	w->caps.rekey_tx = w->caps.rekey_rx = settings & 16;
	w->env = (struct ktls_env){.ring = w->ring,
				   .bufs = w->bufs,
				   .caps = &w->caps,
				   .kernel = &w->kernel};
	r = uring_fake_socketpair(w->fake, w->fds);
	assert(r == 0);
	r = ktls_stream_open(&w->stream, &w->env, w->fds[0], on_event, w);
	assert(r == 0);
	r = ktls_stream_start_tls(&w->stream, server_ctx, NULL,
				  KTLS_OFFLOAD_ALWAYS);
	assert(r == 0);
	sim_peer_open(&w->peer, w->fake, w->fds[1]);
	sim_peer_tls(&w->peer, client_ctx, NULL);
	for (unsigned i = 0; !w->secure; i++) {
		assert(i < 10000 && !w->over);
		turn(w);
		sim_peer_pump(&w->peer);
	}
}

/* One record of the input, in pieces whose length its first octet decides. */
static size_t send_record(struct world *w, const uint8_t *data, size_t size)
{
	unsigned char record[5 + 4096];
	size_t len = ((size_t)data[1] << 8 | data[2]) % 4096;
	size_t piece = 1 + (size_t)data[0] * 3, at = 0;
	static const uint8_t types[] = {20, 21, 22, 23, 23, 23, 24, BAD_TYPE};

	if (len > size - 3)
		len = size - 3;
	record[0] = types[data[0] % 8];
	record[1] = record[2] = 3;
	record[3] = (unsigned char)(len >> 8);
	record[4] = (unsigned char)len;
	memcpy(record + 5, data + 3, len);
	while (at < 5 + len) {
		size_t n = 5 + len - at < piece ? 5 + len - at : piece;

		(void)uring_fake_peer_write(w->fake, w->fds[1], record + at, n);
		at += n;
		turn(w);
	}
	return 3 + len;
}

static void close_world(struct world *w, bool peer_first)
{
	unsigned i;

	if (peer_first)
		uring_fake_peer_shutdown(w->fake, w->fds[1]);
	turn(w);
	ktls_stream_close(&w->stream, KTLS_CLOSE_FLUSH);
	for (i = 0; !w->closed && i < 10000; i++) {
		unsigned char drop[4096];

		turn(w);
		while (uring_fake_peer_read(w->fake, w->fds[1], drop,
					    sizeof(drop)) > 0)
			;
		if (i % 16 == 15)
			uring_fake_advance(w->fake, URING_SEC);
	}
	assert(w->closed);
	sim_peer_reset(&w->peer);
	assert(uring_inflight(w->ring) == 0);
	assert(uring_bufs_out(w->bufs) == 0);
	uring_bufs_destroy(&w->bufs);
	uring_destroy(&w->ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w;
	size_t at = 1;

	if (size == 0)
		return 0;
	if (!server_ctx)
		make_contexts();
	w = calloc(1, sizeof(*w));
	assert(w);
	open_world(w, data[0]);
	while (size - at >= 3)
		at += send_record(w, data + at, size - at);
	close_world(w, data[0] & 8);
	free(w);
	return 0;
}
