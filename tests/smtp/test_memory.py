# SPDX-License-Identifier: Apache-2.0
"""bench/memory: what idle connections cost."""

import os
import subprocess
import unittest

import harness


class Memory(unittest.TestCase):
    def test_rows_of_idle_connections(self):
        done = subprocess.run(
            [os.path.join(harness.ROOT, "bench", "memory"), "clear", "user",
             "--connections", "200"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True, check=True)
        rows = {cells[0]: list(map(int, cells[1:])) for cells in
                ([cell.strip() for cell in line.strip("|").split("|")]
                 for line in done.stdout.splitlines()[4:])}
        self.assertEqual(set(rows), {"clear", "user"})
        for connections, processes, *_ in rows.values():
            self.assertEqual((connections, processes), (200, 1))
        # OpenSSL's objects alone are some ten thousand octets.
        self.assertGreater(rows["user"][2], rows["clear"][2] + 5000)
