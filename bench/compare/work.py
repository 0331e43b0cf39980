# SPDX-License-Identifier: Apache-2.0
"""The kinds of work that relays are compared at."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    size: int                # octets of a message
    messages: int            # of a counted run
    connections: int = 20    # of the source
    per_connection: int = 0  # messages on a connection, 0: all
    destinations: int = 1    # recipient domains
    connect_first: bool = False  # all connections open before any message

    def describe(self):
        size = f"{self.size >> 20} MiB" if self.size >= 1 << 20 \
            else f"{self.size >> 10} KiB"
        text = f"{self.messages} messages of {size}, " \
               f"{self.connections} connections"
        if self.per_connection == 1:
            text += ", one message on each"
        if self.connect_first:
            text += ", all open before the first message"
        if self.destinations > 1:
            text += f", {self.destinations} destinations"
        return text

    def limited(self, connections):
        """The same with no more connections than this; None: as it is."""
        if connections is None or connections >= self.connections:
            return self
        return dataclasses.replace(self, connections=connections)

    def shrunk(self, share):
        """The same with fewer messages; at least one on each connection."""
        return dataclasses.replace(
            self, messages=max(self.connections, int(self.messages * share)))


KINDS = (
    Work("small", 4 << 10, 4000),
    Work("medium", 100 << 10, 1500),
    Work("large", 10 << 20, 40, connections=8),
    Work("single", 4 << 10, 1000, per_connection=1),
    Work("spread", 4 << 10, 4000, destinations=100),
    Work("thousand", 4 << 10, 4000, connections=1000, connect_first=True),
)
