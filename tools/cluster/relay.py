# SPDX-License-Identifier: MIT
"""Relays between processes of this machine, which cut, delay and lose what passes between any two of them.

A server announces the address of its relay instead of its own. The relay sees by the process that connects who it is, so
that the same address can be cut for one and open for another: no rights, no namespaces and no packet filter are
needed. What is held back is not lost: as with TCP over a cut line, it arrives when the line is whole again, even if
the sender has given up on it by then.
"""
import asyncio
import itertools
import random
import select
import threading
import time
from collections import deque
from dataclasses import dataclass

from .parties import OUTSIDE, Parties

RETRANSMISSION = 0.2  # seconds: what the loss of a packet costs TCP at least; the next one twice that, and so on
ATTEMPTS = 4          # so many in a row get lost at most
SETTLED = 10          # seconds after which nobody who has just started is behind a connection any more
SWEEP = 0.5           # seconds between two looks for those who have given up to connect
Address = tuple[str, int]


@dataclass(frozen=True)
class Line:
    """What happens to bytes of one direction."""
    cut: bool = False
    delay: float = 0  # seconds
    loss: float = 0   # share of the chunks that come late by a retransmission, or by several

    def lateness(self) -> float:
        late = self.delay
        for attempt in range(ATTEMPTS):
            if random.random() >= self.loss:
                break
            late += RETRANSMISSION * 2 ** attempt
        return late


CLEAN = Line()


class _End(asyncio.Protocol):
    """One socket of a connection: reads for the flow that begins here, and writes for the one that ends here."""

    def __init__(self):
        self.transport: asyncio.Transport | None = None
        self.outgoing: "_Flow | None" = None
        self.incoming: "_Flow | None" = None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.outgoing.take(data)

    def eof_received(self) -> bool:
        self.outgoing.take(None)
        return True  # half-closed: the other direction goes on

    def connection_lost(self, error) -> None:
        self.incoming.abandon()
        self.outgoing.bereave()

    def pause_writing(self) -> None:
        self.incoming.full(True)

    def resume_writing(self) -> None:
        self.incoming.full(False)


class _Flow:
    """One direction of a connection. Chunks wait in order until they are due; None is the end."""

    LIMIT = 1 << 20  # bytes that may wait here; the rest waits at the sender

    def __init__(self, source: _End, sink: _End, line: Line):
        self.source, self.sink, self.line = source, sink, line
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._size, self._full, self._timer, self._last = 0, False, None, 0.0
        self._ended = False     # the source has said all
        self._finished = False  # and that was passed on

    def take(self, data: bytes | None) -> None:
        if self._ended:
            return
        self._ended = data is None
        now = asyncio.get_running_loop().time()
        self._last = max(self._last, now + self.line.lateness())
        self._waiting.append((self._last, data))
        self._size += len(data or b"")
        self.move()

    def change(self, line: Line) -> None:
        self.line = line
        self.move()

    def full(self, full: bool) -> None:
        self._full = full
        self.move()

    def move(self) -> None:
        """Passes on what is due."""
        loop = asyncio.get_running_loop()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._waiting and not self.line.cut and not self._full:
            due, data = self._waiting[0]
            if due > loop.time() + 0.0005:
                self._timer = loop.call_at(due, self.move)
                break
            self._waiting.popleft()
            self._size -= len(data or b"")
            if self.sink.transport.is_closing():
                continue
            if data is None:
                self._finish()
            else:
                self.sink.transport.write(data)
        self._throttle()

    def _throttle(self) -> None:
        """What is cut is not read either, so that the end of the sender is not noticed before the line is whole."""
        transport = self.source.transport
        if transport.is_closing() or self._ended:
            return
        if self.line.cut or self._full or self._size > self.LIMIT:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _finish(self) -> None:
        source, sink = self.source.transport, self.sink.transport
        if source.is_closing():
            sink.close()
            return
        sink.write_eof()
        self._finished = True
        if self.sink.outgoing._finished:  # both have said all
            source.close()
            sink.close()

    def bereave(self) -> None:
        """The source is gone. What it has sent still arrives, and then its end."""
        if self._ended and not self._waiting:
            self.sink.transport.close()
        self.take(None)

    def abandon(self) -> None:
        """The sink is gone: nothing can arrive any more."""
        self._waiting.clear()
        self._ended = True


class _Connection:
    def __init__(self, ends: tuple[Address, Address], client: str, server: str, near: _End):
        self.ends = ends
        self.client, self.server, self.near, self.far = client, server, near, _End()
        self.flows: tuple[_Flow, _Flow] | None = None
        self.began, self.settled = time.monotonic(), False


class Network:
    """All relays of a cluster, in a thread of their own. A line is named by its two ends, in the direction of the bytes."""

    def __init__(self, parties: Parties):
        self.parties = parties
        self._lines: dict[tuple[str, str], Line] = {}
        self._connections: set[_Connection] = set()
        self._held: dict[_Connection, asyncio.Future] = {}  # they wait for a line that is whole
        self._sweeper: asyncio.Task | None = None
        self._loop = asyncio.new_event_loop()
        self._listeners: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def relay(self, server: str, target: Address, port: int = 0) -> Address:
        """A listener in front of `target`, which belongs to `server`: its address. Whoever connects there is connected on
        for as long as both live, or refused where `target` refuses."""
        async def listen():
            listener = await self._loop.create_server(lambda: _Near(self, server, target), "127.0.0.1", port)
            self._listeners.append(listener)
            return listener.sockets[0].getsockname()
        return self._call(listen())

    def cut(self, senders, receivers) -> None:
        """Nothing gets from any sender to any receiver any more, one way; nor can they connect to each other."""
        self._change(senders, receivers, Line(cut=True))

    def separate(self, some, others) -> None:
        """Cut both ways."""
        self.cut(some, others)
        self.cut(others, some)

    def slow(self, senders, receivers, seconds: float) -> None:
        """What they send comes so much later."""
        self._change(senders, receivers, Line(delay=seconds))

    def lossy(self, senders, receivers, share: float) -> None:
        """This share of what they send comes as late as TCP makes it when a packet is lost."""
        self._change(senders, receivers, Line(loss=share))

    def heal(self) -> None:
        """All lines are as new; what was held back arrives now."""
        self._call(self._apply({}))

    def connections(self, client: str, server: str) -> int:
        """How many there are, counted at the relay."""
        async def count():
            self._recognize()
            return sum(c.client == client and c.server == server for c in self._connections)
        return self._call(count())

    def close(self) -> None:
        async def end():
            for listener in self._listeners:
                listener.close()
            if self._sweeper:
                self._sweeper.cancel()
            for connection in list(self._connections):
                for one in (connection.near, connection.far):
                    if one.transport:
                        one.transport.abort()
            await asyncio.sleep(0.01)
        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def line(self, sender: str, receiver: str) -> Line:
        return self._lines.get((sender, receiver), CLEAN)

    def _change(self, senders, receivers, line: Line) -> None:
        lines = {pair: line for pair in itertools.product(senders, receivers) if pair[0] != pair[1]}
        self._call(self._apply(self._lines | lines))

    async def _apply(self, lines) -> None:
        self._lines = lines
        self._recognize()
        for connection in list(self._connections):
            self._renew(connection)
        for connection, whole in self._held.items():
            if not self._is_cut(connection) and not whole.done():
                whole.set_result(None)

    def _recognize(self) -> None:
        """A process that has just been started may connect before it is known. To look for it takes long: not more often."""
        for c in self._connections:
            if c.client == OUTSIDE and c.flows and not c.settled:
                c.settled = time.monotonic() - c.began > SETTLED
                c.client = self.parties.who(*c.ends)

    def _is_cut(self, c: _Connection) -> bool:
        return self.line(c.client, c.server).cut or self.line(c.server, c.client).cut

    def _renew(self, c: _Connection) -> None:
        if c.flows:
            c.flows[0].change(self.line(c.client, c.server))
            c.flows[1].change(self.line(c.server, c.client))

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    # In the thread of the relays

    async def join(self, connection: _Connection, target: Address) -> None:
        """Makes the other half of a connection, as soon as packets pass both ways, as TCP needs it."""
        self._connections.add(connection)
        near, far = connection.near, connection.far
        ends = connection.client, connection.server
        while self._is_cut(connection):
            await self._hold(connection)
        await asyncio.sleep(self.line(*ends).lateness() + self.line(*reversed(ends)).lateness())
        there, back = _Flow(near, far, CLEAN), _Flow(far, near, CLEAN)
        near.outgoing = far.incoming = there
        near.incoming = far.outgoing = back
        try:
            await self._loop.create_connection(lambda: far, *target)
        except OSError:
            near.transport.abort()
            return
        connection.flows = there, back
        self._renew(connection)


    async def _hold(self, connection: _Connection) -> None:
        self._held[connection] = self._loop.create_future()
        if not self._sweeper or self._sweeper.done():
            self._sweeper = asyncio.ensure_future(self._sweep())
        try:
            await self._held[connection]
        finally:
            del self._held[connection]

    async def _sweep(self) -> None:
        """Who gives up to connect over a cut line is gone without a trace. Nobody reads there, so it has to be looked for: servers
        of a Redis Cluster try it a hundred times a second."""
        while self._held:
            await asyncio.sleep(SWEEP)
            nears = {c.near.transport.get_extra_info("socket").fileno(): c.near.transport for c in self._held}
            poll = select.poll()
            for fd in nears:
                if fd >= 0:
                    poll.register(fd, select.POLLRDHUP)
            for fd, _ in poll.poll(0):
                nears[fd].abort()


class _Near(_End):
    """The end towards who connects. It is not read before the other end is there."""

    def __init__(self, network: Network, server: str, target: Address):
        super().__init__()
        self._network, self._server, self._target = network, server, target
        self._connection: _Connection | None = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        # Not at once: asyncio begins to read after this call, whatever was said in it (Python before 3.11.5).
        asyncio.get_running_loop().call_soon(transport.pause_reading)
        ends = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._connection = _Connection(ends, self._network.parties.who(*ends), self._server, self)
        self._joining = asyncio.ensure_future(self._network.join(self._connection, self._target))

    def connection_lost(self, error) -> None:
        self._network._connections.discard(self._connection)
        self._joining.cancel()
        if self._connection.flows:
            super().connection_lost(error)
