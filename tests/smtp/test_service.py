# SPDX-License-Identifier: Apache-2.0
"""The service: start, stop, and what a restart brings back."""

import os
import signal
import socket
import subprocess
import threading
import unittest

from harness import RINGPOST, Closed, Relay, Sink, fresh_folder, openssl

# As it was first promised, word for word but for the two ports and the spool.
EXAMPLE = """\
hostname: relay.example.test
spool: {{path: {spool}}}
listen:
  - {{address: "127.0.0.1:{port}", tls: {{certificate: cert.pem, key: key.pem}}}}
relay_from: ["127.0.0.0/8", "::1/128"]
offload: auto            # auto | always | never
routes:
  - {{match: "*", next_hop: "127.0.0.1:{next_hop}", tls: encrypt}}
"""


class Example(unittest.TestCase):
    def test_configuration_works_as_written(self):
        folder = fresh_folder("example")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                os.path.join(folder, "key.pem"), "-out",
                os.path.join(folder, "cert.pem"), "-subj", "/CN=test",
                "-days", "2")
        with Sink() as sink:
            relay = Relay(sink.port)
            path = os.path.join(folder, "ringpost.yaml")
            with open(path, "w") as f:
                f.write(EXAMPLE.format(spool=os.path.join(folder, "spool"),
                                       port=relay.port, next_hop=sink.port))
            relay.write_config = lambda: path
            with relay:
                self.assertEqual(relay.send(tls=False).code, 250)
                self.assertTrue(sink.wait()[0].session.tls)


class Start(unittest.TestCase):
    def test_port_in_use_for_a_moment(self):
        """By what a killed relay has left in the kernel, say."""
        other = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(other.close)
        relay = Relay()
        relay.port = other.getsockname()[1]
        relay.config["listen"][0]["address"] = f"127.0.0.1:{relay.port}"
        threading.Timer(0.5, other.close).start()
        with relay, relay.client() as client:
            client.greet()

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            relay = Relay()
            relay.config["listen"][0]["address"] = \
                f"127.0.0.1:{other.getsockname()[1]}"
            done = subprocess.run(
                [RINGPOST, "serve", "--config", relay.write_config()],
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(str(other.getsockname()[1]),
                          done.stdout + done.stderr)

    def test_spool_in_use(self):
        with Relay() as first:
            second = Relay(spool=first.config["spool"])
            done = subprocess.run(
                [RINGPOST, "serve", "--config", second.write_config()],
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(first.config["spool"]["path"],
                          done.stdout + done.stderr)

    def test_log_is_json_lines(self):
        with Relay() as relay:
            relay.send()
        self.assertTrue(relay.lines)
        self.assertEqual(len(relay.events), len(relay.lines),
                         relay.log_text())
        for event in relay.events:
            for key in ("time", "level", "event"):
                self.assertIn(key, event)

    def test_older_ring_features(self):
        # The same relay with what Linux 5.10's io_uring has.
        with Sink() as sink, \
                Relay(sink.port, environment={"RINGPOST_URING": "5.10"},
                      route={"tls": "encrypt"}) as relay:
            body = b"X-Tag: 1\r\n\r\n" + b".line\r\n" * 100000
            self.assertEqual(relay.send(body).code, 250)
            self.assertEqual(sink.wait()[0].body_from(b"X-Tag"), body)

    def test_one_worker(self):
        with Sink() as sink, Relay(sink.port, workers=1) as relay:
            for n in range(5):
                self.assertEqual(relay.send().code, 250)
            sink.wait(5)


class Stop(unittest.TestCase):
    def test_idle(self):
        relay = Relay().start()
        self.addCleanup(relay.kill)
        relay.signal(signal.SIGTERM)
        self.assertEqual(relay.wait(), 0)

    def test_sigint_too(self):
        relay = Relay().start()
        self.addCleanup(relay.kill)
        relay.signal(signal.SIGINT)
        self.assertEqual(relay.wait(), 0)

    def test_idle_sessions_get_421(self):
        relay = Relay().start()
        self.addCleanup(relay.kill)
        plain, tls = relay.client().greet(), relay.client().greet(tls=True)
        self.addCleanup(plain.close)
        self.addCleanup(tls.close)
        relay.signal(signal.SIGTERM)
        for client in (plain, tls):
            self.assertEqual(client.reply().code, 421)
            self.assertTrue(client.at_end())
        self.assertEqual(relay.wait(), 0)

    def test_message_in_flight_is_finished(self):
        with Sink() as sink:
            relay = Relay(sink.port).start()
            self.addCleanup(relay.kill)
            with relay.client() as client, relay.client() as witness:
                client.greet(tls=True)
                witness.greet()
                client.envelope()
                client.expect(354, "DATA")
                client.send(b"X-Tag: 1\r\n\r\nfirst half\r\n")
                relay.signal(signal.SIGTERM)
                # The witness's 421 says that the shutdown has begun.
                self.assertEqual(witness.reply().code, 421)
                client.send(b"second half\r\n.\r\n")
                self.assertEqual(client.reply().code, 250)
                self.assertEqual(client.reply().code, 421)
                self.assertTrue(client.at_end())
            self.assertEqual(relay.wait(), 0)
            # Delivered before the end, or after the next start.
            if not sink.messages:
                with relay:
                    sink.wait(1)
            self.assertTrue(sink.messages[0].data.endswith(
                b"first half\r\nsecond half\r\n"))

    def test_no_new_connections_while_stopping(self):
        relay = Relay().start()
        self.addCleanup(relay.kill)
        with relay.client() as client, relay.client() as witness:
            witness.greet()
            client.greet()
            client.envelope()
            client.expect(354, "DATA")
            relay.signal(signal.SIGTERM)
            self.assertEqual(witness.reply().code, 421)
            # Refused, or greeted by a worker that has yet to hear of the end
            # and tells the client next.
            try:
                with relay.client() as late:
                    while (code := late.reply().code) == 220:
                        pass
                    self.assertEqual(code, 421)
            except (OSError, Closed):
                pass
            client.send(b"X: y\r\n\r\n.\r\n")
            self.assertEqual(client.reply().code, 250)
        self.assertEqual(relay.wait(), 0)

    def test_shutdown_does_not_wait_for_ever(self):
        relay = Relay(timeouts={"shutdown": "300ms"}).start()
        self.addCleanup(relay.kill)
        with relay.client() as client:
            client.greet()
            client.envelope()
            client.expect(354, "DATA")
            relay.signal(signal.SIGTERM)
            self.assertEqual(relay.wait(), 0)

    def test_queued_mail_survives_a_restart(self):
        sink = Sink()
        relay = Relay(sink.port).start()
        self.addCleanup(relay.kill)
        bodies = [b"X-Tag: %d.\r\n\r\n" % n + b"x\r\n" * (n * 10000)
                  for n in range(10)]
        for body in bodies:
            self.assertEqual(relay.send(body).code, 250)
        relay.stop()
        with sink:
            relay.start()
            sink.wait(len(bodies))
            relay.stop()
        self.assertEqual({m.body_from(b"X-Tag") for m in sink.messages},
                         set(bodies))
        self.assertEqual(len(sink.messages), len(bodies))

    def test_delivered_mail_is_not_sent_again(self):
        with Sink() as sink:
            relay = Relay(sink.port).start()
            self.addCleanup(relay.kill)
            for _ in range(5):
                relay.send()
            sink.wait(5)
            relay.stop()
            relay.start()
            relay.send(b"X-Tag: last\r\n\r\n")
            sink.wait_for(lambda s: any(b"X-Tag: last" in m.data
                                        for m in s.messages))
            relay.stop()
            self.assertEqual(len(sink.messages), 6)

    def test_delivery_in_flight_at_sigterm(self):
        def hook(session, stage, line):
            if stage == "BODY" and not hook.signalled:
                hook.signalled = True
                relay.signal(signal.SIGTERM)
            return None
        hook.signalled = False
        with Sink(hook) as sink:
            relay = Relay(sink.port).start()
            self.addCleanup(relay.kill)
            self.assertEqual(relay.send().code, 250)
            self.assertEqual(relay.wait(), 0)
            with relay:
                relay.send(b"X-Tag: after\r\n\r\n")
                sink.wait_for(lambda s: any(b"X-Tag: after" in m.data
                                            for m in s.messages))
            self.assertEqual(len(sink.messages), 2)


if __name__ == "__main__":
    unittest.main()
