# SPDX-License-Identifier: Apache-2.0
"""Another configuration for a running relay: what changes, what stays, what
is refused."""

import json
import os
import shutil
import signal
import socket
import threading
import unittest

from harness import (Client, Relay, Sink, certificates,
                     client_context, free_port, run_program, wait_until)
from traffic import Traffic


def serial(port, context=None):
    """Which certificate a new handshake is shown."""
    with Client(port) as client:
        client.greet(tls=True, context=context or client_context())
        return client.sock.getpeercert()["serialNumber"]


class ReloadTest(unittest.TestCase):
    def setUp(self):
        self.sink = Sink().start()
        self.addCleanup(self.sink.stop)

    def relay(self, **config):
        relay = Relay(self.sink.port, **config)
        relay.start()
        self.addCleanup(relay.kill)
        return relay

    def reload(self, relay, code=0, **config):
        """Writes the changed configuration and has it read; the answer."""
        for key, value in config.items():
            relay.config[key] = value
        path = relay.write_config()
        done = run_program("reload", "--json", "--config", path)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def listener(self, port):
        certs = certificates()
        return {"address": f"127.0.0.1:{port}",
                "tls": {"certificate": certs.certificate, "key": certs.key}}


class Answer(ReloadTest):
    def test_nothing_has_changed(self):
        relay = self.relay()
        answer = self.reload(relay)
        self.assertEqual(answer["changes"], [])
        relay.stop()

    def test_what_has_changed_is_said(self):
        relay = self.relay()
        answer = self.reload(relay, limits={"errors": 3})
        self.assertEqual(answer["changes"], [
            {"key": "limits.errors", "before": None, "after": "3",
             "needs_restart": False}])
        relay.stop()

    def test_words_for_people(self):
        relay = self.relay()
        relay.config["limits"] = {"errors": 3}
        done = run_program("reload", "--config", relay.write_config())
        self.assertIn("limits.errors: (not given) -> 3", done.stdout)
        relay.stop()

    def test_what_needs_a_restart_is_named_and_the_rest_applied(self):
        relay = self.relay(workers=1)
        answer = self.reload(relay, workers=2,
                             hostname="other.example.test")
        self.assertEqual(answer["needs_restart"], 1)
        self.assertIn({"key": "workers", "before": "1", "after": "2",
                       "needs_restart": True}, answer["changes"])
        with relay.client() as client:
            self.assertIn("other.example.test", client.reply().text)
        # It waits still, and is named again.
        self.assertEqual(self.reload(relay)["needs_restart"], 1)
        relay.stop()

    def test_no_relay(self):
        relay = Relay(self.sink.port)
        done = run_program("reload", "--config", relay.write_config())
        self.assertEqual(done.returncode, 69, done.stderr)


class Refused(ReloadTest):
    def test_a_mistake_changes_nothing_and_is_said_with_its_place(self):
        relay = self.relay()
        relay.config["limits"] = {"errors": "many"}
        relay.config["hostname"] = "other.example.test"
        path = relay.write_config()
        done = run_program("reload", "--config", path)
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr, r"ringpost\.yaml:\d+:\d+: .*errors")
        with relay.client() as client:
            self.assertIn("relay.example.test", client.reply().text)
        relay.stop()

    def test_by_signal_it_is_in_the_log(self):
        relay = self.relay()
        relay.config["limits"] = {"errors": "many"}
        relay.write_config()
        relay.signal(signal.SIGHUP)
        relay.wait_event("reload.refused")
        self.assertIn("ringpost.yaml",
                      relay.wait_event("reload.mistake")["error"])
        relay.stop()

    def test_a_certificate_without_its_key(self):
        relay = self.relay()
        before = serial(relay.port)
        relay.config["listen"][0]["tls"]["key"] = certificates().other_key
        answer = self.reload(relay, code=78)
        self.assertIn("ringpost.yaml", answer["mistakes"][0])
        self.assertEqual(serial(relay.port), before)
        relay.stop()

    def test_an_address_that_is_taken(self):
        relay = self.relay()
        with socket.create_server(("127.0.0.1", 0)) as other:
            more = self.listener(other.getsockname()[1])
            answer = self.reload(relay, code=78,
                                 listen=relay.config["listen"] + [more])
            self.assertIn(more["address"], answer["mistakes"][0])
        self.assertEqual(relay.send().code, 250)
        relay.stop()

    def test_a_file_that_is_gone(self):
        relay = self.relay()
        path = relay.write_config()
        os.rename(path, path + ".away")
        relay.signal(signal.SIGHUP)
        relay.wait_event("reload.refused")
        self.assertEqual(relay.send().code, 250)
        relay.stop()


class Sessions(ReloadTest):
    def test_a_session_keeps_what_it_began_with(self):
        relay = self.relay()
        with relay.client() as client:
            client.greet()
            self.reload(relay, hostname="other.example.test",
                        relay_from=[], limits={"message_size": "64KiB"})
            self.assertIn("relay.example.test", client.ehlo().text)
            self.assertNotIn("65536", client.keywords["SIZE"])
            client.envelope()
            self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        with relay.client() as client:
            client.greet()
            self.assertEqual(client.keywords["SIZE"], "65536")
            client.expect(250, "MAIL FROM:<a@example.test>")
            client.expect(554, "RCPT TO:<to@example.test>")
        self.sink.wait(1)
        relay.stop()

    def test_a_message_in_flight(self):
        relay = self.relay()
        with relay.client() as client:
            client.greet(tls=True)
            client.envelope()
            client.expect(354, "DATA")
            client.send("Subject: half\r\n")
            self.reload(relay, hostname="other.example.test")
            client.send("\r\nhello\r\n.\r\n")
            self.assertEqual(client.reply().code, 250)
        self.assertIn(b"half", self.sink.wait(1)[0].data)
        relay.stop()

    def test_limits_of_clients(self):
        relay = self.relay()
        self.reload(relay, limits={"connections_per_client": 1})
        with relay.client() as one:
            one.greet()
            with relay.client() as two:
                self.assertEqual(two.reply().code, 421)
        relay.stop()

    def test_a_connection_of_before_counts(self):
        relay = self.relay(limits={"connections_per_client": 5})
        with relay.client() as one:
            one.greet()
            self.reload(relay, limits={"connections_per_client": 1})
            with relay.client() as two:
                self.assertEqual(two.reply().code, 421)
        relay.stop()


class Listeners(ReloadTest):
    def test_one_more_and_one_less(self):
        relay = self.relay()
        first, second = relay.port, free_port()
        old = relay.config["listen"]
        self.reload(relay, listen=old + [self.listener(second)])
        for port in (first, second):
            with Client(port) as client:
                client.greet(tls=True)
        with Client(second) as client:
            client.greet()
            self.reload(relay, listen=[self.listener(second)])
            # A kept one has lost nobody.
            client.envelope()
            self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)

        def is_closed():
            try:
                Client(first).close()
            except (ConnectionRefusedError, ConnectionResetError):
                return True
            return False
        wait_until(is_closed, "the listener's end")
        relay.stop()

    def test_a_session_outlives_its_listener(self):
        relay = self.relay()
        with relay.client() as client:
            client.greet()
            self.reload(relay, listen=[self.listener(free_port())])
            client.starttls()
            client.ehlo()
            client.envelope()
            self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        relay.stop()

    def test_tls_of_a_kept_one(self):
        relay = self.relay()
        plain = {"address": relay.config["listen"][0]["address"]}
        self.reload(relay, listen=[plain])
        with relay.client() as client:
            client.greet()
            self.assertNotIn("STARTTLS", client.keywords)
        relay.stop()


class Files(ReloadTest):
    """Certificates by themselves."""

    def setUp(self):
        super().setUp()
        certs = certificates()
        self.folder = os.path.join(certs.folder, self.id())
        os.mkdir(self.folder)
        self.certificate = os.path.join(self.folder, "cert.pem")
        self.key = os.path.join(self.folder, "key.pem")
        self.put(certs.certificate, certs.key)
        self.names = "DNS:relay.example.test,IP:127.0.0.1"

    def put(self, certificate, key):
        for source, target in ((key, self.key),
                               (certificate, self.certificate)):
            if source:
                shutil.copy(source, target + ".new")
                os.rename(target + ".new", target)

    def tls_relay(self):
        port = free_port()
        relay = self.relay(listen=[{
            "address": f"127.0.0.1:{port}",
            "tls": {"certificate": self.certificate, "key": self.key}}])
        relay.port = port
        return relay

    def test_reload_takes_a_new_one(self):
        relay = self.tls_relay()
        before = serial(relay.port)
        self.put(*certificates().issue("new1", self.names))
        answer = self.reload(relay)
        self.assertIn(self.certificate,
                      [c.get("file") for c in answer["changes"]])
        self.assertNotEqual(serial(relay.port), before)
        relay.stop()

    def test_a_new_one_is_seen_without_being_told(self):
        relay = self.tls_relay()
        before = serial(relay.port)
        with relay.client() as old:
            old.greet(tls=True)
            self.put(*certificates().issue("new2", self.names))
            wait_until(lambda: serial(relay.port) != before,
                       lambda: "the new certificate\n" + relay.log_text())
            old.envelope()
            self.assertEqual(old.data(b"Subject: x\r\n\r\n").code, 250)
        relay.stop()

    def test_half_a_pair_keeps_the_old_one_until_it_is_whole(self):
        relay = self.tls_relay()
        before = serial(relay.port)
        certificate, key = certificates().issue("new3", self.names)
        self.put(certificate, None)
        relay.wait_event("reload.files_kept")
        self.assertEqual(serial(relay.port), before)
        self.put(None, key)
        wait_until(lambda: serial(relay.port) != before,
                   lambda: "the new certificate\n" + relay.log_text())
        relay.stop()


class Delivery(ReloadTest):
    def test_queued_mail_takes_the_new_next_hop(self):
        """Of the route at the same place."""
        relay = Relay(free_port(), retry={"schedule": ["1h"]})
        relay.start()
        self.addCleanup(relay.kill)
        relay.send()
        relay.wait_event("outbound.deferred")
        routes = [dict(relay.config["routes"][0],
                       next_hop=f"127.0.0.1:{self.sink.port}")]
        self.reload(relay, routes=routes)
        run_program("queue", "retry", "--all", "--config",
                    relay.write_config())
        self.sink.wait(1)
        relay.stop()

    def test_queued_mail_takes_a_route_that_comes_before(self):
        """Each recipient its own."""
        relay = Relay(free_port(), retry={"schedule": ["1h"]})
        relay.start()
        self.addCleanup(relay.kill)
        other = Sink().start()
        self.addCleanup(other.stop)
        relay.send(recipients=("a@one.test", "b@two.test", "c@one.test"))
        relay.wait_event("outbound.deferred")
        routes = [{"match": "one.test",
                   "next_hop": f"127.0.0.1:{self.sink.port}"},
                  {"match": "*", "next_hop": f"127.0.0.1:{other.port}"}]
        self.reload(relay, routes=routes)
        run_program("queue", "retry", "--all", "--config",
                    relay.write_config())
        self.assertEqual(sorted(self.sink.wait(1)[0].recipients),
                         ["a@one.test", "c@one.test"])
        self.assertEqual(other.wait(1)[0].recipients, ["b@two.test"])
        relay.stop()

    def test_a_delivery_under_way_ends_where_it_began(self):
        go = threading.Event()

        def hook(session, stage, line):
            if stage == "BODY":
                go.wait(60)
        self.addCleanup(go.set)
        slow = Sink(hook=hook).start()
        self.addCleanup(slow.stop)
        relay = Relay(slow.port)
        relay.start()
        self.addCleanup(relay.kill)
        relay.send()
        slow.wait_for(lambda s: any("BDAT" in c or "DATA" in c
                                    for c in s.commands()))
        routes = [dict(relay.config["routes"][0],
                       next_hop=f"127.0.0.1:{self.sink.port}")]
        self.reload(relay, routes=routes)
        relay.send()
        self.sink.wait(1)
        go.set()
        slow.wait(1)
        relay.wait_event("outbound.sent")
        wait_until(lambda: len(relay.find_events("outbound.sent")) == 2,
                   "both")
        self.assertEqual((len(slow.messages), len(self.sink.messages)),
                         (1, 1))
        relay.stop()


class Under(ReloadTest):
    """Load."""

    def test_twenty_reloads_lose_nothing(self):
        relay = self.relay(workers=2)
        other, extra = Sink().start(), free_port()
        self.addCleanup(other.stop)
        first = relay.config["listen"]
        plans = [
            {"routes": [{"match": "*", "tls": "may",
                         "next_hop": f"127.0.0.1:{other.port}"}]},
            {"listen": first + [self.listener(extra)]},
            {"limits": {"errors": 7}},
            {"routes": [{"match": "x.test",
                         "next_hop": f"127.0.0.1:{other.port}"},
                        {"match": "*", "tls": "may",
                         "next_hop": f"127.0.0.1:{self.sink.port}"}]},
            {"listen": first, "hostname": "other.example.test"},
        ]
        with Traffic(relay.port, tls=True) as traffic:
            for n in range(20):
                plan = dict(plans[n % len(plans)])
                plan["timeouts"] = {"command": f"{60 + n}s"}
                self.reload(relay, **plan)
                traffic.wait_more()
        traffic.check(self, [self.sink, other])
        self.assertEqual(len(relay.find_events("reload.done")), 20)
        relay.stop()


if __name__ == "__main__":
    unittest.main()
