# SPDX-License-Identifier: Apache-2.0
"""ringpost inject and ringpost-sendmail: mail of local programs, handed to the
running relay."""

import json
import os
import subprocess
import unittest

from harness import (BUILD, PATIENCE, RINGPOST, Relay, Sink, fresh_folder,
                     wait_until)

SENDMAIL = os.path.join(BUILD, "gateway", "ringpost-sendmail")
OK, USAGE, DATAERR, NOINPUT, NOUSER, TEMPFAIL = 0, 64, 65, 66, 67, 75

MESSAGE = b"Subject: hello\n\nworld\n"


def run(*args, data=MESSAGE, **options):
    return subprocess.run(args, input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=PATIENCE, **options)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = Sink().__enter__()
        cls.relay = Relay(cls.sink.port, limits={"message_size": "64KiB"})
        cls.relay.start()
        cls.config = cls.relay.write_config()

    @classmethod
    def tearDownClass(cls):
        cls.relay.stop()
        cls.sink.__exit__(None, None, None)

    def setUp(self):
        self.before = len(self.sink.messages)

    def inject(self, *args, **options):
        return run(RINGPOST, "inject", "--config", self.config, *args,
                   **options)

    def sendmail(self, *args, **options):
        return run(SENDMAIL, "-C", self.config, *args, **options)

    def expect(self, done, code):
        self.assertEqual(done.returncode, code, done)
        return done

    def arrived(self, count=1):
        wait_until(lambda: len(self.sink.messages) >= self.before + count,
                   "the messages")
        return self.sink.messages[self.before:]


class Inject(Case):
    def test_a_message_is_delivered(self):
        done = self.expect(self.inject(
            "--from", "a@from.test", "--to", "b@to.test", "--to",
            "c@to.test"), OK)
        accepted = self.relay.wait_event("inbound.accepted",
                                         id=done.stdout.decode().strip())
        self.assertEqual(accepted["client"], f"local:uid={os.getuid()}")
        message, = self.arrived()
        self.assertEqual(message.sender, "a@from.test")
        self.assertEqual(sorted(message.recipients),
                         ["b@to.test", "c@to.test"])
        self.assertTrue(message.data.endswith(b"\r\n\r\nworld\r\n"))
        for field in ("Date", "From", "Message-ID"):
            self.assertIn("\r\n" + field + ": ", message.headers)
        self.assertIn("from userid " + str(os.getuid()), message.trace)

    def test_a_file_and_json(self):
        path = os.path.join(fresh_folder("inject"), "message")
        with open(path, "wb") as f:
            f.write(MESSAGE)
        done = self.expect(self.inject("--to", "b@to.test", "--json", path,
                                       data=b""), OK)
        said = json.loads(done.stdout)
        self.assertTrue(said["accepted"])
        self.assertEqual(said["code"], 250)
        self.relay.wait_event("inbound.accepted", id=said["id"])
        self.arrived()

    def test_recipients_of_the_header(self):
        self.expect(self.inject(
            "--headers", data=b"To: b@to.test\nBcc: c@to.test\n" + MESSAGE),
            OK)
        message, = self.arrived()
        self.assertEqual(sorted(message.recipients),
                         ["b@to.test", "c@to.test"])
        self.assertNotIn("c@to.test", message.headers)

    def test_raw_stays_raw(self):
        self.expect(self.inject("--raw", "--from", "<>", "--to", "b@to.test",
                                data=b"Bcc: x@y.test\n\nx"), OK)
        message, = self.arrived()
        self.assertEqual(message.sender, "")
        self.assertTrue(message.data.endswith(
            b"\r\nBcc: x@y.test\r\n\r\nx\r\n"), message.data)

    def test_a_message_too_large(self):
        done = self.expect(self.inject("--to", "b@to.test",
                                       data=b"\n" + b"x" * 65536), DATAERR)
        self.assertIn(b"limit of 65536 octets", done.stderr)

    def test_many_recipients(self):
        to = [word for n in range(300) for word in ("--to", f"r{n}@to.test")]
        self.expect(self.inject(*to), OK)
        wait_until(lambda: sum(len(m.recipients) for m in
                               self.sink.messages[self.before:]) == 300,
                   "all recipients")

    def test_mistakes(self):
        self.expect(self.inject(), USAGE)
        self.expect(self.inject("--nonsense"), USAGE)
        self.expect(self.inject("--to"), USAGE)
        self.expect(self.inject("--to", "no address at all"), USAGE)
        self.expect(self.inject("--to", "a@b.test", "--from", "a b"), USAGE)
        self.expect(self.inject("--to", "a@b.test", "/nowhere/at/all"),
                    NOINPUT)
        self.expect(self.inject("--headers"), NOINPUT)

    def test_the_relay_is_not_there(self):
        nowhere = os.path.join(fresh_folder("inject"), "sock")
        done = self.expect(run(RINGPOST, "inject", "--socket", nowhere,
                               "--to", "a@b.test"), TEMPFAIL)
        self.assertIn(nowhere.encode(), done.stderr)


class Refused(unittest.TestCase):
    def test_a_recipient_without_route(self):
        with Relay(9, route={"match": "to.test"}) as relay:
            done = run(RINGPOST, "inject", "--config", relay.write_config(),
                       "--to", "a@to.test", "--to", "b@other.test")
            self.assertEqual(done.returncode, NOUSER, done)
            self.assertIn(b"b@other.test", done.stderr)
            self.assertFalse(relay.find_events("inbound.accepted"))

    def test_the_socket_goes_with_the_relay(self):
        relay = Relay(9).start()
        self.addCleanup(relay.kill)
        path = os.path.join(relay.config["spool"]["path"], "inject.sock")
        self.assertTrue(os.path.exists(path))
        relay.stop()
        self.assertFalse(os.path.exists(path))

    def test_a_killed_relays_socket_is_replaced(self):
        path = os.path.join(fresh_folder("inject"), "sock")
        relay = Relay(9, inject={"socket": path}).start()
        self.addCleanup(relay.kill)
        relay.kill()
        self.assertTrue(os.path.exists(path))
        relay.start()
        self.assertEqual(
            run(RINGPOST, "inject", "--socket", path, "--to",
                "a@b.test").returncode, OK)
        relay.stop()


class Sendmail(Case):
    def test_recipients_on_the_command_line(self):
        self.expect(self.sendmail("-f", "a@from.test", "-F", "A B", "-oi",
                                  "b@to.test", "C <c@to.test>"), OK)
        message, = self.arrived()
        self.assertEqual(message.sender, "a@from.test")
        self.assertEqual(sorted(message.recipients),
                         ["b@to.test", "c@to.test"])
        self.assertIn('\r\nFrom: "A B" <a@from.test>\r\n',
                      message.headers + "\r\n")

    def test_recipients_of_the_header(self):
        self.expect(self.sendmail(
            "-t", "-i", data=b"To: root, b@to.test (B)\nBcc: c@to.test\n"
            + MESSAGE), OK)
        message, = self.arrived()
        self.assertEqual(sorted(message.recipients), [
            "b@to.test", "c@to.test", "root@relay.example.test"])
        self.assertNotIn("Bcc", message.headers)

    def test_a_dot_ends_the_message_or_not(self):
        body = MESSAGE + b".\nbehind\n"
        self.expect(self.sendmail("b@to.test", data=body), OK)
        self.expect(self.sendmail("-i", "b@to.test", data=body), OK)
        ends = sorted(m.data.partition(b"\r\n\r\n")[2]
                      for m in self.arrived(2))
        self.assertEqual(ends, [b"world\r\n", b"world\r\n.\r\nbehind\r\n"])

    def test_what_programs_say_is_taken(self):
        self.expect(self.sendmail("-bm", "-oem", "-odb", "-om", "-B8BITMIME",
                                  "-n", "-G", "-U", "-i", "-r", "a@from.test",
                                  "--", "b@to.test"), OK)
        self.arrived()

    def test_delivery_status_notifications(self):
        self.expect(self.sendmail("-N", "failure,delay", "-R", "hdrs", "-V",
                                  "id+2B1", "b@to.test"), OK)
        self.arrived()
        self.expect(self.sendmail("-V", "a\r\nRCPT TO:<x@y.test>",
                                  "b@to.test"), USAGE)

    def test_verbose_shows_the_dialogue(self):
        done = self.expect(self.sendmail("-v", "b@to.test"), OK)
        self.assertIn(b"> RCPT TO:<b@to.test>\n< 250 ", done.stdout)
        self.arrived()

    def test_smtp_on_standard_input(self):
        done = self.expect(self.sendmail(
            "-bs", data=b"EHLO x\r\nMAIL FROM:<a@from.test>\r\n"
            b"RCPT TO:<b@to.test>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"
            b"QUIT\r\n"), OK)
        codes = [line[:3] for line in done.stdout.split(b"\r\n")
                 if line[3:4] == b" "]
        self.assertEqual(codes, [b"220", b"250", b"250", b"250", b"354",
                                 b"250", b"221"])
        self.arrived()

    def test_other_names_and_modes(self):
        folder = fresh_folder("inject")
        for name, said in (("mailq", b""), ("newaliases", b"")):
            link = os.path.join(folder, name)
            os.symlink(SENDMAIL, link)
            self.expect(run(link, "-C", self.config, data=b""), OK)
        for args in (["-bp"], ["-bi"], ["-q"], ["-q30m"]):
            self.expect(self.sendmail(*args, data=b""), OK)
        self.expect(self.sendmail("-bd"), USAGE)
        self.expect(self.sendmail("-?"), USAGE)
        self.expect(self.sendmail(), USAGE)

    def test_the_relay_is_not_there(self):
        folder = fresh_folder("inject")
        config = os.path.join(folder, "ringpost.yaml")
        with open(config, "w") as f:
            f.write("inject: {socket: sock}\n")
        done = self.expect(run(SENDMAIL, "-C", config, "a@b.test"), TEMPFAIL)
        self.assertIn(b"Try again later", done.stderr)


if __name__ == "__main__":
    unittest.main()
