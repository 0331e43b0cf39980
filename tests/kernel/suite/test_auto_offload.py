# SPDX-License-Identifier: Apache-2.0
"""offload: auto on this kernel, and always in its place."""

import test_auto
from test_auto import Auto  # noqa: F401  (the tests of tests/smtp)


class Always(test_auto.Auto):
    test_many_bytes_go_to_the_kernel = None
    test_it_follows_what_is_carried = None

    def test_few_bytes_stay_in_user_space(self):
        """They don't: always is always."""
        relay = self.relay(offload="always")
        for _ in range(3):
            self.assert_kernel(self.carry(relay, test_auto.FEW))
        relay.stop()
