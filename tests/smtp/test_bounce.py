# SPDX-License-Identifier: Apache-2.0
"""Bounces: what a sender gets back, read by Python's email package."""

import email
import email.policy
import email.utils
import unittest

from harness import DROP, EXTENSIONS, Relay, Sink

BODY = b"Subject: to be returned\r\nX-Tag: bounce\r\n\r\n.dots\r\nend\r\n"


def refuse(*recipients, code="550 5.1.1 nobody of that name here"):
    """A hook that refuses RCPT for these addresses."""
    def hook(session, stage, line):
        if stage == "RCPT" and any(f"<{r}>" in line for r in recipients):
            return code
        return None
    return hook


class Reports(unittest.TestCase):
    def pair(self, hook=None, sink=None, **config):
        sink = Sink(hook, **sink or {}).start()
        self.addCleanup(sink.stop)
        relay = Relay(sink.port, **config).start()
        self.addCleanup(relay.kill)
        return relay, sink

    def bounce(self, sink, count=1):
        """The bounce among the messages that the sink has got."""
        messages = sink.wait(count)
        found = [m for m in messages if m.sender == ""]
        self.assertEqual(len(found), 1, [m.sender_line for m in messages])
        return self.parse(found[0])

    def parse(self, message):
        self.assertEqual(message.sender, "")
        self.assertEqual(message.recipients, ["from@example.test"])
        parsed = email.message_from_bytes(message.data,
                                          policy=email.policy.default)
        for part in parsed.walk():
            self.assertEqual(part.defects, [])
        return parsed

    def send(self, relay, *recipients, mail="", body=BODY):
        """recipients: names, or pairs of a name and its parameters."""
        with relay.client() as client:
            client.greet()
            client.expect(250, "MAIL FROM:<from@example.test>" + mail)
            for recipient in recipients:
                name, more = (recipient if isinstance(recipient, tuple)
                              else (recipient, ""))
                client.expect(250, f"RCPT TO:<{name}@example.test>" + more)
            self.assertEqual(client.data(body).code, 250)

    def report(self, parsed):
        """Its three parts: text, groups of status fields, what came back."""
        self.assertEqual(parsed.get_content_type(), "multipart/report")
        self.assertEqual(parsed.get_param("report-type"), "delivery-status")
        text, status, returned = parsed.iter_parts()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertEqual(status.get_content_type(), "message/delivery-status")
        return text.get_content(), status.get_payload(), returned


class Bounce(Reports):
    def test_a_report_that_others_can_read(self):
        relay, sink = self.pair(refuse("gone@example.test"))
        relay.send(BODY, recipients=["gone@example.test"])
        parsed = self.bounce(sink)
        self.assertEqual(str(parsed["Auto-Submitted"]), "auto-replied")
        self.assertIn("MAILER-DAEMON@relay.example.test", parsed["From"])
        self.assertEqual(parsed["To"].addresses[0].addr_spec,
                         "from@example.test")
        text, status, returned = self.report(parsed)
        self.assertIn("gone@example.test", text)
        self.assertIn("nobody of that name here", text)
        about, recipient = status
        self.assertEqual(about["Reporting-MTA"], "dns; relay.example.test")
        self.assertEqual(recipient["Final-Recipient"],
                         "rfc822; gone@example.test")
        self.assertEqual(recipient["Action"], "failed")
        self.assertEqual(recipient["Status"], "5.1.1")
        self.assertEqual(recipient["Diagnostic-Code"],
                         "smtp; 550 5.1.1 nobody of that name here")
        self.assertEqual(recipient["Remote-MTA"], "dns; [127.0.0.1]")
        for part, field in ((about, "Arrival-Date"),
                            (recipient, "Last-Attempt-Date")):
            self.assertIsNotNone(email.utils.parsedate_to_datetime(
                part[field]))
        self.assertEqual(returned.get_content_type(), "message/rfc822")
        inner = returned.get_content()
        self.assertEqual(inner["Subject"], "to be returned")
        self.assertEqual(inner.get_content().splitlines(),
                         [".dots", "end"])
        relay.stop()

    def test_names_only_those_who_failed(self):
        relay, sink = self.pair(refuse("x@example.test", "z@example.test"))
        relay.send(BODY, recipients=["x@example.test", "y@example.test",
                                     "z@example.test"])
        _, status, _ = self.report(self.bounce(sink, 2))
        self.assertEqual([s["Final-Recipient"] for s in status[1:]],
                         ["rfc822; x@example.test", "rfc822; z@example.test"])
        relay.stop()

    def test_a_large_message_comes_back_as_headers(self):
        relay, sink = self.pair(refuse("gone@example.test"),
                                bounce={"return_max": "1KiB"})
        relay.send(BODY + b"x" * 70 + b"\r\n" + b"long line\r\n" * 200,
                   recipients=["gone@example.test"])
        _, _, returned = self.report(self.bounce(sink))
        self.assertEqual(returned.get_content_type(), "text/rfc822-headers")
        headers = returned.get_payload()
        self.assertIn("Subject: to be returned", headers)
        self.assertIn("Received:", headers)
        self.assertNotIn("long line", headers)
        relay.stop()

    def test_a_bounce_does_not_bounce(self):
        relay, sink = self.pair(refuse("gone@example.test"))
        relay.send(BODY, sender="", recipients=["gone@example.test"])
        relay.wait_event("outbound.failed", to="gone@example.test")
        relay.stop()
        self.assertEqual(sink.messages, [])
        self.assertEqual(relay.find_events("queue.bounced"), [])

    def test_expired_mail_bounces(self):
        relay, sink = self.pair(
            refuse("slow@example.test", code="450 4.2.0 come back later"),
            retry={"schedule": ["100ms"], "expire": "500ms"})
        relay.send(BODY, recipients=["slow@example.test"])
        text, status, _ = self.report(self.bounce(sink))
        self.assertIn("come back later", text)
        self.assertEqual(status[1]["Status"], "4.4.7")
        relay.stop()

    def test_hostile_replies_stay_in_their_field(self):
        relay, sink = self.pair(refuse(
            "gone@example.test",
            code="550-5.1.1 first\n550-5.1.1 Action: delivered\n"
                 "550 5.1.1 \x01\x02 end"))
        relay.send(BODY, recipients=["gone@example.test"])
        _, status, _ = self.report(self.bounce(sink))
        self.assertEqual(status[1]["Action"], "failed")
        self.assertEqual(
            status[1]["Diagnostic-Code"],
            "smtp; 550-5.1.1 first 550-5.1.1 Action: delivered "
            "550 5.1.1 ?? end")
        relay.stop()

    def test_survives_a_restart(self):
        def later(session, stage, line):
            if stage == "MAIL" and "<>" in line:
                return "450 4.2.0 not yet" if held else None
            return refuse("gone@example.test")(session, stage, line)
        held = [True]
        relay, sink = self.pair(later)
        relay.send(BODY, recipients=["gone@example.test"])
        # By its second attempt the failure itself is recorded, too: before
        # that a crash may repeat the bounce.
        relay.wait_event("outbound.deferred", to="from@example.test",
                         attempts="2")
        relay.kill()
        relay.reader.join()
        relay.process.stdout.close()
        held.clear()
        relay.start()
        self.bounce(sink)
        relay.stop()


    def test_the_senders_names_come_back(self):
        relay, sink = self.pair(refuse("gone@example.test"))
        self.send(relay, ("gone", " ORCPT=rfc822;Old+2BName@old.test"),
                  mail=" ENVID=QQ+20314159")
        _, (about, recipient), _ = self.report(self.bounce(sink))
        self.assertEqual(about["Original-Envelope-Id"], "QQ 314159")
        self.assertEqual(recipient["Original-Recipient"],
                         "rfc822; Old+Name@old.test")
        self.assertEqual(recipient["Final-Recipient"],
                         "rfc822; gone@example.test")
        relay.stop()

    def test_ret_hdrs(self):
        relay, sink = self.pair(refuse("gone@example.test"))
        self.send(relay, "gone", mail=" RET=HDRS")
        _, _, returned = self.report(self.bounce(sink))
        self.assertEqual(returned.get_content_type(), "text/rfc822-headers")
        self.assertIn("X-Tag: bounce", returned.get_payload())
        self.assertNotIn(".dots", returned.get_payload())
        relay.stop()

    def test_notify_says_who_hears_of_failures(self):
        relay, sink = self.pair(
            refuse(*(f"{name}@example.test" for name in "abcdx")))
        self.send(relay, ("a", " NOTIFY=NEVER"), ("b", " NOTIFY=DELAY"),
                  ("c", " NOTIFY=SUCCESS,FAILURE"), "d", "ok")
        _, status, _ = self.report(self.bounce(sink, 2))
        self.assertEqual([s["Final-Recipient"] for s in status[1:]],
                         ["rfc822; c@example.test", "rfc822; d@example.test"])
        relay.stop()

    def test_notify_never_is_silence(self):
        relay, sink = self.pair(refuse("gone@example.test"))
        self.send(relay, ("gone", " NOTIFY=NEVER"))
        relay.wait_event("outbound.failed", to="gone@example.test")
        self.send(relay, "ok")
        sink.wait()
        relay.stop()
        self.assertEqual([m.recipients for m in sink.messages],
                         [["ok@example.test"]])
        self.assertEqual(relay.find_events("queue.bounced"), [])

    def test_a_long_reply_is_whole(self):
        lines = [f"5.7.1 line {n} " + "w" * 80 for n in range(9)]
        said = [f"550{' ' if n == 8 else '-'}{line}"
                for n, line in enumerate(lines)]
        relay, sink = self.pair(refuse("gone@example.test",
                                       code="\n".join(said)))
        self.send(relay, "gone")
        _, status, _ = self.report(self.bounce(sink))
        self.assertEqual(status[1]["Diagnostic-Code"],
                         "smtp; " + " ".join(said))
        self.assertEqual(status[1]["Status"], "5.7.1")
        relay.stop()

    def test_a_code_is_made_up_only_when_there_is_none(self):
        relay, sink = self.pair(refuse("gone@example.test", code="554 no"))
        self.send(relay, "gone")
        _, status, _ = self.report(self.bounce(sink))
        self.assertEqual(status[1]["Status"], "5.0.0")
        self.assertEqual(status[1]["Diagnostic-Code"], "smtp; 554 no")
        relay.stop()

    def test_nobody_answered(self):
        def vanish(session, stage, line):
            gone = stage == "RCPT" and "gone" in line
            return DROP if gone else None
        relay, sink = self.pair(
            vanish, retry={"schedule": ["100ms"], "expire": "500ms"})
        self.send(relay, "gone")
        _, status, _ = self.report(self.bounce(sink))
        self.assertTrue(status[1]["Diagnostic-Code"].startswith(
            "X-Ringpost; "), status[1]["Diagnostic-Code"])
        self.assertIsNone(status[1]["Remote-MTA"])
        self.assertEqual(status[1]["Status"], "4.4.7")
        relay.stop()

    def test_eight_bit_mail(self):
        relay, sink = self.pair(refuse("gone@example.test"))
        body = "Subject: x\r\n\r\ngrüße\r\n".encode("latin-1")
        self.send(relay, "gone", mail=" BODY=8BITMIME", body=body)
        parsed = self.bounce(sink)
        self.assertIn("BODY=8BITMIME", sink.messages[0].sender_line)
        text, _, returned = self.report(parsed)
        self.assertEqual(parsed["Content-Transfer-Encoding"], "8bit")
        self.assertEqual(returned["Content-Transfer-Encoding"], "8bit")
        inner = returned.get_content()
        self.assertEqual(inner.get_payload(decode=True),
                         "grüße\r\n".encode("latin-1"))
        relay.stop()

    def test_addresses_beyond_ascii(self):
        relay, sink = self.pair(refuse("jürgen@example.test"))
        self.send(relay, "jürgen", mail=" SMTPUTF8")
        message = sink.wait()[0]
        self.assertIn("SMTPUTF8", message.sender_line)
        self.assertIn(b"Content-Type: message/global-delivery-status",
                      message.data)
        self.assertIn("Final-Recipient: utf-8; jürgen@example.test".encode(),
                      message.data)
        relay.stop()


class Relayed(Reports):
    """NOTIFY=SUCCESS towards a host that knows nothing of it."""

    def test_it_is_said(self):
        relay, sink = self.pair()
        self.send(relay, ("a", " NOTIFY=SUCCESS ORCPT=rfc822;A@old.test"),
                  "b", ("c", " NOTIFY=SUCCESS,FAILURE"), mail=" ENVID=x")
        parsed = self.bounce(sink, 2)
        _, status, returned = self.report(parsed)
        self.assertEqual(status[0]["Original-Envelope-Id"], "x")
        self.assertEqual([s["Final-Recipient"] for s in status[1:]],
                         ["rfc822; a@example.test", "rfc822; c@example.test"])
        self.assertEqual(status[1]["Original-Recipient"], "rfc822; A@old.test")
        for group in status[1:]:
            self.assertEqual(group["Action"], "relayed")
            self.assertEqual(group["Status"], "2.0.0")
            self.assertEqual(group["Remote-MTA"], "dns; [127.0.0.1]")
            self.assertEqual(group["Diagnostic-Code"],
                             "smtp; 250 2.0.0 taken")
        self.assertEqual(returned.get_content_type(), "text/rfc822-headers")
        relay.stop()
        event = relay.wait_event("queue.bounced", action="relayed",
                                 recipients=2)
        self.assertEqual(event["about"],
                         relay.find_events("inbound.accepted")[0]["id"])

    def test_not_of_a_host_that_will_say_it(self):
        relay, sink = self.pair(
            sink={"extensions": EXTENSIONS + ("DSN",)})
        self.send(relay, ("a", " NOTIFY=SUCCESS"))
        sink.wait()
        relay.stop()
        self.assertEqual(relay.find_events("queue.bounced"), [])

    def test_one_report_for_both_fates(self):
        relay, sink = self.pair(refuse("gone@example.test"))
        self.send(relay, ("a", " NOTIFY=SUCCESS"), "gone")
        _, status, _ = self.report(self.bounce(sink, 2))
        self.assertEqual({s["Final-Recipient"]: s["Action"]
                          for s in status[1:]},
                         {"rfc822; a@example.test": "relayed",
                          "rfc822; gone@example.test": "failed"})
        relay.stop()


class Delayed(Reports):
    RETRY = {"schedule": ["100ms"], "expire": "1h"}

    def slow(self, *names, **config):
        """A sink that puts off these until self.held is cleared."""
        self.held = [True]

        def hook(session, stage, line):
            if stage == "RCPT" and self.held and any(
                    f"<{name}@" in line for name in names):
                return "450 4.2.0 come back later"
            return None
        return self.pair(hook, retry=self.RETRY, **config)

    def test_a_warning(self):
        relay, sink = self.slow("slow", bounce={"delay_warning": ["300ms"]})
        self.send(relay, "slow", mail=" ENVID=x")
        text, (about, recipient), returned = self.report(self.bounce(sink))
        self.assertIn("come back later", text)
        self.assertEqual(about["Original-Envelope-Id"], "x")
        self.assertEqual(recipient["Action"], "delayed")
        self.assertEqual(recipient["Status"], "4.2.0")
        arrival, until = (email.utils.parsedate_to_datetime(d) for d in (
            about["Arrival-Date"], recipient["Will-Retry-Until"]))
        self.assertEqual((until - arrival).total_seconds(), 3600)
        self.assertEqual(returned.get_content_type(), "text/rfc822-headers")
        # and then it arrives
        self.held.clear()
        sink.wait_for(lambda s: any(m.recipients == ["slow@example.test"]
                                    for m in s.messages))
        relay.stop()

    def test_one_for_each_step(self):
        relay, sink = self.slow("slow", bounce={
            "delay_warning": ["200ms", "1s"]})
        self.send(relay, "slow")
        sink.wait(2)
        deferred = len(relay.find_events("outbound.deferred"))
        sink.wait_for(lambda s: len(relay.find_events("outbound.deferred"))
                      > deferred + 3)
        self.held.clear()
        sink.wait(3)
        relay.stop()
        reports = [self.report(self.parse(m)) for m in sink.messages
                   if m.sender == ""]
        self.assertEqual([r[1][1]["Action"] for r in reports],
                         ["delayed", "delayed"])

    def test_only_who_wants_to_know(self):
        relay, sink = self.slow(*"abcd", bounce={"delay_warning": ["300ms"]})
        self.send(relay, ("a", " NOTIFY=FAILURE"), ("b", " NOTIFY=DELAY"),
                  ("c", " NOTIFY=NEVER"), "d")
        _, status, _ = self.report(self.bounce(sink))
        self.assertEqual([s["Final-Recipient"] for s in status[1:]],
                         ["rfc822; b@example.test", "rfc822; d@example.test"])
        self.held.clear()
        sink.wait(2)
        relay.stop()

    def test_nobody_by_default(self):
        relay, sink = self.slow("slow")
        self.send(relay, ("slow", " NOTIFY=DELAY"))
        relay.wait_event("outbound.deferred", attempts=5)
        self.held.clear()
        sink.wait()
        relay.stop()
        self.assertEqual(relay.find_events("queue.bounced"), [])

    def test_a_restart_does_not_warn_again(self):
        relay, sink = self.slow("slow", bounce={"delay_warning": ["300ms"]})
        self.send(relay, "slow")
        sink.wait()
        # By the next attempt the warning itself is recorded, too.
        attempts = max(int(e["attempts"])
                       for e in relay.find_events("outbound.deferred"))
        relay.wait_event("outbound.deferred", attempts=attempts + 2)
        relay.kill()
        relay.reader.join()
        relay.process.stdout.close()
        relay.start()
        relay.wait_event("outbound.deferred", attempts=attempts + 8)
        self.held.clear()
        sink.wait(2)
        relay.stop()
        self.assertEqual(len(relay.find_events("queue.bounced")), 1)
        self.assertEqual([m.sender for m in sink.messages],
                         ["", "from@example.test"])


if __name__ == "__main__":
    unittest.main()
