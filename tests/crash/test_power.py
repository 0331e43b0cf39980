# SPDX-License-Identifier: Apache-2.0
"""Power loss under load: whatever was answered 250 is delivered afterwards.

The machine is User-Mode Linux with a disk of its own, an ext4 image; source,
sink and relay run in it (power_guest.py). At a moment drawn by chance the
whole kernel is killed from outside with SIGKILL: what it had in memory and
not given to its disk is gone, like after a power cut. Then a fresh kernel
mounts the image again, the relay recovers and gets new load, until the next
cut. After the last one the queue drains and the image must pass e2fsck.

RINGPOST_CUTS sets the number of cuts (3), RINGPOST_SEED the dice.
RINGPOST_DURABILITY=async shows that the test can see a loss: it fails.
"""

import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

import peers
from peers import harness

CUTS = int(os.environ.get("RINGPOST_CUTS", "3"))
SEED = int(os.environ.get("RINGPOST_SEED", "0")) or random.randrange(1 << 32)
DURABILITY = os.environ.get("RINGPOST_DURABILITY", "sync")
KERNEL = os.environ.get("RINGPOST_POWER_KERNEL", "6.1")
HERE = os.path.dirname(os.path.realpath(__file__))
RUN = os.path.join(HERE, "..", "kernel", "run")
IMAGE_MIB = 512
# A boot on a busy machine takes its time; never waited for in vain.
BOOT = 3 * harness.PATIENCE


def why_unavailable():
    for program in ("mkfs.ext4", "e2fsck"):
        if shutil.which(program, path=os.environ.get("PATH", "")
                        + ":/usr/sbin:/sbin") is None:
            return f"no {program}: install the Debian package e2fsprogs"
    listing = subprocess.run([RUN, "--list"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout
    line = next(i for i, text in enumerate(listing.splitlines())
                if text.startswith(KERNEL + " "))
    state = listing.splitlines()[line + 1].strip()
    return None if state.startswith("available") else state


class PowerTest(unittest.TestCase):

    def setUp(self):
        harness.needs(self, why_unavailable())
        self.random = random.Random(SEED)
        self.out = harness.fresh_folder("power")
        self.image = os.path.join(harness.fresh_folder("disk"), "image")
        with open(self.image, "wb") as f:
            f.truncate(IMAGE_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True,
                       env={**os.environ, "PATH": os.environ.get("PATH", "")
                            + ":/usr/sbin:/sbin"})
        self.machine = None
        self.addCleanup(self.end)

    def end(self):
        if self.machine and self.machine.poll() is None:
            self.cut()

    def boot(self, what, life):
        self.log = open(os.path.join(self.out, f"log-{life}"), "w+")
        self.addCleanup(self.log.close)
        self.machine = subprocess.Popen(
            [RUN, "--memory", "512", "--timeout", "3600", "--out", self.out,
             "--disk", self.image, KERNEL, "--",
             os.path.join(HERE, "power_guest.py"), what, str(life),
             str(SEED + life), DURABILITY],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def cut(self):
        """The runner, told to stop, kills every process of the kernel with
        SIGKILL and is gone when they are."""
        self.machine.send_signal(signal.SIGTERM)
        self.assertEqual(self.machine.wait(), 128 + signal.SIGTERM,
                         self.said())

    def said(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()[-8000:]

    def path(self, name):
        return os.path.join(self.out, name)

    def wait(self, condition, what):
        deadline = time.monotonic() + BOOT
        while not condition():
            self.assertIsNone(self.machine.poll(), self.said())
            self.assertLess(time.monotonic(), deadline,
                            f"waited in vain for {what}: " + self.said())
            time.sleep(0.01)

    def await_moment(self, life):
        """Most cuts come under load, some while the disk is mounted, the
        relay recovers, or the first mail comes."""
        if self.random.random() < 0.2:
            self.wait(lambda: os.path.exists(self.path(f"mounted-{life}")),
                      "the disk")
            # Any moment will do: nothing depends on its length.
            time.sleep(self.random.random())
            return
        count = self.random.randrange(300)
        accepted = self.path(f"accepted-{life}")
        self.wait(lambda: peers.line_count(accepted) > count, "mail")
        time.sleep(self.random.random() * 0.05)

    def joined(self, name):
        """All ledgers of that name as one, without what the cut tore: the
        source had not heard, the sink had not spoken."""
        path = self.path(name)
        with open(path, "wb") as out:
            for part in sorted(glob.glob(path + "-*")):
                with open(part, "rb") as f:
                    out.writelines(line for line in f
                                   if line.endswith(b"\n"))
        return path

    def opened(self):
        """What each start said of each log."""
        found = []
        for path in glob.glob(self.path("opened-*")):
            if not path.endswith(".part"):
                with open(path) as f:
                    found += json.load(f)
        return found

    def test_nothing_answered_250_is_lost(self):
        print(f"power cut, {CUTS} times, seed {SEED}", file=sys.stderr)
        for life in range(CUTS):
            self.boot("load", life)
            self.await_moment(life)
            self.cut()
        self.boot("drain", CUTS)
        self.assertEqual(self.machine.wait(), 0, self.said())
        status, closing = peers.verify(self.joined("accepted"),
                                       self.joined("delivered"), CUTS * 500)
        opened = self.opened()
        print(f"cuts={CUTS} {closing} starts={len(opened) // 2} recovered="
              f"{sum(int(e['queued']) for e in opened)} torn_bytes="
              f"{sum(int(e['torn_bytes']) for e in opened)}",
              file=sys.stderr)
        self.assertEqual(status, 0, closing)
        self.assertEqual([e for e in opened if int(e["bad_records"])], [])
        checked = subprocess.run(
            ["/usr/sbin/e2fsck", "-fn", self.image], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(checked.returncode, 0, checked.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
