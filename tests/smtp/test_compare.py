# SPDX-License-Identifier: Apache-2.0
"""ringpost-bench compare: small runs (beside Postfix: test_postfix.py)."""

import dataclasses
import json
import os
import subprocess
import sys
import unittest

import harness

COMPARE = os.path.join(harness.ROOT, "bench", "compare")


def module(name):
    """One of compare's own modules."""
    if COMPARE not in sys.path:
        sys.path.append(COMPARE)
    return __import__(name)


def compare(*args, peers="nowhere"):
    """Exit status, output and the JSON of a comparison."""
    folder = harness.fresh_folder("compare")
    # Relays that gave up root must find their way in.
    for path in (harness.scratch(), folder):
        os.chmod(path, 0o755)
    runs = os.path.join(folder, "runs.json")
    done = subprocess.run(
        [harness.BENCH, "compare", "--folder", folder, "--json", runs, *args],
        env=dict(os.environ, RINGPOST_PEERS=os.path.join(folder, peers)),
        stdin=subprocess.DEVNULL, text=True, capture_output=True,
        timeout=10 * harness.PATIENCE)
    report = None
    if os.path.exists(runs):
        with open(runs) as f:
            report = json.load(f)
    return done, report


def compare_plain(*args):
    """With nothing but these arguments."""
    return subprocess.run([harness.BENCH, "compare", *args], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True), None


class Own(unittest.TestCase):
    """ringpost alone."""

    def test_every_run_is_counted(self):
        done, report = compare(
            "--relays", "ringpost", "--works", "small,spread,single",
            "--repeats", "2", "--scale", "0.01")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(
            [(r["work"], r["repeat"]) for r in report["runs"]],
            [(work, repeat) for work in ("small", "spread", "single")
             for repeat in (0, 1)])
        for run in report["runs"]:
            self.assertEqual((run["lost"], run["duplicated"],
                              run["different"]), (0, 0, 0), run)
            self.assertGreater(run["cpu_seconds"], 0)
            self.assertGreater(run["peak_memory"], 0)
            self.assertGreater(run["latency_p50"], 0)
            self.assertGreaterEqual(run["latency_p99"], run["latency_p50"])

    def test_single_means_a_connection_for_each_message(self):
        _, report = compare("--relays", "ringpost", "--works", "single",
                            "--repeats", "1", "--scale", "0.03")
        run = report["runs"][0]
        self.assertEqual(run["handshakes_in"], run["messages"])
        self.assertGreaterEqual(run["handshakes_out"], run["messages"])

    def test_bodies_arrive_as_they_are(self):
        _, report = compare("--relays", "ringpost", "--works", "large",
                            "--repeats", "1", "--scale", "0.1")
        self.assertEqual(report["runs"][0]["different"], 0)

    def test_the_table_names_what_it_measured(self):
        done, _ = compare("--relays", "ringpost", "--works", "small",
                          "--repeats", "1", "--scale", "0.01", "--markdown")
        self.assertIn("| relay | delivered/s |", done.stdout)
        self.assertIn("40 messages of 4 KiB, 20 connections", done.stdout)


class Pieces(unittest.TestCase):
    """A comparison made in several runs."""

    @classmethod
    def setUpClass(cls):
        done, cls.report = compare("--relays", "ringpost", "--works", "small",
                                   "--repeats", "1", "--scale", "0.01")
        assert done.returncode == 0, done.stderr

    def setUp(self):
        self.runs = os.path.join(harness.fresh_folder("pieces"), "all.json")
        with open(self.runs, "w") as f:
            json.dump(self.report, f)

    def read(self):
        with open(self.runs) as f:
            return json.load(f)["runs"]

    def test_a_later_run_is_added(self):
        done, _ = compare("--relays", "ringpost", "--works", "small,single",
                          "--repeats", "1", "--scale", "0.01", "--append",
                          "--json", self.runs)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([(r["work"], r["repeat"]) for r in self.read()],
                         [("small", 0), ("small", 1), ("single", 1)])

    def test_tables_without_another_run(self):
        picture = self.runs + ".svg"
        done, _ = compare("--relays", "ringpost", "--repeats", "0", "--json",
                          self.runs, "--append", "--targets", "--plot",
                          picture)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.read()), 1)
        self.assertRegex(done.stdout, r"(?m)^ringpost +[\d,]+ ")
        self.assertRegex(done.stdout, r"ringpost : Postfix +>= 10 +not measur")
        with open(picture) as f:
            self.assertIn("<svg", f.read())

    def test_a_damaged_file_is_named(self):
        with open(self.runs, "w") as f:
            f.write("{")
        done, _ = compare("--relays", "ringpost", "--repeats", "0", "--json",
                          self.runs, "--append")
        self.assertEqual(done.returncode, 69)
        self.assertIn(self.runs, done.stderr)


class Targets(unittest.TestCase):
    """What is made of medians."""

    def result(self, relay, work, **figures):
        measure = module("measure")
        made = dict.fromkeys(
            (f.name for f in dataclasses.fields(measure.Result)), 0)
        made.update(relay=relay, work=work, messages=1000, octets=10 ** 9,
                    delivered_seconds=1.0, cpu_seconds=1.0)
        return measure.Result(**{**made, **figures})

    def judge(self, results, durable=("postfix",), floors=()):
        found = module("targets").judge(results, durable, floors)
        return {v.target: v for v in found if v.met is not None}

    def test_speed_is_own_above_the_other(self):
        found = self.judge([
            self.result("ringpost", "small", delivered_seconds=1.0),
            self.result("postfix", "small", delivered_seconds=12.0)])
        verdict = found["4 KiB: delivered/s, ringpost : Postfix"]
        self.assertEqual((verdict.measured, verdict.met), ("12.00", True))

    def test_cpu_is_the_other_above_own(self):
        found = self.judge([self.result("ringpost", "small", cpu_seconds=2),
                            self.result("postfix", "small", cpu_seconds=6)])
        verdict = found["4 KiB: CPU for a message, Postfix : ringpost"]
        self.assertEqual((verdict.measured, verdict.met), ("3.00", False))

    def test_the_best_is_the_fastest_durable_one(self):
        found = self.judge([
            self.result("ringpost", "medium", delivered_seconds=1.0),
            self.result("slow", "medium", delivered_seconds=20.0),
            self.result("postfix", "medium", delivered_seconds=6.0),
            self.result("careless", "medium", delivered_seconds=2.0),
        ], durable=("slow", "postfix"))
        verdict = found["100 KiB: delivered/s, ringpost : best durable"]
        self.assertEqual((verdict.measured, verdict.met),
                         ("6.00 (postfix)", True))

    def test_cpu_of_large_mail_against_the_thriftiest_and_the_floor(self):
        floor = module("floor")
        found = self.judge(
            [self.result("ringpost", "large", cpu_seconds=2.0),
             self.result("exim", "large", cpu_seconds=30.0),
             self.result("postfix", "large", cpu_seconds=8.0)],
            durable=("exim", "postfix"),
            floors=[floor.Floor(aead=0.25, sending=0.2, receiving=0.3)])
        best = found["10 MiB: CPU for a GB, best durable : ringpost"]
        self.assertEqual((best.measured, best.met), ("4.00 (postfix)", False))
        own = found["10 MiB: CPU for a GB, ringpost : floor"]
        self.assertEqual((own.measured, own.met), ("2.00", True))

    def test_memory_is_of_a_thousand_connections(self):
        found = self.judge([self.result("ringpost", "thousand",
                                        peak_memory=65 << 20)])
        verdict = found["1,000 connections: peak memory, MiB"]
        self.assertEqual((verdict.measured, verdict.met), ("65.00", False))


class Refusals(unittest.TestCase):
    def test_unknown_relay(self):
        done, _ = compare("--relays", "pigeon")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no relay pigeon; there are: ringpost", done.stderr)

    def test_a_relay_that_cannot_run_is_named(self):
        if os.path.exists("/usr/sbin/exim4"):
            self.skipTest("Exim is installed on this machine")
        done, report = compare("--relays", "ringpost,exim,opensmtpd,haraka",
                               "--works", "small", "--repeats", "1",
                               "--scale", "0.01")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("exim: not run here: no Exim", done.stdout)
        for name in ("exim", "opensmtpd", "haraka"):
            self.assertIn("compare --fetch gets it", report["not_run"][name])

    def test_more_needs_a_file(self):
        done, _ = compare_plain("--append")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--append needs --json", done.stderr)

    def test_nothing_can_run(self):
        if os.path.exists("/usr/sbin/exim4"):
            self.skipTest("Exim is installed on this machine")
        done, _ = compare("--relays", "exim")
        self.assertEqual(done.returncode, 69)
