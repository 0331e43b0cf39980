# SPDX-License-Identifier: Apache-2.0
"""ringpost doctor tells the truth about this kernel."""

from test_doctor import Truth  # noqa: F401  (the tests of tests/smtp)
