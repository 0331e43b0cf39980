# SPDX-License-Identifier: Apache-2.0
"""The userlands that tests run with: the machine's own, or another Debian.

A DebianRoot is a folder with a small Debian of another suite, made by
debootstrap, and a build of this tree made in there, with that suite's
compiler, C library, OpenSSL and liburing. Programs enter it by chroot in a
mount namespace of their own: what is mounted for them is gone when they are.
"""

import ctypes
import os
import shutil
import signal
import subprocess

from debian import (CACHE, HERE, KEYRING, TREE, Unavailable, is_whole,
                    list_files, listed, locked, made_whole, mirror,
                    persistently, run_quietly, say)

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def call(name, *args):
    """A C library function by name; raises what errno says."""
    args = [os.fsencode(a) if isinstance(a, str) else a for a in args]
    if getattr(LIBC, name)(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}{args}: {os.strerror(error)}")


def own_mounts_error():
    """Why no process here can have mounts of its own: errno, or 0."""
    child = os.fork()
    if child == 0:
        error = 255
        try:
            call("unshare", CLONE_NEWNS | CLONE_NEWPID)
            call("mount", "none", "/", None,
                 ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
            error = 0
        except OSError as e:
            error = e.errno
        finally:
            os._exit(error)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def bind(source, target, read_only=False):
    """Shows source at target, below which nothing else was mounted."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "a").close()
    call("mount", source, target, None, ctypes.c_ulong(MS_BIND), None)
    if read_only:
        call("mount", None, target, None,
             ctypes.c_ulong(MS_REMOUNT | MS_BIND | MS_RDONLY), None)


def apt_settings():
    """What this machine's apt is told, a line each: name "value";"""
    return run_quietly(["apt-config", "dump"],
                       "reading apt's settings").splitlines()


def way_to_mirror():
    """What this machine's apt is told about reaching a mirror."""
    return "\n".join(
        line for line in apt_settings()
        if line.startswith(("Acquire::http", "Acquire::ftp",
                            "Acquire::Check-"))) + "\n"


def proxies():
    """Environment for programs that know nothing of apt's settings."""
    found = {}
    for line in apt_settings():
        for kind in ("http", "https"):
            name, _, value = line.partition(" ")
            if name == f"Acquire::{kind}::Proxy" and "://" in value:
                found[f"{kind}_proxy"] = value.strip('";')
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy"):
            found[name] = value
    return found


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Host:
    """The machine as it is."""

    name = "host"
    root = "/"

    def why_unavailable(self):
        return None

    def fetch(self):
        pass

    def build(self, targets=()):
        """The build directory: made by whoever runs the tests."""
        return os.path.join(TREE, os.environ.get("RINGPOST_BUILD", "build"))

    def arrange(self, binds):
        """Called in the kernel's process before it starts; binds is a list
        of (folder, read_only) to be seen inside: here all is seen anyway."""

    def holds(self, folder):
        """Whether programs inside see this folder of the host."""
        return True


class DebianRoot:
    """A Debian of another suite in a folder."""

    def __init__(self, suite, instead=None):
        """instead: the suite to take where this one can't be made."""
        self.name = suite
        self.suites = [suite, instead] if instead else [suite]
        self.folder = os.path.join(CACHE, suite)
        self.root = os.path.join(self.folder, "root")
        # In the tree even when the cache is elsewhere: another tree has
        # another build.
        self.build_folder = os.path.join(TREE, "build", "kernels",
                                         f"build-{suite}")

    def packages(self):
        """What building and testing ringpost needs, and the kernel."""
        setup = os.path.join(TREE, "tests", "setup")
        names = set()
        for path in (f"{setup}/packages.build", f"{setup}/packages.quickstart",
                     f"{setup}/packages.kernel", f"{HERE}/packages.root"):
            with open(path) as f:
                for line in f:
                    names.update(line.partition("#")[0].split())
        return sorted(names)

    def installed(self):
        """Packages that were asked for and that dpkg knows of: copies of a
        root may share files by hard links."""
        info = os.path.join(self.root, "var", "lib", "dpkg", "info")
        try:
            known = {name.removesuffix(".list").partition(":")[0]
                     for name in os.listdir(info) if name.endswith(".list")}
            with open(os.path.join(self.root, "etc", "ringpost-root")) as f:
                return [name for name in f.read().split() if name in known]
        except FileNotFoundError:
            return []

    def lacking(self):
        return sorted(set(self.packages()) - set(self.installed()))

    def why_unavailable(self):
        if os.geteuid() != 0:
            return f"entering a root of Debian {self.name} needs root"
        if not os.path.isdir(self.root):
            return (f"no root of Debian {self.name} in {self.folder}: "
                    "tests/kernel/fetch makes it")
        if self.lacking():
            return (f"the root of Debian {self.name} lacks "
                    f"{' '.join(self.lacking())}: tests/kernel/fetch adds it")
        return None

    def fetch(self):
        if os.geteuid() != 0:
            raise Unavailable(f"a root of Debian {self.name} can only be made "
                              "by root")
        error = own_mounts_error()
        if error:
            raise Unavailable(
                f"a root of Debian {self.name} needs mounts of its own, and "
                f"here they can't be made ({os.strerror(error)}): a container "
                "needs CAP_SYS_ADMIN, a chroot's root must be a mount point "
                "(mount --bind DIR DIR)")
        what = f"the root of Debian {self.name}"
        with locked(self.name):
            if os.path.isdir(self.root) and not listed(self.root) and \
                    not self.is_settled():
                say(f"{what} is half done: making it again")
                shutil.rmtree(self.root)
            if not is_whole(self.root, what, "usr"):
                self.make()
            elif self.lacking():
                self.add()

    def is_settled(self):
        """Whether dpkg finds nothing half done: adding packages may have been
        broken off."""
        try:
            half = self.inside(self.root, ["dpkg", "--audit"],
                               f"looking at the root of Debian {self.name}")
        except Unavailable:
            return False
        return bool(self.installed()) and not half.strip()

    def add(self):
        say(f"adding packages to the root of Debian {self.name}: "
            f"{' '.join(self.lacking())}")
        os.unlink(self.root + ".files")
        self.install(self.root)
        list_files(self.root, self.root, "usr")
        shutil.rmtree(self.debs(), ignore_errors=True)

    def make(self):
        if shutil.which("debootstrap") is None:
            raise Unavailable("debootstrap not found: install the Debian "
                              "package of that name (tests/setup/install "
                              "kernels does)")
        os.makedirs(self.folder, exist_ok=True)
        for suite in self.suites:
            try:
                self.make_of(suite)
                break
            except Unavailable as e:
                if suite == self.suites[-1]:
                    raise
                say(str(e))
        shutil.rmtree(self.debs(), ignore_errors=True)

    def make_of(self, suite):
        say(f"making a root of Debian {suite} (some minutes)")
        with made_whole(self.root, "usr") as root:
            persistently(lambda: self.bootstrap(suite, root))
            self.tune(root)
            self.install(root)

    def debs(self, *names):
        """Folder for packages, kept until the root is whole."""
        return os.path.join(self.folder, "debs", *names)

    def bootstrap(self, suite, root):
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        os.makedirs(self.debs("base"), exist_ok=True)
        # debootstrap fetches by wget, which waits 15 minutes otherwise.
        wgetrc = os.path.join(self.folder, "wgetrc")
        with open(wgetrc, "w") as f:
            f.write("timeout = 30\ntries = 3\nwaitretry = 5\n")
        self.inside(None, ["debootstrap", "--variant=minbase",
                           "--force-check-gpg", f"--keyring={KEYRING}",
                           f"--cache-dir={self.debs('base')}", suite, root,
                           mirror()],
                    f"debootstrap of {suite}", dict(WGETRC=wgetrc))

    @staticmethod
    def tune(root):
        """No daemon starts, no manuals, no waiting for the disk."""
        with open(f"{root}/usr/sbin/policy-rc.d", "w") as f:
            f.write("#!/bin/sh\nexit 101\n")
        os.chmod(f"{root}/usr/sbin/policy-rc.d", 0o755)
        with open(f"{root}/etc/dpkg/dpkg.cfg.d/ringpost", "w") as f:
            f.write("force-unsafe-io\npath-exclude=/usr/share/doc/*\n"
                    "path-exclude=/usr/share/man/*\n"
                    "path-exclude=/usr/share/locale/*\n")
        with open(f"{root}/etc/apt/apt.conf.d/ringpost", "w") as f:
            f.write('APT::Install-Recommends "false";\n'
                    'Acquire::Languages "none";\nAcquire::Retries "3";\n'
                    'Dpkg::Use-Pty "false";\nAPT::Sandbox::User "root";\n')

    def install(self, root):
        """Packages into a root whose own apt knows the mirror."""
        for name in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt"):
            if os.path.exists(f"/etc/{name}"):
                os.makedirs(os.path.dirname(f"{root}/etc/{name}"),
                            exist_ok=True)
                shutil.copy(f"/etc/{name}", f"{root}/etc/{name}")
        with open(f"{root}/etc/apt/apt.conf.d/ringpost-machine", "w") as f:
            f.write(way_to_mirror())
        names = self.packages()
        persistently(lambda: self.try_install(root, names))
        stamp = f"{root}/etc/ringpost-root"
        with open(f"{stamp}.part", "w") as f:
            f.write("\n".join(names) + "\n")
        os.rename(f"{stamp}.part", stamp)

    def try_install(self, root, names):
        debs = self.debs("more")
        os.makedirs(f"{debs}/partial", exist_ok=True)
        what = f"installing packages in the root of Debian {self.name}"
        env = dict(DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
        for argv in (["dpkg", "--configure", "-a"],
                     ["apt-get", "-q", "update", "--error-on=any"],
                     ["apt-get", "-q", "-y", "-o",
                      f"Dir::Cache::archives={debs}", "--fix-broken",
                      "install", *names]):
            self.inside(root, argv, what, env, [(debs, False)])

    def inside(self, root, argv, what, env=None, binds=()):
        """Runs a program in a root (None: the machine's), in namespaces whose
        end is the end of every process and mount in them."""
        def enter():
            die_with_parent()
            call("unshare", CLONE_NEWNS | CLONE_NEWPID)
            child = os.fork()
            if child:
                os.closerange(3, 65536)  # else Popen waits for this one
                _, status = os.waitpid(child, 0)
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)
            die_with_parent()
            call("mount", "none", "/", None,
                 ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
            proc = f"{root or ''}/proc"
            call("mount", "proc", proc, "proc", ctypes.c_ulong(0), None)
            if root:
                bind("/dev", f"{root}/dev")
                self.mount_all(root, binds)
                os.chroot(root)
                os.chdir("/")
        full = dict(PATH=PATH, HOME="/root", **proxies(), **(env or {}))
        return run_quietly(argv, what, env=full, preexec_fn=enter)

    @staticmethod
    def mount_all(root, binds):
        for folder, read_only in binds:
            bind(folder, root + folder, read_only)

    def build(self, targets=()):
        """Builds the tree inside, or these targets of it, as far as it isn't
        built; returns the build directory."""
        folder = self.build_folder
        os.makedirs(folder, exist_ok=True)
        binds = [(TREE, True), (folder, False)]
        what = f"building ringpost in the root of Debian {self.name}"
        with locked(f"build-{self.name}"):
            if not os.path.exists(f"{folder}/build.ninja"):
                self.inside(self.root, ["meson", "setup", folder, TREE], what,
                            binds=binds)
            self.inside(self.root, ["ninja", "-C", folder, *targets], what,
                        binds=binds)
        return folder

    def arrange(self, binds):
        call("unshare", CLONE_NEWNS)
        call("mount", "none", "/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE),
             None)
        for folder in ("/proc", "/dev", "/dev/shm"):
            if os.path.isdir(folder):
                bind(folder, self.root + folder)
        self.mount_all(self.root, [(TREE, True), (self.build_folder, True),
                                   *binds])

    def holds(self, folder):
        return folder == "/" or f"{folder}/".startswith(f"{TREE}/")
