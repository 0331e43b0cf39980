# SPDX-License-Identifier: Apache-2.0
"""Pages of docs/: what they tell people to write is right."""

import os
import re
import unittest

import documented
from harness import certificates, fresh_folder, run_program


class Configurations(unittest.TestCase):
    def test_each_is_taken(self):
        seen = 0
        for page in documented.pages():
            for heading, name, text in documented.blocks(page):
                if not name.endswith("ringpost.yaml"):
                    continue
                with self.subTest(page=page, heading=heading):
                    self.check(text)
                    seen += 1
        self.assertGreater(seen, 2)

    def check(self, text):
        """Only the files it names are others: they need not be here."""
        certs = certificates()
        for key, path in (("certificate", certs.certificate),
                          ("key", certs.key), ("ca_file", certs.ca)):
            text = re.sub(rf"\b{key}: [\w./-]+", f"{key}: {path}", text)
        path = os.path.join(fresh_folder("docs"), "ringpost.yaml")
        with open(path, "w") as f:
            f.write(text)
        done = run_program("check-config", "--config", path)
        self.assertEqual(done.returncode, 0, done.stderr + text)


class Links(unittest.TestCase):
    def test_lead_somewhere(self):
        for page in documented.pages():
            with open(os.path.join(documented.DOCS, page)) as f:
                text = re.sub(r"```.*?```", "", f.read(), flags=re.S)
            for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
                if "://" in link:
                    continue
                with self.subTest(page=page, link=link):
                    self.assertTrue(os.path.exists(os.path.join(
                        documented.DOCS, os.path.dirname(page), link)))


if __name__ == "__main__":
    unittest.main()
