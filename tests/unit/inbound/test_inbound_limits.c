/* SPDX-License-Identifier: Apache-2.0 */
/* Time, numbers of connections, the end of the service. */
#include "gateway/inbound/inbound_admission.h"
#include "tests/unit/inbound/inbound_world.h"

#include <arpa/inet.h>
#include <pthread.h>

#define OK	     "250 2.0.0 Ok\r\n"
#define OK_SENDER    "250 2.1.0 Ok\r\n"
#define OK_RECIPIENT "250 2.1.5 Ok\r\n"
#define GO_ON	     "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED	     "250 2.0.0 Ok: queued as "
#define ENVELOPE     "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
#define TIMEOUT	     "421 4.4.2 relay.example.test Timeout, closing connection\r\n"
#define SHUTDOWN                                                       \
	"421 4.3.2 relay.example.test Service shutting down, closing " \
	"connection\r\n"

/* --- time --- */

static uint64_t turned_away(const struct inbound_stats *stats)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < INBOUND_TURNED_KINDS; i++)
		sum += stats->turned[i];
	return sum;
}

static void test_silent_client_is_sent_away(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_open(w, CONFIG_LISTEN_NONE);

	client_expect_start(c, "220 ");
	world_pass(w, 99 * URING_SEC);
	client_expect(c, "");
	world_pass(w, 2 * URING_SEC);
	client_expect(c, TIMEOUT);
	client_expect_end(c);
	world_end(w);
}

static void test_every_command_has_its_time(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	for (int i = 0; i < 5; i++) {
		world_pass(w, 90 * URING_SEC);
		client_ask(c, "NOOP\r\n", OK);
	}
	world_pass(w, 101 * URING_SEC);
	client_expect(c, TIMEOUT);
	world_end(w);
}

static void test_crumbs_of_a_command_win_no_time(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	for (int i = 0; i < 10; i++) {
		world_pass(w, 9 * URING_SEC);
		client_ask(c, "x", "");
	}
	world_pass(w, 11 * URING_SEC);
	client_expect(c, TIMEOUT);
	world_end(w);
}

static void test_each_block_of_data_has_its_time(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, ENVELOPE "DATA\r\n", OK_SENDER OK_RECIPIENT GO_ON);
	for (int i = 0; i < 5; i++) {
		world_pass(w, 49 * URING_SEC);
		client_ask(c, "x", "");
	}
	world_pass(w, 51 * URING_SEC);
	client_expect(c, TIMEOUT);
	client_expect_end(c);
	assert_int_equal(w->spool.open, 0);
	world_end(w);
}

static void test_discarding_has_its_time_too(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "BDAT 100\r\nx", "");
	world_pass(w, 51 * URING_SEC);
	client_expect(c, TIMEOUT);
	world_end(w);
}

static void test_handshake_has_its_time(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);

	client_ask(c, "STARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n");
	world_pass(w, 19 * URING_SEC);
	assert_false(c->peer.ended);
	world_pass(w, 2 * URING_SEC);
	client_expect(c, "");
	assert_true(c->peer.ended);
	assert_int_equal(tls_stats_failures(&inbound_stats(w->inbound)->tls),
			 1);
	world_end(w);
}

static void test_implicit_handshake_has_its_time(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_open(w, CONFIG_LISTEN_IMPLICIT);

	world_pass(w, 21 * URING_SEC);
	client_expect(c, "");
	assert_true(c->peer.ended);
	world_end(w);
}

/* --- connections --- */

static void test_connections_are_bounded(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c, *d;

	w->config->limits.connections = 2;
	c = client_hello(w, CONFIG_LISTEN_NONE);
	client_hello(w, CONFIG_LISTEN_NONE);
	d = client_open(w, CONFIG_LISTEN_NONE);
	client_expect(d, "421 4.3.2 relay.example.test Too many connections, "
			 "try again later\r\n");
	client_expect_end(d);
	client_close(d);
	client_close(c);
	world_settle(w);
	client_hello(w, CONFIG_LISTEN_NONE);
	assert_int_equal(turned_away(inbound_stats(w->inbound)), 1);
	assert_int_equal(inbound_stats(w->inbound)->connections, 3);
	world_end(w);
}

static void test_connections_of_a_client_are_bounded(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c;

	w->config->limits.connections_per_client = 1;
	client_hello(w, CONFIG_LISTEN_NONE);
	c = client_open(w, CONFIG_LISTEN_NONE);
	client_expect(c, "421 4.7.0 relay.example.test Too many connections "
			 "from your address, try again later\r\n");
	c = client_open_from(w, CONFIG_LISTEN_NONE, "127.0.0.2");
	client_expect_start(c, "220 ");
	world_end(w);
}

static void test_refused_client_of_a_tls_port_is_only_closed(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c;

	w->config->limits.connections = 1;
	client_hello(w, CONFIG_LISTEN_NONE);
	c = client_open(w, CONFIG_LISTEN_IMPLICIT);
	world_settle(w);
	client_expect(c, "");
	assert_true(c->peer.ended);
	world_end(w);
}

/* 8 slots, 64 to say no, and none at all. */
static void test_slots_are_bounded(void **state)
{
	struct world *w = world_start(NULL);
	unsigned greeted = 0, refused = 0, closed = 0;

	for (int i = 0; i < 80; i++) {
		struct client *c = client_open(w, CONFIG_LISTEN_NONE);

		if (c->peer.in.len == 0)
			closed++;
		else if (memcmp(sim_bytes_at(&c->peer.in), "220", 3) == 0)
			greeted++;
		else
			refused++;
	}
	assert_int_equal(greeted, 8);
	assert_int_equal(refused, 64);
	assert_int_equal(closed, 8);
	assert_int_equal(turned_away(inbound_stats(w->inbound)), 72);
	world_end(w);
}

static void test_refused_clients_take_no_real_slot(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	for (int i = 0; i < 7 + 10; i++)
		client_open(w, CONFIG_LISTEN_NONE);
	/* The ten are still there, listening to their 421. */
	assert_int_equal(inbound_sessions(w->inbound), 18);
	client_close(c);
	client_hello(w, CONFIG_LISTEN_NONE);
	world_end(w);
}

static void test_slots_are_used_again(void **state)
{
	struct world *w = world_start(NULL);

	for (int i = 0; i < 100; i++) {
		struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

		client_ask(c, "QUIT\r\n", "221 2.0.0 Bye\r\n");
		client_close(c);
		assert_int_equal(inbound_sessions(w->inbound), 0);
	}
	world_end(w);
}

/* --- admission --- */

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage out = {.ss_family = AF_INET};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(&out, &in, sizeof(in));
		return out;
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	memcpy(&out, &in6, sizeof(in6));
	return out;
}

static enum inbound_admitted enter(struct inbound_admission *admission,
				   const char *text)
{
	static const struct config_limits limits = {
		.connections = 1000, .connections_per_client = 2};
	struct sockaddr_storage client = address(text);

	return inbound_admission_enter(admission, &limits,
				       (struct sockaddr *)&client);
}

static void leave(struct inbound_admission *admission, const char *text)
{
	struct sockaddr_storage client = address(text);

	inbound_admission_leave(admission, (struct sockaddr *)&client);
}

static void test_who_is_one_client(void **state)
{
	static const char *const all[] = {
		"192.0.2.1",	      "::ffff:192.0.2.1", "2001:db8:0:1::1",
		"2001:db8:0:1::ffff", "192.0.2.2",	  "2001:db8:0:2::1"};
	struct inbound_admission *admission;

	assert_int_equal(inbound_admission_create(&admission), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(enter(admission, all[i]), INBOUND_ADMITTED);
	/* The mapped address is the same; so is all of a /64. */
	assert_int_equal(enter(admission, "192.0.2.1"), INBOUND_CLIENT_MANY);
	assert_int_equal(enter(admission, "2001:db8:0:1:abcd::"),
			 INBOUND_CLIENT_MANY);
	leave(admission, "::ffff:192.0.2.1");
	assert_int_equal(enter(admission, "192.0.2.1"), INBOUND_ADMITTED);
	for (size_t i = 0; i < 6; i++)
		leave(admission, all[i]);
	inbound_admission_destroy(&admission);
}

static void test_many_clients_come_and_go(void **state)
{
	struct inbound_admission *admission;
	char text[32];

	assert_int_equal(inbound_admission_create(&admission), 0);
	for (unsigned i = 0; i < 1001; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		assert_int_equal(enter(admission, text),
				 i < 1000 ? INBOUND_ADMITTED
					  : INBOUND_TOO_MANY);
	}
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		leave(admission, text);
	}
	inbound_admission_destroy(&admission);
	assert_null(admission);
}

static void *come_and_go(void *arg)
{
	struct inbound_admission *admission = arg;

	for (int i = 0; i < 20000; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.0.0.%d", i % 7);
		if (enter(admission, text) == INBOUND_ADMITTED)
			leave(admission, text);
	}
	return NULL;
}

/* Its end asserts that everybody has left. */
static void test_workers_share_the_counts(void **state)
{
	struct inbound_admission *admission;
	pthread_t threads[4];

	assert_int_equal(inbound_admission_create(&admission), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go,
						admission),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	inbound_admission_destroy(&admission);
}

/* --- the end of the service --- */

static void test_shutdown_sends_idle_clients_away(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	inbound_shutdown(w->inbound);
	world_settle(w);
	client_expect(c, SHUTDOWN);
	client_expect_end(c);
	client_close(c);
	assert_int_equal(w->idle, 1);
	world_end(w);
}

static void test_shutdown_lets_a_message_finish(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, ENVELOPE "DATA\r\n", OK_SENDER OK_RECIPIENT GO_ON);
	inbound_shutdown(w->inbound);
	client_ask(c, "x\r\n", "");
	client_say(c, ".\r\n");
	client_expect(c, QUEUED "00000000J6H81\r\n" SHUTDOWN);
	assert_body(world_message(w, 0), "x\r\n");
	client_expect_end(c);
	world_end(w);
}

static void test_shutdown_lets_chunks_finish(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, ENVELOPE "BDAT 3\r\nx\r\n",
		   OK_SENDER OK_RECIPIENT "250 2.0.0 3 octets received\r\n");
	inbound_shutdown(w->inbound);
	world_settle(w);
	client_expect(c, "");
	client_say(c, "BDAT 3 LAST\r\ny\r\n");
	client_expect(c, QUEUED "00000000J6H81\r\n" SHUTDOWN);
	client_expect_end(c);
	world_end(w);
}

static void test_shutdown_after_rset_ends(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, ENVELOPE "BDAT 3\r\nx\r\n",
		   OK_SENDER OK_RECIPIENT "250 2.0.0 3 octets received\r\n");
	inbound_shutdown(w->inbound);
	client_ask(c, "RSET\r\nMAIL FROM:<>\r\n", OK SHUTDOWN);
	world_end(w);
}

static void test_shutdown_while_committing(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	w->spool.hold = true;
	client_say(c, ENVELOPE "BDAT 3 LAST\r\nx\r\n" ENVELOPE);
	inbound_shutdown(w->inbound);
	world_settle(w);
	w->spool.hold = false;
	world_settle(w);
	client_expect(c, OK_SENDER OK_RECIPIENT QUEUED
		      "00000000J6H81\r\n" SHUTDOWN);
	client_expect_end(c);
	world_end(w);
}

static void test_nobody_comes_in_after_shutdown(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c;

	inbound_shutdown(w->inbound);
	c = client_open(w, CONFIG_LISTEN_NONE);
	client_expect(c, SHUTDOWN);
	client_expect_end(c);
	world_end(w);
}

static void test_abort_waits_for_no_one(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, ENVELOPE "DATA\r\n", OK_SENDER OK_RECIPIENT GO_ON);
	inbound_abort(w->inbound);
	world_settle(w);
	client_expect(c, "");
	assert_int_equal(inbound_sessions(w->inbound), 0);
	assert_int_equal(w->idle, 1);
	world_end(w);
}

static void test_abort_hurries_a_shutdown_on(void **state)
{
	struct world *w = world_start(
		&(struct uring_fake_config){.seed = 1, .socket_buffer = 64});
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	c->stalled = true; /* the 421 can't go out */
	uring_fake_peer_write(w->fake, c->peer.fd, "HELP\r\nHELP\r\n", 12);
	inbound_shutdown(w->inbound);
	world_settle(w);
	assert_int_equal(inbound_sessions(w->inbound), 1);
	inbound_abort(w->inbound);
	world_settle(w);
	assert_int_equal(inbound_sessions(w->inbound), 0);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_client_is_sent_away),
		cmocka_unit_test(test_every_command_has_its_time),
		cmocka_unit_test(test_crumbs_of_a_command_win_no_time),
		cmocka_unit_test(test_each_block_of_data_has_its_time),
		cmocka_unit_test(test_discarding_has_its_time_too),
		cmocka_unit_test(test_handshake_has_its_time),
		cmocka_unit_test(test_implicit_handshake_has_its_time),
		cmocka_unit_test(test_connections_are_bounded),
		cmocka_unit_test(test_connections_of_a_client_are_bounded),
		cmocka_unit_test(
			test_refused_client_of_a_tls_port_is_only_closed),
		cmocka_unit_test(test_slots_are_bounded),
		cmocka_unit_test(test_refused_clients_take_no_real_slot),
		cmocka_unit_test(test_slots_are_used_again),
		cmocka_unit_test(test_who_is_one_client),
		cmocka_unit_test(test_many_clients_come_and_go),
		cmocka_unit_test(test_workers_share_the_counts),
		cmocka_unit_test(test_shutdown_sends_idle_clients_away),
		cmocka_unit_test(test_shutdown_lets_a_message_finish),
		cmocka_unit_test(test_shutdown_lets_chunks_finish),
		cmocka_unit_test(test_shutdown_after_rset_ends),
		cmocka_unit_test(test_shutdown_while_committing),
		cmocka_unit_test(test_nobody_comes_in_after_shutdown),
		cmocka_unit_test(test_abort_waits_for_no_one),
		cmocka_unit_test(test_abort_hurries_a_shutdown_on),
	};

	return cmocka_run_group_tests_name("inbound_limits", tests,
					   world_set_up_group,
					   world_tear_down_group);
}
