/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways for streams to carry TLS (test_ktls_stream_ways.h).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_ways.h"

const struct way ways[] = {
	{KTLS_SERVER, KTLS_TLS_1_3, "TLS_AES_128_GCM_SHA256", true},
	{KTLS_SERVER, KTLS_TLS_1_3, "TLS_AES_256_GCM_SHA384", true},
	{KTLS_SERVER, KTLS_TLS_1_3, "TLS_CHACHA20_POLY1305_SHA256", true},
	{KTLS_SERVER, KTLS_TLS_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
	{KTLS_SERVER, KTLS_TLS_1_2, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
	{KTLS_SERVER, KTLS_TLS_1_2, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
	{KTLS_CLIENT, KTLS_TLS_1_3, "TLS_AES_128_GCM_SHA256", true},
	{KTLS_CLIENT, KTLS_TLS_1_3, "TLS_AES_256_GCM_SHA384", true},
	{KTLS_CLIENT, KTLS_TLS_1_3, "TLS_CHACHA20_POLY1305_SHA256", true},
	{KTLS_CLIENT, KTLS_TLS_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
	{KTLS_CLIENT, KTLS_TLS_1_2, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
	{KTLS_CLIENT, KTLS_TLS_1_2, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
	{KTLS_SERVER, KTLS_TLS_1_3, "TLS_AES_128_GCM_SHA256", false},
	{KTLS_SERVER, KTLS_TLS_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", false},
	{KTLS_CLIENT, KTLS_TLS_1_3, "TLS_AES_128_GCM_SHA256", false},
	{KTLS_CLIENT, KTLS_TLS_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", false},
};
const size_t way_count = sizeof(ways) / sizeof(ways[0]);

enum ktls_reason way_reason(const struct shop *shop, const struct way *way)
{
	if (!way->kernel)
		return KTLS_REASON_NO_ULP;
	if (shop->lacks_chacha && strstr(way->suite, "CHACHA20"))
		return KTLS_REASON_NO_CIPHER;
	return KTLS_REASON_NONE;
}

bool way_in_kernel(const struct shop *shop, const struct way *way)
{
	return way_reason(shop, way) == KTLS_REASON_NONE;
}

struct world_config way_config(const struct shop *shop, const struct way *way,
			       uint64_t seed)
{
	struct world_config config = world_seeded(seed);

	/* close_notify is a system call there, which the fake has not got */
	if (!shop->real && way->kernel && config.level == URING_LEVEL_5_10)
		config.level = URING_LEVEL_5_19;
	config.kernel_tls = way->kernel;
	config.version = way->version;
	config.suite = way->suite;
	return config;
}

void way_open(struct world *w, struct shop *shop, const struct way *way,
	      uint64_t seed)
{
	struct world_config config = way_config(shop, way, seed);

	world_open(w, shop, &config);
	world_start(w);
}

void way_secure(struct world *w, struct shop *shop, const struct way *way,
		uint64_t seed)
{
	way_open(w, shop, way, seed);
	world_secure(w, way->role, KTLS_OFFLOAD_AUTO);
}

void way_receive_one(struct world *w)
{
	unsigned before = w->side.count[KTLS_EVENT_READABLE];

	peer_send(&w->peer, "250 ok\r\n", 8);
	world_while(w, w->side.count[KTLS_EVENT_READABLE] == before);
	world_while(w, w->side.in_len < 8);
	w->side.in_len = 0;
	w->peer.out_len = w->peer.out_at = 0;
}

void way_assert_nothing_in_clear(struct world *w)
{
	const struct peer *peer = &w->peer;

	for (size_t at = 0; at + 16 <= w->side.out_len; at += 4096)
		assert_true(peer->raw_len == 0 ||
			    !memmem(peer->raw, peer->raw_len, w->side.out + at,
				    16));
}
