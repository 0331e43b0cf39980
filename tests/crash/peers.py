# SPDX-License-Identifier: Apache-2.0
"""Source and sink around a relay that is killed. Both write a ledger: the
source what was answered 250, after it heard so; the sink what it took,
before it says so."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "..", "smtp"))
import harness  # noqa: E402  (after the path)

CONNECTIONS = 8


def start_sink(folder, ledger):
    """The process and its port."""
    ready = os.path.join(folder, "ready")
    sink = subprocess.Popen(
        [harness.BENCH, "sink", "--listen", "127.0.0.1:0", "--ledger", ledger,
         "--ready-file", ready, "--json"], stdout=subprocess.PIPE, text=True)
    harness.wait_until(lambda: os.path.exists(ready), "the sink")
    with open(ready) as f:
        return sink, int(f.read().strip().rsplit(":", 1)[1])


def start_source(port, ledger, run, messages, seed, size="1K-200K"):
    """Messages named by run; sent again, under the same name, until they are
    answered."""
    return subprocess.Popen(
        [harness.BENCH, "source", "--to", f"127.0.0.1:{port}",
         "--connections", str(CONNECTIONS), "--messages", str(messages),
         "--size", size, "--seed", str(seed), "--run", run,
         "--bdat", "50%", "--retry", "--retry-delay-ms", "20",
         "--give-up", str(int(harness.PATIENCE)), "--ledger", ledger,
         "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(*processes):
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def line_count(path):
    try:
        with open(path, "rb") as f:
            return f.read().count(b"\n")
    except FileNotFoundError:
        return 0


def ids(path):
    with open(path) as f:
        return [line.split()[0] for line in f]


def verify(accepted, delivered, duplicates):
    """Exit status and the closing line: what was lost, what came twice."""
    report = subprocess.run(
        [harness.BENCH, "verify", "--accepted", accepted, "--delivered",
         delivered, "--allow-duplicates", str(duplicates)],
        stdout=subprocess.PIPE, text=True)
    return report.returncode, report.stdout.strip().splitlines()[-1]
