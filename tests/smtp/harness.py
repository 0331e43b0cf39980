# SPDX-License-Identifier: Apache-2.0
"""What the black-box tests share: certificates, the relay as a process, a
scriptable SMTP sink and a raw SMTP client. Loopback only.

The programs under test are taken from RINGPOST_BUILD (default: build/).
"""

import atexit
import functools
import glob
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("RINGPOST_BUILD", "build"))
RINGPOST = os.path.join(BUILD, "gateway", "ringpost")
BENCH = os.path.join(BUILD, "bench", "ringpost-bench")

# Longest wait for something that must happen. Never asserted on from below:
# a slow machine only waits longer.
PATIENCE = float(os.environ.get("RINGPOST_TEST_PATIENCE", "60"))


@functools.lru_cache(None)
def scratch():
    """A folder of this process, gone at its end."""
    path = tempfile.mkdtemp(prefix="ringpost-test-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def fresh_folder(name):
    return tempfile.mkdtemp(prefix=name + "-", dir=scratch())


class TidyResult(unittest.TextTestResult):
    """Spools take room in advance, and a spool refuses mail long before the
    disk is full: those that a test made go with it."""

    def spools(self):
        return set(glob.glob(os.path.join(scratch(), "*", "spool")))

    def startTest(self, test):
        super().startTest(test)
        self.others = self.spools()

    def stopTest(self, test):
        super().stopTest(test)
        for folder in self.spools() - self.others:
            shutil.rmtree(folder, ignore_errors=True)


# --- programs of packages that are unpacked, not installed --------------------

UNPACKED = os.path.join(ROOT, os.environ.get(
    "RINGPOST_UNPACKED", os.path.join("build", "unpacked")))


def unpacked_root(path):
    """The folder that has this file of a package: where tests/setup/install
    --unpack put it (RINGPOST_UNPACKED, default: build/unpacked), or / when
    the package is installed; None when it is nowhere."""
    for folder in (UNPACKED, "/"):
        if os.path.exists(os.path.join(folder, path)):
            return folder
    return None


def unpacked_environment(root, *more):
    """What programs below root need to find their libraries."""
    env = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin"), "LANG": "C"}
    if root != "/":
        env["LD_LIBRARY_PATH"] = ":".join(
            os.path.join(root, part) for part in (
                *more, "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
    return env


def why_not_unpacked(package):
    return (f"no {package}: tests/setup/install --unpack "
            + os.path.relpath(UNPACKED, ROOT) + " fetches it")


def needs(test, why_unavailable):
    """Skips the test when something outside is missing. RINGPOST_NO_SKIP
    (./check sets it) makes that a failure."""
    if why_unavailable and os.environ.get("RINGPOST_NO_SKIP"):
        test.fail(why_unavailable)
    if why_unavailable:
        test.skipTest(why_unavailable)


def wait_until(condition, what):
    """Polls until condition() is true; what (a text or a function that
    returns one) says what was awaited when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain for "
                                 + (what() if callable(what) else what))
        time.sleep(0.02)


def ledger_count(path):
    """Messages in a ledger of ringpost-bench, each once however often it
    came; a line that is not whole yet does not count."""
    try:
        with open(path, "rb") as f:
            return len({line.split()[0] for line in f if line.endswith(b"\n")})
    except FileNotFoundError:
        return 0


# --- ports ------------------------------------------------------------------

_next_port = random.Random(os.getpid()).randrange(10000, 30000)
_port_lock = threading.Lock()


def free_port():
    """A loopback port below the range the kernel hands out by itself, so
    that no outgoing connection takes it between now and its use."""
    global _next_port
    with _port_lock:
        for _ in range(2000):
            _next_port = 10000 + (_next_port - 10000 + 1) % 20000
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", _next_port))
                except OSError:
                    continue
                return _next_port
    raise RuntimeError("no free port")


# --- certificates -----------------------------------------------------------

def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Certificates:
    """A throw-away authority, a good server certificate and a strange one."""

    def __init__(self):
        self.folder = fresh_folder("certs")
        self.ca = self.path("ca.pem")
        self.ca_key = self.path("ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-keyout", self.ca_key, "-out", self.ca,
                "-subj", "/CN=test authority",
                "-addext", "basicConstraints=critical,CA:TRUE",
                # Python 3.13 and later insist on it.
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.certificate, self.key = self.issue(
            "server", "DNS:relay.example.test,DNS:localhost,IP:127.0.0.1")
        self.other, self.other_key = self.issue(
            "other", "DNS:other.example.test")
        self.foreign, self.foreign_key = self.self_signed("foreign")

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, names):
        key, csr, cert = (self.path(name + e) for e in (".key", ".csr", ".pem"))
        ext = self.path(name + ".ext")
        with open(ext, "w") as f:
            f.write(f"subjectAltName={names}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                "-out", csr, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey",
                self.ca_key, "-CAcreateserial", "-days", "2", "-extfile", ext,
                "-out", cert)
        return cert, key

    def self_signed(self, name):
        key, cert = self.path(name + ".key"), self.path(name + ".pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-keyout", key, "-out", cert, "-subj", "/CN=127.0.0.1",
                "-addext", "subjectAltName=IP:127.0.0.1")
        return cert, key


@functools.lru_cache(None)
def certificates():
    return Certificates()


# OpenSSL's name and the standard one (RFC 5289, 7905), which logs and headers
# use for both versions.
TLS_1_2_SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305":
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}


def client_context(verify=True):
    context = ssl.create_default_context(cafile=certificates().ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(certificate=None, key=None, version=None, ciphers=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate or certificates().certificate,
                            key or certificates().key)
    if version:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context


# --- the relay --------------------------------------------------------------

def run_program(*args, **options):
    """Runs ringpost to its end."""
    return subprocess.run([RINGPOST, *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=PATIENCE, **options)


def merge(base, extra):
    """extra over base, mappings joined key by key; None takes a key out."""
    for key, value in extra.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


class Relay:
    """ringpost serve as a child. Keyword arguments are laid over the
    configuration; next_hop is a port of the loopback interface."""

    SANITIZER = ("AddressSanitizer", "LeakSanitizer", "runtime error:",
                 "UndefinedBehaviorSanitizer", "ThreadSanitizer")

    def __init__(self, next_hop=9, route=None, environment=None, **config):
        self.folder = fresh_folder("relay")
        self.port = free_port()
        self.environment = environment or {}
        certs = certificates()
        self.config = merge({
            "hostname": "relay.example.test",
            "spool": {"path": os.path.join(self.folder, "spool")},
            "listen": [{"address": f"127.0.0.1:{self.port}",
                        "tls": {"certificate": certs.certificate,
                                "key": certs.key}}],
            "relay_from": ["127.0.0.0/8"],
            "routes": [merge({"match": "*",
                              "next_hop": f"127.0.0.1:{next_hop}",
                              "tls": "may"}, route or {})],
            "retry": {"schedule": ["100ms"], "expire": "1h"},
        }, config)
        self.process = None
        self.reader = None
        self.ended = False
        self.lines = []
        self.events = []
        self.changed = threading.Condition()

    # configuration and process

    def write_config(self):
        # JSON is YAML too.
        path = os.path.join(self.folder, "ringpost.yaml")
        with open(path, "w") as f:
            json.dump(self.config, f, indent=2)
        return path

    def start(self):
        env = dict(os.environ, **self.environment)
        if self.reader:
            self.reader.join()  # its last word is about the process before
        self.process = subprocess.Popen(
            [RINGPOST, "serve", "--config", self.write_config()],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=env, cwd=self.folder)
        since, self.ended = len(self.events), False
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        if not self.is_ready(since):
            self.kill()
            self.reader.join()
            raise AssertionError("the relay does not start, status "
                                 f"{self.process.returncode}:\n"
                                 + self.log_text())
        return self

    def is_ready(self, since):
        """Waits for the log to say that it serves; False when it ended."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while not any(e.get("event") == "serve.ready"
                          for e in self.events[since:]):
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    return False
                self.changed.wait(left)
        return True

    def read_log(self):
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            with self.changed:
                self.lines.append(line)
                if isinstance(event, dict):
                    self.events.append(event)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def log_text(self, last=60):
        return "\n".join(self.lines[-last:])

    def wait_event(self, name=None, **fields):
        """The first log event of that name with those fields."""
        def match(event):
            return ((name is None or event.get("event") == name)
                    and all(str(event.get(k)) == str(v)
                            for k, v in fields.items()))
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                for event in self.events:
                    if match(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        f"no event {name} {fields} in the log:\n"
                        + self.log_text())
                self.changed.wait(left)

    def find_events(self, name):
        with self.changed:
            return [e for e in self.events if e.get("event") == name]

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Waits for the end; returns the exit status."""
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the relay did not end:\n" + self.log_text())
        self.reader.join()
        self.process.stdout.close()
        bad = [n for n, line in enumerate(self.lines)
               if any(word in line for word in self.SANITIZER)]
        if bad:
            raise AssertionError("sanitizer report:\n"
                                 + "\n".join(self.lines[bad[0]:bad[0] + 60]))
        return status

    def stop(self):
        """SIGTERM; the relay must end well."""
        if self.process is None or self.process.returncode is not None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        status = self.wait()
        if status != 0:
            raise AssertionError(f"the relay ended with status {status}:\n"
                                 + self.log_text())

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        else:
            self.kill()

    # use

    def client(self, **options):
        return Client(self.port, **options)

    def send(self, body=b"Subject: test\r\n\r\nhello\r\n",
             sender="from@example.test", recipients=("to@example.test",),
             tls=True):
        """Hands over one message; returns the last reply."""
        with self.client() as c:
            c.greet(tls=tls)
            c.envelope(sender, recipients)
            return c.data(body)


# --- raw client -------------------------------------------------------------

class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[0][:3])
        self.texts = [line[4:] for line in lines]
        self.text = " ".join(self.texts)

    @property
    def enhanced(self):
        word = self.texts[0].split(" ")[0]
        return word if word.count(".") == 2 else ""

    def __repr__(self):
        return "\n".join(self.lines)


class Closed(Exception):
    """The peer closed the connection."""


class Client:
    """SMTP as sent by hand: nothing is checked or mended on the way out."""

    def __init__(self, port, host="127.0.0.1", timeout=None, implicit=False,
                 context=None, source=None):
        self.sock = socket.create_connection(
            (host, port), timeout or PATIENCE,
            source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.keywords = {}
        if implicit:
            self.handshake(context)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.sock.close()

    def handshake(self, context=None, name="relay.example.test"):
        assert not self.buffer, self.buffer
        context = context or client_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=name)

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        while b"\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                more = b""
            if not more:
                raise Closed(self.buffer)
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        if not line.endswith(b"\r"):
            raise AssertionError(f"reply line without CR: {line!r}")
        return line[:-1].decode()

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        codes = {line[:3] for line in lines}
        if len(codes) != 1:
            raise AssertionError(f"mixed codes in one reply: {lines}")
        return Reply(lines)

    def command(self, text):
        self.send(text + "\r\n")
        return self.reply()

    def ehlo(self, name="client.example.test"):
        reply = self.command("EHLO " + name)
        self.keywords = {}
        for text in reply.texts[1:]:
            word, _, rest = text.partition(" ")
            self.keywords[word.upper()] = rest
        return reply

    def starttls(self, context=None):
        reply = self.command("STARTTLS")
        if reply.code != 220:
            raise AssertionError(f"STARTTLS: {reply}")
        self.handshake(context)

    def greet(self, tls=False, context=None):
        """Reads the greeting, says EHLO, perhaps twice."""
        greeting = self.reply()
        if greeting.code != 220:
            raise AssertionError(f"greeting: {greeting}")
        self.ehlo()
        if tls:
            self.starttls(context)
            self.ehlo()
        return self

    def expect(self, code, text):
        reply = self.command(text)
        if reply.code != code:
            raise AssertionError(f"{text}: {reply}, expected {code}")
        return reply

    def envelope(self, sender="from@example.test",
                 recipients=("to@example.test",)):
        self.expect(250, f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            self.expect(250, f"RCPT TO:<{recipient}>")

    def data(self, body):
        """DATA with dot-stuffing; returns the final reply."""
        self.expect(354, "DATA")
        stuffed = body.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self.send(stuffed + b".\r\n")
        return self.reply()

    def bdat(self, chunk, last=False):
        self.send(f"BDAT {len(chunk)}{' LAST' if last else ''}\r\n".encode()
                  + chunk)
        return self.reply()

    def at_end(self):
        """True when the peer closes without another word."""
        try:
            rest = self.line()
        except Closed as e:
            return e.args[0] == b""
        raise AssertionError(f"expected the end, got {rest!r}")


# --- sink -------------------------------------------------------------------

class Message:
    def __init__(self, session):
        self.session = session
        self.sender = None
        self.sender_line = ""
        self.recipients = []
        self.recipient_lines = []
        self.data = b""
        self.chunks = []      # sizes of BDAT
        self.by = None        # "DATA" or "BDAT"

    @property
    def headers(self):
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def trace(self):
        """The first header field: the last relay's Received."""
        lines = self.headers.split("\r\n")
        more = next((n for n, line in enumerate(lines)
                     if n and line[:1] not in " \t"), len(lines))
        return " ".join(line.strip() for line in lines[:more])

    def body_from(self, marker):
        """The message as handed in: from its first own header on."""
        at = self.data.find(marker)
        return self.data[at:] if at >= 0 else None


class SinkSession:
    """One connection of a client to the sink."""

    def __init__(self, sink, sock, number):
        self.sink, self.sock, self.number = sink, sock, number
        self.buffer = b""
        self.commands = []
        self.tls = None
        self.name = None
        self.message = None
        self.delivered = 0
        self.ended = False

    def recv(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.recv()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("utf-8", "surrogateescape")

    def exactly(self, count):
        parts, have = [self.buffer], len(self.buffer)
        while have < count:  # joined once: chunks may be large
            self.buffer = b""
            self.recv()
            parts.append(self.buffer)
            have += len(self.buffer)
        data = b"".join(parts)
        self.buffer = data[count:]
        return data[:count]

    def until_dot(self):
        while not (self.buffer.startswith(b".\r\n")
                   or b"\r\n.\r\n" in self.buffer):
            self.recv()
        if self.buffer.startswith(b".\r\n"):
            data, self.buffer = b"", self.buffer[3:]
        else:
            data, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
            data += b"\r\n"
        lines = data.split(b"\r\n")
        return b"\r\n".join(x[1:] if x.startswith(b".") else x for x in lines)

    def say(self, text):
        for line in text.split("\n"):
            self.sock.sendall(line.encode() + b"\r\n")

    def answer(self, stage, line, default):
        """Says what the hook wants, or the default; returns what was said."""
        reply = self.sink.hook(self, stage, line) if self.sink.hook else None
        if reply is None:
            reply = default
        if reply is DROP:
            raise Closed
        if reply is not SILENCE:
            self.say(reply)
        return reply if isinstance(reply, str) else ""

    def run(self):
        if self.sink.implicit:
            self.wrap()
        if not self.answer("CONNECT", "", "220 sink.example.test ESMTP") \
                .startswith("220"):
            raise Closed
        while True:
            line = self.line()
            self.commands.append(line)
            verb = line.split(" ")[0].upper()
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler is None:
                self.answer(verb, line, "500 5.5.2 what?")
            else:
                handler(line)

    def wrap(self):
        self.sock = self.sink.context.wrap_socket(self.sock, server_side=True)
        self.tls = self.sock.version()
        self.buffer = b""

    def on_ehlo(self, line):
        self.name = line[5:]
        self.message = None
        words = [w for w in self.sink.extensions
                 if w != "STARTTLS" or self.tls is None]
        lines = ["sink.example.test"] + words
        self.answer("EHLO", line, "\n".join(
            f"250{' ' if n == len(lines) - 1 else '-'}{text}"
            for n, text in enumerate(lines)))

    def on_helo(self, line):
        self.name = line[5:]
        self.message = None
        self.answer("HELO", line, "250 sink.example.test")

    def on_starttls(self, line):
        if self.answer("STARTTLS", line, "220 go ahead").startswith("220"):
            if self.buffer:
                self.sink.errors.append("bytes in clear behind STARTTLS: "
                                        + repr(self.buffer))
            self.wrap()

    def on_mail(self, line):
        if self.answer("MAIL", line, "250 2.1.0 ok").startswith("250"):
            self.message = Message(self)
            self.message.sender_line = line
            self.message.sender = line[line.index("<") + 1:line.index(">")]

    def on_rcpt(self, line):
        if self.message is None:
            self.answer("RCPT", line, "503 5.5.1 MAIL first")
        elif self.answer("RCPT", line, "250 2.1.5 ok").startswith("250"):
            self.message.recipients.append(
                line[line.index("<") + 1:line.index(">")])
            self.message.recipient_lines.append(line)

    def on_data(self, line):
        if self.message is None or not self.message.recipients:
            self.answer("DATA", line, "554 5.5.1 no valid recipients")
            return
        if not self.answer("DATA", line, "354 go").startswith("354"):
            return
        self.message.data = self.until_dot()
        self.message.by = "DATA"
        self.finish(line)

    def on_bdat(self, line):
        words = line.split()
        chunk = self.exactly(int(words[1]))
        if self.message is None or not self.message.recipients:
            self.answer("BDAT", line, "503 5.5.1 no valid recipients")
            return
        self.message.by = "BDAT"
        self.message.data += chunk
        self.message.chunks.append(len(chunk))
        if words[-1].upper() == "LAST":
            self.finish(line)
        else:
            self.answer("BDAT", line, "250 2.0.0 more")

    def finish(self, line):
        message, self.message = self.message, None
        self.current = message
        said = self.answer("BODY", line, "250 2.0.0 taken")
        if said.startswith("250"):
            self.delivered += 1
            self.sink.store(message)

    def on_rset(self, line):
        self.message = None
        self.answer("RSET", line, "250 2.0.0 ok")

    def on_noop(self, line):
        self.answer("NOOP", line, "250 2.0.0 ok")

    def on_quit(self, line):
        self.answer("QUIT", line, "221 2.0.0 bye")
        raise Closed


class RelayTest(unittest.TestCase):
    """Tests of one relay and one sink, both started once per class."""

    CONFIG = {}
    ROUTE = {}
    SINK = {}

    @classmethod
    def setUpClass(cls):
        cls.sink = Sink(**cls.SINK).start()
        cls.addClassCleanup(cls.sink.stop)
        cls.relay = Relay(cls.sink.port, route=cls.ROUTE, **cls.CONFIG)
        cls.relay.start()
        cls.addClassCleanup(cls.relay.kill)

    @classmethod
    def tearDownClass(cls):
        cls.relay.stop()
        if cls.sink.errors:
            raise AssertionError("\n".join(cls.sink.errors))

    def connect(self, **options):
        client = self.relay.client(**options)
        self.addCleanup(client.close)
        return client

    def session(self, tls=False):
        """A client behind EHLO."""
        return self.connect().greet(tls=tls)

    def assert_reply(self, reply, code, enhanced=None):
        self.assertEqual(reply.code, code, repr(reply))
        if enhanced:
            self.assertEqual(reply.enhanced, enhanced, repr(reply))

    def assert_still_serving(self):
        """The relay takes mail as before."""
        self.assert_reply(self.relay.send(), 250)

    def tagged(self, text=b"hello\r\n"):
        """A message only this test sends."""
        tag = f"X-Tag: {self.id()}-{os.urandom(6).hex()}\r\n".encode()
        return tag + b"Subject: test\r\n\r\n" + text

    def arrived(self, body, sink=None):
        """What the sink got of a tagged message, when it has it."""
        tag = body.partition(b"\r\n")[0]
        sink = sink or self.sink
        return sink.wait_for(
            lambda s: next((m for m in s.messages if tag in m.data), None),
            repr(tag))

    def assert_intact(self, body, sink=None):
        """The message arrives, below the relay's own header, as handed in."""
        message = self.arrived(body, sink)
        tag = body.partition(b"\r\n")[0]
        self.assertEqual(message.body_from(tag), body)
        return message


DROP = object()      # a hook's answer: close at once
SILENCE = object()   # a hook's answer: say nothing and go on

EXTENSIONS = ("PIPELINING", "SIZE 20000000", "8BITMIME", "SMTPUTF8",
              "ENHANCEDSTATUSCODES", "CHUNKING", "STARTTLS")


class Sink:
    """An SMTP server that keeps what it gets. hook(session, stage, line) may
    answer in its place: stage is CONNECT, a verb, or BODY (message complete).
    With bounces_apart, delivery reports go to bounces, not to messages.
    """

    def __init__(self, hook=None, extensions=EXTENSIONS, context=None,
                 implicit=False, without=(), bounces_apart=False,
                 host="127.0.0.1", port=None):
        self.bounces_apart = bounces_apart
        self.bounces = []
        self.hook = hook
        self.extensions = [e for e in extensions
                           if e.split(" ")[0] not in without]
        self.context = context or server_context()
        self.implicit = implicit
        self.host, self.port = host, port or free_port()
        self.messages = []
        self.sessions = []
        self.errors = []
        self.changed = threading.Condition()
        self.listener = None
        self.threads = []

    def start(self):
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self.listener = socket.create_server((self.host, self.port),
                                             family=family)
        thread = threading.Thread(target=self.accept, daemon=True)
        thread.start()
        return self

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = SinkSession(self, sock, len(self.sessions))
            with self.changed:
                self.sessions.append(session)
                self.changed.notify_all()
            threading.Thread(target=self.serve, args=(session,),
                             daemon=True).start()

    def serve(self, session):
        try:
            session.run()
        except (Closed, OSError, ssl.SSLError):
            pass
        finally:
            session.sock.close()
            with self.changed:
                session.ended = True
                self.changed.notify_all()

    def store(self, message):
        report = message.sender == "" and b"multipart/report" in message.data
        with self.changed:
            if report and self.bounces_apart:
                self.bounces.append(message)
            else:
                self.messages.append(message)
            self.changed.notify_all()

    def wait_for(self, condition, what="what was awaited"):
        """Waits until condition(self) is true; returns its value."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while not (value := condition(self)):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        f"the sink did not see {what}; it saw "
                        + repr([s.commands for s in self.sessions]))
                self.changed.wait(min(left, 0.2))
            return value

    def wait(self, count=1):
        """The messages, when there are count of them."""
        self.wait_for(lambda s: len(s.messages) >= count,
                      f"{count} messages")
        return self.messages

    def commands(self):
        return [line for s in self.sessions for line in s.commands]

    def stop(self):
        if self.listener:
            # shutdown() wakes accept(); close() alone would not.
            try:
                self.listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.listener.close()
        for session in self.sessions:
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        self.stop()
