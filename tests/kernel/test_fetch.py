# SPDX-License-Identifier: Apache-2.0
"""What tests/kernel/fetch makes is whole, or is noticed and made again; steps
that need the network are repeated. Without network, without root."""

import contextlib
import errno
import io
import os
import sys
import tempfile
import threading
import types
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
FOLDER = tempfile.TemporaryDirectory(prefix="ringpost-fetch-")
os.environ["RINGPOST_KERNEL_CACHE"] = FOLDER.name
import debian  # noqa: E402
import machines  # noqa: E402
import paths  # noqa: E402
import userland  # noqa: E402

NAMES = ("usr/bin/linux.uml", "usr/lib/modules/tls.ko", "usr/share/with blank",
         "etc/fstab")


class Quiet(unittest.TestCase):
    def setUp(self):
        self.said = io.StringIO()
        redirect = contextlib.redirect_stdout(self.said)
        redirect.__enter__()
        self.addCleanup(redirect.__exit__, None, None, None)


class Whole(Quiet):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(FOLDER.name, self.id())

    def make(self, below="."):
        with debian.made_whole(self.path, below) as folder:
            for name in NAMES:
                os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
                with open(f"{folder}/{name}", "w") as f:
                    f.write(name)
            os.symlink("nowhere", f"{folder}/usr/bin/dangling")

    def whole(self):
        return debian.is_whole(self.path, "the thing")

    def test_what_was_made_is_whole(self):
        self.assertFalse(self.whole())
        self.make()
        self.assertTrue(self.whole())

    def test_a_stop_leaves_nothing(self):
        with self.assertRaises(KeyboardInterrupt):
            with debian.made_whole(self.path) as folder:
                open(f"{folder}/half", "w").close()
                raise KeyboardInterrupt
        self.assertFalse(os.path.exists(self.path))
        self.assertFalse(self.whole())

    def test_what_a_kill_left_is_thrown_away(self):
        os.makedirs(f"{self.path}.part")
        open(f"{self.path}.part/old", "w").close()
        self.make()
        self.assertFalse(os.path.exists(f"{self.path}/old"))
        self.assertTrue(self.whole())

    def test_a_missing_file_is_noticed(self):
        for name in NAMES:
            self.make()
            os.unlink(f"{self.path}/{name}")
            self.assertFalse(self.whole(), name)
            self.assertIn(name, self.said.getvalue())

    def test_a_short_file_is_noticed(self):
        self.make()
        os.truncate(f"{self.path}/usr/bin/linux.uml", 3)
        self.assertFalse(self.whole())
        self.assertIn("linux.uml has 3 bytes", self.said.getvalue())

    def test_only_what_stays_is_looked_at(self):
        self.make("usr")
        os.unlink(f"{self.path}/etc/fstab")
        os.makedirs(f"{self.path}/usr/lib/__pycache__")
        self.assertTrue(self.whole())

    def test_what_has_no_list_gets_one(self):
        self.make()
        os.unlink(f"{self.path}.files")
        self.assertTrue(self.whole())
        os.unlink(f"{self.path}/etc/fstab")
        self.assertFalse(self.whole())

    def test_one_at_a_time(self):
        order = []

        def second():
            with debian.locked("thing"):
                order.append("second")
        with debian.locked("thing"):
            thread = threading.Thread(target=second)
            thread.start()
            while "waiting" not in self.said.getvalue():
                thread.join(0.01)
            order.append("first")
        thread.join()
        self.assertEqual(order, ["first", "second"])


class Persistence(Quiet):
    def setUp(self):
        super().setUp()
        self.slept = []
        self.time, debian.time = debian.time, types.SimpleNamespace(
            sleep=self.slept.append)
        self.addCleanup(setattr, debian, "time", self.time)

    def step(self, failures):
        def step():
            if len(self.slept) < failures:
                raise debian.Unavailable("the mirror is away")
            return "done"
        return debian.persistently(step)

    def test_a_bad_minute_does_no_harm(self):
        self.assertEqual(self.step(0), "done")
        self.assertEqual(self.slept, [])
        self.assertEqual(self.step(2), "done")
        self.assertEqual(self.slept, list(debian.PAUSES[:2]))

    def test_a_bad_day_is_said(self):
        with self.assertRaisesRegex(debian.Unavailable, "mirror is away"):
            self.step(1000)
        self.assertEqual(self.slept, list(debian.PAUSES))
        self.assertIn("mirror is away", self.said.getvalue())


class Steps(Quiet):
    def test_what_failed_is_shown(self):
        with self.assertRaisesRegex(debian.Unavailable,
                                    r"(?s)this step failed \(3\).*the reason"):
            debian.run_quietly(["sh", "-c", "echo the reason >&2; exit 3"],
                               "this step")

    def test_a_missing_program_is_a_reason(self):
        with self.assertRaisesRegex(debian.Unavailable, "this step"):
            debian.run_quietly(["/nonexistent/program"], "this step")

    def test_what_root_may_not_do_is_a_reason(self):
        def refused():
            raise PermissionError("unshare")
        with self.assertRaisesRegex(debian.Unavailable, "this step"):
            debian.run_quietly(["true"], "this step", preexec_fn=refused)

    def test_nothing_waits_for_ever(self):
        limit, debian.STEP_LIMIT = debian.STEP_LIMIT, 0.1
        self.addCleanup(setattr, debian, "STEP_LIMIT", limit)
        with self.assertRaisesRegex(debian.Unavailable, "not done after"):
            debian.run_quietly(["sleep", "1000"], "this step")


class Mounts(unittest.TestCase):
    @unittest.skipIf(os.geteuid() != 0, "only root enters a chroot")
    def test_why_there_are_none(self):
        """A chroot in a folder that is no mount point."""
        child = os.fork()
        if child == 0:
            os.chroot(FOLDER.name)
            os._exit(userland.own_mounts_error())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.assertIn(status, (errno.EINVAL, errno.EPERM))


class Versions(unittest.TestCase):
    def found(self, version, release):
        return machines.found(types.SimpleNamespace(
            version=version, release=lambda: release))

    def test_what_was_asked_for(self):
        for version, release in (("7.2", "7.2.7"), ("6.1", "6.1.176"),
                                 ("6.1-qemu", "6.1.0-50-amd64")):
            self.assertEqual(self.found(version, release),
                             f"{release} is there")

    def test_what_a_suite_has_become_is_named(self):
        for version, release in (("7.2", "7.20.1"), ("7.2-qemu", "8.0.1-x"),
                                 ("6.1", "6.12.3")):
            self.assertIn("takes its place", self.found(version, release))


class Table(unittest.TestCase):
    LINE = ("byte path: kernel={} version=TLSv1.3 cipher=AES-128-GCM "
            "direction={} path=mapped largest={} limit={} result={}\n")

    def table(self, *lines):
        text = "noise\n" + "... ".join(self.LINE.format(*l) for l in lines)
        return str(paths.table_of(text.encode()))

    def test_a_column_for_each_kernel(self):
        text = self.table(("6.1", "send", 64 << 20, "-", "ok"),
                          ("5.10", "send", 1, "no_x", "unsupported"))
        self.assertRegex(text, "byte path +6.1 +5.10")
        self.assertRegex(text, "send +mapped +ok, 64 MiB +"
                               r"not supported \(expected\)")
        self.assertIn("expected of 5.10: no_x\n", text)
        self.assertIn("2 of 2 as expected, 0 FAILED", text)

    def test_failures_and_what_is_missing_are_counted(self):
        text = self.table(("6.1", "send", 1, "-", "FAILED"),
                          ("6.1", "receive", 1, "-", "ok"),
                          ("5.10", "send", 1, "-", "ok"))
        self.assertIn("FAILED: not run", text)
        self.assertIn("2 of 4 as expected, 2 FAILED", text)


if __name__ == "__main__":
    unittest.main()
