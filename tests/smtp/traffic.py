# SPDX-License-Identifier: Apache-2.0
"""Mail that flows while something is done to the relay, and the books of it:
what was answered 250 must arrive once, nobody may be refused."""

import re
import ssl
import threading

from harness import Client, Closed, wait_until


class Traffic:
    """Threads that connect, send a few messages and go, without end. With
    goodbyes, the relay may close between messages: a client that writes at that
    moment does not get to read the 421."""

    def __init__(self, port, threads=3, messages=3, tls=False,
                 goodbyes=False):
        self.port, self.messages, self.tls = port, messages, tls
        self.goodbyes = goodbyes
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.accepted = set()
        self.unsure = set()   # being sent, no reply came (yet)
        self.wrong = []       # connections refused, replies that were not due
        self.threads = [threading.Thread(target=self.run, args=(n,),
                                         daemon=True)
                        for n in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def run(self, number):
        count = 0
        while not self.ended.is_set():
            try:
                client = Client(self.port)
            except OSError as e:
                self.wrong.append(f"connect: {e!r}")
                return
            with client:
                try:
                    count = self.session(client, number, count)
                except (Closed, OSError, ssl.SSLError) as e:
                    if not self.goodbyes or self.waits(number):
                        self.wrong.append(f"cut: {e!r}")

    def waits(self, number):
        """Has this thread handed over a message without hearing of it?"""
        return any(tag.startswith(f"t{number}-") for tag in self.unsure)

    def session(self, client, number, count):
        greeting = client.reply()
        if greeting.code == 421:
            return count
        if client.ehlo().code == 421 or not self.secure(client):
            return count
        for _ in range(self.messages):
            count += 1
            if not self.message(client, f"t{number}-{count}"):
                return count
        client.command("QUIT")
        return count

    def secure(self, client):
        """False: the relay says goodbye, as far as it can in a handshake."""
        if not self.tls:
            return True
        if client.command("STARTTLS").code == 421:
            return False
        try:
            client.handshake()
        except (OSError, ssl.SSLError):
            return False
        return client.ehlo().code != 421

    def message(self, client, tag):
        """False: the relay says goodbye (421), which it may between
        messages."""
        for line in (f"MAIL FROM:<{tag}@example.test>",
                     "RCPT TO:<to@example.test>", "DATA"):
            reply = client.command(line)
            if reply.code == 421:
                return False
            if reply.code not in (250, 354):
                self.wrong.append(f"{line}: {reply}")
                return False
        self.unsure.add(tag)
        client.send(f"Subject: x\r\nX-Tag: {tag};\r\n\r\nhello\r\n.\r\n")
        reply = client.reply()
        with self.lock:
            self.unsure.discard(tag)
            if reply.code == 250:
                self.accepted.add(tag)
            elif reply.code != 421:
                self.wrong.append(f"end of data: {reply}")
        return reply.code == 250

    def wait_more(self, count=5):
        """Until so many more were accepted than now."""
        want = len(self.accepted) + count
        wait_until(lambda: len(self.accepted) >= want or self.wrong,
                   lambda: f"more mail: {self.wrong}")

    def check(self, test, sinks):
        """All that was accepted has arrived, once."""
        def arrived():
            tags = []
            for sink in sinks:
                for message in list(sink.messages):
                    tags += re.findall(rb"X-Tag: (t\d+-\d+);", message.data)
            return [tag.decode() for tag in tags]

        test.assertEqual(self.wrong, [])
        test.assertTrue(self.accepted)
        wait_until(lambda: self.accepted <= set(arrived()),
                   lambda: f"{sorted(self.accepted - set(arrived()))[:10]}")
        tags = arrived()
        twice = {tag for tag in tags if tags.count(tag) > 1}
        test.assertEqual(twice, set())
