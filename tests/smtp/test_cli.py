# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes (sysexits), what goes to which stream."""

import json
import os
import re
import subprocess
import unittest

from harness import ROOT, RINGPOST, certificates, fresh_folder, run_program

EX_OK, EX_USAGE, EX_NOINPUT, EX_IOERR, EX_CONFIG = 0, 64, 66, 74, 78

COMMANDS = ("serve", "check-config", "doctor")


def write_config(text, name="ringpost.yaml", encoding="utf-8"):
    path = os.path.join(fresh_folder("cli"), name)
    with open(path, "w", encoding=encoding) as f:
        f.write(text)
    return path


def config(certificate=None, key=None, extra="", tls=""):
    certs = certificates()
    return f"""\
hostname: relay.example.test
spool: {{path: spool}}
listen:
  - address: "127.0.0.1:2525"
    tls: {{certificate: {certificate or certs.certificate}, key: \
{key or certs.key}{tls}}}
relay_from: ["127.0.0.0/8", "::1/128"]
routes:
  - {{match: "*", next_hop: "127.0.0.1:2526", tls: encrypt}}
{extra}"""


class Cli(unittest.TestCase):
    def expect(self, args, code, out=None, err=None):
        """out, err: text that must be there; "" for nothing at all."""
        done = run_program(*args)
        said = f"\nstdout: {done.stdout}\nstderr: {done.stderr}"
        self.assertEqual(done.returncode, code, said)
        for part, got in ((out, done.stdout), (err, done.stderr)):
            if part == "":
                self.assertEqual(got, "", said)
            elif part is not None:
                self.assertIn(part, got)
        return done


class Usage(Cli):
    def test_version(self):
        for word in ("--version", "-V", "version"):
            done = self.expect([word], EX_OK, err="")
            self.assertRegex(done.stdout, r"\Aringpost \d+\.\d+\.\d+\n\Z")

    def test_help_goes_to_standard_output(self):
        for word in ("--help", "-h", "help"):
            done = self.expect([word], EX_OK, err="")
            for command in COMMANDS:
                self.assertIn(command, done.stdout)

    def test_every_command_has_help(self):
        for command in COMMANDS:
            for args in ([command, "--help"], [command, "-h"],
                         ["help", command]):
                done = self.expect(args, EX_OK, err="",
                                   out=f"Usage: ringpost {command}")
                self.assertIn("--config FILE", done.stdout)

    def test_help_fits_a_terminal(self):
        for args in (["help"], *(["help", c] for c in COMMANDS)):
            for line in run_program(*args).stdout.splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_help_wins_over_what_is_missing(self):
        self.expect(["serve", "--help"], EX_OK, err="")

    def test_no_command(self):
        self.expect([], EX_USAGE, out="", err="Usage: ringpost COMMAND")

    def test_unknown_command(self):
        self.expect(["dance"], EX_USAGE, out="",
                    err="ringpost: unknown command 'dance'\n")
        self.expect(["help", "dance"], EX_USAGE, out="",
                    err="unknown command 'dance'")

    def test_nearly_a_command(self):
        self.expect(["docter"], EX_USAGE, out="",
                    err="unknown command 'docter'; did you mean 'doctor'?")

    def test_unknown_option(self):
        for command in COMMANDS:
            done = self.expect([command, "--colour"], EX_USAGE, out="",
                               err="unknown option --colour")
            self.assertIn(f"Usage: ringpost {command}", done.stderr)

    def test_option_of_another_command(self):
        self.expect(["check-config", "--json", "--config", "x"], EX_USAGE,
                    out="", err="unknown option --json")

    def test_option_without_its_value(self):
        self.expect(["serve", "--config"], EX_USAGE, out="",
                    err="a value is missing after --config")

    def test_config_is_missing(self):
        for command in ("serve", "check-config"):
            self.expect([command], EX_USAGE, out="",
                        err="--config FILE is missing")

    def test_one_word_too_many(self):
        self.expect(["doctor", "now"], EX_USAGE, out="",
                    err="unexpected argument now")

    def test_output_that_nobody_takes(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([RINGPOST, "--version"], stdout=full,
                                  stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, EX_IOERR)


class CheckConfig(Cli):
    def check(self, path, code, **said):
        return self.expect(["check-config", "--config", path], code, **said)

    def test_right_file(self):
        path = write_config(config())
        done = self.check(path, EX_OK, err="", out=f"{path}: ok\n")
        for part in ("relay.example.test", "127.0.0.1:2525",
                     "1 certificate", "2 networks",
                     "* to 127.0.0.1:2526, TLS encrypt", "sync", "auto"):
            self.assertIn(part, done.stdout)

    def test_the_example(self):
        self.check(os.path.join(ROOT, "docs", "ringpost.yaml.example"),
                   EX_OK, err="", out="ok\n")

    def test_nobody_may_relay_is_said(self):
        text = re.sub("relay_from.*\n", "", config())
        self.check(write_config(text), EX_OK, err="",
                   out="nobody: all mail will be refused")

    def test_all_mistakes_with_their_places(self):
        path = write_config("hostname: a b\nspol: {}\n" + config(
            extra="offload: sometimes\n").replace("hostname", "#"))
        done = self.check(path, EX_CONFIG, out="")
        lines = done.stderr.splitlines()
        self.assertEqual([line[:len(path) + 5] for line in lines],
                         [f"{path}:1:11", f"{path}:2:1:", f"{path}:11:1"],
                         done.stderr)
        for line in lines:
            self.assertRegex(line[len(path):], r"\A:\d+:\d+: .+; expected ")

    def test_mistakes_stop_serve(self):
        path = write_config(config(extra="offload: sometimes\n"))
        self.expect(["serve", "--config", path], EX_CONFIG, out="",
                    err=f"{path}:9:10: 'offload' is 'sometimes'")

    def test_mistakes_stop_doctor(self):
        path = write_config("a: 1\n")
        self.expect(["doctor", "--config", path], EX_CONFIG, out="",
                    err="unknown key 'a'")

    def test_no_such_file(self):
        for command in COMMANDS:
            self.expect([command, "--config", "/nowhere/r.yaml"], EX_NOINPUT,
                        out="", err="/nowhere/r.yaml: No such file or "
                                    "directory; expected")

    def test_folder_instead_of_a_file(self):
        self.check("/tmp", EX_IOERR, out="", err="/tmp: Is a directory")

    def test_paths_start_in_the_folder_of_the_file(self):
        certs = certificates()
        path = write_config(config("cert.pem", "key.pem"))
        for name, source in (("cert.pem", certs.certificate),
                             ("key.pem", certs.key)):
            os.symlink(source, os.path.join(os.path.dirname(path), name))
        self.check(path, EX_OK, err="", out="ok\n")

    def test_key_of_another_certificate(self):
        certs = certificates()
        path = write_config(config(certs.certificate, certs.other_key))
        done = self.check(path, EX_CONFIG, out="",
                          err=f"{path}:4:5: TLS of 127.0.0.1:2525: ")
        self.assertIn("does not belong", done.stderr)

    def test_certificate_that_is_none(self):
        path = write_config(config(__file__))
        self.check(path, EX_CONFIG, out="",
                   err=f"{path}:4:5: TLS of 127.0.0.1:2525: ")

    def test_unknown_cipher(self):
        path = write_config(config(tls=", ciphers: ROT13"))
        self.check(path, EX_CONFIG, out="", err="TLS of 127.0.0.1:2525: ")

    def test_trust_anchors_that_are_none(self):
        path = write_config(config().replace(
            "tls: encrypt", f"tls: {{level: verify, ca_file: {__file__}}}"))
        self.check(path, EX_CONFIG, out="",
                   err=f"{path}:8:5: TLS of 127.0.0.1:2526: ")

    def test_bad_certificates_of_all_listeners(self):
        certs = certificates()
        text = config(certs.certificate, certs.other_key).replace(
            "relay_from", f"""\
  - address: "127.0.0.1:2600"
    tls: {{certificate: {certs.other}, key: {certs.key}}}
relay_from""")
        done = self.check(write_config(text), EX_CONFIG, out="")
        self.assertEqual(len(done.stderr.splitlines()), 2, done.stderr)


class Doctor(Cli):
    def report(self, *args, code=EX_OK):
        return json.loads(self.expect(["doctor", "--json", *args], code,
                                      err="").stdout)

    def test_text(self):
        done = self.expect(["doctor"], EX_OK, err="", out="io_uring")
        self.assertIn(os.uname().release, done.stdout)
        self.assertIn("kernel TLS", done.stdout)
        self.assertIn("OpenSSL", done.stdout)

    def test_json(self):
        report = self.report()
        self.assertTrue(report["can_run"])
        self.assertEqual(report["kernel"]["release"], os.uname().release)
        self.assertTrue(report["io_uring"]["usable"])
        self.assertEqual(report["limits"]["cores"],
                         len(os.sched_getaffinity(0)))
        self.assertIn(report["path"], ("user", "mixed", "kernel"))
        self.assertTrue(report["libraries"]["openssl"].startswith("OpenSSL"))

    def test_kernel_tls_agrees_with_itself(self):
        tls = self.report()["kernel_tls"]
        self.assertEqual(
            {(c["cipher"], c["version"], c["direction"])
             for c in tls["ciphers"]},
            {(c, v, d)
             for c in ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305")
             for v in ("TLSv1.2", "TLSv1.3") for d in ("tx", "rx")})
        for cipher in tls["ciphers"]:
            self.assertEqual(cipher["present"], cipher["error"] == "")
        self.assertEqual(tls["usable"], tls["reason"] == "")
        if not tls["usable"]:
            self.assertFalse(any(c["present"] for c in tls["ciphers"]))

    def test_forced_older_io_uring(self):
        done = run_program("doctor", "--json",
                           env=dict(os.environ, RINGPOST_URING="5.10"))
        uring = json.loads(done.stdout)["io_uring"]
        self.assertTrue(uring["forced_older"])
        present = {f["name"] for f in uring["features"] if f["present"]}
        self.assertNotIn("multishot_recv", present)
        self.assertNotIn("buf_ring", present)

    def test_configuration_is_weighed(self):
        path = write_config(config(extra="offload: never\n"))
        report = self.report("--config", path)
        self.assertEqual(report["config"], path)
        self.assertEqual(report["path"], "user")
        self.assertTrue(any("offload: never" in s for s in report["summary"]))


if __name__ == "__main__":
    unittest.main()
