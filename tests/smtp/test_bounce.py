# SPDX-License-Identifier: Apache-2.0
"""Bounces: what a sender gets back, read by Python's email package."""

import email
import email.policy
import unittest

from harness import Relay, Sink

BODY = b"Subject: to be returned\r\nX-Tag: bounce\r\n\r\n.dots\r\nend\r\n"


def refuse(*recipients, code="550 5.1.1 nobody of that name here"):
    """A hook that refuses RCPT for these addresses."""
    def hook(session, stage, line):
        if stage == "RCPT" and any(f"<{r}>" in line for r in recipients):
            return code
        return None
    return hook


class Bounce(unittest.TestCase):
    def pair(self, hook, **config):
        sink = Sink(hook).start()
        self.addCleanup(sink.stop)
        relay = Relay(sink.port, **config).start()
        self.addCleanup(relay.kill)
        return relay, sink

    def bounce(self, sink, count=1):
        """The bounce among the messages that the sink has got."""
        messages = sink.wait(count)
        found = [m for m in messages if m.sender == ""]
        self.assertEqual(len(found), 1, [m.sender_line for m in messages])
        self.assertEqual(found[0].recipients, ["from@example.test"])
        parsed = email.message_from_bytes(found[0].data,
                                          policy=email.policy.default)
        self.assertEqual(parsed.defects, [])
        return parsed

    def report(self, parsed):
        """Its three parts: text, groups of status fields, what came back."""
        self.assertEqual(parsed.get_content_type(), "multipart/report")
        self.assertEqual(parsed.get_param("report-type"), "delivery-status")
        text, status, returned = parsed.iter_parts()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertEqual(status.get_content_type(), "message/delivery-status")
        return text.get_content(), status.get_payload(), returned

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
        self.assertTrue(recipient["Diagnostic-Code"].startswith("smtp; 550"))
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
        self.assertIn("Action: delivered", status[1]["Diagnostic-Code"])
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


if __name__ == "__main__":
    unittest.main()
