# SPDX-License-Identifier: Apache-2.0
"""ringpost top: how a running relay is doing."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
import unittest

from harness import (PATIENCE, RINGPOST, Relay, Sink, run_program, wait_until)

HOSTILE = "\x1b[2J\x07 go away"


class Top(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = Sink(hook=cls.answer).start()
        cls.addClassCleanup(cls.sink.stop)
        cls.relay = Relay(cls.sink.port, retry={"schedule": ["1h"],
                                                "expire": "2h"}).start()
        cls.addClassCleanup(cls.relay.kill)
        cls.socket = os.path.join(cls.relay.config["spool"]["path"],
                                  "admin.sock")
        cls.relay.send(recipients=["later@two.test"])
        wait_until(lambda: cls.status()["deferrals"], "a deferral")

    @classmethod
    def tearDownClass(cls):
        cls.relay.stop()

    @staticmethod
    def answer(session, stage, line):
        return "451 4.7.1 " + HOSTILE if stage == "RCPT" else None

    @classmethod
    def top(cls, *args):
        return run_program("top", *args, "--socket", cls.socket)

    @classmethod
    def status(cls):
        done = cls.top("--json")
        if done.returncode:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)

    def test_json_is_one_answer(self):
        status = self.status()
        self.assertEqual(status["type"], "status")
        self.assertEqual(status["inbound"]["messages"], 1)
        self.assertEqual(status["queue"]["deferred"], 1)
        self.assertGreaterEqual(status["uptime"], 0)

    def test_once_has_it_all_and_no_terminal_codes(self):
        done = self.top("--once")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("takes mail", done.stdout)
        self.assertIn(f"127.0.0.1:{self.sink.port}", done.stdout)
        self.assertIn("two.test: 451 4.7.1", done.stdout)
        self.assertIn("go away", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        self.assertNotIn("\x07", done.stdout)

    def test_mistakes(self):
        for args in (["--limit", "0"], ["--limit", "101"], ["--interval", "x"],
                     ["--nothing"], ["word"], ["--limit"]):
            self.assertEqual(self.top(*args).returncode, 64, args)
        self.assertIn("Usage", self.top("--help").stdout)

    def test_no_relay(self):
        done = run_program("top", "--socket", self.socket + "x")
        self.assertEqual(done.returncode, 69)

    def test_in_a_terminal_until_q(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 12, 60, 0, 0))
        before = termios.tcgetattr(slave)
        child = subprocess.Popen(
            [RINGPOST, "top", "--interval", "1", "--socket", self.socket],
            stdin=slave, stdout=slave, stderr=slave)
        self.addCleanup(lambda: child.poll() is None and child.kill())
        said = b""
        deadline = time.monotonic() + PATIENCE

        def read_until(text, times=1):
            nonlocal said
            while said.count(text) < times:
                self.assertLess(time.monotonic(), deadline, said)
                if select.select([master], [], [], 1)[0]:
                    said += os.read(master, 65536)

        # Two screens: it goes on by itself.
        read_until(b"\x1b[H\x1b[J", 2)
        read_until(b"takes mail")
        screen = said.split(b"\x1b[H\x1b[J")[1].decode()
        lines = screen.rstrip("\r\n").split("\r\n")
        self.assertLessEqual(len(lines), 11)
        self.assertLessEqual(max(len(line) for line in lines), 60)
        os.write(master, b"q")
        self.assertEqual(child.wait(PATIENCE), 0)
        read_until(b"\x1b[?1049l")
        self.assertEqual(termios.tcgetattr(slave), before)
        os.close(slave)


if __name__ == "__main__":
    unittest.main()
