# SPDX-License-Identifier: Apache-2.0
"""STARTTLS (RFC 3207) and implicit TLS (RFC 8314), inbound."""

import socket
import ssl
import unittest

from harness import (Client, Closed, Relay, RelayTest, certificates,
                     TLS_1_2_SUITES, client_context, free_port)


def only(version):
    context = client_context()
    context.minimum_version = context.maximum_version = version
    return context


class StartTls(RelayTest):
    def test_keywords_before_and_after(self):
        client = self.session()
        before = dict(client.keywords)
        client.starttls()
        client.ehlo()
        self.assertIn("STARTTLS", before)
        before.pop("STARTTLS")
        self.assertEqual(client.keywords, before)

    def test_session_starts_anew(self):
        # RFC 3207 section 4.2: what was learnt in clear is forgotten.
        client = self.session()
        client.envelope()
        client.starttls()
        self.assertEqual(client.command("RCPT TO:<x@example.test>").code, 503)
        self.assertEqual(
            client.command("MAIL FROM:<x@example.test>").code, 503)
        client.ehlo()
        client.envelope()

    def test_no_greeting_after_the_handshake(self):
        client = self.session()
        client.starttls()
        client.expect(250, "EHLO client.example.test")

    def test_twice(self):
        client = self.session(tls=True)
        self.assertIn(client.command("STARTTLS").code, (503, 554, 502))
        client.expect(250, "NOOP")

    def test_with_an_argument(self):
        self.assert_reply(self.session().command("STARTTLS now"), 501)

    def test_before_ehlo(self):
        client = self.connect()
        client.reply()
        self.assertIn(client.command("STARTTLS").code, (220, 503))

    def injected(self, behind):
        """Clear text behind STARTTLS in one packet; what is then answered
        inside TLS. An empty list: the relay closed instead, which is well."""
        client = self.session()
        client.send(b"STARTTLS\r\n" + behind)
        answers = []
        try:
            client.reply()
            client.handshake()
            client.send("EHLO client.example.test\r\nNOOP\r\n")
            while len(answers) < 2:
                answers.append(client.reply())
            client.expect(221, "QUIT")
            self.assertTrue(client.at_end())
        except (Closed, OSError, ssl.SSLError):
            pass
        return answers

    def test_command_injection(self):
        # CVE-2011-0411: what was sent in clear must not be obeyed.
        for text in (b"RSET\r\n", b"EHLO injected.example.test\r\n",
                     b"EHLO x\r\nMAIL FROM:<injected@example.test>\r\n"
                     b"RCPT TO:<injected@example.test>\r\n",
                     b"RSE", b"\r\n", b"X" * 5000):
            with self.subTest(text[:20]):
                answers = self.injected(text)
                if answers:
                    self.assertGreater(len(answers[0].lines), 3, answers)
                    self.assertEqual(len(answers[1].lines), 1, answers)
        self.assert_still_serving()
        self.assertFalse([m for m in self.sink.messages
                          if "injected" in m.sender])

    def test_transaction_in_clear_is_not_finished_in_tls(self):
        client = self.session()
        client.envelope("injected@example.test")
        client.starttls()
        client.ehlo()
        self.assertIn(client.command("DATA").code, (503, 554))

    def test_rubbish_instead_of_a_handshake(self):
        for rubbish in (b"EHLO x\r\n", b"\0" * 100, b"\x16\x03\x01\xff\xff",
                        b"\x15\x03\x03\x00\x02\x02\x28", bytes(range(256))):
            with self.subTest(rubbish[:8]):
                client = self.session()
                client.expect(220, "STARTTLS")
                try:
                    client.send(rubbish)
                    client.sock.shutdown(socket.SHUT_WR)
                    while client.sock.recv(4096):
                        pass
                except OSError:
                    pass
        self.assert_still_serving()

    def test_end_in_the_handshake(self):
        for _ in range(20):
            client = self.session()
            client.expect(220, "STARTTLS")
            client.close()
        self.assert_still_serving()

    def test_versions(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
                              (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            with self.subTest(name):
                client = self.session()
                client.starttls(only(version))
                self.assertEqual(client.sock.version(), name)
                client.ehlo()
                client.envelope()
                body = self.tagged()
                self.assert_reply(client.data(body), 250)
                self.assert_intact(body)

    def test_old_versions_are_refused(self):
        context = client_context(verify=False)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        client = self.session()
        client.expect(220, "STARTTLS")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            client.handshake(context)
        self.assert_still_serving()

    def test_ciphers_of_both_versions(self):
        for cipher, standard in TLS_1_2_SUITES.items():
            with self.subTest(cipher):
                context = only(ssl.TLSVersion.TLSv1_2)
                context.set_ciphers(cipher)
                client = self.session()
                client.starttls(context)
                self.assertEqual(client.sock.cipher()[0], cipher)
                client.ehlo()
                client.envelope()
                body = self.tagged(b"x" * 70 + b"\r\n" + b"y\r\n" * 50000)
                self.assert_reply(client.data(body), 250)
                message = self.assert_intact(body)
                self.assertIn(standard, message.headers)

    def test_certificate_is_the_configured_one(self):
        client = self.session()
        client.starttls()    # client_context() verifies it
        names = client.sock.getpeercert()["subjectAltName"]
        self.assertIn(("DNS", "relay.example.test"), names)

    def resume(self, version, name):
        context = only(version)
        first = self.session()
        first.starttls(context)
        first.ehlo()
        session = first.sock.session
        first.expect(221, "QUIT")
        second = self.session()
        second.expect(220, "STARTTLS")
        second.sock = context.wrap_socket(
            second.sock, server_hostname="relay.example.test",
            session=session)
        second.ehlo()
        second.envelope()
        body = self.tagged()
        self.assert_reply(second.data(body), 250)
        self.assert_intact(body)
        second.expect(221, "QUIT")
        self.relay.wait_event("inbound.closed", tls=name, resumed="no")
        self.relay.wait_event("inbound.closed", tls=name, resumed="yes",
                              messages=1)

    def test_resumption(self):
        self.resume(ssl.TLSVersion.TLSv1_2, "TLSv1.2")

    def test_resumption_with_tls_1_3(self):
        self.resume(ssl.TLSVersion.TLSv1_3, "TLSv1.3")

    def test_close_notify_ends_the_session(self):
        # An orderly end: our close_notify is answered by the relay's.
        client = self.session(tls=True)
        client.expect(221, "QUIT")
        client.sock.settimeout(30)
        client.sock.unwrap().close()

    def test_tcp_end_without_close_notify(self):
        # A cut connection is no end of a message: nothing is taken.
        client = self.session(tls=True)
        client.envelope("cut@example.test")
        client.expect(354, "DATA")
        client.send("Subject: cut\r\n\r\ncut\r\n")
        raw = socket.socket(fileno=client.sock.detach())
        raw.close()
        self.assert_still_serving()
        self.assertFalse([m for m in self.sink.messages
                          if m.sender == "cut@example.test"])

    def test_commands_in_small_records(self):
        client = self.session(tls=True)
        body = self.tagged(b".dot\r\n")
        wire = (b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
                b"DATA\r\n")
        for n in range(len(wire)):
            client.send(wire[n:n + 1])
        self.assertEqual([client.reply().code for _ in range(3)],
                         [250, 250, 354])
        wire = body.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        for n in range(len(wire)):
            client.send(wire[n:n + 1])
        self.assert_reply(client.reply(), 250)
        self.assert_intact(body)

    def test_large_message(self):
        client = self.session(tls=True)
        client.envelope()
        line = bytes(range(32, 127)) * 7 + b"\r\n"
        body = self.tagged(line * 8000)
        self.assert_reply(client.data(body), 250)
        self.assert_intact(body)

    def test_log_says_version_cipher_offload_and_reason(self):
        client = self.session(tls=True)
        client.expect(221, "QUIT")
        client.close()
        event = self.ended_with_tls()
        self.assertEqual(event["tls"], "TLSv1.3")
        self.assertTrue(event["cipher"])
        self.assertIn(event["offload"], ("tx,rx", "tx", "rx", "none"))
        if event["offload"] != "tx,rx":
            self.assertTrue(event["why"])

    def ended_with_tls(self):
        self.relay.wait_event(tls="TLSv1.3")
        with self.relay.changed:
            return next(e for e in self.relay.events
                        if e.get("tls") == "TLSv1.3")


class OffloadNever(RelayTest):
    CONFIG = {"offload": "never"}

    def test_reason_is_the_policy(self):
        self.assert_reply(self.relay.send(), 250)
        event = self.relay.wait_event(tls="TLSv1.3", offload="none")
        self.assertEqual(event["why"], "policy")


class Listeners(unittest.TestCase):
    def listener(self, **tls):
        certs = certificates()
        return {"address": f"127.0.0.1:{free_port()}",
                "tls": dict({"certificate": certs.certificate,
                             "key": certs.key}, **tls)}

    @staticmethod
    def port(listener):
        return int(listener["address"].rpartition(":")[2])

    def test_implicit_tls(self):
        listener = self.listener(mode="implicit")
        with Relay(listen=[listener]):
            client = Client(self.port(listener), implicit=True)
            self.addCleanup(client.close)
            self.assertEqual(client.reply().code, 220)
            client.ehlo()
            self.assertNotIn("STARTTLS", client.keywords)
            client.envelope()
            self.assertEqual(client.data(b"Subject: x\r\n\r\nx\r\n").code,
                             250)

    def test_clear_text_on_an_implicit_listener(self):
        listener = self.listener(mode="implicit")
        with Relay(listen=[listener]):
            with Client(self.port(listener)) as client:
                client.send("EHLO client.example.test\r\n")
                with self.assertRaises((Closed, AssertionError)):
                    reply = client.reply()
                    raise AssertionError(reply)
            with Client(self.port(listener), implicit=True) as client:
                self.assertEqual(client.reply().code, 220)

    def test_tls_required(self):
        listener = self.listener(mode="required")
        with Relay(listen=[listener]):
            with Client(self.port(listener)) as client:
                client.greet()
                reply = client.command("MAIL FROM:<a@example.test>")
                self.assertEqual(reply.code, 530, repr(reply))
                self.assertEqual(reply.enhanced, "5.7.0")
                client.starttls()
                client.ehlo()
                client.envelope()

    def test_no_certificate_no_starttls(self):
        listener = {"address": f"127.0.0.1:{free_port()}"}
        with Relay(listen=[listener]):
            with Client(self.port(listener)) as client:
                client.greet()
                self.assertNotIn("STARTTLS", client.keywords)
                self.assertIn(client.command("STARTTLS").code, (500, 502, 503,
                                                                 454))
                client.envelope()

    def test_min_version(self):
        listener = self.listener(min_version="1.3")
        with Relay(listen=[listener]):
            with Client(self.port(listener)) as client:
                client.greet()
                client.expect(220, "STARTTLS")
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    client.handshake(only(ssl.TLSVersion.TLSv1_2))
            with Client(self.port(listener)) as client:
                client.greet(tls=True)

    def test_two_listeners(self):
        first, second = self.listener(), self.listener(mode="implicit")
        with Relay(listen=[first, second]):
            with Client(self.port(first)) as client:
                client.greet(tls=True)
            with Client(self.port(second), implicit=True) as client:
                self.assertEqual(client.reply().code, 220)

    def test_certificate_by_sni(self):
        certs = certificates()
        listener = {"address": f"127.0.0.1:{free_port()}",
                    "tls": {"certificates": [
                        {"certificate": certs.certificate, "key": certs.key},
                        {"certificate": certs.other,
                         "key": certs.other_key}]}}
        with Relay(listen=[listener]):
            for name in ("relay.example.test", "other.example.test"):
                with self.subTest(name), Client(self.port(listener)) as c:
                    c.greet()
                    c.expect(220, "STARTTLS")
                    c.handshake(name=name)
                    self.assertIn(
                        ("DNS", name), c.sock.getpeercert()["subjectAltName"])


if __name__ == "__main__":
    unittest.main()
