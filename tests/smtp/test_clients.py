# SPDX-License-Identifier: Apache-2.0
"""Clients of other makes: swaks, Python's smtplib, openssl s_client."""

import shutil
import smtplib
import subprocess
import unittest
from email.message import EmailMessage

from harness import (PATIENCE, TLS_1_2_SUITES, RelayTest, certificates,
                     client_context, needs)


class Smtplib(RelayTest):
    def open(self, tls=True):
        client = smtplib.SMTP("127.0.0.1", self.relay.port, timeout=PATIENCE)
        self.addCleanup(client.close)
        if tls:
            # smtplib checks the certificate against the name it connected to
            client.starttls(context=client_context())
        return client

    def message(self, text):
        message = EmailMessage()
        message["From"] = "from@example.test"
        message["To"] = "to@example.test"
        message["Subject"] = self.id()
        message["X-Tag"] = self.id()
        message.set_content(text)
        return message

    def arrived_text(self):
        tag = f"X-Tag: {self.id()}".encode()
        return self.sink.wait_for(
            lambda s: next((m for m in s.messages if tag in m.data), None))

    def test_plain(self):
        with self.open(tls=False) as client:
            client.send_message(self.message("hello\n.dot\n..two\n"))
        self.assertIn(b"\r\n.dot\r\n..two\r\n", self.arrived_text().data)

    def test_starttls(self):
        with self.open() as client:
            client.send_message(self.message("hello\n.dot\n"))
        message = self.arrived_text()
        self.assertIn("ESMTPS", message.headers)
        self.assertIn(b"\r\n.dot\r\n", message.data)

    def test_several_messages_and_recipients(self):
        with self.open() as client:
            for n in range(5):
                refused = client.sendmail(
                    f"from{n}@example.test",
                    [f"to{n}-{k}@example.test" for k in range(7)],
                    f"X-Tag: {self.id()}\r\n\r\n{n}\r\n")
                self.assertEqual(refused, {})
        tag = f"X-Tag: {self.id()}".encode()
        self.sink.wait_for(
            lambda s: sum(len(m.recipients) for m in s.messages
                          if tag in m.data) == 35)

    def test_large_message(self):
        text = "".join(f"line {n} of many\n" for n in range(200000))
        with self.open() as client:
            client.send_message(self.message(text))
        data = self.arrived_text().data
        self.assertIn(b"line 0 of many\r\n", data)
        self.assertTrue(data.endswith(b"line 199999 of many\r\n"))
        self.assertEqual(data.count(b" of many\r\n"), 200000)

    def test_utf8_addresses(self):
        with self.open() as client:
            client.sendmail("jürgen@example.test", ["δοκιμή@example.test"],
                            f"X-Tag: {self.id()}\r\n\r\nhello\r\n",
                            mail_options=["SMTPUTF8"])
        self.assertEqual(self.arrived_text().recipients,
                         ["δοκιμή@example.test"])


class Swaks(RelayTest):
    def setUp(self):
        needs(self, None if shutil.which("swaks") else
              "swaks is not installed")

    def swaks(self, *options):
        tag = self.id()
        done = subprocess.run(
            ["swaks", "--server", "127.0.0.1", "--port",
             str(self.relay.port), "--from", "from@example.test", "--to",
             "to@example.test", "--header", f"X-Tag: {tag}",
             "--timeout", str(int(PATIENCE)), *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=2 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return self.sink.wait_for(lambda s: next(
            (m for m in s.messages if tag.encode() in m.data), None)), \
            done.stdout

    def test_plain(self):
        message, _ = self.swaks("--body", "hello")
        self.assertIn(b"hello", message.data)

    def test_tls(self):
        message, log = self.swaks("--tls", "--body", ".dot")
        self.assertIn("TLS started with cipher", log)
        self.assertIn("ESMTPS", message.headers)
        self.assertIn(b"\r\n.dot\r\n", message.data)

    def test_tls_pipelined(self):
        message, _ = self.swaks("--tls", "--pipeline")
        self.assertIn("ESMTPS", message.headers)

    def test_helo(self):
        message, _ = self.swaks("--protocol", "SMTP")
        self.assertRegex(message.headers, r"with SMTP\b")

    def test_tls_1_2(self):
        message, log = self.swaks("--tls", "--tls-protocol", "tlsv1_2")
        self.assertIn("TLSv1.2", log)
        self.assertIn("TLSv1.2", message.headers)


class OpensslClient(RelayTest):
    def s_client(self, script, *options):
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.relay.port}",
             "-starttls", "smtp", "-name", "client.example.test", "-CAfile",
             certificates().ca, "-verify_return_error", "-quiet", "-crlf",
             "-no_ign_eof", *options],
            input=script, capture_output=True, text=True, timeout=PATIENCE)

    def deliver(self, *options):
        tag = f"{self.id()}{'.'.join(options)}"
        done = self.s_client(
            "EHLO client.example.test\nMAIL FROM:<a@example.test>\n"
            f"RCPT TO:<b@example.test>\nDATA\nX-Tag: {tag}\n\n..dot\n.\n"
            "QUIT\n", *options, "-ign_eof")
        message = self.sink.wait_for(
            lambda s: next((m for m in s.messages if tag.encode() in m.data),
                           None), done.stdout + done.stderr)
        self.assertTrue(message.data.endswith(b"\r\n.dot\r\n"))
        self.assertIn("221", done.stdout)
        return message

    def test_tls_1_3_suites(self):
        for suite in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                      "TLS_CHACHA20_POLY1305_SHA256"):
            with self.subTest(suite):
                message = self.deliver("-tls1_3", "-ciphersuites", suite)
                self.assertIn(suite, message.trace)

    def test_tls_1_2_suites(self):
        for suite, standard in TLS_1_2_SUITES.items():
            with self.subTest(suite):
                message = self.deliver("-tls1_2", "-cipher", suite)
                self.assertIn(standard, message.trace)

    def test_key_update_is_ended_in_order_or_followed(self):
        # s_client sends a KeyUpdate for a line "K"; whatever the relay makes
        # of it, it goes on serving and nothing half is taken.
        subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.relay.port}",
             "-starttls", "smtp", "-tls1_3", "-crlf"],
            input="EHLO x.example.test\nK\nNOOP\nQ\n", capture_output=True,
            text=True, timeout=PATIENCE)
        self.assert_still_serving()

    def test_small_maximum_fragment(self):
        # RFC 6066: kernel TLS cuts 16 KiB records, so this stays outside.
        message = self.deliver("-tls1_2", "-maxfraglen", "512")
        self.assertIn("ESMTPS", message.headers)


if __name__ == "__main__":
    unittest.main()
