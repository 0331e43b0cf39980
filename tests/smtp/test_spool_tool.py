# SPDX-License-Identifier: Apache-2.0
"""ringpost spool check and recover, on spools that a relay wrote, then
damaged; and spools that were copied elsewhere."""

import glob
import json
import os
import shutil
import subprocess
import unittest

from harness import Relay, Sink, fresh_folder, run_program

EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_TEMPFAIL = 0, 64, 65, 66, 75
SOON = {"schedule": ["500ms"], "expire": "24h"}
NEVER = {"schedule": ["1h"], "expire": "24h"}
HEADER = 64


def mail(tag, size=300):
    line = f"{tag} is here\r\n".encode()
    return (f"X-Tag: {tag}\r\nSubject: test\r\n\r\n".encode()
            + line * (size // len(line) + 1))


class SpoolTest(unittest.TestCase):

    def relay(self, next_hop=9, **config):
        config["spool"] = {"segment_size": "1MiB", **config.get("spool", {})}
        relay = Relay(next_hop, workers=1, **config)
        self.addCleanup(relay.kill)
        return relay

    def filled(self, *bodies, **config):
        """The spool of a relay that took these and could deliver none."""
        relay = self.relay(retry=SOON, **config).start()
        for body in bodies:
            self.assertEqual(relay.send(body, tls=False).code, 250)
        relay.stop()
        return relay.config["spool"]["path"]

    def three(self):
        return self.filled(mail("first"), mail("second"), mail("third"))

    def tool(self, verb, spool, code):
        done = run_program("spool", verb, "--json", spool)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)["logs"][0]

    def segments(self, spool):
        return sorted(glob.glob(os.path.join(spool, "worker-0", "*.log")))

    def segment_with(self, spool, words):
        for path in self.segments(spool):
            with open(path, "rb") as f:
                if words in f.read():
                    return path
        self.fail(f"{words} is in no segment")

    def damage(self, spool, words, size=1):
        """Turns over the first bits of these words; says where."""
        path = self.segment_with(spool, words)
        with open(path, "r+b") as f:
            at = f.read().index(words)
            f.seek(at)
            f.write(bytes(b ^ 1 for b in words[:size]))
        return os.path.basename(path), at

    def contents(self, spool):
        """Every file's name and bytes."""
        found = {}
        for path in glob.glob(os.path.join(spool, "**"), recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    found[os.path.relpath(path, spool)] = f.read()
        return found

    def delivered(self, spool):
        """The tags of what a relay delivers from that spool."""
        with Sink(bounces_apart=True) as sink:
            relay = self.relay(sink.port, spool={"path": spool}).start()
            expected = sum(int(e["queued"]) for e in
                           relay.find_events("spool.opened"))
            sink.wait(expected)
            relay.stop()
            return sorted(m.data.partition(b"X-Tag: ")[2]
                          .partition(b"\r\n")[0].decode()
                          for m in sink.messages)


class Usage(SpoolTest):
    def expect(self, *words, code, err=""):
        done = run_program("spool", *words)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(err, done.stderr)
        return done.stdout

    def test_verbs_and_folder_are_needed(self):
        self.expect(code=EX_USAGE, err="check or recover?")
        self.expect("chek", "/", code=EX_USAGE, err="chek")
        self.expect("check", code=EX_USAGE, err="DIR is missing")
        self.expect("check", "/", "/", code=EX_USAGE, err="unexpected")

    def test_help(self):
        out = self.expect("check", "--help", code=EX_OK)
        self.assertIn("recover makes a damaged spool usable", out)

    def test_no_spool_there(self):
        folder = fresh_folder("empty")
        for verb in ("check", "recover"):
            self.expect(verb, folder, code=EX_NOINPUT, err="no spool there")
            self.expect(verb, folder + "/x", code=EX_NOINPUT, err="no spool there")
        self.assertEqual(os.listdir(folder), [])


class Check(SpoolTest):
    def test_counts(self):
        spool = self.filled(mail("small"), mail("big", 600_000))
        log = self.tool("check", spool, EX_OK)
        found = log["found"]
        self.assertEqual(log["lock"], "free")
        self.assertEqual(log["problems"], [])
        self.assertEqual((found["messages"], found["recipients"]), (2, 2))
        self.assertEqual(found["records"]["message"], 2)
        self.assertEqual(found["records"]["chunk"], 2)
        self.assertGreater(found["live_bytes"], 600_000)
        self.assertEqual(found["segments"], len(self.segments(spool)))

    def test_one_worker_s_folder(self):
        spool = self.three()
        log = self.tool("check", os.path.join(spool, "worker-0"), EX_OK)
        self.assertEqual(log["found"]["messages"], 3)

    def test_text_says_the_same(self):
        done = run_program("spool", "check", self.three())
        self.assertEqual(done.returncode, EX_OK, done.stderr)
        self.assertIn("queued      3 messages, 3 recipients", done.stdout)

    def test_while_a_relay_runs(self):
        relay = self.relay(retry=NEVER).start()
        relay.send(mail("first"), tls=False)
        spool = relay.config["spool"]["path"]
        log = self.tool("check", spool, EX_OK)
        self.assertEqual(log["lock"], "held")
        self.assertEqual(log["found"]["messages"], 1)
        relay.stop()

    def test_says_where_damage_is(self):
        spool = self.three()
        name, at = self.damage(spool, b"second is here")
        log = self.tool("check", spool, EX_DATAERR)
        self.assertEqual(log["found"]["messages"], 2)
        self.assertEqual(log["found"]["bad_records"], 1)
        problem, = log["problems"]
        self.assertEqual(problem["kind"], "damaged")
        self.assertEqual(problem["file"], name)
        self.assertEqual(problem["bad_checksums"], 1)
        self.assertLessEqual(problem["from"], at)
        self.assertGreater(problem["to"], at)
        done = run_program("spool", "check", spool)
        self.assertIn(f"{name}:{problem['from']}: damaged", done.stdout)

    def test_a_torn_end_is_no_damage(self):
        spool = self.three()
        path = self.segment_with(spool, b"third is here")
        with open(path, "r+b") as f:
            f.truncate(f.read().index(b"third is here"))
        log = self.tool("check", spool, EX_OK)
        self.assertEqual(log["found"]["messages"], 2)
        self.assertEqual([p["kind"] for p in log["problems"]], ["torn"])

    def test_a_start_says_it_too(self):
        spool = self.three()
        name, at = self.damage(spool, b"second is here")
        relay = self.relay(spool={"path": spool}).start()
        told = relay.wait_event("spool.damage_at")
        self.assertEqual(told["file"], name)
        self.assertLessEqual(int(told["offset"]), at)
        relay.stop()

    def test_a_stop_says_how_mail_was_committed(self):
        relay = self.relay(retry=NEVER).start()
        for _ in range(3):
            relay.send(mail("first"), tls=False)
        relay.stop()
        closed = relay.wait_event("spool.closed")
        self.assertEqual(int(closed["accepted"]), 3)
        self.assertGreaterEqual(int(closed["commits"]), 3)
        self.assertGreaterEqual(int(closed["batch_max"]), 1)

    def test_changes_nothing(self):
        spool = self.three()
        self.damage(spool, b"second is here")
        os.remove(os.path.join(spool, "worker-0", "lock"))
        before = self.contents(spool)
        log = self.tool("check", spool, EX_DATAERR)
        self.assertEqual(log["lock"], "missing")
        self.assertEqual(self.contents(spool), before)


class Recover(SpoolTest):
    def recover(self, spool):
        log = self.tool("recover", spool, EX_OK)
        again = self.tool("check", spool, EX_OK)
        self.assertEqual(again["problems"], [])
        return log["recovered"]

    def test_refuses_while_a_relay_runs(self):
        relay = self.relay(retry=NEVER).start()
        relay.send(mail("first"), tls=False)
        spool = relay.config["spool"]["path"]
        before = self.segments(spool)
        log = self.tool("recover", spool, EX_TEMPFAIL)
        self.assertIn("in use by another process", log["error"])
        self.assertIsNone(log["recovered"])
        self.assertEqual(self.segments(spool), before)
        relay.stop()
        log = self.tool("check", spool, EX_OK)
        self.assertEqual(log["found"]["messages"], 1)

    def test_nothing_to_do(self):
        spool = self.three()
        did = self.recover(spool)
        self.assertIsNone(did["set_aside_in"])
        self.assertEqual(self.delivered(spool), ["first", "second", "third"])

    def test_a_damaged_record(self):
        spool = self.three()
        name, at = self.damage(spool, b"second is here")
        did = self.recover(spool)
        self.assertEqual(did["ranges_given_up"], 1)
        self.assertEqual(did["after"]["messages"], 2)
        with open(os.path.join(did["set_aside_in"], name), "rb") as f:
            f.seek(at)
            self.assertEqual(f.read(14), b"recond is here")
        self.assertEqual(self.delivered(spool), ["first", "third"])

    def test_a_message_that_lost_a_chunk(self):
        spool = self.filled(mail("big", 600_000), mail("small"))
        self.damage(spool, b"big is here")
        did = self.recover(spool)
        self.assertEqual(did["messages_cut"], 1)
        left, = glob.glob(os.path.join(did["set_aside_in"], "*.eml"))
        with open(left, "rb") as f:
            text = f.read()
        self.assertIn(b"X-Ringpost-From: <from@example.test>\r\n", text)
        self.assertIn(b"X-Ringpost-To: <to@example.test>\r\n", text)
        self.assertIn(b"X-Ringpost-Missing: bytes 0 to ", text)
        self.assertGreater(text.count(b"big is here"), 10_000)
        self.assertEqual(self.delivered(spool), ["small"])

    def test_a_torn_end(self):
        spool = self.three()
        path = self.segment_with(spool, b"third is here")
        with open(path, "r+b") as f:
            f.truncate(f.read().index(b"third is here"))
        did = self.recover(spool)
        self.assertGreater(did["torn_bytes_cut"], 0)
        self.assertIsNone(did["set_aside_in"])
        self.assertEqual(self.delivered(spool), ["first", "second"])

    def test_lock_and_a_segment_s_header(self):
        spool = self.three()
        with open(self.segment_with(spool, b"first is here"), "r+b") as f:
            f.write(b"\xff" * HEADER)
        did = self.recover(spool)
        self.assertEqual(did["headers_made"], 1)
        os.remove(os.path.join(spool, "worker-0", "lock"))
        self.recover(spool)
        self.assertEqual(self.delivered(spool), ["first", "second", "third"])

    def test_what_is_no_segment_is_moved(self):
        spool = self.three()
        os.mkdir(os.path.join(spool, "worker-0", "0000000000000099.log"))
        problem, = self.tool("check", spool, EX_DATAERR)["problems"]
        self.assertEqual(problem["kind"], "file")
        did = self.recover(spool)
        self.assertEqual(did["files_moved"], 1)
        self.assertEqual(self.delivered(spool), ["first", "second", "third"])

    def test_without_any_seed_all_is_set_aside(self):
        spool = self.three()
        os.remove(os.path.join(spool, "worker-0", "lock"))
        for path in self.segments(spool):
            with open(path, "r+b") as f:
                f.write(b"\xff" * HEADER)
        log = self.tool("check", spool, EX_DATAERR)
        self.assertIn("seed", [p["kind"] for p in log["problems"]])
        # There is nothing left that could be given up: all is elsewhere.
        did = self.tool("recover", spool, EX_DATAERR)["recovered"]
        aside = b"".join(self.contents(did["set_aside_in"]).values())
        self.assertIn(b"second is here", aside)
        self.assertEqual(self.tool("check", spool, EX_OK)["problems"], [])
        self.assertEqual(self.delivered(spool), [])


class Copied(SpoolTest):
    """A spool on another machine: copied in the usual ways, it is as good as
    the first one, also with mail of which a part was given back."""

    def copied(self, *command, shell=None):
        spool = self.filled(mail("small"), mail("big", 600_000),
                            mail("last"))
        there = os.path.join(fresh_folder("copy"), "spool")
        subprocess.run([w.format(spool, there) for w in command]
                       if command else shell.format(spool, there),
                       shell=not command, check=True)
        shutil.rmtree(spool)
        log = self.tool("check", there, EX_OK)
        self.assertEqual(log["found"]["messages"], 3)
        self.assertEqual(self.delivered(there), ["big", "last", "small"])

    def test_cp(self):
        self.copied("cp", "-a", "{0}", "{1}")

    def test_cp_with_more_holes(self):
        self.copied("cp", "-a", "--sparse=always", "{0}", "{1}")

    def test_cp_without_holes(self):
        self.copied("cp", "-a", "--sparse=never", "{0}", "{1}")

    def test_tar(self):
        self.copied(shell="mkdir {1}; tar -C {0} -cf - . | tar -C {1} -xf -")

    def test_tar_sparse(self):
        self.copied(shell="mkdir {1}; tar -C {0} -cSf - . | tar -C {1} -xf -")


if __name__ == "__main__":
    unittest.main(verbosity=2)
