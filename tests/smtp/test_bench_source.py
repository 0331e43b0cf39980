# SPDX-License-Identifier: Apache-2.0
"""ringpost-bench source from outside: what it sends to whom, when, and what it
says of the time each step took. Only lower bounds of times are asserted: a
sleep is never too short.

The program is taken from RINGPOST_BUILD (default: build/).
"""

import csv
import os
import re
import signal
import subprocess

from test_bench import (BENCH, EX_OK, EX_TEMPFAIL, EX_USAGE, PATIENCE,
                        BenchTest, lines, wait_until)

EX_CANTCREAT = 73
OPENING = {"connect", "greeting", "handshake", "ehlo"}
SENDING = {"envelope", "body", "reply", "transaction", "message"}


class SourceTest(BenchTest):
    def run_source(self, *args, sink=(), tls="none"):
        """Totals of both ends."""
        s = self.sink(*sink, tls=tls)
        sent = self.source(s.address, "--tls", tls, *args)
        return sent, s.stop()

    def latency(self, *args, **kwargs):
        return self.run_source(*args, **kwargs)[0]["latency"]

    def sizes(self):
        return [int(line.split()[2]) for line in lines(self.accepted)]

    def recipients(self):
        """Domains of each delivered message's recipients."""
        return [re.findall(r"@([^,\s]+)", line.split(" ", 3)[3]) for line in
                sorted(lines(os.path.join(self.folder, "delivered")))]


class Latency(SourceTest):
    def test_every_step_of_starttls(self):
        rows = self.latency("--messages", "30", "--connections", "3",
                            "--connect-first", tls="starttls")
        self.assertEqual(set(rows), OPENING | SENDING)
        for name, row in rows.items():
            self.assertEqual(row["count"], 3 if name in OPENING else 30, name)

    def test_values_are_in_order(self):
        rows = self.latency("--messages", "50", "--per-connection", "5")
        for name, row in rows.items():
            values = [row[key] for key in ("min_us", "p50_us", "p90_us",
                                           "p99_us", "p99_9_us", "max_us")]
            self.assertEqual(values, sorted(values), name)
            self.assertGreater(values[0], 0, name)
            self.assertTrue(values[0] <= row["mean_us"] <= values[-1], name)

    def test_steps_that_are_not_taken_have_no_row(self):
        self.assertEqual(set(self.latency()),
                         {"connect", "greeting"} | SENDING)
        self.assertEqual(set(self.latency(tls="implicit")),
                         OPENING - {"ehlo"} | SENDING)

    def test_bdat_goes_along_with_the_envelope(self):
        self.assertNotIn("envelope", self.latency("--bdat", "100%"))
        rows = self.latency("--bdat", "100%", "--pipelining", "no")
        self.assertEqual(rows["envelope"]["count"], 1)

    def test_a_transaction_is_the_sum_of_its_steps(self):
        for args in ((), ("--pipelining", "no"),
                     ("--bdat", "100%", "--pipelining", "no")):
            with self.subTest(args=args):
                rows = self.latency("--messages", "40", "--size", "1K-100K",
                                    "--rcpts", "3", *args)
                steps = sum(rows[name]["mean_us"]
                            for name in ("envelope", "body", "reply"))
                self.assertAlmostEqual(rows["transaction"]["mean_us"], steps,
                                       delta=0.01)

    def test_time_is_booked_where_it_was_spent(self):
        # The sink may begin its pause while the step before still ends here.
        for phase, names in (("connect", ("connect", "greeting")),
                             ("starttls", ("handshake",)),
                             ("rcpt", ("envelope",)),
                             ("eod", ("body", "reply")),
                             ("eod", ("transaction",)),
                             ("eod", ("message",))):
            with self.subTest(phase=phase, names=names):
                rows = self.latency(sink=("--delay-ms", f"{phase}=30"),
                                    tls="starttls")
                self.assertGreaterEqual(
                    sum(rows[name]["min_us"] for name in names), 29999)

    def test_only_what_was_accepted_counts(self):
        s = self.sink("--reply", "eod=550:50%", tls="none")
        sent = self.source(s.address, "--tls", "none", "--messages", "40",
                           status=EX_TEMPFAIL)
        self.assertLess(sent["accepted"], 40)
        self.assertEqual(sent["latency"]["message"]["count"],
                         sent["accepted"])

    def test_a_message_has_its_retries_in_it(self):
        sent, _ = self.run_source(
            "--messages", "20", "--retry", "--retry-delay-ms", "20",
            sink=("--reply", "eod=451:50%"))
        self.assertGreater(sent["retried"], 0)
        self.assertGreaterEqual(sent["latency"]["message"]["max_us"], 20000)

    def test_table(self):
        s = self.sink()
        done = self.bench("source", "--to", s.address, "--messages", "7")
        self.assertEqual(done.returncode, EX_OK, done.stderr)
        text = done.stdout.splitlines()
        head = text.index("ms                 min       p50       p90       "
                          "p99     p99.9       max     count")
        self.assertEqual([line.split()[0] for line in text[head + 1:]],
                         ["connect", "greeting", "handshake", "ehlo",
                          "envelope", "body", "reply", "transaction",
                          "message"])
        for line in text[head + 1:]:
            self.assertRegex(line, r"^[a-z]+( +[0-9.]+){6} +[17]$")

    def test_histogram(self):
        path = os.path.join(self.folder, "latency.csv")
        rows = self.latency("--messages", "60", "--histogram", path)
        with open(path, newline="") as f:
            buckets = list(csv.DictReader(f))
        self.assertEqual({b["phase"] for b in buckets}, set(rows))
        for name, row in rows.items():
            mine = [b for b in buckets if b["phase"] == name]
            self.assertEqual(sum(int(b["count"]) for b in mine), row["count"])
            self.assertEqual(float(mine[-1]["share"]), 1)
            self.assertLessEqual(int(mine[0]["from_ns"]),
                                 row["min_us"] * 1000 + 1)
            self.assertGreaterEqual(int(mine[-1]["to_ns"]),
                                    int(row["max_us"] * 1000))
            ends = [int(b[key]) for b in mine for key in ("from_ns", "to_ns")]
            self.assertEqual(ends, sorted(ends))

    def test_histogram_that_cannot_be_written(self):
        s = self.sink(tls="none")
        done = self.bench("source", "--to", s.address, "--tls", "none",
                          "--histogram", self.folder + "/no/where")
        self.assertEqual(done.returncode, EX_CANTCREAT)
        self.assertEqual(s.stop()["connections"], 0)


class Rate(SourceTest):
    def test_a_rate_is_not_exceeded(self):
        for n in ("1", "4"):
            with self.subTest(connections=n):
                self.setUp()
                sent, _ = self.run_source("--messages", "41", "--rate", "200",
                                          "--connections", n)
                self.assertGreaterEqual(sent["seconds"], 0.2)
                self.assertEqual(sent["rate"], 200)
                self.assert_all_equal(41)

    def test_latency_counts_from_when_a_message_was_due(self):
        # 20 ms each, due every ms: the last one waits for those before it.
        args = ("--messages", "20", "--connections", "1")
        rows = self.latency(*args, "--rate", "1000",
                            sink=("--delay-ms", "20"))
        self.assertGreaterEqual(rows["wait"]["max_us"], 19 * 19000)
        self.assertGreaterEqual(rows["message"]["max_us"], 19 * 19000 + 20000)
        self.assertEqual(rows["message"]["count"], 20)

    def test_without_a_rate_nothing_is_late(self):
        sent, _ = self.run_source("--messages", "20")
        self.assertNotIn("wait", sent["latency"])
        self.assertIsNone(sent["rate"])

    def test_the_table_says_so(self):
        s = self.sink(tls="none")
        done = self.bench("source", "--to", s.address, "--tls", "none",
                          "--rate", "250.5")
        self.assertEqual(done.stdout.splitlines()[-1],
                         "message: from the moment it was due, at 250.5 a "
                         "second, to its reply")

    def test_a_signal_ends_the_wait(self):
        s = self.sink(tls="none")
        source = subprocess.Popen(
            [BENCH, "source", "--to", s.address, "--tls", "none", "--messages",
             "5", "--connections", "3", "--rate", "0.0001", "--ledger",
             self.accepted], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(source.wait)
        self.addCleanup(source.kill)
        wait_until(lambda: len(lines(self.accepted)) == 1, "the first one")
        source.send_signal(signal.SIGTERM)
        out, _ = source.communicate(timeout=PATIENCE)
        self.assertEqual(source.returncode, EX_TEMPFAIL)
        self.assertIn("not tried    4\n", out)
        self.assert_all_equal(1)


class Load(SourceTest):
    """Sizes, domains and recipients."""

    def test_sizes_with_weights(self):
        self.run_source("--messages", "200", "--size", "4K:3,20K:1")
        self.assert_all_equal(200)
        sizes = self.sizes()
        self.assertEqual(set(sizes), {4096, 20480})
        self.assertIn(sizes.count(20480), range(30, 71))

    def test_log_normal_sizes(self):
        self.run_source("--messages", "200", "--size",
                        "lognormal:8K,1,50000")
        self.assert_all_equal(200)
        sizes = self.sizes()
        self.assertLessEqual(max(sizes), 50000)
        self.assertGreater(len(set(sizes)), 150)
        self.assertIn(len([s for s in sizes if s <= 8192]), range(70, 131))

    def test_the_same_seed_makes_the_same_load(self):
        def load(seed):
            self.setUp()
            self.run_source(
                "--messages", "50", "--run", "x", "--seed", seed, "--size",
                "lognormal:4K,1.5,100K", "--to-domain", "a.test,d#.test*9~1:3",
                "--rcpts", "1:2,2-6:1")
            return sorted(lines(self.accepted)), self.recipients()

        first = load("5")
        self.assertEqual(load("5"), first)
        mail, recipients = load("6")
        self.assertNotEqual([m.split()[2:] for m in mail],
                            [m.split()[2:] for m in first[0]])
        self.assertNotEqual(recipients, first[1])

    def test_domains_with_weights(self):
        self.run_source("--messages", "300", "--to-domain",
                        "a.test:10,never.test:0,b.test:5")
        domains = sum(self.recipients(), [])
        self.assertEqual(set(domains), {"a.test", "b.test"})
        self.assertIn(domains.count("b.test"), range(65, 136))

    def test_a_set_of_domains(self):
        self.run_source("--messages", "30", "--to-domain", "d#.in.test*10")
        domains = sum(self.recipients(), [])
        self.assertEqual({name: domains.count(name) for name in domains},
                         {f"d{n}.in.test": 3 for n in range(10)})

    def test_recipients_by_distribution(self):
        sent, got = self.run_source("--messages", "60", "--rcpts", "1:2,5")
        counts = [int(line.split()[3]) for line in lines(self.accepted)]
        self.assertEqual(set(counts), {1, 5})
        self.assertEqual(sum(counts), sent["rcpts_accepted"])
        self.assertEqual(got["rcpts"], sent["rcpts_accepted"])
        self.assert_all_equal(60)

    def test_nonsense_is_refused(self):
        for args in (("--size", "4K:x"), ("--size", "lognormal:4K"),
                     ("--rcpts", "0"), ("--rcpts", "10001"),
                     ("--rcpts", "lognormal:2,1"), ("--rate", "0"),
                     ("--rate", "-5"), ("--rate", "fast"),
                     ("--to-domain", "a.test,"), ("--to-domain", "d#.test"),
                     ("--to-domain", "a b")):
            with self.subTest(args=args):
                done = self.bench("source", "--to", "127.0.0.1:1", *args)
                self.assertEqual(done.returncode, EX_USAGE, done.stderr)
                self.assertIn(args[0], done.stderr)
