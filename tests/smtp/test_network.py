# SPDX-License-Identifier: Apache-2.0
"""A network of mail hosts that behave well and badly, on loopback addresses
and one port, with a name server of its own: what becomes of each one's mail.
"""

import email
import email.policy
import os
import re
import socket
import threading
import unittest

import nameserver
from harness import DROP, Relay, Sink, free_port, needs, wait_until

BODY = b"X-Tag: network\r\nSubject: test\r\n\r\nhello\r\n"

ZONE = """
fast.test. IN MX 10 mx.fast.test.
mx.fast.test. IN A 127.0.2.1
slow.test. IN MX 10 mx.slow.test.
mx.slow.test. IN A 127.0.2.2
grey.test. IN MX 10 mx.grey.test.
mx.grey.test. IN A 127.0.2.3
badtls.test. IN MX 10 mx.badtls.test.
mx.badtls.test. IN A 127.0.2.4
dead.test. IN MX 10 mx.dead.test.
mx.dead.test. IN A 127.0.2.5
revived.test. IN MX 10 mx.revived.test.
mx.revived.test. IN A 127.0.2.6
three.test. IN MX 10 mx.three.test.
mx.three.test. IN A 127.0.2.7
null.test. IN MX 0 .
alias.test. IN CNAME fast.test.
mxalias.test. IN MX 10 cname.mxalias.test.
cname.mxalias.test. IN CNAME mx.fast.test.
loop.test. IN CNAME loop2.test.
loop2.test. IN CNAME loop.test.
equal.test. IN MX 10 a.equal.test.
equal.test. IN MX 10 b.equal.test.
equal.test. IN MX 10 c.equal.test.
equal.test. IN MX 20 d.equal.test.
a.equal.test. IN A 127.0.2.11
b.equal.test. IN A 127.0.2.12
c.equal.test. IN A 127.0.2.13
d.equal.test. IN A 127.0.2.14
six.test. IN MX 10 mx.six.test.
mx.six.test. IN AAAA ::1
one.provided.test. IN MX 10 in1.provider.test.
two.provided.test. IN MX 10 in2.provider.test.
in1.provider.test. IN A 127.0.2.21
in2.provider.test. IN A 127.0.2.22
full.test. IN MX 10 mx.full.test.
mx.full.test. IN A 127.0.2.31
blocked.test. IN MX 10 mx.blocked.test.
mx.blocked.test. IN A 127.0.2.32
angry.test. IN MX 10 mx.angry.test.
mx.angry.test. IN A 127.0.2.33
stalled.test. IN MX 10 mx.stalled.test.
mx.stalled.test. IN A 127.0.2.35
hangup.test. IN MX 10 mx.hangup.test.
mx.hangup.test. IN A 127.0.2.36
many.test. IN MX 10 mx.many.test.
mx.many.test. IN A 127.0.2.34
sender.test. IN MX 10 mx.sender.test.
mx.sender.test. IN A 127.0.2.41
""".strip().splitlines()

SLOW_CONNECTIONS = 3


class BrokenTls:
    """In place of a context: the handshake never comes."""

    def wrap_socket(self, sock, server_side):
        raise OSError("no TLS today")


class StalledTls:
    """In place of a context: the server says nothing more."""

    def __init__(self, until):
        self.until = until

    def wrap_socket(self, sock, server_side):
        self.until.wait()
        raise OSError("it is over")


class Once:
    """Answers RCPT with a reply the first time a recipient comes."""

    def __init__(self, reply):
        self.reply, self.seen = reply, set()
        self.lock = threading.Lock()

    def __call__(self, session, stage, line):
        with self.lock:
            if stage != "RCPT" or line in self.seen:
                return None
            self.seen.add(line)
            return self.reply


class Always:
    def __init__(self, stage, reply):
        self.stage, self.reply = stage, reply

    def __call__(self, session, stage, line):
        return self.reply if stage == self.stage else None


class Counted:
    """How many connections there were at a time, by greetings and QUITs: the
    relay waits for the reply to QUIT before another takes its place."""

    def __init__(self, hold=None):
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        self.hold = hold
        self.peers = set()

    def __call__(self, session, stage, line):
        with self.lock:
            if stage == "CONNECT":
                self.now += 1
                self.most = max(self.most, self.now)
                self.peers.add(session.sock.getpeername()[0])
            elif stage == "QUIT":
                self.now -= 1
        if stage == "BODY" and self.hold:
            self.hold.wait()
        return None


def three_messages_only(session, stage, line):
    if stage == "MAIL" and session.delivered >= 3:
        return "421 4.3.2 enough for one connection"
    return None


class Names(unittest.TestCase):
    """The name server, and hosts by the last number of their addresses."""

    @classmethod
    def setUpClass(cls):
        needs(cls(), nameserver.why_unavailable())
        cls.port = free_port()
        cls.names = nameserver.NameServer(ZONE, broken=["servfail.test"],
                                          silent=["silent.test"])
        cls.names.start()
        cls.addClassCleanup(cls.names.stop)

    @classmethod
    def host(cls, where, hook=None, **options):
        if isinstance(where, int):
            where = f"127.0.2.{where}"
        sink = Sink(hook, host=where, port=cls.port, **options).start()
        cls.addClassCleanup(sink.stop)
        return sink

    @classmethod
    def start_relay(cls, **config):
        config = dict({
            "resolver": {"servers": [cls.names.address], "timeout": "2s"},
            "workers": 2,
            "routes": [{"match": "*", "next_hop": "mx", "port": cls.port,
                        "tls": "may"}]}, **config)
        relay = Relay(**config).start()
        cls.addClassCleanup(relay.kill)
        return relay

    @classmethod
    def send_to(cls, relay, domain, count=1, name="m"):
        """One message each; returns their recipients, all different."""
        names = [f"{name}{n}@{domain}" for n in range(count)]
        for name in names:
            reply = relay.send(BODY, sender="from@sender.test",
                               recipients=(name,))
            assert reply.code == 250, repr(reply)
        return names

    def recipients(self, sink):
        return [r for m in sink.messages for r in m.recipients]

    def assert_arrive(self, names, *sinks):
        """Each of the recipients once, and nobody else."""
        for sink in sinks:
            sink.wait_for(lambda s: set(names) <= {
                r for each in sinks for r in self.recipients(each)}, names)
        found = [r for sink in sinks for r in self.recipients(sink)]
        self.assertEqual(sorted(r for r in found if r in names),
                         sorted(names))

    def assert_sent(self, relay, names, attempts, host=None):
        for name in names:
            event = relay.wait_event("outbound.sent", to=name)
            self.assertEqual(event["attempts"], attempts, name)
            if host:
                self.assertEqual(event["host"], host)

    def deferrals(self, relay, name):
        return [e for e in relay.find_events("outbound.deferred")
                if e["to"] == name]


class Network(Names):
    """All hosts at once: those that hold mail back have theirs before any test
    begins, and the others' comes through."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.go = threading.Event()
        cls.fast = cls.host(1)
        cls.slow_hook = Counted(hold=cls.go)
        cls.slow = cls.host(2, cls.slow_hook)
        cls.grey = cls.host(3, Once("451 4.7.1 greylisted"))
        cls.badtls = cls.host(4, context=BrokenTls())
        cls.three = cls.host(7, three_messages_only)
        cls.equal = [cls.host(n) for n in (11, 12, 13, 14)]
        cls.provider_hook = Counted()
        cls.provider = [cls.host(n, cls.provider_hook) for n in (21, 22)]
        cls.full = cls.host(31, Always("RCPT", "452 4.2.2 mailbox full"))
        cls.blocked = cls.host(32, Once("554 5.7.1 listed for a while"))
        cls.angry = cls.host(33, Once("451 4.7.0 calm down"))
        cls.many = cls.host(34)
        cls.stalled = cls.host(35, context=StalledTls(cls.go))
        cls.hangup = cls.host(36, Always("STARTTLS", DROP))
        cls.sender = cls.host(41)
        cls.relay = cls.start_relay(destinations=[
            {"match": "slow.test", "connections": SLOW_CONNECTIONS},
            {"mx": "*.provider.test", "connections": 1,
             "source_address": ["127.0.0.9", "::1"]},
            {"match": "equal.test", "messages_per_connection": 1},
            {"match": "stalled.test", "timeouts": {"tls": "200ms"}},
            {"match": "many.test", "recipients_per_transaction": 3},
            {"match": ["full.test", "blocked.test", "angry.test"],
             "backoff": [
                 {"reply": "mailbox full", "action": "bounce"},
                 {"reply": "^554 .*listed", "action": "defer",
                  "for": "50ms"},
                 {"reply": "calm down", "action": "suspend",
                  "for": "300ms"}]},
        ])
        cls.slow_names = cls.send_to(cls.relay, "slow.test", 20)
        cls.dead_names = cls.send_to(cls.relay, "dead.test", 3)
        cls.revived_names = cls.send_to(cls.relay, "revived.test", 5)
        cls.servfail_names = cls.send_to(cls.relay, "servfail.test", 3)
        cls.silent_names = cls.send_to(cls.relay, "silent.test", 3)

    @classmethod
    def tearDownClass(cls):
        cls.go.set()
        cls.relay.stop()

    def send(self, domain, count=1):
        return self.send_to(self.relay, domain, count,
                            self.id().rpartition(".")[2] + "-")

    # that work

    def test_fast(self):
        names = self.send("fast.test", 20)
        self.assert_arrive(names, self.fast)
        self.assert_sent(self.relay, names, 1, "mx.fast.test")

    def test_slow_has_its_limit_and_holds_nobody_up(self):
        fast = self.send("fast.test", 50)
        self.assert_arrive(fast, self.fast)
        self.assertEqual(self.slow.messages, [])
        self.slow.wait_for(lambda s: self.slow_hook.now == SLOW_CONNECTIONS,
                           "all connections that there may be")
        self.go.set()
        self.assert_arrive(self.slow_names, self.slow)
        self.assert_sent(self.relay, self.slow_names, 1)
        self.assertEqual(self.slow_hook.most, SLOW_CONNECTIONS)

    def test_greylisting(self):
        names = self.send("grey.test", 5)
        self.assert_arrive(names, self.grey)
        self.assert_sent(self.relay, names, 2)
        for name in names:
            event, = self.deferrals(self.relay, name)
            self.assertEqual((event["code"], event["dsn"]), (451, "4.7.1"))

    def test_several_hosts_of_equal_preference(self):
        names = self.send("equal.test", 60)
        self.assert_arrive(names, *self.equal)
        self.assert_sent(self.relay, names, 1)
        # One of 60 connections to each of three, at random: that one has
        # none happens once in 10^10 runs.
        for sink in self.equal[:3]:
            self.assertGreater(len(sink.messages), 0)
        self.assertEqual(self.equal[3].messages, [])

    def test_ipv6_only(self):
        if not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6")
        sink = self.host("::1")
        names = self.send("six.test", 3)
        self.assert_arrive(names, sink)
        self.assert_sent(self.relay, names, 1, "mx.six.test")

    def test_a_domain_that_is_an_alias(self):
        names = self.send("alias.test")
        self.assert_arrive(names, self.fast)
        self.assert_sent(self.relay, names, 1, "mx.fast.test")

    def test_an_mx_host_that_is_an_alias(self):
        names = self.send("mxalias.test")
        self.assert_arrive(names, self.fast)
        self.assert_sent(self.relay, names, 1)

    def test_three_messages_for_a_connection(self):
        names = self.send("three.test", 10)
        self.assert_arrive(names, self.three)
        self.assert_sent(self.relay, names, 1)
        for session in self.three.sessions:
            self.assertLessEqual(session.delivered, 3)

    def test_a_provider_has_one_limit_for_all_its_hosts(self):
        names = [n for _ in range(5)
                 for n in (self.send("one.provided.test", 4)
                           + self.send("two.provided.test", 4))]
        names = sorted(set(names))
        self.provider[0].wait_for(lambda s: set(names) <= {
            r for each in self.provider for r in self.recipients(each)},
            names)
        self.assertEqual(self.provider_hook.most, 1)
        self.assertEqual(self.provider_hook.peers, {"127.0.0.9"})

    def test_recipients_beyond_a_transaction(self):
        names = [f"r{n}@many.test" for n in range(8)]
        reply = self.relay.send(BODY, recipients=names)
        self.assertEqual(reply.code, 250)
        self.assert_arrive(names, self.many)
        self.assertEqual(sorted(len(m.recipients)
                                for m in self.many.messages), [2, 3, 3])

    # that have trouble

    def test_broken_tls_is_done_without_and_remembered(self):
        names = self.send("badtls.test")
        self.assert_arrive(names, self.badtls)
        self.assert_sent(self.relay, names, 1)
        before = sum(c == "STARTTLS" for c in self.badtls.commands())
        self.assertGreaterEqual(before, 1)
        for _ in range(3):
            more = self.send("badtls.test")
            self.badtls.wait_for(
                lambda s: len(self.recipients(s)) >= 2, "more mail")
        # At most once for each worker, whatever comes.
        self.assertLessEqual(
            sum(c == "STARTTLS" for c in self.badtls.commands()), 2)
        self.assert_sent(self.relay, more, 1)

    def test_tls_that_stalls_is_done_without(self):
        names = self.send("stalled.test")
        self.assert_arrive(names, self.stalled)
        self.assert_sent(self.relay, names, 1)

    def test_a_server_that_hangs_up_at_starttls_is_spoken_to_in_clear(self):
        names = self.send("hangup.test")
        self.assert_arrive(names, self.hangup)
        self.assert_sent(self.relay, names, 1)

    def test_a_dead_host_defers(self):
        event = self.relay.wait_event("outbound.deferred",
                                      to=self.dead_names[0])
        self.assertEqual((event["code"], event["dsn"], event["at"]),
                         (451, "4.4.1", "connect"))

    def test_a_host_that_comes_back_gets_what_waited(self):
        self.relay.wait_event("outbound.deferred", to=self.revived_names[0])
        sink = self.host(6)
        self.assert_arrive(self.revived_names, sink)
        attempts = [self.relay.wait_event("outbound.sent", to=n)["attempts"]
                    for n in self.revived_names]
        self.assertGreaterEqual(attempts[0], 2)

    def test_dns_that_fails_defers(self):
        event = self.relay.wait_event("outbound.deferred",
                                      to=self.servfail_names[0])
        self.assertEqual((event["code"], event["dsn"], event["at"]),
                         (451, "4.4.3", "DNS"))

    def test_dns_that_is_silent_defers(self):
        event = self.relay.wait_event("outbound.deferred",
                                      to=self.silent_names[0])
        self.assertEqual((event["code"], event["dsn"], event["at"]),
                         (451, "4.4.3", "DNS"))

    def test_an_alias_of_itself_defers(self):
        name = self.send("loop.test")[0]
        event = self.relay.wait_event("outbound.deferred", to=name)
        self.assertEqual((event["code"], event["dsn"]), (451, "4.4.3"))

    def test_a_reply_that_asks_for_a_pause_gets_it(self):
        names = self.send("angry.test", 3)
        self.assert_arrive(names, self.angry)
        self.relay.wait_event("queue.suspended",
                              next_hop=f"mx.angry.test:{self.port}")
        self.assert_sent(self.relay, names, 2)

    def test_a_permanent_reply_that_is_put_off(self):
        names = self.send("blocked.test")
        self.assert_arrive(names, self.blocked)
        self.assert_sent(self.relay, names, 2)
        event, = self.deferrals(self.relay, names[0])
        self.assertEqual((event["code"], event["dsn"]), (554, "5.7.1"))

    # that fail: the sender hears of it

    def bounce(self, name):
        """The fields of the bounce about that recipient."""
        def about(message):
            return name.encode() in message.data
        message = self.sender.wait_for(
            lambda s: next(filter(about, s.messages), None),
            f"a bounce about {name}")
        self.assertEqual((message.sender, message.recipients),
                         ("", ["from@sender.test"]))
        parsed = email.message_from_bytes(message.data,
                                          policy=email.policy.default)
        status = parsed.get_payload(1).as_string()
        return dict(re.findall(r"^([A-Za-z-]+): (.*)$", status, re.M))

    def assert_fails(self, name, code, status):
        event = self.relay.wait_event("outbound.failed", to=name)
        self.assertEqual((event["code"], event["dsn"], event["attempts"]),
                         (code, status, 1))
        fields = self.bounce(name)
        self.assertEqual(fields["Action"], "failed")
        self.assertEqual(fields["Status"], status)

    def test_null_mx(self):
        self.assert_fails(self.send("null.test")[0], 556, "5.1.10")

    def test_no_such_domain(self):
        self.assert_fails(self.send("missing.test")[0], 550, "5.1.2")

    def test_a_temporary_reply_that_fails_at_once(self):
        self.assert_fails(self.send("full.test")[0], 452, "4.2.2")
        self.assertEqual(self.full.messages, [])


class Order(Names):
    """One worker, one connection: mail keeps its order."""

    def test_oldest_first(self):
        go = threading.Event()
        sink = self.host(1, Counted(hold=go))
        relay = self.start_relay(workers=1, destinations=[
            {"match": "*", "connections": 1}])
        names = self.send_to(relay, "fast.test", 20)
        go.set()
        sink.wait(20)
        self.assertEqual(self.recipients(sink), names)
        relay.stop()


def connections_to(port):
    """Established ones, as the kernel counts them, by their other end."""
    wanted = f":{port:04X}"
    with open("/proc/net/tcp") as table:
        next(table)
        return {row[2] for row in map(str.split, table)
                if row[2].endswith(wanted) and row[3] == "01"}


class Crowd(unittest.TestCase):
    """A thousand destinations that are stuck, and one that isn't."""

    STUCK = 1000

    def test_stuck_destinations_hold_nobody_up(self):
        # Connections are made and nothing is ever said on them.
        stuck = socket.create_server(("0.0.0.0", 0), backlog=4096)
        self.addCleanup(stuck.close)
        port = stuck.getsockname()[1]
        sink = Sink().start()
        self.addCleanup(sink.stop)
        routes = [{"match": f"s{n}.test", "tls": "none", "connections": 1,
                   "next_hop": f"127.9.{n // 250}.{n % 250 + 1}:{port}"}
                  for n in range(self.STUCK)]
        routes.append({"match": "*", "tls": "none",
                       "next_hop": f"127.0.0.1:{sink.port}"})
        relay = Relay(workers=2, routes=routes).start()
        self.addCleanup(relay.kill)
        self.send(relay, [f"m@s{n}.test" for n in range(self.STUCK)])
        wait_until(lambda: len(connections_to(port)) == self.STUCK,
                   "a connection to each of them")
        names = [f"m{n}@fast.test" for n in range(300)]
        self.send(relay, names)
        sink.wait(len(names))
        self.assertEqual(
            sorted(r for m in sink.messages for r in m.recipients),
            sorted(names))
        self.assertEqual(relay.find_events("outbound.deferred"), [])
        relay.stop()

    def send(self, relay, names):
        with relay.client() as client:
            client.greet(tls=False)
            for name in names:
                client.envelope("from@sender.test", (name,))
                self.assertEqual(client.data(BODY).code, 250)


class Silence(Names):
    """Domains whose name servers say nothing are no trouble to others."""

    def test_many_silent_domains(self):
        sink = self.host(1)
        relay = self.start_relay(workers=1, resolver={
            "servers": [self.names.address], "timeout": "10m"})
        with relay.client() as client:
            client.greet(tls=False)
            for n in range(400):
                client.envelope("from@sender.test",
                                (f"m@s{n}.silent.test",))
                self.assertEqual(client.data(BODY).code, 250)
        names = self.send_to(relay, "fast.test", 3)
        self.assert_arrive(names, sink)
        relay.stop()


class Expiry(Names):
    """What can't be delivered in time comes back."""

    def test_after_its_time(self):
        sender = self.host(41)
        relay = self.start_relay(
            retry={"schedule": ["50ms"], "expire": "200ms"})
        names = [self.send_to(relay, domain)[0]
                 for domain in ("dead.test", "servfail.test")]
        for name, status in zip(names, ("4.4.1", "4.4.3")):
            event = relay.wait_event("outbound.failed", to=name)
            self.assertEqual((event["code"], event["dsn"]), (451, status))
            self.assertGreaterEqual(event["attempts"], 1)
        sender.wait(2)
        self.assertEqual({m.sender for m in sender.messages}, {""})
        relay.stop()


if __name__ == "__main__":
    unittest.main()
