# SPDX-License-Identifier: Apache-2.0
"""A spool on a file system that is small, and full: clients hear 452, what was
answered 250 is kept and delivered, and the relay goes on when there is room
again. As root, who may mount."""

import os
import subprocess
import unittest

from harness import Relay, Sink, fresh_folder, free_port, wait_until

BODY = 200_000
MESSAGES_MAX = 300  # more than fit


def why_unavailable():
    if os.geteuid() != 0:
        return "mounting a small file system needs root"
    folder = fresh_folder("try")
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder],
                      stderr=subprocess.DEVNULL).returncode:
        return "no file system can be mounted here"
    subprocess.run(["umount", folder], check=True)
    return None


class FullDisk(unittest.TestCase):

    def setUp(self):
        why = why_unavailable()
        if why:  # nothing that could be installed: not a failure
            self.skipTest(why)
        self.port = free_port()
        self.bodies = []

    def mounted(self, *options):
        folder = fresh_folder("disk")
        subprocess.run(["mount", *options, folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        return folder

    def tmpfs(self, inodes=1000):
        return self.mounted("-t", "tmpfs", "-o",
                            f"size=24m,nr_inodes={inodes}", "tmpfs")

    def ext4(self):
        image = os.path.join(fresh_folder("image"), "image")
        with open(image, "wb") as f:
            f.truncate(32 << 20)
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-F", "-m", "0", image],
                       check=True)
        done = subprocess.run(["losetup", "--find", "--show", image],
                              stdout=subprocess.PIPE, text=True)
        if done.returncode:
            self.skipTest("no loop device can be had here")
        device = done.stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "-d", device])
        return self.mounted("-t", "ext4", device)

    def relay(self, folder, min_free="0%"):
        relay = Relay(self.port, workers=1,
                      retry={"schedule": ["300ms"], "expire": "1h"},
                      spool={"path": os.path.join(folder, "spool"),
                             "segment_size": "1MiB", "min_free": min_free})
        relay.start()
        self.addCleanup(relay.kill)
        return relay

    def send(self, relay, size=BODY):
        """The first reply that isn't as hoped, or the last one."""
        number = len(self.bodies)
        line = f"message {number} is here\r\n".encode()
        body = (f"X-Number: {number}\r\n\r\n".encode()
                + line * (size // len(line) + 1))
        with relay.client() as client:
            client.greet()
            client.envelope()
            reply = client.command("DATA")
            if reply.code != 354:
                return reply
            client.send(body + b".\r\n")
            reply = client.reply()
        if reply.code == 250:
            self.bodies.append(body)
        return reply

    def fill(self, relay):
        for _ in range(MESSAGES_MAX):
            reply = self.send(relay)
            if reply.code != 250:
                return reply
        self.fail("it never got full")

    def empty(self, relay):
        """The next hop comes back: all that was accepted arrives."""
        sink = Sink(port=self.port, bounces_apart=True).start()
        self.addCleanup(sink.stop)
        sink.wait(len(self.bodies))
        got = sorted(m.body_from(b"X-Number: ") for m in sink.messages)
        self.assertEqual(got, sorted(self.bodies))
        self.assertEqual(sink.bounces, [])
        return sink

    def assert_goes_on(self, relay, sink):
        wait_until(lambda: self.send(relay).code == 250, "room for mail")
        sink.wait(len(self.bodies))
        relay.stop()

    def full_and_empty(self, folder):
        relay = self.relay(folder)
        reply = self.fill(relay)
        self.assertEqual((reply.code, reply.enhanced), (452, "4.3.1"),
                         repr(reply))
        self.assertGreater(len(self.bodies), 50)
        self.assert_goes_on(relay, self.empty(relay))

    def test_tmpfs_full(self):
        self.full_and_empty(self.tmpfs())

    def test_ext4_full(self):
        self.full_and_empty(self.ext4())

    def test_full_and_killed(self):
        folder = self.ext4()
        relay = self.relay(folder)
        self.fill(relay)
        relay.kill()
        relay.reader.join()
        relay.start()
        opened = relay.find_events("spool.opened")[-1]
        self.assertEqual(int(opened["queued"]), len(self.bodies))
        self.assertEqual(int(opened["bad_records"]), 0)
        self.assert_goes_on(relay, self.empty(relay))

    def test_min_free_keeps_room(self):
        folder = self.tmpfs()
        relay = self.relay(folder, min_free="50%")
        reply = self.fill(relay)
        self.assertEqual((reply.code, reply.enhanced), (452, "4.3.1"))
        fs = os.statvfs(folder)
        self.assertGreater(fs.f_bavail, fs.f_blocks * 2 // 5)
        self.assert_goes_on(relay, self.empty(relay))

    def test_min_free_counts_inodes(self):
        folder = self.tmpfs(inodes=40)
        relay = self.relay(folder, min_free="20%")
        self.assertEqual(self.send(relay, 100).code, 250)
        wasted = os.path.join(folder, "wasted")
        os.mkdir(wasted)
        while os.statvfs(folder).f_favail > 4:
            open(os.path.join(wasted, os.urandom(8).hex()), "w").close()
        wait_until(lambda: self.send(relay, 100).code == 452, "452")
        for name in os.listdir(wasted):
            os.remove(os.path.join(wasted, name))
        sink = self.empty(relay)
        self.assert_goes_on(relay, sink)


if __name__ == "__main__":
    unittest.main(verbosity=2)
