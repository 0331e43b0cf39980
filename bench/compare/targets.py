# SPDX-License-Identifier: Apache-2.0
"""What ringpost aims at, and whether a run met it."""

import dataclasses
import statistics

OWN = "ringpost"
MEMORY = 64 << 20


@dataclasses.dataclass
class Verdict:
    target: str
    wanted: str
    measured: str
    met: bool | None  # None: not measured


class Run:
    """Medians of one run's results."""

    def __init__(self, results, durable, floors):
        """durable: names of the other relays whose 250 is a promise."""
        self.results = results
        self.durable = durable
        self.floors = floors

    def median(self, relay, work, figure):
        values = [getattr(r, figure) for r in self.results
                  if (r.relay, r.work) == (relay, work)]
        return statistics.median(values) if values else None

    def best(self, work, figure, choose):
        """(value, relay) of the best durable relay; None without any."""
        found = [(value, relay) for relay in self.durable
                 if (value := self.median(relay, work, figure)) is not None]
        return choose(found) if found else None

    def floor(self):
        return statistics.median(f.per_gigabyte for f in self.floors) \
            if self.floors else None


def ratio(above, below):
    return above / below if above is not None and below else None


def at_least(target, wanted, value, beside=""):
    if value is None:
        return Verdict(target, f">= {wanted:g}", "not measured", None)
    return Verdict(target, f">= {wanted:g}", f"{value:.2f}{beside}",
                   value >= wanted)


def at_most(target, wanted, value, beside=""):
    if value is None:
        return Verdict(target, f"<= {wanted:g}", "not measured", None)
    return Verdict(target, f"<= {wanted:g}", f"{value:.2f}{beside}",
                   value <= wanted)


def against_best(run, work, figure, choose):
    """ringpost's median as a multiple of the best durable relay's, and that
    relay's name; CPU the other way round."""
    best = run.best(work, figure, choose)
    own = run.median(OWN, work, figure)
    if best is None or own is None:
        return None, ""
    value = ratio(own, best[0]) if choose is max else ratio(best[0], own)
    return value, f" ({best[1]})"


def judge(results, durable, floors):
    run = Run(results, durable, floors)
    floor, own = run.floor(), run.median(OWN, "large", "cpu_per_gigabyte")
    memory = run.median(OWN, "thousand", "peak_memory")
    return [
        at_least("4 KiB: delivered/s, ringpost : Postfix", 10, ratio(
            run.median(OWN, "small", "delivered_per_second"),
            run.median("postfix", "small", "delivered_per_second"))),
        at_least("4 KiB: CPU for a message, Postfix : ringpost", 10, ratio(
            run.median("postfix", "small", "cpu_per_thousand"),
            run.median(OWN, "small", "cpu_per_thousand"))),
        at_least("100 KiB: delivered/s, ringpost : best durable", 5,
                 *against_best(run, "medium", "delivered_per_second", max)),
        at_least("10 MiB: MB/s, ringpost : best durable", 3,
                 *against_best(run, "large", "megabytes_per_second", max)),
        at_least("10 MiB: CPU for a GB, best durable : ringpost", 5,
                 *against_best(run, "large", "cpu_per_gigabyte", min)),
        at_most("10 MiB: CPU for a GB, ringpost : floor", 2.0,
                ratio(own, floor)),
        at_most("1,000 connections: peak memory, MiB", MEMORY / (1 << 20),
                None if memory is None else memory / (1 << 20)),
    ]
