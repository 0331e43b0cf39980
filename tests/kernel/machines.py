# SPDX-License-Identifier: Apache-2.0
"""The kernels that tests/kernel/run can boot.

A machine is one kernel and the way to start it. The runner prepares a share,
a folder of the host holding job.json, which guest_init mounts writable, and
asks the machine for a command line that boots with the host's / as its
read-only root and guest_init as its first process. To add a kernel, add an
entry to MACHINES; to add a way of booting (QEMU with 9p, say), add a class
with the same four members.
"""

import os
import shutil


class UserModeLinux:
    """Linux as a process of the host, its root the host's / by hostfs."""

    # hostfs is built in; the runner only has to name folders.
    share_type = "hostfs"

    def __init__(self, version, program, modules, package):
        self.version = version
        self.program = program
        self.modules = modules
        self.package = package

    def why_unavailable(self):
        """None, or a sentence: what is missing and how to get it."""
        if shutil.which(self.program) is None:
            return (f"{self.program} not found: install the Debian package "
                    f"{self.package} (tests/setup/install test does)")
        if not os.path.isdir(self.modules):
            return f"{self.modules} not found: reinstall {self.package}"
        return None

    def command(self, share, init, memory_mib):
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
        ]

    def environment(self, memory_folder):
        """What the kernel process itself needs from its environment."""
        return {"TMPDIR": memory_folder, "PATH": os.environ.get("PATH", "")}


MACHINES = {
    "6.1": UserModeLinux("6.1", "/usr/bin/linux.uml", "/usr/lib/uml/modules",
                         "user-mode-linux"),
}
DEFAULT_VERSIONS = ["6.1"]
