# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good. Each function is one visit; the relay may refuse,
hang up or say 4xx, 5xx or 421 as it likes. What it must not do shows
elsewhere: in its memory, its descriptors and in other clients' mail."""

import socket
import struct

import harness

HOST = "127.0.0.1"


def connect(port):
    return socket.create_connection((HOST, port), timeout=10)


def reset(sock):
    """Ends with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


def garbage(port, dice):
    with connect(port) as s:
        for _ in range(20):
            s.sendall(dice.randbytes(dice.randrange(1, 8192)))


def endless_line(port, dice):
    with connect(port) as s:
        for _ in range(200):
            s.sendall(b"A" * 8192)


def silence(port, dice):
    """A connection that says nothing, for longer than its fellows."""
    with connect(port) as s:
        s.settimeout(dice.uniform(0.1, 3))
        while s.recv(4096):
            pass


def talker(port, dice):
    """Commands without an end, replies never read."""
    with connect(port) as s:
        s.settimeout(3)
        s.sendall(b"EHLO talker.example.test\r\n")
        for _ in range(2000):
            s.sendall(b"NOOP\r\nRSET\r\nVRFY x\r\n" * 20)


def wrong_turns(port, dice):
    verbs = [b"DATA", b"BDAT 5 LAST", b"RCPT TO:<x@example.test>", b"BDAT -1",
             b"MAIL FROM:<>", b"MAIL FROM:<" + b"x" * 600 + b">", b"STARTTLS",
             b"RSET", b"HELO", b"EHLO [1", b"BDAT 99999999999999999999",
             b"\x00\xff", b"MAIL FROM:<a@b> SIZE=18446744073709551616"]
    with connect(port) as s:
        for _ in range(60):
            s.sendall(dice.choice(verbs) + b"\r\n")
        s.settimeout(2)
        while s.recv(65536):
            pass


def half_message(port, dice):
    """The connection breaks in the middle of a message."""
    s = connect(port)
    s.sendall(b"EHLO half.example.test\r\nMAIL FROM:<half@example.test>\r\n"
              b"RCPT TO:<half@example.test>\r\n")
    if dice.random() < 0.5:
        s.sendall(b"BDAT 1000000 LAST\r\n" + b"x" * dice.randrange(900000))
    else:
        s.sendall(b"DATA\r\n" + b"line of text\r\n" * dice.randrange(50000))
    reset(s)


def half_handshake(port, dice):
    """TLS begins, and then something else."""
    s = connect(port)
    s.settimeout(10)
    f = s.makefile("rb")
    s.sendall(b"EHLO x.example.test\r\nSTARTTLS\r\n")
    while not f.readline().startswith(b"220 2"):
        pass
    hello = dice.choice([b"\x16\x03\x01\x40\x00" + dice.randbytes(16384),
                         b"\x16\x03\x01\x02\x00\x01", b"EHLO x\r\n",
                         b"\x15\x03\x03\x00\x02\x02\x28"])
    s.sendall(hello)
    reset(s)


def broken_record(port, dice):
    """A whole handshake, then bytes that are no record."""
    c = harness.Client(port, timeout=10)
    c.greet(tls=True)
    raw = socket.socket(fileno=c.sock.detach())
    raw.sendall(dice.randbytes(dice.randrange(1, 20000)))
    reset(raw)


def crowd(port, dice):
    """Many at once that leave at once."""
    those = [connect(port) for _ in range(100)]
    for s in those:
        reset(s)


VISITS = [garbage, endless_line, silence, talker, wrong_turns, half_message,
          half_handshake, broken_record, crowd]


def visit(port, dice):
    """One of them, by the dice; its name."""
    which = dice.choice(VISITS)
    try:
        which(port, dice)
    except (OSError, harness.Closed, AssertionError, EOFError):
        pass  # it was refused, or hung up on
    return which.__name__
