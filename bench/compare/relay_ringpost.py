# SPDX-License-Identifier: Apache-2.0
"""ringpost itself, with keys in the kernel or with TLS in user space."""

import os
import subprocess

from relay import Relay, Unavailable

CONFIG = """\
hostname: relay.invalid
spool: {{path: {spool}, durability: sync}}
listen:
  - address: 127.0.0.1:{port}
    tls: {{certificate: {certificate}, key: {key}}}
relay_from: [127.0.0.0/8]
offload: {offload}
limits: {{message_size: 64MiB, connections_per_client: 5000}}
routes:
  - {{match: "*", next_hop: "127.0.0.1:{next_hop}", tls: encrypt,
     connections: {connections}, messages_per_connection: {per_connection}}}
log: {{format: json, level: info, file: {log}}}
"""


class Ringpost(Relay):
    name = "ringpost"
    offload = "never"
    notes = "durability: sync, TLS in user space"

    def version(self):
        try:
            said = subprocess.run([self.peers.ringpost, "--version"], text=True,
                                  capture_output=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as e:
            raise Unavailable(f"{self.peers.ringpost}: {e}; build it first") \
                from None
        return said.strip()

    def configure(self, work, next_hop):
        config = self.write("ringpost.yaml", CONFIG.format(
            spool=self.path("spool"), port=self.port, key=self.key,
            certificate=self.certificate, offload=self.offload,
            next_hop=next_hop, connections=min(work.connections, 50),
            per_connection=1 if work.per_connection == 1 else 1000,
            log=self.path("log")))
        return [self.peers.ringpost, "serve", "--config", config], os.environ.copy()


class RingpostKernel(Ringpost):
    name = "ringpost-ktls"
    offload = "always"
    notes = "durability: sync, TLS in the kernel"

    def version(self):
        said = super().version()
        with open("/proc/sys/net/ipv4/tcp_available_ulp") as f:
            if "tls" not in f.read().split():
                raise Unavailable("this kernel has no TLS (modprobe tls)")
        return said
