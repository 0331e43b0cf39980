# SPDX-License-Identifier: Apache-2.0
"""The relay with its keys in the kernel, and peers that speak GnuTLS: tickets,
KeyUpdate, padding, close_notify, resumption."""

import threading
import unittest

import gnutls
import harness
import test_relay
from harness import Relay, Sink

CAN_REKEY = test_relay.RELEASE >= (6, 14)
# 5.10's ring, having waited behind a record without data, has no room left for
# the next one's type: the connection ends.
EMPTY_RECORDS = test_relay.RELEASE >= (6, 0)
# So much that keys in the kernel pay off.
BODY = b"X-Tag: gnutls\r\n\r\n" + b".line of text\r\n" * 30000
NEW_KEYS = ("421 4.7.0 relay.example.test New TLS keys need a new connection, "
            "closing connection")


class GnuTls(test_relay.KernelTls):
    def start_relay(self, sink, offload="always", **route):
        relay = Relay(sink.port, offload=offload, workers=1,
                      route={"tls": "encrypt", "connections": 1, **route})
        relay.start()
        self.addCleanup(relay.kill)
        self.before = test_relay.tls_stat()
        return relay

    def start_sink(self, *args, **options):
        sink = Sink(*args, **options).start()
        self.addCleanup(sink.stop)
        return sink

    def assert_no_bad_record(self):
        now = test_relay.tls_stat()
        self.assertEqual(now["TlsDecryptError"],
                         self.before["TlsDecryptError"])

    def outbound(self, relay):
        """Its connections that carried something."""
        return [e for e in relay.find_events("outbound.closed")
                if e["messages"] > 0]

    def assert_arrived(self, sink, count=1):
        for message in sink.wait(count):
            self.assertEqual(message.body_from(b"X-Tag"), BODY)
        self.assertEqual(len(sink.messages), count)


class Client(GnuTls):
    def connect(self, relay, version="1.3", session=None):
        context = gnutls.Context(version)
        client = relay.client()
        self.addCleanup(client.close)
        client.greet()
        client.expect(220, "STARTTLS")
        client.sock = context.wrap_socket(
            client.sock, server_hostname="relay.example.test", session=session)
        client.ehlo()
        return client

    def started(self):
        self.sink = self.start_sink()
        return self.start_relay(self.sink)

    def quit(self, client):
        client.expect(221, "QUIT")
        client.sock.say_bye()
        self.assertEqual(client.sock.recv(1), b"")
        self.assertTrue(client.sock.clean_end)

    def test_message_and_close_notify(self):
        relay = self.started()
        for number, version in enumerate(("1.2", "1.3")):
            client = self.connect(relay, version)
            self.assertEqual(client.sock.version(), "TLS" + version)
            client.envelope()
            self.assertEqual(client.data(BODY).code, 250)
            self.quit(client)
            self.assert_arrived(self.sink, number + 1)
        relay.stop()
        self.assert_counted(2 + len(self.sink.sessions))
        self.assertEqual(relay.find_events("inbound.failed"), [])

    def test_resumption(self):
        relay = self.started()
        for version in ("1.2", "1.3"):
            client = self.connect(relay, version)
            client.envelope()
            self.assertEqual(client.data(BODY).code, 250)
            data = client.sock.session_data()
            self.assertFalse(client.sock.resumed())
            self.quit(client)
            client = self.connect(relay, version, data)
            self.assertTrue(client.sock.resumed(), version)
            client.envelope()
            self.assertEqual(client.data(BODY).code, 250)
            self.quit(client)
        self.assert_arrived(self.sink, 4)
        relay.stop()
        self.assert_no_bad_record()

    def test_padding(self):
        relay = self.started()
        client = self.connect(relay)
        for padding in (1, 15, 16, 255, 4096, 15000):
            client.sock.send_padded(b"NOOP\r\n", padding)
            self.assertEqual(client.reply().code, 250)
        if EMPTY_RECORDS:
            client.sock.send_padded(b"", 100)  # nothing but padding
        client.envelope()
        client.expect(354, "DATA")
        wire = BODY.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        for at in range(0, len(wire), 7000):
            client.sock.send_padded(wire[at:at + 7000], at % 9000)
        self.assertEqual(client.reply().code, 250)
        self.quit(client)
        self.assert_arrived(self.sink)
        relay.stop()
        self.assert_no_bad_record()

    def test_key_update(self):
        for ask in (False, True):
            with self.subTest(ask=ask):
                relay = self.started()
                client = self.connect(relay)
                client.envelope()
                self.assertEqual(client.data(BODY).code, 250)
                client.sock.key_update(ask)
                if CAN_REKEY:
                    client.envelope()
                    client.sock.key_update(ask)
                    self.assertEqual(client.data(BODY).code, 250)
                    self.quit(client)
                else:
                    self.assertEqual(repr(client.reply()), NEW_KEYS)
                    self.assertEqual(client.sock.recv(1), b"")
                    self.assertTrue(client.sock.clean_end)
                self.assert_arrived(self.sink, 1 + CAN_REKEY)
                relay.stop()
                self.assert_no_bad_record()

    def test_key_update_behind_a_message_that_is_cut_through(self):
        # The next hop answers when the new keys are there: its answer is told.
        updated = threading.Event()

        def hook(session, stage, line):
            if stage == "BODY":
                updated.wait(harness.PATIENCE)

        self.sink = self.start_sink(hook)
        relay = self.start_relay(self.sink, mode="cut_through")
        client = self.connect(relay)
        client.envelope()
        client.send(b"BDAT %d LAST\r\n" % len(BODY) + BODY)
        client.sock.key_update()
        updated.set()
        self.assertEqual(client.reply().code, 250)
        if CAN_REKEY:
            self.quit(client)
        else:
            self.assertEqual(repr(client.reply()), NEW_KEYS)
        self.assert_arrived(self.sink)
        relay.stop()
        self.assert_no_bad_record()

    def test_end_without_close_notify(self):
        relay = self.started()
        idle, data, bdat = (self.connect(relay) for _ in range(3))
        data.envelope()
        data.expect(354, "DATA")
        data.send(b"X-Tag: half of a message\r\n")
        bdat.envelope()
        bdat.send(b"BDAT 100 LAST\r\nX-Tag: half of a message\r\n")
        for client in (idle, data, bdat):
            client.sock.close()
        harness.wait_until(
            lambda: len(relay.find_events("inbound.closed")) == 3,
            relay.log_text)
        relay.stop()
        self.assertEqual(self.sink.messages, [])
        self.assertEqual(
            sorted((e["state"], e["error"])
                   for e in relay.find_events("inbound.failed")),
            [(state, "connection closed without close_notify")
             for state in ("bdat", "data")])
        self.assertEqual(
            sorted(e["end"] for e in relay.find_events("inbound.closed")),
            ["failed", "failed", "no close_notify"])
        self.assert_no_bad_record()


class NextHop(GnuTls):
    def deliver(self, relay, count=1):
        for _ in range(count):
            self.assertEqual(relay.send(BODY).code, 250)

    def test_messages_and_resumption(self):
        for version in ("1.2", "1.3"):
            with self.subTest(version):
                sink = self.start_sink(context=gnutls.Context(version))
                relay = self.start_relay(sink, messages_per_connection=1)
                for number in range(3):
                    self.deliver(relay)
                    self.assert_arrived(sink, number + 1)
                relay.stop()
                closed = self.outbound(relay)
                self.assertEqual([e["resumed"] for e in closed],
                                 ["no", "yes", "yes"])
                self.assertEqual({e["offload"] for e in closed}, {"tx,rx"})
                self.assert_no_bad_record()

    def test_late_tickets(self):
        # Behind the first replies: the kernel has them, OpenSSL is gone.
        def hook(session, stage, line):
            if stage in ("MAIL", "BODY"):
                session.sock.send_tickets(2)

        sink = self.start_sink(hook, context=gnutls.Context(late_tickets=True))
        relay = self.start_relay(sink)
        self.deliver(relay, 3)
        self.assert_arrived(sink, 3)
        relay.stop()
        self.assertEqual({e["offload"] for e in self.outbound(relay)},
                         {"tx,rx"})
        self.assertEqual(relay.find_events("outbound.deferred"), [])
        self.assert_no_bad_record()

    def test_padding(self):
        sink = self.start_sink(context=gnutls.Context(), without=["CHUNKING"])
        answer = harness.SinkSession.say

        def say(session, text):
            for line in text.split("\n"):
                if session.tls:
                    if EMPTY_RECORDS:
                        session.sock.send_padded(b"", 50)
                    session.sock.send_padded(line.encode() + b"\r\n", 1000)
                else:
                    session.sock.sendall(line.encode() + b"\r\n")

        harness.SinkSession.say = say
        self.addCleanup(setattr, harness.SinkSession, "say", answer)
        relay = self.start_relay(sink)
        self.deliver(relay, 3)
        self.assert_arrived(sink, 3)
        relay.stop()
        self.assert_no_bad_record()

    def keys(self, ask):
        """The sink changes keys in front of each 354; returns the relay,
        stopped."""
        def hook(session, stage, line):
            if stage == "DATA":
                session.sock.key_update(ask)

        sink = self.start_sink(hook, context=gnutls.Context(),
                               without=["CHUNKING"])
        relay = self.start_relay(sink, offload="auto")
        self.deliver(relay, 3)
        sink.wait(3)
        relay.stop()
        self.assert_arrived(sink, 3)
        return relay

    def test_key_update(self):
        for ask in (False, True):
            with self.subTest(ask=ask):
                relay = self.keys(ask)
                closed = self.outbound(relay)
                repeated = relay.find_events("outbound.repeated")
                self.assertEqual(relay.find_events("outbound.deferred"), [])
                if CAN_REKEY:
                    self.assertEqual({e["offload"] for e in closed},
                                     {"tx,rx"})
                    self.assertEqual(repeated, [])
                    continue
                self.assertEqual(len(repeated), 1)
                self.assertEqual(repeated[0]["error"],
                                 "peer changed its keys, which this kernel "
                                 "can't follow")
                self.assertEqual(closed[0]["offload"], "tx,rx")
                self.assertEqual({(e["offload"], e["why"])
                                  for e in closed[1:]}, {("none", "rekeys")})

    def test_ends_without_close_notify(self):
        # Idle and in the middle of a dialogue; the first costs nothing, the
        # second is an answer that never came.
        def hook(session, stage, line):
            if stage == "BODY" and session.number == 0:
                return harness.DROP

        sink = self.start_sink(hook, context=gnutls.Context())
        relay = self.start_relay(sink)
        self.deliver(relay)
        self.assert_arrived(sink)
        relay.stop()
        deferred = relay.find_events("outbound.deferred")
        self.assertEqual(len(deferred), 1)
        self.assertIn("connection closed without close_notify",
                      deferred[0]["reply"])
        self.assert_no_bad_record()


if __name__ == "__main__":
    unittest.main()
