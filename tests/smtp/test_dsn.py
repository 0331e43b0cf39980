# SPDX-License-Identifier: Apache-2.0
"""What senders ask for about notifications (RFC 3461), on its way through."""

import unittest

from harness import EXTENSIONS, Relay, RelayTest, Sink

BODY = b"Subject: test\r\n\r\nhello\r\n"
DSN = EXTENSIONS + ("DSN",)


class Syntax(RelayTest):
    """What is taken and what is refused, and with which code."""

    SINK = {"extensions": DSN}

    def test_it_is_announced(self):
        self.assertIn("DSN", self.session().keywords)

    def mail(self, parameters):
        client = self.session()
        return client.command("MAIL FROM:<from@example.test> " + parameters)

    def rcpt(self, parameters):
        client = self.session()
        client.expect(250, "MAIL FROM:<from@example.test>")
        return client.command("RCPT TO:<to@example.test> " + parameters)

    def test_good_ones(self):
        for text in ("RET=FULL", "ret=hdrs", "ENVID=QQ314159",
                     "ENVID=a+20b RET=HDRS", "ENVID=" + "x" * 100):
            with self.subTest(text):
                self.assert_reply(self.mail(text), 250)
        for text in ("NOTIFY=NEVER", "NOTIFY=SUCCESS,FAILURE,DELAY",
                     "notify=delay", "ORCPT=rfc822;Bob@Example.test",
                     "ORCPT=rfc822;" + "x" * 493,
                     "NOTIFY=FAILURE ORCPT=unknown;a+2Bb"):
            with self.subTest(text):
                self.assert_reply(self.rcpt(text), 250)

    def test_bad_ones(self):
        for text in ("RET=BODY", "RET", "ENVID=", "ENVID=a=b", "ENVID=a+0A",
                     "ENVID=a+2b", "ENVID=" + "x" * 101, "RET=FULL RET=FULL"):
            with self.subTest(text):
                self.assert_reply(self.mail(text), 501, "5.5.4")
        for text in ("NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=SOMETIMES",
                     "NOTIFY=DELAY,", "ORCPT=Bob@Example.test",
                     "ORCPT=rfc822;", "ORCPT=rfc822;a+0D+0A",
                     "ORCPT=rfc822;" + "x" * 494,
                     "NOTIFY=DELAY NOTIFY=DELAY"):
            with self.subTest(text):
                self.assert_reply(self.rcpt(text), 501, "5.5.4")

    def test_where_they_do_not_belong(self):
        self.assert_reply(self.mail("NOTIFY=NEVER"), 555, "5.5.4")
        self.assert_reply(self.rcpt("RET=HDRS"), 555, "5.5.4")

    def test_an_address_beyond_ascii_needs_smtputf8(self):
        self.assert_reply(self.rcpt("ORCPT=utf-8;jürgen@example.test"), 553,
                          "5.6.7")


class Through(unittest.TestCase):
    """client -> relay -> sink"""

    def pair(self, extensions=DSN, hook=None, **options):
        sink = Sink(hook, extensions=extensions, bounces_apart=True).start()
        self.addCleanup(sink.stop)
        relay = Relay(sink.port, **options).start()
        self.addCleanup(relay.kill)
        return relay, sink

    def send(self, relay, mail="", *recipients):
        """recipients: pairs of a mailbox and its parameters."""
        with relay.client() as client:
            client.greet()
            client.expect(250, "MAIL FROM:<from@example.test>" + mail)
            for name, parameters in recipients:
                client.expect(250,
                              f"RCPT TO:<{name}@example.test>" + parameters)
            self.assertEqual(client.data(BODY).code, 250)

    ASKED = (" ENVID=QQ+20314159 RET=HDRS",
             ("a", " ORCPT=rfc822;Alice+2Bx@old.test NOTIFY=delay,success"),
             ("b", ""), ("c", " NOTIFY=NEVER"))

    def assert_told(self, message):
        self.assertTrue(message.sender_line.endswith(
            " RET=HDRS ENVID=QQ+20314159"), message.sender_line)
        self.assertEqual(message.recipient_lines, [
            "RCPT TO:<a@example.test> NOTIFY=SUCCESS,DELAY "
            "ORCPT=rfc822;Alice+2Bx@old.test",
            "RCPT TO:<b@example.test>",
            "RCPT TO:<c@example.test> NOTIFY=NEVER"])

    def test_a_next_hop_that_knows_is_told(self):
        relay, sink = self.pair()
        self.send(relay, *self.ASKED)
        self.assert_told(sink.wait()[0])
        relay.stop()

    def test_one_that_does_not_is_not(self):
        relay, sink = self.pair(EXTENSIONS)
        self.send(relay, *self.ASKED)
        message = sink.wait()[0]
        self.assertNotIn("ENVID", message.sender_line)
        self.assertNotIn("RET", message.sender_line)
        self.assertEqual(message.recipient_lines, [
            f"RCPT TO:<{name}@example.test>" for name in "abc"])
        relay.stop()

    def test_a_restart_forgets_nothing(self):
        held = [True]

        def later(session, stage, line):
            return "450 4.2.0 later" if stage == "MAIL" and held else None
        relay, sink = self.pair(hook=later)
        self.send(relay, *self.ASKED)
        relay.wait_event("outbound.deferred")
        relay.kill()
        relay.reader.join()
        relay.process.stdout.close()
        held.clear()
        relay.start()
        self.assert_told(sink.wait()[0])
        relay.stop()

    def test_cut_through(self):
        relay, sink = self.pair(route={"mode": "cut_through"})
        self.send(relay, *self.ASKED)
        self.assert_told(sink.wait()[0])
        relay.stop()

    def test_cut_through_to_one_that_does_not_know(self):
        relay, sink = self.pair(EXTENSIONS, route={"mode": "cut_through"})
        self.send(relay, *self.ASKED)
        self.assertEqual(sink.wait()[0].recipient_lines, [
            f"RCPT TO:<{name}@example.test>" for name in "abc"])
        self.assertNotIn("ENVID", sink.wait()[0].sender_line)
        relay.stop()

    def test_the_longest_lines(self):
        relay, sink = self.pair()
        mailbox = "m" * 64 + "@" + ".".join(["d" * 60] * 3) + ".test"
        orcpt = " ORCPT=rfc822;" + "x" * 493
        envid = " ENVID=" + "e" * 100
        with relay.client() as client:
            client.greet()
            client.expect(250, f"MAIL FROM:<{mailbox}> SIZE=1 RET=FULL"
                          + envid)
            client.expect(250, f"RCPT TO:<{mailbox}> "
                          "NOTIFY=SUCCESS,FAILURE,DELAY" + orcpt)
            self.assertEqual(client.data(BODY).code, 250)
        message = sink.wait()[0]
        self.assertTrue(message.sender_line.endswith(envid))
        self.assertTrue(message.recipient_lines[0].endswith(
            "NOTIFY=SUCCESS,FAILURE,DELAY" + orcpt))
        relay.stop()


if __name__ == "__main__":
    unittest.main()
