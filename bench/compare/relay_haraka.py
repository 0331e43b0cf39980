# SPDX-License-Identifier: Apache-2.0
"""Haraka: its own durable queue, a process for each processor."""

import json
import os
import re
import shutil
import subprocess

import peers
from relay import Relay, Unavailable

FOLDER = "node_modules/Haraka"

SMTP = """\
listen=127.0.0.1:{port}
nodes={nodes}
inactivity_timeout=300
"""
SIZE_LIMIT = 64 << 20
OUTBOUND = """\
concurrency_max={concurrency}
temp_fail_intervals=5s*100
local_mx_ok=true
inet_prefer=v4
"""
PLUGINS = "tls\nto_next_hop\n"
# Everything is relayed, every domain has the same next hop, and no name server
# is asked who the client is.
PLUGIN = """\
exports.hook_connect = (next, connection) => {{
    connection.relaying = true
    next()
}}
exports.hook_lookup_rdns = (next) => next(OK, 'localhost')
exports.hook_get_mx = (next) =>
    next(OK, {{ priority: 0, exchange: '127.0.0.1', port: {next_hop} }})
"""


class Haraka(Relay):
    name = "haraka"
    share = 0.25
    notes = "queue on disk, a process for each processor, concurrency 50 each"

    def program(self):
        found = os.path.join(self.peers.folder, self.name, FOLDER)
        if not os.path.exists(os.path.join(found, "package.json")):
            raise Unavailable("no Haraka: compare --fetch gets it by npm")
        return found

    def node(self):
        """The machine's node, when it is new enough for this Haraka."""
        wanted = int(re.search(r"\d+", self.package()["engines"]["node"])[0])
        found = peers.node_version()
        if found is None:
            raise Unavailable("no node: install Debian's package nodejs")
        if found < wanted:
            raise Unavailable(f"node {found} is older than {wanted}, which "
                              "this Haraka needs")
        return shutil.which("node") or shutil.which("nodejs")

    def package(self):
        with open(os.path.join(self.program(), "package.json")) as f:
            return json.load(f)

    def version(self):
        self.node()
        return f"Haraka {self.package()['version']}, node " \
               f"{peers.node_version()}"

    def connection(self):
        """Its own file of this name (one of ours would replace all of it),
        with room for large messages, and without the limit for the lines of
        a body: at 992 it breaks short lines, too, when many come in one
        read, and the body is another one then."""
        with open(os.path.join(self.program(), "config/connection.ini")) as f:
            text = f.read()
        for name in ("bytes", "data_line_length"):
            text = re.sub(f"(?m)^{name}=.*$", f"{name}={SIZE_LIMIT}", text)
        return text

    def configure(self, work, next_hop):
        for name in ("config", "plugins", "queue"):
            os.mkdir(self.path(name), 0o755)
        for name, text in (
                ("config/smtp.ini",
                 SMTP.format(port=self.port, nodes=os.cpu_count())),
                ("config/connection.ini", self.connection()),
                ("config/outbound.ini", OUTBOUND.format(concurrency=50)),
                ("config/plugins", PLUGINS),
                ("config/me", "relay.invalid\n"),
                ("config/tls.ini", "[main]\nrejectUnauthorized=false\n"),
                ("plugins/to_next_hop.js", PLUGIN.format(next_hop=next_hop))):
            self.write(name, text)
        shutil.copy(self.key, self.path("config/tls_key.pem"))
        shutil.copy(self.certificate, self.path("config/tls_cert.pem"))
        # Else it makes some as it starts, for seconds.
        subprocess.run(
            ["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
             "group:ffdhe2048", "-out", self.path("config/dhparams.pem")],
            check=True, stdin=subprocess.DEVNULL, capture_output=True)
        env = dict(self.peers.environment("/"), NODE_ENV="production",
                   HOME=self.folder)
        return [self.node(), os.path.join(self.program(), "bin/haraka"),
                "-c", self.folder], env
