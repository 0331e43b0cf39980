# SPDX-License-Identifier: Apache-2.0
"""ringpost-bench from outside: source to sink over every kind of TLS, other
clients and servers at each end, scripted faults, and the comparison of what
was accepted with what arrived. Loopback only.

The program is taken from RINGPOST_BUILD (default: build/).
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
BENCH = os.path.join(ROOT, os.environ.get("RINGPOST_BUILD", "build"),
                     "bench", "ringpost-bench")
# Longest wait for what must happen; never asserted on from below.
PATIENCE = float(os.environ.get("RINGPOST_TEST_PATIENCE", "60"))

EX_OK, EX_DIFFERENT, EX_USAGE, EX_DATAERR = 0, 1, 64, 65
EX_NOINPUT, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG = 66, 69, 75, 78


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.01)


def lines(path):
    try:
        with open(path) as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


class Sink:
    """A sink as a process; stop() returns its totals."""

    def __init__(self, folder, *args, listen="127.0.0.1:0", tls="starttls"):
        self.ledger = os.path.join(folder, "delivered")
        ready = os.path.join(folder, "ready")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ready)
        self.errors = open(os.path.join(folder, "sink.err"), "a+")
        self.process = subprocess.Popen(
            [BENCH, "sink", "--listen", listen, "--tls", tls, "--ledger",
             self.ledger, "--ready-file", ready, "--json", *args],
            stdout=subprocess.PIPE, stderr=self.errors, text=True)
        wait_until(lambda: os.path.exists(ready)
                   or self.process.poll() is not None, "the sink")
        if self.process.poll() is not None:
            self.errors.seek(0)
            raise AssertionError("no sink: " + self.errors.read())
        self.address = lines(ready)[0]
        self.port = int(self.address.rsplit(":", 1)[1])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        out, _ = self.process.communicate(timeout=PATIENCE)
        self.errors.close()
        if self.process.returncode:
            raise AssertionError(f"sink ended with {self.process.returncode}")
        return json.loads(out)


class BenchTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ringpost-bench-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.accepted = os.path.join(self.folder, "accepted")

    def sink(self, *args, **kwargs):
        sink = Sink(self.folder, *args, **kwargs)
        self.addCleanup(sink.kill)
        return sink

    def bench(self, *args, **kwargs):
        return subprocess.run([BENCH, *args], capture_output=True, text=True,
                              timeout=PATIENCE, **kwargs)

    def source(self, to, *args, status=EX_OK):
        done = self.bench("source", "--to", to, "--ledger", self.accepted,
                          "--json", *args)
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout)

    def verify(self, *args, status=EX_OK):
        done = self.bench("verify", "--accepted", self.accepted, "--delivered",
                          os.path.join(self.folder, "delivered"), *args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout.splitlines()[-1]

    def assert_all_equal(self, count):
        self.assertEqual(
            self.verify(), f"accepted={count} delivered={count} lost=0 "
            "duplicated=0 bodies=equal")


# All three connections send: fast ones could leave nothing to a late one.
MIX = ("--size", "1K-300K", "--connections", "3", "--connect-first", "--bdat",
       "40%", "--dot-lines", "40%", "--eight-bit", "20%", "--rcpts", "2")


class Transfer(BenchTest):
    """Source to sink: what is sent arrives, whatever the way."""

    def run_mode(self, tls, source=(), sink=()):
        s = self.sink(*sink, tls=tls)
        sent = self.source(s.address, "--messages", "120", "--tls", tls, *MIX,
                           *source)
        got = s.stop()
        self.assert_all_equal(120)
        self.assertEqual(sent["accepted"], 120)
        self.assertEqual(got["messages"], 120)
        self.assertEqual(got["octets"], sent["octets"])
        self.assertEqual(got["by_bdat"], sent["by_bdat"])
        for error in ("protocol_errors", "bare_cr", "bare_lf", "long_lines",
                      "duplicates", "tls_unclean_ends", "ledger_errors"):
            self.assertEqual(got[error], 0, error)
        self.assertEqual(got["tls"], sent["tls"])
        return sent, got

    def test_in_clear(self):
        sent, got = self.run_mode("none")
        self.assertEqual(got["in_clear"], 120)
        self.assertEqual(got["handshakes"], 0)

    def test_starttls(self):
        sent, got = self.run_mode("starttls")
        self.assertEqual(got["in_clear"], 0)
        self.assertEqual(got["handshakes"], 3)
        self.assertEqual(got["tls_clean_ends"], 3)
        self.assertGreater(sent["by_bdat"], 0)

    def test_implicit_tls(self):
        sent, got = self.run_mode("implicit")
        self.assertEqual(got["handshakes"], 3)
        self.assertEqual(got["in_clear"], 0)

    def test_ciphers_of_both_versions(self):
        for name, version in (
                ("TLS_AES_128_GCM_SHA256", "TLSv1.3"),
                ("TLS_AES_256_GCM_SHA384", "TLSv1.3"),
                ("TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3"),
                ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2"),
                ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2"),
                ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2")):
            with self.subTest(name):
                self.setUp()
                sent, _ = self.run_mode("starttls", ("--cipher", name))
                self.assertEqual(sent["tls"], f"{version} {name}")

    def test_sink_chooses_version_and_cipher(self):
        sent, _ = self.run_mode(
            "starttls", sink=("--tls-version", "1.2", "--cipher",
                              "ECDHE-ECDSA-AES128-GCM-SHA256"))
        self.assertEqual(sent["tls"], "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256")
        self.setUp()
        sent, _ = self.run_mode(
            "starttls", sink=("--tls-version", "1.3", "--ciphersuites",
                              "TLS_CHACHA20_POLY1305_SHA256"))
        self.assertEqual(sent["tls"], "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256")

    def test_ipv6(self):
        s = self.sink(listen="[::1]:0")
        self.source(s.address, "--messages", "5")
        s.stop()
        self.assert_all_equal(5)

    def test_no_pipelining_on_either_side(self):
        self.run_mode("starttls", ("--pipelining", "no"))
        self.setUp()
        self.run_mode("starttls", sink=("--no-pipelining",))

    def test_chunks(self):
        sent, _ = self.run_mode(
            "starttls", ("--bdat", "100%", "--bdat-chunk", "700"))
        self.assertEqual(sent["by_bdat"], 120)

    def test_chunks_without_pipelining(self):
        self.run_mode("none", ("--bdat", "100%", "--bdat-chunk", "10K"),
                      ("--no-pipelining",))

    def test_no_chunking_means_data(self):
        sent, _ = self.run_mode("starttls", sink=("--no-chunking",))
        self.assertEqual(sent["by_bdat"], 0)

    def test_other_hashes(self):
        self.run_mode("none", ("--hash", "xxh3"), ("--hash", "xxh3"))
        self.assertEqual(len(lines(self.accepted)[0].split()[1]), 16)

    def test_no_hash_is_not_called_equal(self):
        s = self.sink("--hash", "none", tls="none")
        self.source(s.address, "--messages", "5", "--tls", "none")
        s.stop()
        self.assertIn("bodies=unchecked", self.verify(status=EX_DIFFERENT))
        self.assertIn("bodies=equal", self.verify("--allow-unchecked"))

    def test_messages_per_connection_and_resumption(self):
        for version in ("1.2", "1.3"):
            with self.subTest(version):
                self.setUp()
                s = self.sink()
                sent = self.source(s.address, "--messages", "30",
                                   "--per-connection", "10", "--resume", "yes",
                                   "--tls-version", version)
                got = s.stop()
                self.assertEqual(sent["connections"], 3)
                self.assertEqual(sent["resumed"], 2)
                self.assertEqual(got["resumed"], 2)
                self.assert_all_equal(30)

    def test_no_tickets_no_resumption(self):
        s = self.sink("--tickets", "0", "--tls-version", "1.3")
        sent = self.source(s.address, "--messages", "4", "--per-connection",
                           "1", "--resume", "yes")
        self.assertEqual(sent["resumed"], 0)

    def test_key_updates(self):
        s = self.sink("--key-update", "2")
        sent = self.source(s.address, "--messages", "20", "--key-update", "5",
                           "--tls-version", "1.3", "--size", "100K")
        got = s.stop()
        self.assertEqual((sent["key_updates_sent"], got["key_updates_seen"]),
                         (4, 4))
        self.assertEqual((got["key_updates_sent"], sent["key_updates_seen"]),
                         (10, 10))
        self.assert_all_equal(20)

    def test_key_updates_that_want_an_answer(self):
        s = self.sink()
        sent = self.source(s.address, "--messages", "9", "--key-update", "3",
                           "--key-update-ask", "--tls-version", "1.3")
        got = s.stop()
        self.assertEqual((sent["key_updates_sent"], got["key_updates_seen"],
                          sent["key_updates_seen"]), (3, 3, 3))
        self.assert_all_equal(9)

    def test_no_key_updates_in_tls_1_2(self):
        s = self.sink("--key-update", "1")
        sent = self.source(s.address, "--messages", "3", "--key-update", "1",
                           "--tls-version", "1.2")
        self.assertEqual(sent["key_updates_sent"], 0)
        self.assertEqual(s.stop()["key_updates_sent"], 0)

    def test_tickets_are_counted(self):
        s = self.sink("--tickets", "3", "--tls-version", "1.3")
        self.assertEqual(self.source(s.address)["tickets"], 3)

    def test_ends_are_seen_from_both_sides(self):
        s = self.sink()
        sent = self.source(s.address, "--messages", "4", "--per-connection",
                           "1")
        self.assertEqual((sent["tls_clean_ends"], sent["tls_unclean_ends"]),
                         (4, 0))
        self.assertEqual(s.stop()["tls_clean_ends"], 4)

    def test_large_message(self):
        s = self.sink()
        self.source(s.address, "--messages", "2", "--size", "40M")
        s.stop()
        self.assert_all_equal(2)
        self.assertEqual(lines(self.accepted)[0].split()[2], str(40 << 20))

    def test_many_connections(self):
        s = self.sink()
        sent = self.source(s.address, "--messages", "600", "--connections",
                           "200", "--size", "1K")
        s.stop()
        self.assertLessEqual(sent["connections"], 200)
        self.assert_all_equal(600)

    def test_connections_first(self):
        s = self.sink()
        sent = self.source(s.address, "--messages", "150", "--connections",
                           "100", "--size", "1K", "--connect-first")
        self.assertEqual(sent["connections"], 100)
        self.assertEqual(s.stop()["connections"], 100)
        self.assert_all_equal(150)

    def test_connections_first_with_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        self.source(f"127.0.0.1:{port}", "--messages", "9", "--connections",
                    "3", "--connect-first", status=EX_UNAVAILABLE)

    def test_same_seed_same_mail(self):
        s = self.sink(tls="none")
        self.source(s.address, "--messages", "5", "--tls", "none", "--size",
                    "1K-20K")
        first = sorted(lines(self.accepted))
        os.unlink(self.accepted)
        self.source(s.address, "--messages", "5", "--tls", "none", "--size",
                    "1K-20K")
        self.assertEqual(sorted(lines(self.accepted)), first)
        os.unlink(self.accepted)
        self.source(s.address, "--messages", "5", "--tls", "none", "--size",
                    "1K-20K", "--seed", "2")
        self.assertNotEqual(sorted(lines(self.accepted)), first)


class OtherClients(BenchTest):
    """The sink with clients that are not the source."""

    def raw(self, sink):
        return socket.create_connection(("127.0.0.1", sink.port), PATIENCE)

    def talk(self, sink, *commands):
        """Sends each command, returns the code of each reply."""
        with self.raw(sink) as sock, sock.makefile("rb") as f:
            codes = [self.reply(f)]
            for command in commands:
                sock.sendall(command)
                codes.append(self.reply(f))
        return codes[1:]

    @staticmethod
    def reply(f):
        while True:
            line = f.readline()
            if not line or line[3:4] == b" ":
                return int(line[:3]) if line else 0

    def send(self, sink, content, codes=(250, 250, 250, 354, 250)):
        got = self.talk(sink, b"EHLO x\r\n", b"MAIL FROM:<>\r\n",
                        b"RCPT TO:<r@x.test>\r\n", b"DATA\r\n", content)
        self.assertEqual(got, list(codes))

    def test_smtplib_over_starttls(self):
        save = os.path.join(self.folder, "save")
        os.mkdir(save)
        s = self.sink("--save", save)
        message = b"Subject: hi\r\n\r\n.dot\r\n..two\r\nend\r\n"
        with smtplib.SMTP("127.0.0.1", s.port) as client:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            client.starttls(context=context)
            client.ehlo()
            self.assertTrue(client.has_extn("chunking"))
            client.sendmail("a@x.test", ["b@x.test", "c@x.test"], message)
        got = s.stop()
        self.assertEqual(got["foreign"], 1)
        body = message.split(b"\r\n\r\n", 1)[1]
        self.assertEqual(lines(s.ledger), [
            f"- {hashlib.sha256(body).hexdigest()} {len(body)} "
            "b@x.test,c@x.test"])
        with open(os.path.join(save, "00000000.eml"), "rb") as f:
            self.assertEqual(f.read(), message)
        envelope = lines(os.path.join(save, "00000000.env"))
        self.assertEqual(envelope[:2], ["from a@x.test",
                                        "to b@x.test,c@x.test"])
        self.assertTrue(envelope[2].startswith("tls TLSv1.3 "))

    def test_region_starts_at_the_id(self):
        s = self.sink()
        region = b"X-Bench-Id: q-1\r\nA: b\r\n\r\nbody\r\n"
        self.send(s, b"Received: from a\r\n\tby b; c\r\n" + region
                  + b".\r\n")
        self.assertEqual(lines(s.ledger), [
            f"q-1 {hashlib.sha256(region).hexdigest()} {len(region)} "
            "r@x.test"])
        self.assertEqual(s.stop()["foreign"], 0)

    def test_duplicates_are_counted_by_recipient(self):
        s = self.sink()
        message = b"X-Bench-Id: q-1\r\n\r\n.\r\n"
        self.send(s, message)
        self.send(s, message)
        codes = self.talk(s, b"EHLO x\r\n", b"MAIL FROM:<>\r\n",
                          b"RCPT TO:<other@x.test>\r\n", b"DATA\r\n", message)
        self.assertEqual(codes[-1], 250)
        got = s.stop()
        self.assertEqual((got["messages"], got["duplicates"]), (3, 1))

    def test_bare_line_ends_are_counted_and_end_nothing(self):
        s = self.sink()
        self.send(s, b"A: b\r\n\r\nx\n.\ny\n.\r\nz\r.\r\n.\r\n")
        got = s.stop()
        self.assertEqual((got["bare_lf"], got["bare_cr"]), (3, 1))
        self.assertEqual((got["messages"], got["protocol_errors"]), (1, 1))

    def test_bare_cr_is_counted(self):
        s = self.sink()
        self.send(s, b"A: b\r\n\r\nx\ry\r\n.\r\n")
        self.assertEqual(s.stop()["bare_cr"], 1)

    def test_commands_behind_starttls_are_refused(self):
        s = self.sink()
        codes = self.talk(s, b"EHLO x\r\n", b"STARTTLS\r\nMAIL FROM:<>\r\n")
        self.assertEqual(codes, [250, 501])
        got = s.stop()
        self.assertEqual((got["handshakes"], got["protocol_errors"]), (0, 1))

    def test_order_of_commands(self):
        s = self.sink()
        self.assertEqual(
            self.talk(s, b"MAIL FROM:<>\r\n", b"EHLO x\r\n", b"DATA\r\n",
                      b"RCPT TO:<a@b>\r\n", b"MAIL FROM:<>\r\n",
                      b"MAIL FROM:<>\r\n", b"DATA\r\n",
                      b"RCPT TO:<a@b>\r\n", b"RSET\r\n", b"DATA\r\n",
                      b"NOOP\r\n", b"NONSENSE\r\n", b"QUIT\r\n"),
            [503, 250, 503, 503, 250, 503, 554, 250, 250, 503, 250, 500, 221])

    def test_bad_arguments(self):
        s = self.sink()
        self.assertEqual(
            self.talk(s, b"EHLO\r\n", b"EHLO x\r\n", b"MAIL TO:<>\r\n",
                      b"MAIL FROM:a@b\r\n", b"MAIL FROM:<a@b\r\n",
                      b"MAIL FROM:<a@b> SIZE=x\r\n",
                      b"MAIL FROM:<a@b> RET=FULL\r\n",
                      b"MAIL FROM:<\"a>b\"@c> BODY=8BITMIME SMTPUTF8\r\n",
                      b"RCPT TO:<>\r\n", b"RCPT TO:<a@b> NOTIFY=NEVER\r\n",
                      b"RCPT TO:<" + b"a" * 400 + b">\r\n"),
            [501, 250, 501, 501, 501, 501, 555, 250, 501, 501, 501])

    def test_line_without_end(self):
        s = self.sink()
        self.assertEqual(self.talk(s, b"EHLO x\r\n", b"A" * 5000), [250, 500])

    def test_too_many_errors(self):
        s = self.sink()
        codes = self.talk(s, *[b"WHAT\r\n"] * 21)
        self.assertEqual(codes, [500] * 20 + [421])

    def test_size_limit(self):
        s = self.sink("--max-size", "100")
        self.assertEqual(
            self.talk(s, b"EHLO x\r\n", b"MAIL FROM:<> SIZE=101\r\n",
                      b"MAIL FROM:<> SIZE=100\r\n"), [250, 552, 250])
        self.send(s, b"A: b\r\n\r\n" + b"x" * 100 + b"\r\n.\r\n",
                  (250, 250, 250, 354, 552))
        self.assertEqual(s.stop()["messages"], 0)

    def test_recipient_limit(self):
        s = self.sink("--max-rcpts", "2")
        self.assertEqual(
            self.talk(s, b"EHLO x\r\n", b"MAIL FROM:<>\r\n",
                      *[b"RCPT TO:<a@b>\r\n"] * 3),
            [250, 250, 250, 250, 452])

    def test_require_tls(self):
        s = self.sink("--require-tls")
        self.assertEqual(self.talk(s, b"EHLO x\r\n", b"MAIL FROM:<>\r\n"),
                         [250, 530])
        self.source(s.address, "--messages", "1")

    def test_bdat_by_hand(self):
        s = self.sink()
        region = b"X-Bench-Id: q-2\r\n\r\n.a\r\n"
        codes = self.talk(
            s, b"EHLO x\r\n", b"BDAT 3\r\nabc", b"MAIL FROM:<>\r\n",
            b"BDAT 3\r\nabc", b"RCPT TO:<a@b>\r\n",
            b"BDAT 5\r\n" + region[:5], b"RCPT TO:<c@d>\r\n",
            b"BDAT %d\r\n" % (len(region) - 5) + region[5:],
            b"BDAT 0 LAST\r\n", b"NOOP\r\n")
        self.assertEqual(codes,
                         [250, 503, 250, 503, 250, 250, 503, 250, 250, 250])
        self.assertEqual(lines(s.ledger), [
            f"q-2 {hashlib.sha256(region).hexdigest()} {len(region)} a@b"])

    def test_bdat_nonsense_ends_the_session(self):
        s = self.sink()
        for command in (b"BDAT\r\n", b"BDAT x\r\n", b"BDAT 3 LATE\r\n",
                        b"BDAT 99999999999999999999\r\n"):
            self.assertEqual(
                self.talk(s, b"EHLO x\r\n", command, b"NOOP\r\n"),
                [250, 501, 0])

    def test_pipelining_without_offer_is_noticed(self):
        s = self.sink("--no-pipelining")
        with self.raw(s) as sock, sock.makefile("rb") as f:
            sock.sendall(b"EHLO x\r\nNOOP\r\nQUIT\r\n")
            self.assertEqual([self.reply(f) for _ in range(4)],
                             [220, 250, 250, 221])
        self.assertGreaterEqual(s.stop()["protocol_errors"], 1)

    def test_end_without_close_notify_is_counted(self):
        s = self.sink(tls="implicit")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", s.port)) as plain:
            with context.wrap_socket(plain) as tls:
                self.assertTrue(tls.recv(100).startswith(b"220 "))
                tls.sendall(b"QUIT\r\n")
                self.assertTrue(tls.recv(100).startswith(b"221 "))
        got = s.stop()
        self.assertEqual((got["tls_clean_ends"], got["tls_unclean_ends"]),
                         (0, 1))

    @unittest.skipUnless(shutil.which("swaks"), "swaks is not installed")
    def test_swaks(self):
        for tls in ("starttls", "implicit"):
            with self.subTest(tls):
                self.setUp()
                s = self.sink(tls=tls)
                subprocess.run(
                    ["swaks", "--server", "127.0.0.1", "--port", str(s.port),
                     "--tls" if tls == "starttls" else "--tlsc", "--from",
                     "a@x.test", "--to", "b@x.test,c@x.test", "--pipeline",
                     "--body", ".\n.dot\n"], check=True, timeout=PATIENCE,
                    stdout=subprocess.DEVNULL)
                got = s.stop()
                self.assertEqual((got["messages"], got["rcpts"]), (1, 2))
                self.assertEqual((got["in_clear"], got["protocol_errors"]),
                                 (0, 0))


class Faults(BenchTest):
    """The sink's script, and how the source takes it."""

    def try_fault(self, *sink, retry=True, status=EX_OK, messages=60):
        s = self.sink(*sink)
        args = ["--retry", "--retry-delay-ms", "1"] if retry else []
        sent = self.source(s.address, "--messages", str(messages),
                           "--connections", "2", "--per-connection", "10",
                           "--size", "1K-50K", "--bdat",
                           "50%", "--bdat-chunk", "5K", *args,
                           status=status)
        return sent, s.stop()

    def test_refused_for_now(self):
        for phase in ("mail", "rcpt", "data", "eod"):
            with self.subTest(phase):
                self.setUp()
                sent, got = self.try_fault("--reply", f"{phase}=451:30%")
                self.assertGreater(sent["retried"], 0)
                self.assertGreater(got["faults"], 0)
                self.assert_all_equal(60)

    def test_refused_for_now_and_not_tried_again(self):
        sent, got = self.try_fault("--reply", "eod=451:50%", retry=False,
                                   status=EX_TEMPFAIL)
        self.assertGreater(sent["deferred"], 0)
        self.assertEqual(sent["accepted"] + sent["deferred"], 60)
        self.assertEqual(got["messages"], sent["accepted"])
        self.assert_all_equal(sent["accepted"])

    def test_refused_for_good(self):
        for phase in ("mail", "rcpt", "data", "eod"):
            with self.subTest(phase):
                self.setUp()
                sent, got = self.try_fault("--reply", f"{phase}=550",
                                           status=EX_TEMPFAIL)
                self.assertEqual((sent["refused"], sent["retried"]), (60, 0))
                self.assertEqual(got["messages"], 0)
                self.assertEqual(lines(self.accepted), [])

    def test_some_recipients_refused(self):
        s = self.sink("--reply", "rcpt=550:30%")
        sent = self.source(s.address, "--messages", "40", "--rcpts", "6")
        got = s.stop()
        self.assertGreater(sent["rcpts_refused"], 0)
        self.assertEqual(sent["rcpts_accepted"] + sent["rcpts_refused"], 240)
        self.assertEqual(got["rcpts"], sent["rcpts_accepted"])
        self.assert_all_equal(40)

    def test_hang_ups(self):
        for phase in ("connect", "ehlo", "starttls", "mail", "rcpt", "data",
                      "body", "eod"):
            with self.subTest(phase):
                self.setUp()
                sent, got = self.try_fault("--disconnect", f"{phase}:40%")
                self.assertGreater(got["faults"], 0)
                self.assertGreater(sent["retried"], 0)
                self.assert_all_equal(60)

    def test_hang_up_after_the_ledger_makes_duplicates(self):
        sent, got = self.try_fault("--disconnect", "ack:30%")
        self.assertGreater(got["duplicates"], 0)
        line = self.verify(status=EX_DIFFERENT)
        self.assertEqual(line, "accepted=60 delivered=60 lost=0 duplicated="
                         f"{got['duplicates']} bodies=equal")
        self.verify("--allow-duplicates", str(got["duplicates"]))
        self.verify("--allow-duplicates", str(got["duplicates"] - 1),
                    status=EX_DIFFERENT)

    def test_hang_up_is_not_tried_again_unasked(self):
        sent, got = self.try_fault("--disconnect", "eod", retry=False,
                                   status=EX_TEMPFAIL)
        self.assertEqual((sent["accepted"], sent["failed"]), (0, 60))

    def test_421_at_the_greeting(self):
        sent, got = self.try_fault("--reply", "connect=421:50%")
        self.assertGreater(sent["connect_failures"] + 1, 0)
        self.assert_all_equal(60)

    def test_421_after_some_messages(self):
        sent, got = self.try_fault("--close-after", "7")
        self.assertGreaterEqual(sent["connections"], 60 // 7)
        self.assert_all_equal(60)

    def test_starttls_refused(self):
        s = self.sink("--reply", "starttls=454")
        sent = self.source(s.address, "--messages", "3", status=EX_UNAVAILABLE)
        self.assertEqual(sent["accepted"], 0)
        self.assertEqual(s.stop()["handshakes"], 0)

    def test_delay(self):
        s = self.sink("--delay-ms", "60", "--delay-ms", "rcpt=40")
        begin = time.monotonic()
        self.source(s.address, "--messages", "3")
        self.assertGreaterEqual(time.monotonic() - begin, 0.3)

    def test_slow_reading(self):
        s = self.sink("--slow-read", "100K")
        begin = time.monotonic()
        self.source(s.address, "--messages", "1", "--size", "60K")
        self.assertGreaterEqual(time.monotonic() - begin, 0.6)
        s.stop()
        self.assert_all_equal(1)

    def test_a_seed_repeats_the_script(self):
        def failed(seed):
            self.setUp()
            s = self.sink("--reply", "eod=451:50%", "--seed", seed)
            self.source(s.address, "--messages", "40", status=EX_TEMPFAIL)
            s.stop()
            return [line.split()[0] for line in lines(self.accepted)]
        first = failed("3")
        self.assertEqual(failed("3"), first)
        self.assertNotEqual(failed("4"), first)

    def test_too_many_connections(self):
        s = self.sink("--max-connections", "1")
        with socket.create_connection(("127.0.0.1", s.port)) as first:
            self.assertTrue(first.recv(100).startswith(b"220 "))
            with socket.create_connection(("127.0.0.1", s.port)) as second:
                self.assertTrue(second.recv(100).startswith(b"421 "))

    def test_killed_under_load_nothing_is_lost(self):
        s = self.sink(tls="none")
        source = subprocess.Popen(
            [BENCH, "source", "--to", s.address, "--messages", "6000",
             "--connections", "4", "--size", "1K-20K", "--tls", "none",
             "--ledger", self.accepted, "--retry", "--retry-delay-ms", "5"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(source.wait)
        self.addCleanup(source.kill)
        for goal in (500, 1500, 2500):
            wait_until(lambda: len(lines(s.ledger)) >= goal, "deliveries")
            s.kill()
            s = self.sink(listen=s.address, tls="none")
        self.assertEqual(source.wait(PATIENCE), EX_OK)
        s.stop()
        line = self.verify("--allow-duplicates", "12")
        self.assertTrue(line.startswith(
            "accepted=6000 delivered=6000 lost=0 "), line)

    def test_disk_full_is_not_accepted(self):
        ready = os.path.join(self.folder, "ready")
        sink = subprocess.Popen(
            [BENCH, "sink", "--listen", "127.0.0.1:0", "--ledger", "/dev/full",
             "--ready-file", ready], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.addCleanup(sink.wait)
        self.addCleanup(sink.kill)
        wait_until(lambda: os.path.exists(ready), "the sink")
        sent = self.source(lines(ready)[0], "--messages", "2",
                           status=EX_TEMPFAIL)
        self.assertEqual(sent["deferred"], 2)


class Ending(BenchTest):
    """Signals."""

    def test_sink_tells_idle_clients_and_ends(self):
        s = self.sink()
        with socket.create_connection(("127.0.0.1", s.port)) as sock:
            f = sock.makefile("rb")
            f.readline()
            s.process.send_signal(signal.SIGTERM)
            self.assertTrue(f.readline().startswith(b"421 "))
            self.assertEqual(f.readline(), b"")
        self.assertEqual(s.process.wait(PATIENCE), EX_OK)

    def test_sink_lets_a_message_finish(self):
        s = self.sink()
        with socket.create_connection(("127.0.0.1", s.port)) as sock:
            f = sock.makefile("rb")
            sock.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n")
            while not f.readline().startswith(b"354"):
                pass
            s.process.send_signal(signal.SIGTERM)
            # It no longer listens: the signal has been seen.
            wait_until(lambda: self.refused(s.port), "the listener's end")
            sock.sendall(b"X-Bench-Id: q-3\r\n\r\n.\r\n")
            self.assertTrue(f.readline().startswith(b"250 "))
            self.assertTrue(f.readline().startswith(b"421 "))
        out, _ = s.process.communicate(timeout=PATIENCE)
        self.assertEqual(json.loads(out)["messages"], 1)

    @staticmethod
    def refused(port):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass  # it was in the listener's queue in the moment of its end
        return False

    def test_sink_does_not_wait_for_ever(self):
        s = self.sink("--grace", "0")
        with socket.create_connection(("127.0.0.1", s.port)) as sock:
            f = sock.makefile("rb")
            sock.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n")
            while not f.readline().startswith(b"354"):
                pass
            self.assertEqual(s.stop()["messages"], 0)

    def test_source_ends_after_its_message(self):
        s = self.sink("--delay-ms", "5")
        source = subprocess.Popen(
            [BENCH, "source", "--to", s.address, "--messages", "1000000",
             "--ledger", self.accepted, "--json"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(source.wait)
        self.addCleanup(source.kill)
        wait_until(lambda: len(lines(s.ledger)) >= 3, "deliveries")
        source.send_signal(signal.SIGTERM)
        out, _ = source.communicate(timeout=PATIENCE)
        self.assertEqual(source.returncode, EX_TEMPFAIL)
        sent = json.loads(out)
        self.assertEqual(sent["accepted"] + sent["not_tried"], 1000000)
        got = s.stop()
        self.assertEqual(got["tls_clean_ends"], 1)
        self.assert_all_equal(sent["accepted"])


class StrangeServers(BenchTest):
    """The source against servers that a sink won't play."""

    def server(self, *script):
        """Plays (wait for text or None, answer or None: hang up) once per
        connection; returns its address."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock, contextlib.suppress(OSError):
                        self.play(sock, script)

        threading.Thread(target=serve, daemon=True).start()
        return "127.0.0.1:%d" % listener.getsockname()[1]

    @staticmethod
    def play(sock, script):
        seen = b""
        for wanted, answer in script:
            while wanted and wanted not in seen:
                more = sock.recv(65536)
                if not more:
                    return
                seen += more
            if wanted:
                seen = seen.split(wanted, 1)[1]
            if answer is None:
                return
            sock.sendall(answer)
        while sock.recv(65536):
            pass

    def fail(self, *script, args=("--tls", "none"), status=EX_TEMPFAIL):
        sent = self.source(self.server(*script), "--messages", "1", *args,
                           status=status)
        self.assertEqual(sent["accepted"], 0)
        self.assertEqual(lines(self.accepted), [])
        return sent

    HELLO = ((None, b"220 hi\r\n"), (b"EHLO", b"250 hi\r\n"))
    ENVELOPE = HELLO + ((b"MAIL", b"250 a\r\n"), (b"RCPT", b"250 b\r\n"))

    def test_no_smtp_at_all(self):
        self.fail((None, b"SSH-2.0-x\r\n"), status=EX_UNAVAILABLE)

    def test_greeting_of_a_closed_shop(self):
        self.fail((None, b"554 no mail here\r\n"), status=EX_UNAVAILABLE)

    def test_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        sent = self.source(f"127.0.0.1:{port}", "--messages", "3",
                           status=EX_UNAVAILABLE)
        self.assertEqual(sent["accepted"], 0)
        self.assertGreaterEqual(sent["connect_failures"], 1)

    def test_nobody_there_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        self.source(f"127.0.0.1:{port}", "--retry", "--give-up", "0",
                    status=EX_UNAVAILABLE)

    def test_no_starttls(self):
        self.fail(*self.HELLO, args=(), status=EX_UNAVAILABLE)

    def test_octets_in_clear_behind_starttls(self):
        self.fail((None, b"220 hi\r\n"), (b"EHLO", b"250-hi\r\n250 STARTTLS\r\n"),
                  (b"STARTTLS", b"220 go\r\n250-hi\r\n"), args=(),
                  status=EX_UNAVAILABLE)

    def test_garbage_instead_of_tls(self):
        self.fail((None, b"220 hi\r\n"), (b"EHLO", b"250-hi\r\n250 STARTTLS\r\n"),
                  (b"STARTTLS\r\n", b"220 go\r\n"),
                  (b"\x16", b"500 what is this?\r\n"), args=(),
                  status=EX_UNAVAILABLE)

    def test_silence_times_out(self):
        self.fail((None, b"220 hi\r\n"), args=("--tls", "none", "--timeout",
                                               "1"), status=EX_UNAVAILABLE)

    def test_death_before_the_last_reply(self):
        sent = self.fail(*self.ENVELOPE, (b"DATA", b"354 go\r\n"),
                         (b"\r\n.\r\n", None))
        self.assertEqual(sent["failed"], 1)

    def test_death_in_the_body(self):
        sent = self.fail(*self.ENVELOPE, (b"DATA", b"354 go\r\n"),
                         (b"X-Bench-Id", None))
        self.assertEqual(sent["failed"], 1)

    def test_half_a_last_reply(self):
        sent = self.fail(*self.ENVELOPE, (b"DATA", b"354 go\r\n"),
                         (b"\r\n.\r\n", b"250"), (b"never", None),
                         args=("--tls", "none", "--timeout", "1"))
        self.assertEqual(sent["failed"], 1)

    def test_data_answered_with_success_is_no_success(self):
        sent = self.fail(*self.ENVELOPE, (b"DATA", b"250 done\r\n"),
                         (b"RSET", b"250 ok\r\n"), (b"QUIT", b"221 bye\r\n"))
        self.assertEqual(sent["refused"], 1)

    def test_8bit_needs_8bitmime(self):
        sent = self.fail(*self.HELLO, (b"QUIT", b"221 bye\r\n"),
                         args=("--tls", "none", "--eight-bit", "100%",
                               "--dot-lines", "0%"))
        self.assertEqual(sent["unfit"], 1)

    def test_all_recipients_refused_in_one_flight(self):
        self.fail((None, b"220 hi\r\n"),
                  (b"EHLO", b"250-hi\r\n250 PIPELINING\r\n"),
                  (b"DATA\r\n", b"250 a\r\n550 b\r\n354 go\r\n"),
                  (b".\r\n", b"554 nobody\r\n"), (b"RSET", b"250 ok\r\n"),
                  (b"QUIT", b"221 bye\r\n"))

    def test_certificate_is_verified_when_asked(self):
        s = self.sink()
        ca = os.path.join(self.folder, "ca.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", ca + ".key",
                        "-out", ca], check=True, capture_output=True)
        self.source(s.address, "--ca", ca, status=EX_UNAVAILABLE)
        s.stop()
        s = self.sink("--certificate", ca, "--key", ca + ".key")
        self.source(s.address, "--ca", ca)


class CommandLine(BenchTest):
    def test_help_everywhere(self):
        for args in (["--help"], ["source", "--help"], ["sink", "--help"],
                     ["verify", "--help"]):
            done = self.bench(*args)
            self.assertEqual(done.returncode, EX_OK)
            self.assertIn("usage: ringpost-bench", done.stdout)
            self.assertEqual(done.stderr, "")
            for line in done.stdout.splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_version(self):
        done = self.bench("--version")
        self.assertRegex(done.stdout, r"^ringpost-bench \d+\.\d+\.\d+\n$")

    def test_usage_errors(self):
        for args in ([], ["nonsense"], ["source"], ["sink"], ["verify"],
                     ["source", "--to", "nowhere"], ["source", "--nonsense"],
                     ["source", "--to", "h:1", "extra"], ["source", "--to"],
                     ["source", "--to", "h:1", "--size", "0"],
                     ["source", "--to", "h:1", "--bdat", "200%"],
                     ["source", "--to", "h:1", "--run", "a b"],
                     ["source", "--to", "h:1", "--tls-version", "1.2",
                      "--cipher", "TLS_AES_128_GCM_SHA256"],
                     ["sink", "--listen", "h:1", "--reply", "rcpt"],
                     ["sink", "--listen", "h:1", "--key", "k"]):
            with self.subTest(args):
                done = self.bench(*args)
                self.assertEqual(done.returncode, EX_USAGE)
                self.assertIn("ringpost-bench", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_bad_certificate_and_cipher(self):
        for args in (["sink", "--listen", "127.0.0.1:0", "--certificate",
                      "/nonexistent"],
                     ["sink", "--listen", "127.0.0.1:0", "--cipher", "NONE"],
                     ["source", "--to", "127.0.0.1:1", "--cipher", "NONE"],
                     ["source", "--to", "127.0.0.1:1", "--ca",
                      "/nonexistent"]):
            with self.subTest(args):
                self.assertEqual(self.bench(*args).returncode, EX_CONFIG)

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            done = self.bench("sink", "--listen",
                              "127.0.0.1:%d" % s.getsockname()[1])
        self.assertEqual(done.returncode, EX_UNAVAILABLE)

    def test_ready_descriptor(self):
        reader, writer = os.pipe()
        sink = subprocess.Popen(
            [BENCH, "sink", "--listen", "127.0.0.1:0", "--ready-fd",
             str(writer)], pass_fds=[writer], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(reader) as f:
            self.assertRegex(f.read(), r"^127\.0\.0\.1:\d+\n$")
        sink.terminate()
        self.assertEqual(sink.wait(PATIENCE), EX_OK)

    def test_text_totals(self):
        s = self.sink()
        done = self.bench("source", "--to", s.address, "--messages", "4")
        self.assertEqual(done.returncode, EX_OK)
        self.assertRegex(done.stdout, r"(?m)^accepted +4 ")
        self.assertRegex(done.stdout, r"(?m)^handshakes +1 .*TLSv1\.3")

    def test_progress_goes_to_stderr(self):
        s = self.sink()
        done = self.bench("source", "--to", s.address, "--messages", "4",
                          "--progress", "--json")
        self.assertIn("4/4 accepted", done.stderr)
        json.loads(done.stdout)

    def test_verify_json_and_errors(self):
        delivered = os.path.join(self.folder, "delivered")
        with open(self.accepted, "w") as f:
            f.write("a-0 11 5 1\na-1 11 5 1\n")
        with open(delivered, "w") as f:
            f.write("a-0 12 5 x@y\n")
        self.assertEqual(
            self.verify(status=EX_DIFFERENT),
            "accepted=2 delivered=1 lost=1 duplicated=0 bodies=different")
        got = json.loads(self.verify("--json", status=EX_DIFFERENT))
        self.assertEqual((got["lost"], got["different"]), (1, 1))
        with open(delivered, "w") as f:
            f.write("nonsense\n")
        done = self.bench("verify", "--accepted", self.accepted,
                          "--delivered", delivered)
        self.assertEqual(done.returncode, EX_DATAERR)
        self.assertIn("delivered:1: ", done.stderr)
        done = self.bench("verify", "--accepted", self.accepted,
                          "--delivered", "/nonexistent")
        self.assertEqual(done.returncode, EX_NOINPUT)


if __name__ == "__main__":
    unittest.main()
