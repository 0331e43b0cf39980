# SPDX-License-Identifier: Apache-2.0
"""A relay that becomes another program, and what its service manager hears
and hands over: no client is refused, no message lost or sent twice."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest

import harness
from harness import (Client, Relay, Sink, fresh_folder, free_port,
                     run_program, wait_until)
from traffic import Traffic


def descriptors(relay):
    return len(os.listdir(f"/proc/{relay.process.pid}/fd"))


class RestartTest(unittest.TestCase):
    def setUp(self):
        self.sink = Sink().start()
        self.addCleanup(self.sink.stop)

    def relay(self, **config):
        relay = Relay(self.sink.port, **config)
        relay.start()
        self.addCleanup(relay.kill)
        return relay

    def restart(self, relay, code=0):
        done = run_program("restart", "--json", "--config",
                           relay.write_config())
        self.assertEqual(done.returncode, code,
                         done.stderr + done.stdout + relay.log_text())
        return json.loads(done.stdout)


class Restart(RestartTest):
    def test_the_same_process_serves_again(self):
        relay = self.relay()
        answer = self.restart(relay)
        self.assertEqual(answer["pid"], relay.process.pid)
        self.assertEqual(relay.send().code, 250)
        self.sink.wait(1)
        relay.stop()

    def test_by_signal(self):
        relay = self.relay()
        relay.signal(signal.SIGUSR2)
        wait_until(lambda: len(relay.find_events("serve.ready")) == 2,
                   lambda: "its return\n" + relay.log_text())
        relay.stop()

    def test_what_a_reload_can_not_change(self):
        relay = self.relay(workers=1)
        relay.config["workers"] = 2
        self.restart(relay)
        self.assertEqual(relay.find_events("serve.ready")[-1]["workers"], 2)
        self.assertEqual(relay.send().code, 250)
        relay.stop()

    def test_another_program_at_the_same_place(self):
        """As an upgrade puts it there."""
        folder = fresh_folder("program")
        program = os.path.join(folder, "ringpost")
        shutil.copy(harness.RINGPOST, program)
        mine, harness.RINGPOST = harness.RINGPOST, program
        self.addCleanup(setattr, harness, "RINGPOST", mine)
        relay = self.relay()
        inode = os.stat(program).st_ino
        shutil.copy(mine, program + ".new")
        os.rename(program + ".new", program)
        self.restart(relay)
        now = os.stat(f"/proc/{relay.process.pid}/exe").st_ino
        self.assertNotEqual(now, inode)
        self.assertEqual(now, os.stat(program).st_ino)
        relay.stop()

    def test_a_mistake_changes_nothing(self):
        relay = self.relay()
        relay.config["limits"] = {"errors": "many"}
        answer = self.restart(relay, code=78)
        self.assertIn("ringpost.yaml", answer["mistakes"][0])
        self.assertEqual(relay.send().code, 250)
        self.assertEqual(len(relay.find_events("serve.ready")), 1)
        relay.stop()

    def test_a_message_in_flight_is_finished(self):
        relay = self.relay()
        with relay.client() as client:
            client.greet()
            client.envelope()
            client.expect(354, "DATA")
            client.send("Subject: half\r\n")
            relay.signal(signal.SIGUSR2)
            relay.wait_event("serve.stopping")
            # It waits, and is greeted by the next program.
            with Client(relay.port) as waiting:
                client.send("\r\nhello\r\n.\r\n")
                self.assertEqual(client.reply().code, 250)
                self.assertEqual(client.reply().code, 421)
                waiting.greet()
        self.sink.wait(1)
        relay.stop()

    def test_queued_mail_goes_on(self):
        down = free_port()
        relay = Relay(down)
        relay.start()
        self.addCleanup(relay.kill)
        relay.send()
        relay.wait_event("outbound.deferred")
        self.restart(relay)
        with Sink(port=down) as sink:
            sink.wait(1)
        relay.stop()

    def test_sigterm_while_it_finishes(self):
        relay = self.relay()
        with relay.client() as client:
            client.greet()
            client.envelope()
            client.expect(354, "DATA")
            relay.signal(signal.SIGUSR2)
            relay.wait_event("serve.stopping")
            relay.signal(signal.SIGTERM)
            client.send("Subject: x\r\n\r\nhello\r\n.\r\n")
            self.assertEqual(client.reply().code, 250)
        self.assertEqual(relay.wait(), 0)
        self.assertEqual(len(relay.find_events("serve.ready")), 1)

    def test_load(self):
        relay = self.relay(workers=2)
        with Traffic(relay.port, tls=True, goodbyes=True) as traffic:
            for _ in range(4):
                self.restart(relay)
                traffic.wait_more()
        traffic.check(self, [self.sink])
        relay.stop()

    def test_nothing_is_left_open(self):
        relay = self.relay(workers=1)
        before = descriptors(relay)
        for _ in range(2):
            self.restart(relay)
        # That of the last question to it may be there for a moment.
        wait_until(lambda: descriptors(relay) <= before,
                   lambda: f"{before} descriptors: {descriptors(relay)}")
        relay.stop()


class Manager:
    """What a service manager hears."""

    def __init__(self):
        self.path = os.path.join(fresh_folder("manager"), "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []
        self.stored = []
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
            except OSError:
                return
            if not data:
                return
            text = data.decode()
            self.heard.append(dict(line.split("=", 1)
                                   for line in text.split("\n")))
            for fd in fds:
                self.stored.append((self.heard[-1].get("FDNAME"), fd))

    def find(self, key):
        return [h for h in self.heard if key in h]

    def wait(self, key, count=1):
        wait_until(lambda: len(self.find(key)) >= count,
                   lambda: f"{count} {key}: {self.heard}")
        return self.find(key)[-1]

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        for _, fd in self.stored:
            os.close(fd)


class Notify(RestartTest):
    def setUp(self):
        super().setUp()
        self.manager = Manager()
        self.addCleanup(self.manager.stop)

    def managed(self, **environment):
        return self.relay_with({"NOTIFY_SOCKET": self.manager.path,
                                **environment})

    def relay_with(self, environment):
        relay = Relay(self.sink.port, environment=environment, workers=1)
        relay.start()
        self.addCleanup(relay.kill)
        return relay

    def test_ready_reloading_stopping(self):
        relay = self.managed()
        self.assertIn("STATUS", self.manager.wait("READY"))
        relay.signal(signal.SIGHUP)
        self.manager.wait("READY", 2)
        reloading = self.manager.wait("RELOADING")
        self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
        relay.stop()
        self.manager.wait("STOPPING")

    def test_a_refused_reload_is_ready_again(self):
        relay = self.managed()
        relay.config["limits"] = {"errors": "many"}
        relay.write_config()
        relay.signal(signal.SIGHUP)
        self.assertIn("refused", self.manager.wait("READY", 2)["STATUS"])
        relay.stop()

    def test_a_restart_is_no_stop(self):
        relay = self.managed()
        self.restart(relay)
        self.manager.wait("READY", 2)
        self.assertEqual(self.manager.find("STOPPING"), [])
        self.manager.wait("RELOADING")
        relay.stop()

    def test_signs_of_life(self):
        relay = self.managed(WATCHDOG_USEC="200000")
        self.manager.wait("WATCHDOG", 3)
        relay.stop()

    def test_sockets_are_put_aside_and_handed_back(self):
        relay = self.managed()
        self.manager.wait("FDSTORE")
        name, fd = self.manager.stored[0]
        self.assertEqual(name, f"127.0.0.1_{relay.port}")
        relay.stop()
        # In the store it lives on: a client waits for the next start.
        with Client(relay.port) as waiting:
            handed(relay, [fd])
            waiting.greet()
        relay.stop()


def handed(relay, fds, names=None):
    """Starts the relay with listening sockets, as a service manager does."""
    folder = fresh_folder("handed")
    script = os.path.join(folder, "start")
    count = len(fds)
    with open(script, "w") as f:
        f.write(f"""\
import fcntl, os, sys
fds = {list(fds)!r}
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n, inheritable=True)
    os.close(fd)
os.environ["LISTEN_FDS"] = "{count}"
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDNAMES"] = ":".join({list(names or [])!r})
os.execv(sys.argv[1], sys.argv[1:])
""")
    popen = subprocess.Popen

    def start(argv, **options):
        return popen([sys.executable, script, *argv], pass_fds=fds, **options)
    harness.subprocess.Popen = start
    try:
        relay.start()
    finally:
        harness.subprocess.Popen = popen
    return relay


class Activation(RestartTest):
    def test_a_socket_by_its_address(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            relay = Relay(self.sink.port, workers=2)
            relay.port = port
            relay.config["listen"][0]["address"] = f"127.0.0.1:{port}"
            with Client(port) as early:  # before the relay is there
                handed(relay, [listener.fileno()])
                self.addCleanup(relay.kill)
                early.greet(tls=True)
            self.assertEqual(relay.send().code, 250)
            self.sink.wait(1)
            relay.stop()

    def test_one_that_nobody_wants(self):
        manager = Manager()
        self.addCleanup(manager.stop)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            relay = Relay(self.sink.port,
                          environment={"NOTIFY_SOCKET": manager.path})
            handed(relay, [listener.fileno()], ["old"])
            self.addCleanup(relay.kill)
            relay.wait_event("serve.socket_unused")
            # In the manager's store it would live on, and nobody answer.
            self.assertEqual(manager.wait("FDSTOREREMOVE")["FDNAME"], "old")
            self.assertEqual(relay.send().code, 250)
            relay.stop()


if __name__ == "__main__":
    unittest.main()
