# SPDX-License-Identifier: Apache-2.0
"""Cut-through with kernel TLS on both sides: chunks stay inside the kernel.
The peers are OpenSSL in user space: somebody else's TLS reads what the kernel
wrote."""

import os
import random
import ssl
import subprocess
import unittest

import harness
from harness import BENCH, PATIENCE, Closed, Relay, Sink, certificates, \
    server_context
from test_relay import RELEASE, TAKEN, BenchPeers, KernelTls

MARK = b"X-Tag: cut\r\n\r\n"
# Before 6.0 a splice behind a part of a record hangs: there the same mode
# copies.
SPLICES = RELEASE >= (6, 0)


def body_of(size, seed=1):
    return MARK + random.Random(seed).randbytes(size - len(MARK))


class CutThrough(KernelTls):
    def start(self, next_hop, offload="always", **config):
        relay = Relay(next_hop, route={"tls": "encrypt",
                                       "mode": "cut_through",
                                       "connections": 50},
                      offload=offload, workers=1,
                      limits={"message_size": "100MiB"}, **config).start()
        self.addCleanup(relay.kill)
        self.before = harness_tls_stat()
        return relay

    def pair(self, hook=None, **config):
        sink = Sink(hook).start()
        self.addCleanup(sink.stop)
        return self.start(sink.port, **config), sink

    def client(self, relay):
        client = relay.client()
        self.addCleanup(client.close)
        return client.greet(tls=True)

    def assert_spliced(self, event, at_least):
        self.assertEqual(event["offload"], "tx,rx", event)
        if SPLICES:
            self.assertEqual(event["path"], "splice", event)
            self.assertGreaterEqual(event["spliced"], at_least, event)
        else:
            self.assertEqual(event["spliced"], 0, event)

    def end(self, relay):
        relay.stop()
        now = harness_tls_stat()
        self.assertEqual(now["TlsDecryptError"],
                         self.before["TlsDecryptError"], now)
        self.assertEqual(now["TlsCurrTxSw"], 0, now)
        self.assertEqual(now["TlsCurrRxSw"], 0, now)


def harness_tls_stat():
    with open("/proc/net/tls_stat") as f:
        return {k: int(v) for k, v in (line.split() for line in f)}


class Chunks(CutThrough):
    def test_sizes(self):
        relay, sink = self.pair()
        client = self.client(relay)
        for n, size in enumerate((65536 + 20000, 16385 * 9, (1 << 20) + 1,
                                  24 << 20)):
            body = body_of(size, n)
            client.envelope()
            self.assertEqual(client.bdat(body, last=True).code, 250)
            self.assertEqual(sink.wait(n + 1)[n].body_from(MARK), body)
        sent = relay.find_events("cutthrough.sent")
        self.assertEqual(len(sent), 4)
        # what came along with the command is copied
        self.assert_spliced(sent[2], 1000000)
        self.assert_spliced(sent[3], (24 << 20) - 40000)
        self.end(relay)

    def test_chunks_and_commands_share_records(self):
        relay, sink = self.pair()
        client = self.client(relay)
        body = body_of(3 << 20)
        sizes = [100001, 0, 200000, 1, 1000000, 16384, 65536]
        sizes.append(len(body) - sum(sizes))
        wire, at = b"", 0
        client.envelope()
        for n, size in enumerate(sizes):
            last = b" LAST" if n == len(sizes) - 1 else b""
            wire += b"BDAT %d%s\r\n" % (size, last) + body[at:at + size]
            at += size
        wire += b"NOOP\r\n"
        # records that fit to nothing
        for cut in range(0, len(wire), 9973):
            client.send(wire[cut:cut + 9973])
        for n in range(len(sizes) + 1):
            self.assertEqual(client.reply().code, 250)
        self.assertEqual(sink.wait()[0].body_from(MARK), body)
        self.assertEqual(sink.messages[0].chunks[1:], sizes[1:])
        self.assert_spliced(relay.wait_event("cutthrough.sent"), 1000000)
        self.end(relay)

    def test_small_records(self):
        relay, sink = self.pair()
        client = self.client(relay)
        body = body_of(300000)
        client.envelope()
        client.send(b"BDAT %d LAST\r\n" % len(body))
        for cut in range(0, len(body), 500):
            client.send(body[cut:cut + 500])
        self.assertEqual(client.reply().code, 250)
        self.assertEqual(sink.wait()[0].body_from(MARK), body)
        self.assert_spliced(relay.wait_event("cutthrough.sent"), 1)
        self.end(relay)

    def test_data_is_copied(self):
        relay, sink = self.pair()
        client = self.client(relay)
        client.envelope()
        body = MARK + b".line of text\r\n" * 100000
        self.assertEqual(client.data(body).code, 250)
        self.assertEqual(sink.wait()[0].body_from(MARK), body)
        event = relay.wait_event("cutthrough.sent")
        self.assertEqual((event["path"], event["spliced"]), ("copy", 0))
        self.end(relay)

    def test_reader_that_is_slow(self):
        def slow(session, count):
            session.exactly = type(session).exactly.__get__(session)
            while len(session.buffer) < count:
                session.buffer += session.sock.recv(1000)
                if len(session.buffer) % 7 == 0:
                    session.sink.changed.acquire()
                    session.sink.changed.wait(0.001)
                    session.sink.changed.release()
            data, session.buffer = (session.buffer[:count],
                                    session.buffer[count:])
            return data

        def hook(session, stage, line):
            if stage == "RCPT":
                session.exactly = lambda count: slow(session, count)
        relay, sink = self.pair(hook)
        client = self.client(relay)
        body = body_of(16 << 20)
        client.envelope()
        self.assertEqual(client.bdat(body, last=True).code, 250)
        self.assertEqual(sink.wait()[0].body_from(MARK), body)
        self.assert_spliced(relay.wait_event("cutthrough.sent"), 1 << 20)
        self.end(relay)

    def test_many_at_once(self):
        relay, sink = self.pair()
        clients = [self.client(relay) for _ in range(24)]
        bodies = [body_of(200000 + n, n) for n in range(len(clients))]
        half = 100000
        for client, body in zip(clients, bodies):
            client.envelope()
            client.send(b"BDAT %d LAST\r\n" % len(body) + body[:half])
        for client, body in zip(clients, bodies):
            client.send(body[half:])
        for client in clients:
            self.assertEqual(client.reply().code, 250)
        got = sorted(m.body_from(MARK) for m in sink.wait(len(clients)))
        self.assertEqual(got, sorted(bodies))
        self.end(relay)


class Ends(CutThrough):
    def begin_chunk(self, relay):
        client = self.client(relay)
        client.envelope()
        client.send(b"BDAT %d LAST\r\n" % (4 << 20) + body_of(1 << 20))
        return client

    def assert_dropped(self, sink):
        sink.wait_for(lambda s: s.sessions[0].ended, "the end")
        self.assertEqual(sink.messages, [])

    def test_client_closes_in_order(self):
        # close_notify: a record that can't be spliced
        relay, sink = self.pair()
        client = self.begin_chunk(relay)
        client.sock.settimeout(PATIENCE)
        try:
            client.sock.unwrap()
        except (ssl.SSLError, OSError):
            pass
        self.assert_dropped(sink)
        self.end(relay)

    def test_client_vanishes(self):
        relay, sink = self.pair()
        self.begin_chunk(relay).close()
        self.assert_dropped(sink)
        self.end(relay)

    def test_bad_record(self):
        relay, sink = self.pair()
        client = self.begin_chunk(relay)
        raw = client.sock.detach()
        os.write(raw, b"\x17\x03\x03\x00\x20" + b"x" * 32)
        self.assert_dropped(sink)
        os.close(raw)
        relay.stop()
        now = harness_tls_stat()
        self.assertGreater(now["TlsDecryptError"],
                           self.before["TlsDecryptError"])

    def test_next_hop_vanishes(self):
        def hook(session, stage, line):
            if stage == "RCPT" and session.number == 0:
                session.exactly = lambda count: (_ for _ in ()).throw(Closed)
        relay, sink = self.pair(hook)
        client = self.client(relay)
        client.envelope()
        reply = client.bdat(body_of(4 << 20), last=True)
        self.assertEqual((reply.code, reply.enhanced), (451, "4.4.2"))
        # client and relay go on
        body = body_of(1 << 20)
        client.envelope()
        self.assertEqual(client.bdat(body, last=True).code, 250)
        self.assertEqual(sink.wait()[0].body_from(MARK), body)
        self.end(relay)


class Load(BenchPeers, CutThrough):
    """ringpost-bench at both ends, once per version and cipher."""

    MESSAGES, CONNECTIONS = 24, 4

    def source(self, folder, port, *options):
        done = subprocess.run(
            [BENCH, "source", "--to", f"127.0.0.1:{port}", "--connections",
             str(self.CONNECTIONS), "--messages", str(self.MESSAGES),
             "--size", "100K-3M", "--bdat", "80%", "--bdat-chunk", "300001",
             "--ca", certificates().ca, "--sni", "relay.example.test",
             "--json", "--ledger", folder + "/accepted", *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=10 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def through(self, version, suite, *options):
        folder = harness.fresh_folder("bench")
        cipher = (["--ciphersuites", suite] if version == "TLSv1.3" else
                  ["--cipher", suite])
        sink, port = self.start_sink(folder, *cipher, "--tls-version",
                                     version[4:])
        relay = self.start(port)
        self.source(folder, relay.port, "--cipher", suite, *options)
        self.verify(folder)
        self.end(relay)
        sink.terminate()
        sink.communicate(timeout=PATIENCE)
        spliced = sum(e["spliced"] for e in
                      relay.find_events("cutthrough.sent"))
        self.assertEqual(spliced > 0, SPLICES)


def add_suite(version, cipher, suite):
    name = f"test_{version}_{cipher}".replace(".", "_").replace("-", "_")
    setattr(Load, name, lambda self: self.through(version, suite))


for (tls, aead), openssl_name in TAKEN.items():
    add_suite(tls, aead, openssl_name)

# Imported bases are no tests of this file.
del KernelTls, BenchPeers, CutThrough

if __name__ == "__main__":
    unittest.main()
