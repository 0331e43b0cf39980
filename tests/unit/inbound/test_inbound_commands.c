/* SPDX-License-Identifier: Apache-2.0 */
/* Commands out of order, malformed, refused. */
#include "tests/unit/inbound/inbound_world.h"

#define OK	     "250 2.0.0 Ok\r\n"
#define OK_SENDER    "250 2.1.0 Ok\r\n"
#define OK_RECIPIENT "250 2.1.5 Ok\r\n"
#define GO_ON	     "354 End data with <CR><LF>.<CR><LF>\r\n"

static void test_mail_needs_a_hello(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_open(w, CONFIG_LISTEN_NONE);

	client_expect_start(c, "220 ");
	client_ask(c, "MAIL FROM:<a@example.test>\r\n",
		   "503 5.5.1 Send EHLO or HELO first\r\n");
	world_end(w);
}

static void test_commands_out_of_order(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "RCPT TO:<b@example.test>\r\n",
		   "503 5.5.1 Send MAIL first\r\n");
	client_ask(c, "DATA\r\n", "503 5.5.1 Send MAIL first\r\n");
	client_ask(c, "MAIL FROM:<a@example.test>\r\n", OK_SENDER);
	client_ask(c, "MAIL FROM:<a@example.test>\r\n",
		   "503 5.5.1 A transaction is open already\r\n");
	client_ask(c, "DATA\r\n", "503 5.5.1 Send RCPT first\r\n");
	client_ask(c, "RCPT TO:<b@example.test>\r\n", OK_RECIPIENT);
	client_ask(c, "DATA\r\n", GO_ON);
	world_end(w);
}

static void test_data_after_refused_recipients_only(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c,
		   "MAIL FROM:<a@example.test>\r\n"
		   "RCPT TO:<b@nowhere.test>\r\nDATA\r\n",
		   OK_SENDER "550 5.1.2 No route to this domain\r\n"
			     "554 5.5.1 No valid recipients\r\n");
	world_end(w);
}

static void test_malformed_lines(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "BOGUS\r\n", "500 5.5.1 Command not recognized\r\n");
	client_ask(c, "\r\n", "500 5.5.2 Malformed command line\r\n");
	client_write(c, "NOOP\0\r\n", 7);
	client_expect(c, "500 5.5.2 Malformed command line\r\n");
	client_ask(c, "NOOP \rQUIT\r\n",
		   "500 5.5.2 Malformed command line\r\n");
	client_ask(c, "QUIT now\r\n", "501 5.5.4 Wrong arguments\r\n");
	client_ask(c, "EHLO\r\n", "501 5.5.4 Wrong arguments\r\n");
	client_ask(c, "EHLO a b\r\n", "501 5.5.4 Wrong arguments\r\n");
	client_ask(c, "NOOP\r\n", OK);
	world_end(w);
}

#define MALFORMED "500 5.5.2 Malformed command line\r\n"

/* One answer for all of it, at once, however it is cut into pieces. */
static void test_only_crlf_ends_a_command(void **state)
{
	static const char text[] = "NOOP\nRSET\r\r\nNOOP\r\n\nQUIT\n\nEHLO x\r"
				   "HELO y\r\nNOOP\r\n";
	struct world *w = world_start(NULL);

	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

		for (size_t at = 0; at < sizeof(text) - 1; at += piece)
			client_write(c, text + at,
				     sizeof(text) - 1 - at < piece
					     ? sizeof(text) - 1 - at
					     : piece);
		/* NOOP..RSET.., NOOP, ..QUIT..HELO y, NOOP */
		client_expect(c, MALFORMED OK MALFORMED OK);
		client_ask(c, "QUIT\r\n", "221 2.0.0 Bye\r\n");
		client_close(c);
	}
	world_end(w);
}

static void test_a_bare_lf_is_answered_before_the_line_ends(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "NOOP\n", MALFORMED);
	client_say(c, "\n\nMAIL FROM:<a@example.test>\n\r\n");
	client_ask(c, "RCPT TO:<b@example.test>\r\n",
		   "503 5.5.1 Send MAIL first\r\n");
	world_end(w);
}

static void test_any_lf_ends_a_command_on_request(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	w->config->bare_line_ends = CONFIG_NORMALISE;
	client_ask(c, "NOOP\nNOOP\r\n", OK OK);
	client_ask(c, "NOOP\rNOOP\n", MALFORMED);
	world_end(w);
}

/* "NOOP xx..." of @len octets with its CRLF. */
static void say_long(struct client *c, size_t len, size_t piece)
{
	char *line = malloc(len);

	assert_non_null(line);
	memset(line, 'x', len);
	memcpy(line, "NOOP ", 5);
	memcpy(line + len - 2, "\r\n", 2);
	for (size_t at = 0; at < len; at += piece)
		client_write(c, line + at, len - at < piece ? len - at : piece);
	free(line);
}

static void test_line_length_is_bounded(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);
	static const size_t pieces[] = {1000000, 100, 1023};

	for (size_t i = 0; i < 3; i++) {
		say_long(c, 1024, pieces[i]);
		client_expect(c, OK);
		say_long(c, 1025, pieces[i]);
		client_expect(c, "500 5.5.2 Line too long\r\n");
	}
	world_end(w);
}

static void test_session_goes_on_behind_an_endless_line(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	say_long(c, 100000, 7000);
	client_expect(c, "500 5.5.2 Line too long\r\n");
	client_ask(c, "NOOP\r\n", OK);
	world_end(w);
}

static void test_rset_forgets_the_transaction(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c,
		   "MAIL FROM:<a@example.test>\r\n"
		   "RCPT TO:<b@example.test>\r\nRSET\r\nDATA\r\n",
		   OK_SENDER OK_RECIPIENT OK "503 5.5.1 Send MAIL first\r\n");
	world_end(w);
}

static void test_second_hello_forgets_the_transaction(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c,
		   "MAIL FROM:<a@example.test>\r\n"
		   "RCPT TO:<b@example.test>\r\nHELO again\r\nDATA\r\n",
		   OK_SENDER OK_RECIPIENT "250 relay.example.test\r\n"
					  "503 5.5.1 Send MAIL first\r\n");
	world_end(w);
}

/* --- the envelope --- */

static void test_sender_syntax_and_parameters(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "MAIL FROM:a@example.test\r\n",
		   "501 5.1.7 Bad sender address syntax\r\n");
	client_ask(c, "MAIL FROM:<a@example.test> SIZE=65537\r\n",
		   "552 5.3.4 Message too big\r\n");
	client_ask(c,
		   "MAIL FROM:<a@example.test> SIZE=99999999999999999999\r\n",
		   "552 5.3.4 Message too big\r\n");
	client_ask(c, "MAIL FROM:<a@example.test> SIZE=x\r\n",
		   "501 5.5.4 Bad parameter\r\n");
	client_ask(c, "MAIL FROM:<a@example.test> AUTH=<>\r\n",
		   "555 5.5.4 Parameter not recognized\r\n");
	client_ask(c, "MAIL FROM:<a@example.test> SIZE=65536\r\n", OK_SENDER);
	world_end(w);
}

static void test_utf8_needs_its_parameter(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "MAIL FROM:<\xc3\xa4@example.test>\r\n",
		   "553 5.6.7 Sender address needs SMTPUTF8\r\n");
	client_ask(c, "MAIL FROM:<a@example.test>\r\n", OK_SENDER);
	client_ask(c, "RCPT TO:<\xc3\xa4@example.test>\r\n",
		   "553 5.6.7 Recipient address needs SMTPUTF8\r\n");
	client_ask(c, "RSET\r\n", OK);
	client_ask(c, "MAIL FROM:<\xc3\xa4@example.test> SMTPUTF8\r\n",
		   OK_SENDER);
	client_ask(c, "RCPT TO:<\xc3\xa4@example.test>\r\n", OK_RECIPIENT);
	client_say(c, "BDAT 3 LAST\r\nx\r\n");
	client_expect_start(c, "250 ");
	assert_int_equal(world_message(w, 0)->flags, SPOOL_SMTPUTF8);
	assert_string_equal(world_message(w, 0)->reverse_path,
			    "\xc3\xa4@example.test");
	assert_non_null(
		strstr(world_message(w, 0)->trace, "with UTF8SMTP\r\n"));
	world_end(w);
}

static void test_dsn_parameters_are_kept(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);
	const struct spool_message *m;

	client_ask(c, "MAIL FROM:<a@example.test> envid=q+2B1 RET=hdrs\r\n",
		   OK_SENDER);
	client_ask(c, "RCPT TO:<b@example.test>\r\n", OK_RECIPIENT);
	client_ask(c,
		   "RCPT TO:<c@example.test> ORCPT=rfc822;x@example.test "
		   "NOTIFY=delay,SUCCESS\r\n",
		   OK_RECIPIENT);
	client_ask(c, "RCPT TO:<d@example.test>\r\n", OK_RECIPIENT);
	client_say(c, "BDAT 3 LAST\r\nx\r\n");
	client_expect_start(c, "250 ");
	m = world_message(w, 0);
	assert_string_equal(m->dsn, " RET=HDRS ENVID=q+2B1");
	assert_string_equal(m->recipients[1], "c@example.test");
	assert_string_equal(m->recipients_dsn[0], "");
	assert_string_equal(
		m->recipients_dsn[1],
		" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@example.test");
	assert_string_equal(m->recipients_dsn[2], "");
	world_end(w);
}

static void test_bad_dsn_parameters_are_refused(void **state)
{
	static const char bad[] = "501 5.5.4 Bad parameter\r\n";
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "MAIL FROM:<a@example.test> RET=BODY\r\n", bad);
	client_ask(c, "MAIL FROM:<a@example.test> ENVID=a+0D+0A\r\n", bad);
	client_ask(c, "MAIL FROM:<a@example.test>\r\n", OK_SENDER);
	client_ask(c, "RCPT TO:<b@example.test> NOTIFY=NEVER,DELAY\r\n", bad);
	client_ask(c, "RCPT TO:<b@example.test> ORCPT=b@example.test\r\n", bad);
	client_ask(c,
		   "RCPT TO:<b@example.test> "
		   "ORCPT=utf-8;\xc3\xa4@example.test\r\n",
		   "553 5.6.7 Recipient address needs SMTPUTF8\r\n");
	world_end(w);
}

static void test_recipient_syntax_and_parameters(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "MAIL FROM:<>\r\n", OK_SENDER);
	client_ask(c, "RCPT TO:<>\r\n",
		   "501 5.1.3 Bad recipient address syntax\r\n");
	client_ask(c, "RCPT TO:<nobody>\r\n",
		   "501 5.1.3 Bad recipient address syntax\r\n");
	client_ask(c, "RCPT TO:<b@example.test> SIZE=1\r\n",
		   "555 5.5.4 Parameter not recognized\r\n");
	client_ask(c, "RCPT TO:<@relay.test:b@example.test>\r\n", OK_RECIPIENT);
	assert_int_equal(inbound_stats(w->inbound)->rejected_recipients, 3);
	world_end(w);
}

static void test_strangers_may_not_relay(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_open_from(w, CONFIG_LISTEN_NONE, "192.0.2.1");

	client_say(c, "EHLO x\r\n");
	client_expect_start(c, "220 ");
	client_ask(c,
		   "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
		   "DATA\r\n",
		   OK_SENDER "554 5.7.1 Relay access denied\r\n"
			     "554 5.5.1 No valid recipients\r\n");
	world_end(w);
}

static void test_mapped_and_ipv6_clients_may_relay(void **state)
{
	static const char *const clients[] = {"::ffff:127.0.0.1", "::1"};
	static const char *const trace[] = {"([127.0.0.1])", "([IPv6:::1])"};
	struct world *w = world_start(NULL);

	for (unsigned i = 0; i < 2; i++) {
		struct client *c =
			client_open_from(w, CONFIG_LISTEN_NONE, clients[i]);

		client_say(c, "EHLO x\r\nMAIL FROM:<>\r\n"
			      "RCPT TO:<b@example.test>\r\n"
			      "BDAT 2 LAST\r\n\r\n");
		client_expect_start(c, "220 ");
		assert_non_null(strstr(world_message(w, i)->trace, trace[i]));
	}
	world_end(w);
}

static void test_postmaster_is_ours(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_say(c, "MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\n"
		      "RCPT TO:<b@example.test>\r\nBDAT 2 LAST\r\n\r\n");
	client_expect_start(c, OK_SENDER OK_RECIPIENT OK_RECIPIENT "250 ");
	assert_string_equal(world_message(w, 0)->recipients[0],
			    "Postmaster@relay.example.test");
	assert_string_equal(world_message(w, 0)->recipients[1],
			    "b@example.test");
	world_end(w);
}

static void test_recipients_are_bounded(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	client_ask(c, "MAIL FROM:<>\r\n", OK_SENDER);
	for (int i = 0; i < 100; i++)
		client_ask(c, "RCPT TO:<b@example.test>\r\n", OK_RECIPIENT);
	client_ask(c, "RCPT TO:<b@example.test>\r\n",
		   "452 4.5.3 Too many recipients\r\n");
	client_say(c, "BDAT 2 LAST\r\n\r\n");
	client_expect_start(c, "250 ");
	assert_int_equal(world_message(w, 0)->recipient_count, 100);
	world_end(w);
}

/* --- TLS --- */

static void test_required_tls_comes_first(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_REQUIRED);

	client_ask(c, "MAIL FROM:<a@example.test>\r\n",
		   "530 5.7.0 Must issue a STARTTLS command first\r\n");
	client_ask(c, "NOOP\r\n", OK);
	client_start_tls(c);
	client_say(c, "EHLO client\r\n");
	client_expect_start(c, "250-");
	client_ask(c, "MAIL FROM:<a@example.test>\r\n", OK_SENDER);
	world_end(w);
}

static void test_chunk_before_required_tls_is_no_command(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_REQUIRED);

	client_ask(c, "BDAT 12 LAST\r\nRSET\r\nQUIT\r\nNOOP\r\n",
		   "530 5.7.0 Must issue a STARTTLS command first\r\n" OK);
	world_end(w);
}

static void test_tls_forgets_what_was_said_in_clear(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);

	client_ask(c, "MAIL FROM:<evil@example.test>\r\n", OK_SENDER);
	client_start_tls(c);
	client_ask(c, "RCPT TO:<b@example.test>\r\n",
		   "503 5.5.1 Send EHLO or HELO first\r\n");
	client_say(c, "EHLO client\r\n");
	client_expect_start(c, "250-");
	client_ask(c, "RCPT TO:<b@example.test>\r\n",
		   "503 5.5.1 Send MAIL first\r\n");
	world_end(w);
}

static void test_second_starttls_is_refused(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);

	client_start_tls(c);
	client_ask(c, "STARTTLS\r\n", "503 5.5.1 TLS is already active\r\n");
	client_ask(c, "NOOP\r\n", OK);
	world_end(w);
}

#define INJECTED                                                   \
	"503 5.5.1 Nothing may follow STARTTLS in clear, closing " \
	"connection\r\n"

static void test_command_behind_starttls_is_never_obeyed(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);

	client_ask(c, "STARTTLS\r\nMAIL FROM:<evil@example.test>\r\n",
		   INJECTED);
	client_expect_end(c);
	assert_int_equal(tls_stats_handshakes(&inbound_stats(w->inbound)->tls),
			 0);
	world_end(w);
}

static void test_one_byte_behind_starttls_is_enough(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);

	client_ask(c, "STARTTLS\r\nM", INJECTED);
	client_expect_end(c);
	world_end(w);
}

/* It comes after our 220, where a ClientHello should. */
static void test_clear_command_instead_of_a_handshake(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);

	client_ask(c, "STARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n");
	client_ask(c, "MAIL FROM:<evil@example.test>\r\n", "");
	assert_true(c->peer.ended);
	assert_int_equal(tls_stats_failures(&inbound_stats(w->inbound)->tls),
			 1);
	client_close(c);
	assert_int_equal(inbound_sessions(w->inbound), 0);
	world_end(w);
}

static void test_pipelined_up_to_starttls_is_answered_in_clear(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);

	client_ask(c, "NOOP\r\nSTARTTLS\r\n",
		   OK "220 2.0.0 Ready to start TLS\r\n");
	client_tls(c);
	client_ask(c, "NOOP\r\n", OK);
	world_end(w);
}

static void test_nothing_is_in_clear_after_starttls(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_STARTTLS);
	static const char last[] = "220 2.0.0 Ready to start TLS\r\n";
	const unsigned char *wire;
	size_t len, clear;

	client_start_tls(c);
	client_say(c, "EHLO client\r\nMAIL FROM:<a@example.test>\r\n"
		      "BOGUS\r\nQUIT\r\n");
	wire = uring_fake_wire(w->fake, c->fd, &len);
	clear = (size_t)((unsigned char *)memmem(wire, len, last,
						 sizeof(last) - 1) -
			 wire) +
		sizeof(last) - 1;
	assert_true(clear < len);
	/* Records only: type 20 to 23, version 3.x */
	while (clear < len) {
		assert_in_range(wire[clear], 20, 23);
		assert_int_equal(wire[clear + 1], 3);
		clear += 5u + (size_t)(wire[clear + 3] << 8) + wire[clear + 4];
	}
	assert_int_equal(clear, len);
	world_end(w);
}

/* --- too much of it --- */

static void test_too_many_errors_end_the_session(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	for (int i = 0; i < 9; i++)
		client_ask(c, "BOGUS\r\n",
			   "500 5.5.1 Command not recognized\r\n");
	client_ask(c, "BOGUS\r\n",
		   "500 5.5.1 Command not recognized\r\n"
		   "421 4.7.0 relay.example.test Too many errors, closing "
		   "connection\r\n");
	client_expect_end(c);
	world_end(w);
}

static void test_errors_in_one_packet_end_the_session_too(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	for (int i = 0; i < 50; i++)
		sim_bytes_text(&c->peer.out, "BOGUS\r\n");
	world_settle(w);
	assert_true(c->peer.ended);
	assert_int_equal(inbound_stats(w->inbound)->protocol_errors, 10);
	world_end(w);
}

static void test_idling_by_noop_ends_the_session(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	for (int i = 0; i < 99; i++)
		client_ask(c, "NOOP\r\n", OK);
	assert_false(c->peer.ended);
	for (int i = 0; i < 10; i++)
		client_say(c, "NOOP\r\n");
	assert_true(c->peer.ended);
	world_end(w);
}

static void test_messages_per_connection_are_bounded(void **state)
{
	struct world *w = world_start(NULL);
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);

	w->config->limits.messages_per_connection = 2;
	for (int i = 0; i < 2; i++) {
		client_say(c, "MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n"
			      "BDAT 2 LAST\r\n\r\n");
		client_expect_start(c, OK_SENDER OK_RECIPIENT "250 ");
	}
	client_ask(c, "MAIL FROM:<>\r\n",
		   "421 4.7.0 relay.example.test Too many messages on this "
		   "connection, closing connection\r\n");
	client_expect_end(c);
	world_end(w);
}

static void test_client_that_reads_no_replies_has_to_wait(void **state)
{
	struct world *w = world_start(
		&(struct uring_fake_config){.seed = 1, .socket_buffer = 4096});
	struct client *c = client_hello(w, CONFIG_LISTEN_NONE);
	size_t sent = 0;
	ssize_t n;

	/* It writes all it can, and reads nothing. */
	w->config->limits.errors = 1000000;
	c->stalled = true;
	for (int still = 0; still < 100; still++) {
		n = uring_fake_peer_write(w->fake, c->peer.fd,
					  "HELP\r\nHELP\r\n", 12);
		if (n > 0) {
			sent += (size_t)n;
			still = 0;
		}
		assert_true(sent < 1000000);
		world_settle(w);
	}
	c->stalled = false;
	world_settle(w);
	/* Nothing was lost: one reply to each command. */
	for (; sent % 6; sent++)
		client_write(c, &"HELP\r\n"[sent % 6], 1);
	for (size_t i = 0; i < sent / 6; i++) {
		char line[200];

		assert_true(sim_bytes_line(&c->peer.in, line, sizeof(line)));
		assert_memory_equal(line, "214 2.0.0 ", 10);
	}
	assert_int_equal(c->peer.in.len, 0);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_needs_a_hello),
		cmocka_unit_test(test_commands_out_of_order),
		cmocka_unit_test(test_data_after_refused_recipients_only),
		cmocka_unit_test(test_malformed_lines),
		cmocka_unit_test(test_only_crlf_ends_a_command),
		cmocka_unit_test(
			test_a_bare_lf_is_answered_before_the_line_ends),
		cmocka_unit_test(test_any_lf_ends_a_command_on_request),
		cmocka_unit_test(test_line_length_is_bounded),
		cmocka_unit_test(test_session_goes_on_behind_an_endless_line),
		cmocka_unit_test(test_rset_forgets_the_transaction),
		cmocka_unit_test(test_second_hello_forgets_the_transaction),
		cmocka_unit_test(test_sender_syntax_and_parameters),
		cmocka_unit_test(test_utf8_needs_its_parameter),
		cmocka_unit_test(test_dsn_parameters_are_kept),
		cmocka_unit_test(test_bad_dsn_parameters_are_refused),
		cmocka_unit_test(test_recipient_syntax_and_parameters),
		cmocka_unit_test(test_strangers_may_not_relay),
		cmocka_unit_test(test_mapped_and_ipv6_clients_may_relay),
		cmocka_unit_test(test_postmaster_is_ours),
		cmocka_unit_test(test_recipients_are_bounded),
		cmocka_unit_test(test_required_tls_comes_first),
		cmocka_unit_test(test_chunk_before_required_tls_is_no_command),
		cmocka_unit_test(test_tls_forgets_what_was_said_in_clear),
		cmocka_unit_test(test_second_starttls_is_refused),
		cmocka_unit_test(test_command_behind_starttls_is_never_obeyed),
		cmocka_unit_test(test_one_byte_behind_starttls_is_enough),
		cmocka_unit_test(test_clear_command_instead_of_a_handshake),
		cmocka_unit_test(
			test_pipelined_up_to_starttls_is_answered_in_clear),
		cmocka_unit_test(test_nothing_is_in_clear_after_starttls),
		cmocka_unit_test(test_too_many_errors_end_the_session),
		cmocka_unit_test(test_errors_in_one_packet_end_the_session_too),
		cmocka_unit_test(test_idling_by_noop_ends_the_session),
		cmocka_unit_test(test_messages_per_connection_are_bounded),
		cmocka_unit_test(test_client_that_reads_no_replies_has_to_wait),
	};

	return cmocka_run_group_tests_name("inbound_commands", tests,
					   world_set_up_group,
					   world_tear_down_group);
}
