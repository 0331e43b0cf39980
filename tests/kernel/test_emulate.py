# SPDX-License-Identifier: Apache-2.0
"""The tables of bench/emulate. Without QEMU."""

import contextlib
import importlib.util
import io
import os
import sys
import unittest
from importlib.machinery import SourceFileLoader

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
sys.dont_write_bytecode = True
LOADER = SourceFileLoader("emulate", os.path.join(ROOT, "bench", "emulate"))
emulate = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("emulate", LOADER))
LOADER.exec_module(emulate)


def row(path, size, cost=None):
    if cost is None:
        return {"path": path, "size": size, "reason": "no", "failed": False}
    return {"path": path, "size": size,
            "metrics": {"client_instructions": {"median": cost * 1000}}}


class Table(unittest.TestCase):
    def lines(self, rows, part="send"):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            emulate.print_table({"6.1": {"rows": rows}}, "client_instructions",
                                *emulate.PARTS[part][2:])
        return [[cell.strip() for cell in line.strip("|").split("|")]
                for line in out.getvalue().splitlines() if "|" in line]

    def test_paths_and_sizes(self):
        lines = self.lines([row("a", 1024, 3), row("a", 512, 4),
                            row("b", 512, 5)])
        self.assertEqual(lines[0], ["path", "512 B", "1 KiB"])
        self.assertEqual(lines[2:4], [["a", "4", "3"], ["b", "5", ""]])

    def test_the_best_of_each_kind_are_compared(self):
        lines = self.lines([row("openssl-write", 1, 100),
                            row("openssl-ring", 1, 80),
                            row("ktls-send", 1, 72),
                            row("ktls-sendfile", 1, 60),
                            row("ktls-read", 1)])
        self.assertEqual(lines[-1][1:], ["0.75"])

    def test_nothing_to_compare(self):
        lines = self.lines([row("openssl-write", 1, 100), row("ktls-send", 1)])
        self.assertEqual(lines[-1][1:], ["-"])

    def test_what_chooses_for_itself_is_neither(self):
        lines = self.lines([row("relay-user", 1, 100), row("relay-auto", 1, 1),
                            row("relay-ktls", 1, 50)], "exchange")
        self.assertEqual(lines[-1][1:], ["0.50"])

    def test_receiving_is_not_compared(self):
        lines = self.lines([row("openssl-read", 1, 2), row("ktls-recv", 1, 1)],
                           "receive")
        self.assertEqual(lines[-1], ["ktls-recv", "1"])


if __name__ == "__main__":
    unittest.main()
