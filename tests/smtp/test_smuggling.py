# SPDX-License-Identifier: Apache-2.0
"""SMTP smuggling: ends of data that one server sees and another does not
(CVE-2023-51764, -51765, -51766). What comes in is refused or normalised; what
goes out has one end, whatever the next hop takes for one."""

import re
import unittest

import postfix
from harness import Closed, Relay, Sink, needs

# All around a lone dot but what has CRLF.CRLF in it.
ENDS = [before + b"." + after
        for before in (b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n", b"\n\n")
        for after in (b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n")
        if not (before.endswith(b"\r\n") and after.startswith(b"\r\n"))]

INNER = (b"MAIL FROM:<smuggled@example.test>\r\n"
         b"RCPT TO:<smuggled@example.test>\r\nDATA\r\n"
         b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")


class Smuggling(unittest.TestCase):
    """client -> relay -> the next hop of a subclass"""

    def start(self, thing):
        thing.start()
        self.addCleanup(thing.kill if isinstance(thing, Relay)
                        else thing.stop)
        return thing

    def next_hop(self):
        """Returns a port and the sink where mail ends."""
        sink = self.start(Sink())
        return sink.port, sink

    def smuggle(self, relay, number, end, chunks=False):
        """One message that has an end of another one in it, and commands
        behind that. Returns the codes that were answered."""
        text = (b"X-Tag: %d\r\nSubject: outer\r\n\r\nouter" % number + end
                + INNER)
        codes = []
        with relay.client() as client:
            client.greet()
            client.envelope("outer@example.test")
            if chunks:
                codes.append(client.bdat(text + b"end\r\n", last=True).code)
            else:
                client.expect(354, "DATA")
                client.send(text + b"end\r\n.\r\n")
            client.send("QUIT\r\n")
            try:
                while not codes or codes[-1] not in (221, 421):
                    codes.append(client.reply().code)
            except (Closed, OSError):
                pass
        return codes

    def finish(self, relay, sink, want):
        """Behind all that was tried another message gets through; then this
        many are there, and none was smuggled."""
        with relay.client() as client:
            client.greet()
            client.envelope("last@example.test")
            self.assertEqual(client.data(b"X-Tag: last\r\n\r\n").code, 250)
            client.expect(221, "QUIT")
        sink.wait_for(lambda s: any(b"X-Tag: last" in m.data
                                    for m in s.messages) and
                      len(s.messages) > want, f"{want} messages and the last")
        relay.stop()
        self.assertEqual(len(sink.messages), want + 1)
        self.assertEqual([m for m in sink.messages
                          if m.sender == "smuggled@example.test"], [])

    def test_refused(self):
        port, sink = self.next_hop()
        relay = self.start(Relay(port, {"tls": "none"}))
        for chunks in (False, True):
            for number, end in enumerate(ENDS):
                with self.subTest(end, chunks=chunks):
                    codes = self.smuggle(relay, number, end, chunks)
                    # The message: no. By DATA CRLF.CRLF of the inner one has
                    # ended it, and the rest is no mail.
                    self.assertEqual(codes[0], 554, codes)
                    self.assertNotIn(354, codes)
                    self.assertNotIn(250, codes)
        self.finish(relay, sink, 0)

    def test_normalised(self):
        port, sink = self.next_hop()
        relay = self.start(Relay(port, {"tls": "none"},
                                 bare_line_ends="normalise"))
        for chunks in (False, True):
            for number, end in enumerate(ENDS):
                with self.subTest(end, chunks=chunks):
                    codes = self.smuggle(relay, number, end, chunks)
                    self.assertEqual(codes[0], 250, codes)
                    self.assertNotIn(354, codes)
                    self.assertNotIn(250, codes[1:])
        self.finish(relay, sink, 2 * len(ENDS))
        for message in sink.messages:
            self.assertIsNone(re.search(rb"(?<!\r)\n|\r(?!\n)", message.data),
                              message.data)

    def test_text_by_bdat_with_a_real_end_in_it(self):
        port, sink = self.next_hop()
        relay = self.start(Relay(port, {"tls": "none"}))
        self.assertEqual(self.smuggle(relay, 1, b"\r\n.\r\n", chunks=True),
                         [250, 221])
        self.finish(relay, sink, 1)


class SmugglingByData(Smuggling):
    def next_hop(self):
        sink = self.start(Sink(without=("CHUNKING",)))
        return sink.port, sink


class SmugglingThroughPostfix(Smuggling):
    """client -> relay -> Postfix -> sink. Postfix as it was when smuggling
    became known: any line end will do."""

    LENIENT = {"smtpd_forbid_bare_newline": "no",
               "smtpd_forbid_unauth_pipelining": "no"}
    WORDS = ""

    def setUp(self):
        needs(self, postfix.why_unavailable())

    def next_hop(self):
        sink = self.start(Sink())
        hop = self.start(postfix.Postfix(
            sink.port, smtpd_discard_ehlo_keywords=self.WORDS,
            smtp_tls_security_level="none", **self.LENIENT))
        return hop.port, sink


class SmugglingThroughPostfixByData(SmugglingThroughPostfix):
    WORDS = "chunking"


if __name__ == "__main__":
    unittest.main()
