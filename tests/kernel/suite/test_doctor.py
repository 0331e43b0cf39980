# SPDX-License-Identifier: Apache-2.0
"""ringpost doctor tells the truth about a kernel with TLS."""

import json
import os
import unittest

from harness import run_program


class Doctor(unittest.TestCase):
    def report(self):
        done = run_program("doctor", "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_kernel(self):
        self.assertIn(os.uname().release, json.dumps(self.report()))

    def test_kernel_tls_is_there(self):
        text = json.dumps(self.report())
        self.assertIn("AES-128-GCM", text)
        self.assertIn("TLSv1.3", text)

    def test_text_for_people(self):
        done = run_program("doctor")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(os.uname().release, done.stdout)


if __name__ == "__main__":
    unittest.main()
