# SPDX-License-Identifier: Apache-2.0
"""Commands of an SMTP session and their replies (RFC 5321 section 4)."""

import socket
import unittest

from harness import Client, Closed, Relay, RelayTest, wait_until


class Greeting(RelayTest):
    def test_greeting_names_the_host(self):
        greeting = self.connect().reply()
        self.assert_reply(greeting, 220)
        self.assertEqual(greeting.texts[0].split(" ")[0],
                         "relay.example.test")
        self.assertIn("ESMTP", greeting.text)

    def test_ehlo_names_the_host_first(self):
        client = self.connect()
        client.reply()
        reply = client.ehlo()
        self.assert_reply(reply, 250)
        self.assertEqual(reply.texts[0].split(" ")[0], "relay.example.test")

    def test_ehlo_keywords(self):
        client = self.session()
        for word in ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING",
                     "ENHANCEDSTATUSCODES", "STARTTLS"):
            self.assertIn(word, client.keywords)
        self.assertGreater(int(client.keywords["SIZE"]), 0)

    def test_ehlo_of_an_address_literal(self):
        client = self.connect()
        client.reply()
        self.assert_reply(client.ehlo("[127.0.0.1]"), 250)
        self.assert_reply(client.ehlo("[IPv6:::1]"), 250)

    def test_ehlo_without_a_name(self):
        client = self.connect()
        client.reply()
        self.assert_reply(client.command("EHLO"), 501)

    def test_helo_is_one_line(self):
        client = self.connect()
        client.reply()
        reply = client.command("HELO client.example.test")
        self.assert_reply(reply, 250)
        self.assertEqual(len(reply.lines), 1)

    def test_helo_without_a_name(self):
        client = self.connect()
        client.reply()
        self.assert_reply(client.command("HELO"), 501)

    def test_mail_after_helo_is_relayed(self):
        client = self.connect()
        client.reply()
        client.expect(250, "HELO client.example.test")
        client.envelope()
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        self.assert_intact(body)


class Order(RelayTest):
    def test_mail_before_ehlo(self):
        client = self.connect()
        client.reply()
        self.assert_reply(client.command("MAIL FROM:<a@example.test>"), 503)

    def test_rcpt_before_mail(self):
        self.assert_reply(
            self.session().command("RCPT TO:<a@example.test>"), 503)

    def test_data_before_mail(self):
        self.assert_reply(self.session().command("DATA"), 503)

    def test_data_before_rcpt(self):
        client = self.session()
        client.expect(250, "MAIL FROM:<a@example.test>")
        reply = client.command("DATA")
        self.assertIn(reply.code, (503, 554), repr(reply))

    def test_second_mail(self):
        client = self.session()
        client.expect(250, "MAIL FROM:<a@example.test>")
        self.assert_reply(client.command("MAIL FROM:<b@example.test>"), 503)

    def test_rset_forgets_the_envelope(self):
        client = self.session()
        client.envelope()
        client.expect(250, "RSET")
        self.assert_reply(client.command("RCPT TO:<a@example.test>"), 503)

    def test_ehlo_forgets_the_envelope(self):
        client = self.session()
        client.envelope()
        client.ehlo()
        self.assert_reply(client.command("RCPT TO:<a@example.test>"), 503)

    def test_envelope_is_forgotten_after_a_message(self):
        client = self.session()
        client.envelope()
        self.assert_reply(client.data(self.tagged()), 250)
        self.assert_reply(client.command("RCPT TO:<a@example.test>"), 503)

    def test_many_messages_on_one_connection(self):
        client = self.session(tls=True)
        bodies = [self.tagged(b"%d\r\n" % n) for n in range(10)]
        for body in bodies:
            client.envelope()
            self.assert_reply(client.data(body), 250)
        for body in bodies:
            self.assert_intact(body)


class Verbs(RelayTest):
    def test_noop(self):
        client = self.session()
        client.expect(250, "NOOP")
        client.expect(250, "NOOP with words")

    def test_noop_keeps_the_envelope(self):
        client = self.session()
        client.envelope()
        client.expect(250, "NOOP")
        client.expect(354, "DATA")

    def test_rset(self):
        self.session().expect(250, "RSET")

    def test_vrfy_neither_confirms_nor_denies(self):
        self.assert_reply(self.session().command("VRFY postmaster"), 252)

    def test_help(self):
        self.assert_reply(self.session().command("HELP"), 214)

    def test_quit_answers_and_closes(self):
        client = self.session()
        client.expect(221, "QUIT")
        self.assertTrue(client.at_end())

    def test_quit_before_ehlo(self):
        client = self.connect()
        client.reply()
        client.expect(221, "QUIT")

    def test_expn_is_not_there(self):
        self.assertIn(self.session().command("EXPN list").code, (500, 502))

    def test_unknown_verb(self):
        reply = self.session().command("XYZZY")
        self.assert_reply(reply, 500)
        self.assertTrue(reply.enhanced.startswith("5.5."), repr(reply))

    def test_auth_is_not_offered_and_refused(self):
        client = self.session()
        self.assertNotIn("AUTH", client.keywords)
        reply = client.command("AUTH PLAIN AGFAYQBh")
        self.assertIn(reply.code, (500, 502, 503), repr(reply))

    def test_empty_line(self):
        self.assert_reply(self.session().command(""), 500)

    def test_any_case(self):
        client = self.session()
        client.expect(250, "mail from:<a@example.test>")
        client.expect(250, "Rcpt To:<b@example.test>")
        client.expect(250, "rset")

    def test_data_with_an_argument(self):
        client = self.session()
        client.envelope()
        self.assert_reply(client.command("DATA now"), 501)

    def test_rset_with_an_argument(self):
        self.assert_reply(self.session().command("RSET now"), 501)


class Paths(RelayTest):
    def mail(self, argument):
        return self.session().command("MAIL FROM:" + argument)

    def rcpt(self, argument):
        client = self.session()
        client.expect(250, "MAIL FROM:<a@example.test>")
        return client.command("RCPT TO:" + argument)

    def test_null_reverse_path(self):
        client = self.session()
        client.envelope(sender="")
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        self.assertEqual(self.arrived(body).sender, "")

    def test_quoted_local_part(self):
        client = self.session()
        client.envelope(recipients=['"strange name"@example.test'])
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        self.assertEqual(self.arrived(body).recipients,
                         ['"strange name"@example.test'])

    def test_quoted_angle_bracket(self):
        self.assert_reply(self.rcpt('<"a>b"@example.test>'), 250)

    def test_address_literal(self):
        self.assert_reply(self.mail("<a@[127.0.0.1]>"), 250)

    def test_source_route_is_dropped_or_refused(self):
        # RFC 5321 section 4.1.1.3: should be ignored, may be refused.
        reply = self.rcpt("<@hop.example.test:b@example.test>")
        self.assertIn(reply.code, (250, 501, 550, 553, 554), repr(reply))

    def test_null_recipient(self):
        self.assertIn(self.rcpt("<>").code, (501, 550, 553))

    def test_recipient_without_domain(self):
        self.assertIn(self.rcpt("<someone>").code, (501, 550, 553))

    def test_postmaster_without_domain(self):
        # RFC 5321 section 4.5.1: a relay with no local mailboxes may refuse,
        # but must not take it for a mistake in the command's form.
        self.assertIn(self.rcpt("<postmaster>").code, (250, 550, 553, 501))

    def test_no_brackets(self):
        self.assertIn(self.mail("a@example.test").code, (250, 501))

    def test_not_an_address(self):
        for text in ("", "<", "<a@", "<a@>", "<@example.test>",
                     "<a b@example.test>", "<a@example.test",
                     "<a@exa mple.test>", "<a@@example.test>",
                     "<a@-.test>"):
            with self.subTest(text):
                self.assertIn(self.mail(text).code, (501, 553))

    def test_controls_in_an_address(self):
        for octet in ("\0", "\r", "\t", "\x7f"):
            with self.subTest(repr(octet)):
                client = self.session()
                client.send(f"MAIL FROM:<a{octet}b@example.test>\r\n")
                self.assertIn(client.reply().code // 100, (5,))

    def test_overlong_local_part_and_domain(self):
        # RFC 5321 section 4.5.3.1: 64, 255 and 256 octets.
        self.assertIn(self.mail(f"<{'a' * 300}@example.test>").code,
                      (500, 501, 553))
        domain = ".".join(["a" * 60] * 6)
        self.assertIn(self.mail(f"<a@{domain}>").code, (500, 501, 553))

    def test_addresses_arrive_as_given(self):
        client = self.session(tls=True)
        client.envelope("Some.One+tag@Example.Test",
                        ["A@example.test", "b_=+'{}@sub.example.test"])
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        message = self.arrived(body)
        self.assertEqual(message.sender, "Some.One+tag@Example.Test")
        self.assertEqual(sorted(message.recipients),
                         ["A@example.test", "b_=+'{}@sub.example.test"])


class Parameters(RelayTest):
    def mail(self, parameters, path="<a@example.test>"):
        client = self.session()
        return client, client.command(f"MAIL FROM:{path} {parameters}")

    def test_body_7bit_and_8bitmime(self):
        for value in ("7BIT", "8BITMIME", "8bitmime"):
            with self.subTest(value):
                self.assert_reply(self.mail("BODY=" + value)[1], 250)

    def test_body_of_an_unknown_kind(self):
        self.assertIn(self.mail("BODY=9BIT")[1].code, (501, 504, 555))

    def test_binarymime_is_not_offered(self):
        client, reply = self.mail("BODY=BINARYMIME")
        self.assertNotIn("BINARYMIME", client.keywords)
        self.assertIn(reply.code, (501, 504, 555))

    def test_unknown_parameter(self):
        self.assert_reply(self.mail("FOO=bar")[1], 555)

    def test_unknown_parameter_of_rcpt(self):
        client = self.session()
        client.expect(250, "MAIL FROM:<a@example.test>")
        self.assert_reply(
            client.command("RCPT TO:<b@example.test> FOO=bar"), 555)

    def test_malformed_size(self):
        for value in ("SIZE=", "SIZE=x", "SIZE=-1", "SIZE=1x",
                      "SIZE=" + "9" * 40):
            with self.subTest(value):
                self.assertIn(self.mail(value)[1].code, (501, 552))

    def test_the_same_parameter_twice(self):
        self.assertIn(self.mail("SIZE=1 SIZE=2")[1].code, (501, 555))

    def test_all_parameters_at_once(self):
        self.assert_reply(self.mail("SIZE=100 BODY=8BITMIME SMTPUTF8")[1],
                          250)

    def test_smtputf8_takes_no_value(self):
        self.assertIn(self.mail("SMTPUTF8=yes")[1].code, (501, 555))

    def test_utf8_address_needs_smtputf8(self):
        _, reply = self.mail("", "<jürgen@example.test>")
        self.assertIn(reply.code, (501, 550, 553), repr(reply))

    def test_utf8_address_with_smtputf8(self):
        client, reply = self.mail("SMTPUTF8", "<jürgen@example.test>")
        self.assert_reply(reply, 250)
        client.expect(250, "RCPT TO:<δοκιμή@example.test>")
        body = self.tagged("grüße\r\n".encode())
        self.assert_reply(client.data(body), 250)
        message = self.assert_intact(body)
        self.assertEqual(message.sender, "jürgen@example.test")
        self.assertIn("SMTPUTF8", message.sender_line.upper())
        self.assertIn("UTF8SMTP", message.headers)  # RFC 6531 section 4.3

    def test_invalid_utf8_in_an_address(self):
        client = self.session()
        client.send(b"MAIL FROM:<a\xff\xfe@example.test> SMTPUTF8\r\n")
        self.assertIn(client.reply().code, (500, 501, 553))


class Pipelining(RelayTest):
    def test_a_group_is_answered_in_order(self):
        client = self.session()
        client.send("MAIL FROM:<a@example.test>\r\n"
                    "RCPT TO:<b@example.test>\r\n"
                    "RCPT TO:<bad address>\r\n"
                    "RCPT TO:<c@example.test>\r\n"
                    "DATA\r\n")
        codes = [client.reply().code for _ in range(5)]
        self.assertEqual(codes[:2] + codes[3:], [250, 250, 250, 354])
        self.assertEqual(codes[2] // 100, 5)
        body = self.tagged()
        client.send(body + b".\r\n")
        self.assert_reply(client.reply(), 250)
        self.assertEqual(sorted(self.arrived(body).recipients),
                         ["b@example.test", "c@example.test"])

    def test_a_group_with_no_valid_recipient(self):
        client = self.session()
        client.send("MAIL FROM:<a@example.test>\r\n"
                    "RCPT TO:<bad address>\r\nDATA\r\n")
        self.assert_reply(client.reply(), 250)
        self.assertEqual(client.reply().code // 100, 5)
        self.assertIn(client.reply().code, (503, 554))

    def test_next_message_behind_the_end_of_data(self):
        client = self.session()
        first, second = self.tagged(b"1\r\n"), self.tagged(b"2\r\n")
        client.envelope()
        client.expect(354, "DATA")
        client.send(first + b".\r\n" + b"MAIL FROM:<a@example.test>\r\n"
                    b"RCPT TO:<b@example.test>\r\nDATA\r\n")
        self.assertEqual([client.reply().code for _ in range(4)],
                         [250, 250, 250, 354])
        client.send(second + b".\r\nQUIT\r\n")
        self.assertEqual([client.reply().code for _ in range(2)], [250, 221])
        self.assert_intact(first)
        self.assert_intact(second)

    def test_many_commands_in_one_go(self):
        client = self.session()
        client.send("NOOP\r\n" * 90)
        for _ in range(90):
            self.assert_reply(client.reply(), 250)

    def test_many_recipients_in_one_go(self):
        client = self.session()
        names = [f"r{n}@example.test" for n in range(1000)]
        client.send("MAIL FROM:<a@example.test>\r\n" + "".join(
            f"RCPT TO:<{name}>\r\n" for name in names) + "DATA\r\n")
        for _ in range(1001):
            self.assert_reply(client.reply(), 250)
        self.assert_reply(client.reply(), 354)
        body = self.tagged()
        client.send(body + b".\r\n")
        self.assert_reply(client.reply(), 250)
        tag = body.partition(b"\r\n")[0]
        self.sink.wait_for(lambda s: sorted(
            r for m in s.messages if tag in m.data for r in m.recipients)
            == sorted(names), "all recipients")

    def test_noop_for_ever_is_ended(self):
        client = self.session()
        codes = []
        try:
            while len(codes) < 100000:
                codes.append(client.command("NOOP").code)
        except (Closed, OSError):
            pass
        self.assertEqual(codes[-1], 421)

    def test_everything_byte_by_byte(self):
        client = self.session()
        body = self.tagged(b".\r\n..\r\n.x\r\n")
        client.envelope()
        client.expect(354, "DATA")
        wire = (body.replace(b"\r\n.", b"\r\n..") + b".\r\n"
                b"NOOP\r\nQUIT\r\n")
        for n in range(len(wire)):
            client.send(wire[n:n + 1])
        self.assertEqual([client.reply().code for _ in range(3)],
                         [250, 250, 221])
        self.assert_intact(body)

    def test_half_closed_client_gets_its_answers(self):
        client = self.session()
        client.send("NOOP\r\nNOOP\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        self.assertEqual([client.reply().code for _ in range(2)], [250, 250])


class Lines(RelayTest):
    def test_command_line_of_512_octets(self):
        # RFC 5321 section 4.5.3.1.4: with CRLF.
        client = self.session()
        client.expect(250, "NOOP " + "x" * (512 - 7))

    def test_overlong_command_line(self):
        client = self.session()
        reply = client.command("NOOP " + "x" * 70000)
        self.assert_reply(reply, 500)

    def test_overlong_line_is_one_error(self):
        client = self.session()
        client.send("NOOP " + "x" * 70000 + "\r\nNOOP\r\n")
        self.assert_reply(client.reply(), 500)
        self.assert_reply(client.reply(), 250)

    def test_nothing_but_octets(self):
        # Memory must stay bounded; the session may end, the relay not.
        client = self.session()
        try:
            for _ in range(200):
                client.send(b"y" * 65536)
        except OSError:
            pass
        client.close()
        self.assert_still_serving()

    def test_command_ended_by_a_bare_lf_is_refused(self):
        for text in ("MAIL FROM:<a@example.test>\nNOOP\r\n",
                     "NOOP\nMAIL FROM:<a@example.test>\r\n",
                     "NOOP\nQUIT\nEHLO x\r\n"):
            with self.subTest(text):
                client = self.session()
                client.send(text + "RCPT TO:<b@example.test>\r\n")
                # one for all that ends with CRLF, then the next command's
                self.assert_reply(client.reply(), 500, "5.5.2")
                self.assert_reply(client.reply(), 503, "5.5.1")
                client.expect(221, "QUIT")
                self.assertTrue(client.at_end())

    def test_binary_rubbish(self):
        client = self.session()
        client.send(bytes(range(256)) * 4 + b"\r\n")
        self.assertEqual(client.reply().code // 100, 5)
        self.assert_still_serving()

    def test_http(self):
        client = self.connect()
        client.reply()
        client.send("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                    "MAIL FROM:<a@example.test>\r\n")
        try:
            for _ in range(4):
                self.assertEqual(client.reply().code // 100 in (4, 5), True)
        except Closed:
            pass
        self.assert_still_serving()

    def test_trailing_blanks_are_tolerated(self):
        client = self.session()
        client.expect(250, "NOOP ")
        client.expect(250, "RSET  ")


class TooMuch(RelayTest):
    CONFIG = {"limits": {"recipients": 100, "errors": 5}}

    def test_recipients(self):
        client = self.session(tls=True)
        client.expect(250, "MAIL FROM:<a@example.test>")
        for n in range(100):
            client.expect(250, f"RCPT TO:<r{n}@example.test>")
        reply = client.command("RCPT TO:<one-more@example.test>")
        self.assertEqual(reply.code, 452, repr(reply))
        self.assertEqual(reply.enhanced, "4.5.3")
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        self.assertEqual(len(self.arrived(body).recipients), 100)

    def test_errors(self):
        client = self.session()
        codes = []
        try:
            for _ in range(20):
                codes.append(client.command("XYZZY").code)
        except (Closed, OSError):
            pass
        self.assertEqual(codes[-1], 421, codes)
        self.assertLessEqual(len(codes), 7, codes)

    def test_errors_pipelined(self):
        client = self.session()
        client.send("XYZZY\r\n" * 50)
        codes = []
        try:
            while True:
                codes.append(client.reply().code)
        except Closed:
            pass
        self.assertEqual(codes[-1], 421, codes)
        self.assertLessEqual(len(codes), 7, codes)


class Connections(unittest.TestCase):
    def fill(self, relay, count, **options):
        clients = []
        for _ in range(count):
            client = relay.client(**options)
            self.addCleanup(client.close)
            self.assertEqual(client.reply().code, 220)
            clients.append(client)
        return clients

    def refused(self, relay, **options):
        client = relay.client(**options)
        self.addCleanup(client.close)
        reply = client.reply()
        self.assertEqual(reply.code, 421, repr(reply))
        self.assertTrue(client.at_end())

    def leave(self, client):
        client.expect(221, "QUIT")
        self.assertTrue(client.at_end())
        client.close()

    def admitted_again(self, relay):
        """The place is free once the relay has seen the connection's end."""
        def admitted():
            with relay.client() as client:
                try:
                    return client.reply().code == 220
                except Closed:
                    return False
        wait_until(admitted, "a place that was left")

    def test_limit_of_all(self):
        with Relay(limits={"connections": 3}) as relay:
            clients = self.fill(relay, 3)
            self.refused(relay)
            self.leave(clients[0])
            self.admitted_again(relay)

    def test_limit_per_client(self):
        with Relay(limits={"connections_per_client": 2}) as relay:
            clients = self.fill(relay, 2)
            self.refused(relay)
            self.fill(relay, 2, source="127.0.0.2")
            self.leave(clients[0])
            self.admitted_again(relay)

    def test_client_that_vanishes_frees_its_place(self):
        with Relay(limits={"connections": 1}) as relay:
            client = self.fill(relay, 1)[0]
            client.close()
            self.admitted_again(relay)


class RelayFrom(unittest.TestCase):
    def test_stranger_may_not_relay(self):
        with Relay(relay_from=["127.0.0.2/32"]) as relay:
            with relay.client() as client:
                client.greet()
                client.expect(250, "MAIL FROM:<a@example.test>")
                reply = client.command("RCPT TO:<b@example.test>")
                self.assertIn(reply.code, (550, 554), repr(reply))
                self.assertEqual(reply.enhanced, "5.7.1")
                self.assertIn(client.command("DATA").code, (503, 554))

    def test_member_may_relay(self):
        with Relay(relay_from=["127.0.0.2/32"]) as relay:
            with relay.client(source="127.0.0.2") as client:
                client.greet()
                client.envelope()

    def test_nobody_may_relay(self):
        with Relay(relay_from=[]) as relay, relay.client() as client:
            client.greet()
            client.expect(250, "MAIL FROM:<a@example.test>")
            reply = client.command("RCPT TO:<b@example.test>")
            self.assertIn(reply.code, (550, 554), repr(reply))

    def test_edge_of_a_network(self):
        with Relay(relay_from=["127.0.0.0/30"]) as relay:
            for source, code in (("127.0.0.3", 250), ("127.0.0.4", 550)):
                with relay.client(source=source) as client:
                    client.greet()
                    client.expect(250, "MAIL FROM:<a@example.test>")
                    reply = client.command("RCPT TO:<b@example.test>")
                    self.assertEqual(reply.code // 100, code // 100,
                                     (source, repr(reply)))


class Timeouts(unittest.TestCase):
    def ends_with_421(self, client):
        reply = client.reply()
        self.assertEqual(reply.code, 421, repr(reply))
        self.assertTrue(client.at_end())

    def test_silent_client(self):
        with Relay(timeouts={"command": "300ms"}) as relay, \
                relay.client() as client:
            client.reply()
            self.ends_with_421(client)

    def test_half_a_command(self):
        with Relay(timeouts={"command": "300ms"}) as relay, \
                relay.client() as client:
            client.greet()
            client.send("MAIL FR")
            self.ends_with_421(client)

    def test_dripping_client_cannot_stretch_a_command(self):
        # One octet now and then is not a command: the time is for the whole.
        with Relay(timeouts={"command": "500ms"}) as relay, \
                relay.client(timeout=0.1) as client:
            client.sock.settimeout(60)
            client.greet()
            client.sock.settimeout(0.1)
            replied = None
            for _ in range(600):
                try:
                    client.send("N")
                    replied = client.reply()
                    break
                except TimeoutError:
                    continue
                except (OSError, Closed):
                    replied = "closed"
                    break
            self.assertIsNotNone(replied, "a dripping client lives for ever")

    def test_silence_in_data(self):
        with Relay(timeouts={"data": "300ms"}) as relay, \
                relay.client() as client:
            client.greet()
            client.envelope()
            client.expect(354, "DATA")
            client.send("Subject: x\r\n\r\nhalf a mess")
            self.ends_with_421(client)

    def test_silence_in_bdat(self):
        with Relay(timeouts={"data": "300ms"}) as relay, \
                relay.client() as client:
            client.greet()
            client.envelope()
            client.send("BDAT 1000 LAST\r\nhalf a mess")
            self.ends_with_421(client)

    def test_silence_in_the_handshake(self):
        with Relay(timeouts={"tls": "300ms"}) as relay, \
                relay.client() as client:
            client.greet()
            client.expect(220, "STARTTLS")
            client.send(b"\x16\x03\x01\x02\x00")
            try:
                while client.sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass

    def test_activity_is_not_cut(self):
        with Relay(timeouts={"command": "2s"}) as relay, \
                relay.client() as client:
            client.greet()
            for _ in range(50):
                client.expect(250, "NOOP")


class Ipv6(unittest.TestCase):
    def test_listener_and_relay_from(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as e:
            self.skipTest(f"no IPv6 loopback here: {e}")
        from harness import free_port, certificates
        port = free_port()
        certs = certificates()
        listener = {"address": f"[::1]:{port}",
                    "tls": {"certificate": certs.certificate,
                            "key": certs.key}}
        with Relay(listen=[listener], relay_from=["::1/128"]):
            with Client(port, host="::1") as client:
                client.greet()
                client.envelope()


if __name__ == "__main__":
    unittest.main()
