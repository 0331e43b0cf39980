# SPDX-License-Identifier: Apache-2.0
"""Delivery to a next hop: replies read right, retries, TLS levels, reuse."""

import ssl
import threading
import unittest

from harness import (DROP, SILENCE, Relay, Sink, certificates,
                     server_context)

BODY = b"X-Tag: outbound\r\nSubject: test\r\n\r\n.dots\r\n..\r\nend\r\n"


class Script:
    """A hook that answers a stage with each of the given replies in turn,
    then as usual."""

    def __init__(self, stage, *replies, match=""):
        self.stage, self.replies, self.match = stage, list(replies), match
        self.lock = threading.Lock()

    def __call__(self, session, stage, line):
        with self.lock:
            if stage == self.stage and self.match in line and self.replies:
                return self.replies.pop(0)
        return None


class Outbound(unittest.TestCase):
    def sink(self, hook=None, **options):
        sink = Sink(hook, bounces_apart=True, **options).start()
        self.addCleanup(sink.stop)
        return sink

    def relay(self, sink, route=None, **config):
        relay = Relay(sink.port, route=route, **config).start()
        self.addCleanup(relay.kill)
        return relay

    def pair(self, hook=None, route=None, sink=None, **config):
        sink = self.sink(hook, **(sink or {}))
        return self.relay(sink, route, **config), sink

    def accept(self, relay, body=BODY, **envelope):
        reply = relay.send(body, **envelope)
        self.assertEqual(reply.code, 250, repr(reply))

    def assert_intact(self, message, body=BODY):
        self.assertEqual(message.body_from(b"X-Tag: "), body)


class Wire(Outbound):
    def test_bdat_when_offered(self):
        relay, sink = self.pair()
        self.accept(relay)
        message = sink.wait()[0]
        self.assertEqual(message.by, "BDAT")
        self.assert_intact(message)
        relay.stop()

    def test_data_with_dots_when_not_offered(self):
        relay, sink = self.pair(sink={"without": ("CHUNKING",)})
        self.accept(relay)
        message = sink.wait()[0]
        self.assertEqual(message.by, "DATA")
        self.assert_intact(message)
        relay.stop()

    def test_data_without_dots(self):
        relay, sink = self.pair(sink={"without": ("CHUNKING",)})
        body = BODY.replace(b".", b"")
        self.accept(relay, body)
        self.assert_intact(sink.wait()[0], body)

    def test_server_without_any_extension(self):
        relay, sink = self.pair(sink={"extensions": ()})
        self.accept(relay)
        self.assert_intact(sink.wait()[0])
        self.assertEqual(sink.messages[0].sender_line,
                         "MAIL FROM:<from@example.test>")

    def test_server_that_only_knows_helo(self):
        def hook(session, stage, line):
            return "502 5.5.1 no EHLO" if stage == "EHLO" else None
        relay, sink = self.pair(hook)
        self.accept(relay)
        self.assert_intact(sink.wait()[0])
        self.assertIn("HELO relay.example.test", sink.commands())

    def test_ehlo_says_our_name(self):
        relay, sink = self.pair()
        self.accept(relay)
        sink.wait()
        self.assertEqual(sink.sessions[0].commands[0],
                         "EHLO relay.example.test")

    def test_size_is_declared(self):
        relay, sink = self.pair()
        self.accept(relay)
        message = sink.wait()[0]
        self.assertIn(f"SIZE={len(message.data)}", message.sender_line)

    def test_many_replies_in_one_packet(self):
        # All answers to a pipelined group at once; and one octet at a time.
        relay, sink = self.pair()
        names = [f"r{n}@example.test" for n in range(30)]
        self.accept(relay, recipients=names)
        self.assertEqual(sorted(sink.wait()[0].recipients), sorted(names))

    def test_multi_line_replies_everywhere(self):
        def hook(session, stage, line):
            return {"CONNECT": "220-one\n220-two\n220 three",
                    "MAIL": "250-2.1.0 one\n250 2.1.0 two",
                    "BODY": "250-2.0.0 one\n250 2.0.0 two"}.get(stage)
        relay, sink = self.pair(hook)
        self.accept(relay)
        self.assert_intact(sink.wait()[0])

    def test_large_body(self):
        line = b"l" * 76 + b"\r\n"
        body = b"X-Tag: large\r\n\r\n" + line * 100000
        for without in ((), ("CHUNKING",), ("CHUNKING", "PIPELINING")):
            with self.subTest(without):
                relay, sink = self.pair(sink={"without": without})
                self.accept(relay, body)
                self.assert_intact(sink.wait()[0], body)
                relay.stop()

    def test_eight_bit_to_a_server_without_8bitmime(self):
        # Nothing may be lost in silence: delivered as it is, or failed.
        relay, sink = self.pair(sink={"without": ("8BITMIME",)})
        self.accept(relay, b"X-Tag: 8\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n")
        relay.wait_event(to="to@example.test")

    def test_smtputf8_needs_it_downstream(self):
        relay, sink = self.pair(sink={"without": ("SMTPUTF8",)})
        with relay.client() as client:
            client.greet()
            client.expect(250, "MAIL FROM:<jürgen@example.test> SMTPUTF8")
            client.expect(250, "RCPT TO:<δ@example.test>")
            self.assertEqual(client.data(BODY).code, 250)
        event = relay.wait_event("outbound.failed")
        self.assertIn("SMTPUTF8", str(event))
        self.assertEqual(sink.messages, [])


class Replies(Outbound):
    def delivered_after(self, *replies, stage, match=""):
        relay, sink = self.pair(Script(stage, *replies, match=match))
        self.accept(relay)
        self.assert_intact(sink.wait()[0])
        relay.stop()
        self.assertEqual(len(sink.messages), 1)
        return relay, sink

    def failed_by(self, reply, stage):
        relay, sink = self.pair(Script(stage, *[reply] * 50))
        self.accept(relay)
        event = relay.wait_event("outbound.failed")
        self.assertIn(reply[:3], str(event))
        relay.stop()
        self.assertEqual(sink.messages, [])
        return relay, sink

    def test_temporary_refusals_are_tried_again(self):
        for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "BODY"):
            with self.subTest(stage):
                self.delivered_after("451 4.3.0 later", "450 4.2.0 later",
                                     stage=stage)

    def test_temporary_refusal_of_data(self):
        relay, sink = self.pair(Script("DATA", "451 4.3.0 later"),
                                sink={"without": ("CHUNKING",)})
        self.accept(relay)
        self.assert_intact(sink.wait()[0])

    def test_a_deferral_is_logged_with_the_reply(self):
        relay, sink = self.delivered_after("451 4.3.0 come back later",
                                           stage="RCPT")
        event = relay.find_events("outbound.deferred")[0]
        self.assertIn("come back later", str(event))

    def test_permanent_refusals_fail(self):
        for stage in ("MAIL", "RCPT", "BODY"):
            with self.subTest(stage):
                self.failed_by("550 5.1.1 never", stage)

    def test_permanent_refusal_of_data(self):
        relay, sink = self.pair(Script("DATA", "554 5.7.1 never"),
                                sink={"without": ("CHUNKING",)})
        self.accept(relay)
        relay.wait_event("outbound.failed")
        self.assertEqual(sink.messages, [])

    def test_421_at_any_stage_is_tried_again(self):
        for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "BODY"):
            with self.subTest(stage):
                self.delivered_after("421 4.3.2 going down", stage=stage)

    def test_dropped_connections_are_tried_again(self):
        for stage in ("CONNECT", "EHLO", "STARTTLS", "MAIL", "RCPT", "BODY"):
            with self.subTest(stage):
                self.delivered_after(DROP, DROP, stage=stage)

    def test_connection_dropped_in_the_handshake(self):
        class Dropping(Sink):
            drops = 2
        sink = Dropping().start()
        self.addCleanup(sink.stop)

        def hook(session, stage, line):
            if stage == "STARTTLS" and sink.drops:
                sink.drops -= 1
                session.say("220 go ahead")
                return DROP
            return None
        sink.hook = hook
        relay = self.relay(sink)
        self.accept(relay)
        self.assert_intact(sink.wait()[0])

    def test_connection_dropped_in_the_body(self):
        # The sink goes away while octets are on their way.
        def hook(session, stage, line):
            if stage == "RCPT" and session.number < 2:
                session.say("250 2.1.5 ok")
                session.sock.recv(1000)
                return DROP
            return None
        relay, sink = self.pair(hook)
        self.accept(relay, b"X-Tag: big\r\n\r\n" + b"b" * 70 * 1 + b"\r\n"
                    + b"line\r\n" * 500000)
        sink.wait()
        relay.stop()

    def test_nobody_listens_at_first(self):
        sink = Sink()
        relay = self.relay(sink)
        self.accept(relay)
        relay.wait_event("outbound.deferred")
        sink.start()
        self.addCleanup(sink.stop)
        self.assert_intact(sink.wait()[0])

    def test_rubbish_instead_of_a_reply(self):
        for rubbish in ("hello", "25", "abc def", "999 what", "250", "\0" * 9,
                        "x" * 100000):
            with self.subTest(rubbish[:9]):
                relay, sink = self.pair(Script("MAIL", rubbish))
                self.accept(relay)
                sink.wait()
                relay.stop()

    def test_endless_reply(self):
        def hook(session, stage, line):
            if stage == "EHLO" and session.number == 0:
                for _ in range(100000):
                    session.say("250-more")
                return DROP
            return None
        relay, sink = self.pair(hook)
        self.accept(relay)
        self.assert_intact(sink.wait()[0])

    def test_silence_is_ended_by_the_time_limit(self):
        for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "BODY"):
            with self.subTest(stage):
                # One command at a time: later replies would fill the gap.
                relay, sink = self.pair(
                    Script(stage, SILENCE), sink={"without": ("PIPELINING",)},
                    timeouts={"reply": "300ms", "final": "300ms"})
                self.accept(relay)
                sink.wait()
                relay.stop()

    def test_greeting_554_is_tried_again_or_failed(self):
        relay, sink = self.pair(Script("CONNECT", "554 5.7.1 not you"))
        self.accept(relay)
        relay.wait_event(to="to@example.test")

    def test_retry_follows_the_schedule(self):
        relay, sink = self.pair(Script("RCPT", *["450 4.2.1 later"] * 4))
        self.accept(relay)
        sink.wait()
        relay.stop()
        rcpts = [c for c in sink.commands() if c.startswith("RCPT")]
        self.assertEqual(len(rcpts), 5)

    def test_expiry_fails_the_message(self):
        relay, sink = self.pair(Script("RCPT", *["450 4.2.1 later"] * 1000),
                                retry={"schedule": ["100ms"],
                                       "expire": "500ms"})
        self.accept(relay)
        relay.wait_event("outbound.failed")
        relay.stop()
        self.assertEqual(sink.messages, [])

    def test_partial_recipients(self):
        def hook(session, stage, line):
            if stage == "RCPT" and "bad" in line:
                return "550 5.1.1 unknown"
            if stage == "RCPT" and "later" in line and session.number == 0 \
                    and not hook.done:
                hook.done = True
                return "450 4.2.1 later"
            return None
        hook.done = False
        relay, sink = self.pair(hook)
        self.accept(relay, recipients=["good@example.test",
                                       "bad@example.test",
                                       "later@example.test"])
        messages = sink.wait(2)
        self.assertEqual([m.recipients for m in messages],
                         [["good@example.test"], ["later@example.test"]])
        for message in messages:
            self.assert_intact(message)
        relay.wait_event("outbound.failed", to="bad@example.test")
        relay.stop()
        self.assertEqual(len(sink.messages), 2)

    def test_all_recipients_refused(self):
        relay, sink = self.failed_by("550 5.1.1 unknown", "RCPT")
        self.assertFalse([c for c in sink.commands()
                          if c.startswith("RSET FROM")])

    def test_452_for_too_many_recipients_sends_the_rest_later(self):
        def hook(session, stage, line):
            if stage == "RCPT" and len(session.message.recipients) >= 10:
                return "452 4.5.3 too many"
            return None
        relay, sink = self.pair(hook)
        names = [f"r{n}@example.test" for n in range(25)]
        self.accept(relay, recipients=names)
        sink.wait_for(lambda s: sum(len(m.recipients)
                                    for m in s.messages) == 25)
        relay.stop()
        got = [r for m in sink.messages for r in m.recipients]
        self.assertEqual(sorted(got), sorted(names))

    def test_reply_after_the_body_counts_for_all_recipients(self):
        relay, sink = self.pair(Script("BODY", "550 5.7.1 spam"))
        self.accept(relay, recipients=["a@example.test", "b@example.test"])
        for name in ("a@example.test", "b@example.test"):
            relay.wait_event("outbound.failed", to=name)
        relay.stop()
        self.assertEqual(sink.messages, [])

    def test_size_limit_of_the_next_hop(self):
        relay, sink = self.pair(
            sink={"extensions": ("PIPELINING", "SIZE 1000")})
        self.accept(relay, b"X-Tag: x\r\n\r\n" + b"large\r\n" * 1000)
        relay.wait_event("outbound.failed")
        self.assertEqual(sink.messages, [])


class Tls(Outbound):
    def test_encrypt_uses_tls(self):
        relay, sink = self.pair(route={"tls": "encrypt"})
        self.accept(relay)
        message = sink.wait()[0]
        self.assertEqual(message.session.tls, "TLSv1.3")
        relay.stop()
        self.assertEqual(sink.errors, [])

    def test_nothing_is_sent_in_clear(self):
        relay, sink = self.pair(route={"tls": "encrypt"})
        self.accept(relay)
        sink.wait()
        commands = sink.sessions[0].commands
        self.assertEqual(commands[1], "STARTTLS")
        self.assertTrue(commands[2].startswith("EHLO "), commands)

    def test_encrypt_defers_without_starttls(self):
        relay, sink = self.pair(route={"tls": "encrypt"},
                                sink={"without": ("STARTTLS",)})
        self.accept(relay)
        relay.wait_event("outbound.deferred")
        self.assertFalse([c for c in sink.commands()
                          if c.startswith("MAIL")])

    def test_may_goes_on_without_starttls(self):
        relay, sink = self.pair(route={"tls": "may"},
                                sink={"without": ("STARTTLS",)})
        self.accept(relay)
        self.assertIsNone(sink.wait()[0].session.tls)

    def test_none_does_not_ask(self):
        relay, sink = self.pair(route={"tls": "none"})
        self.accept(relay)
        sink.wait()
        self.assertNotIn("STARTTLS", sink.commands())

    def test_encrypt_takes_any_certificate(self):
        certs = certificates()
        context = server_context(certs.foreign, certs.foreign_key)
        relay, sink = self.pair(route={"tls": "encrypt"},
                                sink={"context": context})
        self.accept(relay)
        self.assertTrue(sink.wait()[0].session.tls)

    def test_refused_starttls_with_encrypt(self):
        relay, sink = self.pair(
            Script("STARTTLS", "454 4.7.0 not now"),
            route={"tls": "encrypt"})
        self.accept(relay)
        self.assertTrue(sink.wait()[0].session.tls)

    def test_refused_starttls_with_may(self):
        relay, sink = self.pair(
            Script("STARTTLS", *["454 4.7.0 not now"] * 50),
            route={"tls": "may"})
        self.accept(relay)
        self.assertIsNone(sink.wait()[0].session.tls)

    def verify(self, context, **tls):
        return self.pair(sink={"context": context},
                         route={"tls": dict({"level": "verify",
                                             "ca_file": certificates().ca},
                                            **tls)})

    def test_verify_accepts_a_good_certificate(self):
        relay, sink = self.verify(server_context())
        self.accept(relay)
        self.assertTrue(sink.wait()[0].session.tls)

    def test_verify_by_name(self):
        relay, sink = self.verify(server_context(),
                                  name="relay.example.test")
        self.accept(relay)
        self.assertTrue(sink.wait()[0].session.tls)

    def refused(self, relay, sink):
        self.accept(relay)
        relay.wait_event("outbound.deferred")
        self.assertFalse([c for c in sink.commands()
                          if c.startswith("MAIL")])
        self.assertEqual(sink.messages, [])

    def test_verify_refuses_a_wrong_name(self):
        certs = certificates()
        self.refused(*self.verify(
            server_context(certs.other, certs.other_key)))

    def test_verify_refuses_an_unknown_authority(self):
        certs = certificates()
        self.refused(*self.verify(
            server_context(certs.foreign, certs.foreign_key)))

    def test_verify_trusts_only_the_file(self):
        relay, sink = self.pair(route={"tls": "verify"})
        self.refused(relay, sink)

    def test_versions_and_ciphers(self):
        cases = [(ssl.TLSVersion.TLSv1_3, None)]
        cases += [(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-" + name)
                  for name in ("AES128-GCM-SHA256", "AES256-GCM-SHA384",
                               "CHACHA20-POLY1305")]
        for version, cipher in cases:
            with self.subTest(str(cipher or version)):
                relay, sink = self.pair(
                    route={"tls": "encrypt"},
                    sink={"context": server_context(version=version,
                                                    ciphers=cipher)})
                body = b"X-Tag: x\r\n\r\n" + b"line of text\r\n" * 100000
                self.accept(relay, body)
                self.assert_intact(sink.wait()[0], body)
                relay.stop()

    def test_log_of_the_session(self):
        relay, sink = self.pair(route={"tls": "encrypt"})
        self.accept(relay, tls=False)
        sink.wait()
        relay.stop()
        events = [e for e in relay.events if e.get("tls") == "TLSv1.3"]
        self.assertTrue(events)
        self.assertIn("offload", events[0])
        self.assertIn("cipher", events[0])

    def test_plain_reply_injected_before_the_handshake(self):
        # The server's side of command injection: replies sent in clear
        # behind the 220 must not be taken for replies inside TLS.
        def hook(session, stage, line):
            if stage == "STARTTLS" and session.number == 0:
                session.sock.sendall(b"220 go\r\n250 injected\r\n")
                session.wrap()
                return SILENCE
            return None
        relay, sink = self.pair(hook, route={"tls": "encrypt"})
        self.accept(relay)
        sink.wait()
        self.assertFalse([c for c in sink.sessions[0].commands[2:]
                          if c.startswith("MAIL")
                          and not sink.sessions[0].commands[2].startswith(
                              "EHLO")])


class Reuse(Outbound):
    def bodies(self, count):
        return [b"X-Tag: %d\r\n\r\ntext\r\n" % n for n in range(count)]

    def test_connections_are_used_again(self):
        relay, sink = self.pair(route={"tls": "encrypt", "connections": 1},
                                workers=1)
        with relay.client() as client:
            client.greet()
            for body in self.bodies(20):
                client.envelope()
                self.assertEqual(client.data(body).code, 250)
        sink.wait(20)
        self.assertLess(len(sink.sessions), 20)
        relay.stop()

    def test_message_limit_of_a_connection(self):
        relay, sink = self.pair(
            route={"tls": "encrypt", "messages_per_connection": 4})
        with relay.client() as client:
            client.greet()
            for body in self.bodies(20):
                client.envelope()
                self.assertEqual(client.data(body).code, 250)
        sink.wait(20)
        relay.stop()
        self.assertLessEqual(max(s.delivered for s in sink.sessions), 4)

    def test_connection_limit(self):
        lock = threading.Lock()
        open_now, highest = set(), [0]

        class Counting(Sink):
            def serve(self, session):
                with lock:
                    open_now.add(session.number)
                    highest[0] = max(highest[0], len(open_now))
                super().serve(session)
                with lock:
                    open_now.discard(session.number)
        sink = Counting().start()
        self.addCleanup(sink.stop)
        relay = self.relay(sink, {"connections": 2}, workers=1)
        with relay.client() as client:
            client.greet()
            for body in self.bodies(40):
                client.envelope()
                self.assertEqual(client.data(body).code, 250)
        sink.wait(40)
        relay.stop()
        # An old connection may still be closing when its follower comes.
        self.assertLessEqual(highest[0], 3)

    def test_connection_lost_while_idle_loses_nothing(self):
        # The next hop closes between messages; the next one must not fail.
        def hook(session, stage, line):
            if stage == "BODY":
                session.say("250 2.0.0 taken")
                session.sink.store(session.current)
                return DROP
            return None
        relay, sink = self.pair(hook)
        for n, body in enumerate(self.bodies(5)):
            self.accept(relay, body)
            sink.wait(n + 1)
        relay.stop()
        self.assertEqual(len(sink.messages), 5)

    def test_session_goes_on_after_a_refused_message(self):
        relay, sink = self.pair(
            Script("RCPT", "550 5.1.1 unknown", match="bad"),
            route={"connections": 1}, workers=1)
        with relay.client() as client:
            client.greet()
            client.envelope(recipients=["bad@example.test"])
            self.assertEqual(client.data(self.bodies(1)[0]).code, 250)
            for body in self.bodies(5):
                client.envelope()
                self.assertEqual(client.data(body).code, 250)
        sink.wait(5)
        relay.stop()


class Routes(Outbound):
    def test_first_match_by_domain(self):
        first, second, third = (self.sink() for _ in range(3))
        hop = "127.0.0.1:{}".format
        relay = Relay(routes=[
            {"match": "one.test", "next_hop": hop(first.port), "tls": "may"},
            {"match": "*.two.test", "next_hop": hop(second.port),
             "tls": "may"},
            {"match": "*", "next_hop": hop(third.port), "tls": "may"},
        ]).start()
        self.addCleanup(relay.kill)
        self.accept(relay, recipients=["a@ONE.test", "b@sub.two.test",
                                       "c@three.test"])
        self.assertEqual(first.wait()[0].recipients, ["a@ONE.test"])
        self.assertEqual(second.wait()[0].recipients, ["b@sub.two.test"])
        self.assertEqual(third.wait()[0].recipients, ["c@three.test"])
        relay.stop()

    def test_no_route(self):
        sink = self.sink()
        relay = Relay(routes=[{"match": "one.test", "tls": "may",
                               "next_hop": f"127.0.0.1:{sink.port}"}]).start()
        self.addCleanup(relay.kill)
        with relay.client() as client:
            client.greet()
            client.expect(250, "MAIL FROM:<a@example.test>")
            reply = client.command("RCPT TO:<b@other.test>")
            self.assertIn(reply.code, (250, 550, 554))
            if reply.code == 250:
                self.assertEqual(client.data(BODY).code, 250)
                relay.wait_event("outbound.failed")


if __name__ == "__main__":
    unittest.main()
