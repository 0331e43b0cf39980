# SPDX-License-Identifier: Apache-2.0
"""An Exim of the tests' own: private configuration, queue, account and port on
loopback. How it is run is bench/compare's knowledge; here it is handed what
the tests have of files and ports, and delivers each message at once.
"""

import functools
import os
import shutil
import sys

import harness

sys.path.append(os.path.join(harness.ROOT, "bench", "compare"))
import relay_exim  # noqa: E402
import work  # noqa: E402

UNPACKED = harness.UNPACKED + "-exim"
PROGRAM = "usr/sbin/exim4"


def root():
    for folder in (UNPACKED, "/"):
        if os.path.exists(os.path.join(folder, PROGRAM)):
            return folder
    return None


def why_unavailable():
    if root() is None:
        return ("no Exim: tests/setup/install --unpack "
                f"{os.path.relpath(UNPACKED, harness.ROOT)} peer-exim "
                "fetches it")
    if os.geteuid() != 0:
        return "Exim changes accounts: it runs only as root"
    return None


@functools.lru_cache(None)
def open_root():
    """Where its own account can reach it, too: the source tree may be in a
    home that is closed to others, and Exim starts itself again and again."""
    found = root()
    if found in (None, "/"):
        return found
    os.chmod(harness.scratch(), 0o755)
    copy = os.path.join(harness.scratch(), "exim-programs")
    shutil.copytree(found, copy, symlinks=True)
    return copy


class Peers:
    """What bench/compare asks for its programs, from the tests' folders."""

    @staticmethod
    def root_of(_name, _path):
        return open_root()

    environment = staticmethod(harness.unpacked_environment)


class NoMeter:
    def join(self):
        pass

    def end_members(self):
        pass


class Exim(relay_exim.Exim):
    def __init__(self, relayhost):
        certs = harness.certificates()
        folder = harness.fresh_folder("exim")
        # Daemons that gave up root must find their way in.
        for path in (harness.scratch(), folder, certs.folder):
            os.chmod(path, 0o755)
        os.chmod(certs.key, 0o644)
        super().__init__(Peers(), folder, certs.certificate, certs.key)
        self.relayhost = relayhost

    def start(self):
        super().start(work.Work("test", 4096, 1), self.relayhost, NoMeter())
        return self

    def write(self, name, text, mode=0o644):
        if name == "exim.conf":
            text = text.replace("queue_only = true", "queue_only = false")
        return super().write(name, text, mode)

    def log_text(self):
        text = ""
        for path in (self.path("console"), self.path("spool", "log", "main"),
                     self.path("spool", "log", "panic")):
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()
        return text
