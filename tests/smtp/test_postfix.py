# SPDX-License-Identifier: Apache-2.0
"""Postfix as real upstream and as real next hop, STARTTLS both ways."""

import os
import unittest

import postfix
import test_compare
from harness import (Client, Relay, Sink, certificates, fresh_folder, needs)


class PostfixTest(unittest.TestCase):
    def setUp(self):
        needs(self, postfix.why_unavailable())

    def start(self, thing):
        thing.start()
        self.addCleanup(thing.kill if isinstance(thing, Relay)
                        else thing.stop)
        return thing

    def body(self, number, text=b"hello\r\n"):
        return b"X-Tag: %d.\r\nSubject: test\r\n\r\n" % number + text

    def mixed(self):
        """Bodies that go wrong when something is done to them."""
        texts = [b"", b"hello\r\n", b".\r\n..\r\n.x\r\n", b"\r\n\r\n.\r\n",
                 bytes(n for n in range(1, 256) if n not in (10, 13))
                 + b"\r\n", b"f" * 998 + b"\r\n",
                 b"line of text\r\n" * 100000, b".\r\n" * 50000,
                 b"x" * 70 + b"\r\n" + b"\r\n" * 30000]
        return [self.body(n, text) for n, text in enumerate(texts)]

    def hand_over(self, port, bodies, chunked=False):
        with Client(port) as client:
            client.greet(tls=True)
            for body in bodies:
                client.expect(
                    250, "MAIL FROM:<from@example.test> BODY=8BITMIME")
                client.expect(250, "RCPT TO:<to@example.test>")
                reply = (client.bdat(body, last=True) if chunked
                         else client.data(body))
                self.assertEqual(reply.code, 250, repr(reply))
            client.expect(221, "QUIT")

    def assert_all_arrived(self, sink, bodies, log=lambda: ""):
        sink.wait_for(lambda s: len(s.messages) >= len(bodies),
                      f"{len(bodies)} messages; " + log())
        got = {m.body_from(b"X-Tag: ") for m in sink.messages}
        self.assertEqual(len(sink.messages), len(bodies))
        for body in bodies:
            self.assertIn(body, got, body[:60])


class AsNextHop(PostfixTest):
    """client -> relay -> Postfix -> sink"""

    def chain(self, level="verify", route=None, **parameters):
        sink = self.start(Sink(bounces_apart=True))
        hop = self.start(postfix.Postfix(sink.port, **parameters))
        tls = {"level": level}
        if level == "verify":
            tls.update(ca_file=certificates().ca, name="relay.example.test")
        relay = self.start(Relay(hop.port, dict({"tls": tls}, **route or {}),
                                 workers=1))
        return relay, hop, sink

    def through(self, relay, hop, sink):
        bodies = self.mixed()
        self.hand_over(relay.port, bodies)
        self.assert_all_arrived(sink, bodies, hop.log_text)
        relay.stop()
        return sink.messages

    def test_starttls_and_bdat(self):
        relay, hop, sink = self.chain()
        for message in self.through(relay, hop, sink):
            self.assertRegex(message.headers,
                             r"from relay\.example\.test[^;]*\bESMTPS\b")

    def test_data_when_chunking_is_off(self):
        relay, hop, sink = self.chain(
            smtpd_discard_ehlo_keywords="chunking")
        self.through(relay, hop, sink)

    def test_without_pipelining(self):
        relay, hop, sink = self.chain(
            smtpd_discard_ehlo_keywords="pipelining, chunking")
        self.through(relay, hop, sink)

    def test_tls_1_2(self):
        relay, hop, sink = self.chain(smtpd_tls_protocols="TLSv1.2")
        self.through(relay, hop, sink)

    def test_in_clear(self):
        relay, hop, sink = self.chain(level="may",
                                      smtpd_tls_security_level="none")
        self.through(relay, hop, sink)

    def test_connection_is_reused(self):
        relay, hop, sink = self.chain(route={"connections": 1})
        self.through(relay, hop, sink)
        established = hop.log_text().count("TLS connection established from")
        self.assertEqual(established, 1, hop.log_text())

    def test_refused_recipient_fails_the_others_go(self):
        relay, hop, sink = self.chain(
            smtpd_recipient_restrictions="check_recipient_access "
            "inline:{{bad@example.test = 550 5.1.1 unknown}}, "
            "permit_mynetworks, reject")
        with relay.client() as client:
            client.greet(tls=True)
            client.envelope(recipients=["good@example.test",
                                        "bad@example.test"])
            self.assertEqual(client.data(self.body(1)).code, 250)
        relay.wait_event("outbound.failed", to="bad@example.test")
        self.assertEqual(sink.wait()[0].recipients, ["good@example.test"])
        relay.stop()

    def test_message_too_large_for_it_fails(self):
        relay, hop, sink = self.chain(message_size_limit="20000")
        self.hand_over(relay.port, [self.body(1, b"line\r\n" * 20000)])
        relay.wait_event("outbound.failed")
        self.hand_over(relay.port, [self.body(2)])
        self.assertEqual(sink.wait()[0].body_from(b"X-Tag"), self.body(2))
        relay.stop()


class AsUpstream(PostfixTest):
    """client -> Postfix -> relay -> sink"""

    def chain(self, **parameters):
        sink = self.start(Sink(bounces_apart=True))
        relay = self.start(Relay(sink.port, route={"tls": "encrypt"}))
        up = self.start(postfix.Postfix(relay.port, **parameters))
        return up, relay, sink

    def through(self, up, relay, sink, chunked=False):
        bodies = self.mixed()
        self.hand_over(up.port, bodies, chunked)
        self.assert_all_arrived(
            sink, bodies, lambda: up.log_text() + relay.log_text())
        relay.stop()
        return sink.messages

    def test_starttls_verified(self):
        up, relay, sink = self.chain()
        for message in self.through(up, relay, sink):
            self.assertRegex(message.headers.split("Received:")[1],
                             r"from postfix\.example\.test[^;]*\bESMTPS\b")
        self.assertIn("Verified TLS connection", up.log_text())

    def test_tls_1_2(self):
        up, relay, sink = self.chain(smtp_tls_mandatory_protocols="TLSv1.2")
        self.through(up, relay, sink)
        self.assertIn("TLSv1.2 with cipher", up.log_text())

    def test_in_clear(self):
        up, relay, sink = self.chain(smtp_tls_security_level="none")
        for message in self.through(up, relay, sink):
            self.assertRegex(message.headers.split("Received:")[1],
                             r"\bESMTP\b")

    def test_taken_by_bdat_upstream(self):
        up, relay, sink = self.chain()
        self.through(up, relay, sink, chunked=True)

    def test_connection_reuse_of_postfix(self):
        up, relay, sink = self.chain(smtp_tls_connection_reuse="no",
                                     smtp_connection_cache_on_demand="yes",
                                     smtp_connection_cache_destinations=
                                     "127.0.0.1")
        self.through(up, relay, sink)

    def test_sessions_are_resumed(self):
        up, relay, sink = self.chain()
        for n in range(6):
            self.hand_over(up.port, [self.body(n)])
            sink.wait(n + 1)
        relay.stop()
        self.assertEqual(len(sink.messages), 6)

    def test_relay_restarts_nothing_is_lost(self):
        up, relay, sink = self.chain()
        self.hand_over(up.port, [self.body(1)])
        sink.wait(1)
        relay.stop()
        self.hand_over(up.port, [self.body(2)])
        relay.start()
        self.assertEqual(sink.wait(2)[1].body_from(b"X-Tag"), self.body(2))
        relay.stop()


class BothSides(PostfixTest):
    """client -> Postfix -> relay -> Postfix -> sink"""

    def test_chain(self):
        sink = self.start(Sink(bounces_apart=True))
        hop = self.start(postfix.Postfix(sink.port))
        relay = self.start(Relay(hop.port, route={"tls": "encrypt"}))
        up = self.start(postfix.Postfix(relay.port))
        bodies = self.mixed()
        self.hand_over(up.port, bodies)
        self.assert_all_arrived(
            sink, bodies,
            lambda: up.log_text() + relay.log_text() + hop.log_text())
        relay.stop()


class Compared(PostfixTest):
    """ringpost-bench compare with Postfix as the other relay."""

    def test_postfix_is_measured_the_same_way(self):
        # Where the tests' Postfix lies is where compare looks for one.
        peers = fresh_folder("peers")
        os.symlink(postfix.root(), os.path.join(peers, "postfix"))
        done, report = test_compare.compare(
            "--relays", "ringpost,postfix", "--works", "small",
            "--repeats", "1", "--scale", "0.02", peers=peers)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([r["relay"] for r in report["runs"]],
                         ["ringpost", "postfix"])
        self.assertEqual([r["lost"] for r in report["runs"]], [0, 0])
        self.assertIn("ringpost : postfix", done.stdout)


if __name__ == "__main__":
    unittest.main()
