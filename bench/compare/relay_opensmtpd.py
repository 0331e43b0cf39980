# SPDX-License-Identifier: Apache-2.0
"""OpenSMTPD of Debian 13, in a root of its own: it has accounts and paths
compiled in, and needs a newer libc than Debian 12's."""

import os
import re
import shutil
import subprocess

from relay import Relay, Unavailable, own_mounts

PROGRAM = "usr/sbin/smtpd"
# Seen in that root alone: those the package would make.
SMTPD, QUEUE = 31, 32
PASSWD = f"""\
root:x:0:0:root:/root:/bin/sh
opensmtpd:x:{SMTPD}:{SMTPD}::/var/lib/opensmtpd/empty:/bin/false
opensmtpq:x:{QUEUE}:{QUEUE}::/var/lib/opensmtpd/empty:/bin/false
"""
GROUP = f"""\
root:x:0:
opensmtpd:x:{SMTPD}:
opensmtpq:x:{QUEUE}:
"""

CONFIG = """\
pki own cert "/etc/cert.pem"
pki own key "/etc/key.pem"
smtp max-message-size 64M
smtp limit max-mails 100000
mta limit session-mail-max 1000
mta limit max-conn-per-host {connections}
mta limit max-conn-per-connector {connections}
mta limit max-conn-per-relay {connections}
mta limit max-conn-per-source {connections}
mta limit max-conn-per-domain {connections}
listen on 127.0.0.1 port {port} tls pki own hostname relay.invalid
action "out" relay host smtp+tls://127.0.0.1:{next_hop} tls no-verify \\
    helo relay.invalid
match from any for any action "out"
"""


class OpenSMTPD(Relay):
    name = "opensmtpd"
    share = 0.25
    durable = False
    # It listens with a backlog of five, and what the kernel drops then waits
    # for a greeting that never comes.
    most_connections = 5
    # It pauses for seconds between its connections to one host, so what it
    # sends goes over few of them in every work.
    notes = ("not durable: it never calls fsync; 5 connections from the "
             "source, its backlog holds no more; always many messages on a "
             "connection to the next hop")

    def root(self):
        found = os.path.join(self.peers.folder, self.name)
        if not os.path.exists(os.path.join(found, PROGRAM)):
            raise Unavailable("no OpenSMTPD of Debian 13: compare --fetch "
                              "gets it")
        if os.geteuid() != 0:
            raise Unavailable("OpenSMTPD runs only as root")
        return found

    def version(self):
        base = self.root()
        said = subprocess.run(
            [f"{base}/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
             "--library-path", f"{base}/usr/lib/x86_64-linux-gnu",
             os.path.join(base, PROGRAM), "-h"],
            text=True, capture_output=True, env={"LANG": "C"})
        number = re.search(r"OpenSMTPD (\S+)", said.stdout + said.stderr)
        return f"OpenSMTPD {number[1] if number else '(version unknown)'}"

    def prepare_process(self):
        root = self.path("root")
        own_mounts([(os.path.join(self.root(), "usr"), f"{root}/usr"),
                    ("/dev", f"{root}/dev"), ("/proc", f"{root}/proc")])
        os.chroot(root)
        os.chdir("/")

    def configure(self, work, next_hop):
        self.make_root()
        self.write("root/etc/smtpd.conf", CONFIG.format(
            port=self.port, next_hop=next_hop, connections=50))
        return ["/" + PROGRAM, "-d", "-f", "/etc/smtpd.conf"], {
            "PATH": "/usr/sbin:/usr/bin", "LANG": "C"}

    def make_root(self):
        for name in ("usr", "etc/ssl/certs", "dev", "proc", "tmp", "run",
                     "var/lib/opensmtpd/empty", "var/spool/smtpd"):
            os.makedirs(self.path("root", name), 0o755)
        for name in ("bin", "lib", "lib64", "sbin"):
            os.symlink(f"usr/{name}", self.path("root", name))
        os.symlink("/run", self.path("root/var/run"))
        os.chmod(self.path("root/var/spool/smtpd"), 0o711)
        for name, text in (("passwd", PASSWD), ("group", GROUP),
                           ("hosts", "127.0.0.1 localhost relay.invalid\n"),
                           ("resolv.conf", ""), ("mailname", "relay.invalid\n")):
            self.write(f"root/etc/{name}", text)
        for name in ("cert.pem", "ssl/certs/ca-certificates.crt"):
            shutil.copy(self.certificate, self.path("root/etc", name))
        # It refuses a key that others may read.
        shutil.copyfile(self.key, self.path("root/etc/key.pem"))
        os.chmod(self.path("root/etc/key.pem"), 0o600)
