# SPDX-License-Identifier: Apache-2.0
"""Delivery by MX in a network of its own: hosts on loopback addresses, one
port for all of them, and a name server with their zones."""

import os
import threading
import unittest

import nameserver
from harness import (Relay, Sink, certificates, fresh_folder, free_port,
                     needs, server_context)

BODY = b"X-Tag: mx\r\nSubject: test\r\n\r\nhello\r\n"

ZONE = """
fast.test. IN MX 10 mx.fast.test.
mx.fast.test. IN A 127.0.1.1
twin.test. IN MX 5 mx.fast.test.
slow.test. IN MX 10 mx.slow.test.
mx.slow.test. IN A 127.0.1.2
grey.test. IN MX 10 mx.grey.test.
mx.grey.test. IN A 127.0.1.3
tls.test. IN MX 10 mx.tls.test.
mx.tls.test. IN A 127.0.1.4
limit.test. IN MX 10 mx.limit.test.
mx.limit.test. IN A 127.0.1.5
verify.test. IN MX 10 mx.verify.test.
mx.verify.test. IN A 127.0.1.6
busy.test. IN MX 10 mx.busy.test.
busy.test. IN MX 20 mx.fast.test.
mx.busy.test. IN A 127.0.1.7
dead.test. IN MX 10 mx.dead.test.
dead.test. IN MX 20 mx.fast.test.
mx.dead.test. IN A 127.0.1.99
two.test. IN MX 10 mx.two.test.
mx.two.test. IN A 127.0.1.99
mx.two.test. IN A 127.0.1.1
half.test. IN MX 10 nowhere.test.
half.test. IN MX 20 mx.fast.test.
only-dead.test. IN MX 10 mx.dead.test.
implicit.test. IN A 127.0.1.1
alias.test. IN MX 10 cname.test.
cname.test. IN CNAME mx.fast.test.
null.test. IN MX 0 .
empty.test. IN TXT "nothing else"
hostless.test. IN MX 10 nowhere.test.
loop.test. IN MX 10 relay.example.test.
loop.test. IN MX 20 mx.fast.test.
backup.test. IN MX 10 mx.fast.test.
backup.test. IN MX 20 relay.example.test.
own.test. IN MX 10 self.test.
self.test. IN A 127.0.1.77
xn--bcher-kva.test. IN MX 10 mx.fast.test.
""".strip().splitlines()


class BrokenTls:
    """In place of a context: the handshake never comes."""

    def wrap_socket(self, sock, server_side):
        raise OSError("no TLS today")


class Grey:
    """Refuses each recipient the first time."""

    def __init__(self):
        self.seen = set()

    def __call__(self, session, stage, line):
        if stage != "RCPT" or line in self.seen:
            return None
        self.seen.add(line)
        return "451 4.7.1 greylisted"


class Slow:
    """Holds every message back until told."""

    def __init__(self):
        self.go = threading.Event()

    def __call__(self, session, stage, line):
        if stage == "BODY":
            self.go.wait()
        return None


def three_messages_only(session, stage, line):
    if stage == "MAIL" and session.delivered >= 3:
        return "421 4.3.2 enough for one connection"
    return None


def too_busy(session, stage, line):
    return "421 4.3.2 too busy" if stage == "CONNECT" else None


class Mx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        needs(cls(), nameserver.why_unavailable())
        cls.port = free_port()
        cls.names = nameserver.NameServer(ZONE, broken=["servfail.test"])
        cls.names.start()
        cls.addClassCleanup(cls.names.stop)
        certificate, key = certificates().issue("mx", "DNS:mx.verify.test")
        cls.fast = cls.host(1)
        cls.held = Slow()
        cls.slow = cls.host(2, cls.held)
        cls.grey = cls.host(3, Grey())
        cls.tls = cls.host(4, context=BrokenTls())
        cls.limit = cls.host(5, three_messages_only)
        cls.verify = cls.host(6, context=server_context(certificate, key))
        cls.busy = cls.host(7, too_busy)
        cls.other = Sink().start()
        cls.addClassCleanup(cls.other.stop)
        cls.relay = cls.make_relay()

    @classmethod
    def tearDownClass(cls):
        cls.held.go.set()
        cls.relay.stop()

    @classmethod
    def host(cls, number, hook=None, **options):
        sink = Sink(hook, host=f"127.0.1.{number}", port=cls.port,
                    **options).start()
        cls.addClassCleanup(sink.stop)
        return sink

    @classmethod
    def make_relay(cls):
        mx = {"next_hop": "mx", "port": cls.port}
        relay = Relay(
            resolver={"servers": [cls.names.address], "timeout": "30s"},
            workers=1,
            routes=[
                dict(mx, match="verify.test",
                     tls={"level": "verify", "ca_file": certificates().ca}),
                dict(mx, match="fast.test", tls="may"),
                dict(mx, match="only-dead.test", fallback_after=2,
                     fallback=f"127.0.0.1:{cls.other.port}", tls="may"),
                {"match": "named.example", "tls": "may",
                 "next_hop": f"mx.two.test:{cls.port}"},
                dict(mx, match="limit.test", tls="may", connections=1),
                dict(mx, match="*", tls="may"),
            ])
        # One of its addresses is among the hosts.
        relay.config["listen"].append(
            {"address": f"127.0.1.77:{cls.port}"})
        relay.start()
        cls.addClassCleanup(relay.kill)
        return relay

    def send(self, domain, count=1):
        """Hands messages over; returns their recipients, all different."""
        names = [f"{self.id().rpartition('.')[2]}-{n}@{domain}"
                 for n in range(count)]
        for name in names:
            reply = self.relay.send(BODY, recipients=(name,))
            self.assertEqual(reply.code, 250, repr(reply))
        return names

    def assert_arrive(self, names, sink):
        sink.wait_for(
            lambda s: set(names) <= {r for m in s.messages
                                     for r in m.recipients}, names)

    def assert_event(self, name, to, **fields):
        return self.relay.wait_event(name, to=to, **fields)

    # where

    def test_an_mx_host(self):
        names = self.send("fast.test")
        self.assert_arrive(names, self.fast)
        event = self.assert_event("outbound.sent", names[0])
        self.assertEqual(event["host"], "mx.fast.test")

    def test_the_next_host_when_the_best_is_dead(self):
        self.assert_arrive(self.send("dead.test", 3), self.fast)

    def test_the_next_address_of_a_host(self):
        self.assert_arrive(self.send("two.test"), self.fast)

    def test_the_next_host_when_the_best_is_too_busy(self):
        names = self.send("busy.test")
        self.assert_arrive(names, self.fast)
        event = self.assert_event("outbound.sent", names[0])
        self.assertEqual(event["attempts"], 1)

    def test_hosts_that_do_not_exist_are_passed_over(self):
        self.assert_arrive(self.send("half.test"), self.fast)

    def test_the_domain_itself_without_mx(self):
        self.assert_arrive(self.send("implicit.test"), self.fast)

    def test_an_mx_host_that_is_an_alias(self):
        self.assert_arrive(self.send("alias.test"), self.fast)

    def test_capital_letters(self):
        self.assert_arrive(self.send("FAST.test"), self.fast)

    def test_a_named_next_hop(self):
        self.assert_arrive(self.send("named.example"), self.fast)

    def test_domains_of_the_same_hosts_share_a_destination(self):
        first, second = self.send("backup.test"), self.send("twin.test")
        ways = {self.assert_event("outbound.sent", n[0])["next_hop"]
                for n in (first, second)}
        self.assertEqual(ways, {f"mx.fast.test:{self.port}"})

    def test_the_fallback_when_nothing_else_helps(self):
        self.assert_arrive(self.send("only-dead.test", 3), self.other)

    # TLS

    def test_the_name_to_verify_is_the_hosts(self):
        names = self.send("verify.test")
        self.assert_arrive(names, self.verify)
        self.assertTrue(self.verify.messages[0].session.tls)

    def test_broken_tls_is_done_without_where_that_may_be(self):
        names = self.send("tls.test", 3)
        self.assert_arrive(names, self.tls)
        self.assertEqual(
            self.assert_event("outbound.sent", names[0])["attempts"], 1)

    # when

    def test_greylisted_mail_is_tried_again(self):
        names = self.send("grey.test", 3)
        self.assert_arrive(names, self.grey)
        for name in names:
            self.assert_event("outbound.deferred", name, code=451)
            self.assert_event("outbound.sent", name, attempts=2)

    def test_a_server_with_enough_gets_a_new_connection(self):
        names = self.send("limit.test", 10)
        self.assert_arrive(names, self.limit)
        self.assertEqual(
            sorted(r for m in self.limit.messages for r in m.recipients),
            sorted(names))
        for name in names:
            self.assert_event("outbound.sent", name, attempts=1)

    def test_a_slow_host_holds_nobody_up(self):
        slow = self.send("slow.test", 30)
        fast = self.send("fast.test", 30)
        self.assert_arrive(fast, self.fast)
        self.assertEqual(self.slow.messages, [])
        self.held.go.set()
        self.assert_arrive(slow, self.slow)

    # never

    def assert_fails(self, domain, code, status):
        name = self.send(domain)[0]
        event = self.assert_event("outbound.failed", name)
        self.assertEqual((event["code"], event["dsn"]), (code, status))

    def test_null_mx(self):
        self.assert_fails("null.test", 556, "5.1.10")

    def test_a_domain_that_does_not_exist(self):
        self.assert_fails("missing.test", 550, "5.1.2")

    def test_a_domain_with_neither_mx_nor_address(self):
        self.assert_fails("empty.test", 550, "5.1.2")

    def test_mx_hosts_without_address(self):
        self.assert_fails("hostless.test", 550, "5.4.4")

    def test_this_relay_as_best_host(self):
        self.assert_fails("loop.test", 554, "5.4.6")

    def test_this_relay_by_address(self):
        self.assert_fails("own.test", 554, "5.4.6")

    def test_no_answer_from_dns_defers(self):
        name = self.send("servfail.test")[0]
        event = self.assert_event("outbound.deferred", name)
        self.assertEqual((event["code"], event["dsn"]), (451, "4.4.3"))

    def test_what_does_not_validate_is_not_used(self):
        # A key for test. is trusted, and the zone is not signed with it.
        anchor = os.path.join(fresh_folder("anchor"), "test.key")
        with open(anchor, "w") as f:
            f.write(f"test. IN DS 12345 13 2 {'ab' * 32}\n")
        with Relay(resolver={"servers": [self.names.address],
                             "timeout": "30s", "trust_anchor": anchor},
                   route={"next_hop": "mx", "port": self.port}) as relay:
            self.assertEqual(relay.send(recipients=("x@fast.test",)).code, 250)
            event = relay.wait_event("outbound.deferred", to="x@fast.test")
            self.assertEqual((event["code"], event["dsn"]), (451, "4.7.0"))

    def test_mail_waits_for_a_name_server(self):
        port = nameserver.free_port_both()
        with Relay(resolver={"servers": [f"127.0.0.1:{port}"],
                             "timeout": "1s"},
                   route={"next_hop": "mx", "port": self.port}) as relay:
            self.assertEqual(relay.send(recipients=("y@fast.test",)).code, 250)
            event = relay.wait_event("outbound.deferred", to="y@fast.test")
            self.assertEqual((event["code"], event["dsn"]), (451, "4.4.3"))


if __name__ == "__main__":
    unittest.main()
