#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Relays MESSAGES (10000) through kernel TLS on both sides while both peers
change their keys, with and without asking for the relay's, and reconnect.
Prints what became of them; exit status 0: nothing lost, repeated or changed,
and no record that did not decrypt.

    tests/kernel/run 6.1 7.2 -- tests/kernel/suite/new_keys.py [MESSAGES]

Where the kernel can change keys (Linux 6.14) each KeyUpdate is followed in
place, wherever it stands. Where it can't, each ends its connection: there the
peers send nothing behind a KeyUpdate until the relay has hung up, and a next
hop whose client is gone does not take the message that it was about to answer.
A next hop that takes it nevertheless gets it twice: test_sessions.py has that
case, which no mail server can avoid once a reply is out of reach."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "smtp")]

import harness  # noqa: E402
import test_relay  # noqa: E402
from harness import BENCH, PATIENCE, Relay, certificates  # noqa: E402

CAN_REKEY = test_relay.RELEASE >= (6, 14)
EVERY = 7            # messages of a connection to a KeyUpdate
PER_CONNECTION = 50  # the source's QUIT
CLOSE_AFTER = 60     # the sink's 421
# Where keys can't be changed the relay hangs up: there is nothing else to be
# waited for.
HANG_UP_MS = 0 if CAN_REKEY else 20000
# (the peers ask for the relay's keys, the source's KeyUpdate is behind the
# message instead of in front of it)
ROUNDS = [(ask, behind) for ask in (False, True) for behind in (False, True)]


class Peers:
    """The source's and the sink's share of a round."""

    def __init__(self, folder, name, ask, behind):
        self.folder, self.name = folder, name
        self.keys = ["--key-update", str(EVERY), "--key-update-wait",
                     str(HANG_UP_MS)] + ["--key-update-ask"] * ask
        self.behind = ["--key-update-behind"] * behind

    def path(self, name):
        return os.path.join(self.folder, name)

    def start_sink(self):
        ready = self.path(f"address-{self.name}")
        self.sink = subprocess.Popen(
            [BENCH, "sink", "--listen", "127.0.0.1:0", "--ready-file", ready,
             "--tls-version", "1.3", "--require-tls", "--close-after",
             str(CLOSE_AFTER), "--json", "--ledger", self.path("delivered"),
             *self.keys], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        harness.wait_until(lambda: os.path.exists(ready)
                           and os.path.getsize(ready), "the sink's address")
        with open(ready) as f:
            return int(f.read().rpartition(":")[2])

    def send(self, port, messages):
        done = subprocess.run(
            [BENCH, "source", "--to", f"127.0.0.1:{port}", "--connections",
             "8", "--messages", str(messages), "--per-connection",
             str(PER_CONNECTION), "--run", self.name, "--size", "1K-64K",
             "--bdat", "50%", "--dot-lines", "30%", "--resume", "yes",
             "--tls-version", "1.3", "--ca", certificates().ca, "--sni",
             "relay.example.test", "--retry", "--retry-delay-ms", "1",
             "--json", "--ledger", self.path("accepted"), *self.keys,
             *self.behind],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise AssertionError("the source failed:\n" + done.stderr[-2000:])
        return json.loads(done.stdout)

    def stop_sink(self):
        self.sink.terminate()
        return json.loads(self.sink.communicate(timeout=PATIENCE)[0])

    def kill(self):
        if self.sink.poll() is None:
            self.sink.kill()
            self.sink.communicate()


def add(total, more):
    for key, value in more.items():
        total[key] = total.get(key, 0) + value


def round_of(folder, number, messages, before, total):
    ask, behind = ROUNDS[number]
    peers = Peers(folder, f"round{number}", ask, behind)
    relay = Relay(peers.start_sink(), route={"tls": "encrypt"},
                  offload="always", workers=2)
    try:
        relay.start()
        sent = peers.send(relay.port, messages)
        ledger = peers.path("delivered")
        harness.wait_until(
            lambda: harness.ledger_count(ledger) >= before + messages,
            lambda: "all messages at the sink:\n" + relay.log_text())
        relay.stop()
        got = peers.stop_sink()
    finally:
        relay.kill()
        peers.kill()
    for event in relay.events:  # of connections that carried something
        if "offload" in event and event["messages"] > 0:
            add(total, {"offload " + event["offload"]: 1})
    add(total, {
        "connections_in": sent["handshakes"],
        "connections_out": got["handshakes"],
        "key_updates_by_clients": sent["key_updates_sent"],
        "key_updates_by_next_hops": got["key_updates_sent"],
        "key_updates_by_relay":
            sent["key_updates_seen"] + got["key_updates_seen"],
        "hung_up_upon_one":
            sent["key_updates_final"] + got["key_updates_final"],
        "repeated_at_once": len(relay.find_events("outbound.repeated")),
        "deferred": len(relay.find_events("outbound.deferred")),
    })


def verify(folder):
    done = subprocess.run(
        [BENCH, "verify", "--accepted", os.path.join(folder, "accepted"),
         "--delivered", os.path.join(folder, "delivered")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode == 0, done.stdout.strip().splitlines()[-1]


def relay_all(messages):
    """Returns (all is well, the lines to print)."""
    folder = harness.fresh_folder("new-keys")
    before, total, made = test_relay.tls_stat(), {}, 0
    for number in range(len(ROUNDS)):
        share = (messages - made) // (len(ROUNDS) - number)
        round_of(folder, number, share, made, total)
        made += share
    good, line = verify(folder)
    now = test_relay.tls_stat()
    grown = {k: now[k] - before[k] for k in now if k.startswith("Tls")}
    rekeys = " ".join(f"{k}={v}" for k, v in sorted(grown.items())
                      if "Rekey" in k)
    lines = [
        f"kernel={os.uname().release} rekeys={'yes' if CAN_REKEY else 'no'} "
        + " ".join(f"{k.replace(' ', '_')}={v}"
                   for k, v in sorted(total.items())),
        f"TlsDecryptError={grown['TlsDecryptError']} "
        f"TlsCurrTxSw={now['TlsCurrTxSw']} TlsCurrRxSw={now['TlsCurrRxSw']} "
        + rekeys,
        line,
    ]
    well = (good and grown["TlsDecryptError"] == 0
            and now["TlsCurrTxSw"] == now["TlsCurrRxSw"] == 0
            and all(k == "offload tx,rx" for k in total
                    if k.startswith("offload"))
            and total["key_updates_by_clients"] > 0
            and total["key_updates_by_next_hops"] > 0)
    if CAN_REKEY:
        well = (well and not total["hung_up_upon_one"]
                and not total["repeated_at_once"]
                and total["key_updates_by_relay"] > 0)
    return well, lines


def main():
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    well, lines = relay_all(messages)
    print("\n".join(lines), flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
