# SPDX-License-Identifier: Apache-2.0
"""How often a process tree had the kernel bring files to the disk.

Counted where the file system does it (its tracepoint, perf_event_open(2)), so
that fsync(2), fdatasync(2) and io_uring's are all in. The counter is opened on
this process and inherited by every process started from then on: nothing else
that compare starts syncs files.
"""

import ctypes
import os
import platform
import struct
import subprocess

TRACEFS = "/sys/kernel/tracing"
# The tracepoint that a sync of one file passes once, by file system.
TRACEPOINTS = {
    "ext4": "ext4/ext4_sync_file_enter",
    "xfs": "xfs/xfs_file_fsync",
    "btrfs": "btrfs/btrfs_sync_file",
    "f2fs": "f2fs/f2fs_sync_file_enter",
}
# perf_event_attr's first version, and what is set in it.
ATTR = struct.Struct("=IIQQQQQIIQ")
TYPE_TRACEPOINT, INHERIT, CLOEXEC = 2, 1 << 1, 1 << 3
CALLS = {"x86_64": 298, "aarch64": 241}
LIBC = ctypes.CDLL(None, use_errno=True)


def filesystem_of(folder):
    """Its type, as /proc/self/mountinfo has it."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo") as f:
        for line in f:
            if line.split()[2] == wanted:
                return line.partition(" - ")[2].split()[0]
    return None


def tracepoint_id(name):
    """None where the kernel has none of this name, or root is needed."""
    path = os.path.join(TRACEFS, "events", name, "id")
    # Where nobody mounted it: in a mount namespace that ends with the command.
    said = subprocess.run(
        ["unshare", "-m", "sh", "-c",
         f"[ -e {path} ] || mount -t tracefs none {TRACEFS}; cat {path}"],
        stdin=subprocess.DEVNULL, text=True, capture_output=True).stdout
    return int(said) if said.strip().isdigit() else None


class Syncs:
    """Counts from here on, in all processes that this one starts."""

    def __init__(self, folder):
        self.descriptor = None
        name = TRACEPOINTS.get(filesystem_of(folder))
        number = tracepoint_id(name) if name else None
        call = CALLS.get(platform.machine())
        if number is None or call is None:
            return
        attr = ATTR.pack(TYPE_TRACEPOINT, ATTR.size, number, 0, 0, 0, INHERIT,
                         0, 0, 0)
        fd = LIBC.syscall(call, ctypes.c_char_p(attr), 0, -1, -1,
                          ctypes.c_ulong(CLOEXEC))
        if fd >= 0:
            self.descriptor = fd

    def count(self):
        """None where they can't be counted."""
        if self.descriptor is None:
            return None
        return struct.unpack("=Q", os.read(self.descriptor, 8))[0]

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
