# SPDX-License-Identifier: Apache-2.0
"""Messages: DATA (RFC 5321), BDAT (RFC 3030), SIZE (RFC 1870), smuggling,
line lengths, the trace header and loops."""

import re
import unittest

from harness import Closed, Relay, RelayTest, Sink

LIMIT = 200000


class Data(RelayTest):
    def deliver(self, text, tls=False):
        client = self.session(tls=tls)
        client.envelope()
        body = self.tagged(text)
        self.assert_reply(client.data(body), 250)
        return self.assert_intact(body)

    def test_dots(self):
        self.deliver(b".\r\n..\r\n...\r\n.x\r\n..x\r\nx.\r\n\r\n.\r\n\r\n")

    def test_body_that_starts_with_a_dot(self):
        client = self.session()
        client.envelope()
        client.expect(354, "DATA")
        body = b".X-Odd: 1\r\n" + self.tagged()
        client.send(b"." + body + b".\r\n")
        self.assert_reply(client.reply(), 250)
        marker = body.partition(b"\r\n")[2].partition(b"\r\n")[0]
        message = self.sink.wait_for(
            lambda s: next((m for m in s.messages if marker in m.data), None))
        self.assertTrue(message.data.endswith(body))

    def test_empty_message(self):
        client = self.session()
        client.envelope("empty@example.test")
        client.expect(354, "DATA")
        client.send(".\r\n")
        self.assert_reply(client.reply(), 250)
        message = self.sink.wait_for(
            lambda s: next((m for m in s.messages
                            if m.sender == "empty@example.test"), None))
        self.assertTrue(message.data.startswith(b"Received: "))

    def test_no_text(self):
        self.deliver(b"")

    def test_eight_bit(self):
        self.deliver(bytes(n for n in range(256) if n not in (0, 10, 13))
                     + b"\r\n")

    def test_sizes_around_buffers(self):
        for size in (1, 4095, 4096, 16383, 16384, 16385, 65536):
            with self.subTest(size):
                line = b"z" * 61 + b"\r\n"
                text = (line * (size // 63 + 1))[:size]
                text = text.rstrip(b"\r\n") + b"\r\n"
                self.deliver(text, tls=True)

    def test_lines_of_998(self):
        self.deliver(b"a" * 998 + b"\r\n" + b"b" * 998 + b"\r\n")

    def test_reply_has_the_queue_id(self):
        client = self.session()
        client.envelope()
        reply = client.data(self.tagged())
        self.assert_reply(reply, 250)
        self.assertTrue(reply.enhanced.startswith("2."), repr(reply))
        # The log may tell of it a moment after the reply.
        self.relay.wait_event("inbound.accepted",
                              id=reply.text.rpartition(" ")[2])

    def test_several_recipients_get_one_copy_each(self):
        client = self.session(tls=True)
        names = [f"r{n}@example.test" for n in range(20)]
        client.envelope(recipients=names)
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        marker = body.partition(b"\r\n")[0]

        def recipients(sink):
            return sorted(r for m in sink.messages if marker in m.data
                          for r in m.recipients)
        self.sink.wait_for(lambda s: len(recipients(s)) >= 20)
        self.assertEqual(recipients(self.sink), sorted(names))

    def test_connection_cut_in_data(self):
        client = self.session()
        client.envelope("cut@example.test")
        client.expect(354, "DATA")
        client.send("Subject: cut\r\n\r\n.. and\r\n")
        client.close()
        self.assert_still_serving()
        self.assertFalse([m for m in self.sink.messages
                          if m.sender == "cut@example.test"])


class Smuggling(RelayTest):
    """Only CRLF.CRLF ends the data; bare CR and LF are refused
    (CVE-2023-51764 and its kin)."""

    INNER = (b"MAIL FROM:<smuggled@example.test>\r\n"
             b"RCPT TO:<smuggled@example.test>\r\nDATA\r\n"
             b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")

    def send_raw(self, raw):
        client = self.session()
        client.envelope("outer@example.test")
        client.expect(354, "DATA")
        client.send(raw)
        return client

    def codes(self, client):
        found = []
        client.send("QUIT\r\n")
        try:
            while True:
                found.append(client.reply().code)
                if found[-1] in (221, 421):
                    break
        except (Closed, OSError):
            pass
        return found

    def test_ends_of_data_that_are_none(self):
        for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n",
                    b"\r\n.\r", b"\n.\r", b"\r.\n",
                    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\n.\r\n",
                    b"\r\n.\r\r\n"):
            with self.subTest(repr(end)):
                client = self.send_raw(b"Subject: outer\r\n\r\nouter" + end
                                       + self.INNER + b"\r\n.\r\n")
                codes = self.codes(client)
                # At most the outer message gets one answer, and it is no.
                self.assertNotIn(354, codes, codes)
                self.assertLessEqual(codes.count(250), 1, codes)
        self.assert_still_serving()
        self.assertFalse([m for m in self.sink.messages
                          if m.sender == "smuggled@example.test"])

    def refused(self, raw):
        client = self.send_raw(raw + b"\r\n.\r\n")
        reply = client.reply()
        self.assertEqual(reply.code // 100, 5, repr(reply))
        return client

    def test_bare_lf_is_refused(self):
        self.refused(b"Subject: x\r\n\r\na\nb")

    def test_bare_cr_is_refused(self):
        self.refused(b"Subject: x\r\n\r\na\rb")

    def test_bare_lf_in_the_header_is_refused(self):
        self.refused(b"Subject: x\nBcc: y\r\n\r\na")

    def test_nothing_of_a_refused_message_goes_on(self):
        self.refused(b"Subject: refused\r\n\r\na\nb")
        self.assert_still_serving()
        self.assertFalse([m for m in self.sink.messages
                          if b"Subject: refused" in m.data])

    def test_session_goes_on_after_a_refusal(self):
        client = self.refused(b"Subject: x\r\n\r\na\nb")
        try:
            client.envelope()
        except (Closed, OSError):
            self.skipTest("the relay closes after bare line ends")
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        self.assert_intact(body)

    def test_bare_ends_by_bdat_are_refused_too(self):
        client = self.session()
        client.envelope("outer@example.test")
        reply = client.bdat(b"Subject: x\r\n\r\na\nb\r\n", last=True)
        self.assertEqual(reply.code // 100, 5, repr(reply))

    def test_dot_line_by_bdat_does_not_end_it_further_on(self):
        # BDAT may carry CRLF.CRLF; the next hop must get it as text.
        client = self.session()
        client.envelope()
        body = self.tagged(b"before\r\n.\r\n" + self.INNER + b"after\r\n")
        self.assert_reply(client.bdat(body, last=True), 250)
        self.assert_intact(body)
        self.assertFalse([m for m in self.sink.messages
                          if m.sender == "smuggled@example.test"])


class SmugglingToSinkWithoutChunking(Smuggling):
    SINK = {"without": ("CHUNKING",)}


class Normalise(RelayTest):
    CONFIG = {"bare_line_ends": "normalise"}

    def test_bare_ends_become_crlf(self):
        client = self.session()
        client.envelope()
        body = self.tagged(b"a\nb\rc\r\nd\r\r\ne\n\nf\r\n")
        self.assert_reply(client.data(body), 250)
        message = self.arrived(body)
        text = message.data.partition(b"\r\n\r\n")[2]
        self.assertNotIn(b"\n", text.replace(b"\r\n", b""))
        self.assertNotIn(b"\r", text.replace(b"\r\n", b""))
        self.assertTrue(text.startswith(b"a\r\nb\r\nc\r\nd\r\n"), text)

    def test_dot_between_bare_ends_is_text(self):
        client = self.session()
        client.envelope()
        client.expect(354, "DATA")
        body = self.tagged(b"a\n.\nb\n.\r\nc\r\n")
        client.send(body + b".\r\n")
        self.assert_reply(client.reply(), 250)
        text = self.arrived(body).data
        self.assertIn(b"b\r\n", text)
        self.assertTrue(text.endswith(b"c\r\n"), text)


class Bdat(RelayTest):
    def test_one_chunk(self):
        client = self.session()
        client.envelope()
        body = self.tagged()
        self.assert_reply(client.bdat(body, last=True), 250)
        self.assert_intact(body)

    def test_chunks_with_dots_across_their_edges(self):
        client = self.session(tls=True)
        client.envelope()
        body = self.tagged(b".\r\n..x\r\n.\r\n" * 20)
        for n in range(0, len(body), 7):
            self.assert_reply(client.bdat(body[n:n + 7]), 250)
        self.assert_reply(client.bdat(b"", last=True), 250)
        self.assert_intact(body)

    def test_empty_chunks(self):
        client = self.session()
        client.envelope()
        body = self.tagged()
        self.assert_reply(client.bdat(b""), 250)
        self.assert_reply(client.bdat(body), 250)
        self.assert_reply(client.bdat(b""), 250)
        self.assert_reply(client.bdat(b"", last=True), 250)
        self.assert_intact(body)

    def test_pipelined_with_everything(self):
        client = self.session(tls=True)
        body = self.tagged(b"x\r\n" * 30000)
        half = len(body) // 2
        client.send(b"MAIL FROM:<a@example.test>\r\n"
                    b"RCPT TO:<b@example.test>\r\n"
                    + b"BDAT %d\r\n" % half + body[:half]
                    + b"BDAT %d LAST\r\n" % (len(body) - half) + body[half:]
                    + b"NOOP\r\n")
        self.assertEqual([client.reply().code for _ in range(5)], [250] * 5)
        self.assert_intact(body)

    def test_without_a_transaction_the_chunk_is_skipped(self):
        # RFC 3030 section 2: the octets must be read and dropped.
        client = self.session()
        reply = client.bdat(b"RSET\r\nQUIT\r\n" * 10, last=True)
        self.assert_reply(reply, 503)
        client.expect(250, "NOOP")

    def test_without_recipients_the_chunk_is_skipped(self):
        client = self.session()
        client.expect(250, "MAIL FROM:<a@example.test>")
        reply = client.bdat(b"RSET\r\nQUIT\r\n" * 10, last=True)
        self.assertIn(reply.code, (503, 554))
        client.expect(250, "NOOP")

    def test_data_after_bdat(self):
        client = self.session()
        client.envelope()
        self.assert_reply(client.bdat(b"Subject: x\r\n"), 250)
        self.assert_reply(client.command("DATA"), 503)

    def test_rset_between_chunks(self):
        client = self.session()
        client.envelope("reset@example.test")
        self.assert_reply(client.bdat(b"Subject: reset\r\n\r\n"), 250)
        client.expect(250, "RSET")
        client.envelope()
        body = self.tagged()
        self.assert_reply(client.bdat(body, last=True), 250)
        message = self.assert_intact(body)
        self.assertNotIn(b"Subject: reset", message.data)

    def test_mail_and_rcpt_between_chunks(self):
        client = self.session()
        client.envelope()
        self.assert_reply(client.bdat(b"Subject: x\r\n"), 250)
        self.assert_reply(client.command("RCPT TO:<c@example.test>"), 503)
        self.assert_reply(client.command("MAIL FROM:<c@example.test>"), 503)

    def test_after_last(self):
        client = self.session()
        client.envelope()
        self.assert_reply(client.bdat(self.tagged(), last=True), 250)
        self.assert_reply(client.bdat(b"more", last=True), 503)
        client.expect(250, "NOOP")

    def test_malformed(self):
        for text in ("BDAT", "BDAT x", "BDAT -1", "BDAT 1x",
                     "BDAT 99999999999999999999999", "BDAT 0x10"):
            with self.subTest(text):
                client = self.session()
                client.envelope()
                reply = client.command(text)
                # What follows cannot be told apart: closing is right, too.
                self.assertIn(reply.code, (421, 500, 501, 552, 554),
                              repr(reply))

    def test_last_in_any_case(self):
        client = self.session()
        client.envelope()
        body = self.tagged()
        client.send(b"bdat %d last\r\n" % len(body) + body)
        self.assert_reply(client.reply(), 250)
        self.assert_intact(body)

    def test_mixed_with_data_on_one_connection(self):
        client = self.session(tls=True)
        bodies = [self.tagged(b".%d\r\n" % n) for n in range(6)]
        for n, body in enumerate(bodies):
            client.envelope()
            self.assert_reply(client.bdat(body, last=True) if n % 2
                              else client.data(body), 250)
        for body in bodies:
            self.assert_intact(body)

    def test_no_line_end_at_the_end(self):
        # Allowed by BDAT; a sink by DATA can only get it with one.
        client = self.session()
        client.envelope()
        body = self.tagged(b"no end")
        self.assert_reply(client.bdat(body, last=True), 250)
        message = self.arrived(body)
        tag = body.partition(b"\r\n")[0]
        self.assertEqual(message.body_from(tag).removesuffix(b"\r\n"), body)

    def test_connection_cut_between_chunks(self):
        client = self.session()
        client.envelope("cut@example.test")
        self.assert_reply(client.bdat(b"Subject: x\r\n\r\nall\r\n"), 250)
        client.close()
        self.assert_still_serving()
        self.assertFalse([m for m in self.sink.messages
                          if m.sender == "cut@example.test"])


class BdatToSinkWithoutChunking(Bdat):
    SINK = {"without": ("CHUNKING",)}


class Size(RelayTest):
    CONFIG = {"limits": {"message_size": f"{LIMIT}B"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.relay.client() as client:
            client.greet()
            cls.announced = int(client.keywords["SIZE"])

    def test_announced(self):
        self.assertEqual(self.announced, LIMIT)

    def test_declared_too_large(self):
        reply = self.session().command(
            f"MAIL FROM:<a@example.test> SIZE={LIMIT + 1}")
        self.assert_reply(reply, 552, "5.3.4")

    def test_declared_just_right(self):
        self.session().expect(250, f"MAIL FROM:<a@example.test> SIZE={LIMIT}")

    def text(self, size):
        tag = self.tagged(b"")
        line = b"x" * 98 + b"\r\n"
        body = tag + line * ((size - len(tag)) // 100)
        rest = size - len(body)
        if rest < 2:
            body = body[:-100] + b"y" * (98 + rest) + b"\r\n"
        else:
            body += b"z" * (rest - 2) + b"\r\n"
        assert len(body) == size
        return body

    def test_actual_just_right(self):
        client = self.session()
        client.envelope()
        body = self.text(LIMIT)
        self.assert_reply(client.data(body), 250)
        self.assert_intact(body)

    def test_actual_too_large_by_data(self):
        for over in (1, 500000):
            with self.subTest(over):
                client = self.session()
                client.envelope()
                self.assert_reply(client.data(self.text(LIMIT + over)), 552,
                                  "5.3.4")
                client.expect(250, "NOOP")
                client.envelope()

    def test_actual_too_large_by_one_chunk(self):
        client = self.session()
        client.envelope()
        reply = client.bdat(self.text(LIMIT + 1), last=True)
        self.assert_reply(reply, 552)
        client.expect(250, "NOOP")

    def test_actual_too_large_by_the_sum_of_chunks(self):
        client = self.session()
        client.envelope()
        body = self.text(LIMIT + 1)
        self.assert_reply(client.bdat(body[:LIMIT]), 250)
        self.assert_reply(client.bdat(body[LIMIT:], last=True), 552)
        client.expect(250, "RSET")
        client.envelope()

    def test_declared_small_sent_large(self):
        client = self.session()
        client.expect(250, "MAIL FROM:<a@example.test> SIZE=10")
        client.expect(250, "RCPT TO:<b@example.test>")
        self.assert_reply(client.data(self.text(LIMIT + 1000)), 552)


class TextLines(RelayTest):
    CONFIG = {"limits": {"text_line_length": 2000}}

    def test_limit(self):
        client = self.session()
        client.envelope()
        body = self.tagged(b"a" * 1998 + b"\r\n")
        self.assert_reply(client.data(body), 250)
        self.assert_intact(body)

    def test_longer(self):
        client = self.session()
        client.envelope()
        reply = client.data(self.tagged(b"a" * 1999 + b"\r\n"))
        self.assertEqual(reply.code // 100, 5, repr(reply))
        client.expect(250, "NOOP")

    def test_longer_by_bdat(self):
        client = self.session()
        client.envelope()
        body = self.tagged(b"a" * 3000 + b"\r\n")
        replies = [client.bdat(body[n:n + 500])
                   for n in range(0, len(body), 500)]
        replies.append(client.bdat(b"", last=True))
        self.assertEqual(replies[-1].code // 100, 5, replies)


class Trace(RelayTest):
    def received(self, **options):
        client = self.connect()
        client.greet(**options)
        client.envelope()
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        data = self.arrived(body).data.decode()
        header = data[:data.index("X-Tag:")]
        return client, header

    def unfolded(self, header):
        return re.sub(r"\r\n[ \t]+", " ", header).strip()

    def test_first_line_is_received(self):
        _, header = self.received()
        self.assertTrue(header.startswith("Received: from "), header)
        self.assertEqual(header.count("Received:"), 1)
        self.assertTrue(header.endswith("\r\n"))
        self.assertTrue(all(len(line) <= 998 for line in
                            header.split("\r\n")))

    def test_clauses(self):
        _, header = self.received()
        text = self.unfolded(header)
        # RFC 5321 section 4.4
        self.assertRegex(text, r"from client\.example\.test \(.*127\.0\.0\.1")
        self.assertRegex(text, r"by relay\.example\.test ")
        self.assertRegex(text, r"with ESMTP\b")
        self.assertRegex(text, r" id [0-9A-Za-z]+")
        self.assertRegex(text, r"; \w{3}, \d{1,2} \w{3} \d{4} "
                         r"\d\d:\d\d:\d\d [+-]\d{4}")

    def test_date_is_one(self):
        from email.utils import parsedate_to_datetime
        import time
        _, header = self.received()
        date = parsedate_to_datetime(
            self.unfolded(header).rpartition(";")[2].strip())
        self.assertLess(abs(date.timestamp() - time.time()), 3600)

    def test_esmtps_with_version_and_cipher(self):
        client, header = self.received(tls=True)
        text = self.unfolded(header)
        self.assertRegex(text, r"with ESMTPS\b")   # RFC 3848
        self.assertIn("TLSv1.3", text)
        self.assertIn(client.sock.cipher()[0], text)

    def test_helo_is_smtp(self):
        client = self.connect()
        client.reply()
        client.expect(250, "HELO client.example.test")
        client.envelope()
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        self.assertRegex(self.unfolded(self.arrived(body).headers),
                         r"with SMTP\b")

    def test_ehlo_name_cannot_add_header_lines(self):
        client = self.connect()
        client.reply()
        reply = client.ehlo("x(y)<z>;\"q\"\t\x01\x7f)")
        if reply.code == 250:
            client.envelope()
            body = self.tagged()
            self.assert_reply(client.data(body), 250)
            header = self.arrived(body).data
            header = header[:header.index(b"X-Tag:")]
            self.assertNotIn(b"\x01", header)
        else:
            self.assertIn(reply.code, (500, 501))

    def test_recipients_are_not_disclosed(self):
        client = self.session()
        client.envelope(recipients=["one@example.test", "secret@example.test"])
        body = self.tagged()
        self.assert_reply(client.data(body), 250)
        self.assertNotIn("secret@", self.arrived(body).headers)


class Loops(unittest.TestCase):
    def message(self, count):
        return (b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
                * count + b"Subject: loop\r\n\r\n"
                + b"Received: in the text is none\r\n" * 10)

    def test_limit(self):
        with Sink() as sink, Relay(sink.port,
                                   limits={"received": 10}) as relay:
            self.assertEqual(relay.send(self.message(9)).code, 250)
            reply = relay.send(self.message(30))
            self.assertEqual(reply.code, 554, repr(reply))
            self.assertEqual(reply.enhanced, "5.4.6")
            sink.wait(1)

    def test_case_and_folding_do_not_hide_a_loop(self):
        with Sink() as sink, Relay(sink.port,
                                   limits={"received": 10}) as relay:
            body = (b"rEcEiVeD: from a\r\n\tby b;\r\n x\r\n" * 30
                    + b"\r\ntext\r\n")
            self.assertEqual(relay.send(body).code, 554)

    def test_by_bdat_in_small_chunks(self):
        with Sink() as sink, Relay(
                sink.port, limits={"received": 10, "errors": 1000}) as relay, \
                relay.client() as client:
            client.greet()
            client.envelope()
            body = self.message(30)
            codes = {client.bdat(body[n:n + 11]).code
                     for n in range(0, len(body) // 2, 11)}
            codes.add(client.bdat(b"", last=True).code)
            self.assertIn(554, codes)
            self.assertEqual(sink.messages, [])


if __name__ == "__main__":
    unittest.main()
