/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile peer may feed during the handshake, and that no secret
 * outlives its use.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ktls/ktls_engine_private.h"
#include "tests/unit/ktls/engine_pair.h"
#include "tests/unit/ktls/plain_peer.h"

#define NAME "mx.example.test"

static const struct ktls_engine_config by_name = {.server_name = NAME,
						  .verify = KTLS_VERIFY_NAME};

struct fixture {
	struct test_certs certs;
	struct engine_pair pair;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pair_config config = {.tickets = 2, .session_cache = 4};

	test_certs_open(&f->certs);
	test_certs_make_simple(&f->certs, "server", NAME);
	pair_open(&f->pair, &f->certs, &config);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	pair_close(&f->pair);
	test_certs_close(&f->certs);
	free(f);
	return 0;
}

/* A fresh server engine that waits for a ClientHello. */
static struct ktls_engine *fresh_server(void **state)
{
	struct fixture *f = *state;

	pair_engines(&f->pair, &by_name);
	assert_int_equal(ktls_engine_start(f->pair.server), KTLS_STEP_MORE);
	return f->pair.server;
}

static void refused(void **state, const void *record, size_t len)
{
	struct ktls_engine *engine = fresh_server(state);

	assert_int_equal(ktls_engine_feed(engine, record, len),
			 KTLS_STEP_FAILED);
	assert_int_equal(ktls_engine_fault(engine), KTLS_FAULT_PROTOCOL);
	assert_non_null(strstr(ktls_engine_error(engine), "not a TLS record"));
}

static void test_smtp_instead_of_tls(void **state)
{
	refused(state, "EHLO client.example.test\r\n", 26);
}

static void test_less_than_a_header(void **state)
{
	refused(state, "", 0);
	refused(state, "\x16\x03\x01\x00", 4);
}

static void test_length_that_lies(void **state)
{
	static const unsigned char longer[] = {22, 3, 1, 0, 4, 1, 0, 0};
	static const unsigned char shorter[] = {22, 3, 1, 0, 2, 1, 0, 0};

	refused(state, longer, sizeof(longer));
	refused(state, shorter, sizeof(shorter));
}

static void test_unknown_type_and_version(void **state)
{
	static const unsigned char type[] = {24, 3, 1, 0, 1, 0};
	static const unsigned char version[] = {22, 2, 1, 0, 1, 0};

	refused(state, type, sizeof(type));
	refused(state, version, sizeof(version));
}

static void test_oversize_record(void **state)
{
	static unsigned char record[KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX +
				    1] = {22, 3, 1};

	record[3] = (KTLS_RECORD_WIRE_MAX + 1) >> 8;
	record[4] = (KTLS_RECORD_WIRE_MAX + 1) & 0xff;
	refused(state, record, sizeof(record));
}

static void test_application_data_before_the_handshake(void **state)
{
	static const unsigned char record[] = {23, 3, 3, 0, 3, 'a', 'b', 'c'};
	struct ktls_engine *engine = fresh_server(state);

	assert_int_equal(ktls_engine_feed(engine, record, sizeof(record)),
			 KTLS_STEP_FAILED);
}

static void test_message_beyond_any_bound(void **state)
{
	/* A ClientHello that says it is 16 MiB long. */
	static const unsigned char record[] = {22,   3,	   1,	 0,    5,
					       0x01, 0xff, 0xff, 0xff, 0};
	struct ktls_engine *engine = fresh_server(state);

	assert_int_equal(ktls_engine_feed(engine, record, sizeof(record)),
			 KTLS_STEP_FAILED);
}

/* TLS 1.3 drops ChangeCipherSpec records in silence: endlessly, if let. */
static void test_flood_of_change_cipher_spec_ends(void **state)
{
	static const unsigned char ccs[] = {20, 3, 3, 0, 1, 1};
	struct fixture *f = *state;
	enum ktls_step step;
	int fed = 0;

	fresh_server(state);
	ktls_engine_start(f->pair.client);
	wire_collect(&f->pair.up, f->pair.client);
	step = ktls_engine_feed(f->pair.server, f->pair.up.data,
				f->pair.up.len);
	while (step == KTLS_STEP_MORE && fed++ < 100000)
		step = ktls_engine_feed(f->pair.server, ccs, sizeof(ccs));
	assert_int_equal(step, KTLS_STEP_FAILED);
	assert_true(fed <= KTLS_HANDSHAKE_RECORDS_MAX);
}

/* One long message, a byte per record: not broken, yet without an end. */
static void test_endless_crumbs_end(void **state)
{
	static const unsigned char head[] = {22, 3, 1, 0, 4, 1, 0, 0x3f, 0};
	static const unsigned char crumb[] = {22, 3, 1, 0, 1, 0};
	struct ktls_engine *engine = fresh_server(state);
	enum ktls_step step = ktls_engine_feed(engine, head, sizeof(head));
	int fed = 0;

	while (step == KTLS_STEP_MORE && fed++ < 100000)
		step = ktls_engine_feed(engine, crumb, sizeof(crumb));
	assert_int_equal(fed, KTLS_HANDSHAKE_RECORDS_MAX);
	assert_int_equal(ktls_engine_fault(engine), KTLS_FAULT_PROTOCOL);
	assert_non_null(strstr(ktls_engine_error(engine), "does not end"));
}

/* Small as they may be, records still make a handshake. */
static void test_client_hello_in_crumbs(void **state)
{
	struct fixture *f = *state;
	struct ktls_engine *server = fresh_server(state);
	enum ktls_step step = KTLS_STEP_MORE;
	const unsigned char *hello;
	size_t len, n;

	ktls_engine_start(f->pair.client);
	hello = ktls_engine_output(f->pair.client, &len);
	for (size_t i = KTLS_RECORD_HEADER; i < len; i += n) {
		unsigned char crumb[5 + 4] = {22, 3, 1};

		n = len - i < 4 ? len - i : 4;
		crumb[4] = (unsigned char)n;
		memcpy(crumb + 5, hello + i, n);
		assert_int_equal(step, KTLS_STEP_MORE);
		step = ktls_engine_feed(server, crumb, 5 + n);
	}
	assert_int_equal(step, KTLS_STEP_MORE);
	ktls_engine_output(server, &len);
	assert_true(len > 500); /* its whole flight */
}

static void test_failure_is_final(void **state)
{
	static const unsigned char record[] = {23, 3, 3, 0, 1, 0};
	struct ktls_engine *engine = fresh_server(state);
	char first[256], text[8];

	assert_int_equal(ktls_engine_feed(engine, record, sizeof(record)),
			 KTLS_STEP_FAILED);
	strncpy(first, ktls_engine_error(engine), sizeof(first) - 1);
	first[sizeof(first) - 1] = '\0';
	assert_int_equal(ktls_engine_feed(engine, "x", 1), KTLS_STEP_FAILED);
	assert_string_equal(ktls_engine_error(engine), first);
	assert_int_equal(ktls_engine_put(engine, "x", 1), -EPROTO);
	assert_int_equal(ktls_engine_read(engine, text, 8), -EPROTO);
	assert_int_equal(ktls_engine_write(engine, "x", 1), -EPROTO);
	ktls_engine_shutdown(engine);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Records with a good header and noise inside, from a seed. */
static void test_noise(void **state)
{
	uint32_t seed = 20240229;
	unsigned char record[512];

	for (int round = 0; round < 300; round++) {
		struct ktls_engine *engine = fresh_server(state);
		enum ktls_step step = KTLS_STEP_MORE;

		for (int i = 0; i < 8 && step == KTLS_STEP_MORE; i++) {
			size_t body = next_random(&seed) % 500;

			for (size_t j = 0; j < body; j++)
				record[5 + j] =
					(unsigned char)next_random(&seed);
			record[0] =
				(unsigned char)(20 + next_random(&seed) % 4);
			record[1] = 3;
			record[2] = (unsigned char)(next_random(&seed) % 5);
			record[3] = (unsigned char)(body >> 8);
			record[4] = (unsigned char)body;
			step = ktls_engine_feed(engine, record, 5 + body);
		}
		assert_int_not_equal(step, KTLS_STEP_DONE);
	}
}

/* One bit of one side's flight is turned: the handshake must not succeed. */
static void handshake_with_flip(struct fixture *f, uint32_t *seed)
{
	enum ktls_step client, server = KTLS_STEP_MORE;
	struct engine_pair *p = &f->pair;
	bool up = next_random(seed) & 1, flipped = false;
	uint32_t at = next_random(seed);

	pair_engines(p, &by_name);
	client = ktls_engine_start(p->client);
	ktls_engine_start(p->server);
	for (int turn = 0; turn < 40; turn++) {
		struct wire *wire = turn & 1 ? &p->down : &p->up;
		size_t before = wire->len, n;

		n = wire_collect(wire, turn & 1 ? p->server : p->client);
		if (n && !flipped && (turn & 1) == !up) {
			/* not in a header's length: that is the owner's */
			size_t where = before + at % n;

			wire->data[where] ^= (unsigned char)(1 << (at >> 29));
			flipped = true;
		}
		while ((n = wire_record(wire->data + wire->taken,
					wire->len - wire->taken))) {
			const unsigned char *rec = wire->data + wire->taken;

			wire->taken += n;
			if (turn & 1 && client == KTLS_STEP_MORE)
				client = ktls_engine_feed(p->client, rec, n);
			else if (!(turn & 1) && server == KTLS_STEP_MORE)
				server = ktls_engine_feed(p->server, rec, n);
		}
	}
	/* A header's version byte or an unused length may be turned without
	 * harm; the keys must then agree. Content never goes unnoticed. */
	if (client == KTLS_STEP_DONE && server == KTLS_STEP_DONE) {
		struct ktls_keys c, s;

		assert_int_equal(ktls_engine_keys(p->client, KTLS_TX, &c), 0);
		assert_int_equal(ktls_engine_keys(p->server, KTLS_RX, &s), 0);
		assert_memory_equal(c.key, s.key, 32);
		assert_int_equal(c.seq, s.seq);
	}
}

static void test_turned_bits(void **state)
{
	uint32_t seed = 77;

	for (int round = 0; round < 200; round++)
		handshake_with_flip(*state, &seed);
}

/* --- secrets --- */

static bool all_zero(const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len)
		if (p[--len])
			return false;
	return true;
}

static bool holds_no_secret(const struct ktls_engine *engine)
{
	for (int d = 0; d < KTLS_DIRECTIONS; d++)
		if (!all_zero(engine->dir[d].secret, KTLS_SECRET_MAX) ||
		    !all_zero(&engine->dir[d].tls12,
			      sizeof(engine->dir[d].tls12)))
			return false;
	return all_zero(engine->master, sizeof(engine->master));
}

static void test_suite_without_kernel_form_keeps_no_secret(void **state)
{
	struct fixture *f = *state;
	struct pair_config config = {.version = KTLS_TLS_1_2,
				     .ciphers = "ECDHE-ECDSA-AES128-SHA256"};
	struct engine_pair pair;
	struct ktls_info info;
	struct ktls_keys keys;

	pair_open(&pair, &f->certs, &config);
	pair_connect(&pair, &by_name);
	ktls_engine_info(pair.client, &info);
	assert_int_equal(info.cipher, KTLS_CIPHER_OTHER);
	assert_string_equal(info.suite,
			    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256");
	assert_int_equal(ktls_engine_keys(pair.client, KTLS_TX, &keys),
			 -ENOTSUP);
	assert_true(all_zero(&keys, sizeof(keys)));
	assert_true(holds_no_secret(pair.client));
	assert_true(holds_no_secret(pair.server));
	pair_close(&pair);
}

static void test_tls12_master_secret_goes_with_the_handshake(void **state)
{
	struct fixture *f = *state;
	struct pair_config config = {.version = KTLS_TLS_1_2};
	struct engine_pair pair;

	pair_open(&pair, &f->certs, &config);
	pair_connect(&pair, &by_name);
	assert_true(all_zero(pair.client->master, 48));
	assert_true(all_zero(pair.server->master, 48));
	assert_false(holds_no_secret(pair.client)); /* the keys are there */
	pair_close(&pair);
}

static void test_failure_wipes_the_secrets(void **state)
{
	static const unsigned char junk[] = {23, 3, 3, 0, 20, 1,  2, 3, 4,
					     5,	 6, 7, 8, 9,  10, 1, 2, 3,
					     4,	 5, 6, 7, 8,  9,  10};
	struct fixture *f = *state;
	char text[8];

	pair_connect(&f->pair, &by_name);
	assert_false(holds_no_secret(f->pair.server));
	assert_int_equal(ktls_engine_put(f->pair.server, junk, sizeof(junk)),
			 0);
	assert_int_equal(ktls_engine_read(f->pair.server, text, 8), -EPROTO);
	assert_true(holds_no_secret(f->pair.server));
}

/* free(3) is wrapped: a watched block must be clean when it gets there. */
void __real_free(void *block);
void __wrap_free(void *block);
static void *watched;
static unsigned char watched_secret[16];
static bool came_clean;

void __wrap_free(void *block)
{
	if (block && block == watched) {
		came_clean = !memmem(block, sizeof(struct ktls_engine),
				     watched_secret, sizeof(watched_secret));
		watched = NULL;
	}
	__real_free(block);
}

static void test_free_wipes_the_secrets(void **state)
{
	struct fixture *f = *state;

	pair_connect(&f->pair, &by_name);
	memcpy(watched_secret, f->pair.server->dir[KTLS_TX].secret, 16);
	assert_false(all_zero(watched_secret, 16));
	came_clean = false;
	watched = f->pair.server;
	ktls_engine_free(&f->pair.server);
	assert_null(watched);
	assert_true(came_clean);
	assert_null(f->pair.server);
	ktls_engine_free(&f->pair.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp_instead_of_tls),
		cmocka_unit_test(test_less_than_a_header),
		cmocka_unit_test(test_length_that_lies),
		cmocka_unit_test(test_unknown_type_and_version),
		cmocka_unit_test(test_oversize_record),
		cmocka_unit_test(test_application_data_before_the_handshake),
		cmocka_unit_test(test_message_beyond_any_bound),
		cmocka_unit_test(test_flood_of_change_cipher_spec_ends),
		cmocka_unit_test(test_endless_crumbs_end),
		cmocka_unit_test(test_client_hello_in_crumbs),
		cmocka_unit_test(test_failure_is_final),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_turned_bits),
		cmocka_unit_test(
			test_suite_without_kernel_form_keeps_no_secret),
		cmocka_unit_test(
			test_tls12_master_secret_goes_with_the_handshake),
		cmocka_unit_test(test_failure_wipes_the_secrets),
		cmocka_unit_test(test_free_wipes_the_secrets),
	};

	return cmocka_run_group_tests_name("ktls_hostile", tests, set_up,
					   tear_down);
}
