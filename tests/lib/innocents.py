# SPDX-License-Identifier: MIT
"""A publisher and a subscriber that have nothing to do with what a test does to their broker."""
import threading
import time

from . import transport
from .marks import V5
from .mqtt import PacketType
from .peer import Peer

PACE = 0.01     # seconds between two messages: below any bound of rate that a test sets
PATIENCE = 10   # seconds that one message may take; it is a machine that does other things too


class Innocents:
    """While it is open they exchange QoS 1 messages, one at a time; a loss, a duplicate, an end of either connection or a
    message that takes too long is an error at the end."""

    def __init__(self, address: tuple[str, int], topic: str, source: str | None = None):
        self._topic, self._count, self._error = f"innocents/{topic}", 0, None
        self._changed, self._over = threading.Condition(), False
        self._publisher, self._subscriber = (Peer(transport.tcp(address, source), V5) for _ in range(2))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Innocents":
        for peer, name in ((self._publisher, "publisher"), (self._subscriber, "subscriber")):
            peer.connect(f"innocent-{name}")
        self._subscriber.subscribe(self._topic, qos=1)
        self._thread.start()
        return self

    def __exit__(self, kind, *_) -> None:
        with self._changed:
            self._over = True
        self._thread.join()
        for peer in (self._publisher, self._subscriber):
            peer.close()
        if kind is None:
            self._raise()

    def _run(self) -> None:
        try:
            while not self._over:
                self._exchange(b"%d" % self._count)
                with self._changed:
                    self._count += 1
                    self._changed.notify_all()
                time.sleep(PACE)
        except Exception as error:  # the thread has no other way to say so
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _exchange(self, payload: bytes) -> None:
        pid = self._publisher.send_publish(self._topic, payload, qos=1)
        packet = self._subscriber.expect(PacketType.PUBLISH, PATIENCE, topic=self._topic, payload=payload, dup=False)
        self._subscriber.send_ack(PacketType.PUBACK, packet.pid)
        self._publisher.expect(PacketType.PUBACK, PATIENCE, pid=pid, reason=0)

    def _raise(self) -> None:
        if self._error:
            raise AssertionError("the innocent clients were disturbed") from self._error

    def go_on(self, count: int = 20) -> None:
        """Returns once they have exchanged so many more."""
        with self._changed:
            wanted = self._count + count
            self._changed.wait_for(lambda: self._error or self._count >= wanted, timeout=count * PATIENCE)
            self._raise()
            assert self._count >= wanted, "the innocent clients do not get on"
