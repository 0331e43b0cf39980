# SPDX-License-Identifier: Apache-2.0
"""The short form of new_keys.py: both peers change keys and reconnect."""

import unittest

import new_keys


class NewKeys(unittest.TestCase):
    def test_a_thousand_messages(self):
        well, lines = new_keys.relay_all(1000)
        print("\n" + "\n".join(lines), flush=True)
        self.assertTrue(well, lines)


if __name__ == "__main__":
    unittest.main()
