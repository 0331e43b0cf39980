# SPDX-License-Identifier: Apache-2.0
"""ringpost-bench compare: small runs (beside Postfix: test_postfix.py)."""

import json
import os
import subprocess
import unittest

import harness


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


class Refusals(unittest.TestCase):
    def test_unknown_relay(self):
        done, _ = compare("--relays", "pigeon")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no relay pigeon; there are: ringpost", done.stderr)

    def test_a_relay_that_cannot_run_is_named(self):
        if os.path.exists("/usr/sbin/exim4"):
            self.skipTest("Exim is installed on this machine")
        done, report = compare("--relays", "ringpost,exim", "--works",
                               "small", "--repeats", "1", "--scale", "0.01")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("exim: not run here: no Exim", done.stdout)
        self.assertIn("exim", report["not_run"])

    def test_nothing_can_run(self):
        if os.path.exists("/usr/sbin/exim4"):
            self.skipTest("Exim is installed on this machine")
        done, _ = compare("--relays", "exim")
        self.assertEqual(done.returncode, 69)
