# SPDX-License-Identifier: Apache-2.0
"""The build's C tests of kernel TLS: programs named kernel_*."""

import ctypes
import glob
import os
import re
import subprocess
import unittest

from harness import BUILD, PATIENCE

SKIPPED = 77


class Programs(unittest.TestCase):
    def test_there_are_some(self):
        self.assertTrue(PROGRAMS, f"no kernel_* program in {BUILD}")


class MissingCipher(unittest.TestCase):
    """A kernel that should have a cipher and has not got it."""

    MODULE = "chacha20poly1305"
    DELETE_MODULE, FINIT_MODULE = 176, 313  # x86-64
    LOADER = "/proc/sys/kernel/modprobe"

    def call(self, number, *args):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(number, *args) != 0:
            self.fail(os.strerror(ctypes.get_errno()))

    def insert(self):
        folder = f"/usr/lib/modules/{os.uname().release}"
        path, = glob.glob(f"{folder}/**/{self.MODULE}.ko", recursive=True)
        fd = os.open(path, os.O_RDONLY)
        self.call(self.FINIT_MODULE, fd, b"", 0)
        os.close(fd)

    def set_loader(self, path):
        with open(self.LOADER, "w") as f:
            f.write(path)

    def take_away(self):
        with open(self.LOADER) as f:
            self.addCleanup(self.set_loader, f.read().strip())
        self.set_loader("/bin/false")
        self.call(self.DELETE_MODULE, self.MODULE.encode(), 0)
        self.addCleanup(self.insert)

    def test_is_a_failure_with_a_name(self):
        release = [int(n) for n in re.findall(r"\d+", os.uname().release)]
        used = release[:2] >= [5, 11]  # by kernel TLS
        if used:
            self.take_away()
        done = subprocess.run(
            [os.path.join(BUILD, "tests/kernel/kernel_install")],
            stdin=subprocess.DEVNULL, text=True, timeout=10 * PATIENCE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode > 0, used, done.stdout)
        self.assertEqual("[  FAILED  ] test_probe_finds_every_cipher"
                         in done.stdout, used, done.stdout)
        self.assertIn("[       OK ] test_no_pad_does_no_harm", done.stdout)


def add(path):
    def test(self):
        done = subprocess.run([path], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT,
                              timeout=10 * PATIENCE)
        # tests/kernel/run makes a table of them.
        rows = re.findall(r"^byte path: .*\n", done.stdout, re.M)
        if rows:
            print("\n" + "".join(rows), end="", flush=True)
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
