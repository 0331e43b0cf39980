/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After the handshake: user-space records, idleness, close_notify, KeyUpdate,
 * renegotiation; the keys are right after each of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/seal.h"
#include "tests/unit/ktls/engine_pair.h"
#include "tests/unit/ktls/plain_peer.h"

#define NAME "mx.example.test"
#define BULK (1500 * 1000)

static const struct ktls_engine_config by_name = {.server_name = NAME,
						  .verify = KTLS_VERIFY_NAME};

static int set_up(void **state)
{
	struct test_certs *certs = calloc(1, sizeof(*certs));

	test_certs_open(certs);
	test_certs_make_simple(certs, "server", NAME);
	*state = certs;
	return 0;
}

static int tear_down(void **state)
{
	test_certs_close(*state);
	free(*state);
	return 0;
}

static void open_suite(struct engine_pair *pair, void **state, size_t suite)
{
	struct pair_config config = {.tickets = 0};

	pair_config_suite(&config, &pair_suites[suite]);
	pair_open(pair, *state, &config);
	pair_connect(pair, &by_name);
}

static void open_tls13(struct engine_pair *pair, void **state, unsigned tickets)
{
	struct pair_config config = {.version = KTLS_TLS_1_3,
				     .tickets = tickets};

	pair_open(pair, *state, &config);
	pair_connect(pair, &by_name);
}

/* --- data --- */

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + i / 997);
}

/* Reads all there is; checks it against the pattern from *at on. */
static void read_pattern(struct ktls_engine *engine, size_t *at)
{
	unsigned char buf[3001];
	ssize_t n;

	while ((n = ktls_engine_read(engine, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buf[i], pattern((*at)++));
	assert_int_equal(n, -EAGAIN);
}

/* How wire bytes get into an engine, which then reads all it can. */
typedef void (*deliver_fn)(struct ktls_engine *to, const unsigned char *data,
			   size_t len, size_t *seen);

static void by_put(struct ktls_engine *to, const unsigned char *data,
		   size_t len, size_t *seen)
{
	assert_int_equal(ktls_engine_put(to, data, len), 0);
	read_pattern(to, seen);
}

/* From memory that is gone afterwards. */
static void by_loan(struct ktls_engine *to, const unsigned char *data,
		    size_t len, size_t *seen)
{
	unsigned char *copy = malloc(len);
	size_t at = 0;

	assert_non_null(copy);
	memcpy(copy, data, len);
	while (at < len) {
		ssize_t part;

		ktls_engine_lend(to, copy + at, len - at);
		read_pattern(to, seen);
		at += ktls_engine_reclaim(to);
		if (at == len)
			break;
		part = ktls_engine_put_part(to, copy + at, len - at);
		assert_in_range(part, 1, len - at);
		at += (size_t)part;
	}
	free(copy);
	read_pattern(to, seen);
}

/* Writes a pattern in changing amounts, delivers it in changing pieces. */
static void send_bulk(struct ktls_engine *from, struct wire *wire,
		      struct ktls_engine *to, deliver_fn deliver)
{
	static unsigned char text[BULK];
	size_t sent = 0, seen = 0, step = 1;

	for (size_t i = 0; i < BULK; i++)
		text[i] = pattern(i);
	while (seen < BULK) {
		if (sent < BULK) {
			size_t len = BULK - sent < step ? BULK - sent : step;
			ssize_t n = ktls_engine_write(from, text + sent, len);

			assert_in_range(n, 1, len);
			sent += (size_t)n;
			step = step * 3 % 100003 + 1;
		}
		wire_collect(wire, from);
		while (wire->taken < wire->len) {
			size_t len = wire->len - wire->taken;

			if (len > step % 7919 + 1)
				len = step % 7919 + 1;
			deliver(to, wire->data + wire->taken, len, &seen);
			wire->taken += len;
		}
		wire->len = wire->taken = 0;
	}
	assert_int_equal(seen, BULK);
}

static void test_bulk_both_ways_in_every_suite(void **state)
{
	for (size_t i = 0; i < pair_suite_count; i++) {
		struct engine_pair pair;

		open_suite(&pair, state, i);
		send_bulk(pair.client, &pair.up, pair.server, by_put);
		wire_deliver(&pair.down, pair.client);
		send_bulk(pair.server, &pair.down, pair.client, by_loan);
		pair_close(&pair);
	}
}

static void test_a_whole_record_is_read_where_it_lies(void **state)
{
	static const unsigned char text[1000];
	unsigned char got[sizeof(text) + 1];
	struct engine_pair pair;

	open_tls13(&pair, state, 0);
	assert_int_equal(ktls_engine_write(pair.client, text, sizeof(text)),
			 sizeof(text));
	wire_collect(&pair.up, pair.client);
	ktls_engine_lend(pair.server, pair.up.data + pair.up.taken,
			 pair.up.len - pair.up.taken);
	assert_int_equal(ktls_engine_read(pair.server, got, sizeof(got)),
			 sizeof(text));
	assert_int_equal(ktls_engine_reclaim(pair.server),
			 pair.up.len - pair.up.taken);
	assert_true(ktls_engine_idle(pair.server, KTLS_RX));
	pair_close(&pair);
}

static void test_a_part_is_taken_up_to_its_records_end(void **state)
{
	static const unsigned char text[1000];
	const unsigned char *wire;
	struct engine_pair pair;
	size_t first;

	open_tls13(&pair, state, 0);
	ktls_engine_write(pair.client, text, sizeof(text));
	ktls_engine_write(pair.client, text, sizeof(text));
	wire_collect(&pair.up, pair.client);
	wire = pair.up.data + pair.up.taken;
	first = wire_record(wire, pair.up.len - pair.up.taken);
	assert_int_equal(ktls_engine_put_part(pair.server, wire, 3), 3);
	assert_int_equal(ktls_engine_put_part(pair.server, wire + 3, 2 * first),
			 first - 3);
	pair_close(&pair);
}

static void test_the_output_is_taken_with_its_memory(void **state)
{
	const unsigned char *data;
	struct engine_pair pair;
	void *memory;
	size_t len;

	open_tls13(&pair, state, 0);
	assert_null(ktls_engine_output_take(pair.client, &data, &len));
	ktls_engine_write_ahead(pair.client, 5);
	ktls_engine_write(pair.client, "hello", 5);
	memory = ktls_engine_output_take(pair.client, &data, &len);
	assert_non_null(memory);
	assert_int_equal(wire_record(data, len), len);
	assert_true(ktls_engine_idle(pair.client, KTLS_TX));
	ktls_engine_write(pair.client, "again", 5);
	assert_int_equal(ktls_engine_put(pair.server, data, len), 0);
	free(memory);
	pair_close(&pair);
}

static void test_write_stops_until_the_output_is_sent(void **state)
{
	static const unsigned char text[65536];
	struct engine_pair pair;
	ssize_t n = 1;
	int writes = 0;

	open_tls13(&pair, state, 0);
	while (n > 0 && writes++ < 100)
		n = ktls_engine_write(pair.client, text, sizeof(text));
	assert_int_equal(n, -EAGAIN);
	wire_collect(&pair.up, pair.client);
	assert_true(ktls_engine_write(pair.client, text, 1) == 1);
	pair_close(&pair);
}

static void test_put_is_bounded(void **state)
{
	static const unsigned char junk[65536];
	struct engine_pair pair;
	int err = 0;
	int puts = 0;

	open_tls13(&pair, state, 0);
	while (!err && puts++ < 100)
		err = ktls_engine_put(pair.client, junk, sizeof(junk));
	assert_int_equal(err, -ENOBUFS);
	pair_close(&pair);
}

static void test_output_may_be_dropped_byte_by_byte(void **state)
{
	struct engine_pair pair;
	char text[16];

	open_tls13(&pair, state, 0);
	assert_int_equal(ktls_engine_write(pair.client, "QUIT\r\n", 6), 6);
	for (;;) {
		size_t len;
		const unsigned char *p = ktls_engine_output(pair.client, &len);

		if (!len)
			break;
		assert_int_equal(ktls_engine_put(pair.server, p, 1), 0);
		ktls_engine_output_drop(pair.client, 1);
	}
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)), 6);
	assert_memory_equal(text, "QUIT\r\n", 6);
	pair_close(&pair);
}

static void test_tampered_record_ends_the_connection(void **state)
{
	for (size_t i = 0; i < pair_suite_count; i++) {
		struct engine_pair pair;
		char text[16];
		size_t len;

		open_suite(&pair, state, i);
		pair.up.taken = pair.up.len;
		assert_int_equal(ktls_engine_write(pair.client, "hello", 5), 5);
		wire_collect(&pair.up, pair.client);
		pair.up.data[pair.up.len - 1] ^= 1;
		wire_deliver(&pair.up, pair.server);
		assert_int_equal(
			ktls_engine_read(pair.server, text, sizeof(text)),
			-EPROTO);
		assert_int_equal(ktls_engine_fault(pair.server),
				 KTLS_FAULT_PROTOCOL);
		assert_non_null(strstr(ktls_engine_error(pair.server),
				       "bad_record_mac"));
		ktls_engine_output(pair.server, &len);
		assert_true(len > 0); /* the alert */
		assert_int_equal(ktls_engine_write(pair.server, "x", 1),
				 -EPROTO);
		pair_close(&pair);
	}
}

static void test_replayed_record_is_refused(void **state)
{
	struct engine_pair pair;
	char text[16];
	size_t at;

	open_tls13(&pair, state, 0);
	at = pair.up.taken;
	assert_int_equal(ktls_engine_write(pair.client, "hello", 5), 5);
	wire_collect(&pair.up, pair.client);
	wire_deliver(&pair.up, pair.server);
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)), 5);
	pair.up.taken = at;
	wire_deliver(&pair.up, pair.server);
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)),
			 -EPROTO);
	pair_close(&pair);
}

/* A length that no record may have: refused by the header alone. */
static void test_oversized_record_is_refused(void **state)
{
	static const unsigned char header[] = {23, 3, 3, 0xff, 0xff};
	struct engine_pair pair;
	char text[16];

	open_tls13(&pair, state, 0);
	assert_int_equal(ktls_engine_put(pair.server, header, sizeof(header)),
			 0);
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)),
			 -EPROTO);
	assert_non_null(
		strstr(ktls_engine_error(pair.server), "record_overflow"));
	pair_close(&pair);
}

static void test_an_oversized_record_is_refused_where_it_lies(void **state)
{
	static const unsigned char header[] = {23, 3, 3, 0xff, 0xff, 1, 2, 3};
	struct engine_pair pair;
	char text[16];

	open_tls13(&pair, state, 0);
	ktls_engine_lend(pair.server, header, sizeof(header));
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)),
			 -EPROTO);
	ktls_engine_reclaim(pair.server);
	ktls_engine_lend(pair.server, header, sizeof(header));
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)),
			 -EPROTO);
	assert_int_equal(ktls_engine_reclaim(pair.server), 0);
	pair_close(&pair);
}

/* --- idleness --- */

static void test_not_idle_before_the_handshake_ends(void **state)
{
	struct engine_pair pair;
	struct ktls_keys keys;

	open_tls13(&pair, state, 0);
	pair_engines(&pair, &by_name);
	assert_false(ktls_engine_idle(pair.client, KTLS_TX));
	ktls_engine_start(pair.client);
	assert_false(ktls_engine_idle(pair.client, KTLS_RX));
	assert_int_equal(ktls_engine_keys(pair.client, KTLS_TX, &keys),
			 -ENOTSUP);
	pair_close(&pair);
}

static void test_unsent_output_is_not_idle(void **state)
{
	struct engine_pair pair;
	size_t len;

	open_tls13(&pair, state, 0);
	assert_true(ktls_engine_idle(pair.client, KTLS_TX));
	assert_int_equal(ktls_engine_write(pair.client, "x", 1), 1);
	assert_false(ktls_engine_idle(pair.client, KTLS_TX));
	assert_true(ktls_engine_idle(pair.client, KTLS_RX));
	ktls_engine_output(pair.client, &len);
	ktls_engine_output_drop(pair.client, len - 1);
	assert_false(ktls_engine_idle(pair.client, KTLS_TX));
	ktls_engine_output_drop(pair.client, 1);
	assert_true(ktls_engine_idle(pair.client, KTLS_TX));
	pair_close(&pair);
}

static void test_every_state_of_a_record_on_its_way_in(void **state)
{
	struct engine_pair pair;
	const unsigned char *p;
	char text[16];
	size_t len;

	open_tls13(&pair, state, 0);
	wire_deliver(&pair.up, pair.server);
	assert_true(ktls_engine_idle(pair.server, KTLS_RX));
	assert_int_equal(ktls_engine_write(pair.client, "12345678", 8), 8);
	p = ktls_engine_output(pair.client, &len);
	/* Half a header, a header, half a body: nothing to read, not idle. */
	for (size_t i = 0; i + 1 < len; i++) {
		assert_int_equal(ktls_engine_put(pair.server, p + i, 1), 0);
		assert_int_equal(
			ktls_engine_read(pair.server, text, sizeof(text)),
			-EAGAIN);
		assert_false(ktls_engine_idle(pair.server, KTLS_RX));
	}
	assert_int_equal(ktls_engine_put(pair.server, p + len - 1, 1), 0);
	assert_false(ktls_engine_idle(pair.server, KTLS_RX));
	assert_int_equal(ktls_engine_read(pair.server, text, 5), 5);
	assert_false(ktls_engine_idle(pair.server, KTLS_RX));
	assert_int_equal(ktls_engine_read(pair.server, text, 5), 3);
	assert_true(ktls_engine_idle(pair.server, KTLS_RX));
	pair_close(&pair);
}

/* A ticket in two records: between them OpenSSL holds half a message. */
static void test_half_a_ticket_is_not_idle(void **state)
{
	unsigned char ticket[4 + 13 + 2 + 32 + 2], record[256];
	struct ktls_keys keys;
	struct engine_pair pair;
	char text[16];
	size_t len;

	memset(ticket, 0, sizeof(ticket));
	ticket[0] = 4; /* NewSessionTicket, RFC 8446 4.6.1 */
	ticket[3] = sizeof(ticket) - 4;
	ticket[6] = 1;	 /* lifetime 256 s */
	ticket[12] = 4;	 /* nonce of 4 */
	ticket[18] = 32; /* ticket of 32 */
	open_tls13(&pair, state, 0);
	assert_int_equal(ktls_engine_keys(pair.server, KTLS_TX, &keys), 0);
	len = seal(&keys, KTLS_HANDSHAKE, ticket, 20, record);
	assert_int_equal(ktls_engine_put(pair.client, record, len), 0);
	assert_int_equal(ktls_engine_read(pair.client, text, sizeof(text)),
			 -EAGAIN);
	assert_false(ktls_engine_idle(pair.client, KTLS_RX));
	len = seal(&keys, KTLS_HANDSHAKE, ticket + 20, sizeof(ticket) - 20,
		   record);
	assert_int_equal(ktls_engine_put(pair.client, record, len), 0);
	assert_int_equal(ktls_engine_read(pair.client, text, sizeof(text)),
			 -EAGAIN);
	assert_string_equal(ktls_engine_error(pair.client), "");
	assert_true(ktls_engine_idle(pair.client, KTLS_RX));
	pair_close(&pair);
}

static void test_unread_tickets_are_counted_when_read(void **state)
{
	struct engine_pair pair;
	struct ktls_keys before, after, sent;
	char text[16];

	open_tls13(&pair, state, 3);
	assert_int_equal(ktls_engine_keys(pair.server, KTLS_TX, &sent), 0);
	assert_int_equal(sent.seq, 3);
	assert_int_equal(ktls_engine_keys(pair.client, KTLS_RX, &before), 0);
	assert_int_equal(before.seq, 0);
	wire_deliver(&pair.down, pair.client);
	assert_int_equal(ktls_engine_read(pair.client, text, sizeof(text)),
			 -EAGAIN);
	assert_int_equal(ktls_engine_keys(pair.client, KTLS_RX, &after), 0);
	assert_int_equal(after.seq, 3);
	pair_close(&pair);
}

static void test_tls12_continues_after_finished_and_its_nonce(void **state)
{
	struct engine_pair pair;
	struct ktls_keys keys;
	const unsigned char *last;
	size_t at = 0, len;

	open_suite(&pair, state, 0);
	assert_int_equal(ktls_engine_keys(pair.client, KTLS_TX, &keys), 0);
	assert_int_equal(keys.seq, 1);
	/* The client's last record is its Finished. */
	last = pair.up.data;
	while ((len = wire_record(pair.up.data + at, pair.up.len - at))) {
		last = pair.up.data + at;
		at += len;
	}
	assert_int_equal(last[0], KTLS_HANDSHAKE);
	assert_int_equal(keys.iv[11], (unsigned char)(last[12] + 1));
	pair_close(&pair);
}

/* --- close_notify --- */

static void test_close_notify_both_ways(void **state)
{
	for (size_t i = 0; i < pair_suite_count; i++) {
		struct engine_pair pair;
		char text[16];

		open_suite(&pair, state, i);
		wire_deliver(&pair.down, pair.client);
		ktls_engine_shutdown(pair.client);
		assert_true(wire_collect(&pair.up, pair.client) > 0);
		wire_deliver(&pair.up, pair.server);
		assert_int_equal(
			ktls_engine_read(pair.server, text, sizeof(text)), 0);
		assert_int_equal(
			ktls_engine_read(pair.server, text, sizeof(text)), 0);
		ktls_engine_shutdown(pair.server);
		assert_true(wire_collect(&pair.down, pair.server) > 0);
		wire_deliver(&pair.down, pair.client);
		assert_int_equal(
			ktls_engine_read(pair.client, text, sizeof(text)), 0);
		pair_close(&pair);
	}
}

static void test_data_before_close_notify_is_read_first(void **state)
{
	struct engine_pair pair;
	char text[16];

	open_tls13(&pair, state, 0);
	assert_int_equal(ktls_engine_write(pair.client, "bye", 3), 3);
	ktls_engine_shutdown(pair.client);
	wire_collect(&pair.up, pair.client);
	wire_deliver(&pair.up, pair.server);
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)), 3);
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)), 0);
	pair_close(&pair);
}

static void test_after_our_close_notify_nothing_is_written(void **state)
{
	struct engine_pair pair;
	size_t len;

	open_tls13(&pair, state, 0);
	ktls_engine_shutdown(pair.client);
	assert_int_equal(ktls_engine_write(pair.client, "x", 1), -EPIPE);
	wire_collect(&pair.up, pair.client);
	ktls_engine_shutdown(pair.client); /* once is enough */
	ktls_engine_output(pair.client, &len);
	assert_int_equal(len, 0);
	pair_close(&pair);
}

static void test_after_the_peers_close_notify_we_may_write(void **state)
{
	struct engine_pair pair;
	char text[16];

	open_tls13(&pair, state, 0);
	ktls_engine_shutdown(pair.client);
	wire_collect(&pair.up, pair.client);
	wire_deliver(&pair.up, pair.server);
	assert_int_equal(ktls_engine_read(pair.server, text, sizeof(text)), 0);
	assert_int_equal(ktls_engine_write(pair.server, "221\r\n", 5), 5);
	wire_collect(&pair.down, pair.server);
	wire_deliver(&pair.down, pair.client);
	assert_int_equal(ktls_engine_read(pair.client, text, sizeof(text)), 5);
	pair_close(&pair);
}

static void test_fatal_alert_is_named(void **state)
{
	static const unsigned char alert[] = {2, 80}; /* internal_error */

	for (size_t i = 0; i < pair_suite_count; i++) {
		struct engine_pair pair;
		struct ktls_keys keys;
		unsigned char record[64];
		char text[16];
		size_t len;

		open_suite(&pair, state, i);
		assert_int_equal(ktls_engine_keys(pair.client, KTLS_TX, &keys),
				 0);
		len = seal(&keys, KTLS_ALERT, alert, 2, record);
		assert_int_equal(ktls_engine_put(pair.server, record, len), 0);
		assert_int_equal(
			ktls_engine_read(pair.server, text, sizeof(text)),
			-EPROTO);
		assert_int_equal(ktls_engine_fault(pair.server),
				 KTLS_FAULT_ALERT);
		assert_non_null(strstr(ktls_engine_error(pair.server),
				       "internal_error"));
		pair_close(&pair);
	}
}

/* --- key updates and renegotiation, from a plain OpenSSL peer --- */

struct meeting {
	struct engine_pair pair; /* for its contexts */
	struct ktls_engine *engine;
	struct plain_peer peer;
};

static void meet(struct meeting *m, void **state, enum ktls_role role,
		 size_t suite)
{
	struct test_certs *certs = *state;
	struct pair_config config = {.tickets = 1};

	pair_config_suite(&config, &pair_suites[suite]);
	pair_open(&m->pair, certs, &config);
	if (role == KTLS_SERVER)
		plain_open(&m->peer, KTLS_CLIENT, config.version, NULL, NULL);
	else
		plain_open(&m->peer, KTLS_SERVER, config.version,
			   test_certs_path(certs, "server.pem"),
			   test_certs_path(certs, "server.key"));
	assert_int_equal(
		ktls_engine_create(role == KTLS_SERVER ? m->pair.server_ctx
						       : m->pair.client_ctx,
				   role == KTLS_SERVER ? NULL : &by_name,
				   &m->engine),
		0);
	assert_int_equal(plain_handshake(&m->peer, m->engine), KTLS_STEP_DONE);
}

static void part(struct meeting *m)
{
	ktls_engine_free(&m->engine);
	plain_close(&m->peer);
	pair_close(&m->pair);
}

/* By hand, with the engine's keys as they are now: both directions work. */
static void keys_still_fit(struct meeting *m)
{
	unsigned char record[256], text[256], type;
	struct ktls_keys keys;
	size_t len;

	assert_int_equal(ktls_engine_keys(m->engine, KTLS_TX, &keys), 0);
	len = seal(&keys, KTLS_APPLICATION_DATA, "to peer", 7, record);
	assert_int_equal(BIO_write(m->peer.in, record, (int)len), len);
	assert_int_equal(SSL_read(m->peer.ssl, text, sizeof(text)), 7);
	assert_memory_equal(text, "to peer", 7);

	assert_int_equal(ktls_engine_keys(m->engine, KTLS_RX, &keys), 0);
	assert_int_equal(SSL_write(m->peer.ssl, "to us", 5), 5);
	len = (size_t)BIO_read(m->peer.out, record, sizeof(record));
	assert_int_equal(unseal(&keys, record, len, text, &type), 5);
	assert_memory_equal(text, "to us", 5);
}

static void test_keys_fit_a_plain_peer(void **state)
{
	for (size_t i = 0; i < pair_suite_count; i++)
		for (int role = KTLS_CLIENT; role <= KTLS_SERVER; role++) {
			struct meeting m;

			meet(&m, state, role, i);
			plain_says(&m.peer, m.engine, "one");
			engine_says(m.engine, &m.peer, "two");
			engine_says(m.engine, &m.peer, "three");
			keys_still_fit(&m);
			part(&m);
		}
}

static void update(struct meeting *m, int type)
{
	char text[16];

	assert_int_equal(SSL_key_update(m->peer.ssl, type), 1);
	assert_int_equal(SSL_do_handshake(m->peer.ssl), 1);
	plain_to_engine(&m->peer, m->engine);
	assert_int_equal(ktls_engine_read(m->engine, text, sizeof(text)),
			 -EAGAIN);
	engine_to_plain(m->engine, &m->peer);
	SSL_read(m->peer.ssl, text, sizeof(text));
}

static void test_keys_follow_the_peers_update(void **state)
{
	for (size_t i = 3; i < pair_suite_count; i++)
		for (int role = KTLS_CLIENT; role <= KTLS_SERVER; role++) {
			struct meeting m;

			meet(&m, state, role, i);
			plain_says(&m.peer, m.engine, "one");
			update(&m, SSL_KEY_UPDATE_NOT_REQUESTED);
			plain_says(&m.peer, m.engine, "two");
			engine_says(m.engine, &m.peer, "three");
			keys_still_fit(&m);
			part(&m);
		}
}

/* The answer goes out at the read, so that the kernel may take sending over
 * with the new keys. */
static void test_requested_update_is_answered(void **state)
{
	for (size_t i = 3; i < pair_suite_count; i++)
		for (int role = KTLS_CLIENT; role <= KTLS_SERVER; role++) {
			struct meeting m;

			meet(&m, state, role, i);
			engine_says(m.engine, &m.peer, "one");
			update(&m, SSL_KEY_UPDATE_REQUESTED);
			update(&m, SSL_KEY_UPDATE_REQUESTED);
			assert_true(ktls_engine_idle(m.engine, KTLS_TX));
			keys_still_fit(&m);
			part(&m);
		}
}

static void test_client_may_not_renegotiate(void **state)
{
	struct meeting m;
	char text[16];

	meet(&m, state, KTLS_SERVER, 0);
	plain_says(&m.peer, m.engine, "one");
	assert_int_equal(SSL_renegotiate(m.peer.ssl), 1);
	SSL_do_handshake(m.peer.ssl);
	plain_to_engine(&m.peer, m.engine);
	ktls_engine_read(m.engine, text, sizeof(text));
	engine_to_plain(m.engine, &m.peer);
	assert_int_not_equal(SSL_do_handshake(m.peer.ssl), 1);
	part(&m);
}

/* The refusal is a record too: the keys' sequence number counts it. */
static void test_server_may_not_renegotiate(void **state)
{
	struct ktls_keys before, after;
	unsigned char text[64], type;
	const unsigned char *record;
	struct meeting m;
	size_t len;

	meet(&m, state, KTLS_CLIENT, 0);
	assert_int_equal(ktls_engine_keys(m.engine, KTLS_TX, &before), 0);
	SSL_renegotiate(m.peer.ssl);
	SSL_do_handshake(m.peer.ssl); /* sends HelloRequest */
	plain_to_engine(&m.peer, m.engine);
	assert_int_equal(ktls_engine_read(m.engine, text, sizeof(text)),
			 -EAGAIN);
	assert_int_equal(ktls_engine_keys(m.engine, KTLS_TX, &after), 0);
	assert_int_equal(after.seq, before.seq + 1);
	record = ktls_engine_output(m.engine, &len);
	assert_int_equal(unseal(&before, record, len, text, &type), 2);
	assert_int_equal(type, KTLS_ALERT);
	assert_int_equal(text[0], 1);	/* warning */
	assert_int_equal(text[1], 100); /* no_renegotiation */
	part(&m);
}

/* Middlebox compatibility ends with the handshake; it must not move counts. */
static void test_late_change_cipher_spec_does_not_reset_counts(void **state)
{
	static const unsigned char ccs[] = {20, 3, 3, 0, 1, 1};
	struct meeting m;
	struct ktls_keys keys;
	char text[16];

	meet(&m, state, KTLS_SERVER, 3);
	plain_says(&m.peer, m.engine, "one");
	plain_says(&m.peer, m.engine, "two");
	assert_int_equal(ktls_engine_put(m.engine, ccs, sizeof(ccs)), 0);
	if (ktls_engine_read(m.engine, text, sizeof(text)) == -EAGAIN) {
		assert_int_equal(ktls_engine_keys(m.engine, KTLS_RX, &keys), 0);
		assert_int_equal(keys.seq, 2);
	}
	part(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bulk_both_ways_in_every_suite),
		cmocka_unit_test(test_write_stops_until_the_output_is_sent),
		cmocka_unit_test(test_put_is_bounded),
		cmocka_unit_test(test_output_may_be_dropped_byte_by_byte),
		cmocka_unit_test(test_tampered_record_ends_the_connection),
		cmocka_unit_test(test_replayed_record_is_refused),
		cmocka_unit_test(test_oversized_record_is_refused),
		cmocka_unit_test(
			test_an_oversized_record_is_refused_where_it_lies),
		cmocka_unit_test(test_a_whole_record_is_read_where_it_lies),
		cmocka_unit_test(test_a_part_is_taken_up_to_its_records_end),
		cmocka_unit_test(test_the_output_is_taken_with_its_memory),
		cmocka_unit_test(test_not_idle_before_the_handshake_ends),
		cmocka_unit_test(test_unsent_output_is_not_idle),
		cmocka_unit_test(test_every_state_of_a_record_on_its_way_in),
		cmocka_unit_test(test_half_a_ticket_is_not_idle),
		cmocka_unit_test(test_unread_tickets_are_counted_when_read),
		cmocka_unit_test(
			test_tls12_continues_after_finished_and_its_nonce),
		cmocka_unit_test(test_close_notify_both_ways),
		cmocka_unit_test(test_data_before_close_notify_is_read_first),
		cmocka_unit_test(
			test_after_our_close_notify_nothing_is_written),
		cmocka_unit_test(
			test_after_the_peers_close_notify_we_may_write),
		cmocka_unit_test(test_fatal_alert_is_named),
		cmocka_unit_test(test_keys_fit_a_plain_peer),
		cmocka_unit_test(test_keys_follow_the_peers_update),
		cmocka_unit_test(test_requested_update_is_answered),
		cmocka_unit_test(test_client_may_not_renegotiate),
		cmocka_unit_test(test_server_may_not_renegotiate),
		cmocka_unit_test(
			test_late_change_cipher_spec_does_not_reset_counts),
	};

	return cmocka_run_group_tests_name("ktls_records", tests, set_up,
					   tear_down);
}
