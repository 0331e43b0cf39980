# SPDX-License-Identifier: Apache-2.0
"""Peers that speak GnuTLS to a relay whose TLS is in user space. The kernel
suite has more of them (tests/kernel/suite/test_gnutls.py)."""

import unittest

import gnutls
import harness
from harness import Relay, Sink

BODY = b"X-Tag: gnutls\r\n\r\n" + b".line of text\r\n" * 5000


@unittest.skipUnless(gnutls.LIB, "libgnutls (package gnutls-bin) is not there")
class Peers(unittest.TestCase):
    def pair(self, hook=None, **sink):
        self.sink = Sink(hook, **sink).start()
        self.addCleanup(self.sink.stop)
        relay = Relay(self.sink.port, offload="never", workers=1,
                      route={"tls": "encrypt"}).start()
        self.addCleanup(relay.kill)
        return relay

    def connect(self, relay, version="1.3", session=None):
        client = relay.client()
        self.addCleanup(client.close)
        client.greet()
        client.expect(220, "STARTTLS")
        client.sock = gnutls.Context(version).wrap_socket(
            client.sock, server_hostname="relay.example.test", session=session)
        client.ehlo()
        return client

    def assert_arrived(self, count):
        for message in self.sink.wait(count):
            self.assertEqual(message.body_from(b"X-Tag"), BODY)
        self.assertEqual(len(self.sink.messages), count)

    def test_client_changes_keys_everywhere(self):
        relay = self.pair()
        for ask in (False, True):
            client = self.connect(relay)
            for line in ("MAIL FROM:<a@example.test>",
                         "RCPT TO:<b@example.test>"):
                client.sock.key_update(ask)
                client.expect(250, line)
            client.expect(354, "DATA")
            wire = BODY.replace(b"\r\n.", b"\r\n..") + b".\r\n"
            # GnuTLS takes no more than eight of our answers in a second.
            step = 25000 if ask else 9999
            for at in range(0, len(wire), step):
                client.send(wire[at:at + step])
                client.sock.key_update(ask)
            self.assertEqual(client.reply().code, 250)
            client.expect(221, "QUIT")
        self.assert_arrived(2)
        relay.stop()
        self.assertEqual(relay.find_events("inbound.failed"), [])

    def test_client_floods_with_key_updates(self):
        relay = self.pair()
        client = self.connect(relay)
        try:
            for _ in range(1000):
                client.sock.key_update(True)
        except ConnectionError:
            pass
        event = relay.wait_event("inbound.failed")
        self.assertEqual(event["error"], "too many KeyUpdates")
        self.assertEqual(relay.send(BODY).code, 250)
        self.assert_arrived(1)

    def test_client_pads_and_resumes(self):
        relay, session = self.pair(), None
        for number in range(3):
            client = self.connect(relay, session=session)
            self.assertEqual(client.sock.resumed(), number > 0)
            client.sock.send_padded(b"NOOP\r\n", 999)
            self.assertEqual(client.reply().code, 250)
            client.sock.send_padded(b"", 100)
            client.envelope()
            self.assertEqual(client.data(BODY).code, 250)
            session = client.sock.session_data()
            client.expect(221, "QUIT")
            client.sock.say_bye()
            self.assertEqual(client.sock.recv(1), b"")
            self.assertTrue(client.sock.clean_end)
        self.assert_arrived(3)

    def test_next_hop_changes_keys_in_front_of_every_reply(self):
        for ask in (False, True):
            def hook(session, stage, line):
                if session.tls and (stage == "BODY" or not ask):
                    session.sock.key_update(ask)
            relay = self.pair(hook, context=gnutls.Context())
            for _ in range(3):
                self.assertEqual(relay.send(BODY).code, 250)
            self.assert_arrived(3)
            relay.stop()
            self.assertEqual(relay.find_events("outbound.repeated"), [])
            self.assertEqual(relay.find_events("outbound.deferred"), [])

    def test_next_hop_sends_late_tickets_and_pads(self):
        def hook(session, stage, line):
            if session.tls:
                session.sock.send_tickets(2)
                session.sock.send_padded(b"", 100)
        relay = self.pair(hook, context=gnutls.Context(late_tickets=True))
        for _ in range(3):
            self.assertEqual(relay.send(BODY).code, 250)
        self.assert_arrived(3)
        relay.stop()
        self.assertEqual(relay.find_events("outbound.deferred"), [])


if __name__ == "__main__":
    unittest.main()
