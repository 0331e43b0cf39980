# SPDX-License-Identifier: Apache-2.0
"""ringpost doctor tells the truth: what it says of this kernel is compared
with what the kernel does when asked by other means. The kernel suite runs the
same tests in each of its kernels."""

import errno
import json
import os
import resource
import socket
import struct
import unittest

from harness import fresh_folder, run_program

TCP_ULP, SOL_TLS, TLS_TX, TLS_RX = 31, 282, 1, 2
VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
# linux/tls.h: cipher type; octets of iv, key, salt and record sequence
CIPHERS = {"AES-128-GCM": (51, 8 + 16 + 4 + 8),
           "AES-256-GCM": (52, 8 + 32 + 4 + 8),
           "CHACHA20-POLY1305": (54, 12 + 32 + 0 + 8)}


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        return one, listener.accept()[0]


def has_ulp():
    one, other = tcp_pair()
    with one, other:
        try:
            one.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError:
            return False
        return True


def install(sock, cipher, version, option):
    """errno of the kernel's refusal of such a key, 0 when it took it."""
    number, size = CIPHERS[cipher]
    try:
        sock.setsockopt(SOL_TLS, option, struct.pack(
            "HH", VERSIONS[version], number) + os.urandom(size))
    except OSError as e:
        return e.errno
    return 0


def takes(cipher, version, direction):
    one, other = tcp_pair()
    with one, other:
        one.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        return install(one, cipher, version,
                       TLS_TX if direction == "tx" else TLS_RX) == 0


def rekeys():
    """Does a second key replace the first (Linux 6.14)?"""
    one, other = tcp_pair()
    with one, other:
        one.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        install(one, "AES-128-GCM", "TLSv1.3", TLS_TX)
        return install(one, "AES-128-GCM", "TLSv1.3", TLS_TX) != errno.EBUSY


def release():
    return tuple(int(n) for n in os.uname().release.split(".")[:2])


class Truth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = run_program("doctor", "--json")
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.report = json.loads(done.stdout)
        cls.tls = cls.report["kernel_tls"]

    def test_kernel(self):
        self.assertEqual(self.report["kernel"]["release"], os.uname().release)
        self.assertEqual(self.report["kernel"]["machine"], os.uname().machine)

    def test_kernel_tls(self):
        self.assertEqual(self.tls["usable"], has_ulp(), self.tls["reason"])

    def test_each_cipher_version_and_direction(self):
        here = has_ulp()
        for c in self.tls["ciphers"]:
            with self.subTest(c["cipher"] + c["version"] + c["direction"]):
                really = here and takes(c["cipher"], c["version"],
                                        c["direction"])
                self.assertEqual(c["present"], really, c)

    def test_rekey(self):
        if not has_ulp():
            self.assertFalse(self.tls["usable"])
            return
        said = {f["name"]: f["present"] for f in self.tls["features"]}
        self.assertEqual(said["rekey_tx"], rekeys())

    def test_path(self):
        taken = [c["present"] for c in self.tls["ciphers"]]
        self.assertEqual(self.report["path"], "kernel" if all(taken) else
                         "mixed" if any(taken) else "user")

    def test_each_capability_has_its_use_and_a_mend(self):
        for feature in self.report["io_uring"]["features"]:
            for key in ("used_for", "since", "cost", "mend"):
                self.assertTrue(feature[key], feature)
        for feature in self.tls["features"]:
            for key in ("used_for", "since", "cost"):
                self.assertTrue(feature[key], feature)
        for c in self.tls["ciphers"]:
            self.assertEqual(bool(c["mend"]), not c["present"], c)

    def ways(self, report=None):
        return {w["connection"]: w["way"]
                for w in (report or self.report)["ways"]}

    def test_ways_of_connections(self):
        """What the kernel takes decides, for clients and next hops alike."""
        ways, here = self.ways(), has_ulp()
        for cipher in CIPHERS:
            for version in VERSIONS:
                taken = sum(here and takes(cipher, version, direction)
                            for direction in ("tx", "rx"))
                for who in ("clients", "next hops"):
                    self.assertEqual(
                        ways[f"{who}, {version} {cipher}"],
                        ("user", "part", "kernel")[taken])
        self.assertEqual(ways["other ciphers"], "user")

    def test_ways_of_what_goes_over_them(self):
        ways = self.ways()
        here = has_ulp()
        self.assertEqual(ways.get("bodies, kernel TLS"),
                         "kernel" if here else None)
        self.assertEqual(ways["bodies, user space TLS"], "user")
        self.assertEqual(ways["receiving"], "kernel" if here else "user")
        self.assertEqual(ways["cut-through, DATA"], "copy")
        features = {f["name"]: f["present"]
                    for f in self.report["io_uring"]["features"]}
        self.assertEqual(
            ways["cut-through, BDAT"],
            "kernel" if here and features["op_splice"]
            and features["multishot_recv"] and features["buf_ring"]
            else "copy")
        self.assertEqual(ways["new keys (KeyUpdate)"],
                         "user" if not here else
                         "kernel" if rekeys() else "refused")

    def with_config(self, **settings):
        path = os.path.join(fresh_folder("doctor"), "ringpost.yaml")
        with open(path, "w") as f:
            json.dump({"hostname": "relay.example.test",
                       "spool": {"path": "/var/spool/ringpost"},
                       "listen": [{"address": "127.0.0.1:2525"}],
                       "routes": [{"match": "*", "tls": "may",
                                   "next_hop": "127.0.0.1:2526"}],
                       **settings}, f)
        done = run_program("doctor", "--json", "--config", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.ways(json.loads(done.stdout))

    def test_ways_follow_the_configuration(self):
        never = self.with_config(offload="never")
        self.assertEqual(
            {way for name, way in never.items()
             if name.startswith(("clients", "next hops"))}, {"user"})
        self.assertNotIn("cut-through, BDAT", never)
        always = self.with_config(offload="always")
        self.assertEqual(always["clients, TLSv1.3 AES-128-GCM"],
                         "kernel" if has_ulp() else "refused")
        self.assertEqual(always["other ciphers"], "refused")

    def test_text_ends_with_the_ways(self):
        text = run_program("doctor").stdout
        head, _, tail = text.rpartition("\n\n")
        lines = tail.splitlines()
        self.assertEqual(lines[0], "ways of connections")
        labels = [line[2:40].strip() for line in lines[1:]
                  if line[2] != " "]
        self.assertEqual(labels,
                         [w["connection"] for w in self.report["ways"]])
        self.assertIn("result ", head)

    def test_where_kernel_tls_is_expected_it_is(self):
        if os.environ.get("RINGPOST_KTLS_EXPECTED"):
            self.assertTrue(self.tls["usable"], self.tls["reason"])

    def test_a_reason_is_given_when_it_is_missing(self):
        self.assertEqual(self.tls["reason"] == "", self.tls["usable"])

    def test_io_uring_is_no_older_than_the_kernel(self):
        # Features are carried back: they may be earlier than that, not later.
        self.assertTrue(self.report["io_uring"]["usable"])
        if self.report["io_uring"]["forced_older"]:
            return
        for feature in self.report["io_uring"]["features"]:
            since = tuple(int(n) for n in feature["since"].split("."))
            if release() >= since:
                self.assertTrue(feature["present"] or feature["instead"],
                                feature)

    def test_limits(self):
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(self.report["limits"]["open_files"]["soft"], soft)
        self.assertEqual(self.report["limits"]["cores"],
                         len(os.sched_getaffinity(0)))

    def test_text_says_the_same(self):
        text = run_program("doctor").stdout
        self.assertIn(os.uname().release, text)
        self.assertRegex(text, r"(?m)^kernel TLS +" + (
            "works|partly" if has_ulp() else "not here"))


if __name__ == "__main__":
    unittest.main()
