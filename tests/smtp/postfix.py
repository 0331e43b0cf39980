# SPDX-License-Identifier: Apache-2.0
"""A Postfix of the tests' own: private configuration, queue and ports on
loopback, run in the foreground and ended by process id. The machine's mail
system, if it has one, is not touched.
"""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import time

import harness

# Accounts that base-passwd gives every Debian; Postfix wants an owner, a group
# and an unprivileged user that differ from each other.
OWNER, GROUP = "news", "uucp"

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def root():
    """Where Postfix's files are; None when there is none."""
    return harness.unpacked_root("usr/lib/postfix/sbin/master")


def why_unavailable():
    if root() is None:
        return harness.why_not_unpacked("Postfix")
    if os.geteuid() != 0:
        return "Postfix's master runs only as root"
    return None


class Postfix:
    """relayhost: port on loopback that all mail goes to. Further keyword
    arguments are parameters of main.cf."""

    def __init__(self, relayhost, **parameters):
        self.folder = harness.fresh_folder("postfix")
        # Daemons that gave up root must find their way in.
        for folder in (harness.scratch(), self.folder):
            os.chmod(folder, 0o755)
        self.port = harness.free_port()
        self.log = os.path.join(self.folder, "mail.log")
        self.queue = os.path.join(self.folder, "queue")
        self.make_folders()
        self.write_config(relayhost, parameters)
        self.process = None

    def make_folders(self):
        owner = pwd.getpwnam(OWNER)
        for name in ("config", "queue", "data", "queue/pid"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        os.chown(os.path.join(self.folder, "data"), owner.pw_uid, owner.pw_gid)
        for name in ("active", "bounce", "corrupt", "defer", "deferred",
                     "flush", "hold", "incoming", "private", "saved", "trace",
                     "maildrop", "public"):
            path = os.path.join(self.queue, name)
            os.mkdir(path, 0o700)
            group = (grp.getgrnam(GROUP).gr_gid
                     if name in ("maildrop", "public") else owner.pw_gid)
            os.chown(path, owner.pw_uid, group)
        os.chmod(os.path.join(self.queue, "maildrop"), 0o730)
        os.chmod(os.path.join(self.queue, "public"), 0o710)

    def write_config(self, relayhost, parameters):
        base = root()
        certs = harness.certificates()
        where = os.path.join
        values = {
            "compatibility_level": "3.6",
            "queue_directory": self.queue,
            "data_directory": where(self.folder, "data"),
            "command_directory": where(base, "usr/sbin"),
            "daemon_directory": where(base, "usr/lib/postfix/sbin"),
            "shlib_directory": where(base, "usr/lib/postfix"),
            "meta_directory": where(self.folder, "config"),
            "mail_owner": OWNER,
            "setgid_group": GROUP,
            "default_privs": "nobody",
            "import_environment":
                "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C "
                "LD_LIBRARY_PATH",
            # sendmail's postdrop needs its libraries, too
            "export_environment": "TZ LANG MAIL_CONFIG LD_LIBRARY_PATH",
            "maillog_file": self.log,
            "maillog_file_prefixes": self.folder,
            "myhostname": "postfix.example.test",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_peername_lookup": "no",
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "relayhost": f"[127.0.0.1]:{relayhost}",
            "alias_maps": "", "alias_database": "",
            "local_recipient_maps": "",
            "local_header_rewrite_clients": "",
            "notify_classes": "",
            "message_size_limit": "100000000",
            "mailbox_size_limit": "0",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "queue_run_delay": "1s",
            "smtpd_tls_security_level": "may",
            "smtpd_tls_cert_file": certs.certificate,
            "smtpd_tls_key_file": certs.key,
            "smtpd_tls_loglevel": "1",
            "smtpd_tls_received_header": "yes",
            "smtp_tls_security_level": "secure",
            "smtp_tls_secure_cert_match": "relay.example.test",
            "smtp_tls_CAfile": certs.ca,
            "smtp_tls_loglevel": "1",
            "smtp_tls_session_cache_database":
                "btree:${data_directory}/smtp_scache",
        }
        values.update(parameters)
        config = os.path.join(self.folder, "config")
        with open(os.path.join(config, "main.cf"), "w") as f:
            for name, value in values.items():
                f.write(f"{name} = {value}\n")
        with open(os.path.join(config, "master.cf"), "w") as f:
            f.write(MASTER.format(port=self.port))
        # The unpacked package carries it in etc/postfix.
        for name in ("dynamicmaps.cf", "postfix-files"):
            for folder in ("etc/postfix", "usr/share/postfix"):
                source = os.path.join(root(), folder, name)
                if os.path.exists(source):
                    shutil.copy(source, config)
                    break

    def start(self):
        base = root()
        env = harness.unpacked_environment(base, "usr/lib/postfix")
        self.console = open(os.path.join(self.folder, "console"), "wb")
        self.process = subprocess.Popen(
            [os.path.join(base, "usr/lib/postfix/sbin/master"), "-c",
             os.path.join(self.folder, "config"), "-d"],
            env=env, stdin=subprocess.DEVNULL, stdout=self.console,
            stderr=self.console, start_new_session=True)
        deadline = time.monotonic() + harness.PATIENCE
        while True:
            try:
                with harness.Client(self.port, timeout=5) as client:
                    if client.reply().code == 220:
                        return self
            except (OSError, harness.Closed):
                pass
            if self.process.poll() is not None \
                    or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("Postfix does not start:\n"
                                     + self.log_text())
            time.sleep(0.05)

    def run(self, program, *arguments, **options):
        base = root()
        env = harness.unpacked_environment(base, "usr/lib/postfix")
        env["MAIL_CONFIG"] = os.path.join(self.folder, "config")
        subprocess.run([os.path.join(base, "usr/sbin", program), *arguments],
                       env=env, check=True, timeout=harness.PATIENCE,
                       **options)

    def sendmail(self, message, *arguments):
        """Hands a message over as a program on its machine would."""
        self.run("sendmail", *arguments, input=message)

    def flush(self):
        """Every message that waits is tried now."""
        self.run("postqueue", "-f")

    def log_text(self):
        text = ""
        for path in (os.path.join(self.folder, "console"), self.log):
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()
        return text

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        # Daemons live in the session of their master and nobody else does.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.console.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        self.stop()
