# SPDX-License-Identifier: Apache-2.0
"""ringpost trace: what sessions say, while they say it."""

import json
import os
import subprocess
import unittest

from harness import (PATIENCE, RINGPOST, Relay, Sink, free_port, run_program,
                     wait_until)


class Trace:
    """ringpost trace --json as a child that listens when this is made."""

    def __init__(self, test, relay, *args):
        self.process = subprocess.Popen(
            [RINGPOST, "trace", *args, "--json", "--socket",
             os.path.join(relay.config["spool"]["path"], "admin.sock")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        test.addCleanup(self.end)
        assert self.next()["type"] == "listening"

    def next(self):
        return json.loads(self.process.stdout.readline())

    def until(self, kind, text):
        """All lines up to the one of that kind with that text in it."""
        seen = []
        while not seen or not (seen[-1]["kind"] == kind
                               and text in seen[-1]["text"]):
            seen.append(self.next())
        return seen

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def texts(lines, kind):
    return [line["text"] for line in lines if line["kind"] == kind]


class Tracing(unittest.TestCase):
    def test_both_directions_and_tls(self):
        with Sink() as sink, Relay(sink.port, route={"tls": "encrypt"}) as \
                relay:
            trace = Trace(self, relay, f"127.0.0.1:{sink.port}")
            relay.send(b"Subject: secret\r\n\r\nsecret\r\n")
            seen = trace.until("received", "taken")
            sent, received = texts(seen, "sent"), texts(seen, "received")
            self.assertEqual(sent[:3], ["EHLO relay.example.test", "STARTTLS",
                                        "EHLO relay.example.test"])
            self.assertTrue(sent[3].startswith(
                "MAIL FROM:<from@example.test>"))
            self.assertEqual(sent[4], "RCPT TO:<to@example.test>")
            self.assertTrue(sent[5].startswith("BDAT "))
            self.assertTrue(received[0].startswith("220 "))
            notes = texts(seen, "note")
            self.assertEqual(notes[0], "connected")
            self.assertTrue(notes[1].startswith("TLSv1.3 TLS_"))
            self.assertRegex(notes[2], r"message, \d+ octets")
            self.assertNotIn("secret", json.dumps(seen))
            self.assertEqual(len({line["session"] for line in seen}), 1)

    def test_one_message(self):
        with Sink() as sink:
            relay = Relay(sink.port, retry={"schedule": ["1h"],
                                            "expire": "2h"}).start()
            self.addCleanup(relay.kill)
            control = ["--socket", os.path.join(
                relay.config["spool"]["path"], "admin.sock")]
            run_program("queue", "suspend", "127.0.0.1", *control)
            for n in range(3):
                relay.send(sender=f"from{n}@a.test")
            listed = run_program("queue", "list", "--sender", "from1@a.test",
                                 "--json", *control).stdout
            wanted = json.loads(listed.splitlines()[0])["id"]
            trace = Trace(self, relay, wanted)
            run_program("queue", "resume", "127.0.0.1", *control)
            seen = trace.until("received", "taken")
            self.assertEqual({line["id"] for line in seen}, {wanted})
            self.assertEqual([t for t in texts(seen, "sent")
                              if t.startswith("MAIL")][0].split(">")[0],
                             "MAIL FROM:<from1@a.test")
            sink.wait(3)
            relay.stop()

    def test_other_destinations_are_not_shown(self):
        with Sink() as sink, Relay(sink.port) as relay:
            other = Trace(self, relay, "192.0.2.1:25", "--limit", "1")
            mine = Trace(self, relay, "127.0.0.1")
            relay.send()
            mine.until("received", "taken")
            self.assertIsNone(other.process.poll())

    def test_a_limit_ends_it(self):
        with Sink() as sink, Relay(sink.port) as relay:
            trace = Trace(self, relay, "127.0.0.1", "--limit", "3")
            relay.send()
            self.assertEqual([trace.next()["type"] for _ in range(4)],
                             ["line"] * 3 + ["done"])
            self.assertEqual(trace.process.wait(PATIENCE), 0)

    def test_failures_are_shown(self):
        port = free_port()
        with Relay(port, retry={"schedule": ["1h"], "expire": "2h"}) as relay:
            trace = Trace(self, relay, f"127.0.0.1:{port}")
            relay.send()
            seen = trace.until("note", "closed")
            self.assertIn("refused", seen[-1]["text"])

    def test_a_listener_that_goes_hurts_nobody(self):
        with Sink() as sink, Relay(sink.port) as relay:
            trace = Trace(self, relay, "127.0.0.1")
            trace.end()
            for _ in range(3):
                self.assertEqual(relay.send().code, 250)
            sink.wait(3)

    def test_a_listener_that_does_not_read_hurts_nobody(self):
        with Sink() as sink, Relay(sink.port) as relay:
            trace = Trace(self, relay, "127.0.0.1")
            with relay.client() as client:
                client.greet()
                for _ in range(500):
                    client.envelope()
                    self.assertEqual(client.data(b"X: y\r\n\r\n").code, 250)
            sink.wait(500)
            trace.end()

    def test_mistakes(self):
        for args in ((), ("a", "b"), ("--limit", "0", "x"), ("--nonsense",)):
            done = run_program("trace", *args)
            self.assertEqual(done.returncode, 64, args)
        self.assertEqual(run_program("trace", "--help").returncode, 0)

    def test_people_see_the_dialogue(self):
        with Sink() as sink, Relay(sink.port) as relay:
            control = os.path.join(relay.config["spool"]["path"],
                                   "admin.sock")
            process = subprocess.Popen(
                [RINGPOST, "trace", "127.0.0.1", "--limit", "3", "--socket",
                 control], stdout=subprocess.PIPE, text=True)
            wait_until(lambda: relay.find_events("admin.trace"), "the trace")
            # It may listen a moment later only: until it has seen enough.
            while process.poll() is None:
                relay.send()
            shown = process.communicate()[0]
            self.assertEqual(len(shown.splitlines()), 3)
            self.assertRegex(shown, r"\[127.0.0.1\]:\d+ #\d+ [<>*] ")


if __name__ == "__main__":
    unittest.main()
