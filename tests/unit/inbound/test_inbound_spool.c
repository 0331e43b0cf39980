/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions against a spool that is full, broken, slow; clients that are gone
 * before their answer. */
#include "tests/unit/inbound/inbound_world.h"

#define OK	     "250 2.0.0 Ok\r\n"
#define OK_SENDER    "250 2.1.0 Ok\r\n"
#define OK_RECIPIENT "250 2.1.5 Ok\r\n"
#define GO_ON	     "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED	     "250 2.0.0 Ok: queued as "
#define ENVELOPE     "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
#define FULL	     "452 4.3.1 Insufficient system storage\r\n"
#define FAILED	     "451 4.3.0 Storage failed, try again later\r\n"

static struct client *client_envelope(struct world *w)
{
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, ENVELOPE, OK_SENDER OK_RECIPIENT);
	return c;
}

static void test_full_spool_refuses_data(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.begin_status = SPOOL_FULL;
	client_ask(c, "DATA\r\n", FULL);
	w->spool.begin_status = SPOOL_FAILED;
	client_ask(c, "DATA\r\n", FAILED);
	w->spool.begin_status = SPOOL_OK;
	client_ask(c, "DATA\r\n", GO_ON);
	client_say(c, ".\r\n");
	client_expect_start(c, QUEUED);
	world_end(w);
}

static void test_full_spool_refuses_the_chunk_behind_bdat(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.begin_status = SPOOL_FULL;
	client_ask(c, "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", FULL OK);
	world_end(w);
}

static void test_failed_commit_is_no_250(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.commit_status = SPOOL_FAILED;
	client_ask(c, "BDAT 3 LAST\r\nx\r\n", FAILED);
	w->spool.commit_status = SPOOL_FULL;
	client_ask(c, ENVELOPE "BDAT 3 LAST\r\nx\r\n",
		   OK_SENDER OK_RECIPIENT FULL);
	assert_int_equal(w->accepted, 0);
	assert_int_equal(inbound_stats(w->inbound)->messages, 0);
	w->spool.commit_status = SPOOL_OK;
	client_say(c, ENVELOPE "BDAT 3 LAST\r\nx\r\n");
	client_expect_start(c, OK_SENDER OK_RECIPIENT QUEUED);
	world_end(w);
}

static void test_250_waits_for_stable_storage(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.hold = true;
	client_ask(c, "BDAT 3 LAST\r\nx\r\n", "");
	world_pass(w, 1000 * URING_SEC);
	client_expect(c, "");
	assert_int_equal(w->accepted, 0);
	w->spool.hold = false;
	world_settle(w);
	client_expect_start(c, QUEUED);
	assert_int_equal(w->accepted, 1);
	world_end(w);
}

static void test_pipelined_input_waits_for_the_commit(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.hold = true;
	client_ask(c, "BDAT 3 LAST\r\nx\r\nNOOP\r\nQUIT\r\n", "");
	client_ask(c, "VRFY x\r\n", "");
	w->spool.hold = false;
	world_settle(w);
	client_expect(c, QUEUED "00000000J6H81\r\n" OK "221 2.0.0 Bye\r\n");
	world_end(w);
}

static void test_flood_behind_a_commit_stays_with_the_client(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->config->limits.errors = 1000000;
	w->spool.hold = true;
	sim_bytes_text(&c->peer.out, "BDAT 3 LAST\r\nx\r\n");
	for (int i = 0; i < 100000; i++)
		sim_bytes_text(&c->peer.out, "NOOP\r\n");
	world_settle(w);
	assert_true(c->peer.wire_out.len > 300000);
	assert_true(uring_bufs_out(w->bufs) <= 6);
	w->spool.hold = false;
	world_settle(w);
	assert_int_equal(c->peer.wire_out.len, 0);
	world_end(w);
}

/* --- behind --- */

static void big(struct client *c, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		sim_bytes_text(&c->peer.out,
			       "..34567890123456789012345678901234567890123456"
			       "78901234567890\r\n");
	world_settle(c->world);
}

static void test_slow_spool_slows_the_client(void **state)
{
	struct world *w = world_start(
		&(struct uring_fake_config){.seed = 1, .socket_buffer = 4096});
	struct client *c = client_envelope(w);

	client_ask(c, "DATA\r\n", GO_ON);
	w->spool.behind = true;
	big(c, 900);
	/* Not all of it is taken out of the client's hands. */
	assert_true(c->peer.wire_out.len > 0);
	/* However long that takes. */
	world_pass(w, 1000 * URING_SEC);
	client_expect(c, "");
	assert_false(c->peer.ended);
	w->spool.behind = false;
	client_say(c, ".\r\n");
	client_expect_start(c, QUEUED);
	assert_int_equal(world_message(w, 0)->len, 900 * 61);
	world_end(w);
}

static void test_spool_that_is_behind_again_and_again(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);
	struct client *d = client_envelope(w);

	w->spool.capacity = 1;
	w->spool.room = 100;
	client_say(d, "BDAT 7\r\nother\r\nBDAT 0 LAST\r\n");
	client_say(c, "DATA\r\n");
	client_expect(c, GO_ON);
	big(c, 900);
	client_say(c, ".\r\nNOOP\r\n");
	client_expect_start(c, QUEUED);
	client_expect_start(d, "250 2.0.0 7 octets received\r\n" QUEUED);
	assert_int_equal(w->spool.count, 2);
	assert_int_equal(world_message(w, 1)->len, 900 * 61);
	world_end(w);
}

static void test_time_runs_again_when_the_spool_has_room(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.behind = true;
	client_ask(c, "BDAT 100 LAST\r\nx\r\n", "");
	world_pass(w, 1000 * URING_SEC);
	client_expect(c, "");
	w->spool.behind = false;
	world_pass(w, 49 * URING_SEC);
	client_expect(c, "");
	world_pass(w, 2 * URING_SEC);
	client_expect_start(c, "421 4.4.2 relay.example.test Timeout");
	world_end(w);
}

static void test_end_of_input_while_the_spool_is_behind(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.behind = true;
	client_ask(c, "BDAT 3 LAST\r\nx\r\n", "");
	client_half_close(c);
	client_expect(c, "");
	w->spool.behind = false;
	world_settle(w);
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), "x\r\n");
	client_expect_end(c);
	world_end(w);
}

/* --- clients that go --- */

static void test_client_gone_while_committing_is_accepted(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.hold = true;
	client_say(c, "BDAT 3 LAST\r\nx\r\n");
	client_reset(c);
	world_pass(w, 100 * URING_SEC);
	/* The slot stays until the spool has answered. */
	assert_int_equal(inbound_sessions(w->inbound), 1);
	assert_int_equal(w->accepted, 0);
	w->spool.hold = false;
	world_settle(w);
	assert_body(world_message(w, 0), "x\r\n");
	assert_int_equal(inbound_sessions(w->inbound), 0);
	assert_int_equal(inbound_stats(w->inbound)->messages, 1);
	world_end(w);
}

static void test_client_gone_while_a_commit_fails(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.hold = true;
	w->spool.commit_status = SPOOL_FAILED;
	client_say(c, "BDAT 3 LAST\r\nx\r\n");
	client_reset(c);
	w->spool.hold = false;
	world_settle(w);
	assert_int_equal(w->accepted, 0);
	assert_int_equal(inbound_sessions(w->inbound), 0);
	world_end(w);
}

static void test_half_closed_client_hears_of_its_message(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.hold = true;
	client_say(c, "BDAT 3 LAST\r\nx\r\nNOOP\r\n");
	client_half_close(c);
	client_expect(c, "");
	w->spool.hold = false;
	world_settle(w);
	client_expect(c, QUEUED "00000000J6H81\r\n" OK);
	client_expect_end(c);
	world_end(w);
}

static void test_message_without_its_end_is_not_accepted(void **state)
{
	static const char *const parts[] = {
		"DATA\r\n",	   "DATA\r\nx\r\n",	   "DATA\r\nx\r\n.\r",
		"BDAT 5\r\nx\r\n", "BDAT 5 LAST\r\nx\r\n", "BDAT 5"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct world *w = world_start(NULL);
		struct client *c = client_envelope(w);

		client_say(c, parts[i]);
		client_half_close(c);
		client_close(c);
		assert_int_equal(w->accepted, 0);
		assert_int_equal(w->spool.open, 0);
		assert_int_equal(inbound_sessions(w->inbound), 0);
		world_end(w);
	}
}

/* Where a session can be when its client vanishes. */
static const struct {
	const char *what;
	const char *says;
	bool behind, hold;
} places[] = {
	{"greeting", "", false, false},
	{"within a line", "EHL", false, false},
	{"command", "EHLO x\r\n", false, false},
	{"transaction", "EHLO x\r\n" ENVELOPE, false, false},
	{"starttls", "EHLO x\r\nSTARTTLS\r\n", false, false},
	{"data", "EHLO x\r\n" ENVELOPE "DATA\r\nx\r\n", false, false},
	{"behind", "EHLO x\r\n" ENVELOPE "DATA\r\nx\r\n", true, false},
	{"bdat", "EHLO x\r\n" ENVELOPE "BDAT 9\r\nx\r\n", false, false},
	{"bdat behind", "EHLO x\r\n" ENVELOPE "BDAT 9\r\nx\r\n", true, false},
	{"chunks", "EHLO x\r\n" ENVELOPE "BDAT 3\r\nx\r\n", false, false},
	{"discard", "EHLO x\r\n" ENVELOPE "DATA\r\nx\ny\r\n", false, false},
	{"discard chunk", "EHLO x\r\nBDAT 9\r\nx\r\n", false, false},
	{"commit", "EHLO x\r\n" ENVELOPE "BDAT 1 LAST\r\nx", false, true},
	{"closing", "QUIT\r\n", false, false},
};

static void vanish(size_t place, void (*how)(struct client *))
{
	struct world *w = world_start(NULL);
	struct client *c = client_open(w, CONFIG_LISTEN_STARTTLS);

	w->spool.behind = places[place].behind;
	w->spool.hold = places[place].hold;
	client_say(c, places[place].says);
	how(c);
	w->spool.behind = w->spool.hold = false;
	world_settle(w);
	world_pass(w, URING_SEC);
	if (inbound_sessions(w->inbound) != 0)
		fail_msg("a session stays: %s", places[place].what);
	assert_int_equal(w->accepted, places[place].hold);
	assert_int_equal(w->spool.open, 0);
	world_end(w);
}

static void test_client_resets_in_every_state(void **state)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		vanish(i, client_reset);
}

static void test_client_closes_in_every_state(void **state)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		vanish(i, client_close);
}

/* The end that inbound_abort() makes. */
static void abort_all(struct client *c)
{
	inbound_abort(c->world->inbound);
	world_settle(c->world);
}

static void test_abort_in_every_state(void **state)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		vanish(i, abort_all);
}

static void shut_down_and_close(struct client *c)
{
	inbound_shutdown(c->world->inbound);
	world_settle(c->world);
	client_close(c);
}

static void test_shutdown_in_every_state(void **state)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		vanish(i, shut_down_and_close);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_spool_refuses_data),
		cmocka_unit_test(test_full_spool_refuses_the_chunk_behind_bdat),
		cmocka_unit_test(test_failed_commit_is_no_250),
		cmocka_unit_test(test_250_waits_for_stable_storage),
		cmocka_unit_test(test_pipelined_input_waits_for_the_commit),
		cmocka_unit_test(
			test_flood_behind_a_commit_stays_with_the_client),
		cmocka_unit_test(test_slow_spool_slows_the_client),
		cmocka_unit_test(test_spool_that_is_behind_again_and_again),
		cmocka_unit_test(test_time_runs_again_when_the_spool_has_room),
		cmocka_unit_test(test_end_of_input_while_the_spool_is_behind),
		cmocka_unit_test(test_client_gone_while_committing_is_accepted),
		cmocka_unit_test(test_client_gone_while_a_commit_fails),
		cmocka_unit_test(test_half_closed_client_hears_of_its_message),
		cmocka_unit_test(test_message_without_its_end_is_not_accepted),
		cmocka_unit_test(test_client_resets_in_every_state),
		cmocka_unit_test(test_client_closes_in_every_state),
		cmocka_unit_test(test_abort_in_every_state),
		cmocka_unit_test(test_shutdown_in_every_state),
	};

	return cmocka_run_group_tests_name("inbound_spool", tests,
					   world_set_up_group,
					   world_tear_down_group);
}
