# SPDX-License-Identifier: Apache-2.0
"""Where the programs that are compared come from.

Debian's packages are unpacked below build/peers (RINGPOST_PEERS names another
folder) and run from there; an installed one is taken where nothing was
unpacked.
"""

import os
import subprocess

from relay import Unavailable

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
# In the source tree only.
INSTALL = os.path.join(ROOT, "tests", "setup", "install")
DEBIAN = ("postfix", "exim")
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")


def first_there(*paths):
    """The first of these that exists, or the last."""
    return next((path for path in paths if os.path.exists(path)), paths[-1])


class Peers:
    def __init__(self):
        build = os.path.join(ROOT, os.environ.get("RINGPOST_BUILD", "build"))
        # Set by ringpost-bench, whose mail is the load.
        own = os.environ.get("RINGPOST_BENCH_FOLDER",
                             os.path.join(build, "bench"))
        self.bench = os.path.join(own, "ringpost-bench")
        self.ringpost = first_there(
            os.path.join(own, "ringpost"),
            os.path.join(os.path.dirname(own), "gateway", "ringpost"))
        self.folder = os.path.realpath(os.path.join(
            ROOT, os.environ.get("RINGPOST_PEERS",
                                 os.path.join("build", "peers"))))

        self.queues = os.path.join(ROOT, "build", "compare") \
            if os.path.exists(INSTALL) else "/var/tmp"

    def fetch(self):
        """Gets what is missing, through this machine's apt."""
        if not os.path.exists(INSTALL):
            raise Unavailable("--fetch works in ringpost's source tree; "
                              "elsewhere install the relays' packages")
        for name in DEBIAN:
            done = subprocess.run(
                [INSTALL, "--unpack", os.path.join(self.folder, name),
                 f"peer-{name}"], stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                raise Unavailable(f"{name} could not be fetched")

    def root_of(self, name, path):
        """The folder below which this file of a relay lies; None when it is
        nowhere."""
        for folder in (os.path.join(self.folder, name), "/"):
            if os.path.exists(os.path.join(folder, path)):
                return folder
        return None

    @staticmethod
    def environment(root, *more):
        """What programs below root need to find their libraries."""
        env = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/bin"),
               "LANG": "C"}
        if root != "/":
            env["LD_LIBRARY_PATH"] = ":".join(
                os.path.join(root, part) for part in (*more, *LIBRARIES))
        return env
