# SPDX-License-Identifier: Apache-2.0
"""What every relay that is compared has in common.

A Relay lives in a folder of its own, listens on a loopback port, takes mail
over STARTTLS and passes all of it on to one next hop over STARTTLS, with the
durability that it has when an operator installs it. Its programs come from
the machine or from a folder that fetch.py filled; nothing is installed, no
account made and no service touched.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


class Unavailable(Exception):
    """This relay can't be run here; the text says why and what would help."""


class Relay:
    """One relay between a source and a next hop."""

    # Given on the command line and in the tables.
    name = None
    # In the tables, what 250 means there and what was set for speed.
    durable = True
    notes = ""
    # Of the messages of a work: one that is ten times slower than others is
    # given fewer, so that it runs about as long.
    share = 1.0
    # More connections at once than this it can't be given; None: any number.
    most_connections = None

    def __init__(self, peers, folder, certificate, key):
        """peers: a fetch.Peers. folder: this relay's own, empty. certificate
        and key: PEM files, readable by everybody."""
        self.peers = peers
        self.folder = folder
        self.certificate = certificate
        self.key = key
        self.port = None
        self.meter = None
        self.process = None

    def version(self):
        """Name and version as in the tables; Unavailable when it can't run
        here."""
        raise NotImplementedError

    def configure(self, work, next_hop):
        """Writes the configuration for this kind of work. next_hop: its port
        on loopback. Returns (argv, environment) of a process in the
        foreground."""
        raise NotImplementedError

    def prepare_process(self):
        """In the relay's process, before its program runs."""

    # --- running ------------------------------------------------------------

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def start(self, work, next_hop, meter):
        """Runs until it greets a client."""
        self.port = free_port()
        self.meter = meter
        argv, env = self.configure(work, next_hop)

        def in_child():
            meter.join()
            self.prepare_process()

        with open(self.path("console"), "wb") as console:
            self.process = subprocess.Popen(
                argv, env=env, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=console, stderr=console, start_new_session=True,
                preexec_fn=in_child)
        self.wait_until_it_greets()

    def wait_until_it_greets(self, patience=60):
        deadline = time.monotonic() + patience
        while not greets(self.port):
            if self.process.poll() is not None \
                    or time.monotonic() > deadline:
                self.stop()
                raise Unavailable(f"{self.name} does not start: "
                                  + self.last_words())
            time.sleep(0.05)

    def last_words(self):
        """The end of what it logged, for an error message."""
        try:
            with open(self.path("console"), errors="replace") as f:
                return f.read().strip().rpartition("\n")[2] or "no output"
        except OSError as e:
            return str(e)

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                pass
        # Daemons live in the session of their master and nobody else does.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None
        if self.meter:
            self.meter.end_members()


def greets(port):
    """Whether a server answers a new connection there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.settimeout(5)
            return s.recv(512).startswith(b"220")
    except OSError:
        return False


def free_port():
    """A loopback port below the range that connections get by themselves."""
    for port in range(21000 + os.getpid() % 7000, 32000):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in free_port.given:
                free_port.given.add(port)
                return port
    raise RuntimeError("no free port")


free_port.given = set()


def own_mounts(binds):
    """In a child: a mount namespace in which each (file, at) of binds is
    seen, for programs that have paths or accounts compiled in."""
    def call(name, *args):
        if getattr(LIBC, name)(*args) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{name}: {os.strerror(error)}")
    call("unshare", CLONE_NEWNS)
    call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE),
         None)
    for source, target in binds:
        call("mount", os.fsencode(source), os.fsencode(target), None,
             ctypes.c_ulong(MS_BIND | MS_REC), None)
