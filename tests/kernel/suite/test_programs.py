# SPDX-License-Identifier: Apache-2.0
"""The build's C tests of kernel TLS: programs named kernel_*."""

import glob
import os
import subprocess
import unittest

from harness import BUILD

SKIPPED = 77


class Programs(unittest.TestCase):
    def test_there_are_some(self):
        self.assertTrue(PROGRAMS, f"no kernel_* program in {BUILD}")


def add(path):
    def test(self):
        done = subprocess.run([path], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=600)
        self.assertNotEqual(done.returncode, SKIPPED,
                            "skipped where it must run:\n" + done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)
    setattr(Programs, "test_" + os.path.basename(path), test)


PROGRAMS = sorted(
    path for path in glob.glob(os.path.join(BUILD, "tests", "kernel",
                                            "kernel_*"))
    if os.path.isfile(path) and os.access(path, os.X_OK))
for program in PROGRAMS:
    add(program)
