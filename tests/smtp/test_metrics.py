# SPDX-License-Identifier: Apache-2.0
"""HTTP for operators: metrics, health, who may see what, and the admin
interface."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import unittest

from harness import (PATIENCE, ROOT, UNPACKED, Relay, Sink, certificates,
                     client_context, free_port, fresh_folder, needs,
                     run_program, wait_until)

TOKEN = "a-token-of-enough-octets"
NO_PROMTOOL = ("no promtool: tests/setup/install --unpack " + UNPACKED
               + "-promtool promtool fetches it")
HOSTILE = '<script>alert("x")</script> & more'


def token_file(text=TOKEN + "\n", mode=0o600):
    path = os.path.join(fresh_folder("token"), "token")
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


class Web:
    """The relay's HTTP."""

    def __init__(self, port, token=None, context=None):
        self.port, self.token, self.context = port, token, context

    def connection(self):
        if self.context:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=PATIENCE, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port,
                                          timeout=PATIENCE)

    def ask(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        connection = self.connection()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response, response.read().decode()
        finally:
            connection.close()

    def get(self, path, status=200, **headers):
        response, body = self.ask("GET", path, headers=headers)
        if response.status != status:
            raise AssertionError(f"{path}: {response.status} {body}")
        return body

    def status(self):
        return json.loads(self.get("/status.json"))

    def ready(self, status=200):
        return json.loads(self.get("/readyz", status))

    def admin(self, status=200, **request):
        response, body = self.ask("POST", "/admin", json.dumps(request))
        if response.status != status:
            raise AssertionError(f"{request}: {response.status} {body}")
        return [json.loads(line) for line in body.splitlines()]

    def metrics(self):
        return parse(self.get("/metrics"))


SAMPLE = re.compile(r'([a-z_0-9]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? '
                    r'([0-9.]+)')


def parse(text):
    """Samples by name with labels, in the order of the text."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        if not match:
            raise AssertionError(f"this is no sample: {line}")
        key = match[1] + ("{" + match[2] + "}" if match[2] else "")
        if key in found:
            raise AssertionError(f"{key} is there twice")
        found[key] = float(match[3])
    return found


def promtool():
    """The program, or None."""
    unpacked = os.path.join(UNPACKED + "-promtool", "usr/bin/promtool")
    return (unpacked if os.path.exists(unpacked)
            else shutil.which("promtool"))


def relay_with_http(next_hop=9, http=None, **config):
    """A relay and its Web."""
    port = free_port()
    relay = Relay(next_hop, admin={"http": {"address": f"127.0.0.1:{port}",
                                            **(http or {})}}, **config)
    return relay, Web(port)


class Looking(unittest.TestCase):
    """A relay that has delivered some mail, and could not deliver other."""

    @classmethod
    def setUpClass(cls):
        cls.sink = Sink(hook=cls.answer).start()
        cls.addClassCleanup(cls.sink.stop)
        cls.relay, cls.web = relay_with_http(
            cls.sink.port, retry={"schedule": ["1h"], "expire": "2h"})
        cls.relay.start()
        cls.addClassCleanup(cls.relay.kill)
        for n in range(3):
            cls.relay.send(b"Subject: %d\r\n\r\nhello\r\n" % n,
                           recipients=["good@one.test"])
        cls.relay.send(recipients=["later@two.test"])
        cls.sink.wait(3)
        # Four messages and four results.
        wait_until(lambda: cls.web.status()["spool"]["committed"] == 8,
                   lambda: cls.web.get("/status.json"))

    @classmethod
    def tearDownClass(cls):
        cls.relay.stop()

    @staticmethod
    def answer(session, stage, line):
        if stage == "RCPT" and "later@" in line:
            return "451 4.7.1 " + HOSTILE
        return None

    def test_every_line_is_well_formed(self):
        self.assertGreater(len(self.web.metrics()), 200)

    def test_promtool_finds_nothing_to_say(self):
        tool = promtool()
        needs(self, None if tool else NO_PROMTOOL)
        done = subprocess.run([tool, "check", "metrics"],
                              input=self.web.get("/metrics"), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def families(self):
        return set(re.findall(r"^# TYPE (\w+) ", self.web.get("/metrics"),
                              re.M))

    def assert_there(self, expression):
        """It asks for nothing that the relay does not have."""
        names = set(re.findall(r"\bringpost_\w+", expression))
        names = {re.sub("_(bucket|sum|count)$", "", name) for name in names}
        self.assertEqual(names - self.families(), set())

    def test_dashboard_asks_for_what_there_is(self):
        with open(os.path.join(ROOT, "docs", "grafana-dashboard.json")) as f:
            board = json.load(f)
        targets = [t["expr"] for p in board["panels"]
                   for t in p.get("targets", ())]
        self.assertGreater(len(targets), 30)
        self.assert_there("\n".join(targets))
        ids = [p["id"] for p in board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_alerts_of_the_docs_ask_for_what_there_is(self):
        with open(os.path.join(ROOT, "docs", "metrics.md")) as f:
            rules = re.search("^```yaml\n(groups:.*?)^```", f.read(),
                              re.M | re.S)[1]
        self.assert_there(rules)
        tool = promtool()
        needs(self, None if tool else NO_PROMTOOL)
        path = os.path.join(fresh_folder("rules"), "rules.yml")
        with open(path, "w") as f:
            f.write(rules)
        done = subprocess.run([tool, "check", "rules", path],
                              stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_mail_is_counted_where_it_went(self):
        m = self.web.metrics()
        self.assertEqual(m["ringpost_inbound_messages_total"], 4)
        self.assertEqual(m["ringpost_spool_accepted_messages_total"], 4)
        for result, count in (("delivered", 3), ("deferred", 1),
                              ("bounced", 0), ("expired", 0)):
            self.assertEqual(
                m[f'ringpost_delivery_results_total{{result="{result}"}}'],
                count)
        self.assertEqual(m["ringpost_delivery_queue_time_seconds_count"], 3)
        self.assertEqual(m['ringpost_queue_deliveries{state="deferred"}'], 1)
        self.assertGreater(m["ringpost_spool_batch_records_count"], 0)
        self.assertEqual(m["ringpost_spool_batch_records_sum"], 8)

    def test_handshakes_are_counted_by_side(self):
        m = self.web.metrics()
        for side, least in (("inbound", 3), ("outbound", 1)):
            self.assertGreaterEqual(
                sum(v for k, v in m.items()
                    if k.startswith("ringpost_tls_handshakes_total{side=\""
                                    + side)), least)

    def test_bytes_are_counted_by_who_encrypts(self):
        m = self.web.metrics()
        name = ('ringpost_connection_bytes_total{side="inbound",'
                'direction="received",tls="%s"}')
        # What was said before STARTTLS counts as the connection's.
        self.assertEqual(m[name % "none"], 0)
        self.assertGreater(m[name % "user"] + m[name % "kernel"], 3 * 100)

    def test_counters_do_not_fall(self):
        before, after = self.web.metrics(), self.web.metrics()
        for name, value in before.items():
            if name.split("{")[0].endswith(("_total", "_count", "_bucket")):
                self.assertGreaterEqual(after[name], value, name)

    def test_deferral_with_its_reply(self):
        [deferral] = self.web.status()["deferrals"]
        self.assertEqual(deferral["domain"], "two.test")
        self.assertEqual(deferral["code"], 451)
        self.assertEqual(deferral["reply"], "451 4.7.1 " + HOSTILE)
        self.assertEqual(deferral["at"], "RCPT")

    def test_destination_with_its_mail(self):
        status = self.web.status()
        [row] = status["destinations"]
        self.assertEqual(row["destination"], f"127.0.0.1:{self.sink.port}")
        self.assertEqual((row["queued"], row["deferred"]), (1, 1))
        self.assertEqual(status["queue"]["queued"], 1)
        self.assertEqual(status["workers"], status["responding"])

    def test_live_and_ready(self):
        self.assertEqual(json.loads(self.web.get("/healthz")),
                         {"status": "live"})
        self.assertEqual(self.web.ready(), {"status": "ready", "reasons": []})
        self.assertEqual(self.web.metrics()["ringpost_ready"], 1)

    def test_page_may_load_nothing_from_elsewhere(self):
        response, body = self.web.ask("GET", "/")
        policy = response.getheader("Content-Security-Policy")
        self.assertIn("default-src 'none'", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertNotRegex(body, r"https?://")
        self.assertEqual(response.getheader("X-Content-Type-Options"),
                         "nosniff")

    def test_wrong_paths_and_methods(self):
        self.web.get("/nowhere", 404)
        self.web.get("/../etc/passwd", 404)
        self.assertEqual(self.web.ask("POST", "/metrics", "x")[0].status, 405)
        self.assertEqual(self.web.ask("GET", "/admin")[0].status, 405)
        response, body = self.web.ask("HEAD", "/metrics")
        self.assertEqual((response.status, body), (200, ""))

    def test_nobody_acts_without_a_token(self):
        [line] = self.web.admin(403, command="hold", all=True)
        self.assertEqual(line["code"], "denied")

    def test_names_of_others_are_refused(self):
        """A page of another site, by a name that it points to this machine."""
        self.web.get("/metrics", 421, Host="evil.example")
        self.web.get("/metrics", 200, Host="localhost:1234")
        self.web.get("/metrics", 200, Host="relay.example.test")
        self.web.get("/metrics", 200, Host="[::1]:80")

    def test_many_connections_at_once(self):
        """What is too many is closed; the others are served."""
        crowd = []
        self.addCleanup(lambda: [s.close() for s in crowd])
        for _ in range(100):
            try:
                crowd.append(socket.create_connection(
                    ("127.0.0.1", self.web.port), timeout=PATIENCE))
            except OSError:
                break
        for s in crowd:
            s.close()
        crowd.clear()

        def served():
            try:
                return self.web.get("/healthz")
            except OSError:
                return None
        wait_until(served, "an answer")


class Acting(unittest.TestCase):
    """With a token."""

    @classmethod
    def setUpClass(cls):
        cls.sink = Sink(hook=cls.answer).start()
        cls.addClassCleanup(cls.sink.stop)
        cls.relay, cls.web = relay_with_http(
            cls.sink.port, {"token_file": token_file()},
            retry={"schedule": ["1h"], "expire": "2h"})
        cls.relay.start()
        cls.addClassCleanup(cls.relay.kill)
        cls.web.token = TOKEN
        cls.relay.send(recipients=["to@one.test"])
        wait_until(lambda: cls.web.status()["queue"]["deferred"] == 1,
                   lambda: cls.web.get("/status.json"))

    @classmethod
    def tearDownClass(cls):
        cls.relay.stop()

    @staticmethod
    def answer(session, stage, line):
        return "451 4.2.0 later" if stage == "RCPT" else None

    def test_everything_but_health_and_page_wants_the_token(self):
        for token in (None, "wrong", TOKEN[:-1], TOKEN + "x"):
            stranger = Web(self.web.port, token)
            for path in ("/metrics", "/status.json"):
                response, _ = stranger.ask("GET", path)
                self.assertEqual(response.status, 401)
                self.assertIn("Bearer", response.getheader("WWW-Authenticate"))
            self.assertEqual(
                stranger.ask("POST", "/admin", "{}")[0].status, 401)
            for path in ("/", "/healthz", "/readyz"):
                stranger.get(path)
        self.web.get("/metrics")

    def test_with_a_token_any_name_will_do(self):
        self.web.get("/metrics", Host="relay.behind.a.proxy")

    def test_same_answer_as_on_the_socket(self):
        done = run_program("queue", "list", "--json", "--socket", os.path.join(
            self.relay.config["spool"]["path"], "admin.sock"))
        there = [json.loads(line) for line in done.stdout.splitlines()]
        here = self.web.admin(command="list")
        for line in there + here:
            for changing in ("age", "state", "attempts", "next_attempt",
                             "code", "reply"):
                line.pop(changing, None)
        self.assertEqual(here, there)
        self.assertEqual([line["type"] for line in here], ["entry", "done"])

    def test_action_and_who_did_it(self):
        done = self.web.admin(command="hold", all=True)[-1]
        self.assertEqual(done["changed"], 1)
        event = self.relay.wait_event("admin.done", command="hold")
        self.assertEqual(event["from"], "http 127.0.0.1")
        done = self.web.admin(command="release", all=True)[-1]
        self.assertEqual(done["changed"], 1)

    def test_mistakes_have_their_status(self):
        [line] = self.web.admin(400, command="explode")
        self.assertEqual(line["code"], "usage")
        response, _ = self.web.ask("POST", "/admin", "{not json")
        self.assertEqual(response.status, 400)
        self.web.admin(404, command="show", filter={"ids": ["0000000000001"]})

    def test_too_long_requests(self):
        response, _ = self.web.ask("POST", "/admin", "x" * 70000)
        self.assertEqual(response.status, 413)
        # Without saying how much comes: cut off.
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.web.ask("POST", "/admin",
                         (b"x" * 1000 for _ in range(10000)),
                         {"Transfer-Encoding": "chunked"})
        self.web.get("/healthz")

    def test_trace_goes_on_until_the_client_leaves(self):
        connection = self.web.connection()
        self.addCleanup(connection.close)
        connection.request("POST", "/admin", json.dumps(
            {"command": "trace", "destination": f"127.0.0.1:{self.sink.port}"}),
            {"Authorization": "Bearer " + TOKEN})
        response = connection.getresponse()
        self.assertEqual(json.loads(response.readline()),
                         {"type": "listening"})
        self.web.admin(command="retry", all=True)
        self.assertEqual(json.loads(response.readline())["type"], "line")
        connection.close()
        self.web.get("/metrics")


class Encrypted(unittest.TestCase):
    def test_tls(self):
        certs = certificates()
        relay, web = relay_with_http(http={
            "certificate": certs.certificate, "key": certs.key,
            "token_file": token_file()})
        with relay:
            web.token, web.context = TOKEN, client_context()
            web.get("/metrics")
            self.assertEqual(web.ready()["status"], "ready")
            with self.assertRaises((OSError, http.client.HTTPException)):
                Web(web.port, TOKEN).get("/metrics")
            web.get("/metrics")

    def test_clients_can_trust_no_other_certificate(self):
        certs = certificates()
        relay, web = relay_with_http(http={
            "certificate": certs.foreign, "key": certs.foreign_key})
        with relay:
            web.context = client_context()
            with self.assertRaises(ssl.SSLError):
                web.get("/metrics")


class NotReady(unittest.TestCase):
    def test_while_stopping(self):
        relay, web = relay_with_http()
        with relay:
            client = relay.client()
            client.greet()
            client.envelope()
            client.command("DATA")
            client.send(b"Subject: x\r\n\r\n")
            # The relay has all of it: it answers what comes behind.
            relay.signal(signal.SIGTERM)

            def codes():
                response, body = web.ask("GET", "/readyz")
                return response.status == 503 and [
                    r["code"] for r in json.loads(body)["reasons"]]
            wait_until(lambda: codes() == ["stopping"], "to be stopping")
            web.get("/healthz")
            self.assertEqual(web.metrics()["ringpost_ready"], 0)
            client.send(b"the end\r\n.\r\n")
            self.assertEqual(client.reply().code, 250)
            client.close()
            self.assertEqual(relay.wait(), 0)


class Changing(unittest.TestCase):
    def test_a_reload_takes_nothing_from_the_counts(self):
        """Sessions belong to a configuration, and go with it."""
        relay, web = relay_with_http(free_port())
        with relay:
            relay.send()
            before = web.metrics()
            relay.config["limits"] = {"errors": 7}
            relay.write_config()
            relay.signal(signal.SIGHUP)
            relay.wait_event("reload.done")
            relay.send()
            wait_until(lambda: web.metrics()[
                "ringpost_inbound_messages_total"] == 2, "the second message")
            after = web.metrics()
            for name, value in before.items():
                if name.split("{")[0].endswith(("_total", "_count")):
                    self.assertGreaterEqual(after[name], value, name)

    def test_a_restart_serves_again(self):
        relay, web = relay_with_http(free_port())
        with relay:
            web.ready()
            relay.signal(signal.SIGUSR2)
            wait_until(lambda: len(relay.find_events("serve.ready")) == 2,
                       "the next program")
            self.assertEqual(web.ready()["status"], "ready")
            self.assertEqual(
                web.metrics()["ringpost_inbound_messages_total"], 0)


class Configuration(unittest.TestCase):
    def errors(self, **http):
        relay = Relay(admin={"http": http})
        done = run_program("check-config", "--config", relay.write_config())
        self.assertEqual(done.returncode, 78, done.stdout)
        return done.stderr

    def test_from_outside_in_clear(self):
        said = self.errors(address="0.0.0.0:9125", token_file=token_file())
        self.assertIn("would speak in clear", said)
        self.assertIn("clear_text: anywhere", said)

    def test_from_outside_without_a_token(self):
        certs = certificates()
        said = self.errors(address="192.0.2.1:9125", key=certs.key,
                           certificate=certs.certificate)
        self.assertIn("expected a token_file", said)

    def test_from_outside_as_wanted(self):
        relay = Relay(admin={"http": {
            "address": "0.0.0.0:9125", "clear_text": "anywhere",
            "token_file": token_file()}})
        done = run_program("check-config", "--config", relay.write_config())
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_token_that_others_can_read(self):
        said = self.errors(address="127.0.0.1:9125",
                           token_file=token_file(mode=0o640))
        self.assertIn("others may read", said)

    def test_token_that_is_none(self):
        for text in ("short\n", "two words of a token\n", "x" * 600, ""):
            self.assertIn("'token_file'", self.errors(
                address="127.0.0.1:9125", token_file=token_file(text)))

    def test_half_a_certificate(self):
        said = self.errors(address="127.0.0.1:9125",
                           certificate=certificates().certificate)
        self.assertIn("without 'key'", said)


if __name__ == "__main__":
    unittest.main()
