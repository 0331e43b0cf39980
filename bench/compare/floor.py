# SPDX-License-Identifier: Apache-2.0
"""What a relay of large mail can't do without, measured on the same machine:
AES-GCM over every octet twice, as fast as `openssl speed` does it, and the way
of every octet through a socket twice, in and out.
"""

import dataclasses
import os
import socket
import subprocess

CIPHER = "aes-256-gcm"
RECORD = 16384
CHUNK = 256 << 10
OCTETS = 2 << 30


@dataclasses.dataclass
class Floor:
    """CPU seconds for a GB (10^9 octets)."""
    aead: float     # one pass of AES-GCM
    sending: float  # into a loopback socket
    receiving: float

    @property
    def per_gigabyte(self):
        """Twice AES-GCM, received once and sent once."""
        return 2 * self.aead + self.sending + self.receiving

    @property
    def with_whole_copies(self):
        """Twice AES-GCM, and twice through a socket from end to end."""
        return 2 * (self.aead + self.sending + self.receiving)


def measure():
    sending, receiving = loopback()
    return Floor(aead=1e9 / aead_rate(), sending=sending, receiving=receiving)


def aead_rate():
    """Octets in a second of one processor."""
    said = subprocess.run(
        ["openssl", "speed", "-mr", "-seconds", "1", "-bytes", str(RECORD),
         "-evp", CIPHER], check=True, stdin=subprocess.DEVNULL, text=True,
        capture_output=True).stdout
    results = [line for line in said.splitlines() if line.startswith("+F:")]
    return float(results[-1].rpartition(":")[2])


def loopback():
    """CPU seconds for a GB: of who sends and of who receives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = os.fork()
        if sender == 0:
            try:
                send(listener.getsockname())
            finally:
                os._exit(0)
        receiver = os.fork()
        if receiver == 0:
            try:
                receive(listener)
            finally:
                os._exit(0)
    return tuple(cpu_of(pid) / (OCTETS / 1e9) for pid in (sender, receiver))


def cpu_of(pid):
    _, _, used = os.wait4(pid, 0)
    return used.ru_utime + used.ru_stime


def send(address):
    data = bytes(CHUNK)
    with socket.create_connection(address) as s:
        for _ in range(OCTETS // CHUNK):
            s.sendall(data)


def receive(listener):
    into = bytearray(CHUNK)
    s, _ = listener.accept()
    with s:
        while s.recv_into(into):
            pass
