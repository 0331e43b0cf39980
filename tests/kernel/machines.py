# SPDX-License-Identifier: Apache-2.0
"""The kernels that tests/kernel/run can boot.

A machine is a kernel, the way to start it and the userland that its programs
see. The runner prepares a share, a folder of the host holding job.json, which
guest_init mounts writable, and asks the machine for a command line that boots
with the userland's root read-only and guest_init as its first process.

To add a kernel, add an entry to MACHINES; to add a way of booting, add a
class with the members of UserModeLinux.
"""

import glob
import os
import shutil

from debian import (CACHE, Suite, Unavailable, is_whole, locked, made_whole,
                    say)
from qemu import CountingQemu, Qemu
from userland import DebianRoot, Host

# sid's packages can't always be installed together; testing's can, a few days
# behind.
HOST, TRIXIE, SID = Host(), DebianRoot("trixie"), DebianRoot("sid", "testing")


class UserModeLinux:
    """Linux as a process of the host, its root the userland's by hostfs."""

    # hostfs is built in; the runner only has to name folders.
    share_type = "hostfs"
    kind = "User-Mode Linux"

    def __init__(self, version, userland, prefix="", suite=None,
                 overlay=True):
        """The kernel's files lie below prefix in the userland's root: where
        its package is installed, or where one of another suite's is
        unpacked. Without overlay the program's root is read-only."""
        self.version = version
        self.userland = userland
        self.suite = suite
        self.overlay = overlay
        self.prefix = prefix
        self.program = f"{prefix}/usr/bin/linux.uml"
        self.modules = f"{prefix}/usr/lib/uml/modules"

    def why_unavailable(self):
        """None, or a sentence: what is missing and how to get it."""
        why = self.userland.why_unavailable()
        if why:
            return why
        if not os.path.exists(os.path.join(self.userland.root,
                                           self.program.lstrip("/"))):
            return f"{self.program} not found: " + (
                "tests/kernel/fetch gets it" if self.suite or
                self.userland is not HOST else
                "install the Debian package user-mode-linux "
                "(tests/setup/install kernel does)")
        return None

    def source(self):
        """Where the kernel comes from, for people."""
        if self.suite:
            return f"package user-mode-linux of {self.suite}, unpacked"
        if self.userland is HOST:
            return "package user-mode-linux"
        return f"package user-mode-linux in a root of {self.userland.name}"

    def fetch(self):
        """Gets what is missing; raises Unavailable."""
        self.userland.fetch()
        if self.suite:
            with locked(os.path.basename(self.prefix)):
                self.unpack()
        why = self.why_unavailable()
        if why:
            raise Unavailable(why)

    def unpack(self):
        if is_whole(self.prefix, f"the kernel of Debian {self.suite}"):
            return
        say(f"fetching user-mode-linux of Debian {self.suite}")
        suite = Suite(self.suite)
        suite.update()
        with made_whole(self.prefix) as folder:
            suite.unpack(["user-mode-linux"], folder)

    def release(self):
        """The exact version, as far as it can be told without booting."""
        found = glob.glob(self.userland.root + self.modules + "/*")
        return os.path.basename(sorted(found)[-1]) if found else "?"

    def command(self, share, init, memory_mib, out):
        """The argument list that boots this kernel."""
        return [
            self.program,
            f"mem={memory_mib}M",
            "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
            "con=null", "con0=null,fd:1", "ssl=null",
            f"uml_dir={share}/", "umid=uml",
            "panic=-1", "quiet", "loglevel=5",
            f"init={init}",
            # Unknown words become the environment of init.
            f"RUN_SHARE={share}", f"RUN_SHARE_TYPE={self.share_type}",
            f"RUN_MODULES={self.modules}",
            f"RUN_ROOT={'overlay' if self.overlay else 'bound'}",
        ]

    @staticmethod
    def disk(image):
        """More arguments: a block device, /dev/ubda, that is this file. It
        is written to at once and synced when the guest flushes it."""
        return [f"ubd0={image}"]

    def environment(self, memory_folder):
        """What the kernel process itself needs from its environment."""
        return {"TMPDIR": memory_folder, "PATH": os.environ.get("PATH", "")}

    def enter(self, binds):
        """Called in the new process: what it may see of the host."""
        self.userland.arrange(binds)
        if self.userland.root != "/":
            os.chroot(self.userland.root)
            os.chdir("/")


def found(machine):
    """What there is, for people. Suites move on; what tests expect goes by the
    kernel that runs, not by its name here."""
    release = machine.release()
    wanted = machine.version.partition("-")[0]
    if release.startswith(f"{wanted}."):
        return f"{release} is there"
    return (f"{release} is there (Debian no longer has {wanted} in that suite; "
            "this one takes its place)")


MACHINES = {machine.version: machine for machine in (
    # ringpost can't be built with bullseye's OpenSSL 1.1.1 and liburing 0.7,
    # so what is tested on 5.10 is what runs there in practice: a newer
    # userland, in a container on an older kernel. An overlay on this
    # kernel's hostfs finds no file that hostfs hasn't opened before.
    UserModeLinux("5.10", HOST, os.path.join(CACHE, "uml-5.10"), "bullseye",
                  overlay=False),
    UserModeLinux("6.1", HOST),
    UserModeLinux("6.12", TRIXIE),
    UserModeLinux("7.2", SID),
    # Slow, for the longer job: real AES-NI code.
    Qemu("6.1-qemu", HOST),
    Qemu("6.12-qemu", TRIXIE, "trixie"),
    Qemu("7.2-qemu", SID, "sid"),
)}
# One userland and one build on all of them, so that only the kernel differs.
MACHINES.update({machine.version: machine for machine in (
    CountingQemu("6.1-icount", MACHINES["6.1-qemu"], HOST),
    CountingQemu("6.12-icount", MACHINES["6.12-qemu"], HOST),
    CountingQemu("7.2-icount", MACHINES["7.2-qemu"], HOST),
)})
DEFAULT_VERSIONS = ["6.1"]
