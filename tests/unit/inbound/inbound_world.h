/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inbound on the fake ring with clients of the test's own and a spool in
 * memory. Time passes only when a test says so.
 */
#ifndef TESTS_UNIT_INBOUND_INBOUND_WORLD_H
#define TESTS_UNIT_INBOUND_INBOUND_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/inbound/inbound.h"
#include "tests/support/sim_peer.h"
#include "tests/support/soft_tls.h"
#include "tests/support/test_cert.h"
#include "tests/unit/inbound/fake_spool.h"
#include "uring/uring.h"
#include "uring/uring_bufs.h"
#include "uring/uring_fake.h"

#define WORLD_CLIENTS 256

struct world;

struct client {
	struct world *world;
	struct sim_peer peer;
	int fd;	      /* the server's end, for its wire image */
	bool stalled; /* neither reads nor writes */
};

struct world {
	struct uring_fake *fake;
	struct uring *ring;
	struct uring_bufs *bufs;
	struct ktls_caps caps;
	struct ktls_kernel kernel;
	struct soft_tls_kernel soft; /* after world_kernel_tls() */
	struct ktls_env env;
	struct config *config;
	struct inbound_admission *admission;
	struct inbound *inbound;
	struct spool spool;
	struct config_listener listener_config[4]; /* by config_listen_tls */
	struct inbound_listener listeners[4];
	struct client clients[WORLD_CLIENTS];
	unsigned client_count;
	unsigned accepted; /* calls of the queue */
	unsigned idle;	   /* calls after shutdown */
};

/* Made once per group: keys cost time. */
int world_set_up_group(void **state);
int world_tear_down_group(void **state);

/* @fake NULL: no accidents. */
struct world *world_start(const struct uring_fake_config *fake);
/* From now on keys go into the kernel, which can change them or not. */
void world_kernel_tls(struct world *w, bool rekeys);
/* Ends what runs, checks that nothing is left. */
void world_end(struct world *w);
/* Turns until nothing moves any more at this time. */
void world_settle(struct world *w);
/* Time passes, by steps of a second at most. */
void world_pass(struct world *w, uint64_t ns);

/* A new connection; @peer NULL: 127.0.0.1. */
struct client *client_open(struct world *w, enum config_listen_tls tls);
struct client *client_open_from(struct world *w, enum config_listen_tls tls,
				const char *address);
/* Past the greeting and EHLO. */
struct client *client_hello(struct world *w, enum config_listen_tls tls);
void client_write(struct client *c, const void *data, size_t len);
/* Text goes out and things settle. */
void client_say(struct client *c, const char *text);
/* Exactly this was answered since the last look. */
void client_expect(struct client *c, const char *text);
/* The answer begins with this; all of it is taken. */
void client_expect_start(struct client *c, const char *text);
/* say + expect */
void client_ask(struct client *c, const char *text, const char *answer);
/* The server has closed in order. */
void client_expect_end(struct client *c);
/* STARTTLS and handshake. */
void client_start_tls(struct client *c);
/* Handshake at once. */
void client_tls(struct client *c);
/* A KeyUpdate goes out; @ask: and one is wanted. */
void client_key_update(struct client *c, bool ask);
void client_close(struct client *c);
void client_reset(struct client *c);
/* Sends no more, still reads. */
void client_half_close(struct client *c);

/* The only message that was accepted, or the @nth. */
const struct spool_message *world_message(struct world *w, unsigned nth);
void assert_body(const struct spool_message *message, const char *body);

#endif
