/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client in memory: sends messages to an inbound session over a fake
 * socket, pipelined or not, by DATA or BDAT, in clear or over STARTTLS, whole
 * or in crumbs, and may vanish at any time, as its seed says.
 */
#ifndef TESTS_SUPPORT_SIM_CLIENT_H
#define TESTS_SUPPORT_SIM_CLIENT_H

#include <stdbool.h>

#include "ktls/ktls_ctx.h"
#include "tests/support/sim_peer.h"
#include "tests/support/sim_random.h"

/* A message and what became of it. */
struct sim_message {
	unsigned number;
	char *body; /* CRLF lines, ends with CRLF, no NUL */
	size_t len;
	char rcpts[4][64];
	char params[4][48]; /* of RCPT, with a blank in front, or "" */
	size_t rcpt_count;
	bool offered;		/* given to a client */
	bool accepted;		/* 250 was read: a promise */
	unsigned told;		/* the last reply's code; 0: none */
	unsigned copies[4];	/* deliveries seen, per recipient */
	unsigned unanswered[4]; /* of them: the next hop's 250 was never sent */
	bool failed[4];		/* the next hop said 5xx */
	/* notifications that name the recipient */
	unsigned bounced[4], delayed[4], relayed[4];
	unsigned doubtful[4]; /* of them: may have been repeated */
};

struct sim_client_config {
	struct uring_fake *fake;
	int fd;
	uint64_t seed;
	struct ktls_ctx *ctx;	 /* NULL: stay in clear */
	unsigned vanish_percent; /* chance per pump, in 1/1000 */
	unsigned junk_percent;	 /* a wrong command between messages */
	unsigned rekey_chance;	 /* of new keys per pump, in 1/1000 */
	/* The next message to send, or NULL. */
	struct sim_message *(*next)(void *arg);
	void *arg;
};

enum sim_client_state {
	SIM_GREETING,
	SIM_EHLO,
	SIM_STARTTLS,
	SIM_SHAKING,
	SIM_JUNK,
	SIM_ENVELOPE,
	SIM_GO, /* 354 awaited */
	SIM_FINAL,
	SIM_QUIT,
	SIM_DONE
};

struct sim_client {
	struct sim_client_config config;
	struct sim_random random;
	struct sim_peer peer;
	enum sim_client_state state;
	bool tls, pipelining, bdat, refused;
	struct sim_message *message;
	size_t sent, got;      /* envelope commands and replies */
	unsigned chunks_left;  /* replies to BDAT still to come */
	struct sim_bytes wait; /* written, to be let out in crumbs */
};

void sim_client_open(struct sim_client *c,
		     const struct sim_client_config *config);
/* True: something moved. */
bool sim_client_pump(struct sim_client *c);
bool sim_client_done(const struct sim_client *c);

#endif
