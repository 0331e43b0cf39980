# SPDX-License-Identifier: Apache-2.0
"""Exim: queues first, runners deliver."""

import os
import pwd
import re
import subprocess

import peers
from relay import Relay, Unavailable, own_mounts

ACCOUNT = "Debian-exim"

CONFIG = """\
primary_hostname = relay.invalid
exim_path = {program}
spool_directory = {spool}
log_file_path = {spool}/log/%s
exim_user = {user}
exim_group = {group}
never_users =
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
domainlist relay_to_domains = *
acl_smtp_rcpt = accept_all
acl_smtp_data = accept_all
host_lookup =
rfc1413_query_timeout = 0s
dns_dnssec_ok = 0
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
message_size_limit = 64M
smtp_accept_max = 1200
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 100000
smtp_accept_reserve = 0
smtp_connect_backlog = 1024
queue_only = true
queue_run_max = {runners}
remote_max_parallel = 4
split_spool_directory = true
keep_environment =
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
no_message_logs

begin acl
accept_all:
  accept

begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1::{next_hop}
  self = send
  transport = next_hop

begin transports
next_hop:
  driver = smtp
  hosts_require_tls = *
  tls_verify_hosts =
  tls_try_verify_hosts =
  connection_max_messages = {per_connection}
  hosts_try_dane =

begin retry
* * F,1h,1s

begin rewrite
begin authenticators
"""


class Exim(Relay):
    name = "exim"
    share = 0.25
    notes = "queue_only with runners every second, split spool"

    def program(self):
        found = self.peers.root_of(self.name, "usr/sbin/exim4")
        if found is None:
            raise Unavailable("no Exim: compare --fetch gets it")
        if os.geteuid() != 0:
            raise Unavailable("Exim changes accounts: run as root")
        return found, os.path.join(found, "usr/sbin/exim4")

    def version(self):
        base, program = self.program()
        said = subprocess.run([program, "-bV"], text=True, capture_output=True,
                              env=self.peers.environment(base),
                              preexec_fn=self.prepare_process).stdout
        number = re.search(r"Exim version (\S+)", said)
        return f"Exim {number[1] if number else '(version unknown)'}"

    def prepare_process(self):
        """What the machine lacks for Exim, seen by these processes alone: the
        account that is compiled in, and where its libraries are (it raises
        its rights as it runs, and then LD_LIBRARY_PATH counts for nothing)."""
        base, _ = self.program()
        binds = []
        try:
            pwd.getpwnam(ACCOUNT)
        except KeyError:
            binds += [(self.with_line(f"/etc/{name}", line), f"/etc/{name}")
                      for name, line in
                      (("passwd", f"{ACCOUNT}:x:31:31::/nonexistent:/bin/false"),
                       ("group", f"{ACCOUNT}:x:31:"))]
        if base != "/":
            binds.append((self.library_cache(base), "/etc/ld.so.cache"))
        if binds:
            own_mounts(binds)

    def with_line(self, path, line):
        """A copy of the file with one line more."""
        with open(path) as f:
            return self.write(os.path.basename(path), f.read() + line + "\n")

    def library_cache(self, base):
        """A cache for ld.so that knows the libraries below base, too."""
        conf = self.write("ld.so.conf", "".join(
            f"{base}/{part}\n" for part in peers.LIBRARIES)
            + "include /etc/ld.so.conf\n")
        cache = self.path("ld.so.cache")
        subprocess.run(["/sbin/ldconfig", "-X", "-f", conf, "-C", cache],
                       check=True, stdin=subprocess.DEVNULL,
                       capture_output=True)
        return cache

    def configure(self, work, next_hop):
        base, program = self.program()
        os.mkdir(self.path("spool"), 0o755)
        try:
            account = pwd.getpwnam(ACCOUNT)
            uid, gid = account.pw_uid, account.pw_gid
        except KeyError:
            uid = gid = 31
        for name in ("", "log"):
            os.makedirs(self.path("spool", name), exist_ok=True)
            os.chown(self.path("spool", name), uid, gid)
        env = self.peers.environment(base)
        config = self.write("exim.conf", CONFIG.format(
            program=program, spool=self.path("spool"), user=uid, group=gid,
            port=self.port, certificate=self.certificate, key=self.key,
            next_hop=next_hop, runners=min(work.connections, 50),
            per_connection=1 if work.per_connection == 1 else 500))
        return [program, "-C", config, "-bdf", "-q1s"], env
