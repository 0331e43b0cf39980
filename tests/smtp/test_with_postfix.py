# SPDX-License-Identifier: Apache-2.0
"""docs/with-postfix.md, done as it says, with a real Postfix."""

import unittest

import documented
import postfix
from harness import Sink, certificates, free_port
from test_postfix import PostfixTest

PAGE = "with-postfix.md"


class WithPostfix(PostfixTest):
    def relay(self, heading, changes):
        text = documented.block(PAGE, heading, "ringpost.yaml")
        return self.start(documented.Relay(
            text, {"/var/spool/ringpost": "SPOOL", **changes}))

    def parameters(self, heading, changes):
        text = documented.block(PAGE, heading, "main.cf")
        return documented.parameters(documented.changed(text, changes))


class Behind(WithPostfix):
    HEADING = "ringpost behind Postfix"

    def chain(self):
        sink = self.start(Sink())
        relay = self.relay(self.HEADING, {
            "127.0.0.1:2525": "127.0.0.1:PORT",
            "next_hop: mx": f'next_hop: "127.0.0.1:{sink.port}"'})
        return sink, relay, self.parameters(
            self.HEADING, {"[127.0.0.1]:2525": f"[127.0.0.1]:{relay.port}"})

    def test_mail_passes(self):
        sink, relay, parameters = self.chain()
        up = postfix.Postfix(relay.port)
        up.write_config(relay.port, parameters)
        self.start(up)
        bodies = self.mixed()
        self.hand_over(up.port, bodies)
        self.assert_all_arrived(sink, bodies, up.log_text)
        self.assertRegex(up.log_text(),
                         r"status=sent \(250 2\.0\.0 .*queued as \w+")
        relay.stop()

    def test_a_queue_moves(self):
        sink, relay, parameters = self.chain()
        up = postfix.Postfix(free_port(), smtp_tls_security_level="none")
        self.start(up)
        bodies = [self.body(n) for n in range(10)]
        self.hand_over(up.port, bodies)
        self.assertEqual(len(sink.messages), 0)
        up.stop()
        up.write_config(relay.port, parameters)
        up.start()
        up.flush()
        self.assert_all_arrived(sink, bodies, up.log_text)
        relay.stop()


class InFront(WithPostfix):
    HEADING = "ringpost in front of Postfix"

    def test_mail_passes(self):
        sink = self.start(Sink())
        parameters = self.parameters(self.HEADING, {
            "192.0.2.10/32": "127.0.0.0/8"})
        hop = self.start(postfix.Postfix(sink.port, **parameters))
        certs = certificates()
        relay = self.relay(self.HEADING, {
            "0.0.0.0:2525": "127.0.0.1:PORT",
            "/etc/ringpost/cert.pem": certs.certificate,
            "/etc/ringpost/key.pem": certs.key,
            "postfix.example.com:25": f"127.0.0.1:{hop.port}",
            "ca_file: /etc/ringpost/ca.pem":
                f"ca_file: {certs.ca}, name: relay.example.test"})
        bodies = self.mixed()
        self.hand_over(relay.port, bodies)
        self.assert_all_arrived(sink, bodies, hop.log_text)
        relay.stop()


if __name__ == "__main__":
    unittest.main()
