# SPDX-License-Identifier: Apache-2.0
"""ringpost queue: looking at the queue of a running relay and acting on it."""

import base64
import json
import os
import shutil
import socket
import stat
import subprocess
import threading
import unittest

from harness import (RINGPOST, Relay, Sink, fresh_folder, free_port,
                     run_program, wait_until)


def socket_of(relay):
    return os.path.join(relay.config["spool"]["path"], "admin.sock")


def queue(relay, *args):
    """Runs ringpost queue on a relay."""
    return run_program("queue", *args, "--socket", socket_of(relay))


def lines(relay, *args):
    """The answer's lines, which must be a success."""
    done = queue(relay, *args, "--json")
    if done.returncode:
        raise AssertionError(f"{args}: {done.returncode} {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def of_type(answer, name):
    return [line for line in answer if line["type"] == name]


def entries(relay, *args):
    return of_type(lines(relay, "list", "--limit", "0", *args), "entry")


def wait_for_an_attempt(relay):
    """Until the dead next hop was found to be dead: then one message is
    deferred, and all is quiet."""
    wait_until(lambda: any(
        row["unreachable"] for row in of_type(lines(relay, "summary"),
                                              "destination")), "an attempt")


def ask(relay, text):
    """Says text on the admin socket; the first line back."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(socket_of(relay))
        try:
            s.sendall(text)
        except BrokenPipeError:
            pass
        answer = s.makefile("rb").readline()
    return json.loads(answer) if answer else None


class Looking(unittest.TestCase):
    """Mail for a dead next hop."""

    COUNT = 30

    @classmethod
    def setUpClass(cls):
        # Nobody listens there; and the first attempt is the only one.
        cls.relay = Relay(free_port(), retry={"schedule": ["1h"],
                                              "expire": "2h"}).start()
        cls.addClassCleanup(cls.relay.kill)
        with cls.relay.client() as client:
            client.greet()
            for n in range(cls.COUNT):
                client.envelope(f"from{n % 3}@a.test",
                                [f"to{n}@one.test"] if n % 2 else
                                [f"to{n}@two.test", "also@three.test"])
                client.data(b"Subject: %d\r\nX-Tag: t\r\n\r\nbody %d\r\n"
                            % (n, n))
        wait_for_an_attempt(cls.relay)

    @classmethod
    def tearDownClass(cls):
        cls.relay.stop()

    def test_summary_counts_all(self):
        answer = lines(self.relay, "summary")
        [row] = of_type(answer, "destination")
        self.assertEqual(row["destination"],
                         self.relay.config["routes"][0]["next_hop"])
        self.assertEqual(row["queued"], self.COUNT)
        self.assertEqual(row["ready"] + row["deferred"] + row["active"],
                         self.COUNT)
        self.assertEqual(row["code"], 451)
        self.assertTrue(row["unreachable"])

    def test_summary_says_how_mail_was_committed(self):
        spool = lines(self.relay, "summary")[-1]["spool"]
        self.assertEqual(spool["accepted"], self.COUNT)
        self.assertGreaterEqual(spool["batch_max"], 1)
        self.assertGreaterEqual(spool["batch_sum"], self.COUNT)
        self.assertEqual(sum(spool["batch_buckets"]), spool["commits"])
        self.assertEqual(sum(spool["commit_us_buckets"]), spool["commits"])
        self.assertEqual(spool["failures"], 0)

    def test_list_in_order_with_what_operators_ask_for(self):
        listed = entries(self.relay)
        self.assertEqual(len(listed), self.COUNT)
        ids = [e["id"] for e in listed]
        self.assertEqual(ids, sorted(ids))
        first = listed[0]
        self.assertEqual(first["sender"], "from0@a.test")
        self.assertEqual(first["recipient"], "to0@two.test")
        self.assertEqual(first["recipients"], 2)
        self.assertIn(first["state"], ("ready", "deferred"))

    def test_filters_combine(self):
        self.assertEqual(len(entries(self.relay, "--domain", "one.test")),
                         self.COUNT // 2)
        self.assertEqual(len(entries(self.relay, "--sender",
                                     "from1@a.test")), self.COUNT // 3)
        self.assertEqual(
            [e["recipient"] for e in entries(
                self.relay, "--domain", "one.test", "--sender", "@a.test",
                "--recipient", "to7@one.test", "--newer-than", "1h")],
            ["to7@one.test"])
        self.assertEqual(entries(self.relay, "--older-than", "1h"), [])
        self.assertEqual(entries(self.relay, "--state", "held"), [])

    def test_by_last_reply(self):
        tried = entries(self.relay, "--reply", "451 4.4.1")
        self.assertTrue(tried)
        self.assertEqual({e["code"] for e in tried}, {451})
        self.assertEqual(entries(self.relay, "--reply", "greylisted"), [])

    def test_pages(self):
        seen, after = [], []
        while True:
            answer = lines(self.relay, "list", "--limit", "7", *after)
            seen += [e["id"] for e in of_type(answer, "entry")]
            if not answer[-1]["more"]:
                break
            after = ["--after", answer[-1]["after"]]
        self.assertEqual(len(seen), self.COUNT)
        self.assertEqual(len(set(seen)), self.COUNT)

    def test_show(self):
        entry = entries(self.relay)[4]
        answer = lines(self.relay, "show", entry["id"])
        [message] = of_type(answer, "message")
        self.assertEqual(message["sender"], entry["sender"])
        self.assertEqual({r["recipient"] for r in
                          of_type(answer, "recipient")},
                         {"to4@two.test", "also@three.test"})
        headers = b"".join(base64.b64decode(b["base64"])
                           for b in of_type(answer, "bytes"))
        self.assertIn(b"id " + entry["id"].encode(), headers)
        self.assertIn(b"Subject: 4\r\n", headers)
        self.assertNotIn(b"body 4", headers)

    def test_show_content(self):
        entry = entries(self.relay)[4]
        done = subprocess.run(
            [RINGPOST, "queue", "show", entry["id"], "--content", "--socket",
             socket_of(self.relay)], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout.startswith(b"Received: "))
        self.assertTrue(done.stdout.endswith(
            b"Subject: 4\r\nX-Tag: t\r\n\r\nbody 4\r\n"))

    def test_tables_align(self):
        for args in (("summary",), ("list",)):
            done = queue(self.relay, *args)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = done.stdout.splitlines()
            self.assertGreater(len(rows), 2)
        head = rows[0]
        for row in rows[1:]:
            if row.startswith(" "):
                continue    # a reply
            self.assertEqual(row.index("<"), head.index("SENDER"), row)

    def test_unknown_message(self):
        done = queue(self.relay, "show", "0123456789ABC")
        self.assertEqual(done.returncode, 66)
        self.assertIn("0123456789ABC", done.stderr)

    def test_mistakes(self):
        for args in ((), ("nonsense",), ("list", "--nonsense"),
                     ("list", "--limit", "x"),
                     ("show",), ("show", "xyz"),
                     ("list", "--older-than", "soon"), ("summary", "x")):
            done = queue(self.relay, *args)
            self.assertEqual(done.returncode, 64, args)
            self.assertTrue(done.stderr, args)

    def test_help(self):
        for args in (("queue", "--help"), ("help", "queue")):
            done = run_program(*args)
            self.assertEqual(done.returncode, 0)
            self.assertIn("--older-than", done.stdout)

    def test_finds_the_relay_by_its_configuration(self):
        done = run_program("queue", "summary", "--config", os.path.join(
            self.relay.folder, "ringpost.yaml"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("TOTAL", done.stdout)

    def test_hostile_requests_hurt_nobody(self):
        for text in (b"\n", b"{}\n", b"[" * 70000 + b"\n", b"\xff\xfe\n",
                     b"x" * 200000, b'{"command":"list","filter":7}\n'):
            answer = ask(self.relay, text)
            # A client that still sends may find the connection closed.
            if answer:
                self.assertEqual(answer["type"], "error", text[:40])
        self.assertEqual(len(entries(self.relay)), self.COUNT)

    def test_several_requests_on_one_connection(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(socket_of(self.relay))
            s.sendall(b'{"command":"list","limit":1}\n'
                      b'{"command":"summary"}\n')
            answer = s.makefile("rb")
            seen = [json.loads(answer.readline())["type"] for _ in range(4)]
        self.assertEqual(seen, ["entry", "done", "destination", "done"])


class Domains(unittest.TestCase):
    """Mail by MX, while no name server answers."""

    def test_by_domain(self):
        with Relay(route={"next_hop": "mx"},
                   resolver={"servers": [f"127.0.0.1:{free_port()}"],
                             "timeout": "500ms"},
                   retry={"schedule": ["1h"], "expire": "2h"}) as relay:
            for n in range(6):
                relay.send(recipients=[f"x@d{n % 3}.test", "y@d3.test"])
            rows = of_type(lines(relay, "summary", "--by", "domain"),
                           "domain")
            self.assertEqual({r["domain"]: r["queued"] for r in rows},
                             {"d0.test": 2, "d1.test": 2, "d2.test": 2,
                              "d3.test": 6})
            listed = entries(relay, "--domain", "D1.test")
            self.assertEqual([e["domain"] for e in listed], ["d1.test"] * 2)
            self.assertEqual(lines(relay, "hold", "--domain",
                                   "d3.test")[-1]["changed"], 6)
            self.assertEqual({e["domain"] for e in
                              entries(relay, "--state", "held")},
                             {"d3.test"})
            self.assertEqual(entries(relay, "--domain", "d4.test"), [])


class Acting(unittest.TestCase):
    """Each with a relay of its own, whose next hop is dead at first."""

    def start(self, count=6, **config):
        relay = Relay(free_port(), **dict(
            {"retry": {"schedule": ["1h"], "expire": "2h"}}, **config)).start()
        self.addCleanup(relay.kill)
        with relay.client() as client:
            client.greet()
            for n in range(count):
                client.envelope(f"from{n}@a.test", [f"to{n}@one.test"])
                client.data(b"X-Tag: %d\r\n\r\nbody\r\n" % n)
        if count:
            wait_for_an_attempt(relay)
        return relay

    def sink_for(self, relay, **options):
        """The next hop comes to life."""
        port = int(relay.config["routes"][0]["next_hop"].rpartition(":")[2])
        sink = Sink(port=port, **options).start()
        self.addCleanup(sink.stop)
        return sink

    def act(self, relay, *args):
        return lines(relay, *args)[-1]

    def test_retry_delivers_at_once(self):
        relay = self.start()
        sink = self.sink_for(relay)
        self.assertEqual(self.act(relay, "retry", "--all")["changed"], 6)
        sink.wait(6)
        relay.stop()

    def test_retry_of_one_message(self):
        relay = self.start()
        [entry] = entries(relay, "--state", "deferred", "--sender",
                          "from0@a.test")
        sink = self.sink_for(relay)
        self.act(relay, "retry", entry["id"])
        sink.wait_for(lambda s: any(b"X-Tag: 0" in m.data
                                    for m in s.messages))
        relay.stop()

    def test_hold_survives_a_restart_and_release_ends_it(self):
        relay = self.start()
        self.assertEqual(
            self.act(relay, "hold", "--sender", "from3@a.test")["changed"], 1)
        relay.kill()
        relay.start()
        self.assertEqual([e["sender"] for e in
                          entries(relay, "--state", "held")],
                         ["from3@a.test"])
        sink = self.sink_for(relay)
        self.act(relay, "retry", "--all")
        sink.wait(5)
        self.assertEqual(len(entries(relay)), 1)
        self.assertEqual(self.act(relay, "release", "--all")["changed"], 1)
        sink.wait(6)
        relay.stop()

    def test_delete(self):
        relay = self.start()
        ids = [e["id"] for e in entries(relay)][:2]
        self.assertEqual(self.act(relay, "delete", *ids)["changed"], 2)
        relay.stop()
        relay.start()
        self.assertEqual(len(entries(relay)), 4)
        sink = self.sink_for(relay)
        self.act(relay, "retry", "--all")
        sink.wait(4)
        wait_until(lambda: not entries(relay), "an empty queue")
        self.assertEqual(len(sink.messages), 4)
        relay.wait_event("queue.deleted", id=ids[0])
        relay.wait_event("admin.done", command="delete", changed=2)
        relay.stop()

    def test_bounce(self):
        relay = self.start()
        self.assertEqual(self.act(relay, "bounce", "--sender", "from1@a.test",
                                  "--reason", "not wanted here")["changed"],
                         1)
        relay.wait_event("outbound.failed", to="to1@one.test")
        sink = self.sink_for(relay, bounces_apart=True)
        self.act(relay, "retry", "--all")
        sink.wait_for(lambda s: s.bounces, "the notification")
        self.assertIn(b"not wanted here", sink.bounces[0].data)
        self.assertEqual(sink.bounces[0].recipients, ["from1@a.test"])
        relay.stop()

    def test_move(self):
        relay = self.start()
        with Sink() as other:
            self.assertEqual(
                self.act(relay, "move", "--domain", "one.test", "--to",
                         f"127.0.0.1:{other.port}")["changed"], 6)
            other.wait(6)
        relay.stop()

    def test_suspend_survives_a_restart_and_resume_ends_it(self):
        relay = self.start()
        name = relay.config["routes"][0]["next_hop"]
        self.assertTrue(self.act(relay, "suspend", name)["listed"])
        self.assertFalse(self.act(relay, "suspend", name)["listed"])
        sink = self.sink_for(relay)
        relay.kill()
        relay.start()
        self.act(relay, "retry", "--all")
        answer = lines(relay, "summary")
        self.assertEqual(answer[-1]["suspended"], [name])
        [row] = of_type(answer, "destination")
        self.assertTrue(row["suspended"])
        self.assertEqual(row["queued"], 6)
        self.assertEqual(sink.messages, [])
        self.act(relay, "resume", name)
        # What was tried before the restart is due in an hour.
        self.act(relay, "retry", "--all")
        sink.wait(6)
        self.assertEqual(lines(relay, "summary")[-1]["suspended"], [])
        relay.stop()

    def test_mail_for_a_suspended_destination_is_taken(self):
        relay = self.start(0)
        sink = self.sink_for(relay)
        self.act(relay, "suspend", "127.0.0.1")
        for _ in range(3):
            self.assertEqual(relay.send().code, 250)
        wait_until(lambda: len(entries(relay, "--state", "ready")) == 3,
                   "mail that waits")
        self.assertEqual(sink.messages, [])
        self.act(relay, "resume", "127.0.0.1")
        sink.wait(3)
        relay.stop()

    def test_what_is_being_delivered_is_left_alone(self):
        def hook(session, stage, line):
            if stage == "BODY":
                hook.reached = True
                wait_until(lambda: hook.go_on, "the test")
            return None
        hook.reached = hook.go_on = False
        with Sink(hook) as sink, Relay(sink.port) as relay:
            relay.send()
            wait_until(lambda: hook.reached, "the message")
            for action in ("delete", "hold", "bounce"):
                answer = self.act(relay, action, "--all")
                self.assertEqual(answer["changed"], 0)
                self.assertEqual(answer["in_delivery"], 1)
            hook.go_on = True
            sink.wait(1)
            wait_until(lambda: not entries(relay), "an empty queue")

    def test_thousands(self):
        # More than any buffer on the way holds.
        relay = self.start(0)
        with relay.client() as client:
            client.greet()
            for n in range(4000):
                client.envelope(f"from{n}@a.test", [f"to{n}@one.test"])
                client.data(b"X-Tag: t\r\n\r\n")
        listed = entries(relay)
        self.assertEqual(len({e["id"] for e in listed}), 4000)
        self.assertEqual(self.act(relay, "hold", "--all")["changed"], 4000)
        self.assertEqual(self.act(relay, "bounce", "--recipient",
                                  "to7@one.test")["changed"], 1)
        self.assertEqual(self.act(relay, "delete", "--state",
                                  "held")["changed"], 3999)
        wait_until(lambda: len(entries(relay)) == 1, "the notification alone")
        relay.stop()

    def test_actions_need_to_know_on_what(self):
        relay = self.start(1)
        for action in ("retry", "hold", "release", "bounce", "delete"):
            done = queue(relay, action)
            self.assertEqual(done.returncode, 64)
            self.assertIn("all", done.stderr)
        self.assertEqual(queue(relay, "move", "--all").returncode, 64)
        self.assertEqual(queue(relay, "move", "--all", "--to", "a b:x")
                         .returncode, 64)
        self.assertEqual(queue(relay, "suspend").returncode, 64)
        self.assertEqual(queue(relay, "delete", "0123456789ABC").returncode,
                         66)
        self.assertEqual(len(entries(relay)), 1)
        relay.stop()

    def test_counts_for_people(self):
        relay = self.start(3)
        self.assertIn("3 changed", queue(relay, "hold", "--all").stdout)
        self.assertIn("3 were so already",
                      queue(relay, "hold", "--all").stdout)
        relay.stop()


class UnderLoad(unittest.TestCase):
    """Accepted = delivered + deleted + bounced + queued, whatever happens."""

    def test_nothing_is_lost_or_doubled(self):
        count, stop = 600, threading.Event()
        with Sink(bounces_apart=True) as sink, Relay(
                sink.port, retry={"schedule": ["100ms"], "expire": "1h"},
                route={"connections": 2}) as relay:
            failures = []

            def meddle():
                try:
                    while not stop.is_set():
                        for args in (("hold", "--domain", "odd.test"),
                                     ("summary",), ("list", "--limit", "0"),
                                     ("release", "--all"),
                                     ("delete", "--recipient",
                                      "@delete.test"),
                                     ("suspend", "127.0.0.1"),
                                     ("retry", "--all"),
                                     ("resume", "127.0.0.1")):
                            lines(relay, *args)
                except Exception as e:    # told below
                    failures.append(e)

            thread = threading.Thread(target=meddle)
            thread.start()
            domains = ("odd.test", "even.test", "delete.test")
            sent = {}
            with relay.client() as client:
                client.greet()
                for n in range(count):
                    client.envelope("from@a.test",
                                    [f"to{n}@{domains[n % 3]}"])
                    if client.data(b"X-Tag: %d.\r\n\r\nx\r\n" % n).code == 250:
                        sent[n] = domains[n % 3]
            stop.set()
            thread.join()
            self.assertEqual(failures, [])
            self.assertEqual(len(sent), count)
            lines(relay, "resume", "127.0.0.1")
            lines(relay, "release", "--all")
            wait_until(lambda: not entries(relay), "an empty queue")
            deleted = sum(e["recipients"]
                          for e in relay.find_events("queue.deleted"))
            tags = [m.data.partition(b"X-Tag: ")[2].partition(b".")[0]
                    for m in sink.messages]
            self.assertEqual(len(tags), len(set(tags)))
            self.assertEqual(len(tags) + deleted, count)
            for n, domain in sent.items():
                if domain != "delete.test":
                    self.assertIn(b"%d" % n, tags)


class Socket(unittest.TestCase):
    def test_no_relay(self):
        path = os.path.join(fresh_folder("none"), "admin.sock")
        done = run_program("queue", "summary", "--socket", path)
        self.assertEqual(done.returncode, 69)
        self.assertIn(path, done.stderr)
        self.assertIn("running", done.stderr)

    def test_no_configuration(self):
        done = run_program("queue", "summary", "--config", "/nowhere/x.yaml")
        self.assertEqual(done.returncode, 66)
        self.assertIn("/nowhere/x.yaml", done.stderr)

    def test_closed_to_others(self):
        with Relay() as relay:
            mode = os.stat(socket_of(relay)).st_mode
            self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_gone_after_the_end_and_back_after_a_crash(self):
        relay = Relay().start()
        self.addCleanup(relay.kill)
        relay.kill()
        self.assertTrue(os.path.exists(socket_of(relay)))
        relay.start()
        self.assertEqual(queue(relay, "summary").returncode, 0)
        relay.stop()
        self.assertFalse(os.path.exists(socket_of(relay)))

    def test_another_relay_keeps_its_socket(self):
        with Relay() as first:
            second = Relay(admin={"socket": socket_of(first)})
            done = subprocess.run(
                [RINGPOST, "serve", "--config", second.write_config()],
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(socket_of(first), done.stdout + done.stderr)
            self.assertEqual(queue(first, "summary").returncode, 0)

    def test_clients_are_bounded(self):
        with Relay() as relay:
            crowd = []
            for _ in range(40):
                s = socket.socket(socket.AF_UNIX)
                self.addCleanup(s.close)
                s.connect(socket_of(relay))
                s.settimeout(60)
                crowd.append(s)
            # Those beyond the bound are told; the others may ask.
            answers = []
            for s in crowd:
                try:
                    s.sendall(b'{"command":"summary"}\n')
                except BrokenPipeError:
                    pass
                answers.append(json.loads(s.makefile("rb").readline())["type"])
            self.assertEqual(answers.count("error"), 8)
            self.assertEqual(answers.count("done"), 32)
            for s in crowd:
                s.close()
            wait_until(lambda: queue(relay, "summary").returncode == 0,
                       "room for a client")

    def test_a_long_path(self):
        folder = os.path.join(fresh_folder("long"), *["x" * 40] * 4)
        os.makedirs(folder)
        path = os.path.join(folder, "admin.sock")
        with Relay(admin={"socket": path}):
            done = run_program("queue", "summary", "--socket", path)
            self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"),
                         "needs root and setpriv")
    def test_other_users_are_refused(self):
        with Relay() as relay:
            # Even when the file lets everybody in.
            path = os.path.join("/tmp", f"ringpost-{os.getpid()}.sock")
            relay.stop()
            relay.config["admin"] = {"socket": path}
            relay.start()
            os.chmod(path, 0o666)
            program = shutil.copy(RINGPOST, f"/tmp/ringpost-{os.getpid()}")
            self.addCleanup(os.unlink, program)
            done = subprocess.run(
                ["setpriv", "--reuid", "65534", "--regid", "65534",
                 "--clear-groups", program, "queue", "summary", "--socket",
                 path], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertIn("admin.group", done.stderr)
            relay.wait_event("admin.denied", uid=65534)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"),
                         "needs root and setpriv")
    def test_members_of_the_group_may_ask(self):
        path = os.path.join("/tmp", f"ringpost-{os.getpid()}-g.sock")
        program = shutil.copy(RINGPOST, f"/tmp/ringpost-{os.getpid()}-g")
        self.addCleanup(os.unlink, program)
        with Relay(admin={"socket": path, "group": "daemon"}):
            for groups, status in ((["--groups", "daemon"], 0),
                                   (["--clear-groups"], 77)):
                done = subprocess.run(
                    ["setpriv", "--reuid", "65534", "--regid", "65534",
                     *groups, program, "queue", "summary", "--socket", path],
                    capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, status, done.stderr)


if __name__ == "__main__":
    unittest.main()
