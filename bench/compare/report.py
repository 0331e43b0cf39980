# SPDX-License-Identifier: Apache-2.0
"""Tables of what was measured: medians, with the spread beside them."""

import collections
import dataclasses
import json
import statistics

COLUMNS = (
    ("delivered/s", lambda r: r.delivered_per_second, "{:,.0f}"),
    ("accepted/s", lambda r: r.accepted_per_second, "{:,.0f}"),
    ("MB/s", lambda r: r.megabytes_per_second, "{:,.1f}"),
    ("CPU s/1000", lambda r: r.cpu_per_thousand, "{:,.3f}"),
    ("CPU s/GB", lambda r: r.cpu_per_gigabyte, "{:,.2f}"),
    ("memory MB", lambda r: r.peak_memory / 1e6, "{:,.0f}"),
    ("syncs/msg", lambda r: None if r.syncs is None
     else r.syncs / r.messages, "{:,.2f}"),
    ("p50 ms", lambda r: r.latency_p50 * 1e3, "{:,.1f}"),
    ("p99 ms", lambda r: r.latency_p99 * 1e3, "{:,.1f}"),
    ("TLS in", lambda r: r.handshakes_in, "{:,.0f}"),
    ("TLS out", lambda r: r.handshakes_out, "{:,.0f}"),
    ("lost", lambda r: r.lost, "{:,.0f}"),
    ("doubled", lambda r: r.duplicated, "{:,.0f}"),
    ("changed", lambda r: r.different, "{:,.0f}"),
)


def median(results, value):
    values = [v for v in map(value, results) if v is not None]
    return statistics.median(values) if values else None


def spread_of(results, value):
    """Half the distance of the farthest two, as a share of the median."""
    values = [value(r) for r in results]
    middle = statistics.median(values)
    return (max(values) - min(values)) / 2 / middle if middle else 0.0


def grouped(results):
    found = collections.OrderedDict()
    for result in results:
        found.setdefault((result.work, result.relay), []).append(result)
    return found


def rows_of(work, relays, results):
    """Of one kind of work: a row of texts for each relay that ran it."""
    groups = grouped(results)
    rows = []
    for relay in relays:
        own = groups.get((work, relay))
        if not own:
            continue
        row = [relay]
        for _, value, form in COLUMNS:
            middle = median(own, value)
            row.append("-" if middle is None else form.format(middle))
        row.append(f"{spread_of(own, COLUMNS[0][1]):.0%}" if len(own) > 1
                   else "-")
        rows.append(row)
    return rows


HEAD = ["relay"] + [name for name, _, _ in COLUMNS] + ["spread"]


def text(works, relays, results, markdown=False):
    """All tables, as columns for a terminal or as Markdown."""
    parts = []
    for work in works:
        rows = rows_of(work.name, relays, results)
        if not rows:
            continue
        parts.append(f"{'### ' if markdown else ''}{work.name}: "
                     + work.describe())
        parts.append(markdown_table(rows) if markdown else columns(rows))
        ratio = against_best(work.name, relays, results)
        if ratio:
            parts.append(ratio)
    return "\n\n".join(parts)


def columns(rows, head=None):
    rows = [head or HEAD] + rows
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(
        cell.ljust(width) if n == 0 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows)


def markdown_table(rows, head=None):
    head = head or HEAD
    lines = ["| " + " | ".join(head) + " |",
             "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def against_best(work, relays, results):
    """ringpost beside the others, as ratios of medians."""
    groups = grouped(results)
    own = groups.get((work, "ringpost"))
    if not own:
        return ""
    said = []
    for relay in relays:
        other = groups.get((work, relay))
        if not other or relay.startswith("ringpost"):
            continue
        speed = median(own, lambda r: r.delivered_per_second) \
            / median(other, lambda r: r.delivered_per_second)
        cpu = median(other, lambda r: r.cpu_per_thousand) \
            / median(own, lambda r: r.cpu_per_thousand)
        said.append(f"ringpost : {relay}  delivered/s {speed:.1f} : 1, "
                    f"CPU per message 1 : {cpu:.1f}")
    return "\n".join(said)


def targets_text(verdicts, markdown=False):
    said = {True: "met", False: "NOT MET", None: "-"}
    rows = [[v.target, v.wanted, v.measured, said[v.met]] for v in verdicts]
    head = ["target", "wanted", "measured", ""]
    return (markdown_table if markdown else columns)(rows, head)


def floor_text(floors):
    """What the floor of large mail was made of."""
    def middle(name):
        return statistics.median(getattr(f, name) for f in floors)
    return (f"floor: {middle('per_gigabyte'):.2f} CPU s/GB (AES-256-GCM twice "
            f"{middle('aead'):.3f}, loopback in {middle('receiving'):.3f} and "
            f"out {middle('sending'):.3f}; with both ends of both sockets "
            f"{middle('with_whole_copies'):.2f})")


def as_json(machine, versions, skipped, works, results, floors):
    return json.dumps({
        "machine": machine,
        "relays": versions,
        "not_run": skipped,
        "works": {w.name: dataclasses.asdict(w) for w in works},
        "floors": [dataclasses.asdict(f) for f in floors],
        "runs": [dataclasses.asdict(r) for r in results],
    }, indent=1)
