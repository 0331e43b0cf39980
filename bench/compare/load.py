# SPDX-License-Identifier: Apache-2.0
"""Source and sink around a relay, and what became of the mail."""

import json
import os
import signal
import subprocess
import time


class Broken(Exception):
    """A run that can't be counted; the text says why."""


class Sink:
    """The next hop: ringpost-bench sink as a process."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.runs = 0
        self.process = None

    def start(self, ledger):
        ready = os.path.join(self.folder, "sink.ready")
        if os.path.exists(ready):
            os.unlink(ready)
        self.output = open(os.path.join(self.folder, "sink.out"), "w+")
        self.process = subprocess.Popen(
            [self.program, "sink", "--listen", "127.0.0.1:0", "--ready-file",
             ready, "--hash", "xxh3", "--ledger", ledger, "--json"],
            stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + 30
        while not os.path.exists(ready) or not os.path.getsize(ready):
            if self.process.poll() is not None \
                    or time.monotonic() > deadline:
                raise Broken("the sink does not start")
            time.sleep(0.02)
        with open(ready) as f:
            self.port = int(f.read().rpartition(":")[2])

    def stop(self):
        """Its totals."""
        if self.process is None:
            return {}
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        with self.output:
            self.output.seek(0)
            text = self.output.read().strip()
        return json.loads(text.splitlines()[-1]) if text else {}


def lines(path):
    try:
        with open(path, "rb") as f:
            return sum(chunk.count(b"\n")
                       for chunk in iter(lambda: f.read(1 << 20), b""))
    except FileNotFoundError:
        return 0


def send(program, port, work, run, seed, ledger):
    """Sends the mail of one run; the source's totals."""
    domains = ",".join(f"d{n}.example.test" for n in range(work.destinations))
    done = subprocess.run(
        [program, "source", "--to", f"127.0.0.1:{port}", "--messages",
         str(work.messages), "--connections", str(work.connections),
         "--per-connection", str(work.per_connection), "--size",
         str(work.size), "--to-domain", domains, "--run", run, "--seed",
         str(seed), "--hash", "xxh3", "--retry", "--give-up", "60",
         "--ledger", ledger, "--json",
         *(["--connect-first"] if work.connect_first else [])],
        stdin=subprocess.DEVNULL, text=True, capture_output=True)
    try:
        totals = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Broken(f"the source failed ({done.returncode}): "
                     f"{done.stderr.strip()}") from None
    if totals["accepted"] < work.messages:
        raise Broken(f"only {totals['accepted']} of {work.messages} messages "
                     "were accepted")
    return totals


# Seconds that a run may take after its last 250.
LONGEST = 240


def await_lines(path, count, patience):
    """Until so many lines are there, or nothing more comes for so many
    seconds; the time when the last one was seen."""
    seen, last = lines(path), time.monotonic()
    end = last + LONGEST
    while seen < count:
        now = time.monotonic()
        if now - last > patience or now > end:
            raise Broken(f"{count - seen} messages were not delivered in "
                         "time")
        time.sleep(0.01)
        count_now = lines(path)
        if count_now != seen:
            seen, last = count_now, time.monotonic()
    return time.monotonic()


def verify(program, accepted, delivered):
    """lost, duplicated, changed: counts of ringpost-bench verify."""
    done = subprocess.run(
        [program, "verify", "--accepted", accepted, "--delivered", delivered,
         "--json"], stdin=subprocess.DEVNULL, text=True, capture_output=True)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Broken(f"verify failed: {done.stderr.strip()}") from None
