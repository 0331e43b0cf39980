# SPDX-License-Identifier: Apache-2.0
"""Where the programs that are compared come from.

Debian's packages are unpacked below build/peers (RINGPOST_PEERS names another
folder) and run from there; an installed one is taken where nothing was
unpacked. OpenSMTPD is Debian 13's, with its libraries. Haraka comes by npm.
"""

import os
import shutil
import subprocess
import sys

from relay import Unavailable

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
# In the source tree only.
INSTALL = os.path.join(ROOT, "tests", "setup", "install")
SUITES = os.path.join(ROOT, "tests", "kernel")
DEBIAN = ("postfix", "exim")
OPENSMTPD_SUITE = "trixie"
# By the oldest node that each runs on, newest first.
HARAKA = ((20, "3.3.4"), (18, "3.1.1"))
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")


def first_there(*paths):
    """The first of these that exists, or the last."""
    return next((path for path in paths if os.path.exists(path)), paths[-1])


def node_version():
    """The major version of the machine's node; None without one."""
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        return None
    said = subprocess.run([node, "--version"], text=True,
                          capture_output=True).stdout
    number = said.strip().lstrip("v").partition(".")[0]
    return int(number) if number.isdigit() else None


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
        """Gets what is missing, through this machine's apt and npm; why
        some of it could not be had."""
        if not os.path.exists(INSTALL):
            raise Unavailable("--fetch works in ringpost's source tree; "
                              "elsewhere install the relays' packages")
        failed = []
        for step in (*(lambda name=name: self.unpack(name)
                       for name in DEBIAN),
                     self.fetch_opensmtpd, self.fetch_haraka):
            try:
                step()
            except Unavailable as e:
                failed.append(str(e))
        return failed

    def unpack(self, name):
        done = subprocess.run(
            [INSTALL, "--unpack", os.path.join(self.folder, name),
             f"peer-{name}"], stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Unavailable(f"{name} could not be fetched")

    def fetch_opensmtpd(self):
        """From another release of Debian, with the module that gets its
        kernels for the tests."""
        folder = os.path.join(self.folder, "opensmtpd")
        if os.path.exists(folder):
            return
        with open(f"{INSTALL[:-len('install')]}packages.peer-opensmtpd") as f:
            names = [line.partition("#")[0].strip() for line in f]
        sys.path.insert(0, SUITES)
        import debian
        try:
            suite = debian.Suite(OPENSMTPD_SUITE)
            with debian.made_whole(folder) as part:
                suite.update()
                suite.unpack([name for name in names if name], part)
        except debian.Unavailable as e:
            raise Unavailable(f"opensmtpd could not be fetched: {e}") from None

    def fetch_haraka(self):
        folder = os.path.join(self.folder, "haraka")
        if os.path.exists(os.path.join(folder, "node_modules", "Haraka")):
            return
        if shutil.which("npm") is None or node_version() is None:
            raise Unavailable("haraka needs node and npm: install Debian's "
                              "packages nodejs and npm")
        fitting = [version for node, version in HARAKA
                   if node_version() >= node]
        if not fitting:
            raise Unavailable(f"no Haraka runs on node {node_version()}")
        os.makedirs(folder, exist_ok=True)
        done = subprocess.run(
            ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund",
             "--omit=optional", "--omit=dev", "--ignore-scripts",
             f"Haraka@{fitting[0]}"], stdin=subprocess.DEVNULL,
            stdout=sys.stderr)
        if done.returncode != 0:
            raise Unavailable("npm could not get Haraka")

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
