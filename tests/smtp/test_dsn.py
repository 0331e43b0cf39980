# SPDX-License-Identifier: Apache-2.0
"""What senders ask for about notifications (RFC 3461), on its way through."""

import email
import email.policy
import unittest

import postfix
from harness import EXTENSIONS, Relay, RelayTest, Sink, needs

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
        self.assertEqual(sink.bounces, [])

    def test_cut_through_to_one_that_does_not_know(self):
        relay, sink = self.pair(EXTENSIONS, route={"mode": "cut_through"})
        self.send(relay, *self.ASKED)
        self.assertEqual(sink.wait()[0].recipient_lines, [
            f"RCPT TO:<{name}@example.test>" for name in "abc"])
        self.assertNotIn("ENVID", sink.wait()[0].sender_line)
        # ... so the relay says what it would have been asked for
        sink.wait_for(lambda s: s.bounces, "a notification")
        parsed = email.message_from_bytes(sink.bounces[0].data,
                                          policy=email.policy.default)
        _, status, returned = parsed.iter_parts()
        about, *groups = status.get_payload()
        self.assertEqual(about["Original-Envelope-Id"], "QQ 314159")
        self.assertEqual([(g["Original-Recipient"], g["Action"], g["Status"],
                           g["Diagnostic-Code"]) for g in groups],
                         [("rfc822; Alice+x@old.test", "relayed", "2.0.0",
                           "smtp; 250 2.0.0 taken")])
        self.assertEqual(returned.get_content_type(), "text/rfc822-headers")
        relay.stop()
        self.assertEqual(len(sink.bounces), 1)

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



class WithPostfix(unittest.TestCase):
    def setUp(self):
        needs(self, postfix.why_unavailable())

    def start(self, thing):
        thing.start()
        self.addCleanup(thing.kill if isinstance(thing, Relay)
                        else thing.stop)
        return thing

    def status(self, message):
        """The groups of status fields of a report."""
        self.assertEqual(message.sender, "")
        parsed = email.message_from_bytes(message.data,
                                          policy=email.policy.default)
        for part in parsed.walk():
            self.assertEqual(part.defects, [])
        self.assertEqual(parsed.get_content_type(), "multipart/report")
        _, status, _ = parsed.iter_parts()
        self.assertEqual(status.get_content_type(), "message/delivery-status")
        return status.get_payload()

    def test_postfix_asks(self):
        """sendmail -N -V -> Postfix -> relay -> sink"""
        sink = self.start(Sink(extensions=DSN))
        relay = self.start(Relay(sink.port))
        up = self.start(postfix.Postfix(relay.port))
        up.sendmail(b"Subject: x\n\nhello\n", "-N", "success,delay", "-V",
                    "QQ+314159", "-R", "hdrs", "-f", "from@example.test",
                    "to@example.test")
        message = sink.wait()[0]
        self.assertTrue(message.sender_line.endswith(
            " RET=HDRS ENVID=QQ+2B314159"), message.sender_line)
        self.assertEqual(message.recipient_lines, [
            "RCPT TO:<to@example.test> NOTIFY=SUCCESS,DELAY "
            "ORCPT=rfc822;to@example.test"])
        relay.stop()

    def test_postfix_is_told_and_reports(self):
        """client -> relay -> Postfix -> sink without DSN: Postfix reports
        with the names it was told; the relay does not."""
        sink = self.start(Sink(bounces_apart=True))
        hop = self.start(postfix.Postfix(sink.port,
                                         smtp_tls_security_level="none"))
        relay = self.start(Relay(hop.port))
        with relay.client() as client:
            client.greet()
            client.expect(250, "MAIL FROM:<from@example.test> RET=HDRS "
                          "ENVID=QQ+20314159")
            client.expect(250, "RCPT TO:<a@example.test> NOTIFY=SUCCESS "
                          "ORCPT=rfc822;Old+2BName@old.test")
            client.expect(250, "RCPT TO:<b@example.test> NOTIFY=NEVER")
            self.assertEqual(client.data(BODY).code, 250)
        sink.wait_for(lambda s: s.bounces and s.messages,
                      "mail and report; " + hop.log_text())
        about, recipient = self.status(sink.bounces[0])
        self.assertEqual(about["Reporting-MTA"], "dns; postfix.example.test")
        self.assertEqual(about["Original-Envelope-Id"], "QQ 314159")
        self.assertEqual(recipient["Original-Recipient"],
                         "rfc822;Old+Name@old.test")
        self.assertEqual(recipient["Action"], "relayed")
        relay.stop()
        self.assertEqual(relay.find_events("queue.bounced"), [])

    def test_postfix_takes_our_reports(self):
        """What the relay says of failures, delays and mail passed on reaches
        the sender through a Postfix, in one piece."""
        sink = self.start(Sink())
        hop = self.start(postfix.Postfix(sink.port,
                                         smtp_tls_security_level="none"))

        def odd(session, stage, line):
            if stage == "RCPT" and "<gone@" in line:
                return "550-5.1.1 gone\n550 5.1.1 for g\xf6od"
            if stage == "RCPT" and "<slow@" in line:
                return "450 4.2.0 come back later"
            return None
        behind = self.start(Sink(odd))
        relay = self.start(Relay(
            routes=[{"match": "odd.test", "tls": "none",
                     "next_hop": f"127.0.0.1:{behind.port}"},
                    {"match": "*", "tls": "may",
                     "next_hop": f"127.0.0.1:{hop.port}"}],
            bounce={"delay_warning": ["300ms"]}))
        with relay.client() as client:
            client.greet()
            client.expect(250, "MAIL FROM:<from@example.test> BODY=8BITMIME "
                          "ENVID=x")
            for name in ("gone", "slow", "fine"):
                client.expect(250, f"RCPT TO:<{name}@odd.test> "
                              "NOTIFY=SUCCESS,FAILURE,DELAY "
                              f"ORCPT=rfc822;{name}@old.test")
            self.assertEqual(client.data(
                "Subject: x\r\n\r\ngrüße\r\n".encode()).code, 250)
        sink.wait(2)
        actions = {}
        for message in sink.messages:
            self.assertEqual(message.recipients, ["from@example.test"])
            about, *groups = self.status(message)
            self.assertEqual(about["Original-Envelope-Id"], "x")
            for group in groups:
                actions[group["Original-Recipient"]] = group["Action"]
        self.assertEqual(actions, {"rfc822; gone@old.test": "failed",
                                   "rfc822; slow@old.test": "delayed",
                                   "rfc822; fine@old.test": "relayed"})
        relay.stop()


if __name__ == "__main__":
    unittest.main()
