# SPDX-License-Identifier: Apache-2.0
"""What docs/ tells people to write, taken from there, so that tests can do it.

A block of a page is known by its heading and by the file that its first line,
a comment, names: "# /etc/postfix/main.cf, on that machine".
"""

import os
import re

import harness

DOCS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__)))), "docs")


def pages():
    return ["../README.md"] + sorted(
        name for name in os.listdir(DOCS) if name.endswith(".md"))


def blocks(page):
    """(heading, file, text) of each block that says which file it is."""
    heading, inside, found = "", None, []
    with open(os.path.join(DOCS, page)) as f:
        for line in f:
            if line.startswith("```"):
                if inside:
                    name = re.match(r"# (/?[\w./-]+\.\w+)\b", inside[0])
                    if name:
                        found.append((heading, name[1], "".join(inside)))
                inside = None if inside is not None else []
            elif inside is not None:
                inside.append(line)
            elif line.startswith("#"):
                heading = line.lstrip("#").strip()
    return found


def block(page, heading, name):
    found, = [text for title, file, text in blocks(page)
              if (title, os.path.basename(file)) == (heading, name)]
    return found


def changed(text, changes):
    """With other addresses and paths; each must be there to be changed."""
    for old, new in changes.items():
        if old not in text:
            raise AssertionError(f"{old!r} is not in\n{text}")
        text = text.replace(old, str(new))
    return text


def parameters(text):
    """Of a main.cf."""
    return dict(re.findall(r"^(\w+) = (.*)$", text, re.M))


class Relay(harness.Relay):
    """With a configuration from a page. SPOOL and PORT, where changes name
    them as new values, are this relay's own."""

    def __init__(self, text, changes):
        super().__init__()
        own = {"PORT": self.port, "SPOOL": os.path.join(self.folder, "spool")}
        self.text = changed(text, {
            old: re.sub("PORT|SPOOL", lambda m: str(own[m[0]]), str(new))
            for old, new in changes.items()})

    def write_config(self):
        path = os.path.join(self.folder, "ringpost.yaml")
        with open(path, "w") as f:
            f.write(self.text)
        return path
