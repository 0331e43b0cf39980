/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of a world: the peer's inside.
 */
#ifndef TESTS_UNIT_KTLS_TEST_KTLS_STREAM_PEER_H
#define TESTS_UNIT_KTLS_TEST_KTLS_STREAM_PEER_H

#include "tests/unit/ktls/test_ktls_stream_world.h"

void peer_tls(struct peer *peer, SSL_CTX *ctx, bool server);
void peer_pump(struct peer *peer);
void peer_free(struct peer *peer);

#endif
