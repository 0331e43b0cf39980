# SPDX-License-Identifier: Apache-2.0
"""A name server of the tests' own: unbound on a loopback port, with local
data only."""

import os
import socket
import struct
import subprocess

from harness import (fresh_folder, free_port, unpacked_environment,
                     unpacked_root, wait_until, why_not_unpacked)

UNBOUND = "usr/sbin/unbound"


def why_unavailable():
    return None if unpacked_root(UNBOUND) else why_not_unpacked("unbound")


def free_port_both():
    """A loopback port that is free for UDP as well."""
    while True:
        port = free_port()
        with socket.socket(type=socket.SOCK_DGRAM) as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class NameServer:
    """records: lines of a zone file below "test."; broken: names below it
    that end in SERVFAIL; silent: names that nothing is ever heard about."""

    def __init__(self, records, broken=(), silent=()):
        self.folder = fresh_folder("dns")
        self.port = free_port_both()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None
        dead = free_port_both()
        # Takes questions and says nothing.
        self.mute = socket.socket(type=socket.SOCK_DGRAM)
        self.mute.bind(("127.0.0.1", 0))
        mute = self.mute.getsockname()[1]
        lines = [
            "server:",
            f"  interface: 127.0.0.1@{self.port}",
            '  username: ""', '  chroot: ""', '  pidfile: ""',
            f'  directory: "{self.folder}"',
            "  do-daemonize: no", "  use-syslog: no", '  logfile: ""',
            "  num-threads: 1", "  do-ip6: no",
            '  module-config: "iterator"',
            "  do-not-query-localhost: no",
            '  local-zone: "test." static',
            '  local-data: "test. 60 IN SOA ns.test. host.test. '
            '1 60 60 60 5"',
        ]
        lines += [f"  local-data: '{record}'" for record in records]
        away = [(name, dead) for name in broken] + \
            [(name, mute) for name in silent]
        lines += [f'  local-zone: "{name}." transparent' for name, _ in away]
        for name, port in away:
            lines += ["forward-zone:", f'  name: "{name}."',
                      f"  forward-addr: 127.0.0.1@{port}"]
        lines += ["remote-control:", "  control-enable: no"]
        self.path = os.path.join(self.folder, "unbound.conf")
        with open(self.path, "w") as f:
            f.write("\n".join(lines) + "\n")

    def answers(self):
        """Does it speak? Asks for the SOA of test."""
        question = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + b"\4test\0" \
            + struct.pack(">2H", 6, 1)
        with socket.socket(type=socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect(("127.0.0.1", self.port))
            try:
                s.send(question)
                return len(s.recv(512)) > 12
            except OSError:
                if self.process.poll() is not None:
                    raise AssertionError(f"unbound ended: see {self.path}")
                return False

    def start(self):
        root = unpacked_root(UNBOUND)
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(
            [os.path.join(root, UNBOUND), "-d", "-c", self.path],
            env=unpacked_environment(root), stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        wait_until(self.answers, "the name server")
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.mute.close()
        self.log.close()
