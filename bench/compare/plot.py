# SPDX-License-Identifier: Apache-2.0
"""A picture of a comparison, by gnuplot: for each work delivered messages a
second and CPU for a message, on logarithmic scales."""

import subprocess

PANELS = (
    ("delivered messages/s", lambda r: r.delivered_per_second),
    ("CPU ms/message", lambda r: r.cpu_per_thousand),
)

HEAD = """\
set terminal svg size {width},{height} dynamic background rgb 'white' \\
    font 'sans,12'
set output '{path}'
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set logscale y
set grid ytics
set key outside right top
set datafile missing '-'
set multiplot layout {panels},1
"""


def data(works, relays, median):
    """gnuplot's inline table: a line for each work, a column for each relay."""
    lines = ["$data << END", "work " + " ".join(relays)]
    for work in works:
        values = [median(relay, work) for relay in relays]
        lines.append(f"{work} " + " ".join(
            "-" if v is None else f"{v:.4g}" for v in values))
    return "\n".join([*lines, "END"])


def script(path, works, relays, median_of):
    """median_of(relay, work, value): the median of one figure, or None."""
    parts = [HEAD.format(width=860, height=330 * len(PANELS), path=path,
                         panels=len(PANELS))]
    for title, value in PANELS:
        parts.append(data(works, relays, lambda relay, work, value=value:
                          median_of(relay, work, value)))
        parts.append(f"set title '{title}'")
        parts.append("plot for [n=2:{}] $data using n:xtic(1) "
                     "title columnheader(n)".format(len(relays) + 1))
    return "\n".join([*parts, "unset multiplot", ""])


def draw(path, works, relays, median_of):
    """Raises OSError or subprocess.CalledProcessError."""
    subprocess.run(["gnuplot"], input=script(path, works, relays, median_of),
                   check=True, text=True, capture_output=True)
