# SPDX-License-Identifier: Apache-2.0
"""Debian's distribution kernels in QEMU, with emulated AES-NI.

QEMU emulates the processor in software: slow, but the kernel runs the code
that it runs on real machines. The guest's root is the userland's by 9p. A
throw-away initramfs with busybox loads what 9p needs and hands over to
guest_init.
"""

import glob
import lzma
import os
import re
import shutil
import stat

from debian import (CACHE, Suite, Unavailable, codename, is_whole, locked,
                    made_whole, say)

QEMU = "qemu-system-x86_64"
# Parts of a distribution kernel's modules that kernel TLS and the runner
# may use; all others are thrown away.
WANTED = ("crypto/", "arch/x86/crypto/", "arch/x86/lib/", "lib/", "net/tls/",
          "net/9p/", "fs/9p/", "fs/netfs/", "fs/fscache/", "fs/overlayfs/",
          "drivers/virtio/", "drivers/char/hw_random/")
FOR_ROOT = ("virtio_pci", "9pnet_virtio", "9p")
INIT = """#!/bin/busybox sh
export PATH=/bin
busybox mkdir -p /proc /root
busybox mount -t proc proc /proc
for module in $(busybox cat /modules/order); do
\tbusybox insmod /modules/$module || echo "insmod $module failed"
done
busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,\
cache=loose,ro root /root
busybox mount -t devtmpfs dev /root/dev
busybox umount /proc
exec busybox switch_root /root "$RUN_INIT"
"""


def module_name(path):
    return os.path.basename(path).split(".")[0].replace("-", "_")


def plain_bytes(path):
    with (lzma.open if path.endswith(".xz") else open)(path, "rb") as f:
        return f.read()


class Modules:
    """A kernel's module tree, cut down to what is wanted and what that
    needs, not compressed, with a modules.dep."""

    def __init__(self, source):
        """source: .../lib/modules/RELEASE"""
        self.source = source
        self.paths = {}
        for folder, _, names in os.walk(os.path.join(source, "kernel")):
            for name in names:
                if re.search(r"\.ko(\.xz)?$", name):
                    path = os.path.join(folder, name)
                    self.paths[module_name(name)] = path
        self.needs = {}

    def read_needs(self, name):
        """Names that a module itself says it depends on."""
        if name not in self.needs:
            found = re.search(rb"\0depends=([^\0]*)\0",
                              plain_bytes(self.paths[name]))
            names = found.group(1).decode() if found else ""
            self.needs[name] = [n.replace("-", "_")
                                for n in names.split(",") if n]
        return self.needs[name]

    def closure(self, names):
        """The names and all they need, each behind what it needs."""
        order = []

        def visit(name):
            if name in order or name not in self.paths:
                return
            for need in self.read_needs(name):
                visit(need)
            order.append(name)
        for name in names:
            visit(name)
        return order

    def wanted(self):
        base = os.path.join(self.source, "kernel")
        return sorted(name for name, path in self.paths.items()
                      if os.path.relpath(path, base).startswith(WANTED))

    def place(self, name):
        """Path of an uncompressed module below the tree."""
        path = os.path.relpath(self.paths[name], self.source)
        return path.removesuffix(".xz")

    def copy(self, target):
        names = self.closure(self.wanted())
        for name in names:
            path = os.path.join(target, self.place(name))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(plain_bytes(self.paths[name]))
        with open(os.path.join(target, "modules.dep"), "w") as dep:
            for name in names:
                # As depmod writes them: the last is to be loaded first.
                needs = reversed(self.closure([name])[:-1])
                dep.write(f"{self.place(name)}: "
                          + " ".join(self.place(n) for n in needs) + "\n")


class Cpio:
    """An initramfs archive: "newc", the only format the kernel reads."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.inode = 0

    def entry(self, name, mode, data=b""):
        self.inode += 1
        name = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                  len(name), 0)
        self.padded(b"070701" + b"".join(b"%08x" % f for f in fields) + name)
        self.padded(data)

    def padded(self, data):
        self.file.write(data + bytes(-len(data) % 4))

    def folder(self, name):
        self.entry(name, stat.S_IFDIR | 0o755)

    def program(self, name, data):
        self.entry(name, stat.S_IFREG | 0o755, data)

    def close(self):
        self.entry("TRAILER!!!", 0)
        self.file.close()


class Qemu:
    """A distribution kernel in an emulated PC of one processor."""

    share_type = "9p"
    kind = "QEMU"

    def __init__(self, version, userland, suite=None):
        self.version = version
        self.userland = userland
        self.suite = suite
        self.folder = os.path.join(CACHE, f"kernel-{version}")
        self.modules = f"{self.folder}/modules"

    def source(self):
        return ("package linux-image-amd64 of "
                f"{self.suite or 'this Debian'}, unpacked")

    def why_unavailable(self):
        if shutil.which(QEMU) is None:
            return (f"{QEMU} not found: install the Debian package "
                    "qemu-system-x86 (tests/setup/install qemu does)")
        if not os.path.isdir(self.folder):
            return f"no kernel in {self.folder}: tests/kernel/fetch gets it"
        return self.userland.why_unavailable()

    def fetch(self):
        self.userland.fetch()
        with locked(os.path.basename(self.folder)):
            if not is_whole(self.folder, f"kernel {self.version}"):
                with made_whole(self.folder) as folder:
                    self.make(folder)
        why = self.why_unavailable()
        if why:
            raise Unavailable(why)

    def make(self, folder):
        suite = Suite(self.suite or codename())
        say(f"fetching linux-image-amd64 of Debian {suite.name}")
        suite.update()
        names = self.packages(suite)
        suite.unpack([*names, "busybox-static"], f"{folder}/deb")
        kernel, = glob.glob(f"{folder}/deb/boot/vmlinuz-*") or \
            glob.glob(f"{folder}/deb/usr/lib/modules/*/vmlinuz")
        release, = (glob.glob(f"{folder}/deb/lib/modules/*/kernel") +
                    glob.glob(f"{folder}/deb/usr/lib/modules/*/kernel"))
        modules = Modules(os.path.dirname(release))
        modules.copy(os.path.join(
            folder, "modules", os.path.basename(modules.source)))
        shutil.copy(kernel, f"{folder}/vmlinuz")
        self.make_initramfs(modules, folder)
        shutil.rmtree(f"{folder}/deb")

    @staticmethod
    def packages(suite):
        """The packages of the kernel itself, behind the one that always
        depends on the newest."""
        names, todo = [], ["linux-image-amd64"]
        while todo:
            below = [n for n in suite.depends(todo.pop())
                     if n.startswith("linux-") and n not in names and
                     not n.startswith(("linux-base", "linux-initramfs",
                                       "linux-headers"))]
            names += below
            todo += below
        if not names:
            raise Unavailable(f"{suite.name} has no linux-image-amd64")
        return names

    @staticmethod
    def make_initramfs(modules, folder):
        archive = Cpio(f"{folder}/initramfs")
        for name in ("bin", "dev", "modules"):
            archive.folder(name)
        busybox, = (glob.glob(f"{folder}/deb/bin/busybox") +
                    glob.glob(f"{folder}/deb/usr/bin/busybox"))
        archive.program("bin/busybox", plain_bytes(busybox))
        archive.program("init", INIT.encode())
        order = modules.closure(FOR_ROOT)
        for name in order:
            archive.program(f"modules/{name}.ko",
                            plain_bytes(modules.paths[name]))
        archive.program("modules/order",
                        "\n".join(f"{n}.ko" for n in order).encode())
        archive.close()

    def release(self):
        found = os.listdir(self.modules) if os.path.isdir(self.modules) else []
        return found[0] if found else "?"

    def command(self, share, init, memory_mib, out):
        folders = [("root", self.userland.root, True), ("share", share, False)]
        if out:
            folders.append(("out", out, False))
        words = ["console=ttyS0", "quiet", "loglevel=5", "panic=-1",
                 # Emulated, they cost much and protect nothing.
                 "mitigations=off",
                 f"RUN_INIT={init}", "RUN_SHARE=share",
                 f"RUN_SHARE_TYPE={self.share_type}",
                 f"RUN_MODULES={self.modules}", "RUN_ROOT=overlay"]
        command = [
            QEMU, "-nodefaults", "-no-reboot", "-display", "none",
            "-serial", "stdio", "-machine", "pc", "-smp", "1",
            # One thread: with more, kernels died at boot.
            "-accel", "tcg,thread=single", "-cpu", "max",
            "-m", str(memory_mib),
            "-kernel", f"{self.folder}/vmlinuz",
            "-initrd", f"{self.folder}/initramfs", "-append", " ".join(words)]
        for tag, folder, read_only in folders:
            command += ["-virtfs",
                        f"local,path={folder},mount_tag={tag},"
                        "security_model=none,multidevs=remap"
                        + (",readonly=on" if read_only else "")]
        return command

    def environment(self, memory_folder):
        return {"TMPDIR": memory_folder, "PATH": os.environ.get("PATH", "")}

    def enter(self, binds):
        self.userland.arrange([(self.modules, True)])


class CountingQemu(Qemu):
    """The same kernel under a clock that counts: a nanosecond is an
    instruction, so CPU time repeats and is exact. For bench/emulate."""

    kind = "QEMU, counting instructions"

    def __init__(self, version, kernel, userland):
        """kernel: the Qemu whose files are used."""
        super().__init__(version, userland, kernel.suite)
        self.folder = kernel.folder
        self.modules = kernel.modules

    def command(self, share, init, memory_mib, out):
        return super().command(share, init, memory_mib, out) + [
            # Idle time is skipped, not slept.
            "-icount", "shift=0,sleep=off",
            # The last -cpu counts. A string instruction that moves octets is
            # an instruction for each octet here: kernels and C libraries
            # that use it would be charged for what real processors do not.
            "-cpu", "max,erms=off,fsrm=off"]
