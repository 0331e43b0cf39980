/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test's end of a fake connection: bytes in, bytes out, in clear or
 * through OpenSSL (ktls_engine), pumped between the turns of the ring.
 */
#ifndef TESTS_SUPPORT_SIM_PEER_H
#define TESTS_SUPPORT_SIM_PEER_H

#include <stdbool.h>

#include "ktls/ktls_engine.h"
#include "tests/support/sim_bytes.h"
#include "uring/uring_fake.h"

struct sim_peer {
	struct uring_fake *fake;
	int fd;			    /* ours; -1: closed */
	struct ktls_engine *engine; /* NULL: in clear */
	bool shaking;		    /* handshake under way */
	bool failed;		    /* TLS failed */
	bool ended;		    /* the other side will send no more */
	size_t clear_in;	    /* bytes received before TLS began */
	struct sim_bytes in, out;   /* clear text */
	struct sim_bytes wire_in, wire_out;
};

void sim_peer_open(struct sim_peer *p, struct uring_fake *fake, int fd);
/* Everything in p->out goes in clear, then the handshake begins. */
void sim_peer_tls(struct sim_peer *p, struct ktls_ctx *ctx, const char *key);
/* Under TLS 1.3: what was put goes out under the old keys, then a KeyUpdate;
 * @ask: and one is wanted. */
void sim_peer_key_update(struct sim_peer *p, bool ask);
/* Move what can be moved; true: something moved. */
bool sim_peer_pump(struct sim_peer *p);
/* All that was put has left. */
bool sim_peer_flushed(const struct sim_peer *p);
/* An orderly end: close_notify, FIN. Or a hard one. Frees the memory. */
void sim_peer_close(struct sim_peer *p);
void sim_peer_reset(struct sim_peer *p);

#endif
