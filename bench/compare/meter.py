# SPDX-License-Identifier: Apache-2.0
"""What a relay's whole process tree used: CPU, memory, flushes of the disk.

CPU comes from a control group of its own where one can be made (version 2, or
version 1's cpuacct), so that a process which came and went is counted; else
from the processes of the relay's session and their waited-for children. Memory
is sampled: the sum of proportional set sizes, so that what processes share
counts once. Files brought to the disk are counted in the file system (syncs.py);
flushes are the block device's: the machine's, not the relay's alone.
"""

import glob
import os
import signal
import threading
import time

from syncs import Syncs

TICK = os.sysconf("SC_CLK_TCK")


def read(path):
    with open(path) as f:
        return f.read()


class Usage:
    """Differences between two readings."""

    def __init__(self, cpu, flushes, syncs):
        self.cpu = cpu          # seconds
        self.flushes = flushes  # None: the device doesn't say
        self.syncs = syncs      # of files; None: the kernel doesn't say

    def since(self, earlier):
        return Usage(self.cpu - earlier.cpu,
                     difference(self.flushes, earlier.flushes),
                     difference(self.syncs, earlier.syncs))


def difference(after, before):
    return None if None in (after, before) else after - before


class Meter:
    """Of one start of one relay."""

    _made = 0

    def __init__(self, folder):
        """folder: where the relay's queue is; its file system's syncs and
        its device's flushes count. Made before the relay is started."""
        self.group = self.make_group()
        self.device = os.stat(folder).st_dev
        self.syncs = Syncs(folder)
        self.first = None  # of the relay's processes
        self.peak = 0      # bytes
        self.ended = threading.Event()
        self.sampler = None

    # --- membership -----------------------------------------------------------

    @classmethod
    def make_group(cls):
        """A control group that counts CPU; None where none can be made."""
        cls._made += 1
        name = f"ringpost-compare-{os.getpid()}-{cls._made}"
        for parent, counter in (("/sys/fs/cgroup", "cpu.stat"),
                                ("/sys/fs/cgroup/unified", "cpu.stat"),
                                ("/sys/fs/cgroup/cpuacct", "cpuacct.usage")):
            group = os.path.join(parent, name)
            try:
                os.mkdir(group)
            except OSError:
                continue
            try:
                if counter == "cpuacct.usage" \
                        or "usage_usec" in read(f"{group}/{counter}"):
                    return group
            except OSError:
                pass
            os.rmdir(group)
        return None

    def join(self):
        """Called in the relay's first process."""
        if self.group:
            with open(f"{self.group}/cgroup.procs", "w") as f:
                f.write("0")

    def watch(self, process):
        """process: the relay's first one. Samples memory from now on."""
        self.first = process.pid
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()

    def members(self):
        if self.group:
            try:
                return [int(p) for p in
                        read(f"{self.group}/cgroup.procs").split()]
            except OSError:
                return []
        found = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                fields = read(path).rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.first:
                found.append(int(path.split("/")[2]))
        return found

    def end_members(self):
        """Whoever left the session but not the group."""
        for _ in range(100):
            pids = self.members() if self.group else []
            if not pids:
                break
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)

    def close(self):
        self.ended.set()
        if self.sampler:
            self.sampler.join()
        self.syncs.close()
        if self.group:
            self.remove_group()

    def remove_group(self):
        """What was killed may take a moment to be gone."""
        for _ in range(100):
            try:
                os.rmdir(self.group)
                return
            except OSError:
                time.sleep(0.05)

    # --- readings ---------------------------------------------------------------

    def read(self):
        return Usage(self.cpu(), self.flushes(), self.syncs.count())

    def cpu(self):
        if self.group is None:
            return sum(map(process_cpu, self.members()))
        if os.path.exists(f"{self.group}/cpuacct.usage"):
            return int(read(f"{self.group}/cpuacct.usage")) / 1e9
        for line in read(f"{self.group}/cpu.stat").splitlines():
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / 1e6
        raise RuntimeError("no usage_usec in cpu.stat")

    def flushes(self):
        major, minor = os.major(self.device), os.minor(self.device)
        for line in read("/proc/diskstats").splitlines():
            fields = line.split()
            if fields[:2] == [str(major), str(minor)] and len(fields) >= 20:
                return int(fields[18])
        return None

    def sample(self):
        while not self.ended.wait(0.5):
            self.look_at_memory()

    def look_at_memory(self):
        total = sum(map(proportional_size, self.members()))
        self.peak = max(self.peak, total)


def process_cpu(pid):
    """Of a process, and of its children that ended (these in ticks), seconds."""
    try:
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        own = time.clock_gettime(process_clock(pid))
    except OSError:
        return 0.0
    return own + sum(map(int, fields[13:15])) / TICK


def process_clock(pid):
    """clock_getcpuclockid(3): finer than the ticks of /proc/PID/stat."""
    return ~pid << 3 | 2


def proportional_size(pid):
    try:
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
