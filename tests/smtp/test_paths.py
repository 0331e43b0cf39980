# SPDX-License-Identifier: Apache-2.0
"""Message bodies on every byte path: what body_path asks for, in clear and
under TLS, by BDAT and by DATA, small and large; and from a cold page cache."""

import glob
import os
import random
import unittest

from harness import EXTENSIONS, Relay, Sink

PATHS = ("auto", "mapped", "splice", "read")
SIZES = (1, 16383, 16384, 16385, 65536, (1 << 20) + 1)
LARGE = 64 << 20
LARGE_EXTENSIONS = [e if not e.startswith("SIZE") else "SIZE 100000000"
                    for e in EXTENSIONS]


def lines(size, seed):
    """size octets of text; no line begins with a dot."""
    rng = random.Random(seed)
    line = bytes(rng.randrange(97, 123) for _ in range(997)) + b"\r\n"
    return (line * (size // len(line) + 1))[:max(size - 2, 0)] + b"\r\n"


def message(size, seed):
    tag = b"X-Tag: %d-%d\r\n\r\n" % (size, seed)
    return tag + lines(size, seed)


def on_tmpfs(folder):
    """No page cache to leave there."""
    best = ("", "")
    with open("/proc/mounts") as mounts:
        for mount in mounts:
            _, point, kind = mount.split()[:3]
            if os.path.commonpath((point, folder)) == point:
                best = max(best, (point, kind), key=lambda b: len(b[0]))
    return best[1] in ("tmpfs", "ramfs")


class Bodies(unittest.TestCase):
    def relay(self, sink, path, tls, **config):
        relay = Relay(sink.port, body_path=path, workers=1,
                      route={"tls": "encrypt" if tls else "none"},
                      limits={"message_size": "100MiB"}, **config)
        relay.start()
        self.addCleanup(relay.kill)
        return relay

    def accept(self, relay, bodies, tls=False):
        with relay.client() as client:
            client.greet(tls=tls)
            for body in bodies:
                client.envelope()
                reply = client.bdat(body, last=True)
                self.assertEqual(reply.code, 250, repr(reply))

    def assert_intact(self, sink, bodies):
        sink.wait(len(bodies))
        got = {m.body_from(b"X-Tag: ") for m in sink.messages}
        self.assertEqual(len(sink.messages), len(bodies))
        # not assertEqual: nobody wants 64 MiB in a report
        self.assertTrue(got == set(bodies), "other bodies than handed in")

    def paths_said(self, relay):
        relay.stop()
        ends = [e for e in relay.find_events("outbound.closed")
                if int(e["messages"])]
        self.assertTrue(ends, relay.log_text())
        for end in ends:
            self.assertIn("path", end)
        return ends


class Paths(Bodies):
    def pair(self, path, tls, without=()):
        sink = Sink(extensions=LARGE_EXTENSIONS, without=without).start()
        self.addCleanup(sink.stop)
        return self.relay(sink, path, tls), sink

    def check(self, path, tls, bodies, without=()):
        relay, sink = self.pair(path, tls, without)
        self.accept(relay, bodies)
        self.assert_intact(sink, bodies)
        for end in self.paths_said(relay):
            said = end["path"]
            # What splice can't do is done as auto does it, and auto reads
            # what the system has taken out of memory meanwhile.
            if path == "auto" or (path == "splice" and tls
                                  and "tx" not in end["offload"]):
                self.assertIn("mapped", said)
            else:
                self.assertEqual(said, path)

    def test_every_size_by_bdat(self):
        bodies = [message(size, 1) for size in SIZES]
        for path in PATHS:
            for tls in (False, True):
                with self.subTest(path=path, tls=tls):
                    self.check(path, tls, bodies)

    def test_every_size_by_data(self):
        bodies = [message(size, 2) for size in SIZES]
        for path in PATHS:
            for tls in (False, True):
                with self.subTest(path=path, tls=tls):
                    self.check(path, tls, bodies, without=("CHUNKING",))

    def test_large_ones(self):
        bodies = [message(LARGE, 3), message(10, 3)]
        for path in PATHS:
            for tls in (False, True):
                with self.subTest(path=path, tls=tls):
                    self.check(path, tls, bodies)

    def test_lines_with_dots_by_data(self):
        body = (b"X-Tag: dots\r\n\r\n" + b".\r\n..x\r\ntext\r\n" * 20000)
        for path in PATHS:
            with self.subTest(path=path):
                relay, sink = self.pair(path, True, without=("CHUNKING",))
                self.accept(relay, [body])
                self.assert_intact(sink, [body])

    def test_several_at_once(self):
        bodies = [message(300000 + n, n) for n in range(40)]
        for path in PATHS:
            with self.subTest(path=path):
                relay, sink = self.pair(path, True)
                self.accept(relay, bodies)
                self.assert_intact(sink, bodies)


class Cold(Bodies):
    """The message has left the page cache when its turn comes."""

    def drop(self, relay):
        for name in glob.glob(os.path.join(relay.folder, "spool", "**",
                                           "*.log"), recursive=True):
            with open(name, "rb") as f:
                os.fsync(f.fileno())
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def check(self, path, tls, bodies):
        sink = Sink(extensions=LARGE_EXTENSIONS)
        relay = self.relay(sink, path, tls,
                           retry={"schedule": ["1s"], "expire": "1h"})
        if on_tmpfs(relay.folder):
            self.skipTest(f"{relay.folder} is in memory: never cold")
        self.accept(relay, bodies)
        relay.wait_event("outbound.deferred")
        self.drop(relay)
        sink.start()
        self.addCleanup(sink.stop)
        self.assert_intact(sink, bodies)
        ends = self.paths_said(relay)
        said = ",".join(end["path"] for end in ends)
        if path in ("auto", "read"):
            self.assertIn("read", said)
        elif path == "mapped":
            self.assertEqual(set(said.split(",")), {"mapped"})
        elif not tls or "tx" in ends[0]["offload"]:
            self.assertEqual(set(said.split(",")), {"splice"})

    def test_large_and_small(self):
        bodies = [message(size, 4) for size in (8 << 20, 100, 65536)]
        for path in PATHS:
            for tls in (False, True):
                with self.subTest(path=path, tls=tls):
                    self.check(path, tls, bodies)


if __name__ == "__main__":
    unittest.main()
