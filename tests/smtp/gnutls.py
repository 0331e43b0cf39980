# SPDX-License-Identifier: Apache-2.0
"""TLS of another make for the tests' clients and sinks: GnuTLS by ctypes, with
what Python's ssl has no calls for: KeyUpdate, padding, late tickets, an end
with or without close_notify.

A Context stands where harness takes an ssl.SSLContext, a Socket where it uses
an ssl.SSLSocket."""

import ctypes
import socket
import struct
import time

import harness

try:
    LIB = ctypes.CDLL("libgnutls.so.30")
except OSError:  # package gnutls-bin brings it
    LIB = None

SERVER, CLIENT = 1, 2
NO_AUTO_SEND_TICKET = 1 << 21
PEM, CRD_CERTIFICATE, NAME_DNS = 1, 1, 1
KEY_UPDATE_PEER = 1
SHUT_RDWR, SHUT_WR = 0, 1
AGAIN, INTERRUPTED, PREMATURE = -28, -52, -110
VERSIONS = {"1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2",
            "1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_uint)]


if LIB:
    for name in ("gnutls_record_recv", "gnutls_record_send2"):
        getattr(LIB, name).restype = ctypes.c_ssize_t
    for name in ("gnutls_strerror", "gnutls_protocol_get_name",
                 "gnutls_alert_get_name"):
        getattr(LIB, name).restype = ctypes.c_char_p
    LIB.gnutls_record_recv.argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                       ctypes.c_size_t]
    LIB.gnutls_record_send2.argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                        ctypes.c_size_t, ctypes.c_size_t,
                                        ctypes.c_uint]
    LIB.gnutls_server_name_set.argtypes = [ctypes.c_void_p, ctypes.c_int,
                                           ctypes.c_char_p, ctypes.c_size_t]
    LIB.gnutls_session_set_data.argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                            ctypes.c_size_t]


class Error(ConnectionError):
    """GnuTLS said no: code, and its words."""

    def __init__(self, what, code):
        super().__init__(f"{what}: {LIB.gnutls_strerror(code).decode()}")
        self.code = code


def check(what, code):
    if code < 0:
        raise Error(what, code)
    return code


class Context:
    """Makes Sockets of one TLS version; a server's with certificate and key,
    a client verifies by the tests' authority. late_tickets: none are sent but
    by Socket.send_tickets()."""

    def __init__(self, version="1.3", late_tickets=False):
        certs = harness.certificates()
        self.priority = VERSIONS[version].encode()
        self.late_tickets = late_tickets
        self.credentials = ctypes.c_void_p()
        check("credentials", LIB.gnutls_certificate_allocate_credentials(
            ctypes.byref(self.credentials)))
        check("key", LIB.gnutls_certificate_set_x509_key_file(
            self.credentials, certs.certificate.encode(), certs.key.encode(),
            PEM))
        check("trust", LIB.gnutls_certificate_set_x509_trust_file(
            self.credentials, certs.ca.encode(), PEM))
        self.ticket_key = Datum()
        check("ticket key", LIB.gnutls_session_ticket_key_generate(
            ctypes.byref(self.ticket_key)))

    def wrap_socket(self, sock, server_side=False, server_hostname=None,
                    session=None):
        return Socket(self, sock, server_side, server_hostname, session)


class Socket:
    """TLS on a connected socket, which it takes."""

    def __init__(self, context, sock, server_side, name, session):
        self.context, self.sock = context, sock
        self.clean_end = False  # the peer sent close_notify
        self.session = ctypes.c_void_p()
        patience = struct.pack("ll", int(harness.PATIENCE), 0)
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flags = SERVER if server_side else CLIENT
        if context.late_tickets:
            flags |= NO_AUTO_SEND_TICKET
        check("init", LIB.gnutls_init(ctypes.byref(self.session), flags))
        check("priority", LIB.gnutls_priority_set_direct(
            self.session, context.priority, None))
        check("credentials", LIB.gnutls_credentials_set(
            self.session, CRD_CERTIFICATE, context.credentials))
        if server_side:
            check("tickets", LIB.gnutls_session_ticket_enable_server(
                self.session, ctypes.byref(context.ticket_key)))
        else:
            self.set_up_client(name, session)
        LIB.gnutls_transport_set_int2(self.session, sock.fileno(),
                                      sock.fileno())
        self.patiently("handshake", LIB.gnutls_handshake, self.session)

    def set_up_client(self, name, session):
        host = (name or "").encode()
        LIB.gnutls_session_set_verify_cert(self.session, host or None, 0)
        self.host = host  # GnuTLS keeps the pointer
        if host:
            check("name", LIB.gnutls_server_name_set(
                self.session, NAME_DNS, host, len(host)))
        if session:
            check("session", LIB.gnutls_session_set_data(
                self.session, session, len(session)))

    def patiently(self, what, call, *args):
        """GnuTLS says AGAIN for every record that is not data, too."""
        deadline = time.monotonic() + harness.PATIENCE
        while True:
            code = call(*args)
            if code not in (AGAIN, INTERRUPTED) or \
                    time.monotonic() > deadline:
                return check(what, code)

    # what an ssl.SSLSocket has

    def recv(self, size):
        buffer = ctypes.create_string_buffer(size)
        try:
            n = self.patiently("receive", LIB.gnutls_record_recv, self.session,
                               buffer, size)
        except Error as e:
            if e.code == PREMATURE:
                return b""
            raise
        self.clean_end |= n == 0
        return buffer.raw[:n]

    def sendall(self, data):
        self.send_padded(data, 0)

    def version(self):
        return LIB.gnutls_protocol_get_name(
            LIB.gnutls_protocol_get_version(self.session)).decode()

    def settimeout(self, seconds):
        pass

    def shutdown(self, how):
        self.sock.shutdown(how)

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        """Without close_notify."""
        self.sock.close()
        if self.session:
            LIB.gnutls_deinit(self.session)
        self.session = None

    # what it has not

    def send_padded(self, data, padding):
        """padding: octets in each record behind its data (TLS 1.3)."""
        sent = 0
        while True:
            n = self.patiently("send", LIB.gnutls_record_send2, self.session,
                               data[sent:], len(data) - sent, padding, 0)
            sent += n
            if sent >= len(data):
                return

    def key_update(self, ask=False):
        self.patiently("KeyUpdate", LIB.gnutls_session_key_update,
                       self.session, KEY_UPDATE_PEER if ask else 0)

    def send_tickets(self, count=1):
        self.patiently("tickets", LIB.gnutls_session_ticket_send, self.session,
                       count, 0)

    def say_bye(self, both_ways=False):
        """close_notify, and perhaps waiting for the peer's."""
        self.patiently("bye", LIB.gnutls_bye, self.session,
                       SHUT_RDWR if both_ways else SHUT_WR)

    def resumed(self):
        return bool(LIB.gnutls_session_is_resumed(self.session))

    def session_data(self):
        """What resumes this session: valid once a ticket has been read."""
        datum = Datum()
        check("session", LIB.gnutls_session_get_data2(
            self.session, ctypes.byref(datum)))
        return ctypes.string_at(datum.data, datum.size)
