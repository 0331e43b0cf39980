/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of keys on the fake's kernel TLS, against OpenSSL; and that no
 * secret outlives its stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_stream_ways.h"

/* free(3) is wrapped: no freed block may hold a watched secret. */
void __real_free(void *block);
void __wrap_free(void *block);
static const struct kstream_rekey *watched;
static unsigned char secrets[2 * KTLS_DIRECTIONS][KTLS_SECRET_MAX];
static unsigned freed_with_secrets;

void __wrap_free(void *block)
{
	if (block && block == watched) {
		for (unsigned i = 0; i < 2 * KTLS_DIRECTIONS; i++)
			freed_with_secrets += memmem(block, sizeof(*watched),
						     secrets[i], 16) != NULL;
		watched = NULL;
	}
	__real_free(block);
}

static void note_secrets(const struct world *w, unsigned generation)
{
	watched = w->side.stream.p->rekey;
	assert_non_null(watched);
	for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
		memcpy(secrets[2 * generation + d], watched->secret[d].bytes,
		       KTLS_SECRET_MAX);
}

static void open_rekeyed(struct world *w, struct shop *shop,
			 const struct way *way)
{
	struct world_config config = way_config(shop, way, 3);

	config.rekey = true;
	world_open(w, shop, &config);
	world_start(w);
	world_secure(w, way->role, KTLS_OFFLOAD_AUTO);
	world_while(w, !w->peer.done);
	way_receive_one(w);
	note_secrets(w, 0);
	peer_key_update(&w->peer, true);
	way_receive_one(w);
	world_while(w, w->peer.key_updates == 0);
	note_secrets(w, 1);
}

/* Each generation replaces the one before it, and the last one is wiped. */
static void no_secret_is_left(void **state)
{
	static const unsigned some[] = {WAY_SERVER_13, WAY_SERVER_13 + 1,
					WAY_CLIENT_13};

	for (unsigned i = 0; i < 3; i++) {
		struct world w;

		open_rekeyed(&w, *state, &ways[some[i]]);
		for (unsigned d = 0; d < KTLS_DIRECTIONS; d++) {
			assert_memory_not_equal(secrets[d], secrets[2 + d], 16);
			assert_null(memmem(watched, sizeof(*watched),
					   secrets[d], 16));
		}
		freed_with_secrets = 0;
		world_close(&w);
		assert_null(watched);
		assert_int_equal(freed_with_secrets, 0);
	}
}

/* A kernel that can't rekey would have no use for them. */
static void secrets_are_kept_for_a_use_only(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct world_config config = way_config(*state, &ways[i], i);
		struct world w;

		config.rekey = ways[i].version == KTLS_TLS_1_2;
		world_open(&w, *state, &config);
		world_start(&w);
		world_secure(&w, ways[i].role, KTLS_OFFLOAD_AUTO);
		way_receive_one(&w);
		assert_null(w.side.stream.p->rekey);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_peers_new_keys_are_followed),
		cmocka_unit_test(new_keys_come_before_what_waits),
		cmocka_unit_test(new_keys_at_any_time),
		cmocka_unit_test(keys_are_changed_at_their_limit),
		cmocka_unit_test(a_key_update_before_the_first_reply),
		cmocka_unit_test(each_half_changes_keys),
		cmocka_unit_test(a_flood_of_key_updates_ends),
		cmocka_unit_test(many_key_updates_with_data_are_no_flood),
		cmocka_unit_test(refused_new_keys_end),
		cmocka_unit_test(keys_that_stay_are_worn_at_their_limit),
		cmocka_unit_test(without_rekey_a_key_update_ends_in_order),
		cmocka_unit_test(no_secret_is_left),
		cmocka_unit_test(secrets_are_kept_for_a_use_only),
	};

	return cmocka_run_group_tests(tests, shop_set_up, shop_tear_down);
}
