/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions whose keys are in the kernel: clients that change theirs, keys that
 * have done their share. */
#include "tests/unit/inbound/inbound_world.h"

#define OK	     "250 2.0.0 Ok\r\n"
#define OK_SENDER    "250 2.1.0 Ok\r\n"
#define OK_RECIPIENT "250 2.1.5 Ok\r\n"
#define GO_ON	     "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED	     "250 2.0.0 Ok: queued as "
#define ENVELOPE     "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
#define NEW_KEYS \
	"421 4.7.0 relay.example.test New TLS keys need a new connection, closing connection\r\n"

static struct client *client_in_kernel(struct world *w, bool rekeys)
{
	struct client *c;

	world_kernel_tls(w, rekeys);
	c = client_hello(w, CONFIG_LISTEN_IMPLICIT);
	client_ask(c, ENVELOPE, OK_SENDER OK_RECIPIENT);
	return c;
}

static void send_message(struct client *c)
{
	client_ask(c, "DATA\r\n", GO_ON);
	client_say(c, "text\r\n.\r\n");
	client_expect_start(c, QUEUED);
}

static void expect_offload(struct world *w)
{
	const struct inbound_stats *stats = inbound_stats(w->inbound);

	assert_int_equal(tls_stats_offloads(&stats->tls, KTLS_TX, true), 1);
	assert_int_equal(tls_stats_offloads(&stats->tls, KTLS_RX, true), 1);
}

/* Where the kernel can change keys nobody notices. */
static void test_new_keys_are_followed(void **state)
{
	for (int ask = 0; ask < 2; ask++) {
		struct world *w = world_start(NULL);
		struct client *c = client_in_kernel(w, true);

		client_key_update(c, ask);
		client_ask(c, "DATA\r\n", GO_ON);
		client_say(c, "text\r\n");
		client_key_update(c, ask);
		client_say(c, ".\r\n");
		client_expect_start(c, QUEUED);
		client_key_update(c, ask);
		client_ask(c, "QUIT\r\n", "221 2.0.0 Bye\r\n");
		client_expect_end(c);
		assert_body(world_message(w, 0), "text\r\n");
		client_close(c);
		expect_offload(w);
		world_end(w);
	}
}

static void test_new_keys_between_messages(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_in_kernel(w, false);

	send_message(c);
	client_key_update(c, false);
	client_expect(c, NEW_KEYS);
	client_expect_end(c);
	assert_int_equal(w->accepted, 1);
	client_close(c);
	expect_offload(w);
	world_end(w);
}

/* No 250, nothing kept: the client sends it again. */
static void test_new_keys_inside_a_message(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_in_kernel(w, false);

	client_ask(c, "DATA\r\n", GO_ON);
	client_say(c, "half of\r\n");
	client_key_update(c, true);
	client_say(c, "it\r\n.\r\n");
	client_expect(c, NEW_KEYS);
	client_expect_end(c);
	assert_int_equal(w->accepted, 0);
	assert_int_equal(w->spool.open, 0);
	client_close(c);
	world_end(w);
}

static void test_new_keys_inside_a_chunk(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_in_kernel(w, false);

	client_ask(c, "BDAT 10 LAST\r\nhalf", "");
	client_key_update(c, false);
	client_expect(c, NEW_KEYS);
	assert_int_equal(w->accepted, 0);
	assert_int_equal(w->spool.open, 0);
	client_close(c);
	world_end(w);
}

/* The message was complete: it is answered, and need not come again. */
static void test_new_keys_before_the_answer(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_in_kernel(w, false);

	w->spool.hold = true;
	client_ask(c, "BDAT 6 LAST\r\ntext\r\n", "");
	client_key_update(c, true);
	client_expect(c, "");
	assert_false(c->peer.ended);
	w->spool.hold = false;
	world_settle(w);
	client_expect(c, QUEUED "00000000J6H81\r\n" NEW_KEYS);
	client_expect_end(c);
	assert_int_equal(w->accepted, 1);
	client_close(c);
	world_end(w);
}

/* With keys that can't be changed the connection goes, between messages. */
static void test_worn_keys_end_between_messages(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c;

	w->env.record_limit = 8;
	c = client_in_kernel(w, false);
	client_ask(c, "DATA\r\n", GO_ON);
	for (int i = 0; i < 20; i++)
		client_say(c, "text\r\n");
	client_say(c, ".\r\n");
	client_expect(c, QUEUED "00000000J6H81\r\n" NEW_KEYS);
	client_expect_end(c);
	assert_int_equal(w->accepted, 1);
	client_close(c);
	world_end(w);
}

/* With keys that can be changed they are. */
static void test_worn_keys_are_changed(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c;

	w->env.record_limit = 8;
	c = client_in_kernel(w, true);
	send_message(c);
	for (int i = 0; i < 50; i++)
		client_ask(c, ENVELOPE "RSET\r\n", OK_SENDER OK_RECIPIENT OK);
	client_ask(c, "QUIT\r\n", "221 2.0.0 Bye\r\n");
	client_expect_end(c);
	client_close(c);
	expect_offload(w);
	world_end(w);
}

/* offload: auto. What a listener's sessions carried before decides. */
static void test_few_bytes_stay_out_of_the_kernel(void **state)
{
	struct world *w = world_start(NULL);
	const struct inbound_stats *stats = inbound_stats(w->inbound);

	world_kernel_tls(w, false);
	for (int i = 0; i < 3; i++) {
		struct client *c = client_hello(w, CONFIG_LISTEN_IMPLICIT);

		client_ask(c, "QUIT\r\n", "221 2.0.0 Bye\r\n");
		client_expect_end(c);
		client_close(c);
	}
	for (int dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		/* Of the first nothing was known. */
		assert_int_equal(tls_stats_offloads(&stats->tls, dir, true), 1);
		assert_int_equal(tls_stats_offloads(&stats->tls, dir, false),
				 2);
	}
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_keys_are_followed),
		cmocka_unit_test(test_new_keys_between_messages),
		cmocka_unit_test(test_new_keys_inside_a_message),
		cmocka_unit_test(test_new_keys_inside_a_chunk),
		cmocka_unit_test(test_new_keys_before_the_answer),
		cmocka_unit_test(test_worn_keys_end_between_messages),
		cmocka_unit_test(test_worn_keys_are_changed),
		cmocka_unit_test(test_few_bytes_stay_out_of_the_kernel),
	};

	return cmocka_run_group_tests(tests, world_set_up_group,
				      world_tear_down_group);
}
