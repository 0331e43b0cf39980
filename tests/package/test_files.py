# SPDX-License-Identifier: Apache-2.0
"""Files that are installed beside the programs: completion, manual pages, the
systemd unit, the configuration of a fresh installation."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BENCH, BUILD, RINGPOST, ROOT

HERE = os.path.dirname(os.path.realpath(__file__))
PACKAGING = os.path.join(ROOT, "packaging")
# The exposure that systemd-analyze security counts, written in docs/install.md
# too; less is better.
EXPOSURE = 1.7


def run(*argv, **options):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, **options)


def help_of(*command):
    done = run(*command, "--help")
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def commands_of(program):
    """The subcommands that a program's help names."""
    part = help_of(program).lower().split("commands:", 1)[1]
    part = part.split("\n\n", 1)[0]
    return re.findall(r"^  ([a-z][a-z-]*)", part, re.M)


def complete(program, *words):
    done = run(os.path.join(HERE, "completion"),
               os.path.join(PACKAGING, "ringpost.bash"), program, *words)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


class Completion(unittest.TestCase):
    def expect_all(self, program):
        commands = commands_of(program)
        self.assertGreaterEqual(len(commands), 6)
        self.assertLessEqual(set(commands), complete(program, ""))
        for command in commands:
            if command == "help":
                continue
            options = set(re.findall(r"--[a-z][a-z0-9-]*",
                                     help_of(program, command)))
            self.assertIn("--help", options)
            self.assertLessEqual(options, complete(program, command, "--"),
                                 command)

    def test_every_command_and_option_of_ringpost(self):
        self.expect_all(RINGPOST)

    def test_every_command_and_option_of_ringpost_bench(self):
        self.expect_all(BENCH)

    def test_actions_of_a_command(self):
        self.assertLessEqual({"summary", "retry", "suspend"},
                             complete(RINGPOST, "queue", ""))
        self.assertLessEqual({"check", "recover"},
                             complete(RINGPOST, "spool", ""))

    def test_only_what_begins_so(self):
        self.assertEqual(complete(RINGPOST, "queue", "re"),
                         {"release", "resume", "retry"})

    def test_values(self):
        self.assertEqual(complete(RINGPOST, "queue", "list", "--state", "h"),
                         {"held"})

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            open(os.path.join(folder, "relay.yaml"), "w").close()
            self.assertEqual(
                complete(RINGPOST, "serve", "--config", f"{folder}/re"),
                {f"{folder}/relay.yaml"})


class Manual(unittest.TestCase):
    PAGES = sorted(glob.glob(os.path.join(ROOT, "docs/man/*.[158]")))
    MADE = os.path.join(BUILD, "docs/man/ringpost.yaml.5")

    def test_pages_are_sound(self):
        if not shutil.which("mandoc"):
            self.fail("no mandoc: tests/setup/install package")
        for page in [*self.PAGES, self.MADE]:
            done = run("mandoc", "-Tlint", "-Werror", page)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_command_has_a_page_that_names_its_options(self):
        for command in commands_of(RINGPOST):
            if command == "help":
                continue
            found = [p for p in self.PAGES if os.path.basename(p)[:-2] in
                     (f"ringpost-{command}", command)]
            self.assertTrue(found, f"no manual page for {command}")
            with open(found[0]) as f:
                text = f.read()
            for option in re.findall(r"^  --([a-z-]+)",
                                     help_of(RINGPOST, command), re.M):
                if option != "help":
                    self.assertRegex(text, rf"Fl -{option}\b", found[0])

    def test_bench_pages_name_all_options_and_no_others(self):
        for command in commands_of(BENCH):
            page = os.path.join(ROOT, f"docs/man/ringpost-bench-{command}.1")
            with self.subTest(command), open(page) as f:
                there = set(re.findall(r"Fl -([a-z][a-z0-9-]*)", f.read()))
                options = set(re.findall(r"^  (?:-h, )?--([a-z][a-z0-9-]*)",
                                         help_of(BENCH, command), re.M))
                self.assertEqual(there | {"help"}, options)

    def test_the_overviews_name_every_command(self):
        for program in (RINGPOST, BENCH):
            name = os.path.basename(program)
            with open(os.path.join(ROOT, f"docs/man/{name}.1")) as f:
                text = f.read()
            for command in commands_of(program):
                if command != "help":
                    self.assertRegex(text, rf"\.It Cm {command}\b")

    def test_the_configuration_page_has_every_key(self):
        key = re.compile(r"^[ #-]*([a-z_0-9]+):(?= |$)", re.M)
        with open(os.path.join(ROOT, "docs/ringpost.yaml.example")) as f:
            keys = set(key.findall(f.read()))
        with open(self.MADE) as f:
            text = f.read()
        self.assertIn("spool", keys)
        for name in keys:
            self.assertRegex(text, rf"\b{name}\b")


class Unit(unittest.TestCase):
    UNIT = os.path.join(BUILD, "packaging/ringpost.service")

    def settings(self):
        with open(self.UNIT) as f:
            return re.findall(r"^([A-Za-z]+)=(.*)$", f.read(), re.M)

    def test_only_one_capability(self):
        got = dict(self.settings())
        self.assertEqual(got["AmbientCapabilities"], "CAP_NET_BIND_SERVICE")
        self.assertEqual(got["CapabilityBoundingSet"], "CAP_NET_BIND_SERVICE")

    def test_exposure(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")
        done = run("systemd-analyze", "security", "--offline=true",
                   "--no-pager", self.UNIT, env={**os.environ, "LC_ALL": "C"})
        if "offline" in done.stderr:
            self.skipTest("systemd-analyze is too old")
        got = re.search(r"Overall exposure level.*: ([0-9.]+)", done.stdout)
        self.assertTrue(got, done.stdout + done.stderr)
        self.assertLessEqual(float(got[1]), EXPOSURE)

    def test_systemd_takes_every_line(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")
        done = run("systemd-analyze", "verify", "--man=no", self.UNIT,
                   os.path.join(PACKAGING, "ringpost.socket"),
                   env={**os.environ, "LC_ALL": "C"})
        for line in done.stderr.splitlines():
            # The program is not installed here.
            if "ringpost" in line and "is not executable" not in line:
                self.fail(done.stderr)


class Building(unittest.TestCase):
    def test_install_md_names_what_a_build_needs(self):
        with open(os.path.join(ROOT, "debian", "control")) as f:
            needs = re.search(r"^Build-Depends:\n((?: .*\n)+)", f.read(),
                              re.M)[1]
        with open(os.path.join(ROOT, "docs", "install.md")) as f:
            page = f.read().replace("\\\n", " ")
        line = re.search(r"^apt-get install (build-essential .*)$", page,
                         re.M)[1].split()
        for name in re.findall(r"^ ([\w-]+)", needs, re.M):
            with self.subTest(name):
                self.assertIn(name.removesuffix("-compat"), line)


class Configuration(unittest.TestCase):
    FILE = os.path.join(PACKAGING, "ringpost.yaml")

    def test_is_without_a_mistake(self):
        done = run(RINGPOST, "check-config", "--config", self.FILE)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_listens_to_this_machine_alone(self):
        with open(self.FILE) as f:
            addresses = re.findall(r"^ *- address: (\S+)", f.read(), re.M)
        self.assertEqual(addresses, ["127.0.0.1:2525"])
