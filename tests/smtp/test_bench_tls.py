# SPDX-License-Identifier: Apache-2.0
"""ringpost-bench tls from outside: short runs on loopback, every form of
output, a client and a server as two programs. What the machine can't do has
to be said; what it can has to be measured and verified.

The program is taken from RINGPOST_BUILD (default: build/).
"""

import csv
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import BENCH, PATIENCE, needs

EX_OK, EX_USAGE, EX_UNAVAILABLE = 0, 64, 69
SHORT = ("--total", "256K", "--repeats", "1", "--handshakes", "3")
# Under tests/kernel/run, where a lack of kernel TLS would be a failure.
KTLS_EXPECTED = os.environ.get("RINGPOST_KTLS_EXPECTED") == "1"


class TlsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ringpost-bench-tls-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_tls(self, *args, status=EX_OK, env=None):
        done = subprocess.run(
            [BENCH, "tls", "--dir", self.folder, *args], timeout=4 * PATIENCE,
            capture_output=True, text=True, env=env)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def rows(self, *args):
        return json.loads(self.run_tls(*SHORT, "--json", *args).stdout)["rows"]

    def assert_measured(self, row):
        self.assertNotIn("reason", row)
        self.assertTrue(row["verified"], row)
        self.assertGreater(row["metrics"]["rate"]["median"], 0)


class Paths(TlsTest):
    def assert_all(self, rows):
        """Measured, or not possible here: kernel TLS alone, with a reason."""
        for row in rows:
            with self.subTest(path=row["path"], size=row.get("size")):
                if "reason" in row:
                    self.assertFalse(row["failed"], row)
                    self.assertIn("ktls", row["path"])
                    self.assertFalse(KTLS_EXPECTED, row)
                    self.assertRegex(row["reason"], r"\w+ \w+")
                else:
                    self.assert_measured(row)

    def test_every_sending_path(self):
        rows = self.rows("--tests", "send", "--sizes", "1,16383,64K",
                         "--total", "16K")
        self.assertEqual(len(rows), 3 * 15)
        self.assert_all(rows)

    def test_every_receiving_path(self):
        rows = self.rows("--tests", "receive", "--sizes", "1000,64K")
        self.assertEqual(len(rows), 2 * 10)
        self.assert_all(rows)

    def test_every_exchange(self):
        rows = self.rows("--tests", "exchange", "--sizes", "1,5000,300000",
                         "--connections", "2", "--total", "16K")
        self.assertEqual(len(rows), 3 * 7)
        self.assert_all(rows)

    def test_every_handshake(self):
        rows = self.rows("--tests", "handshake", "--tls", "1.2,1.3")
        self.assertEqual(len(rows), 2 * 6)
        self.assert_all(rows)

    def test_every_cipher_and_version(self):
        rows = self.rows("--tests", "send,receive", "--sizes", "20000",
                         "--tls", "1.2,1.3",
                         "--ciphers", "aes128,aes256,chacha20",
                         "--paths", "openssl-write,openssl-ring-*,ktls-send,"
                         "ktls-recv")
        self.assertEqual({(r["tls"], r["cipher"]) for r in rows}, {
            (v, c) for v in ("TLSv1.2", "TLSv1.3")
            for c in ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305")})
        self.assert_all(rows)

    def test_many_connections_on_few_threads(self):
        rows = self.rows("--tests", "send,receive", "--sizes", "4K",
                         "--connections", "7", "--threads", "3",
                         "--paths", "plain-send,plain-splice-1M,openssl-*,"
                         "plain-recv*,ktls-send,ktls-recv")
        self.assert_all(rows)
        self.assertEqual({r["connections"] for r in rows}, {7})

    def test_small_chunks_and_an_odd_offset(self):
        rows = self.rows("--tests", "send", "--sizes", "10000", "--chunk",
                         "777", "--offset", "5")
        self.assert_all(rows)

    def test_the_largest_message(self):
        rows = self.rows("--tests", "send", "--sizes", "64M", "--paths",
                         "plain-sendfile,plain-splice-64K,openssl-ring")
        self.assert_all(rows)


class Output(TlsTest):
    def test_table(self):
        out = self.run_tls(*SHORT, "--tests", "send", "--sizes", "4K",
                           "--paths", "plain-send,openssl-write").stdout
        self.assertRegex(out, r"(?m)^both ends: Linux ")
        self.assertRegex(out, r"(?m)^send, TLSv1.3 AES-128-GCM, 1 connection")
        self.assertRegex(out, r"(?m)^plain-send +\d+")
        self.assertRegex(out, r"(?m)^openssl-write +\d+")

    def test_csv(self):
        out = self.run_tls(*SHORT, "--csv", "--sizes", "4K").stdout
        table = list(csv.DictReader(io.StringIO(out, newline="")))
        self.assertGreater(len(table), 20)
        for line in table:
            self.assertNotIn(None, line)
            if line["path"] == "openssl-write":
                self.assertGreater(float(line["client_cpu_us"]), 0)
                self.assertEqual(line["reason"], "")

    def test_json_has_each_run(self):
        rows = self.rows("--repeats", "3", "--tests", "send", "--sizes", "4K",
                         "--paths", "plain-send")
        self.assertEqual(len(rows[0]["metrics"]["client_cpu_us"]["runs"]), 3)

    def test_softirq_time_of_each_end(self):
        """Where the ends share processors it can't be told whose it is."""
        args = ("--tests", "send", "--sizes", "4K", "--paths", "plain-send")
        keys = {"client_softirq_us", "server_softirq_us"}
        got = keys & set(self.rows(*args)[0]["metrics"])
        self.assertEqual(got, {"client_softirq_us"})
        if len(os.sched_getaffinity(0)) > 1:
            got = keys & set(self.rows(*args, "--pin")[0]["metrics"])
            self.assertEqual(got, keys)
        else:
            self.run_tls("--pin", status=EX_USAGE)

    def test_copies(self):
        rows = self.rows("--tests", "exchange,send", "--sizes", "4K",
                         "--paths", "relay-auto,relay-user,plain-sendfile")
        self.assertEqual({r["path"]: r["copies"] for r in rows},
                         {"relay-auto": None, "relay-user": 2,
                          "plain-sendfile": 0})

    def test_progress(self):
        err = self.run_tls(*SHORT, "--progress", "--tests", "handshake",
                           "--paths", "openssl-full").stderr
        self.assertRegex(err, r"\[1/1\] handshake openssl-full")

    def test_list(self):
        out = self.run_tls("--list").stdout
        self.assertRegex(out, r"(?m)^send +ktls-splice-64K$")

    def test_nothing_stays_behind(self):
        self.run_tls(*SHORT, "--sizes", "4K")
        self.assertEqual(os.listdir(self.folder), [])

    def test_plot(self):
        needs(self, None if shutil.which("gnuplot") else
              "gnuplot not installed (Debian: gnuplot-nox)")
        file = os.path.join(self.folder, "cost.svg")
        self.run_tls(*SHORT, "--tests", "send", "--sizes", "4K,64K", "--paths",
                     "plain-send,openssl-write", "--plot", file)
        with open(file) as f:
            svg = f.read()
        self.assertIn("</svg>", svg)
        self.assertIn("openssl-write", svg)

    def test_plot_without_gnuplot_is_refused_before_the_work(self):
        done = self.run_tls("--plot", "x.svg", status=EX_USAGE,
                            env={"PATH": "/nowhere"})
        self.assertIn("gnuplot", done.stderr)
        self.assertEqual(done.stdout, "")


class Refusals(TlsTest):
    def test_bad_options(self):
        for args in (("--sizes", "65M"), ("--sizes", ""), ("--tls", "1.1"),
                     ("--ciphers", "rc4"), ("--paths", "ktls-fly"),
                     ("--tests", "juggle"), ("--pin", "--server", "127.0.0.1:0"), ("--connections", "0"),
                     ("--threads", "65"), ("--repeats", "0"),
                     ("--chunk", "0"), ("--offset", "4096"),
                     ("--json", "--csv"), ("--counter", "fingers"),
                     ("--client", "a:1", "--server", "b:2")):
            with self.subTest(args=args):
                done = self.run_tls(*args, status=EX_USAGE)
                self.assertNotEqual(done.stderr, "")

    def test_a_counter_that_is_not_there(self):
        done = self.run_tls(*SHORT, "--counter", "icount",
                            status=EX_UNAVAILABLE)
        self.assertIn("instructions", done.stderr)

    def test_nobody_there(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{s.getsockname()[1]}"
            done = self.run_tls(*SHORT, "--client", address,
                                status=EX_UNAVAILABLE)
        self.assertIn(address, done.stderr)


class TwoPrograms(TlsTest):
    def setUp(self):
        super().setUp()
        self.server = subprocess.Popen(
            [BENCH, "tls", "--server", "127.0.0.1:0", "--dir", self.folder],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        line = self.server.stdout.readline()
        self.port = int(re.search(r"port (\d+)", line).group(1))

    def end(self):
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        self.server.communicate(timeout=PATIENCE)

    def client(self):
        return json.loads(self.run_tls(
            *SHORT, "--json", "--client", f"127.0.0.1:{self.port}", "--sizes",
            "4K", "--paths", "plain-send,openssl-*").stdout)

    def test_a_client_and_the_next(self):
        for _ in range(2):
            result = self.client()
            self.assertFalse(result["loopback"])
            self.assertIn("Linux", result["server"]["kernel"])
            for row in result["rows"]:
                self.assert_measured(row)

    def test_a_server_outlives_nonsense(self):
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.sendall(b"EHLO there\r\n")
            s.shutdown(socket.SHUT_WR)
            s.settimeout(PATIENCE)
            while s.recv(4096):
                pass
        self.client()


if __name__ == "__main__":
    unittest.main()
