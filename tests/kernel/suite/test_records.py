# SPDX-License-Identifier: Apache-2.0
"""Records as a client may send them, whole, cut, joined or spoilt, to a relay
whose keys are in the kernel. The client is OpenSSL on memory: what it says can
be held back, joined and changed before it leaves."""

import socket
import ssl
import unittest

import harness
import test_relay
from harness import Relay, Sink

BODY = b"X-Tag: records\r\n\r\n" + b".line of text\r\n" * 5000
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
ENVELOPE = b"MAIL FROM:<from@example.test>\r\nRCPT TO:<to@example.test>\r\n"
BAD_MAC = "BAD_RECORD_MAC"


class Wire:
    """Stands where harness.Client has its socket."""

    def __init__(self, sock, context, name="relay.example.test"):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing,
                                    server_hostname=name)

    def handshake(self):
        """All but sending what it says last."""
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outgoing.read())
                self.feed()

    def feed(self):
        data = self.sock.recv(65536)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def records(self, data):
        """What data becomes, record by record, and does not leave yet."""
        self.tls.write(data)
        wire, records = self.outgoing.read(), []
        while wire:
            size = 5 + int.from_bytes(wire[3:5], "big")
            records.append(wire[:size])
            wire = wire[size:]
        return records

    def sendall(self, data):
        for record in self.records(data):
            self.sock.sendall(record)

    def recv(self, size):
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                self.feed()
            except ssl.SSLZeroReturnError:
                return b""

    def close(self):
        self.sock.close()


class Records(test_relay.KernelTls):
    def setUp(self):
        self.sink = Sink().start()
        self.addCleanup(self.sink.stop)
        self.relay = Relay(self.sink.port, offload="always", workers=1,
                           route={"tls": "encrypt"}).start()
        self.addCleanup(self.relay.kill)
        self.before = test_relay.tls_stat()

    def connect(self, version, early=b""):
        """A client; early goes out in one segment with the end of its
        handshake."""
        client = self.relay.client()
        self.addCleanup(client.close)
        client.greet()
        client.expect(220, "STARTTLS")
        context = harness.client_context()
        context.minimum_version = context.maximum_version = version
        client.sock = Wire(client.sock, context)
        client.sock.handshake()
        if version == ssl.TLSVersion.TLSv1_2:
            self.assertFalse(early)
        rest = client.sock.outgoing.read()
        if early:
            rest += b"".join(client.sock.records(early))
        client.sock.sock.sendall(rest)
        if not early:
            client.ehlo()
        return client

    def assert_codes(self, client, *codes):
        for code in codes:
            self.assertEqual(client.reply().code, code)

    def assert_delivered(self, count):
        for message in self.sink.wait(count):
            self.assertEqual(message.body_from(b"X-Tag"), BODY)
        self.assertEqual(len(self.sink.messages), count)

    def bad_records(self):
        """How many the kernel has counted since the start."""
        return (test_relay.tls_stat()["TlsDecryptError"]
                - self.before["TlsDecryptError"])


class Good(Records):
    def test_ehlo_with_the_end_of_the_handshake(self):
        client = self.connect(ssl.TLSVersion.TLSv1_3,
                              b"EHLO client.example.test\r\n")
        self.assert_codes(client, 250)
        client.envelope()
        self.assertEqual(client.data(BODY).code, 250)
        self.assert_delivered(1)
        self.relay.stop()
        self.assertEqual(self.bad_records(), 0)

    def test_a_whole_message_with_the_end_of_the_handshake(self):
        # Of what comes behind the handshake nothing may get lost on its way
        # from OpenSSL to the kernel.
        wire = (b"EHLO client.example.test\r\n" + ENVELOPE
                + b"BDAT %d LAST\r\n" % len(BODY) + BODY + b"QUIT\r\n")
        client = self.connect(ssl.TLSVersion.TLSv1_3, wire)
        self.assert_codes(client, 250, 250, 250, 250, 221)
        self.assertEqual(client.sock.recv(1), b"")
        self.assert_delivered(1)
        self.relay.stop()
        self.assertEqual(self.bad_records(), 0)

    def test_a_boundary_at_every_offset(self):
        for version in VERSIONS:
            client = self.connect(version)
            for at in range(1, len(ENVELOPE)):
                client.send(ENVELOPE[:at])
                client.send(ENVELOPE[at:] + b"RSET\r\n")
                self.assert_codes(client, 250, 250, 250)
            client.expect(221, "QUIT")
        self.relay.stop()
        self.assertEqual(self.bad_records(), 0)

    def test_records_of_one_byte_and_of_sixteen_kilobytes(self):
        for number, version in enumerate(VERSIONS):
            client = self.connect(version)
            client.envelope()
            head = b"BDAT %d LAST\r\n" % len(BODY)
            for size in range(0, len(head)):
                client.send(head[size:size + 1])
            for at in range(0, 64):
                client.send(BODY[at:at + 1])
            client.sock.sock.sendall(b"".join(
                client.sock.records(BODY[64:])))  # in 16 KiB
            self.assert_codes(client, 250)
            client.expect(221, "QUIT")
            self.assert_delivered(number + 1)
        self.relay.stop()
        self.assertEqual(self.bad_records(), 0)


class Bad(Records):
    """In a message, so that it shows whether it is dropped. Another client
    has a message under way at the same time, and goes on afterwards."""

    def spoil(self, spoil, alert, error, counted=True, versions=VERSIONS):
        """spoil(records) returns the octets that are sent in their stead."""
        done = 0
        for version in versions:
            other = self.connect(version)
            other.envelope()
            other.expect(354, "DATA")
            other.send(BODY[:1000].replace(b"\r\n.", b"\r\n.."))
            bad = self.bad_records()
            client = self.connect(version)
            client.envelope()
            client.expect(354, "DATA")
            records = [r for n in range(4) for r in
                       client.sock.records(b"X-Tag: %d\r\n" % n)]
            client.sock.sock.sendall(spoil(records))
            with self.assertRaises(ssl.SSLError) as said:
                client.sock.recv(1)
            self.assertIn(alert, said.exception.reason)
            if counted:  # each time that it is looked at
                self.assertGreater(self.bad_records(), bad)
            rest = BODY[1000:].replace(b"\r\n.", b"\r\n..")
            if BODY[1000:1001] == b"." and BODY[998:1000] == b"\r\n":
                rest = b"." + rest
            other.send(rest + b".\r\n")
            self.assert_codes(other, 250)
            other.expect(221, "QUIT")
            done += 1
            self.assert_delivered(done)
        self.relay.stop()
        failed = self.relay.find_events("inbound.failed")
        self.assertEqual([e["state"] for e in failed], ["data"] * done)
        for event in failed:
            self.assertEqual(event["error"], "bad TLS record")
            self.assertEqual(event.get("errno"), error)

    def test_a_flipped_bit(self):
        def spoil(records):
            record = bytearray(records[0])
            record[-1] ^= 1
            return bytes(record)
        self.spoil(spoil, BAD_MAC, "Bad message")

    def test_a_record_that_is_missing(self):
        self.spoil(lambda records: records[1], BAD_MAC, "Bad message")

    def test_a_record_twice(self):
        self.spoil(lambda records: records[0] * 2, BAD_MAC, "Bad message")

    def test_another_type(self):
        def spoil(records):
            return b"\x16" + records[0][1:]
        self.spoil(spoil, BAD_MAC, "Bad message", versions=VERSIONS[:1])

    def test_another_type_under_tls_1_3(self):
        # There it says nothing (the real one is encrypted), is always 23, and
        # the kernel does not look at it.
        client = self.connect(VERSIONS[1])
        client.envelope()
        client.expect(354, "DATA")
        for record in client.sock.records(
                BODY.replace(b"\r\n.", b"\r\n..") + b".\r\n"):
            client.sock.sock.sendall(b"\x16" + record[1:])
        self.assert_codes(client, 250)
        self.assert_delivered(1)

    def test_another_version(self):
        def spoil(records):
            return records[0][:1] + b"\x02\x00" + records[0][3:]
        self.spoil(spoil, BAD_MAC, "Invalid argument", counted=False)

    def test_too_long(self):
        def spoil(records):
            return records[0][:3] + (16384 + 2049).to_bytes(2, "big") + \
                bytes(16384 + 2049)
        self.spoil(spoil, "RECORD_OVERFLOW", "Message too long",
                   counted=False)


if __name__ == "__main__":
    unittest.main()
