/* SPDX-License-Identifier: Apache-2.0 */
/* Our half of an errand (paths_desk.h). */
#include "tests/kernel/paths_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	BUFFER_SIZE = 20480,
	BUFFERS = 16,
	DROP_TURNS = 5000,
};

static void complain(struct desk *d, const char *what, size_t where)
{
	if (!*d->complaint)
		snprintf(d->complaint, sizeof(d->complaint), "%s (%zu)", what,
			 where);
}

/* --- sending --- */

static int send_parcel(struct desk *d, const struct parcel *parcel)
{
	const struct ktls_file_range range = {
		.fd = d->config.file,
		.offset = parcel->at,
		.len = parcel->len,
		.base = d->config.path->file == KTLS_PATH_MAPPED
				? d->errand.file + parcel->at
				: NULL,
	};

	return ktls_stream_send_file(&d->stream, &range);
}

/* One at a time: the queue has run empty before the next. */
static void send_next(struct desk *d)
{
	const struct parcel *parcel = &d->errand.parcels[d->parcel];

	if (d->parcel == d->errand.count)
		return;
	d->parcel++;
	d->bytes += parcel->len;
	if (send_parcel(d, parcel) != 0 ||
	    ktls_stream_write(&d->stream, PARCEL_END, PARCEL_END_LEN) != 0)
		complain(d, "body not taken by the stream", d->parcel);
}

/* --- receiving --- */

/* What comes next: the rest of a parcel, or of the line behind it. */
static const unsigned char *expected(const struct desk *d, size_t *len)
{
	const struct parcel *parcel = &d->errand.parcels[d->parcel];
	size_t behind;

	if (d->at < parcel->len) {
		*len = parcel->len - d->at;
		return d->errand.file + parcel->at + d->at;
	}
	behind = d->at - parcel->len;
	*len = PARCEL_END_LEN - behind;
	return (const unsigned char *)PARCEL_END + behind;
}

static void took(struct desk *d, size_t len)
{
	const struct parcel *parcel = &d->errand.parcels[d->parcel];

	if (d->at < parcel->len)
		d->bytes += len;
	d->at += len;
	if (d->at < parcel->len + PARCEL_END_LEN)
		return;
	d->parcel++;
	d->at = 0;
}

static void take(struct desk *d, const unsigned char *data, size_t len)
{
	while (len > 0 && d->parcel < d->errand.count) {
		size_t n;
		const unsigned char *expect = expected(d, &n);

		n = n < len ? n : len;
		if (memcmp(data, expect, n) != 0) {
			complain(d, "body differs", d->parcel);
			return;
		}
		took(d, n);
		data += n;
		len -= n;
	}
	if (len > 0)
		complain(d, "bytes behind the last body", len);
}

static void take_reply(struct desk *d, const unsigned char *data, size_t len)
{
	if (d->reply + len > ERRAND_OK_LEN ||
	    memcmp(data, &ERRAND_OK[d->reply], len) != 0)
		complain(d, "another reply than expected", len);
	d->reply += len;
}

static void read_all(struct desk *d)
{
	const unsigned char *data;
	size_t n;

	while (!*d->complaint &&
	       (n = ktls_stream_peek(&d->stream, &data)) > 0) {
		if (d->config.path->direction == KTLS_TX)
			take_reply(d, data, n);
		else
			take(d, data, n);
		ktls_stream_consume(&d->stream, n);
	}
}

void desk_release(struct desk *d)
{
	d->hold = false;
	read_all(d);
}

/* --- events --- */

static void failed(struct desk *d)
{
	struct ktls_failure_info failure;

	if (d->errand.cut)
		return;
	ktls_stream_failure(&d->stream, &failure);
	complain(d, failure.text ? failure.text : "failed",
		 (size_t)failure.error);
}

static void on_event(void *owner, enum ktls_event event)
{
	struct desk *d = owner;

	d->events[event]++;
	if (event == KTLS_EVENT_FAILED)
		failed(d);
	if (event != KTLS_EVENT_CLOSED)
		ktls_stream_info(&d->stream, &d->info);
	if (event == KTLS_EVENT_READABLE && !d->hold)
		read_all(d);
	if (event == KTLS_EVENT_WRITTEN &&
	    d->config.path->direction == KTLS_TX && d->parcel > 0)
		send_next(d);
}

void desk_begin(struct desk *d)
{
	if (d->config.path->direction == KTLS_TX)
		send_next(d);
}

/* --- turns --- */

void desk_turn(struct desk *d)
{
	int n = uring_turn(d->ring, URING_MSEC);

	assert_true(n >= 0);
	if (*d->complaint)
		fail_msg("%s", d->complaint);
}

void desk_patience(const struct desk *d, time_t since, const char *what)
{
	const char *patience = getenv("RINGPOST_TEST_PATIENCE");

	if (time(NULL) - since > (patience ? atoi(patience) : 60))
		fail_msg("stuck while %s: body %zu, byte %zu, %zu unsent", what,
			 d->parcel, d->at, ktls_stream_unsent(&d->stream));
}

static void confirm(struct desk *d)
{
	assert_int_equal(
		ktls_stream_write(&d->stream, ERRAND_OK, ERRAND_OK_LEN), 0);
	desk_while(d, ktls_stream_unsent(&d->stream) > 0);
}

void desk_run(struct desk *d)
{
	if (d->config.path->direction == KTLS_TX) {
		desk_while(d, d->reply < ERRAND_OK_LEN);
	} else {
		desk_while(d, d->parcel < d->errand.count);
		confirm(d);
	}
	ktls_stream_info(&d->stream, &d->info);
}

/* --- opening and closing --- */

static void make_ring(struct desk *d)
{
	const struct uring_config ring = {.level = d->config.path->level};
	const struct ktls_paths_config paths = {
		.policy = {.path = d->config.path->file},
	};

	assert_int_equal(uring_create(&ring, &d->ring), 0);
	assert_int_equal(
		uring_bufs_create(d->ring, BUFFERS, BUFFER_SIZE, &d->bufs), 0);
	assert_int_equal(ktls_paths_create(&paths, &d->paths), 0);
	d->env = (struct ktls_env){.ring = d->ring,
				   .bufs = d->bufs,
				   .caps = &d->shop->caps,
				   .kernel = ktls_kernel_system(),
				   .paths = d->paths};
}

static void connect_peer(struct desk *d)
{
	bool we_send = d->config.path->direction == KTLS_TX;
	const struct tcp_peer_config config = {
		.version = d->config.version,
		.suite = d->config.suite,
		.server = we_send,
		.buffer = d->config.buffer,
		.talk = we_send ? errand_read : errand_write,
		.arg = &d->errand,
	};

	assert_int_equal(sem_init(&d->errand.go, 0, 0), 0);
	tcp_peer_open(&d->peer, &d->shop->certs, &config);
	d->peer_runs = true;
}

static void secure(struct desk *d)
{
	const struct ktls_engine_config config = {
		.server_name = WORLD_NAME,
		.verify = KTLS_VERIFY_NAME,
	};
	bool client = d->config.path->direction == KTLS_TX;

	assert_int_equal(ktls_stream_open(&d->stream, &d->env, d->peer.our_fd,
					  on_event, d),
			 0);
	assert_int_equal(ktls_stream_start_tls(
				 &d->stream,
				 client ? d->shop->client : d->shop->server,
				 client ? &config : NULL,
				 d->config.path->user ? KTLS_OFFLOAD_NEVER
						      : KTLS_OFFLOAD_AUTO),
			 0);
	desk_while(d, d->events[KTLS_EVENT_SECURE] == 0);
}

void desk_open(struct desk *d, struct shop *shop,
	       const struct desk_config *config, const struct errand *errand)
{
	*d = (struct desk){.config = *config, .shop = shop, .errand = *errand};
	make_ring(d);
	connect_peer(d);
	secure(d);
}

static void free_ring(struct desk *d)
{
	ktls_paths_destroy(&d->paths);
	uring_bufs_destroy(&d->bufs);
	uring_destroy(&d->ring);
}

void desk_close(struct desk *d, enum ktls_close how)
{
	const char *complaint;

	ktls_stream_close(&d->stream, how);
	desk_while(d, d->events[KTLS_EVENT_CLOSED] == 0);
	complaint = tcp_peer_finish(&d->peer);
	d->peer_runs = false;
	if (complaint)
		fail_msg("peer: %s", complaint);
	assert_int_equal(uring_inflight(d->ring), 0);
	assert_int_equal(uring_bufs_out(d->bufs), 0);
	free_ring(d);
}

void desk_drop(struct desk *d)
{
	if (!d->ring)
		return;
	if (d->stream.p) {
		d->errand.cut = 1; /* no more complaints */
		ktls_stream_close(&d->stream, KTLS_CLOSE_ABORT);
		for (int i = 0; i < DROP_TURNS && d->stream.p; i++)
			uring_turn(d->ring, URING_MSEC);
	}
	if (d->peer_runs) {
		sem_post(&d->errand.go);
		tcp_peer_finish(&d->peer);
		d->peer_runs = false;
	}
	if (!d->stream.p)
		free_ring(d);
	d->ring = NULL;
}
