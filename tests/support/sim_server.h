/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A next hop in memory: an SMTP server on fake sockets that can refuse,
 * stall and vanish as its settings (and a seed) say.
 */
#ifndef TESTS_SUPPORT_SIM_SERVER_H
#define TESTS_SUPPORT_SIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "ktls/ktls_ctx.h"
#include "tests/support/sim_peer.h"
#include "tests/support/sim_random.h"
#include "uring/uring.h"
#include "uring/uring_op.h"

#define SIM_SERVER_CONNS 64
#define SIM_SERVER_RCPTS 16

struct sim_mail {
	const char *from;
	char (*rcpts)[128], (*params)[128]; /* RCPT: mailbox, what follows */
	size_t rcpt_count;
	const unsigned char *body;
	size_t len;
	bool answered; /* false: the final 250 was never sent */
	unsigned code; /* of what was said instead; 0: nothing */
	bool rekeyed;  /* keys were changed before it */
	bool tls;
};

struct sim_server_config {
	struct uring *ring;
	struct uring_fake *fake;
	uint16_t port;
	uint64_t seed;
	struct ktls_ctx *ctx; /* NULL: no STARTTLS */
	bool no_pipelining, no_chunking, helo_only;
	bool dsn; /* announced */
	/* chance per opportunity */
	unsigned refuse_percent; /* 4xx to MAIL, RCPT or the message */
	unsigned fail_percent;	 /* 5xx likewise */
	unsigned drop_percent;	 /* connection reset */
	unsigned rekey_percent;	 /* new keys in front of the usual reply */
	/* Scripted instead of chance: a reply to @line ("MAIL...", "." for the
	 * end of a message, "" for the greeting), or NULL for the usual one;
	 * "!" drops the connection; "^" changes keys in front of the usual one,
	 * "^?" and asks for the client's. May be NULL. */
	const char *(*script)(void *arg, const char *line);
	void (*received)(void *arg, const struct sim_mail *mail);
	/* The same for every message that was there whole, refused or not, after
	 * received(). May be NULL. */
	void (*finished)(void *arg, const struct sim_mail *mail);
	/* chance per pump, in 1/1000, that a connection in a chunk stops
	 * reading for good */
	unsigned stall_chance;
	void *arg;
};

struct sim_server_conn {
	struct sim_peer peer;
	enum {
		SIM_COMMAND,
		SIM_DATA,
		SIM_BDAT
	} state;
	bool used, tls, mail, bad_chunk, last, start_tls, stalled;
	bool hang_up; /* after a 421, once it is out */
	bool rekeyed;
	char from[256];
	char rcpts[SIM_SERVER_RCPTS][128], params[SIM_SERVER_RCPTS][128];
	size_t rcpt_count;
	uint64_t chunk_left;
	struct sim_bytes body;
};

struct sim_server {
	struct sim_server_config config;
	struct sim_random random;
	int listener;
	struct uring_op *accept;
	bool closing;
	struct sim_server_conn conns[SIM_SERVER_CONNS];
	unsigned connections, messages;
};

void sim_server_open(struct sim_server *s,
		     const struct sim_server_config *config);
/* True: something moved. */
bool sim_server_pump(struct sim_server *s);
/* Begin the end; turn the ring until sim_server_closed(). */
void sim_server_close(struct sim_server *s);
bool sim_server_closed(const struct sim_server *s);

#endif
