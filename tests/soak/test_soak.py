# SPDX-License-Identifier: Apache-2.0
"""The soak, short: RINGPOST_SOAK_SECONDS (40), RINGPOST_SEED (1)."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import soak  # noqa: E402

SECONDS = int(os.environ.get("RINGPOST_SOAK_SECONDS", "40"))
SEED = int(os.environ.get("RINGPOST_SEED", "1"))


class Soak(unittest.TestCase):
    def test_nothing_is_lost_and_nothing_grows(self):
        this = soak.Soak(SECONDS, SEED)
        self.addCleanup(this.end)
        this.run()
        print("\n" + "\n".join(this.judge()), flush=True)
        self.assertEqual(this.failures, [])


if __name__ == "__main__":
    unittest.main()
