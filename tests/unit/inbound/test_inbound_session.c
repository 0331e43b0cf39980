/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions as a well-behaved client has them. */
#include "tests/unit/inbound/inbound_world.h"

#define OK_SENDER    "250 2.1.0 Ok\r\n"
#define OK_RECIPIENT "250 2.1.5 Ok\r\n"
#define GO_ON	     "354 End data with <CR><LF>.<CR><LF>\r\n"

static void test_greeting_comes_first(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_open(w, CONFIG_LISTEN_NONE);

	client_expect(c, "220 relay.example.test ESMTP ringpost\r\n");
	world_end(w);
}

static void test_ehlo_names_the_extensions(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_open(w, CONFIG_LISTEN_STARTTLS);

	client_expect_start(c, "220 ");
	client_ask(c, "EHLO client.example.test\r\n",
		   "250-relay.example.test\r\n250-PIPELINING\r\n"
		   "250-SIZE 65536\r\n250-STARTTLS\r\n"
		   "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
		   "250-SMTPUTF8\r\n250-DSN\r\n250 CHUNKING\r\n");
	world_end(w);
}

static void test_starttls_is_not_offered_without_a_certificate(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_open(w, CONFIG_LISTEN_NONE);

	client_expect_start(c, "220 ");
	client_ask(c, "EHLO client.example.test\r\n",
		   "250-relay.example.test\r\n250-PIPELINING\r\n"
		   "250-SIZE 65536\r\n"
		   "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
		   "250-SMTPUTF8\r\n250-DSN\r\n250 CHUNKING\r\n");
	client_ask(c, "STARTTLS\r\n", "502 5.5.1 TLS is not offered here\r\n");
	world_end(w);
}

static void test_helo_is_answered_by_the_name(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_open(w, CONFIG_LISTEN_NONE);

	client_expect_start(c, "220 ");
	client_ask(c, "HELO client\r\n", "250 relay.example.test\r\n");
	world_end(w);
}

static void test_data_is_accepted_with_its_id(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "MAIL FROM:<a@example.test>\r\n", OK_SENDER);
	client_ask(c, "RCPT TO:<b@example.test>\r\n", OK_RECIPIENT);
	client_ask(c, "DATA\r\n", GO_ON);
	client_ask(c, "Subject: x\r\n\r\nhello\r\n..\r\n.\r\n",
		   "250 2.0.0 Ok: queued as 00000000J6H81\r\n");
	assert_body(world_message(w, 0), "Subject: x\r\n\r\nhello\r\n.\r\n");
	assert_string_equal(world_message(w, 0)->reverse_path,
			    "a@example.test");
	assert_int_equal(world_message(w, 0)->recipient_count, 1);
	assert_string_equal(world_message(w, 0)->recipients[0],
			    "b@example.test");
	assert_string_equal(world_message(w, 0)->client, "[127.0.0.1]:40000");
	client_ask(c, "QUIT\r\n", "221 2.0.0 Bye\r\n");
	client_expect_end(c);
	world_end(w);
}

static void test_bdat_is_accepted_chunk_by_chunk(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "MAIL FROM:<>\r\n", OK_SENDER);
	client_ask(c, "RCPT TO:<b@example.test>\r\n", OK_RECIPIENT);
	client_ask(c, "BDAT 12\r\n", "");
	client_ask(c, "Subject: x\r\n", "250 2.0.0 12 octets received\r\n");
	client_say(c, "BDAT 10 LAST\r\n\r\n.\r\nend\r");
	client_expect(c, "");
	client_say(c, "\n");
	client_expect_start(c, "250 2.0.0 Ok: queued as ");
	assert_body(world_message(w, 0), "Subject: x\r\n\r\n.\r\nend\r\n");
	assert_int_equal(world_message(w, 0)->flags, SPOOL_DOT_LINES);
	world_end(w);
}

static void test_line_end_cut_by_a_chunk_is_no_bare_one(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_say(c, "MAIL FROM:<a@example.test>\r\n"
		      "RCPT TO:<b@example.test>\r\n"
		      "BDAT 6\r\none\r\n\r"
		      "BDAT 4 LAST\r\n\nx\r\n");
	client_expect(c, OK_SENDER OK_RECIPIENT
		      "250 2.0.0 6 octets received\r\n"
		      "250 2.0.0 Ok: queued as 00000000J6H81\r\n");
	assert_body(world_message(w, 0), "one\r\n\r\nx\r\n");
	world_end(w);
}

static void test_pipelined_group_gets_one_write(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c,
		   "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
		   "RCPT TO:<c@nowhere.test>\r\nDATA\r\n",
		   OK_SENDER OK_RECIPIENT
		   "550 5.1.2 No route to this domain\r\n" GO_ON);
	world_end(w);
}

static void test_two_messages_and_quit_in_one_packet(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_say(c, "MAIL FROM:<a@example.test>\r\n"
		      "RCPT TO:<b@example.test>\r\n"
		      "BDAT 5 LAST\r\none\r\n"
		      "MAIL FROM:<a@example.test>\r\n"
		      "RCPT TO:<b@example.test>\r\n"
		      "BDAT 5 LAST\r\ntwo\r\n"
		      "QUIT\r\n");
	client_expect(c, OK_SENDER OK_RECIPIENT
		      "250 2.0.0 Ok: queued as 00000000J6H81\r\n" OK_SENDER
			      OK_RECIPIENT
		      "250 2.0.0 Ok: queued as 00000000J6H82\r\n"
		      "221 2.0.0 Bye\r\n");
	assert_body(world_message(w, 0), "one\r\n");
	assert_body(world_message(w, 1), "two\r\n");
	client_expect_end(c);
	world_end(w);
}

static void test_starttls_then_mail(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);

	client_start_tls(c);
	client_say(c, "EHLO client.example.test\r\n");
	client_expect(c, "250-relay.example.test\r\n250-PIPELINING\r\n"
			 "250-SIZE 65536\r\n"
			 "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
			 "250-SMTPUTF8\r\n250-DSN\r\n250 CHUNKING\r\n");
	client_ask(c, "MAIL FROM:<a@example.test>\r\n", OK_SENDER);
	client_ask(c, "RCPT TO:<b@example.test>\r\n", OK_RECIPIENT);
	client_ask(c, "DATA\r\n", GO_ON);
	client_say(c, "secret\r\n.\r\n");
	client_expect_start(c, "250 2.0.0 Ok: queued as ");
	assert_body(world_message(w, 0), "secret\r\n");
	assert_non_null(strstr(world_message(w, 0)->trace, "with ESMTPS\r\n"));
	client_ask(c, "QUIT\r\n", "221 2.0.0 Bye\r\n");
	client_expect_end(c);
	assert_int_equal(tls_stats_handshakes(&inbound_stats(w->inbound)->tls),
			 1);
	world_end(w);
}

static void test_implicit_tls_greets_under_tls(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_IMPLICIT);

	client_ask(c, "STARTTLS\r\n", "503 5.5.1 TLS is already active\r\n");
	client_ask(c, "QUIT\r\n", "221 2.0.0 Bye\r\n");
	client_expect_end(c);
	world_end(w);
}

static void test_other_verbs(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "NOOP\r\n", "250 2.0.0 Ok\r\n");
	client_ask(c, "noop whatever\r\n", "250 2.0.0 Ok\r\n");
	client_ask(c, "RSET\r\n", "250 2.0.0 Ok\r\n");
	client_say(c, "VRFY someone\r\n");
	client_expect_start(c, "252 2.0.0 ");
	client_say(c, "HELP\r\n");
	client_expect_start(c, "214 2.0.0 ");
	client_ask(c, "EXPN list\r\n", "502 5.5.1 Command not implemented\r\n");
	world_end(w);
}

static void test_trace_tells_who_and_how(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_say(c, "MAIL FROM:<a@example.test>\r\n"
		      "RCPT TO:<b@example.test>\r\nBDAT 5 LAST\r\none\r\n");
	assert_string_equal(
		world_message(w, 0)->trace,
		"Received: from client.example.test ([127.0.0.1])\r\n"
		"\tby relay.example.test with ESMTP\r\n"
		"\tid 00000000J6H81\r\n"
		"\tfor <b@example.test>;\r\n"
		"\tMon, 23 Nov 2026 18:40:00 +0000\r\n");
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting_comes_first),
		cmocka_unit_test(test_ehlo_names_the_extensions),
		cmocka_unit_test(
			test_starttls_is_not_offered_without_a_certificate),
		cmocka_unit_test(test_helo_is_answered_by_the_name),
		cmocka_unit_test(test_data_is_accepted_with_its_id),
		cmocka_unit_test(test_bdat_is_accepted_chunk_by_chunk),
		cmocka_unit_test(test_line_end_cut_by_a_chunk_is_no_bare_one),
		cmocka_unit_test(test_pipelined_group_gets_one_write),
		cmocka_unit_test(test_two_messages_and_quit_in_one_packet),
		cmocka_unit_test(test_starttls_then_mail),
		cmocka_unit_test(test_implicit_tls_greets_under_tls),
		cmocka_unit_test(test_other_verbs),
		cmocka_unit_test(test_trace_tells_who_and_how),
	};

	return cmocka_run_group_tests_name("inbound_session", tests,
					   world_set_up_group,
					   world_tear_down_group);
}
