# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: whatever was answered 250 is delivered after a restart.

Each round sends mail through the relay, kills the relay at a moment drawn by
chance, starts it again on the same spool and lets the source finish (it sends
again what was not answered, under the same id). At the end everything that
the source saw accepted must have reached the sink, unchanged.

RINGPOST_KILLS sets the number of rounds (20), RINGPOST_SEED the dice.
"""

import os
import random
import sys
import unittest

import peers
from peers import harness, ids, line_count

KILLS = int(os.environ.get("RINGPOST_KILLS", "20"))
SEED = int(os.environ.get("RINGPOST_SEED", "0")) or random.randrange(1 << 32)
MESSAGES = 600


class KillTest(unittest.TestCase):

    def setUp(self):
        self.random = random.Random(SEED)
        self.folder = harness.fresh_folder("kill")
        self.accepted = os.path.join(self.folder, "accepted")
        self.delivered = os.path.join(self.folder, "delivered")
        self.sources = []
        self.sink, port = peers.start_sink(self.folder, self.delivered)
        self.relay = harness.Relay(
            next_hop=port, route={"tls": "encrypt"},
            retry={"schedule": ["200ms"], "expire": "1h"},
            spool={"segment_size": "4MiB", "min_free": "0%"})
        self.addCleanup(self.end)

    def end(self):
        self.relay.kill()
        peers.end(self.sink, *self.sources)

    def start_source(self, number):
        source = peers.start_source(self.relay.port, self.accepted,
                                    f"round{number}", MESSAGES, SEED + number)
        self.sources.append(source)
        return source

    def one_round(self, number):
        source = self.start_source(number)
        # Any moment from the first message to the last.
        after = (line_count(self.accepted)
                 + self.random.randrange(MESSAGES * 9 // 10))
        harness.wait_until(lambda: line_count(self.accepted) >= after
                           or source.poll() is not None, "mail under way")
        self.relay.kill()
        self.relay.reader.join()
        self.relay.process.stdout.close()
        self.relay.start()
        _, errors = source.communicate(timeout=harness.PATIENCE)
        self.assertEqual(source.returncode, 0, errors)

    def all_arrived(self):
        return set(ids(self.accepted)) <= set(ids(self.delivered))

    def test_nothing_answered_250_is_lost(self):
        print(f"kill -9, {KILLS} times, seed {SEED}", file=sys.stderr)
        self.relay.start()
        for number in range(KILLS):
            self.one_round(number)
        harness.wait_until(self.all_arrived, lambda: "the queue to drain: "
                           + self.relay.log_text())
        self.relay.stop()
        # Twice may come: what the source had to send again because the 250
        # was lost with the relay, and what was under way to the sink.
        status, closing = peers.verify(self.accepted, self.delivered,
                                       KILLS * 500)
        print(f"kills={KILLS} {closing}", file=sys.stderr)
        self.assertEqual(status, 0, closing)
        self.assertEqual(len(set(ids(self.accepted))), KILLS * MESSAGES)


if __name__ == "__main__":
    unittest.main(verbosity=2)
