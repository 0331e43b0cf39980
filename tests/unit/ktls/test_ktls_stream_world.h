/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for streams: a ring (on the fake kernel, or on the real one), the
 * stream under test with an owner that keeps a diary, and a peer that is
 * nobody but OpenSSL: an SSL object moved by hand over the other end of the
 * connection.  One turn moves everything a little.
 */
#ifndef TESTS_UNIT_KTLS_TEST_KTLS_STREAM_WORLD_H
#define TESTS_UNIT_KTLS_TEST_KTLS_STREAM_WORLD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ktls/ktls_stream.h"
#include "tests/support/test_cert.h"
#include "uring/uring.h"
#include "uring/uring_fake.h"

#define WORLD_NAME "mx.example.test"

/* Made once per program: keys cost time. */
struct shop {
	struct test_certs certs;
	struct ktls_ctx *server, *client;
	SSL_CTX *peer_server, *peer_client;
	bool real; /* worlds have a real ring, sockets and kernel TLS */
	struct ktls_caps caps; /* when real */
	bool lacks_chacha;     /* when real: this kernel takes no ChaCha20 */
};
void shop_open(struct shop *shop);
void shop_close(struct shop *shop);
/* The same as a CMocka group's fixture: *state is a struct shop. */
int shop_set_up(void **state);
int shop_tear_down(void **state);

struct world_config {
	uint64_t seed;
	enum uring_level level;
	unsigned short_percent, delay_percent, reset_percent;
	unsigned socket_buffer;
	unsigned bufs;	       /* receive buffers; 0: 16 */
	unsigned max_ops;      /* 0: the ring's own bound */
	bool clear_records;    /* fake kernel TLS: records without a cipher, so
			     * that a test can write any it likes */
	bool kernel_tls;       /* caps say that everything can be installed */
	bool rekey;	       /* ... and changed, on the fake kernel */
	uint64_t record_limit; /* of struct ktls_env */
	enum ktls_version version; /* of the peer; NONE: both */
	const char *suite;	   /* of the peer, OpenSSL's name; or NULL */
	bool plain_peer;	   /* the peer never speaks TLS */
};

struct world;

struct side {
	struct world *world;
	struct ktls_stream stream;
	unsigned count[KTLS_EVENT_CLOSED + 1];
	enum ktls_event last;
	bool closed;
	bool hold;	   /* leaves everything unread */
	size_t read_max;   /* consumes so much per event; 0: all */
	unsigned char *in; /* what was read */
	size_t in_len;
	const unsigned char *out; /* what is to be written */
	size_t out_len, out_at;
	bool close_when_written;
	void (*on)(struct side *side, enum ktls_event event);
	struct ktls_stream_info info; /* as it was before the close */
	struct ktls_failure_info failure;
	char failure_text[256];
	char described[160];
};

struct peer {
	struct world *world;
	int fd; /* -1: closed */
	SSL *ssl;
	bool tls;  /* bytes go through ssl */
	bool done; /* handshake */
	bool fin, notify, reset, broken;
	bool stalled; /* neither reads nor writes */
	unsigned char *in;
	size_t in_len;
	unsigned char *raw; /* all that came, as it was on the wire */
	size_t raw_len;
	const unsigned char *out;
	size_t out_len, out_at;
	unsigned char *wire; /* not yet taken by the socket */
	size_t wire_len;
	int alert;	      /* last one received, description; -1: none */
	unsigned key_updates; /* received */
};

struct world {
	struct world_config config;
	struct world *host;   /* its ring and kernel; NULL: its own */
	struct world *beside; /* a second stream, or the first; NULL: none */
	struct shop *shop;
	struct uring_fake *fake; /* NULL when real */
	struct uring *ring;
	struct uring_bufs *bufs;
	struct ktls_caps caps;
	struct world_kernel {
		struct ktls_kernel base;
		struct world *world;
		int fail_name;	   /* TLS_TX, TLS_RX, TCP_ULP: refused ... */
		int fail_error;	   /* ... with this; 0: none */
		unsigned calls[2]; /* TLS keys installed, by direction */
	} kernel;
	struct ktls_env env;
	struct side side;
	struct peer peer;
	int fd; /* of the stream, for the wire image */
	uint64_t random;
	time_t since; /* the wait that is going on */
};

/* Level, accidents and buffer sizes by seed. */
struct world_config world_seeded(uint64_t seed);

/* world_open() - ring and an unopened connection; world_start() - the stream
 * on it. */
void world_open(struct world *w, struct shop *shop,
		const struct world_config *config);
void world_start(struct world *w);
/* The same for a second stream, with a peer of its own, on the ring of @host:
 * every turn is for both. It is closed before its host. */
void world_open_beside(struct world *w, struct world *host,
		       const struct world_config *config);
/* Ends what still runs and checks that nothing is left. */
void world_close(struct world *w);

/* The stream's start_tls with the shop's context; server or client. */
int world_start_tls(struct world *w, enum ktls_role role,
		    enum ktls_offload offload);
/* The peer's TLS in the other role. */
void world_peer_tls(struct world *w, enum ktls_role stream_role);
/* Both, and turns until SECURE; nothing else may happen. */
void world_secure(struct world *w, enum ktls_role role,
		  enum ktls_offload offload);

void world_turn(struct world *w);
/* Turns until *flag (or what @done says) is true; fails the test if that does
 * not happen. */
void world_until(struct world *w, bool (*done)(struct world *));
void world_until_event(struct world *w, enum ktls_event event);
/* Turns while @condition holds; fails the test if that does not end. */
#define world_while(w, condition)                              \
	do {                                                   \
		for (unsigned turn_ = 0; condition; turn_++) { \
			world_patience(w, turn_);              \
			world_turn(w);                         \
		}                                              \
	} while (0)
void world_patience(struct world *w, unsigned turns);
void world_turns(struct world *w, unsigned turns);
/* Time passes (on the fake's clock). */
void world_pass(struct world *w, uint64_t ns);

uint64_t world_random(struct world *w);
unsigned world_below(struct world *w, unsigned limit);
/* @len bytes that look random; malloc'ed. */
unsigned char *world_bytes(struct world *w, size_t len);

/* What the owner and the peer send; borrowed until it is through. */
void side_send(struct side *side, const void *data, size_t len);
/* What was held is read now. */
void side_unhold(struct side *side);
void peer_send(struct peer *peer, const void *data, size_t len);
/* Raw bytes from the peer, around any TLS. */
void peer_send_raw(struct peer *peer, const void *data, size_t len);
/* One record for clear_records. */
void peer_send_record(struct peer *peer, uint8_t type, const void *data,
		      size_t len);
/* A KeyUpdate goes out now; @ask: and one is wanted. */
void peer_key_update(struct peer *peer, bool ask);
void peer_close_notify(struct peer *peer);
void peer_fin(struct peer *peer);
void peer_reset(struct peer *peer);
void peer_close(struct peer *peer);

/* All that both sides were to send has arrived; and is what was sent. */
bool world_exchanged(struct world *w);
void world_assert_exchanged(struct world *w);

bool side_closed(struct world *w);
bool side_secure(struct world *w);
bool side_failed(struct world *w);
bool side_eof(struct world *w);

#endif
