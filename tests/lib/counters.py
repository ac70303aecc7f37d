# SPDX-License-Identifier: MIT
"""What a broker counts, as it says it itself under $SYS/broker."""
import time

from .marks import V5
from .mqtt import PacketType, options

# A broker whose counters are read needs this among its settings.
SETTINGS = {"sys.interval": "1s"}
PREFIX = "$SYS/broker/"


class Counters:
    """Reads the counters that are named at the start: the connection has to stand before a bound refuses it."""

    def __init__(self, peer, *names: str):
        assert peer.version == V5
        self._peer = peer
        peer.subscribe(*[(PREFIX + name, options(retain_handling=2)) for name in names])

    def read(self, name: str, timeout: float = 10) -> int:
        """A value that was counted after this call."""
        self._peer.take_messages()
        packet = self._peer.await_packet(PacketType.PUBLISH, timeout, topic=PREFIX + name)
        return int(packet.payload)

    def expect(self, name: str, condition, timeout: float = 15) -> int:
        """The first value that fulfils the condition: a function, or a number that has to be reached."""
        holds = condition if callable(condition) else lambda value: value >= condition
        deadline = time.monotonic() + timeout
        while not holds(value := self.read(name)):
            assert time.monotonic() < deadline, f"{PREFIX}{name} is still {value}"
        return value
