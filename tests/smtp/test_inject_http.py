# SPDX-License-Identifier: Apache-2.0
"""Mail of applications over HTTP: JSON, raw messages, idempotency keys."""

import base64
import email
import email.policy
import http.client
import json
import os
import threading
import unittest

from harness import (PATIENCE, Relay, Sink, certificates, client_context,
                     fresh_folder, free_port, wait_until)

TOKEN = "0123456789abcdef-token"
MESSAGE = {"from": "A <a@from.test>", "to": ["b@to.test"], "subject": "x",
           "text": "hello\n"}


def secret(text=TOKEN):
    path = os.path.join(fresh_folder("token"), "token")
    with open(path, "w") as f:
        f.write(text + "\n")
    return path


class Http:
    """A relay that takes mail over HTTP."""

    def __init__(self, test, next_hop, tls=False, **config):
        self.port = free_port()
        self.tls = tls
        http_keys = {"address": f"127.0.0.1:{self.port}",
                     "token_file": secret()}
        if tls:
            http_keys.update(certificate=certificates().certificate,
                             key=certificates().key)
        self.relay = Relay(next_hop, inject={"http": http_keys}, **config)
        self.relay.start()
        test.addCleanup(self.relay.kill)

    def request(self, body, kind="application/json", path="/v1/messages",
                method="POST", token=TOKEN, key=None):
        if self.tls:
            c = http.client.HTTPSConnection("127.0.0.1", self.port,
                                            timeout=PATIENCE,
                                            context=client_context())
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.port,
                                           timeout=PATIENCE)
        headers = {"Content-Type": kind}
        if token:
            headers["Authorization"] = "Bearer " + token
        if key:
            headers["Idempotency-Key"] = key
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        try:
            c.request(method, path, body, headers)
            answer = c.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            c.close()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = Sink().__enter__()
        cls.addClassCleanup(cls.sink.__exit__, None, None, None)

    def setUp(self):
        self.before = len(self.sink.messages)

    def http(self, **options):
        return Http(self, self.sink.port, **options)

    def arrived(self, count=1):
        wait_until(lambda: len(self.sink.messages) >= self.before + count,
                   "the messages")
        return self.sink.messages[self.before:]

    def parsed(self):
        message, = self.arrived()
        return message, email.message_from_bytes(
            message.data, policy=email.policy.default)


class Messages(Case):
    def test_json(self):
        h = self.http()
        status, said = h.request(dict(
            MESSAGE, cc="C <c@to.test>", bcc=["d@to.test"],
            subject="Grüße, Welt", headers={"X-Tag": "one"},
            **{"from": "Jürgen <a@from.test>"}))
        self.assertEqual((status, said["accepted"]), (200, True), said)
        accepted = h.relay.wait_event("inbound.accepted", id=said["id"])
        self.assertTrue(accepted["client"].startswith("[127.0.0.1]:"))
        message, parsed = self.parsed()
        h.relay.stop()
        self.assertEqual(message.sender, "a@from.test")
        self.assertEqual(sorted(message.recipients),
                         ["b@to.test", "c@to.test", "d@to.test"])
        self.assertEqual(parsed["Subject"], "Grüße, Welt")
        self.assertEqual(parsed["From"], "Jürgen <a@from.test>")
        self.assertEqual(parsed["X-Tag"], "one")
        self.assertIsNone(parsed["Bcc"])
        self.assertTrue(parsed["Message-ID"] and parsed["Date"])
        self.assertEqual(parsed.get_content(), "hello\n")
        self.assertIn("with HTTP", message.trace)

    def test_parts(self):
        h = self.http()
        content = bytes(range(256)) * 3
        status, said = h.request(dict(
            MESSAGE, html="<p>hé</p>", attachments=[
                {"name": "a.bin", "type": "application/x-a",
                 "content": base64.b64encode(content).decode()},
                {"name": "ü.txt", "content": ""}]))
        self.assertEqual(status, 200, said)
        _, parsed = self.parsed()
        h.relay.stop()
        self.assertEqual(parsed.get_content_type(), "multipart/mixed")
        self.assertEqual(parsed.get_body(("plain",)).get_content(), "hello\n")
        self.assertEqual(parsed.get_body(("html",)).get_content(),
                         "<p>hé</p>")
        first, second = parsed.iter_attachments()
        self.assertEqual(first.get_content(), content)
        self.assertEqual(first.get_content_type(), "application/x-a")
        self.assertEqual(first.get_filename(), "a.bin")
        self.assertEqual(second.get_filename(), "ü.txt")

    def test_a_raw_message(self):
        h = self.http()
        body = b"Subject: raw\r\nFrom: a@from.test\r\n\r\nhello\r\n"
        status, said = h.request(
            body, "message/rfc822",
            "/v1/messages?from=bounce%40from.test&to=b%40to.test")
        self.assertEqual(status, 200, said)
        message, parsed = self.parsed()
        h.relay.stop()
        self.assertEqual(message.sender, "bounce@from.test")
        self.assertEqual(message.recipients, ["b@to.test"])
        self.assertEqual(parsed["Subject"], "raw")

    def test_a_raw_message_with_recipients_in_its_header(self):
        h = self.http()
        status, said = h.request(
            b"To: b@to.test\nBcc: c@to.test\n\nx\n", "message/rfc822",
            "/v1/messages?from=")
        self.assertEqual(status, 200, said)
        message, parsed = self.parsed()
        h.relay.stop()
        self.assertEqual(message.sender, "")
        self.assertEqual(sorted(message.recipients),
                         ["b@to.test", "c@to.test"])
        self.assertIsNone(parsed["Bcc"])

    def test_over_tls(self):
        h = self.http(tls=True)
        self.assertEqual(h.request(MESSAGE)[0], 200)
        self.arrived()
        h.relay.stop()


class Refused(Case):
    def test_mistakes(self):
        h = self.http(limits={"message_size": "64KiB"})
        for status, body, options in (
                (401, MESSAGE, {"token": None}),
                (401, MESSAGE, {"token": TOKEN + "x"}),
                (404, MESSAGE, {"path": "/"}),
                (405, "", {"method": "GET"}),
                (415, MESSAGE, {"kind": "text/plain"}),
                (400, "{", {}),
                (400, [], {}),
                (400, {}, {}),
                (400, dict(MESSAGE, nonsense=1), {}),
                (400, dict(MESSAGE, to=[]), {}),
                (400, dict(MESSAGE, to=["no address"]), {}),
                (400, dict(MESSAGE, to=[1]), {}),
                (400, dict(MESSAGE, text=1), {}),
                (400, dict(MESSAGE, subject="a\r\nBcc: x@y.test"), {}),
                (400, dict(MESSAGE, headers={"X": "a\nY: b"}), {}),
                (400, dict(MESSAGE, headers={"X: y\nZ": "a"}), {}),
                (400, dict(MESSAGE, headers={"Bcc": "x@y.test"}), {}),
                (400, dict(MESSAGE, **{"from": "a@b.test\r\nX: y"}), {}),
                (400, dict(MESSAGE, attachments=[{"content": "?"}]), {}),
                (400, dict(MESSAGE, attachments=[
                    {"content": "", "type": "a/b\nX: y"}]), {}),
                (400, MESSAGE, {"key": "x" * 129}),
                (413, "x" * 300000, {}),
                (422, dict(MESSAGE, text="x" * 70000), {})):
            got, said = h.request(body, **options)
            self.assertEqual(got, status, (body, options, said))
            self.assertFalse(said["accepted"])
        h.relay.stop()
        self.assertFalse(h.relay.find_events("inbound.accepted"))

    def test_a_recipient_without_route(self):
        h = self.http(route={"match": "to.test"})
        status, said = h.request(dict(MESSAGE, to=["b@to.test",
                                                   "c@other.test"]))
        self.assertEqual((status, said["error"], said["code"]),
                         (422, "refused", 550))
        self.assertEqual(said["recipient"], "c@other.test")
        h.relay.stop()

    def test_a_token_in_clear_over_a_network(self):
        relay = Relay(9, inject={"http": {"address": "192.0.2.1:80",
                                          "token_file": secret()}})
        with self.assertRaises(AssertionError):
            relay.start()
        self.assertIn("in clear", relay.log_text())

    def test_a_short_token(self):
        relay = Relay(9, inject={"http": {"address": f"127.0.0.1:{free_port()}",
                                          "token_file": secret("short")}})
        with self.assertRaises(AssertionError):
            relay.start()
        self.assertIn("16 characters", relay.log_text())


class Keys(Case):
    def test_a_key_makes_one_message(self):
        h = self.http()
        first = h.request(MESSAGE, key="one")
        self.assertEqual(first[0], 200, first)
        self.assertEqual(h.request(MESSAGE, key="one"), first)
        other = h.request(dict(MESSAGE, text="other"), key="one")
        self.assertEqual(other[0], 409, other)
        self.assertEqual(h.request(MESSAGE, key="two")[0], 200)
        self.arrived(2)
        h.relay.stop()
        self.assertEqual(len(h.relay.find_events("inbound.accepted")), 2)

    def test_a_key_outlives_the_relay(self):
        h = self.http()
        first = h.request(MESSAGE, key="one")
        self.arrived()
        h.relay.kill()
        h.relay.start()
        self.assertEqual(h.request(MESSAGE, key="one"), first)
        h.relay.stop()
        self.assertEqual(len(h.relay.find_events("inbound.accepted")), 1)

    def test_a_refused_message_leaves_its_key_free(self):
        h = self.http()
        self.assertEqual(h.request({"from": 1}, key="one")[0], 400)
        self.assertEqual(h.request(MESSAGE, key="one")[0], 200)
        self.arrived()
        h.relay.stop()

    def test_a_damaged_file_of_keys(self):
        h = self.http()
        first = h.request(MESSAGE, key="one")
        self.arrived()
        h.relay.kill()
        path = os.path.join(h.relay.config["spool"]["path"], "inject-keys")
        with open(path, "ab") as f:
            f.write(b"\0\xff" * 300 + b"\n1 2 3 4\n99999999999999999999999 "
                    + b"a" * 32 + b" " + b"b" * 32 + b" x\n12")
        h.relay.start()
        self.assertEqual(h.request(MESSAGE, key="one"), first)
        h.relay.stop()

    def test_many_at_once(self):
        h = self.http()
        answers = []

        def run():
            answers.append(h.request(MESSAGE, key="one"))
        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({status for status, _ in answers} - {409}, {200})
        self.arrived()
        h.relay.stop()
        self.assertEqual(len(h.relay.find_events("inbound.accepted")), 1)


if __name__ == "__main__":
    unittest.main()
