# SPDX-License-Identifier: Apache-2.0
"""Runs in a file, so that a long comparison can be made in pieces."""

import dataclasses
import json
import os

import report
from floor import Floor
from measure import Result


class Unreadable(Exception):
    """Not a file of compare's; the text says why."""


@dataclasses.dataclass
class Saved:
    """All that a comparison found out."""
    results: list
    floors: list
    versions: dict  # by relay
    skipped: dict   # why, by relay

    def add(self, other):
        """What comes later replaces what was said of a relay."""
        self.results += other.results
        self.floors += other.floors
        self.versions.update(other.versions)
        self.skipped = {**self.skipped, **other.skipped}
        for name in self.versions:
            self.skipped.pop(name, None)

    def relays(self, kinds):
        """Of kinds, those that have runs."""
        there = {result.relay for result in self.results}
        return [kind for kind in kinds if kind.name in there]

    def works(self, kinds):
        there = {result.work for result in self.results}
        return [work for work in kinds if work.name in there]

    def next_repeat(self):
        return 1 + max((r.repeat for r in self.results), default=-1)


def empty():
    return Saved([], [], {}, {})


def read(path):
    """Raises Unreadable."""
    try:
        with open(path) as f:
            said = json.load(f)
        return Saved([Result(**run) for run in said["runs"]],
                     [Floor(**found) for found in said["floors"]],
                     said["relays"], said["not_run"])
    except FileNotFoundError:
        return empty()
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise Unreadable(f"{path}: {e}") from None


def write(path, machine, works, saved):
    with open(f"{path}.part", "w") as f:
        f.write(report.as_json(machine, saved.versions, saved.skipped, works,
                               saved.results, saved.floors) + "\n")
    os.replace(f"{path}.part", path)
