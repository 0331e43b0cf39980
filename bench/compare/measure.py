# SPDX-License-Identifier: Apache-2.0
"""One counted run of one relay at one kind of work."""

import dataclasses
import os
import shutil
import subprocess
import tempfile
import time

import load
from meter import Meter


@dataclasses.dataclass
class Result:
    relay: str
    work: str
    repeat: int
    messages: int
    octets: int
    accepted_seconds: float   # until the source had the last 250
    delivered_seconds: float  # until the sink had the last message
    cpu_seconds: float        # of the relay's whole process tree
    peak_memory: int          # octets, proportional set size, sampled
    flushes: int | None       # of the block device, by anybody
    syncs: int | None         # of files, by the relay
    handshakes_in: int        # the source's with the relay
    handshakes_out: int       # the relay's with the sink, warm-up included
    latency_p50: float        # seconds from a message's first command to 250
    latency_p99: float
    lost: int
    duplicated: int
    different: int

    @property
    def delivered_per_second(self):
        return self.messages / self.delivered_seconds

    @property
    def accepted_per_second(self):
        return self.messages / self.accepted_seconds

    @property
    def megabytes_per_second(self):
        return self.octets / 1e6 / self.delivered_seconds

    @property
    def cpu_per_thousand(self):
        return self.cpu_seconds / self.messages * 1000

    @property
    def cpu_per_gigabyte(self):
        return self.cpu_seconds / (self.octets / 1e9)

    def whole(self):
        return not (self.lost or self.duplicated or self.different)


class Bench:
    """What all runs share: the program and a folder for queues."""

    def __init__(self, program, parent, certificate, key):
        self.program = program
        self.parent = parent
        self.certificate = certificate
        self.key = key

    def run(self, kind, peers, work, repeat):
        """Starts a relay of this kind, warms it up, counts one run. Raises
        relay.Unavailable or load.Broken."""
        folder = tempfile.mkdtemp(prefix=f"{kind.name}-", dir=self.parent)
        os.chmod(folder, 0o755)
        spread(folder)
        own = os.path.join(folder, "relay")
        os.mkdir(own, 0o755)
        work = work.shrunk(kind.share).limited(kind.most_connections)
        relay = kind(peers, own, self.certificate, self.key)
        sink = load.Sink(self.program, folder)
        meter = Meter(folder)
        try:
            return self.measure(relay, sink, meter, work, repeat, folder)
        except load.Broken as e:
            raise load.Broken(f"{kind.name}, {work.name}: {e}; it said: "
                              + relay.last_words()) from None
        finally:
            relay.stop()
            sink.stop()
            meter.close()
            shutil.rmtree(folder, ignore_errors=True)

    def measure(self, relay, sink, meter, work, repeat, folder):
        accepted = os.path.join(folder, "accepted")
        delivered = os.path.join(folder, "delivered")
        sink.start(delivered)
        relay.start(work, sink.port, meter)
        meter.watch(relay.process)
        warm = self.pass_mail(relay, work.shrunk(0.1), "warm", repeat,
                              accepted, delivered, 0)
        os.sync()
        before, begin = meter.read(), time.monotonic()
        sent = self.pass_mail(relay, work, "run", repeat, accepted, delivered,
                              warm["accepted"])
        used = meter.read().since(before)
        seconds = sent["last_arrival"] - begin
        meter.look_at_memory()
        relay.stop()
        totals = sink.stop()
        judged = load.verify(self.program, accepted, delivered)
        latency = sent["latency"]["transaction"]
        return Result(
            relay=relay.name, work=work.name, repeat=repeat,
            messages=work.messages, octets=work.messages * work.size,
            accepted_seconds=sent["seconds"], delivered_seconds=seconds,
            cpu_seconds=used.cpu, peak_memory=meter.peak,
            flushes=used.flushes, syncs=used.syncs,
            handshakes_in=sent["handshakes"],
            handshakes_out=totals.get("handshakes", 0),
            latency_p50=latency["p50_us"] / 1e6,
            latency_p99=latency["p99_us"] / 1e6,
            lost=judged["lost"] + judged["partial"],
            duplicated=judged["duplicated"], different=judged["different"])

    def pass_mail(self, relay, work, run, repeat, accepted, delivered, before):
        totals = load.send(self.program, relay.port, work, run, repeat + 1,
                           accepted)
        totals["last_arrival"] = load.await_lines(
            delivered, before + work.messages, 60)
        return totals


def spread(folder):
    """Tells ext4 that what is made in here is unrelated: else it looks for
    freed inodes of the run before, which slows every start but the first."""
    subprocess.run(["chattr", "+T", folder], stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
