# SPDX-License-Identifier: Apache-2.0
"""offload: auto puts keys into the kernel where it pays: on connections that
will carry enough. The kernel suite runs the same tests with kernel TLS."""

import unittest

from harness import Relay, Sink, wait_until

FEW = b"Subject: few\r\n\r\nhello\r\n"
MANY = b"Subject: many\r\n\r\n" + b"0123456789abcdef\r\n" * 256 * 1024


class Auto(unittest.TestCase):
    def setUp(self):
        self.sink = Sink().start()
        self.addCleanup(self.sink.stop)
        self.ends = {"inbound.closed": 0, "outbound.closed": 0}

    def relay(self, offload="auto"):
        relay = Relay(self.sink.port, offload=offload, workers=1,
                      route={"tls": "encrypt", "connections": 1,
                             "messages_per_connection": 1}).start()
        self.addCleanup(relay.kill)
        return relay

    def carry(self, relay, body):
        """One message on a connection of its own at both sides; what the log
        says of these connections."""
        relay.send(body)
        said = []
        for name in self.ends:
            self.ends[name] += 1
            wait_until(lambda: len(relay.find_events(name)) >= self.ends[name],
                       lambda: f"{name}:\n" + relay.log_text())
            said.append(relay.find_events(name)[self.ends[name] - 1])
        return said

    def assert_user_space(self, events):
        for event in events:
            self.assertEqual((event["offload"], event["why"]),
                             ("none", "few_bytes"), event)

    def assert_kernel(self, events):
        """Where there is kernel TLS; elsewhere that is the reason."""
        for event in events:
            self.assertIn((event["offload"], event.get("why")),
                          (("tx,rx", None), ("none", "no_ulp")), event)

    def test_few_bytes_stay_in_user_space(self):
        relay = self.relay()
        # Of the first connection nothing is known.
        self.assert_kernel(self.carry(relay, FEW))
        self.assert_user_space(self.carry(relay, FEW))
        self.assert_user_space(self.carry(relay, FEW))
        relay.stop()

    def test_many_bytes_go_to_the_kernel(self):
        relay = self.relay()
        for _ in range(3):
            self.assert_kernel(self.carry(relay, MANY))
        relay.stop()

    def test_it_follows_what_is_carried(self):
        relay = self.relay()
        self.carry(relay, FEW)
        self.assert_user_space(self.carry(relay, FEW))
        for _ in range(6):
            self.carry(relay, MANY)
        self.assert_kernel(self.carry(relay, MANY))
        relay.stop()


if __name__ == "__main__":
    unittest.main()
