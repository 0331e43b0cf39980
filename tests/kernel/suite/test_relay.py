# SPDX-License-Identifier: Apache-2.0
"""The relay with its keys in the kernel, end to end. The peers are OpenSSL in
user space: somebody else's TLS reads what the kernel wrote."""

import json
import os
import smtplib
import ssl
import subprocess
import unittest

import harness
from harness import BENCH, PATIENCE, Relay, Sink, certificates, server_context

SUITES = {
    ("TLSv1.3", "AES-128-GCM"): "TLS_AES_128_GCM_SHA256",
    ("TLSv1.3", "AES-256-GCM"): "TLS_AES_256_GCM_SHA384",
    ("TLSv1.3", "ChaCha20-Poly1305"): "TLS_CHACHA20_POLY1305_SHA256",
    ("TLSv1.2", "AES-128-GCM"): "ECDHE-ECDSA-AES128-GCM-SHA256",
    ("TLSv1.2", "AES-256-GCM"): "ECDHE-ECDSA-AES256-GCM-SHA384",
    ("TLSv1.2", "ChaCha20-Poly1305"): "ECDHE-ECDSA-CHACHA20-POLY1305",
}

RELEASE = tuple(int(n) for n in os.uname().release.split(".")[:2])
# What this kernel is known not to take: there the relay says so and goes on
# in user space.
LACKING = {"ChaCha20-Poly1305"} if RELEASE < (5, 11) else set()
TAKEN = {key: suite for key, suite in SUITES.items() if key[1] not in LACKING}


def tls_stat():
    with open("/proc/net/tls_stat") as f:
        return {k: int(v) for k, v in (line.split() for line in f)}


class KernelTls(unittest.TestCase):
    """Counts what the kernel says against the connections made."""

    def start(self, next_hop, offload="always"):
        relay = Relay(next_hop, route={"tls": "encrypt"},
                      offload=offload).start()
        self.addCleanup(relay.kill)
        # The relay tries the kernel out before it serves: count from here.
        self.before = tls_stat()
        return relay

    def assert_counted(self, connections):
        now = tls_stat()
        grown = {k: now[k] - self.before[k] for k in now}
        self.assertEqual(grown["TlsTxSw"], connections, grown)
        self.assertEqual(grown["TlsRxSw"], connections, grown)
        self.assertEqual(grown["TlsDecryptError"], 0, grown)
        self.assertEqual(now["TlsCurrTxSw"], 0, now)
        self.assertEqual(now["TlsCurrRxSw"], 0, now)

    def tls_sessions(self, relay, sessions):
        said = [e for e in relay.events if "offload" in e and
                str(e.get("tls", "")).startswith("TLS")]
        self.assertEqual(len(said), sessions, relay.log_text())
        return said

    def assert_all_in_kernel(self, relay, sessions, version=None):
        for event in self.tls_sessions(relay, sessions):
            self.assertEqual(event["offload"], "tx,rx", event)
            if version:
                self.assertEqual(event["tls"], version, event)

    def assert_none_in_kernel(self, relay, sessions, *why):
        """The first reason is somebody's; the others may be."""
        events = self.tls_sessions(relay, sessions)
        self.assertEqual({e["offload"] for e in events}, {"none"})
        said = {e["why"] for e in events}
        self.assertIn(why[0], said)
        self.assertLessEqual(said, set(why))


class BenchPeers(KernelTls):
    """With source and sink of bench/ as peers; no tests of its own."""

    MESSAGES, CONNECTIONS = 60, 6

    def start_sink(self, folder, *options):
        ready = os.path.join(folder, "address")
        sink = subprocess.Popen(
            [BENCH, "sink", "--listen", "127.0.0.1:0", "--ready-file", ready,
             "--require-tls", "--json", "--ledger",
             os.path.join(folder, "delivered"), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(sink.kill)
        harness.wait_until(lambda: os.path.exists(ready)
                           and os.path.getsize(ready), "the sink's address")
        with open(ready) as f:
            return sink, int(f.read().rpartition(":")[2])

    def source(self, folder, port, *options):
        done = subprocess.run(
            [BENCH, "source", "--to", f"127.0.0.1:{port}", "--connections",
             str(self.CONNECTIONS), "--messages", str(self.MESSAGES),
             "--size", "1K-2M", "--bdat", "50%", "--dot-lines", "30%",
             "--eight-bit", "30%", "--ca", certificates().ca, "--sni",
             "relay.example.test", "--connect-first", "--json",
             "--ledger", os.path.join(folder, "accepted"), *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=10 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def verify(self, folder):
        done = subprocess.run(
            [BENCH, "verify", "--accepted", os.path.join(folder, "accepted"),
             "--delivered", os.path.join(folder, "delivered")],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE)
        self.assertEqual(done.stdout.splitlines()[-1],
                         f"accepted={self.MESSAGES} "
                         f"delivered={self.MESSAGES} lost=0 duplicated=0 "
                         "bodies=equal")

    def relay_through(self, version, suite, sink_options=()):
        folder = harness.fresh_folder("bench")
        cipher = (["--ciphersuites", suite] if version == "TLSv1.3" else
                  ["--cipher", suite])
        sink, sink_port = self.start_sink(
            folder, *cipher, "--tls-version", version[4:], *sink_options)
        taken = suite in TAKEN.values()
        relay = self.start(sink_port, "always" if taken else "auto")
        sent = self.source(folder, relay.port, "--cipher", suite)
        ledger = os.path.join(folder, "delivered")
        harness.wait_until(
            lambda: harness.ledger_count(ledger) >= self.MESSAGES,
            lambda: "all messages at the sink:\n" + relay.log_text())
        relay.stop()
        sink.terminate()
        got = json.loads(sink.communicate(timeout=PATIENCE)[0])
        self.verify(folder)
        self.assertEqual(sent["handshakes"], self.CONNECTIONS, sent)
        self.assertEqual(got["in_clear"], 0, got)
        # Every connection to the sink ended with a close_notify.
        self.assertEqual(got["tls_unclean_ends"], 0, got)
        self.assertTrue(got["tls"].startswith(version), got)
        self.assertIn(suite, got["tls"])
        sessions = sent["handshakes"] + got["handshakes"]
        self.assert_counted(sessions if taken else 0)
        if taken:
            self.assert_all_in_kernel(relay, sessions, version)
        else:
            # "auto" asks first whether the kernel would pay: not for a
            # session that expects little.
            self.assert_none_in_kernel(relay, sessions, "no_cipher",
                                       "few_bytes")


class Bench(BenchPeers):
    """Once per version and cipher."""

    def test_without_chunking(self):
        # Dot-stuffing on its way into the kernel's cipher.
        self.relay_through("TLSv1.3", "TLS_AES_128_GCM_SHA256",
                           ["--no-chunking"])

    def test_without_tickets(self):
        self.relay_through("TLSv1.3", "TLS_AES_256_GCM_SHA384",
                           ["--tickets", "0"])


def add_suite(version, cipher, suite):
    name = f"test_{version}_{cipher}".replace(".", "_").replace("-", "_")
    setattr(Bench, name,
            lambda self: self.relay_through(version, suite))


for (tls, aead), openssl_name in SUITES.items():
    add_suite(tls, aead, openssl_name)


class OtherPeers(KernelTls):
    """Python's and openssl's own TLS on both sides of the relay."""

    def through(self, send, version=None, suite=None):
        sink = Sink(context=server_context(
            version=version,
            ciphers=suite if version == ssl.TLSVersion.TLSv1_2 else None))
        with sink:
            relay = self.start(sink.port)
            made = send(relay)
            sink.wait(made)
            relay.stop()
            sessions = made + len(sink.sessions)
            self.assert_counted(sessions)
            self.assert_all_in_kernel(relay, sessions)
            self.assertEqual(sink.errors, [])
            return sink

    BODY = b"X-Tag: 1\r\n\r\n.dot\r\n" + b"line of text\r\n" * 50000

    def by_smtplib(self, relay):
        context = harness.client_context()
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=PATIENCE) as c:
            c.starttls(context=context)
            c.sendmail("a@example.test", ["b@example.test"], self.BODY)
        return 1

    def test_smtplib(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version.name):
                sink = self.through(self.by_smtplib, version)
                self.assertEqual(sink.messages[0].body_from(b"X-Tag"),
                                 self.BODY)

    def test_openssl_s_client(self):
        def send(relay):
            for (version, _), suite in TAKEN.items():
                which = (["-tls1_3", "-ciphersuites"] if version == "TLSv1.3"
                         else ["-tls1_2", "-cipher"])
                done = subprocess.run(
                    ["openssl", "s_client", "-connect",
                     f"127.0.0.1:{relay.port}", "-starttls", "smtp",
                     "-CAfile", certificates().ca, "-verify_return_error",
                     "-quiet", "-crlf", "-ign_eof", *which, suite],
                    input="EHLO c.example.test\nMAIL FROM:<a@example.test>\n"
                    "RCPT TO:<b@example.test>\nDATA\nX-Tag: s\n\n..d\n.\n"
                    "QUIT\n", capture_output=True, text=True,
                    timeout=PATIENCE)
                self.assertIn("221", done.stdout, done.stderr)
            return len(TAKEN)
        sink = self.through(send)
        for message in sink.messages:
            self.assertEqual(message.body_from(b"X-Tag"),
                             b"X-Tag: s\r\n\r\n.d\r\n")

    def test_small_records_and_pipelining(self):
        def send(relay):
            with relay.client() as c:
                c.greet(tls=True)
                wire = (b"MAIL FROM:<a@example.test>\r\n"
                        b"RCPT TO:<b@example.test>\r\nDATA\r\n")
                for n in range(len(wire)):
                    c.send(wire[n:n + 1])
                for code in (250, 250, 354):
                    self.assertEqual(c.reply().code, code)
                wire = b"X-Tag: 1\r\n\r\n..\r\nend\r\n.\r\nQUIT\r\n"
                for n in range(len(wire)):
                    c.send(wire[n:n + 1])
                for code in (250, 221):
                    self.assertEqual(c.reply().code, code)
            return 1
        sink = self.through(send)
        self.assertEqual(sink.messages[0].body_from(b"X-Tag"),
                         b"X-Tag: 1\r\n\r\n.\r\nend\r\n")

    def test_close_notify_both_ways(self):
        def send(relay):
            with relay.client() as c:
                c.greet(tls=True)
                c.envelope()
                self.assertEqual(c.data(self.BODY).code, 250)
                c.expect(221, "QUIT")
                c.sock.settimeout(PATIENCE)
                c.sock.unwrap().close()  # raises without the relay's alert
            return 1
        self.through(send)

    def test_many_connections_at_once(self):
        def send(relay):
            clients = [relay.client().greet(tls=True) for _ in range(50)]
            for c in clients:
                c.envelope()
                self.assertEqual(c.data(b"X-Tag: 1\r\n\r\nx\r\n").code, 250)
            for c in clients:
                c.expect(221, "QUIT")
                c.close()
            return 50
        self.through(send)

    def test_vanishing_clients(self):
        # Cut in the middle of a message: the kernel's keys go with them.
        with Sink() as sink:
            relay = self.start(sink.port)
            for _ in range(20):
                with relay.client() as c:
                    c.greet(tls=True)
                    c.envelope("cut@example.test")
                    c.expect(354, "DATA")
                    c.send(b"Subject: x\r\n\r\n" + b"y" * 900 + b"\r\n")
            self.assertEqual(relay.send(self.BODY).code, 250)
            sink.wait(1)
            relay.stop()
            self.assertEqual([m.sender for m in sink.messages],
                             ["from@example.test"])
            self.assert_counted(21 + len(sink.sessions))

    def test_offload_never_leaves_the_kernel_alone(self):
        with Sink() as sink:
            relay = Relay(sink.port, route={"tls": "encrypt"},
                          offload="never").start()
            self.addCleanup(relay.kill)
            self.before = tls_stat()
            self.assertEqual(relay.send(self.BODY).code, 250)
            sink.wait(1)
            relay.stop()
            self.assert_counted(0)
            self.assert_none_in_kernel(relay, 1 + len(sink.sessions), "policy")


if __name__ == "__main__":
    unittest.main()
