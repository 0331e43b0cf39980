# SPDX-License-Identifier: Apache-2.0
"""Packages of Debian's other suites, taken beside the system, never into it.

The mirror is the one this machine's apt uses, with the suite changed. Lists,
caches and everything unpacked lie below one cache folder; apt's own folders
are not touched. What takes several steps is made under a name that ends in
.part and renamed when it is whole, so a stop at any time leaves nothing that
looks finished; beside it lies a list of its files, so what was damaged later is
noticed. apt and debootstrap check what they load against the mirror's signed
lists, and keep what they have for the next try.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.realpath(os.environ.get(
    "RINGPOST_KERNEL_CACHE", os.path.join(TREE, "build", "kernels")))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Another mirror for suites that the configured one no longer has.
MIRROR_VARIABLE = "RINGPOST_KERNEL_MIRROR"
# Networks and mirrors have bad minutes: seconds between tries.
PAUSES = (5, 20, 60)
# Seconds for one step, a hundred times what it takes: nothing waits for ever.
STEP_LIMIT = 1800


class Unavailable(Exception):
    """Something can't be had; the text says what and how to get it."""


def say(text):
    print(f"tests/kernel/fetch: {text}", flush=True)


def run_quietly(argv, what, **options):
    """Runs a program; its output is shown only when it fails."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                              errors="replace", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=STEP_LIMIT,
                              **options)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{what}: not done after {STEP_LIMIT} s") from None
    except (OSError, subprocess.SubprocessError) as e:
        # No such program; or what it needs first (namespaces) is forbidden.
        raise Unavailable(f"{what}: {argv[0]} can't be started: {e}") from None
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise Unavailable(f"{what} failed ({done.returncode}):\n{tail}")
    return done.stdout


def persistently(step):
    """Takes a step that needs the network, again when it fails."""
    for pause in PAUSES:
        try:
            return step()
        except Unavailable as e:
            say(f"{e}\ntrying again in {pause} s")
            time.sleep(pause)
    return step()


@contextlib.contextmanager
def locked(name):
    """One process at a time makes the thing of this name."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, f".{name}.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that makes {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def made_whole(path, below="."):
    """A fresh folder that becomes path when the block ends well. Only what
    lies below stays as it is, and is looked at by damage_of()."""
    part = path + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    try:
        yield part
        list_files(path, part, below)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(path, ignore_errors=True)
    os.rename(part, path)


def list_files(path, folder, below):
    """Writes the list of what path is made of; it is in folder yet."""
    with open(path + ".files.part", "w",
              errors="surrogateescape") as out:
        for place, folders, names in os.walk(os.path.join(folder, below)):
            # What programs write there themselves.
            folders[:] = [f for f in folders if f != "__pycache__"]
            for name in names:
                file = os.path.join(place, name)
                out.write(f"{os.lstat(file).st_size} "
                          f"{os.path.relpath(file, folder)}\n")
    os.rename(path + ".files.part", path + ".files")


def listed(path):
    return os.path.exists(path + ".files")


def damage_of(path):
    """None, or what is not as it was when path was made."""
    with open(path + ".files", errors="surrogateescape") as f:
        for line in f:
            size, _, name = line.rstrip("\n").partition(" ")
            try:
                found = os.lstat(os.path.join(path, name)).st_size
            except OSError as e:
                return f"{name}: {e.strerror}"
            if found != int(size):
                return f"{name} has {found} bytes instead of {size}"
    return None


def is_whole(path, what, below="."):
    """Whether path is there and undamaged; what is damaged is said. What has
    no list was made when there were none."""
    if not os.path.isdir(path):
        return False
    if not listed(path):
        list_files(path, path, below)
    damage = damage_of(path)
    if damage:
        say(f"{what} is damaged ({damage}): making it again")
    return not damage


def codename():
    """Of the running Debian, by os-release."""
    with open("/etc/os-release") as f:
        fields = dict(line.rstrip().split("=", 1) for line in f if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip('"')


def mirror():
    """Address of the Debian mirror that this machine's apt is set up for."""
    other = os.environ.get(MIRROR_VARIABLE)
    if other:
        return other
    if shutil.which("apt-get") is None:
        raise Unavailable("this is no Debian (no apt-get): its packages of "
                          "other suites can't be fetched here")
    lines = run_quietly(
        ["apt-get", "indextargets", "--format",
         "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        "reading apt's sources").splitlines()
    own = {codename(), "stable", "testing", "unstable", "sid"}
    for uri, release, component in (line.split() for line in lines):
        if release in own and component == "main":
            return uri
    raise Unavailable("apt's sources name no Debian mirror; set "
                      f"{MIRROR_VARIABLE} to the address of one")


class Suite:
    """apt for a suite that is not this machine's."""

    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(CACHE, "apt", name)

    def options(self):
        """What keeps apt away from the machine's own lists and caches."""
        return [item for option in (
            f"Dir::Etc::SourceList={self.folder}/sources.list",
            "Dir::Etc::SourceParts=/dev/null",
            f"Dir::State::Lists={self.folder}/lists",
            f"Dir::State::status={self.folder}/status",
            f"Dir::Cache={self.folder}/cache",
            "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=",
            "Acquire::Languages=none",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
            # apt's sandbox user can't write into a folder of ours.
            "APT::Sandbox::User=root",
            "Acquire::Retries=3",
        ) for item in ("-o", option)]

    def update(self):
        persistently(self.try_update)

    def try_update(self):
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        # No package counts as installed here.
        open(os.path.join(self.folder, "status"), "w").close()
        with open(os.path.join(self.folder, "sources.list"), "w") as f:
            f.write(f"deb [signed-by={KEYRING}] {mirror()} {self.name} main\n")
        try:
            run_quietly(["apt-get", "-q", *self.options(), "update",
                         "--error-on=any"],
                        f"reading the package lists of {self.name}")
        except Unavailable as e:
            raise Unavailable(
                f"{e}\nIf the mirror no longer carries {self.name}, set "
                f"{MIRROR_VARIABLE} to one that does (Debian keeps old "
                "releases on its archive mirrors).") from None

    def newest(self, pattern):
        """The package that pattern (a regular expression) names; when it
        names several, the one apt sorts last."""
        names = run_quietly(["apt-cache", *self.options(), "search",
                             "--names-only", pattern],
                            f"looking for {pattern}").splitlines()
        if not names:
            raise Unavailable(f"{self.name} has no package {pattern}")
        return sorted(line.split()[0] for line in names)[-1]

    def depends(self, name):
        """Names of the packages that a package directly depends on."""
        lines = run_quietly(["apt-cache", *self.options(), "depends",
                             "--important", name],
                            f"reading {name}").splitlines()
        return [line.split()[-1] for line in lines if "Depends:" in line]

    def unpack(self, names, folder):
        """Fetches packages (not what they depend on), unpacks them."""
        debs = os.path.join(self.folder, "debs")
        shutil.rmtree(debs, ignore_errors=True)
        os.makedirs(debs)
        persistently(lambda: run_quietly(
            ["apt-get", "-q", *self.options(), "download", *names],
            f"fetching {' '.join(names)} of {self.name}", cwd=debs))
        for deb in sorted(os.listdir(debs)):
            run_quietly(["dpkg", "-x", os.path.join(debs, deb), folder],
                        f"unpacking {deb}")
        shutil.rmtree(debs)
