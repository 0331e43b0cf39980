# SPDX-License-Identifier: Apache-2.0
"""Exim as real upstream and as real next hop. Debian's speaks TLS by GnuTLS,
and is the one packaged server that sends BDAT."""

import unittest

import exim
from harness import Relay, Sink, needs
from test_postfix import PostfixTest
from test_smuggling import Smuggling


class EximTest(PostfixTest):
    def setUp(self):
        needs(self, exim.why_unavailable())

    def pass_on(self, port, bodies, sink, relay, hop):
        self.hand_over(port, bodies)
        self.assert_all_arrived(
            sink, bodies, lambda: relay.log_text() + hop.log_text())
        relay.stop()


class AsNextHop(EximTest):
    """client -> relay -> Exim -> sink"""

    def chain(self, **route):
        sink = self.start(Sink())
        hop = self.start(exim.Exim(sink.port))
        return self.start(Relay(hop.port, route, workers=1)), hop, sink

    def test_starttls_and_bdat(self):
        relay, hop, sink = self.chain(tls="encrypt")
        self.pass_on(relay.port, self.mixed(), sink, relay, hop)
        self.assertEqual(
            {e["tls"] for e in relay.find_events("outbound.closed")},
            {"TLSv1.3"})

    def test_in_clear(self):
        relay, hop, sink = self.chain(tls="none")
        self.pass_on(relay.port, self.mixed(), sink, relay, hop)


class AsUpstream(EximTest):
    """client -> Exim -> relay -> sink"""

    def test_starttls_and_bdat(self):
        sink = self.start(Sink())
        relay = self.start(Relay(sink.port))
        up = self.start(exim.Exim(relay.port))
        self.pass_on(up.port, self.mixed(), sink, relay, up)
        taken = relay.find_events("inbound.accepted")
        self.assertEqual({e["tls"] for e in taken}, {"TLSv1.3"})
        # Exim's log marks what it sent by BDAT.
        self.assertRegex(up.log_text(), r'T=next_hop .* K C="250 2\.0\.0')


class SmugglingThroughExim(Smuggling):
    """client -> relay -> Exim -> sink; an Exim for which any line end will
    do (before 4.97.1)."""

    def setUp(self):
        needs(self, exim.why_unavailable())

    def next_hop(self):
        sink = self.start(Sink())
        return self.start(exim.Exim(sink.port)).port, sink


del PostfixTest, Smuggling  # their own modules run them

if __name__ == "__main__":
    unittest.main()
