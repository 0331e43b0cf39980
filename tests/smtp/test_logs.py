# SPDX-License-Identifier: Apache-2.0
"""Delivery logs: JSON lines, Postfix's lines, journald; rotation; hostile
text."""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import unittest

from harness import (PATIENCE, RINGPOST, Relay, Sink, fresh_folder, needs,
                     wait_until)


class Journal:
    """A datagram socket that takes journald's native protocol."""

    def __init__(self):
        self.path = os.path.join(fresh_folder("journal"), "socket")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.entries = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            data = self.sock.recv(1 << 20)
            if data == b"end":
                return
            self.entries.append(self.parse(data))

    @staticmethod
    def parse(data):
        fields = {}
        while data:
            line, _, data = data.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:
                size, = struct.unpack("<Q", data[:8])
                value, data = data[8:8 + size], data[9 + size:]
            fields[name.decode()] = value.decode(errors="replace")
        return fields

    def end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", self.path)
        self.thread.join()
        self.sock.close()

    def vanish(self):
        os.rename(self.path, self.path + ".gone")
        self.path += ".gone"

    def find(self, event):
        return [e for e in self.entries if e.get("RINGPOST_EVENT") == event]


class Logs:
    """A relay with a delivery log in each format."""

    def __init__(self, test, next_hop, journal=None, **config):
        folder = fresh_folder("logs")
        self.json = os.path.join(folder, "delivery.json")
        self.text = os.path.join(folder, "mail.log")
        logs = [{"format": "json", "file": self.json},
                {"format": "postfix", "file": self.text}]
        if journal:
            logs.append({"format": "journald", "file": journal.path})
        self.relay = Relay(next_hop, log={"delivery": logs}, **config).start()
        test.addCleanup(self.relay.kill)

    def records(self, kind=None, path=None):
        try:
            with open(path or self.json, encoding="utf-8") as f:
                text = f.read()
        except FileNotFoundError:
            return []
        lines = text.split("\n")[:-1]
        return [r for r in map(json.loads, lines)
                if kind is None or r["type"] == kind]

    def lines(self):
        with open(self.text, encoding="utf-8") as f:
            return f.read().split("\n")[:-1]

    def wait(self, kind, count=1):
        wait_until(lambda: len(self.records(kind)) >= count,
                   lambda: f"{count} of {kind}: {self.records()}")
        return self.records(kind)


MESSAGE = b"Message-ID: <one@from.test>\r\nSubject: x\r\n\r\nhello\r\n"


class Records(unittest.TestCase):
    def test_a_message_that_is_delivered(self):
        with Sink() as sink:
            logs = Logs(self, sink.port, route={"tls": "encrypt"})
            logs.relay.send(MESSAGE, "a@from.test", ["b@to.test", "c@to.test"])
            logs.wait("Removal")
            logs.relay.stop()
            reception, = logs.records("Reception")
            self.assertEqual(reception["sender"], "a@from.test")
            self.assertEqual(reception["num_recipients"], 2)
            self.assertEqual(reception["message_id"], "<one@from.test>")
            self.assertEqual(reception["size"], len(MESSAGE))
            self.assertEqual(reception["client_address"], "127.0.0.1")
            self.assertEqual(reception["protocol"], "ESMTPS")
            self.assertEqual(reception["helo"], "client.example.test")
            self.assertEqual(reception["tls_protocol_version"], "TLSv1.3")
            self.assertIn("tls_offload", reception)
            first, second = logs.records("Delivery")
            self.assertEqual({first["recipient"], second["recipient"]},
                             {"b@to.test", "c@to.test"})
            self.assertEqual(first["id"], reception["id"])
            self.assertEqual(first["code"], 250)
            self.assertEqual(first["peer_address"], "127.0.0.1")
            self.assertEqual(first["peer_port"], sink.port)
            self.assertEqual(first["conn_use"], 1)
            self.assertEqual(first["num_attempts"], 1)
            self.assertEqual(first["tls_protocol_version"], "TLSv1.3")
            self.assertTrue(first["tls_cipher"].startswith("TLS_"))
            parts = sum(first["delay_" + p]
                        for p in ("queue", "connect", "transmit"))
            self.assertAlmostEqual(parts, first["delay"], delta=0.004)
            removal, = logs.records("Removal")
            self.assertEqual(removal["id"], reception["id"])

    def test_a_message_that_is_deferred_and_bounced(self):
        answers = ["450 4.2.0 later", "550 5.1.1 never"]

        def hook(session, stage, line):
            if stage == "RCPT" and "a@from.test" not in line:
                return answers.pop(0) if answers else None
            return None
        with Sink(hook=hook) as sink:
            logs = Logs(self, sink.port)
            logs.relay.send(MESSAGE, "a@from.test", ["b@to.test"])
            logs.wait("Removal", 2)
            logs.relay.stop()
            deferred, = logs.records("TransientFailure")
            self.assertEqual(deferred["code"], 450)
            self.assertEqual(deferred["enhanced_code"], "4.2.0")
            self.assertEqual(deferred["command"], "RCPT")
            bounced, = logs.records("Bounce")
            self.assertEqual(bounced["code"], 550)
            self.assertEqual(bounced["num_attempts"], 2)
            report, = logs.records("Notification")
            self.assertEqual(report["about"], bounced["id"])
            self.assertEqual(report["recipient"], "a@from.test")
            delivered, = logs.records("Delivery")
            self.assertEqual(delivered["id"], report["id"])
            self.assertEqual(delivered["sender"], "")

    def test_a_message_that_expires(self):
        logs = Logs(self, 9, retry={"schedule": ["100ms"], "expire": "200ms"})
        logs.relay.send(MESSAGE, "", ["b@to.test"])
        expired, = logs.wait("Expiration")
        self.assertNotIn("peer_address", expired)
        self.assertGreaterEqual(expired["delay"], 0.2)
        logs.wait("Removal")
        logs.relay.stop()

    def test_a_refused_recipient(self):
        logs = Logs(self, 9, relay_from=[])
        with logs.relay.client() as c:
            c.greet()
            c.expect(250, "MAIL FROM:<a@from.test>")
            c.expect(554, "RCPT TO:<b@to.test>")
        rejected, = logs.wait("Rejection")
        self.assertEqual(rejected["recipient"], "b@to.test")
        self.assertEqual(rejected["sender"], "a@from.test")
        self.assertEqual(rejected["command"], "RCPT")
        logs.relay.stop()
        line, = [x for x in logs.lines() if "reject" in x]
        self.assertRegex(line, r"postfix/smtpd\[\d+\]: NOQUEUE: reject: RCPT "
                         r"from unknown\[127\.0\.0\.1\]: 554 5\.7\.1 .*; "
                         r"from=<a@from\.test> to=<b@to\.test> proto=ESMTP "
                         r"helo=<client\.example\.test>\Z")


class Postfix(unittest.TestCase):
    def deliver(self):
        answers = ["450 4.2.0 later"]

        def hook(session, stage, line):
            if stage == "RCPT" and "late@" in line and answers:
                return answers.pop()
            if stage == "RCPT" and "never@" in line:
                return "550 5.1.1 no such user"
            return None
        with Sink(hook=hook) as sink:
            logs = Logs(self, sink.port)
            logs.relay.send(MESSAGE, "a@from.test",
                            ["b@to.test", "late@to.test", "never@to.test"])
            logs.wait("Removal", 2)
            logs.relay.stop()
            return logs

    def test_the_lines_that_operators_know(self):
        text = "\n".join(self.deliver().lines())
        start = r"(?m)^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d relay postfix/"
        number = r"\d+(\.\d+)?(e-\d+)?"
        for pattern in (
                r"smtpd\[\d+\]: connect from unknown\[127\.0\.0\.1\]$",
                r"smtpd\[\d+\]: \w{13}: client=unknown\[127\.0\.0\.1\]$",
                r"cleanup\[\d+\]: \w{13}: message-id=<one@from\.test>$",
                r"qmgr\[\d+\]: \w{13}: from=<a@from\.test>, size=\d+, nrcpt=3 "
                r"\(queue active\)$",
                r"smtp\[\d+\]: \w{13}: to=<b@to\.test>, relay=127\.0\.0\.1"
                r"\[127\.0\.0\.1\]:\d+, delay=" + number +
                r", delays=0(/" + number + r"){3}, dsn=2\.\d\.\d, "
                r"status=sent \(250 .*\)$",
                r"smtp\[\d+\]: \w{13}: to=<late@to\.test>, relay=.*, "
                r"dsn=4\.2\.0, status=deferred \(host 127\.0\.0\.1 said: 450 "
                r"4\.2\.0 later \(in reply to RCPT command\)\)$",
                r"smtp\[\d+\]: \w{13}: to=<never@to\.test>, .*dsn=5\.1\.1, "
                r"status=bounced \(host 127\.0\.0\.1 said: 550 5\.1\.1 no such "
                r"user \(in reply to RCPT command\)\)$",
                r"bounce\[\d+\]: \w{13}: sender non-delivery notification: "
                r"\w{13}$",
                r"qmgr\[\d+\]: \w{13}: from=<>, size=\d+, nrcpt=1 ",
                r"qmgr\[\d+\]: \w{13}: removed$",
                r"smtpd\[\d+\]: disconnect from unknown\[127\.0\.0\.1\]$"):
            self.assertRegex(text, start + pattern)

    def test_pflogsumm_understands_them(self):
        needs(self, None if shutil.which("pflogsumm") else
              "no pflogsumm: tests/setup/install test installs it")
        logs = self.deliver()
        done = subprocess.run(
            ["pflogsumm", logs.text], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=PATIENCE, text=True,
            env=dict(os.environ, LC_ALL="C"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        totals = dict((words[1], int(words[0])) for words in
                      (line.split() for line in done.stdout.split("\n"))
                      if len(words) >= 2 and words[0].isdigit())
        self.assertEqual(totals["received"], 1, done.stdout)
        self.assertEqual(totals["delivered"], 3, done.stdout)
        self.assertEqual(totals["deferred"], 1, done.stdout)
        self.assertEqual(totals["bounced"], 1, done.stdout)
        self.assertIn("to.test", done.stdout)
        self.assertIn("450", done.stdout)


class Journald(unittest.TestCase):
    def setUp(self):
        self.journal = Journal()
        self.addCleanup(self.journal.end)

    def test_the_delivery_log(self):
        with Sink() as sink:
            logs = Logs(self, sink.port, self.journal)
            logs.relay.send(MESSAGE, "a@from.test", ["b@to.test"])
            wait_until(lambda: self.journal.find("Removal"), "the journal")
            logs.relay.stop()
        entry, = self.journal.find("Delivery")
        self.assertEqual(entry["PRIORITY"], "6")
        self.assertEqual(entry["SYSLOG_IDENTIFIER"], "ringpost")
        self.assertEqual(entry["RINGPOST_RECIPIENT"], "b@to.test")
        self.assertEqual(entry["RINGPOST_CODE"], "250")
        self.assertTrue(entry["MESSAGE"].startswith("Delivery id="))
        self.assertIn("recipient=b@to.test", entry["MESSAGE"])

    def test_the_log_itself(self):
        relay = Relay(9, log={"format": "journald", "file": self.journal.path})
        process = subprocess.Popen(
            [RINGPOST, "serve", "--config", relay.write_config()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd=relay.folder)
        self.addCleanup(lambda: (process.poll() is None and process.kill(),
                                 process.wait()))
        wait_until(lambda: self.journal.find("serve.ready"), "the start")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE), 0)
        entry = self.journal.find("serve.stopped")[0]
        self.assertEqual(entry["MESSAGE"], "serve.stopped status=0")

    def test_a_journal_that_goes_away_stops_nothing(self):
        with Sink() as sink:
            logs = Logs(self, sink.port, self.journal)
            self.journal.vanish()
            logs.relay.send(MESSAGE, "a@from.test", ["b@to.test"])
            logs.wait("Removal")
            logs.relay.stop()


class Rotation(unittest.TestCase):
    def test_files_are_opened_anew(self):
        with Sink() as sink:
            logs = Logs(self, sink.port)
            logs.relay.send(MESSAGE, "one@from.test")
            logs.wait("Removal")
            for path in (logs.json, logs.text):
                os.rename(path, path + ".1")
            logs.relay.signal(signal.SIGHUP)
            wait_until(lambda: os.path.exists(logs.text)
                       and os.path.exists(logs.json), "the new files")
            logs.relay.send(MESSAGE, "two@from.test")
            logs.wait("Removal")
            logs.relay.stop()
            self.assertEqual([r["sender"] for r in logs.records("Delivery")],
                             ["two@from.test"])
            self.assertEqual(
                [r["sender"] for r in logs.records("Delivery",
                                                   logs.json + ".1")],
                ["one@from.test"])


HOSTILE = "\x1b[2J\\\"';%s%n=\r\t\u202e"


class Hostile(unittest.TestCase):
    def test_no_text_makes_lines_of_its_own(self):
        journal = Journal()
        self.addCleanup(journal.end)

        def hook(session, stage, line):
            if stage == "MAIL" and "@from.test" in line:
                return ("550 5.0.0 x\x00\x01\x1b[31m>, status=sent (250 ok) "
                        "\u202e")
            return None
        with Sink(hook=hook) as sink:
            logs = Logs(self, sink.port, journal)
            body = (b"Message-ID: <x\x1b[2J\\\"\x7f\xff\xfe\t>\r\n\r\nx\r\n")
            with logs.relay.client() as c:
                c.greet()
                c.ehlo("evil\"name\\x1b")
                c.envelope("\"a>,\\\" status\"@from.test",
                           ["\"<b>\\\"{}\"@to.test"])
                self.assertEqual(c.data(body).code, 250)
            logs.wait("Removal", 2)
            wait_until(lambda: journal.find("Bounce"), "the journal")
            logs.relay.stop()
            reception = logs.records("Reception")[0]
            self.assertEqual(reception["sender"],
                             "\"a>,\\\" status\"@from.test")
            self.assertEqual(reception["helo"], "evil\"name\\x1b")
            self.assertIn("\x1b", reception["message_id"])
            for line in logs.lines():
                self.assertRegex(
                    line, r"\A\w{3} [ \d]\d [\d:]{8} relay postfix/\w+\[\d+\]"
                    r": (NOQUEUE|connect|disconnect|\w{13}: )")
                self.assertFalse(re.search(r"[\x00-\x1f\x7f\u202e]", line))
                self.assertNotIn("from=<\"a>", line)
            bounce, = [x for x in logs.lines() if "status=bounced" in x]
            self.assertEqual(bounce.count("to=<"), 1)
            entry = journal.find("Bounce")[0]
            self.assertEqual(entry["RINGPOST_SENDER"],
                             "\"a>,\\\" status\"@from.test")
            self.assertNotIn("\x1b", entry["MESSAGE"])


class Configuration(unittest.TestCase):
    def test_a_file_that_cannot_be_opened_stops_the_start(self):
        relay = Relay(9, log={"delivery": [
            {"format": "json", "file": "/nowhere/at/all/x"}]})
        with self.assertRaises(AssertionError):
            relay.start()
        self.assertIn("/nowhere/at/all/x", relay.log_text())


if __name__ == "__main__":
    unittest.main()
