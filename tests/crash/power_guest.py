#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What runs in the machine whose power goes (see test_power.py).

power_guest.py load|drain LIFE SEED DURABILITY: mounts the disk, starts a relay
whose spool is on it, with source and sink around it. load goes on until the
machine is killed. drain sends nothing; when all that was ever answered 250
has reached the sink it stops the relay, unmounts and ends well.

/out is a folder of the host, where the ledgers are: each write is there at
once, whatever becomes of this machine. Each life writes files of its own.
"""

import ctypes
import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import peers  # noqa: E402
from peers import harness  # noqa: E402

OUT, DISK = "/out", "/run/disk"
LIBC = ctypes.CDLL(None, use_errno=True)


def mount():
    os.mkdir(DISK)
    if LIBC.mount(b"/dev/ubda", DISK.encode(), b"ext4", 0, None):
        raise OSError(ctypes.get_errno(), "mounting the disk")


def say(name, what):
    """A file that is there as a whole or not at all."""
    path = os.path.join(OUT, name)
    with open(path + ".part", "w") as f:
        json.dump(what, f)
    os.rename(path + ".part", path)


def whole_ids(pattern):
    found = set()
    for path in glob.glob(os.path.join(OUT, pattern)):
        with open(path) as f:
            found.update(line.split()[0] for line in f
                         if line.endswith("\n"))
    return found


def main():
    what, life, seed, durability = sys.argv[1:5]
    mount()
    say(f"mounted-{life}", True)
    sink, port = peers.start_sink("/run/tmp",
                                  os.path.join(OUT, f"delivered-{life}"))
    relay = harness.Relay(
        next_hop=port, route={"tls": "encrypt"}, workers=2,
        retry={"schedule": ["200ms"], "expire": "1h"},
        spool={"path": os.path.join(DISK, "spool"), "segment_size": "2MiB",
               "min_free": "0%", "durability": durability})
    relay.start()
    say(f"opened-{life}", relay.find_events("spool.opened"))
    if what == "load":
        source = peers.start_source(
            relay.port, os.path.join(OUT, f"accepted-{life}"), f"life{life}",
            1_000_000, int(seed), "1K-60K")
        source.wait()
        raise AssertionError("the source ended: " + source.stderr.read()
                             + relay.log_text())
    accepted = whole_ids("accepted-*")
    harness.wait_until(
        lambda: durability == "async"
        or accepted <= whole_ids("delivered-*"),
        lambda: "the queue to drain:\n" + relay.log_text())
    relay.stop()
    peers.end(sink)
    if LIBC.umount(DISK.encode()):
        raise OSError(ctypes.get_errno(), "unmounting the disk")


main()
