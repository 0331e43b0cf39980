/* SPDX-License-Identifier: Apache-2.0 */
/* Messages by DATA and BDAT: whole, cut, hostile, refused. */
#include "tests/unit/inbound/inbound_world.h"

#define OK	     "250 2.0.0 Ok\r\n"
#define OK_SENDER    "250 2.1.0 Ok\r\n"
#define OK_RECIPIENT "250 2.1.5 Ok\r\n"
#define GO_ON	     "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED	     "250 2.0.0 Ok: queued as "
#define BARE	     "554 5.6.0 Bare CR or LF in the message; lines end with CRLF\r\n"
#define ENVELOPE     "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
#define CHUNKS_ONLY  "503 5.5.1 Only BDAT may go on after BDAT\r\n"

/* Up to the 354. */
static struct client *client_data(struct world *w)
{
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, ENVELOPE "DATA\r\n", OK_SENDER OK_RECIPIENT GO_ON);
	return c;
}

/* Up to the recipient. */
static struct client *client_envelope(struct world *w)
{
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, ENVELOPE, OK_SENDER OK_RECIPIENT);
	return c;
}

/* --- DATA --- */

static void test_empty_message(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	client_say(c, ".\r\n");
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), "");
	world_end(w);
}

static void test_dots_are_undoubled_and_noted(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	client_say(c, "..\r\n...a\r\nb.\r\n.\r\n");
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), ".\r\n..a\r\nb.\r\n");
	assert_int_equal(world_message(w, 0)->flags, SPOOL_DOT_LINES);
	world_end(w);
}

static void test_octets_and_parameters_are_noted(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_say(c, "MAIL FROM:<a@example.test> BODY=8BITMIME\r\n"
		      "RCPT TO:<b@example.test>\r\nDATA\r\n");
	client_say(c, "gr\xfc\xdf\r\n.\r\n");
	assert_int_equal(world_message(w, 0)->flags,
			 SPOOL_8BITMIME | SPOOL_8BIT);
	assert_true(world_message(w, 0)->arrival ==
		    UINT64_C(1795459200) * URING_SEC);
	world_end(w);
}

static void test_recipients_are_kept_in_order(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_say(c, "RCPT TO:<\"x y\"@mx.example.test>\r\n"
		      "RCPT TO:<c@example.test>\r\nDATA\r\n");
	client_say(c, "x\r\n.\r\n");
	assert_int_equal(world_message(w, 0)->recipient_count, 3);
	assert_string_equal(world_message(w, 0)->recipients[0],
			    "b@example.test");
	assert_string_equal(world_message(w, 0)->recipients[1],
			    "\"x y\"@mx.example.test");
	assert_string_equal(world_message(w, 0)->recipients[2],
			    "c@example.test");
	/* They must not learn of each other. */
	assert_null(strstr(world_message(w, 0)->trace, "example.test>"));
	world_end(w);
}

static void test_commands_behind_the_end_are_run(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	client_say(c, "one\r\n.\r\n" ENVELOPE "DATA\r\n");
	client_expect(c,
		      QUEUED "00000000J6H81\r\n" OK_SENDER OK_RECIPIENT GO_ON);
	client_say(c, "two\r\n.\r\nQUIT\r\n");
	client_expect(c, QUEUED "00000000J6H82\r\n221 2.0.0 Bye\r\n");
	assert_body(world_message(w, 0), "one\r\n");
	assert_body(world_message(w, 1), "two\r\n");
	world_end(w);
}

static void test_smuggled_message_is_refused_and_never_run(void **state)
{
	static const char *const ends[] = {"\n.\n",	 "\n.\r\n", "\r\n.\n",
					   "\r\n.\r",	 "\r.\r",   "\r.\r\n",
					   "\r\n.\r\r\n"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct world *w = world_start(NULL);
		struct client *c = client_data(w);

		client_say(c, "one");
		client_say(c, ends[i]);
		client_expect(c, "");
		client_say(c, ENVELOPE "DATA\r\nevil");
		client_expect(c, "");
		client_say(c, "\r\n.\r\n");
		client_expect(c, BARE);
		assert_int_equal(w->accepted, 0);
		assert_int_equal(w->spool.open, 0);
		client_ask(c, ENVELOPE, OK_SENDER OK_RECIPIENT);
		world_end(w);
	}
}

static void test_bare_line_ends_are_made_crlf_on_request(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	client_say(c, "RSET\r\n.\r\n");
	client_expect_start(c, QUEUED);
	w->config->bare_line_ends = CONFIG_NORMALISE;
	client_say(c, ENVELOPE "DATA\r\n");
	client_say(c, "one\n.\ntwo\rthree\r\n.\r\n");
	assert_body(world_message(w, 1), "one\r\n.\r\ntwo\r\nthree\r\n");
	assert_int_equal(world_message(w, 1)->flags, SPOOL_DOT_LINES);
	world_end(w);
}

static void send_big(struct client *c, size_t lines)
{
	static const char line[] =
		"0123456789012345678901234567890123456789012345678901234567"
		"8901\r\n"; /* 64 octets */

	for (size_t i = 0; i < lines; i++)
		sim_bytes_text(&c->peer.out, line);
	world_settle(c->world);
}

static void test_message_of_the_largest_size(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	send_big(c, 1024);
	client_say(c, ".\r\n");
	client_expect_start(c, QUEUED);
	assert_int_equal(world_message(w, 0)->len, 65536);
	world_end(w);
}

static void test_message_beyond_the_largest_size(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	send_big(c, 1024);
	client_say(c, "\r\n");
	client_expect(c, ""); /* not before the end */
	assert_int_equal(w->spool.open, 0);
	send_big(c, 2000);
	client_expect(c, "");
	client_ask(c, ".\r\n", "552 5.3.4 Message too big\r\n");
	client_ask(c, "DATA\r\n", "503 5.5.1 Send MAIL first\r\n");
	world_end(w);
}

static void test_one_octet_too_many_at_the_very_end(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	send_big(c, 1023);
	for (int i = 0; i < 63; i++)
		sim_bytes_text(&c->peer.out, "y");
	client_ask(c, "\r\n.\r\n", "552 5.3.4 Message too big\r\n");
	world_end(w);
}

static void test_endless_refused_message_is_cut_off(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	for (int i = 0; i < 1200 && !c->peer.ended; i++)
		send_big(c, 1024);
	client_expect(c, "552 5.3.4 Message too big\r\n");
	client_expect_end(c);
	world_end(w);
}

static void test_mail_loop_is_broken(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);

	for (int i = 0; i < 5; i++)
		client_say(c, "Received: by x\r\n");
	client_say(c, "\r\nReceived: in the body\r\n.\r\n");
	client_expect_start(c, QUEUED);
	client_ask(c, ENVELOPE "DATA\r\n", OK_SENDER OK_RECIPIENT GO_ON);
	for (int i = 0; i < 6; i++)
		client_say(c, "Received: by x\r\n");
	client_expect(c, "");
	client_ask(c, "\r\nbody\r\n.\r\n",
		   "554 5.4.6 Too many Received fields, a mail loop\r\n");
	world_end(w);
}

static void test_text_line_length_is_bounded(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_data(w);
	char line[1003];

	memset(line, 'x', sizeof(line));
	memcpy(line + 998, "\r\n", 2);
	client_write(c, line, 1000);
	client_say(c, ".\r\n");
	client_expect_start(c, QUEUED);
	client_ask(c, ENVELOPE "DATA\r\n", OK_SENDER OK_RECIPIENT GO_ON);
	memcpy(line + 998, "x\r\n", 3);
	client_write(c, line, 1001);
	client_ask(c, ".\r\n", "554 5.6.0 Line too long in the message\r\n");
	world_end(w);
}

/* --- BDAT --- */

static void test_zero_length_last_chunk_ends_the_message(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_ask(c, "BDAT 3\r\nx\r\n", "250 2.0.0 3 octets received\r\n");
	client_ask(c, "BDAT 0\r\n", "250 2.0.0 0 octets received\r\n");
	client_say(c, "BDAT 0 LAST\r\n");
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), "x\r\n");
	world_end(w);
}

static void test_only_chunk_may_be_empty(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_say(c, "BDAT 0 LAST\r\n");
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), "");
	world_end(w);
}

static void test_chunk_is_no_place_for_commands(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_say(c, "BDAT 14 LAST\r\n\r\n.\r\nRSET\r\nx\r\n");
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), "\r\n.\r\nRSET\r\nx\r\n");
	world_end(w);
}

static void test_last_line_needs_no_end(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_say(c, "BDAT 1 LAST\r\nx");
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), "x");
	world_end(w);
}

static void test_only_bdat_follows_bdat(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_ask(c, "BDAT 3\r\nx\r\n", "250 2.0.0 3 octets received\r\n");
	client_ask(c, "DATA\r\n", CHUNKS_ONLY);
	client_ask(c, "RCPT TO:<c@example.test>\r\n", CHUNKS_ONLY);
	client_ask(c, "MAIL FROM:<>\r\n", CHUNKS_ONLY);
	client_ask(c, "NOOP\r\n", OK);
	client_say(c, "BDAT 3 LAST\r\ny\r\n");
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), "x\r\ny\r\n");
	assert_int_equal(world_message(w, 0)->recipient_count, 1);
	world_end(w);
}

static void test_rset_ends_the_chunks(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_ask(c, "BDAT 3\r\nx\r\nRSET\r\n",
		   "250 2.0.0 3 octets received\r\n" OK);
	assert_int_equal(w->spool.open, 0);
	client_say(c, ENVELOPE "BDAT 3 LAST\r\ny\r\n");
	client_expect_start(c, OK_SENDER OK_RECIPIENT QUEUED);
	assert_body(world_message(w, 0), "y\r\n");
	world_end(w);
}

static void test_chunk_without_a_transaction_is_swallowed(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
		   "503 5.5.1 Send MAIL first\r\n" OK);
	client_ask(c, "MAIL FROM:<>\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n",
		   OK_SENDER "503 5.5.1 Send RCPT first\r\n" OK);
	world_end(w);
}

/* A message must never be accepted without one of its parts. */
static void test_refused_chunk_poisons_the_message(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->spool.begin_status = SPOOL_FULL;
	client_ask(c, "BDAT 3\r\nx\r\n",
		   "452 4.3.1 Insufficient system storage\r\n");
	w->spool.begin_status = SPOOL_OK;
	client_ask(c, "BDAT 3\r\ny\r\n",
		   "503 5.5.1 An earlier chunk was refused, send RSET\r\n");
	client_ask(c, "RCPT TO:<c@example.test>\r\n", CHUNKS_ONLY);
	client_ask(c, "BDAT 3 LAST\r\nz\r\n",
		   "503 5.5.1 An earlier chunk was refused, send RSET\r\n");
	assert_int_equal(w->spool.begun, 0);
	client_say(c, ENVELOPE "BDAT 3 LAST\r\nx\r\n");
	client_expect_start(c, OK_SENDER OK_RECIPIENT QUEUED);
	world_end(w);
}

static void test_chunk_before_the_recipients_poisons_too(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c,
		   "MAIL FROM:<>\r\nBDAT 3\r\nx\r\nRCPT TO:<b@example.test>\r\n"
		   "BDAT 3 LAST\r\ny\r\n",
		   OK_SENDER
		   "503 5.5.1 Send RCPT first\r\n" CHUNKS_ONLY
		   "503 5.5.1 An earlier chunk was refused, send RSET\r\n");
	assert_int_equal(w->accepted, 0);
	world_end(w);
}

static void test_sum_of_chunks_is_bounded(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_say(c, "BDAT 65536\r\n");
	send_big(c, 1024);
	client_expect(c, "250 2.0.0 65536 octets received\r\n");
	client_ask(c, "BDAT 0\r\n", "250 2.0.0 0 octets received\r\n");
	client_ask(c, "BDAT 1 LAST\r\nx", "552 5.3.4 Message too big\r\n");
	assert_int_equal(w->spool.open, 0);
	client_ask(c, "NOOP\r\n", OK);
	world_end(w);
}

static void test_huge_chunk_is_swallowed_for_a_while(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_say(c, "BDAT 65600\r\n");
	send_big(c, 1024);
	client_expect(c, "");
	send_big(c, 1);
	client_expect(c, "552 5.3.4 Message too big\r\n");
	client_ask(c, "RSET\r\n" ENVELOPE, OK OK_SENDER OK_RECIPIENT);
	client_say(c, "BDAT 18446744073709551614 LAST\r\n");
	for (int i = 0; i < 1200 && !c->peer.ended; i++)
		send_big(c, 1024);
	client_expect(c, "552 5.3.4 Message too big\r\n");
	client_expect_end(c);
	world_end(w);
}

static void test_unreadable_chunk_size_closes(void **state)
{
	static const char *const sizes[] = {"BDAT\r\n", "BDAT x\r\n",
					    "BDAT 1 2\r\n",
					    "BDAT 18446744073709551616\r\n"};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct world *w = world_start(NULL);
		struct client *c = client_envelope(w);

		client_say(c, sizes[i]);
		client_expect(c, "501 5.5.4 Wrong chunk size, closing "
				 "connection\r\n");
		client_expect_end(c);
		world_end(w);
	}
}

static void test_bare_line_ends_in_chunks_are_refused(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	client_ask(c, "BDAT 4 LAST\r\na\nb\r", BARE);
	client_ask(c, ENVELOPE "BDAT 3\r\na\nb", OK_SENDER OK_RECIPIENT BARE);
	client_ask(c, "BDAT 3 LAST\r\nc\r\n",
		   "503 5.5.1 An earlier chunk was refused, send RSET\r\n");
	client_ask(c, ENVELOPE "BDAT 2 LAST\r\na\r",
		   OK_SENDER OK_RECIPIENT BARE);
	assert_int_equal(w->accepted, 0);
	world_end(w);
}

static void test_bare_line_ends_in_chunks_are_made_crlf(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_envelope(w);

	w->config->bare_line_ends = CONFIG_NORMALISE;
	client_ask(c, "BDAT 4\r\na\nb\r", "250 2.0.0 4 octets received\r\n");
	client_say(c, "BDAT 4 LAST\r\n\n.c\r");
	client_expect_start(c, QUEUED);
	assert_body(world_message(w, 0), "a\r\nb\r\n.c\r\n");
	world_end(w);
}

/* --- cuts --- */

static const char whole[] = ENVELOPE "BDAT 7\r\n\r\n.\r\nx\r"
				     "BDAT 1 LAST\r\n\n"
				     "BOGUS\r\n" ENVELOPE "DATA\r\n"
				     "..one\r\n.\r\n"
				     "RSET\r\nQUIT\r\n";

static void assert_whole(struct world *w, struct client *c)
{
	client_expect(
		c, OK_SENDER OK_RECIPIENT
		"250 2.0.0 7 octets received\r\n" QUEUED "00000000J6H81\r\n"
		"500 5.5.1 Command not recognized\r\n" OK_SENDER OK_RECIPIENT
			GO_ON QUEUED "00000000J6H82\r\n" OK
		"221 2.0.0 Bye\r\n");
	assert_body(world_message(w, 0), "\r\n.\r\nx\r\n");
	assert_body(world_message(w, 1), ".one\r\n");
	client_expect_end(c);
	client_close(c);
	assert_int_equal(inbound_sessions(w->inbound), 0);
}

static void test_session_cut_at_every_byte(void **state)
{
	for (size_t cut = 0; cut < sizeof(whole); cut++) {
		struct world *w = world_start(NULL);
		struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

		client_write(c, whole, cut);
		client_write(c, whole + cut, sizeof(whole) - 1 - cut);
		assert_whole(w, c);
		world_end(w);
	}
}

static void test_session_in_crumbs(void **state)
{
	for (size_t step = 1; step < 5; step++) {
		struct world *w = world_start(NULL);
		struct client *c = client_hello(w, CONFIG_LISTEN_NONE);
		size_t len = sizeof(whole) - 1;

		w->spool.room = step;
		for (size_t at = 0; at < len; at += step)
			client_write(c, whole + at,
				     len - at < step ? len - at : step);
		assert_whole(w, c);
		world_end(w);
	}
}

static void test_session_under_tls_in_crumbs(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_IMPLICIT);

	for (size_t at = 0; at < sizeof(whole) - 1; at++)
		client_write(c, whole + at, 1);
	assert_whole(w, c);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_message),
		cmocka_unit_test(test_dots_are_undoubled_and_noted),
		cmocka_unit_test(test_octets_and_parameters_are_noted),
		cmocka_unit_test(test_recipients_are_kept_in_order),
		cmocka_unit_test(test_commands_behind_the_end_are_run),
		cmocka_unit_test(
			test_smuggled_message_is_refused_and_never_run),
		cmocka_unit_test(test_bare_line_ends_are_made_crlf_on_request),
		cmocka_unit_test(test_message_of_the_largest_size),
		cmocka_unit_test(test_message_beyond_the_largest_size),
		cmocka_unit_test(test_one_octet_too_many_at_the_very_end),
		cmocka_unit_test(test_endless_refused_message_is_cut_off),
		cmocka_unit_test(test_mail_loop_is_broken),
		cmocka_unit_test(test_text_line_length_is_bounded),
		cmocka_unit_test(test_zero_length_last_chunk_ends_the_message),
		cmocka_unit_test(test_only_chunk_may_be_empty),
		cmocka_unit_test(test_chunk_is_no_place_for_commands),
		cmocka_unit_test(test_last_line_needs_no_end),
		cmocka_unit_test(test_only_bdat_follows_bdat),
		cmocka_unit_test(test_rset_ends_the_chunks),
		cmocka_unit_test(test_chunk_without_a_transaction_is_swallowed),
		cmocka_unit_test(test_refused_chunk_poisons_the_message),
		cmocka_unit_test(test_chunk_before_the_recipients_poisons_too),
		cmocka_unit_test(test_sum_of_chunks_is_bounded),
		cmocka_unit_test(test_huge_chunk_is_swallowed_for_a_while),
		cmocka_unit_test(test_unreadable_chunk_size_closes),
		cmocka_unit_test(test_bare_line_ends_in_chunks_are_refused),
		cmocka_unit_test(test_bare_line_ends_in_chunks_are_made_crlf),
		cmocka_unit_test(test_session_cut_at_every_byte),
		cmocka_unit_test(test_session_in_crumbs),
		cmocka_unit_test(test_session_under_tls_in_crumbs),
	};

	return cmocka_run_group_tests_name("inbound_message", tests,
					   world_set_up_group,
					   world_tear_down_group);
}
