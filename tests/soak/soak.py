# SPDX-License-Identifier: Apache-2.0
"""A relay under mixed load, for long: mail of all sizes, next hops that defer,
hang up and read slowly, hostile clients, and an operator who changes
certificates, reloads good and bad configurations and restarts.

All that was answered 250 must arrive, once and unchanged; memory must stay
flat; descriptors must come back.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "smtp"))
import harness  # noqa: E402
import hostile  # noqa: E402
import look  # noqa: E402

# Of the source: what it is called, and what it does.
LOADS = {
    "small": ["--size", "1K-16K", "--connections", "8", "--messages", "2000",
              "--bdat", "50%", "--to-domain", "a.test,b.test,c.test"],
    "large": ["--size", "100K-4M", "--connections", "3", "--messages", "60",
              "--bdat", "50%", "--to-domain", "a.test"],
    "single": ["--size", "4K", "--connections", "4", "--messages", "200",
               "--per-connection", "1", "--resume", "yes",
               "--to-domain", "b.test"],
    "slow": ["--size", "10K-200K", "--connections", "2", "--messages", "20",
             "--dot-lines", "50%", "--to-domain", "slow.test"],
    "clear": ["--size", "1K-64K", "--connections", "2", "--messages", "300",
              "--tls", "none", "--eight-bit", "50%", "--to-domain", "c.test"],
}

SINKS = {
    "quick": ["--reply", "rcpt=451:2%", "--reply", "mail=421:0.2%",
              "--close-after", "300"],
    "slow": ["--slow-read", "300K", "--delay-ms", "20"],
}


class Sink:
    def __init__(self, folder, name, options):
        self.ledger = os.path.join(folder, f"delivered-{name}")
        ready = os.path.join(folder, f"ready-{name}")
        self.process = subprocess.Popen(
            [harness.BENCH, "sink", "--listen", "127.0.0.1:0", "--ledger",
             self.ledger, "--ready-file", ready, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        harness.wait_until(lambda: os.path.exists(ready)
                           and os.path.getsize(ready), "a sink")
        with open(ready) as f:
            self.port = int(f.read().strip().rsplit(":", 1)[1])

    def stop(self):
        self.process.terminate()
        self.process.wait()


class QuietRelay(harness.Relay):
    """Its log is a file and says little: hours of it would fill memory."""

    def is_ready(self, since):
        deadline = time.monotonic() + harness.PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with harness.Client(self.port, timeout=5) as client:
                    if client.reply().code == 220:
                        return True
            except (OSError, harness.Closed):
                pass
            time.sleep(0.02)
        return False


class Soak:
    def __init__(self, seconds, seed):
        self.seconds, self.seed = seconds, seed
        self.folder = harness.fresh_folder("soak")
        self.sinks = {name: Sink(self.folder, name, options)
                      for name, options in SINKS.items()}
        self.ended = threading.Event()
        self.looks = []
        self.counts = {}
        self.failures = []
        self.lock = threading.Lock()
        self.make_relay()

    def make_relay(self):
        certs = harness.certificates()
        self.certificate = os.path.join(self.folder, "server.pem")
        self.key = os.path.join(self.folder, "server.key")
        self.change_certificate(certs)
        self.relay = QuietRelay(
            next_hop=self.sinks["quick"].port, workers=2,
            log={"file": os.path.join(self.folder, "relay.log"),
                 "level": os.environ.get("SOAK_LOG", "warning")},
            limits={"connections_per_client": 400},
            spool={"segment_size": "16MiB", "min_free": "0%"},
            retry={"schedule": ["200ms", "1s"], "expire": "1h"})
        self.relay.config["listen"][0]["tls"].update(
            certificate=self.certificate, key=self.key)
        self.relay.config["routes"] = [
            {"match": "slow.test", "tls": "may", "connections": 5,
             "next_hop": f"127.0.0.1:{self.sinks['slow'].port}"},
            {"match": "*", "tls": "encrypt", "connections": 20,
             "next_hop": f"127.0.0.1:{self.sinks['quick'].port}"}]

    def count(self, what, by=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + by

    # --- the load -----------------------------------------------------------

    def ledger(self, name):
        return os.path.join(self.folder, f"accepted-{name}")

    def send(self, name):
        """One source after the other, until the end."""
        number = 0
        while not self.ended.is_set():
            number += 1
            done = subprocess.run(
                [harness.BENCH, "source", "--to",
                 f"127.0.0.1:{self.relay.port}", "--run", f"{name}{number}",
                 "--seed", str(self.seed + number), "--ledger",
                 self.ledger(name), "--retry", "--retry-delay-ms", "50",
                 "--json", *LOADS[name]],
                stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode != 0:
                self.failures.append(f"source {name}{number}: "
                                     + done.stderr[-500:])
                return
            self.count("messages", json.loads(done.stdout)["accepted"])
            if name == "slow":
                self.wait_for_slow()

    def wait_for_slow(self):
        """More is sent when most of it has been read: a queue that only grows
        would end the disk, and says nothing."""
        ledger = self.sinks["slow"].ledger
        while harness.ledger_count(ledger) + 20 \
                < harness.ledger_count(self.ledger("slow")):
            if self.ended.wait(0.2):
                return

    def attack(self, number):
        dice = random.Random(self.seed * 1000 + number)
        while not self.ended.is_set():
            self.count("visits by " + hostile.visit(self.relay.port, dice))
            self.ended.wait(0.02)

    # --- the operator -------------------------------------------------------

    def change_certificate(self, certs):
        """Both files, each at once: a reader sees the old or the new."""
        certificate, key = certs.issue(
            "soak", "DNS:relay.example.test,IP:127.0.0.1")
        for new, old in ((key, self.key), (certificate, self.certificate)):
            shutil.copy(new, old + ".new")
            os.rename(old + ".new", old)

    def reload(self):
        self.relay.write_config()
        self.relay.signal(signal.SIGHUP)

    def other_certificate(self):
        self.change_certificate(harness.certificates())
        self.reload()

    def other_limits(self):
        for route in self.relay.config["routes"]:
            route["connections"] = random.randrange(5, 30)
        self.reload()

    def bad_configuration(self):
        path = self.relay.write_config()
        with open(path, "a") as f:
            f.write("\nnonsense: [\n")
        self.relay.signal(signal.SIGHUP)
        time.sleep(0.5)  # or it would never be read
        self.relay.write_config()

    def stop_and_start(self):
        self.relay.stop()
        self.relay.start()
        self.born = time.monotonic()

    def restart(self):
        """Into the same program, refusing nobody."""
        done = harness.run_program("restart", "--config",
                                   self.relay.write_config())
        if done.returncode != 0:
            self.failures.append("restart: " + done.stderr)
        self.born = time.monotonic()

    def operate(self):
        """Restarts in the first third only: then one process has to live long
        enough to show whether it grows."""
        dice = random.Random(self.seed)
        begun = time.monotonic()
        pause = max(2.0, self.seconds / 60)
        acts = [self.other_certificate, self.other_limits,
                self.bad_configuration]
        while not self.ended.wait(dice.uniform(0.5, 1.5) * pause):
            early = time.monotonic() - begun < self.seconds / 3
            act = dice.choice(
                acts + [self.stop_and_start, self.restart] * early)
            act()
            self.count("operator: " + act.__name__)

    # --- all together -------------------------------------------------------

    def threads(self):
        def thread(target, *args):
            def run():
                try:
                    target(*args)
                except Exception as e:  # reported; the others go on
                    self.failures.append(f"{target.__name__}: {e!r}")
            return threading.Thread(target=run, daemon=True)
        operator = thread(self.operate)
        return (operator, [thread(self.send, name) for name in LOADS]
                + [thread(self.attack, n) for n in range(4)])

    def watch(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not self.failures:
            try:
                self.looks.append(look.look(self.relay.process.pid))
            except (OSError, KeyError):
                pass  # between two processes
            time.sleep(min(1.0, self.seconds / 100))

    def run(self):
        self.relay.start()
        self.born = time.monotonic()
        self.idle = look.look(self.relay.process.pid)
        operator, others = self.threads()
        for thread in [operator] + others:
            thread.start()
        self.watch()
        self.ended.set()
        # The operator first: what a source waits for may be a restart.
        operator.join()
        for thread in others:
            thread.join()
        self.drain()
        self.after = look.look(self.relay.process.pid)
        self.relay.stop()
        for sink in self.sinks.values():
            sink.stop()

    def end(self):
        """Whatever still runs."""
        self.ended.set()
        self.relay.kill()
        for sink in self.sinks.values():
            sink.process.kill()
            sink.process.wait()

    def drain(self):
        want = sum(harness.ledger_count(self.ledger(name)) for name in LOADS)
        harness.wait_until(
            lambda: sum(harness.ledger_count(s.ledger)
                        for s in self.sinks.values()) >= want,
            lambda: "the queue to be empty:\n" + self.queue_text())

    def queue_text(self):
        config = os.path.join(self.relay.folder, "ringpost.yaml")
        return "".join(harness.run_program(
            "queue", *what, "--config", config).stdout
            for what in (["summary"], ["list", "--limit", "10"])) \
            + self.verify()

    # --- what came of it ----------------------------------------------------

    def verify(self):
        """The closing line of ringpost-bench verify."""
        paths = []
        for name, parts in (
                ("accepted", [self.ledger(n) for n in LOADS]),
                ("delivered", [s.ledger for s in self.sinks.values()])):
            paths.append(os.path.join(self.folder, name))
            with open(paths[-1], "wb") as out:
                for part in parts:
                    if os.path.exists(part):
                        with open(part, "rb") as f:
                            shutil.copyfileobj(f, out)
        done = subprocess.run(
            [harness.BENCH, "verify", "--accepted", paths[0], "--delivered",
             paths[1]], capture_output=True, text=True)
        if done.returncode != 0:
            self.failures.append(done.stdout[-2000:])
        return "\n".join(done.stdout.strip().splitlines()[-10:])

    def last_life(self):
        return [each for each in self.looks if each["time"] > self.born]

    def judge(self):
        """Lines to print; failures are in self.failures."""
        lines = [self.verify()]
        looks = self.last_life()
        first, last = look.growth(looks)
        peak = max(each["own"] for each in looks)
        lines.append(
            f"seconds={self.seconds} memory_begin={first / 2**20:.1f}MiB "
            f"memory_end={last / 2**20:.1f}MiB peak={peak / 2**20:.1f}MiB "
            f"descriptors_idle={self.idle['descriptors']} "
            f"descriptors_after={self.after['descriptors']}")
        tenths = [looks[len(looks) * n // 10]["own"] for n in range(10)]
        lines.append("memory at each tenth of its last life, MiB: " + " ".join(
            f"{own / 2**20:.1f}" for own in tenths))
        lines += [f"{what}: {n}" for what, n in sorted(self.counts.items())]
        # Pools are still filling in the first minutes; later what they keep,
        # and a queue that is longer at the end, is allowed.
        allowed = 1.25 * first + (8 if self.seconds >= 600 else 64) * 2**20
        if last > allowed:
            self.failures.append("memory grows: " + lines[1])
        if self.after["descriptors"] > self.idle["descriptors"] + 100:
            self.failures.append("descriptors are left: " + lines[1])
        return lines
