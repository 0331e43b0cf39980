# SPDX-License-Identifier: Apache-2.0
"""What happens to sessions whose keys are in the kernel: resumption, KeyUpdate,
peers that go, older io_uring."""

import os
import ssl
import subprocess
import unittest

import harness
import test_relay
from harness import BENCH, Relay, Sink


class Resumption(test_relay.KernelTls):
    def sessions(self, relay, event):
        return [e for e in relay.find_events(event)
                if str(e.get("tls", "")).startswith("TLS")]

    def through(self, version):
        # A message a connection on both sides, one after the other.
        with Sink(context=harness.server_context(version=version)) as sink:
            relay = self.started(sink)
            context = harness.client_context()
            context.minimum_version = context.maximum_version = version
            session, resumed = None, []
            for n in range(6):
                with relay.client() as c:
                    c.reply()
                    c.ehlo()
                    c.expect(220, "STARTTLS")
                    c.sock = context.wrap_socket(
                        c.sock, server_hostname="relay.example.test",
                        session=session)
                    c.ehlo()
                    c.envelope()
                    self.assertEqual(
                        c.data(b"X-Tag: %d\r\n\r\nx\r\n" % n).code, 250)
                    session = c.sock.session
                    resumed.append(c.sock.session_reused)
                    c.expect(221, "QUIT")
                sink.wait(n + 1)
            relay.stop()
            inbound = self.sessions(relay, "inbound.closed")
            outbound = self.sessions(relay, "outbound.closed")
            self.assert_counted(len(inbound) + len(outbound))
            for side in (inbound, outbound):
                self.assertEqual([e["offload"] for e in side], ["tx,rx"] * 6)
            self.assertEqual(resumed, [False] + [True] * 5)
            self.assertEqual([e["resumed"] for e in outbound],
                             ["no"] + ["yes"] * 5)

    def started(self, sink):
        relay = Relay(sink.port, offload="always", workers=1,
                      route={"tls": "encrypt", "messages_per_connection": 1,
                             "connections": 1}).start()
        self.addCleanup(relay.kill)
        self.before = test_relay.tls_stat()
        return relay

    def test_tls_1_2(self):
        self.through(ssl.TLSVersion.TLSv1_2)

    def test_tls_1_3(self):
        # Outbound, the tickets come behind the handshake: receiving goes to
        # the kernel only when they are in the cache.
        self.through(ssl.TLSVersion.TLSv1_3)


class KeyUpdates(test_relay.BenchPeers):
    """The kernel cannot follow before Linux 6.14; the connection ends in
    order and the sender comes again. Nothing may be lost or damaged."""

    def deliver(self, *options, sink_options=(), duplicates=0):
        folder = harness.fresh_folder("keys")
        sink, port = self.start_sink(folder, *sink_options)
        relay = self.start(port)
        self.source(folder, relay.port, "--tls-version", "1.3", "--retry",
                    "--retry-delay-ms", "10", *options)
        ledger = os.path.join(folder, "delivered")
        harness.wait_until(
            lambda: harness.ledger_count(ledger) >= self.MESSAGES,
            lambda: "all messages at the sink:\n" + relay.log_text())
        relay.stop()
        sink.terminate()
        sink.communicate(timeout=harness.PATIENCE)
        self.verify_all_but(duplicates, folder)
        now = test_relay.tls_stat()
        self.assertEqual(now["TlsCurrTxSw"], 0, now)
        self.assertEqual(now["TlsCurrRxSw"], 0, now)

    def test_from_a_client(self):
        self.deliver("--key-update", "4")

    def test_from_a_client_that_wants_an_answer(self):
        self.deliver("--key-update", "4", "--key-update-ask")

    def test_from_the_next_hop(self):
        # A 250 behind the KeyUpdate cannot be read: that message goes again.
        self.deliver(sink_options=["--key-update", "4"],
                     duplicates=self.MESSAGES)

    def test_from_a_next_hop_that_is_remembered(self):
        # Each connection may cost one that was opened before it was known.
        folder = harness.fresh_folder("keys")
        sink, port = self.start_sink(folder, "--key-update", "4")
        relay = Relay(port, offload="auto", workers=1,
                      route={"tls": "encrypt", "connections": 2}).start()
        self.addCleanup(relay.kill)
        self.source(folder, relay.port)
        ledger = os.path.join(folder, "delivered")
        harness.wait_until(
            lambda: harness.ledger_count(ledger) >= self.MESSAGES,
            lambda: "all messages at the sink:\n" + relay.log_text())
        relay.stop()
        sink.terminate()
        sink.communicate(timeout=harness.PATIENCE)
        closed = relay.find_events("outbound.closed")
        in_kernel = [e for e in closed if e["offload"] != "none"]
        can_rekey = test_relay.RELEASE >= (6, 14)
        self.verify_all_but(0 if can_rekey else len(in_kernel), folder)
        self.assertTrue(in_kernel)
        self.assertEqual(any(e.get("why") == "rekeys" for e in closed),
                         not can_rekey)
        self.assertEqual(relay.find_events("outbound.deferred"), [])

    def verify_all_but(self, duplicates, folder):
        done = subprocess.run(
            [BENCH, "verify", "--allow-duplicates", str(duplicates),
             "--accepted", os.path.join(folder, "accepted"),
             "--delivered", os.path.join(folder, "delivered")],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class OlderRing(test_relay.KernelTls):
    def test_features_of_5_10(self):
        body = b"X-Tag: 1\r\n\r\n" + b".line of text\r\n" * 100000
        with Sink() as sink:
            relay = Relay(sink.port, offload="always",
                          route={"tls": "encrypt"},
                          environment={"RINGPOST_URING": "5.10"}).start()
            self.addCleanup(relay.kill)
            self.before = test_relay.tls_stat()
            for _ in range(5):
                self.assertEqual(relay.send(body).code, 250)
            sink.wait(5)
            relay.stop()
            self.assert_counted(5 + len(sink.sessions))
            for message in sink.messages:
                self.assertEqual(message.body_from(b"X-Tag"), body)


if __name__ == "__main__":
    unittest.main()
