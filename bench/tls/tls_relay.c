/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's side of the exchange test; see tls_relay.h. */
#include "bench/tls/tls_relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ktls/ktls_paths.h"
#include "ktls/ktls_stream.h"
#include "uring/uring.h"

enum {
	RING_ENTRIES = 256,
	BUFS = 64,
	BUF_SIZE = 20000,
	GREETINGS = 2, /* octets, see tls_conn.h */
};

/* clang-format off */
const char tls_relay_commands[TLS_RELAY_COMMANDS] =
	"MAIL FROM:<bounces@lists.example.org> SIZE=65536 BODY=8BITMIME\r\n"
	"RCPT TO:<somebody@example.net>\r\n"
	"BDAT 65536 LAST\r\n";
/* clang-format on */

/* One connection. */
struct talk {
	struct tls_relay *relay;
	struct ktls_stream stream;
	unsigned number;
	uint64_t message; /* index of the current one */
	uint64_t left;	  /* messages of this run, the current one included */
	size_t awaited;	  /* octets that the server still owes */
	bool open;
};

struct tls_relay {
	struct tls_relay_setup setup;
	struct uring *ring;	  /* owned */
	struct uring_bufs *bufs;  /* owned */
	struct ktls_paths *paths; /* owned */
	struct ktls_caps caps;
	struct ktls_env env;
	struct talk *talks; /* owned; count */
	unsigned count;
	unsigned busy; /* talks that wait for something */
	int err;       /* the first one; -errno */
	char *error;   /* of the call; borrowed */
	size_t cap;
};

static void fail(struct tls_relay *r, int err, const char *what)
{
	if (!r->err)
		r->err = tls_conn_explain(r->error, r->cap, err, what);
}

static void send_message(struct talk *t)
{
	const struct tls_relay_setup *setup = &t->relay->setup;
	size_t at = tls_source_at(setup->source, t->number, t->message,
				  setup->size);
	struct ktls_file_range range = {
		.fd = setup->source->fd,
		.offset = at,
		.len = setup->size,
		.base = setup->source->data + at,
	};
	int err = ktls_stream_write(&t->stream, tls_relay_commands,
				    TLS_RELAY_COMMANDS);

	if (!err)
		err = ktls_stream_send_file(&t->stream, &range);
	if (err)
		fail(t->relay, err, "sending");
	t->awaited = TLS_RELAY_REPLY;
}

/* All that was awaited has come. */
static void advance(struct talk *t)
{
	if (t->left > 0) {
		t->message++;
		t->left--;
	}
	if (t->left > 0)
		send_message(t);
	else
		t->relay->busy--;
}

static void take(struct talk *t)
{
	const unsigned char *data;
	size_t len;

	while ((len = ktls_stream_peek(&t->stream, &data)) > 0) {
		if (len > t->awaited) {
			fail(t->relay, -EPROTO, "more came than a reply");
			return;
		}
		ktls_stream_consume(&t->stream, len);
		t->awaited -= len;
		if (!t->awaited)
			advance(t);
	}
}

static void broke(struct talk *t)
{
	struct tls_relay *r = t->relay;
	struct ktls_failure_info info;

	ktls_stream_failure(&t->stream, &info);
	if (r->err)
		return;
	r->err = info.error ? -info.error : -EPROTO;
	snprintf(r->error, r->cap, "%s",
		 info.text ? info.text : "the server ended the connection");
}

static void on_event(void *owner, enum ktls_event event)
{
	struct talk *t = owner;

	switch (event) {
	case KTLS_EVENT_READABLE:
		take(t);
		break;
	case KTLS_EVENT_EOF:
	case KTLS_EVENT_FAILED:
		broke(t);
		break;
	case KTLS_EVENT_CLOSED:
		t->open = false;
		break;
	case KTLS_EVENT_CONNECTED:
	case KTLS_EVENT_SECURE:
	case KTLS_EVENT_WRITTEN:
		break;
	}
}

/* Until no connection waits, or one failed. */
static int turn(struct tls_relay *r)
{
	unsigned idle = 0;

	while (r->busy && !r->err) {
		int events = uring_turn(r->ring, URING_SEC);

		if (events < 0)
			fail(r, events, "io_uring");
		idle = events ? 0 : idle + 1;
		if (idle >= TLS_STALL_S)
			fail(r, -EAGAIN, "waiting for the reply");
	}
	return r->err;
}

/* --- life --- */

static int start_talk(struct talk *t, int fd)
{
	const struct tls_relay_setup *setup = &t->relay->setup;
	struct ktls_engine_config config = {.verify = KTLS_VERIFY_NONE};
	int err = ktls_stream_open(&t->stream, &t->relay->env, fd, on_event, t);

	if (err)
		return err;
	t->open = true;
	t->awaited = GREETINGS;
	return ktls_stream_start_tls(
		&t->stream, setup->context->ktls, &config,
		setup->path->offload == TLS_OFFLOAD_NEVER  ? KTLS_OFFLOAD_NEVER
		: setup->path->offload == TLS_OFFLOAD_BOTH ? KTLS_OFFLOAD_ALWAYS
							   : KTLS_OFFLOAD_AUTO);
}

/* What the row claims must be so. */
static void check_offload(const struct talk *t)
{
	enum tls_offload want = t->relay->setup.path->offload;
	struct ktls_stream_info info;
	bool tx, rx;

	ktls_stream_info(&t->stream, &info);
	tx = info.offload[KTLS_TX];
	rx = info.offload[KTLS_RX];
	if ((want == TLS_OFFLOAD_NEVER && (tx || rx)) ||
	    (want == TLS_OFFLOAD_TX && (!tx || rx)) ||
	    (want == TLS_OFFLOAD_BOTH && (!tx || !rx)))
		fail(t->relay, -ENOTSUP, "keys are not where they should be");
}

static struct ktls_paths_config paths_config(const struct tls_path *path)
{
	struct ktls_paths_config config = {.policy = ktls_policy_measured};

	switch (path->method) {
	case TLS_SPLICE:
		config.policy.path = KTLS_PATH_SPLICE;
		break;
	case TLS_READ:
		config.policy.path = KTLS_PATH_READ;
		break;
	case TLS_SEND:
		config.policy.path = KTLS_PATH_MAPPED;
		break;
	case TLS_SENDMSG:
	case TLS_SENDFILE:
	case TLS_WRITE:
	case TLS_RECV:
	case TLS_RECV_FILE:
	case TLS_SHAKE:
	case TLS_RELAY:
	case TLS_ANSWER:
		break;
	}
	return config;
}

/* A kernel that can't receive is how sending alone gets its keys. */
static struct ktls_caps caps_for(const struct tls_relay_setup *setup)
{
	struct ktls_caps caps = *setup->caps;

	if (setup->path->offload != TLS_OFFLOAD_TX)
		return caps;
	for (unsigned c = 0; c < KTLS_CIPHERS; c++)
		for (unsigned v = 0; v < KTLS_VERSIONS; v++)
			caps.cipher[c][v][KTLS_RX] = false;
	return caps;
}

static int make_env(struct tls_relay *r)
{
	struct uring_config config = {.entries = RING_ENTRIES};
	struct ktls_paths_config paths = paths_config(r->setup.path);
	int err = uring_create(&config, &r->ring);

	r->caps = caps_for(&r->setup);
	if (!err)
		err = uring_bufs_create(r->ring, BUFS, BUF_SIZE, &r->bufs);
	if (!err)
		err = ktls_paths_create(&paths, &r->paths);
	r->env = (struct ktls_env){
		.ring = r->ring,
		.bufs = r->bufs,
		.caps = &r->caps,
		.kernel = ktls_kernel_system(),
		.paths = r->paths,
	};
	return err;
}

static int shake_hands(struct tls_relay *r, struct tls_conn *conns)
{
	r->busy = r->count;
	for (unsigned i = 0; i < r->count && !r->err; i++) {
		int fd = conns[i].fd;
		int err;

		conns[i].fd = -1;
		err = start_talk(&r->talks[i], fd);
		if (err)
			fail(r, err, "handshake");
	}
	if (turn(r))
		return r->err;
	for (unsigned i = 0; i < r->count; i++)
		check_offload(&r->talks[i]);
	return r->err;
}

int tls_relay_create(const struct tls_relay_setup *setup,
		     struct tls_conn *conns, unsigned count, unsigned first,
		     struct tls_relay **out, char *error, size_t cap)
{
	struct tls_relay *r = calloc(1, sizeof(*r));
	int err;

	*out = r;
	if (r)
		r->talks = calloc(count, sizeof(*r->talks));
	if (!r || !r->talks)
		return tls_conn_explain(error, cap, -ENOMEM, "relay");
	r->setup = *setup;
	r->count = count;
	r->error = error;
	r->cap = cap;
	for (unsigned i = 0; i < count; i++) {
		r->talks[i].relay = r;
		r->talks[i].number = first + i;
		tls_conn_tune(conns[i].fd);
	}
	err = make_env(r);
	if (err)
		return tls_conn_explain(error, cap, err, "relay");
	return shake_hands(r, conns);
}

int tls_relay_run(struct tls_relay *r, uint64_t messages, char *error,
		  size_t cap)
{
	r->error = error;
	r->cap = cap;
	r->busy = r->count;
	for (unsigned i = 0; i < r->count; i++) {
		r->talks[i].left = messages;
		send_message(&r->talks[i]);
	}
	return turn(r);
}

static bool any_open(const struct tls_relay *r)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (r->talks[i].open)
			return true;
	}
	return false;
}

void tls_relay_free(struct tls_relay **relay)
{
	struct tls_relay *r = *relay;
	char gone[64]; /* failures of the end interest nobody */
	unsigned idle = 0;

	*relay = NULL;
	if (!r)
		return;
	r->error = gone;
	r->cap = sizeof(gone);
	for (unsigned i = 0; r->talks && i < r->count; i++) {
		if (r->talks[i].open)
			ktls_stream_close(&r->talks[i].stream,
					  KTLS_CLOSE_ABORT);
	}
	while (r->ring && any_open(r) && idle < TLS_STALL_S) {
		int events = uring_turn(r->ring, URING_SEC);

		idle = events > 0 ? 0 : idle + 1;
	}
	ktls_paths_destroy(&r->paths);
	uring_bufs_destroy(&r->bufs);
	uring_destroy(&r->ring);
	free(r->talks);
	free(r);
}
