# SPDX-License-Identifier: Apache-2.0
"""Webhooks: batches, signatures, and hooks that are slow, failing or dead."""

import hashlib
import hmac
import http.server
import json
import os
import threading
import unittest

from harness import (Relay, Sink, certificates, fresh_folder, server_context,
                     wait_until)

SECRET = "correct horse"


class Hook:
    """An application's end. answer(number) gives the status of each request,
    from 0 on; it may block."""

    def __init__(self, test, answer=None, tls=False):
        self.answer = answer or (lambda number: 200)
        self.requests = []
        self.bad = []
        self.lock = threading.Lock()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                hook.on_request(self)

            def log_message(self, *unused):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *unused):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = server_context().wrap_socket(
                self.server.socket, server_side=True)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/events"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.02},
                                       daemon=True)
        self.thread.start()
        test.addCleanup(self.end)

    def on_request(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self.lock:
            number = len(self.requests)
            self.requests.append((dict(handler.headers), body))
        status = self.answer(number)
        try:
            handler.send_response(status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        except OSError:
            pass

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def count(self):
        with self.lock:
            return len(self.requests)

    def events(self, kind=None):
        with self.lock:
            bodies = [body for _, body in self.requests]
        return [e for body in bodies for e in json.loads(body)["events"]
                if kind is None or e["type"] == kind]

    def wait(self, kind, count=1):
        wait_until(lambda: len(self.events(kind)) >= count,
                   lambda: f"{count} of {kind}: {self.events()}")
        return self.events(kind)


def secret_file():
    path = os.path.join(fresh_folder("hook"), "secret")
    with open(path, "w") as f:
        f.write(SECRET + "\n")
    return path


class Case(unittest.TestCase):
    def relay(self, next_hop, url, log=None, **hook):
        hook = dict({"url": url, "delay": "50ms"}, **hook)
        relay = Relay(next_hop, webhooks=[hook]).start()
        self.addCleanup(relay.kill)
        return relay


class Events(Case):
    def test_a_delivery_is_told_and_signed(self):
        hook = Hook(self)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, secret_file=secret_file())
            relay.send(recipients=["b@to.test"])
            hook.wait("Removal")
            relay.stop()
        delivery, = hook.events("Delivery")
        self.assertEqual(delivery["recipient"], "b@to.test")
        self.assertEqual(delivery["id"], hook.events("Reception")[0]["id"])
        for headers, body in hook.requests:
            signed = headers["X-Ringpost-Timestamp"].encode() + b"." + body
            self.assertEqual(
                headers["X-Ringpost-Signature"], "sha256=" + hmac.new(
                    SECRET.encode(), signed, hashlib.sha256).hexdigest())
            self.assertEqual(headers["Content-Type"], "application/json")

    def test_only_what_was_asked_for(self):
        hook = Hook(self)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, events=["Delivery"])
            for n in range(3):
                relay.send(recipients=[f"r{n}@to.test"])
            hook.wait("Delivery", 3)
            relay.stop()
        self.assertEqual({e["type"] for e in hook.events()}, {"Delivery"})

    def test_many_events_share_a_request(self):
        hook = Hook(self)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, events="Delivery",
                               delay="60s", batch=20)
            relay.send(recipients=[f"r{n}@to.test" for n in range(60)])
            hook.wait("Delivery", 60)
            relay.stop()
        self.assertEqual([len(json.loads(body)["events"])
                          for _, body in hook.requests], [20, 20, 20])

    def test_what_waits_is_sent_at_the_end(self):
        hook = Hook(self)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, delay="60s", batch=1000)
            relay.send()
            relay.wait_event("outbound.sent")
            relay.stop()
        self.assertEqual(len(hook.events("Delivery")), 1)


class Failing(Case):
    def test_a_batch_is_sent_again_until_it_is_taken(self):
        hook = Hook(self, lambda number: 500 if number < 2 else 200)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, events="Delivery")
            relay.send()
            wait_until(lambda: hook.count() >= 3, "the third try")
            relay.stop()
        bodies = {body for _, body in hook.requests}
        self.assertEqual(len(bodies), 1)
        self.assertEqual(len({headers["X-Ringpost-Batch"]
                              for headers, _ in hook.requests}), 1)
        self.assertEqual(hook.count(), 3)

    def test_redirects_are_not_followed(self):
        hook = Hook(self, lambda number: 307 if number < 1 else 204)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, events="Delivery")
            relay.send()
            failed = relay.wait_event("webhook.failed")
            wait_until(lambda: hook.count() >= 2, "the second try")
            relay.stop()
        self.assertIn("307", failed["error"])

    def test_a_dead_hook_stops_no_mail_and_ends_with_the_relay(self):
        with Sink() as sink:
            relay = self.relay(sink.port, "http://127.0.0.1:9/")
            for _ in range(20):
                relay.send()
            wait_until(lambda: len(sink.messages) >= 20, "the mail")
            relay.wait_event("webhook.failed")
            relay.stop()
        self.assertTrue(relay.find_events("webhook.given_up"))

    def test_a_hook_that_never_answers_fills_bounded_memory(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def answer(number):
            go_on.wait()
            return 200
        hook = Hook(self, answer)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, batch=1, memory="64KiB")
            for _ in range(3):
                relay.send(recipients=[f"r{n}@to.test" for n in range(100)])
            wait_until(lambda: sum(len(m.recipients)
                                   for m in sink.messages) >= 300, "the mail")
            go_on.set()
            dropped = relay.wait_event("webhook.dropped")
            relay.stop()
        self.assertGreater(int(dropped["events"]), 0)

    def test_a_batch_expires(self):
        hook = Hook(self, lambda number: 503)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, events="Delivery",
                               expire="0s")
            relay.send()
            given_up = relay.wait_event("webhook.given_up")
            relay.stop()
        self.assertEqual(given_up["events"], 1)


class Tls(Case):
    def test_a_certificate_that_is_trusted(self):
        hook = Hook(self, tls=True)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url, ca_file=certificates().ca)
            relay.send()
            hook.wait("Delivery")
            relay.stop()

    def test_a_certificate_that_is_not(self):
        hook = Hook(self, tls=True)
        with Sink() as sink:
            relay = self.relay(sink.port, hook.url)
            relay.send()
            failed = relay.wait_event("webhook.failed")
            relay.stop()
        self.assertIn("certificate", failed["error"])
        self.assertEqual(hook.count(), 0)


class Configuration(Case):
    def refused(self, **hook):
        relay = Relay(9, webhooks=[hook])
        with self.assertRaises(AssertionError):
            relay.start()
        return relay.log_text()

    def test_mistakes(self):
        self.assertIn("url", self.refused(url="ftp://x.test/"))
        self.assertIn("url", self.refused())
        self.assertIn("events", self.refused(url="http://x.test/",
                                             events=["Nonsense"]))
        empty = os.path.join(fresh_folder("hook"), "secret")
        open(empty, "w").close()
        self.assertIn("serve.webhook", self.refused(url="http://x.test/",
                                                    secret_file=empty))


if __name__ == "__main__":
    unittest.main()
