# SPDX-License-Identifier: Apache-2.0
"""Routes with mode: cut_through: nothing is stored, the client hears the next
hop's own answers."""

import os
import random
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import (BENCH, DROP, PATIENCE, SILENCE, Closed, Relay, RelayTest,
                     Sink, fresh_folder, free_port, wait_until)

MODE = {"mode": "cut_through"}
MARK = b"X-Tag: cut\r\n"
BODY = MARK + b"Subject: test\r\n\r\nhello\r\n.dot\r\n..\r\nend\r\n"


def octets(count, seed=1):
    return random.Random(seed).randbytes(count)


class CutThrough(unittest.TestCase):
    ROUTE = MODE
    TLS = True

    def pair(self, hook=None, route=None, sink=None, **config):
        self.sink = Sink(hook, **(sink or {})).start()
        self.addCleanup(self.sink.stop)
        self.relay = Relay(self.sink.port, route={**self.ROUTE, **(route or {})},
                           **config).start()
        self.addCleanup(self.relay.kill)
        return self.relay, self.sink

    def client(self):
        client = self.relay.client()
        self.addCleanup(client.close)
        return client.greet(tls=self.TLS)

    def assert_reply(self, reply, code, text=None):
        self.assertEqual(reply.code, code, repr(reply))
        if text is not None:
            self.assertEqual(reply.text, text)

    def assert_intact(self, message, body=BODY, mark=MARK):
        self.assertTrue(message.data.startswith(b"Received: from "))
        self.assertEqual(message.data.count(b"Received: "), 1)
        self.assertEqual(message.body_from(mark), body)

    def end(self):
        """The relay ends well, and has stored nothing."""
        self.relay.stop()
        self.assertEqual(self.relay.find_events("outbound.sent"), [])
        self.assertEqual(self.sink.errors, [])


class Data(CutThrough):
    def test_arrives_before_its_answer(self):
        relay, sink = self.pair(lambda session, stage, line:
                                "250 2.6.0 taken by me" if stage == "BODY"
                                else None)
        client = self.client()
        client.envelope()
        self.assert_reply(client.data(BODY), 250, "2.6.0 taken by me")
        sink.wait(1)
        self.assertEqual(len(sink.messages), 1)
        self.assert_intact(sink.wait()[0])
        event = relay.wait_event("cutthrough.sent", code=250)
        self.assertEqual(event["path"], "copy")
        self.assertIn(event["id"], sink.wait()[0].trace)
        self.assertIn("for <to@example.test>", sink.wait()[0].trace)
        self.end()

    def test_without_tls(self):
        self.TLS = False
        _, sink = self.pair(route={"tls": "none"})
        client = self.client()
        client.envelope()
        self.assert_reply(client.data(BODY), 250)
        self.assert_intact(sink.wait()[0])
        self.end()

    def test_to_a_server_without_extensions(self):
        _, sink = self.pair(sink={"extensions": ()})
        client = self.client()
        client.envelope()
        self.assert_reply(client.data(BODY), 250)
        self.assertEqual(sink.wait()[0].sender_line,
                         "MAIL FROM:<from@example.test>")
        self.assert_intact(sink.wait()[0])

    def test_parameters_of_mail(self):
        _, sink = self.pair()
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test> SIZE=1000 BODY=8BITMIME"
                      " SMTPUTF8")
        client.expect(250, "RCPT TO:<to@example.test>")
        self.assertEqual(sink.commands()[-2], "MAIL FROM:<a@example.test> "
                         "SIZE=1512 BODY=8BITMIME SMTPUTF8")

    def test_pipelined(self):
        _, sink = self.pair()
        client = self.client()
        text = BODY.replace(b"\r\n.", b"\r\n..")
        client.send(b"MAIL FROM:<a@example.test>\r\n"
                    b"RCPT TO:<b@example.test>\r\nRCPT TO:<c@example.test>\r\n"
                    b"DATA\r\n")
        self.assertEqual([client.reply().code for _ in range(4)],
                         [250, 250, 250, 354])
        client.send(text + b".\r\nMAIL FROM:<d@example.test>\r\n"
                    b"RCPT TO:<e@example.test>\r\nQUIT\r\n")
        self.assertEqual([client.reply().code for _ in range(4)],
                         [250, 250, 250, 221])
        self.assertTrue(client.at_end())
        self.assert_intact(sink.wait()[0])
        self.assertEqual(sink.wait()[0].recipients,
                         ["b@example.test", "c@example.test"])
        # others must not learn of each other
        self.assertNotIn("for <", sink.wait()[0].trace)

    def test_large(self):
        _, sink = self.pair()
        body = MARK + b"\r\n" + b"".join(
            b"%07d." % n + b"x" * (n % 70) + b"\r\n" for n in range(60000))
        client = self.client()
        client.envelope()
        self.assert_reply(client.data(body), 250)
        self.assert_intact(sink.wait()[0], body)
        self.end()

    def test_bare_line_end(self):
        for bad in (b"a\nb\r\n", b"a\rb\r\n", b"a\n.\r\nb\r\n",
                    b"a\r\n.\nMAIL FROM:<x@example.test>\r\n"):
            with self.subTest(bad):
                relay, sink = self.pair()
                client = self.client()
                client.envelope()
                client.expect(354, "DATA")
                client.send(MARK + b"\r\n" + bad + b"\r\n.\r\n")
                self.assert_reply(client.reply(), 554)
                sink.wait_for(lambda s: s.sessions[0].ended, "the end")
                self.assertEqual(sink.messages, [])
                # the session goes on
                client.envelope()
                self.assert_reply(client.data(BODY), 250)
                sink.wait()
                self.assertEqual(len(sink.messages), 1)
                self.end()

    def test_normalised(self):
        _, sink = self.pair(bare_line_ends="normalise")
        client = self.client()
        client.envelope()
        client.expect(354, "DATA")
        client.send(MARK + b"\r\na\n.\nb\rc\r\n.\r\n")
        self.assert_reply(client.reply(), 250)
        self.assert_intact(sink.wait()[0],
                           MARK + b"\r\na\r\n.\r\nb\r\nc\r\n")

    def test_too_big(self):
        _, sink = self.pair(limits={"message_size": "64KiB"})
        client = self.client()
        client.envelope()
        self.assert_reply(client.data(MARK + b"\r\n" + b"x" * 70 + b"\r\n"
                                      + b"y" * 100 + b"\r\n" * 40000), 552)
        sink.wait_for(lambda s: s.sessions[0].ended, "the end")
        self.assertEqual(sink.messages, [])

    def test_loop(self):
        _, sink = self.pair(limits={"received": 2})
        client = self.client()
        client.envelope()
        self.assert_reply(client.data(b"Received: x\r\n" * 3 + BODY), 554)
        self.assertEqual(sink.messages, [])


class Bdat(CutThrough):
    def test_one_chunk(self):
        relay, sink = self.pair()
        body = MARK + b"\r\n" + octets(300000)
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(body, last=True), 250, "2.0.0 taken")
        self.assertEqual(sink.wait()[0].by, "BDAT")
        self.assert_intact(sink.wait()[0], body)
        relay.wait_event("cutthrough.sent", code=250)
        self.end()

    def test_chunks_stay_what_they_are(self):
        _, sink = self.pair()
        sizes = (100, 0, 1, 16383, 16384, 16385, 65536, (1 << 20) + 1)
        body = MARK + b"\r\n" + octets(sum(sizes) - len(MARK) - 2)
        client = self.client()
        client.envelope()
        at = 0
        for size in sizes:
            self.assert_reply(client.bdat(body[at:at + size]), 250,
                              "2.0.0 more")
            at += size
        self.assert_reply(client.bdat(b"", last=True), 250, "2.0.0 taken")
        message = sink.wait()[0]
        self.assert_intact(message, body)
        self.assertEqual(message.chunks[1:], list(sizes[1:]) + [0])
        self.end()

    def test_pipelined(self):
        _, sink = self.pair()
        client = self.client()
        body = MARK + b"\r\n" + octets(5000)
        client.send(b"MAIL FROM:<a@example.test>\r\n"
                    b"RCPT TO:<b@example.test>\r\nBDAT 100\r\n" + body[:100]
                    + b"BDAT %d LAST\r\n" % (len(body) - 100) + body[100:]
                    + b"NOOP\r\n")
        self.assertEqual([client.reply().code for _ in range(5)],
                         [250, 250, 250, 250, 250])
        self.assert_intact(sink.wait()[0], body)
        self.assertEqual(client.command("QUIT").code, 221)

    def test_header_in_crumbs(self):
        _, sink = self.pair()
        client = self.client()
        client.envelope()
        body = MARK + b"X: y\r\n\r\n" + octets(40000)
        client.send(b"BDAT %d LAST\r\n" % len(body))
        for n in range(30):
            client.send(body[n:n + 1])
        client.send(body[30:])
        self.assert_reply(client.reply(), 250)
        self.assert_intact(sink.wait()[0], body)

    def test_to_a_server_without_chunking(self):
        _, sink = self.pair(sink={"without": ("CHUNKING",)})
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(BODY[:20]), 250)
        self.assert_reply(client.bdat(BODY[20:-1]), 250)
        self.assert_reply(client.bdat(BODY[-1:], last=True), 250,
                          "2.0.0 taken")
        self.assertEqual(sink.wait()[0].by, "DATA")
        self.assert_intact(sink.wait()[0])
        self.end()

    def test_smuggling_through_conversion(self):
        _, sink = self.pair(sink={"without": ("CHUNKING",)})
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(MARK + b"\r\nx\n.\r\nRSET\r\n",
                                      last=True), 554)
        sink.wait_for(lambda s: s.sessions[0].ended, "the end")
        self.assertEqual(sink.messages, [])

    def test_loop(self):
        _, sink = self.pair(limits={"received": 2})
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(b"Received: x\r\n" * 3 + BODY,
                                      last=True), 554)
        sink.wait_for(lambda s: s.sessions[0].ended, "the end")
        self.assertEqual(sink.messages, [])
        client.envelope()
        self.assert_reply(client.bdat(BODY, last=True), 250)

    def test_too_big(self):
        _, sink = self.pair(limits={"message_size": "64KiB"})
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(octets(40000)), 250)
        self.assert_reply(client.bdat(octets(40000)), 552)
        self.assert_reply(client.bdat(octets(10), last=True), 503)
        self.assertEqual(sink.messages, [])

    def test_client_vanishes(self):
        for sent in (b"", b"x", octets(100000)):
            with self.subTest(len(sent)):
                _, sink = self.pair()
                client = self.client()
                client.envelope()
                client.send(b"BDAT 200000 LAST\r\n" + sent)
                sink.wait_for(lambda s: s.sessions and s.sessions[0].commands
                              and s.sessions[0].commands[-1]
                              .startswith("BDAT"), "BDAT")
                client.sock.shutdown(socket.SHUT_RDWR)
                client.close()
                sink.wait_for(lambda s: s.sessions[0].ended, "the end")
                self.assertEqual(sink.messages, [])
                self.end()

    def test_client_vanishes_between_chunks(self):
        _, sink = self.pair()
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(octets(1000)), 250)
        client.close()
        sink.wait_for(lambda s: "RSET" in s.sessions[0].commands
                      or s.sessions[0].ended, "the end of the transaction")
        self.assertEqual(sink.messages, [])
        self.end()


class Refusals(CutThrough):
    def refusing(self, stage, reply, **options):
        def hook(session, at, line):
            return reply if at == stage else None
        return self.pair(hook, **options)

    def test_mail(self):
        self.refusing("MAIL", "550 5.7.1 not you")
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        self.assert_reply(client.command("RCPT TO:<b@example.test>"), 550,
                          "5.7.1 not you")
        self.assert_reply(client.command("DATA"), 554)
        self.end()

    def test_one_recipient(self):
        _, sink = self.pair(lambda session, stage, line:
                            "551 5.1.6 gone" if "gone" in line else None)
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        for name, code in (("gone", 551), ("a", 250), ("gone", 551),
                           ("b", 250)):
            client.expect(code, f"RCPT TO:<{name}@example.test>")
        self.assert_reply(client.data(BODY), 250)
        self.assertEqual(sink.wait()[0].recipients,
                         ["a@example.test", "b@example.test"])
        self.end()

    def test_all_recipients(self):
        _, sink = self.refusing("RCPT", "450 4.2.1 later")
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        self.assert_reply(client.command("RCPT TO:<b@example.test>"), 450,
                          "4.2.1 later")
        self.assert_reply(client.command("DATA"), 554)
        self.assert_reply(client.bdat(b"x\r\n", last=True), 554)
        self.assertEqual(client.command("RSET").code, 250)
        self.end()

    def test_data(self):
        self.refusing("DATA", "451 4.3.0 no")
        client = self.client()
        client.envelope()
        self.assert_reply(client.command("DATA"), 451, "4.3.0 no")
        self.assertEqual(client.command("RSET").code, 250)
        self.end()

    def test_message_by_data(self):
        self.refusing("BODY", "554 5.7.1 spam\n")
        client = self.client()
        client.envelope()
        self.assert_reply(client.data(BODY), 554, "5.7.1 spam")
        self.relay.wait_event("cutthrough.refused", code=554, at="message")
        self.end()

    def test_message_by_bdat(self):
        self.refusing("BODY", "452 4.3.1 full")
        client = self.client()
        for _ in range(2):
            client.envelope()
            self.assert_reply(client.bdat(BODY, last=True), 452, "4.3.1 full")
        # the connection was used again, behind RSET
        self.assertEqual(len(self.sink.sessions), 1)
        self.end()

    def test_message_while_the_last_one_is_reset(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def hook(session, stage, line):
            if stage == "RSET":
                go_on.wait(PATIENCE)
            return "452 4.3.1 full" if stage == "BODY" else None
        _, sink = self.pair(hook)
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(BODY, last=True), 452)
        # both in one record: when the first is answered the other is known
        client.send("MAIL FROM:<a@example.test>\r\n"
                    "RCPT TO:<b@example.test>\r\n")
        self.assertEqual(client.reply().code, 250)
        go_on.set()
        self.assertEqual(client.reply().code, 250)
        self.assertEqual(len(sink.sessions), 1)
        self.end()

    def test_chunk(self):
        self.refusing("BDAT", "552 5.3.4 enough")
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(BODY), 552, "5.3.4 enough")
        self.assert_reply(client.bdat(BODY, last=True), 503)
        self.assertEqual(client.command("RSET").code, 250)
        self.assertEqual(self.sink.messages, [])
        self.end()

    def test_data_for_chunks(self):
        self.refusing("DATA", "451 4.3.0 no",
                      sink={"without": ("CHUNKING",)})
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(BODY, last=True), 451, "4.3.0 no")
        self.end()

    def test_without_enhanced_codes(self):
        self.refusing("RCPT", "550 unknown")
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        self.assert_reply(client.command("RCPT TO:<b@example.test>"), 550,
                          "5.0.0 unknown")

    def test_421_is_not_ours(self):
        self.refusing("RCPT", "421 4.3.2 closing")
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        self.assert_reply(client.command("RCPT TO:<b@example.test>"), 451,
                          "4.3.2 closing")
        self.assertEqual(client.command("NOOP").code, 250)
        self.end()

    def test_unfit_for_the_next_hop(self):
        self.pair(sink={"extensions": ("SIZE 10000",)})
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test> SMTPUTF8")
        self.assert_reply(client.command("RCPT TO:<b@example.test>"), 550)
        client.expect(250, "RSET")
        client.expect(250, "MAIL FROM:<a@example.test> SIZE=9800")
        self.assert_reply(client.command("RCPT TO:<b@example.test>"), 552)
        client.expect(250, "RSET")
        client.envelope()
        self.end()

    def test_relay_denied_as_ever(self):
        _, sink = self.pair(relay_from=["10.0.0.0/8"])
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        client.expect(554, "RCPT TO:<b@example.test>")
        self.assertEqual(sink.sessions, [])


class Lost(CutThrough):
    def dropping(self, stage, times=1, **options):
        left = [times]

        def hook(session, at, line):
            if at == stage and left[0] > 0:
                left[0] -= 1
                return DROP
            return None
        return self.pair(hook, **options)

    def test_next_hop_is_down(self):
        self.sink = Sink()
        self.relay = Relay(free_port(), route=MODE).start()
        self.addCleanup(self.relay.kill)
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        reply = client.expect(451, "RCPT TO:<b@example.test>")
        self.assertEqual(reply.enhanced, "4.4.1")
        client.expect(554, "DATA")
        self.relay.stop()

    def test_tls_refused(self):
        self.pair(route={"tls": "encrypt"}, sink={"without": ("STARTTLS",)})
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        self.assertEqual(client.command("RCPT TO:<b@example.test>").code, 451)
        self.end()

    def test_greeting_refused(self):
        self.pair(lambda session, stage, line:
                  "554 5.3.2 no" if stage == "CONNECT" else None)
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        self.assertEqual(client.command("RCPT TO:<b@example.test>").code, 451)
        self.end()

    def test_at_mail_and_rcpt(self):
        for stage in ("MAIL", "RCPT"):
            with self.subTest(stage):
                _, sink = self.dropping(stage)
                client = self.client()
                client.expect(250, "MAIL FROM:<a@example.test>")
                reply = client.expect(451, "RCPT TO:<b@example.test>")
                self.assertEqual(reply.enhanced, "4.4.2")
                # nobody was promised anything: a new connection
                client.expect(250, "RCPT TO:<b@example.test>")
                self.assert_reply(client.data(BODY), 250)
                self.assert_intact(sink.wait()[0])
                self.end()

    def test_idle_connection_closed_meanwhile(self):
        def hook(session, stage, line):
            # its second transaction never gets an answer
            if stage == "MAIL" and session.delivered:
                return DROP
            return None
        _, sink = self.pair(hook)
        client = self.client()
        for _ in range(3):
            client.envelope()
            self.assert_reply(client.data(BODY), 250)
        sink.wait(3)
        self.assertEqual(len(sink.messages), 3)
        self.assertEqual(len(sink.sessions), 3)
        self.end()

    def test_at_the_end_of_data(self):
        self.dropping("BODY")
        client = self.client()
        client.envelope()
        reply = client.data(BODY)
        self.assert_reply(reply, 451)
        self.assertEqual(reply.enhanced, "4.4.2")
        self.end()

    def test_at_data(self):
        self.dropping("DATA")
        client = self.client()
        client.envelope()
        self.assert_reply(client.command("DATA"), 451)
        self.assert_reply(client.command("DATA"), 451)
        client.expect(250, "RSET")
        client.envelope()
        self.assert_reply(client.data(BODY), 250)
        self.end()

    def test_in_the_middle_of_a_chunk(self):
        def hook(session, stage, line):
            if stage == "RCPT":
                session.exactly = lambda count: (_ for _ in ()).throw(Closed)
            return None
        _, sink = self.pair(hook)
        client = self.client()
        client.envelope()
        reply = client.bdat(octets(8 << 20), last=True)
        self.assert_reply(reply, 451)
        self.assertEqual(reply.enhanced, "4.4.2")
        self.assertEqual(sink.messages, [])
        self.assertEqual(client.command("NOOP").code, 250)
        self.end()

    def test_in_the_middle_of_data(self):
        def hook(session, stage, line):
            if stage == "RCPT":
                session.until_dot = lambda: (_ for _ in ()).throw(Closed)
            return None
        _, sink = self.pair(hook)
        client = self.client()
        client.envelope()
        reply = client.data(MARK + b"\r\n" + b"x" * 60 + b"\r\n" * 2000000)
        self.assert_reply(reply, 451)
        self.assertEqual(sink.messages, [])
        self.assertEqual(client.command("NOOP").code, 250)
        self.end()

    def test_refused_in_the_middle_of_a_chunk(self):
        def early(session, count):
            session.say("552 5.3.4 stop it")
            raise Closed

        def hook(session, stage, line):
            if stage == "RCPT":
                session.exactly = lambda count: early(session, count)
            return None
        self.pair(hook)
        client = self.client()
        client.envelope()
        # what it said may be lost with the connection, but not the refusal
        self.assertIn(client.bdat(octets(8 << 20), last=True).code,
                      (451, 552))
        self.assertEqual(client.command("NOOP").code, 250)
        self.end()

    def test_took_too_long(self):
        self.pair(lambda session, stage, line:
                  SILENCE if stage == "RCPT" else None,
                  timeouts={"reply": "1s"})
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        reply = client.command("RCPT TO:<b@example.test>")
        self.assert_reply(reply, 451)
        self.assertEqual(reply.enhanced, "4.4.2")
        self.end()


class Slow(CutThrough):
    def stalling(self, **config):
        """The first connection's chunks are not read until the end."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def stall(session, count):
            go_on.wait(9 * PATIENCE)
            raise Closed

        def hook(session, stage, line):
            if stage == "RCPT" and session.number == 0:
                session.exactly = lambda count: stall(session, count)
            return None
        return self.pair(hook, **config)

    def test_next_hop_that_stops_reading(self):
        for whole in (True, False):
            with self.subTest(whole=whole):
                _, sink = self.stalling(timeouts={"transmit": "1s"})
                client = self.client()
                client.envelope()
                body = octets(24 << 20)
                # more than fits on the way; all in records of odd lengths
                client.send(b"BDAT %d LAST\r\n" % len(body))
                half = len(body) if whole else len(body) // 2
                for at in range(0, half, 100003):
                    client.send(body[at:min(at + 100003, half)])
                self.relay.wait_event("cutthrough.lost")
                client.send(body[half:] + b"NOOP\r\n")
                reply = client.reply()
                self.assert_reply(reply, 451)
                self.assertEqual(reply.enhanced, "4.4.2")
                # not a byte too many or too few was taken for the chunk's
                self.assert_reply(client.reply(), 250)
                client.envelope()
                self.assert_reply(client.bdat(BODY, last=True), 250)
                self.assert_intact(sink.wait()[0])
                self.end()

    def test_waiting_chunks_hold_no_threads(self):
        self.TLS = False
        relay, sink = self.pair(route={"tls": "none", "connections": 50},
                                workers=1, body_path="splice")
        clients = [self.client() for _ in range(16)]
        part, rest = MARK + b"\r\n" + octets(200000), octets(300000)
        for client in clients:
            client.envelope()
            client.send(b"BDAT %d LAST\r\n" % (len(part + rest)) + part)
        tasks = f"/proc/{relay.process.pid}/task"

        def in_kernel():
            """Threads of the kernel's that work for the relay's ring."""
            names = []
            for task in os.listdir(tasks):
                try:
                    with open(f"{tasks}/{task}/comm") as f:
                        names.append(f.read())
                except FileNotFoundError:
                    pass
            return sum(name.startswith("iou-wrk") for name in names)
        # those with nothing to do end after some seconds, but for one of a
        # kind
        wait_until(lambda: in_kernel() < 8, "idle threads to end")
        for client in clients:
            client.send(rest)
            self.assert_reply(client.reply(), 250)
        for message in sink.wait(16):
            self.assert_intact(message, part + rest)
        for event in relay.find_events("cutthrough.sent"):
            self.assertEqual(event["path"], "splice", event)
        self.end()

    def test_client_that_is_slow_in_a_long_chunk(self):
        _, sink = self.pair(timeouts={"data": "2s"})
        client = self.client()
        client.envelope()
        body = MARK + b"\r\n" + octets(500000)
        client.send(b"BDAT %d LAST\r\n" % len(body))
        pieces = 24
        size = len(body) // pieces + 1
        for at in range(0, len(body), size):
            client.send(body[at:at + size])
            time.sleep(0.15)  # the slowness itself
        self.assert_reply(client.reply(), 250)
        self.assert_intact(sink.wait()[0], body)
        self.end()

    def test_client_that_stops_in_a_chunk(self):
        _, sink = self.pair(timeouts={"data": "1s"})
        client = self.client()
        client.envelope()
        client.send(b"BDAT 500000 LAST\r\n" + octets(300000))
        self.assert_reply(client.reply(), 421)
        self.assertTrue(client.at_end())
        sink.wait_for(lambda s: s.sessions[0].ended, "the end")
        self.assertEqual(sink.messages, [])
        self.end()


class Connections(CutThrough):
    def test_kept_for_the_next_transaction(self):
        _, sink = self.pair(workers=1)
        for _ in range(3):
            client = self.client()
            client.envelope()
            self.assert_reply(client.data(BODY), 250)
            client.envelope()
            self.assert_reply(client.bdat(BODY, last=True), 250)
            client.command("QUIT")
        self.assertEqual(len(sink.sessions), 1)
        sink.wait(6)
        self.assertEqual(len(sink.messages), 6)
        self.end()

    def test_waiting_for_one(self):
        _, sink = self.pair(route={"connections": 1}, workers=1)
        first, second = self.client(), self.client()
        first.envelope()
        second.send("MAIL FROM:<a@example.test>\r\n"
                    "RCPT TO:<b@example.test>\r\n")
        self.assertEqual(second.reply().code, 250)
        self.assert_reply(first.data(BODY), 250)
        self.assertEqual(second.reply().code, 250)
        self.assert_reply(second.data(BODY), 250)
        self.assertEqual(len(sink.sessions), 1)
        self.end()

    def test_reset_gives_it_back(self):
        _, sink = self.pair(route={"connections": 1}, workers=1)
        client, other = self.client(), self.client()
        client.envelope()
        client.expect(250, "RSET")
        other.envelope()
        self.assert_reply(other.data(BODY), 250)
        self.assertEqual(len(sink.sessions), 1)
        self.assertIn("RSET", sink.commands())
        self.end()

    def test_shutdown_finishes_a_message(self):
        relay, sink = self.pair()
        client = self.client()
        client.envelope()
        self.assert_reply(client.bdat(BODY[:20]), 250)
        relay.signal(15)
        wait_until(lambda: relay.find_events("serve.stopping"), "the stop")
        self.assert_reply(client.bdat(BODY[20:], last=True), 250)
        self.assertEqual(client.reply().code, 421)
        self.assertEqual(relay.wait(), 0)
        self.assert_intact(sink.wait()[0])


class Routes(CutThrough):
    def test_one_destination_at_a_time(self):
        self.sink = Sink().start()
        self.other = Sink().start()
        self.addCleanup(self.sink.stop)
        self.addCleanup(self.other.stop)
        self.relay = Relay(routes=[
            {"match": "cut.test", "mode": "cut_through",
             "next_hop": f"127.0.0.1:{self.sink.port}"},
            {"match": "too.test", "mode": "cut_through",
             "next_hop": f"127.0.0.1:{self.other.port}"},
            {"match": "*", "next_hop": f"127.0.0.1:{self.other.port}"},
        ]).start()
        self.addCleanup(self.relay.kill)
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        client.expect(250, "RCPT TO:<a@cut.test>")
        for domain in ("too.test", "spool.test"):
            reply = client.expect(452, f"RCPT TO:<a@{domain}>")
            self.assertEqual(reply.enhanced, "4.5.3")
        client.expect(250, "RCPT TO:<b@cut.test>")
        self.assert_reply(client.data(BODY), 250)
        self.assertEqual(self.sink.wait()[0].recipients,
                         ["a@cut.test", "b@cut.test"])
        client.expect(250, "MAIL FROM:<a@example.test>")
        client.expect(250, "RCPT TO:<a@spool.test>")
        client.expect(452, "RCPT TO:<a@cut.test>")
        self.assert_reply(client.data(BODY), 250)
        self.assertEqual(self.other.wait()[0].recipients, ["a@spool.test"])
        self.relay.stop()

    def test_a_refused_first_recipient_binds_nobody(self):
        self.sink = Sink(lambda session, stage, line:
                         "550 5.1.1 no" if "no@" in line else None).start()
        self.addCleanup(self.sink.stop)
        self.relay = Relay(routes=[
            {"match": "cut.test", "mode": "cut_through",
             "next_hop": f"127.0.0.1:{self.sink.port}"},
            {"match": "*", "next_hop": f"127.0.0.1:{self.sink.port}"},
        ]).start()
        self.addCleanup(self.relay.kill)
        client = self.client()
        client.expect(250, "MAIL FROM:<a@example.test>")
        client.expect(550, "RCPT TO:<no@cut.test>")
        client.expect(250, "RCPT TO:<a@spool.test>")
        self.assert_reply(client.data(BODY), 250)
        self.assertEqual(self.sink.wait()[0].recipients, ["a@spool.test"])
        self.relay.stop()


class Load(unittest.TestCase):
    """ringpost-bench at both ends: what was accepted, and only that, arrives
    once and byte by byte."""

    def run_load(self, *source, sink=()):
        folder = fresh_folder("load")
        accepted, delivered = (os.path.join(folder, n)
                               for n in ("accepted", "delivered"))
        ready = os.path.join(folder, "ready")
        target = subprocess.Popen(
            [BENCH, "sink", "--listen", "127.0.0.1:0", "--ready-file", ready,
             "--ledger", delivered, *sink],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(target.wait)
        self.addCleanup(target.terminate)
        wait_until(lambda: os.path.exists(ready) and open(ready).read(),
                   "the sink")
        port = int(open(ready).read().rpartition(":")[2])
        with Relay(port, route=MODE,
                   limits={"message_size": "100MiB"}) as relay:
            done = subprocess.run(
                [BENCH, "source", "--to", f"127.0.0.1:{relay.port}",
                 "--ledger", accepted, *source], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, timeout=240)
        target.terminate()
        target.wait()
        compared = subprocess.run(
            [BENCH, "verify", "--accepted", accepted, "--delivered", delivered], stdout=subprocess.PIPE,
            text=True)
        return done, compared

    def assert_equal(self, done, compared):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(compared.returncode, 0, compared.stdout)

    def test_data(self):
        self.assert_equal(*self.run_load(
            "--connections", "8", "--messages", "400", "--size", "1K-200K",
            "--dot-lines", "30%"))

    def test_bdat(self):
        self.assert_equal(*self.run_load(
            "--connections", "8", "--messages", "400", "--size", "1K-200K",
            "--bdat", "100%", "--bdat-chunk", "10007", "--rcpts", "3"))

    def test_bdat_to_data(self):
        self.assert_equal(*self.run_load(
            "--connections", "4", "--messages", "100", "--size", "1K-200K",
            "--bdat", "100%", "--bdat-chunk", "10007",
            sink=("--no-chunking",)))

    def test_64_mebibytes(self):
        for share in ("0%", "100%"):
            with self.subTest(bdat=share):
                self.assert_equal(*self.run_load(
                    "--messages", "2", "--size", "64M", "--bdat", share))

    def test_refusals_and_accidents(self):
        done, compared = self.run_load(
            "--connections", "8", "--messages", "300", "--size", "1K-60K",
            "--bdat", "50%", "--retry", "--retry-delay-ms", "5",
            sink=("--reply", "mail=451:5%", "--reply", "rcpt=451:5%",
                  "--reply", "eod=451:10%", "--disconnect", "body:5%",
                  "--disconnect", "data:3%"))
        self.assert_equal(done, compared)


if __name__ == "__main__":
    unittest.main()
