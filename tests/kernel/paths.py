# SPDX-License-Identifier: Apache-2.0
"""The table of byte paths: what kernel_paths found, on all kernels at once.

kernel_paths prints a line for each combination of version, cipher, direction
and byte path; ROW finds them in what a kernel's programs print.
"""

import re

ROW = re.compile(rb"byte path: kernel=\S+( \w+=\S+)+\n")
COLUMNS = ("cipher", "version", "direction", "path")
LARGEST = 64 << 20
WORDS = {"ok": "ok", "unsupported": "not supported (expected)"}


class Table:
    def __init__(self):
        self.kernels = []  # in the order of their runs
        self.cells = {}    # (cipher, version, direction, path) -> by kernel
        self.limits = {}   # their names -> kernels, in order

    def add(self, line):
        fields = dict(word.split("=", 1) for word in line.split()[2:])
        kernel = fields["kernel"]
        if kernel not in self.kernels:
            self.kernels.append(kernel)
        row = self.cells.setdefault(tuple(fields[c] for c in COLUMNS), {})
        row[kernel] = self.cell(fields)
        if fields["limit"] != "-":
            self.limits.setdefault(fields["limit"], {})[kernel] = True

    @staticmethod
    def cell(fields):
        word = WORDS.get(fields["result"], "FAILED")
        if word == "ok" and int(fields["largest"]) >= LARGEST:
            return "ok, 64 MiB"
        return word

    def rows(self):
        yield (*COLUMNS[:3], "byte path", *self.kernels)
        for key in sorted(self.cells):
            yield (*key, *(self.cells[key].get(kernel, "FAILED: not run")
                           for kernel in self.kernels))

    def __str__(self):
        rows = list(self.rows())
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "".join(
            "  ".join(map(str.ljust, row, widths)).rstrip() + "\n"
            for row in rows) + self.legend()

    def legend(self):
        cells = [cell for row in self.cells.values() for cell in row.values()]
        bad = sum(cell.startswith("FAILED") for cell in cells)
        total = len(self.kernels) * len(self.cells)
        bad += total - len(cells)
        return (
            "ok: bodies of 0, 1, 16383, 16384, 16385, 65536 and 1048577 bytes "
            "arrived byte for byte,\nthrough wide and narrow sockets, at a "
            "slow reader, and a reader that closes in the\nmiddle did no harm; "
            "64 MiB: one of that size, too (once for each byte path)\n"
            + "".join(f"expected of {', '.join(kernels)}: {name}\n"
                      for name, kernels in sorted(self.limits.items())) +
            f"byte paths: {total - bad} of {total} as expected, "
            f"{bad} FAILED\n")


def table_of(data):
    """A Table of all rows in what programs printed (bytes)."""
    table = Table()
    for found in ROW.finditer(data):
        table.add(found.group().decode(errors="replace"))
    return table
