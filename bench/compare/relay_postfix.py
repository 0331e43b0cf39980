# SPDX-License-Identifier: Apache-2.0
"""Postfix with the settings of a busy outbound relay."""

import grp
import os
import pwd
import re
import shutil
import subprocess

from relay import Relay, Unavailable

# Accounts that base-passwd gives every Debian; Postfix wants an owner, a group
# and an unprivileged user that differ from each other.
OWNER, GROUP = "news", "uucp"

MASTER = """\
127.0.0.1:{port} inet n - n - {processes} smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - {processes} smtp
relay     unix  - - n - {processes} smtp
error     unix  - - n - - error
retry     unix  - - n - - error
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
tlsproxy  unix  - - n - 0 tlsproxy
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix(Relay):
    name = "postfix"
    notes = ("destination concurrency 50, connection cache, TLS reuse for "
             "small mail, in_flow_delay 0, no chroot, postlogd")

    def root(self):
        found = self.peers.root_of(self.name, "usr/lib/postfix/sbin/master")
        if found is None:
            raise Unavailable("no Postfix: compare --fetch gets it")
        if os.geteuid() != 0:
            raise Unavailable("Postfix's master runs only as root")
        return found

    def version(self):
        base = self.root()
        said = subprocess.run(
            [os.path.join(base, "usr/sbin/postconf"), "-d", "mail_version"],
            env=self.environment(base), text=True, capture_output=True).stdout
        number = re.search(r"= *([\w.-]+)", said)
        return f"Postfix {number[1] if number else '(version unknown)'}"

    def environment(self, base):
        return self.peers.environment(base, "usr/lib/postfix")

    def configure(self, work, next_hop):
        base = self.root()
        self.make_folders()
        config = self.path("config")
        with open(os.path.join(config, "main.cf"), "w") as f:
            for name, value in self.parameters(base, work, next_hop).items():
                f.write(f"{name} = {value}\n")
        with open(os.path.join(config, "master.cf"), "w") as f:
            f.write(MASTER.format(port=self.port,
                                  processes=self.processes(work)))
        for name in ("dynamicmaps.cf", "postfix-files"):
            for folder in ("etc/postfix", "usr/share/postfix"):
                source = os.path.join(base, folder, name)
                if os.path.exists(source):
                    shutil.copy(source, config)
                    break
        return ([os.path.join(base, "usr/lib/postfix/sbin/master"), "-c",
                 config, "-d"], self.environment(base))

    @staticmethod
    def processes(work):
        """A process for each connection."""
        return max(200, work.connections + 50)

    def make_folders(self):
        owner = pwd.getpwnam(OWNER)
        for name in ("config", "queue", "data", "queue/pid"):
            os.mkdir(self.path(name), 0o755)
        os.chown(self.path("data"), owner.pw_uid, owner.pw_gid)
        for name in ("active", "bounce", "corrupt", "defer", "deferred",
                     "flush", "hold", "incoming", "private", "saved", "trace",
                     "maildrop", "public"):
            path = self.path("queue", name)
            os.mkdir(path, 0o700)
            group = (grp.getgrnam(GROUP).gr_gid
                     if name in ("maildrop", "public") else owner.pw_gid)
            os.chown(path, owner.pw_uid, group)
        os.chmod(self.path("queue/maildrop"), 0o730)
        os.chmod(self.path("queue/public"), 0o710)

    def parameters(self, base, work, next_hop):
        # Reuse of TLS connections goes through tlsproxy: it pays for small
        # mail and costs for large.
        reuse = "yes" if work.per_connection != 1 \
            and work.size <= 256 << 10 else "no"
        return {
            "compatibility_level": "3.6",
            "queue_directory": self.path("queue"),
            "data_directory": self.path("data"),
            "command_directory": os.path.join(base, "usr/sbin"),
            "daemon_directory": os.path.join(base, "usr/lib/postfix/sbin"),
            "shlib_directory": os.path.join(base, "usr/lib/postfix"),
            "meta_directory": self.path("config"),
            "mail_owner": OWNER,
            "setgid_group": GROUP,
            "default_privs": "nobody",
            "import_environment":
                "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH",
            "maillog_file": self.path("mail.log"),
            "maillog_file_prefixes": self.folder,
            "myhostname": "relay.invalid",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_peername_lookup": "no",
            "smtpd_client_connection_count_limit": "0",
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "relayhost": f"[127.0.0.1]:{next_hop}",
            "alias_maps": "", "alias_database": "",
            "local_recipient_maps": "",
            "local_header_rewrite_clients": "",
            "notify_classes": "",
            "message_size_limit": "67108864",
            "mailbox_size_limit": "0",
            # The backlog of its listening socket, too.
            "default_process_limit": self.processes(work),
            "default_destination_concurrency_limit": "50",
            "initial_destination_concurrency": "50",
            "qmgr_message_active_limit": "100000",
            "qmgr_message_recipient_limit": "100000",
            "in_flow_delay": "0",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "queue_run_delay": "1s",
            "smtp_connection_cache_on_demand":
                "no" if work.per_connection == 1 else "yes",
            "smtp_connection_cache_destinations":
                "" if work.per_connection == 1 else f"[127.0.0.1]:{next_hop}",
            "smtp_tls_connection_reuse": reuse,
            "smtpd_tls_security_level": "may",
            "smtpd_tls_cert_file": self.certificate,
            "smtpd_tls_key_file": self.key,
            "smtp_tls_security_level": "encrypt",
            "smtp_tls_session_cache_database":
                "btree:${data_directory}/smtp_scache",
        }
