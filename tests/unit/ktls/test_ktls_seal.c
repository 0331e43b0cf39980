/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's keys and sequence numbers against OpenSSL itself: what is sealed
 * by hand with them, OpenSSL opens; what OpenSSL seals, they open. This is what
 * the kernel will do with them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ktls/engine_pair.h"
#include "tests/support/seal.h"

struct fixture {
	struct test_certs certs;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	test_certs_open(&f->certs);
	test_certs_make_simple(&f->certs, "server", "mx.example.test");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	test_certs_close(&f->certs);
	free(f);
	return 0;
}

/* @from's kernel (us, by hand) sends three records to @to's OpenSSL. */
static void seal_to_engine(struct ktls_engine *from, struct ktls_engine *to)
{
	struct ktls_keys keys;
	unsigned char record[4096], text[4096];

	assert_int_equal(ktls_engine_keys(from, KTLS_TX, &keys), 0);
	for (int i = 0; i < 3; i++) {
		size_t len = seal(&keys, KTLS_APPLICATION_DATA, "250 ok\r\n", 8,
				  record);

		assert_int_equal(ktls_engine_put(to, record, len), 0);
		assert_int_equal(ktls_engine_read(to, text, sizeof(text)), 8);
		assert_memory_equal(text, "250 ok\r\n", 8);
	}
	ktls_keys_wipe(&keys);
}

/* @from's OpenSSL sends; @to's kernel (us) opens. */
static void open_from_engine(struct ktls_engine *from, struct wire *wire,
			     struct ktls_engine *to)
{
	struct ktls_keys keys;
	unsigned char text[4096];
	unsigned char type;

	assert_int_equal(ktls_engine_keys(to, KTLS_RX, &keys), 0);
	for (int i = 0; i < 3; i++) {
		size_t len;

		assert_int_equal(ktls_engine_write(from, "EHLO a\r\n", 8), 8);
		wire_collect(wire, from);
		len = unseal(&keys, wire->data + wire->taken,
			     wire->len - wire->taken, text, &type);
		wire->taken = wire->len;
		assert_int_equal(len, 8);
		assert_int_equal(type, KTLS_APPLICATION_DATA);
		assert_memory_equal(text, "EHLO a\r\n", 8);
	}
	ktls_keys_wipe(&keys);
}

/* Takes what follows the handshake (tickets) into the client's OpenSSL. */
static void drain(struct wire *wire, struct ktls_engine *engine)
{
	unsigned char text[64];

	wire_deliver(wire, engine);
	assert_int_equal(ktls_engine_read(engine, text, sizeof(text)), -EAGAIN);
}

static void check_suite(struct fixture *f, const struct suite *suite,
			unsigned tickets)
{
	const struct ktls_engine_config client = {.server_name =
							  "mx.example.test",
						  .session_key = "mx:25",
						  .verify = KTLS_VERIFY_NAME};
	struct pair_config config = {.tickets = tickets, .session_cache = 8};
	struct engine_pair pair;

	pair_config_suite(&config, suite);
	pair_open(&pair, &f->certs, &config);

	pair_connect(&pair, &client);
	drain(&pair.down, pair.client);
	seal_to_engine(pair.client, pair.server);

	pair_connect(&pair, &client);
	drain(&pair.down, pair.client);
	seal_to_engine(pair.server, pair.client);

	pair_connect(&pair, &client);
	drain(&pair.down, pair.client);
	open_from_engine(pair.client, &pair.up, pair.server);

	pair_connect(&pair, &client);
	drain(&pair.down, pair.client);
	open_from_engine(pair.server, &pair.down, pair.client);
	pair_close(&pair);
}

static void test_every_suite_both_ways(void **state)
{
	for (size_t i = 0; i < pair_suite_count; i++)
		check_suite(*state, &pair_suites[i], 0);
}

static void test_every_suite_after_tickets(void **state)
{
	for (size_t i = 0; i < pair_suite_count; i++)
		check_suite(*state, &pair_suites[i], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_suite_both_ways),
		cmocka_unit_test(test_every_suite_after_tickets),
	};

	return cmocka_run_group_tests_name("ktls_seal", tests, set_up,
					   tear_down);
}
