# SPDX-License-Identifier: Apache-2.0
"""ringpost-bench sink with a script: each kind of rule, as smtplib, swaks, a
client by hand, ringpost-bench source and ringpost itself meet it."""

import json
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import time

from harness import ROOT, Client, Closed, Relay
from test_bench import (BENCH, EX_CONFIG, EX_TEMPFAIL, PATIENCE, BenchTest,
                        lines, wait_until)

BODY = b"Subject: test\r\n\r\nhello\r\n"


def trusting():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class ScriptTest(BenchTest):
    def script(self, *rules):
        """The path of a script with these rules; JSON is YAML too."""
        path = os.path.join(self.folder, "script.yaml")
        with open(path, "w") as f:
            f.write("rules:\n")
            for rule in rules:
                f.write("- " + json.dumps(rule) + "\n")
        return path

    def scripted(self, *rules, args=(), **kwargs):
        return self.sink("--script", self.script(*rules), *args, **kwargs)

    def client(self, sink):
        client = Client(sink.port)
        self.addCleanup(client.close)
        return client

    @staticmethod
    def end(client, sink):
        """The sink's totals; it need not wait for this client."""
        client.close()
        return sink.stop()

    def smtp(self, sink):
        client = smtplib.SMTP("127.0.0.1", sink.port, timeout=PATIENCE)
        self.addCleanup(client.close)
        return client

    def assert_relayed(self, sink, count, duplicates=0, **route):
        """ringpost, as the client, delivers all in spite of the script."""
        with Relay(next_hop=sink.port, route=route) as relay:
            sent = self.source(f"127.0.0.1:{relay.port}", "--messages",
                               str(count), "--size", "100-50K")
            self.assertEqual(sent["accepted"], count)
            wait_until(lambda: len(lines(sink.ledger)) >= count + duplicates,
                       "deliveries")
        got = sink.stop()
        self.verify("--allow-duplicates", str(duplicates))
        self.assertEqual(got["duplicates"], duplicates)
        return got


class Patterns(ScriptTest):
    """Who is struck."""

    RULES = (
        {"at": "rcpt", "recipient": "postmaster@*", "accept": True},
        {"at": "rcpt", "recipient": ["*@full.test", "*@*.full.test"],
         "reply": "452 4.2.2 Mailbox full"},
        {"at": "mail", "sender": ["spam-??@*", "<>"],
         "reply": "550 5.7.1 Not from you"},
        {"at": "eod", "recipient": "late@*", "reply": "554 5.6.0 No"},
    )

    def test_by_hand(self):
        s = self.scripted(*self.RULES)
        c = self.client(s).greet()
        self.assertEqual(c.command("MAIL FROM:<spam-01@x.test>").lines,
                         ["550 5.7.1 Not from you"])
        self.assertEqual(c.command("MAIL FROM:<>").code, 550)
        c.expect(250, "MAIL FROM:<spam-1@x.test>")
        self.assertEqual(c.command("RCPT TO:<a@FULL.test>").lines,
                         ["452 4.2.2 Mailbox full"])
        self.assertEqual(c.command("RCPT TO:<a@mx.full.test>").code, 452)
        c.expect(250, "RCPT TO:<postmaster@full.test>")
        c.expect(250, "RCPT TO:<a@nearly-full.test>")
        self.assertEqual(c.data(BODY).code, 250)
        got = self.end(c, s)
        self.assertEqual((got["messages"], got["rcpts"], got["faults"]),
                         (1, 2, 4))
        self.assertEqual([rule["struck"] for rule in got["rules"]],
                         [1, 2, 2, 0])
        self.assertEqual([rule["line"] for rule in got["rules"]],
                         [2, 3, 4, 5])

    def test_recipients_count_for_the_whole_message_and_only_for_it(self):
        s = self.scripted(*self.RULES)
        c = self.client(s).greet()
        c.envelope(recipients=("first@x.test", "late@x.test", "z@x.test"))
        self.assertEqual(c.data(BODY).code, 554)
        c.envelope(recipients=("first@x.test", "z@x.test"))
        self.assertEqual(c.data(BODY).code, 250)
        self.assertEqual(self.end(c, s)["messages"], 1)

    def test_smtplib(self):
        s = self.scripted(*self.RULES)
        client = self.smtp(s)
        refused = client.sendmail("a@x.test", ["a@full.test", "b@x.test"],
                                  BODY)
        self.assertEqual(refused, {"a@full.test":
                                   (452, b"4.2.2 Mailbox full")})
        with self.assertRaises(smtplib.SMTPSenderRefused):
            client.sendmail("", ["b@x.test"], BODY)
        client.quit()

    def test_swaks(self):
        s = self.scripted(*self.RULES)
        for to, status in (("a@full.test", 24), ("b@x.test", 0)):
            done = subprocess.run(
                ["swaks", "--server", "127.0.0.1", "--port", str(s.port),
                 "--from", "a@x.test", "--to", to], stdout=subprocess.PIPE,
                text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, status, done.stdout)
        self.assertEqual(s.stop()["messages"], 1)

    def test_by_client_and_helo(self):
        s = self.scripted({"at": "mail", "client": "127.0.0.1",
                           "helo": "BAD.*", "reply": "550"})
        c = self.client(s).greet()
        c.expect(250, "MAIL FROM:<>")
        c.ehlo("bad.test")
        self.assertEqual(c.command("MAIL FROM:<>").code, 550)


class Turns(ScriptTest):
    """How often."""

    def test_skip_and_times(self):
        s = self.scripted({"at": "mail", "skip": 1, "times": 2,
                           "reply": "450"})
        codes = []
        for _ in range(5):
            c = self.client(s).greet()
            codes.append(c.command("MAIL FROM:<>").code)
        self.assertEqual(codes, [250, 450, 450, 250, 250])

    def test_421_after_some_messages(self):
        s = self.scripted({"at": "mail", "after": 2,
                           "reply": "421 4.3.2 Enough"})
        c = self.client(s).greet()
        for _ in range(2):
            c.envelope()
            self.assertEqual(c.data(BODY).code, 250)
        self.assertEqual(c.command("MAIL FROM:<>").code, 421)
        self.assertTrue(c.at_end())

    def test_shares_and_a_seed(self):
        def codes(seed):
            s = self.scripted({"at": "rset", "share": "50%", "reply": "450"},
                              args=("--seed", seed))
            c = self.client(s).greet()
            got = [c.command("RSET").code for _ in range(40)]
            self.end(c, s)
            return got
        first = codes("1")
        self.assertEqual(set(first), {250, 450})
        self.assertEqual(codes("1"), first)
        self.assertNotEqual(codes("2"), first)

    def test_totals_as_text(self):
        ready = os.path.join(self.folder, "ready")
        path = self.script({"at": "mail", "reply": "450"})
        sink = subprocess.Popen(
            [BENCH, "sink", "--listen", "127.0.0.1:0", "--ready-file", ready,
             "--script", path], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(sink.stdout.close)
        self.addCleanup(sink.kill)
        wait_until(lambda: os.path.exists(ready), "the sink")
        c = Client(int(lines(ready)[0].rsplit(":", 1)[1]))
        self.addCleanup(c.close)
        c.greet().command("MAIL FROM:<>")
        c.close()
        sink.send_signal(signal.SIGTERM)
        out, _ = sink.communicate(timeout=PATIENCE)
        self.assertRegex(out, r"(?m)^rule in line 2 +1$")
        self.assertRegex(out, r"(?m)^greylisted +0$")


class Greylisting(ScriptTest):
    def test_first_and_second_try(self):
        s = self.scripted({"at": "rcpt", "greylist": "0ms"})
        c = self.client(s).greet()
        c.expect(250, "MAIL FROM:<a@x.test>")
        for to in ("b@x.test", "c@x.test"):
            self.assertEqual(c.command(f"RCPT TO:<{to}>").code, 451)
        c.expect(250, "RCPT TO:<b@x.test>")
        c.expect(250, "RCPT TO:<C@x.test>")
        c.expect(250, "RSET")
        c.expect(250, "MAIL FROM:<other@x.test>")
        self.assertEqual(c.command("RCPT TO:<b@x.test>").code, 451)
        self.assertEqual(self.end(c, s)["greylisted"], 3)

    def test_too_soon(self):
        s = self.scripted({"at": "rcpt", "greylist": "1h",
                           "reply": ["451 4.7.1 Grey", "list"]})
        c = self.client(s).greet()
        c.expect(250, "MAIL FROM:<a@x.test>")
        for _ in range(3):
            self.assertEqual(c.command("RCPT TO:<b@x.test>").lines,
                             ["451-4.7.1 Grey", "451 list"])

    def test_ringpost_comes_again(self):
        s = self.scripted({"at": "rcpt", "greylist": "150ms"})
        got = self.assert_relayed(s, 3)
        self.assertGreater(got["greylisted"], 0)


class Disconnects(ScriptTest):
    """In every state, in three ways; the clients come again."""

    PHASES = ("connect", "ehlo", "starttls", "handshake", "mail", "rcpt",
              "data", "body", "eod", "done")

    def test_source(self):
        for how in ("drop", "close", "reset"):
            with self.subTest(how):
                self.setUp()
                s = self.scripted(*(
                    {"at": phase, "hang_up": how, "times": 2}
                    for phase in self.PHASES))
                self.source(s.address, "--messages", "40", "--connections",
                            "2", "--bdat", "50%", "--size", "1K-20K",
                            "--retry", "--retry-delay-ms", "1")
                got = s.stop()
                self.assert_all_equal(40)
                self.assertEqual({rule["struck"] for rule in got["rules"]},
                                 {2})

    def test_ringpost(self):
        s = self.scripted(*({"at": phase, "hang_up": "reset", "times": 1}
                            for phase in self.PHASES))
        got = self.assert_relayed(s, 12, tls="encrypt")
        self.assertEqual({rule["struck"] for rule in got["rules"]}, {1})

    def test_after_it_is_noted_there_is_a_duplicate(self):
        s = self.scripted({"at": "ack", "hang_up": "reset", "times": 1})
        self.assert_relayed(s, 1, duplicates=1)

    def test_in_the_body(self):
        for by in ("DATA", "BDAT"):
            with self.subTest(by):
                self.setUp()
                s = self.scripted({"at": "body", "octets": "300K",
                                   "hang_up": "drop"})
                c = self.client(s).greet()
                for size, struck in ((200_000, False), (5_000_000, True)):
                    c.envelope()
                    body = BODY + b"0123456789abcdef\r\n" * (size // 18)
                    try:
                        code = (c.data(body) if by == "DATA" else
                                c.bdat(body, last=True)).code
                    except (Closed, ConnectionResetError, BrokenPipeError):
                        code = None
                    self.assertEqual(code, None if struck else 250)
                self.assertEqual(self.end(c, s)["messages"], 1)

    def test_replies_first(self):
        for how in ("drop", "close", "reset"):
            with self.subTest(how):
                self.setUp()
                s = self.scripted(
                    {"at": "quit", "reply": "221 2.0.0 So long",
                     "hang_up": how})
                c = self.client(s).greet()
                self.assertEqual(c.command("QUIT").text, "2.0.0 So long")
                self.assertTrue(c.at_end())

    def test_an_unasked_421(self):
        s = self.scripted({"at": "done", "reply": "421 4.3.2 Going down"})
        c = self.client(s).greet()
        c.envelope()
        self.assertEqual(c.data(BODY).code, 250)
        self.assertEqual(c.reply().code, 421)
        self.assertTrue(c.at_end())

    def test_tls_ends_in_order_or_not(self):
        for how, clean in (("close", True), ("drop", False)):
            with self.subTest(how):
                self.setUp()
                s = self.scripted({"at": "mail", "hang_up": how})
                c = self.client(s).greet()
                c.expect(220, "STARTTLS")
                context = trusting()
                # Python takes an end without close_notify for one in order.
                context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
                sock = context.wrap_socket(
                    c.sock, suppress_ragged_eofs=False)
                self.addCleanup(sock.close)
                sock.sendall(b"EHLO x\r\n")
                self.assertIn(b"250", sock.recv(1000))
                sock.sendall(b"MAIL FROM:<>\r\n")
                try:
                    end = sock.recv(100)
                except (ssl.SSLError, ConnectionResetError):
                    end = None
                self.assertEqual(end, b"" if clean else None)


class Replies(ScriptTest):
    def test_a_tarpit(self):
        banner = ["220 mx.test ESMTP", "No hurry"]
        s = self.scripted({"at": "connect", "reply": banner, "pieces": 3,
                           "pause": "10ms"}, {"at": "connect",
                                              "delay": "50ms"})
        begin = time.monotonic()
        reply = self.client(s).reply()
        # 35 octets with the code, 10 pauses at least, and the delay.
        self.assertEqual(reply.lines, ["220-mx.test ESMTP", "220 No hurry"])
        self.assertGreaterEqual(time.monotonic() - begin, 0.1)

    def test_one_octet_at_a_time_under_tls(self):
        s = self.scripted({"at": ["ehlo", "mail", "rcpt", "data", "eod"],
                           "pieces": 1})
        c = self.client(s).greet(tls=True, context=trusting())
        self.assertIn("CHUNKING", c.keywords)
        c.envelope()
        self.assertEqual(c.data(BODY).code, 250)

    def test_pieces_for_ringpost(self):
        s = self.scripted({"at": ["connect", "ehlo", "starttls", "mail",
                                  "rcpt", "data", "eod"], "pieces": 2})
        self.assert_relayed(s, 3)

    def test_many_lines_for_ringpost(self):
        s = self.scripted({"at": "rcpt", "times": 1, "reply":
                           ["450 4.2.0 one"] + [f"line {n}" for n in
                                                range(31)]})
        self.assert_relayed(s, 2)

    def test_other_words_for_success(self):
        s = self.scripted(
            {"at": "ehlo", "reply": ["250 mx.test", "X-STRANGE", "SIZE 7"]},
            {"at": "mail", "reply": "250 fine"},
            {"at": "rcpt", "reply": "251 User not local; will forward"},
            {"at": "data", "reply": ["354 Now", "then"]},
            {"at": "eod", "reply": "250 2.0.0 queued as 1"})
        c = self.client(s).greet()
        self.assertEqual(c.keywords, {"X-STRANGE": "", "SIZE": "7"})
        self.assertEqual(c.command("MAIL FROM:<>").text, "fine")
        self.assertEqual(c.command("RCPT TO:<a@x.test>").code, 251)
        c.send("DATA\r\n")
        self.assertEqual(c.reply().texts, ["Now", "then"])
        c.send(BODY + b".\r\n")
        self.assertEqual(c.reply().text, "2.0.0 queued as 1")
        self.assertEqual(self.end(c, s)["messages"], 1)

    def test_success_in_the_wrong_place_is_none(self):
        s = self.scripted({"at": "rcpt", "reply": "354 What?"})
        c = self.client(s).greet()
        c.expect(250, "MAIL FROM:<>")
        self.assertEqual(c.command("RCPT TO:<a@x.test>").code, 354)
        self.assertEqual(c.command("DATA").code, 554)

    def test_delays(self):
        s = self.scripted({"at": "rset", "delay": "20ms-40ms"})
        c = self.client(s).greet()
        begin = time.monotonic()
        for _ in range(5):
            c.expect(250, "RSET")
        self.assertGreaterEqual(time.monotonic() - begin, 0.1)

    def test_a_long_delay_ends_with_the_sink(self):
        s = self.scripted({"at": "connect", "delay": "1h"})
        c = self.client(s)
        wait_until(lambda: self.connected(s), "the connection")
        self.assertEqual(s.stop()["messages"], 0)

    def connected(self, sink):
        """Has the sink a second socket with this port?"""
        needle = f":{sink.port:04X} "
        with open("/proc/net/tcp") as f:
            return any(needle in line.split()[1] + " " and
                       line.split()[3] == "01" for line in f.readlines()[1:])


class Offers(ScriptTest):
    def test_what_is_hidden_is_refused(self):
        s = self.scripted({"at": "ehlo", "hide":
                           ["CHUNKING", "STARTTLS", "8BITMIME", "SIZE",
                            "PIPELINING", "ENHANCEDSTATUSCODES"]})
        c = self.client(s).greet()
        self.assertEqual(c.keywords, {})
        self.assertEqual(c.command("STARTTLS").code, 502)
        self.assertEqual(c.command("MAIL FROM:<> BODY=8BITMIME").code, 555)
        c.envelope()
        c.send("BDAT 3 LAST\r\nabc")
        self.assertEqual(c.reply().code, 502)
        self.assertTrue(c.at_end())

    def test_hidden_for_some(self):
        s = self.scripted({"at": "ehlo", "helo": "old.*", "hide": "CHUNKING"})
        c = self.client(s).greet()
        self.assertIn("CHUNKING", c.keywords)
        c.ehlo("old.test")
        self.assertNotIn("CHUNKING", c.keywords)
        c.ehlo("new.test")
        self.assertIn("CHUNKING", c.keywords)

    def test_ringpost_without_chunking(self):
        s = self.scripted({"at": "ehlo", "hide": "CHUNKING"})
        self.assertEqual(self.assert_relayed(s, 2)["by_bdat"], 0)

    def test_ringpost_without_starttls(self):
        s = self.scripted({"at": "ehlo", "hide": "STARTTLS"})
        self.assertEqual(self.assert_relayed(s, 2)["in_clear"], 2)


class BrokenTls(ScriptTest):
    def shake(self, sink):
        c = self.client(sink).greet()
        c.starttls(trusting())
        return c

    def test_ways(self):
        for way, reason in (("garbage", "WRONG_VERSION_NUMBER"),
                            ("clear", "WRONG_VERSION_NUMBER"),
                            ("alert", "HANDSHAKE_FAILURE"),
                            ("half", "EOF")):
            with self.subTest(way):
                self.setUp()
                s = self.scripted({"at": "handshake", "tls": way})
                with self.assertRaises((ssl.SSLError,
                                        ConnectionResetError)) as caught:
                    self.shake(s)
                if isinstance(caught.exception, ssl.SSLError):
                    self.assertIn(reason, str(caught.exception).upper())
                got = s.stop()
                self.assertEqual((got["handshakes"], got["faults"],
                                  got["handshake_failures"]), (0, 1, 1))

    def test_silence(self):
        s = self.scripted({"at": "handshake", "tls": "silence"})
        c = self.client(s).greet()
        c.expect(220, "STARTTLS")
        c.sock.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            c.handshake(trusting())
        self.assertEqual(self.end(c, s)["handshake_failures"], 1)

    def test_silence_ends_with_the_sink(self):
        s = self.scripted({"at": "handshake", "tls": "silence"},
                          tls="implicit")
        with socket.create_connection(("127.0.0.1", s.port)) as sock:
            sock.sendall(b"x")
            s.stop()

    def test_implicit(self):
        s = self.scripted({"at": "handshake", "tls": "alert", "times": 1},
                          tls="implicit")
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            Client(s.port, implicit=True, context=trusting())
        c = Client(s.port, implicit=True, context=trusting())
        self.addCleanup(c.close)
        c.greet()

    def test_refused(self):
        s = self.scripted({"at": "starttls", "reply": "454 4.7.0 Later"})
        c = self.client(s).greet()
        self.assertEqual(c.command("STARTTLS").code, 454)
        c.expect(250, "NOOP")

    def test_ringpost_comes_again(self):
        s = self.scripted(
            {"at": "starttls", "reply": "454", "times": 1},
            *({"at": "handshake", "tls": way, "times": 1}
              for way in ("garbage", "clear", "alert", "half")),
            {"at": "handshake", "hang_up": "reset", "times": 1})
        got = self.assert_relayed(s, 1, tls="encrypt")
        self.assertEqual({rule["struck"] for rule in got["rules"]}, {1})
        self.assertEqual(got["in_clear"], 0)


class Mistakes(ScriptTest):
    """What is wrong with a script is said, with its place."""

    def refused(self, text):
        path = os.path.join(self.folder, "bad.yaml")
        with open(path, "w") as f:
            f.write(text)
        done = self.bench("sink", "--listen", "127.0.0.1:0", "--script", path)
        self.assertEqual(done.returncode, EX_CONFIG)
        self.assertEqual(done.stdout, "")
        return [line.removeprefix(path) for line in done.stderr.splitlines()]

    def test_places(self):
        self.assertEqual(
            [said.split(";")[0] for said in self.refused(
                "rules:\n- at: rcpt\n  reply: 99\n- at: nowhere\n")],
            [":3:10: '99' for 'reply' is not understood",
             ":4:7: 'nowhere' for 'at' is not understood"])

    def test_no_file(self):
        done = self.bench("sink", "--listen", "127.0.0.1:0", "--script",
                          os.path.join(self.folder, "none"))
        self.assertEqual(done.returncode, EX_CONFIG)
        self.assertIn("No such file", done.stderr)

    def test_options_come_first(self):
        s = self.scripted({"at": "mail", "reply": "550"},
                          args=("--reply", "mail=450:50%"))
        sent = self.source(s.address, "--messages", "30",
                           status=EX_TEMPFAIL)
        self.assertGreater(sent["deferred"], 0)
        self.assertEqual(sent["deferred"] + sent["refused"], 30)
        self.assertEqual([rule["line"] for rule in s.stop()["rules"]],
                         [0, 2])


class Page(ScriptTest):
    """The manual page is about this program."""

    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, "docs", "man",
                               "ringpost-bench-sink.1")) as f:
            self.page = f.read()

    def test_every_option_is_there(self):
        done = self.bench("sink", "--help")
        options = re.findall(r"(?m)^  --([a-z0-9-]+)", done.stdout)
        self.assertGreater(len(options), 30)
        for option in set(options) - {"help"}:
            self.assertRegex(self.page, rf"(?m)^\.It .*\bFl -{option}\b")

    def test_examples_are_scripts(self):
        examples = re.findall(r"(?ms)^(rules:\n.*?)^\.Ed", self.page)
        self.assertGreater(len(examples), 3)
        for example in examples:
            path = os.path.join(self.folder, "example.yaml")
            with open(path, "w") as f:
                f.write(example)
            rules = self.sink("--script", path).stop()["rules"]
            self.assertEqual(len(rules), len(re.findall("(?m)^- ", example)))
