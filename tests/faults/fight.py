# SPDX-License-Identifier: MIT
"""Many connections that all say they are the same client, on different nodes, while messages are published to it."""
import asyncio
import random
import uuid
from collections import Counter

from lib import mqtt
from lib.marks import V5
from lib.mqtt import Packet, PacketType, Prop

RATE = 50          # connections a second
PUBLISHED = 50     # messages a second
ANSWER = 10        # seconds for any answer
OVERLAP = 2        # seconds that a connection may stand after a later one was accepted
ATTEMPTS = 5       # of a client that comes back in the end: claims of those who have gone may be under way still
EXPIRY = 300       # seconds that the session lives without a connection


class Link:
    """One connection: bytes to packets, and back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, address: tuple[str, int]) -> "Link":
        return cls(*await asyncio.wait_for(asyncio.open_connection(*address), ANSWER))

    def send(self, *packets: bytes) -> None:
        self._writer.write(b"".join(packets))

    async def receive(self) -> Packet | None:
        """The next packet; None at the end of the connection."""
        try:
            first = (await self._reader.readexactly(1))[0]
            length = shift = 0
            while True:
                byte = (await self._reader.readexactly(1))[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            return mqtt.decode(V5, first, await self._reader.readexactly(length), length + shift // 7 + 1)
        except (asyncio.IncompleteReadError, OSError):
            return None

    async def expect(self, kind: PacketType) -> Packet | None:
        """The next packet of this kind, others are passed over; None at the end or when it takes too long."""
        try:
            async with asyncio.timeout(ANSWER):
                while (packet := await self.receive()) and packet.type != kind:
                    pass
                return packet
        except TimeoutError:
            return None

    def close(self) -> None:
        self._writer.close()


class Fight:
    """`addresses`: of the nodes. What is found wrong is a list of sentences."""

    def __init__(self, addresses: list[tuple[str, int]], chance: random.Random):
        self._addresses, self._chance = addresses, chance
        self._id = f"fight{uuid.uuid4().hex[:10]}"
        self._topic = f"fight/{self._id}"
        self._acknowledged: set[int] = set()
        self._received: set[int] = set()
        self._standing: dict[int, Link] = {}  # accepted connections by their number, in the order of their CONNACKs
        self._accepted = 0
        self._refusal = ""
        self._refusals: Counter[str] = Counter()
        self._complaints: list[str] = []

    def run(self, seconds: float) -> list[str]:
        asyncio.run(self._run(seconds))
        return self._complaints

    async def _run(self, seconds: float) -> None:
        first = await self._connect(self._chance.choice(self._addresses), clean=True)
        if not first:
            self._complaints.append("the first connection was not accepted")
            return
        first.send(mqtt.subscribe(V5, 1, [(self._topic, 1)]))
        if not await first.expect(PacketType.SUBACK):
            self._complaints.append("the subscription was not acknowledged")
        first.close()
        over = asyncio.Event()
        publisher = asyncio.create_task(self._publish(over))
        contenders = await self._contend(seconds)
        over.set()
        await publisher
        await self._one_is_left(contenders)
        for contender in contenders:
            contender.cancel()
        await asyncio.gather(*contenders, return_exceptions=True)
        await self._everywhere_accepted()
        if lost := self._acknowledged - self._received:
            self._complaints.append(f"{len(lost)} of {len(self._acknowledged)} messages were lost: {sorted(lost)[:10]}")
        if not self._acknowledged or self._accepted < 2:
            self._complaints.append(f"{len(self._acknowledged)} messages were acknowledged, {self._accepted} connections accepted: "
                                    f"that shows nothing; the others: {dict(self._refusals)}")

    async def _connect(self, address: tuple[str, int], clean: bool = False) -> Link | None:
        try:
            link = await Link.open(address)
        except (OSError, TimeoutError):
            self._refusal = "no connection"
            return None
        link.send(mqtt.connect(V5, self._id, clean=clean, keep_alive=30, props=[(Prop.SESSION_EXPIRY, EXPIRY)]))
        answer = await link.expect(PacketType.CONNACK)
        if not answer or answer.reason:
            self._refusal = f"CONNACK with reason {answer.reason:#x}" if answer else "no CONNACK"
            link.close()
            return None
        if not clean and not answer.session_present:
            self._complaints.append("the session was gone")
        return link

    async def _contend(self, seconds: float) -> list[asyncio.Task]:
        loop, tasks = asyncio.get_running_loop(), []
        begin = loop.time()
        for i in range(int(seconds * RATE)):
            await asyncio.sleep(begin + i / RATE - loop.time())
            tasks.append(asyncio.create_task(self._stand(self._chance.choice(self._addresses))))
        return tasks

    async def _stand(self, address: tuple[str, int]) -> None:
        """One contender: connects, and takes messages until it is thrown out."""
        link = await self._connect(address)
        if not link:
            self._refusals[self._refusal] += 1
            return
        self._accepted += 1
        number = self._accepted
        self._standing[number] = link
        try:
            while packet := await self._take(link, number):
                if packet.type == PacketType.DISCONNECT:
                    return
        finally:
            self._standing.pop(number, None)
            link.close()

    async def _take(self, link: Link, number: int) -> Packet | None:
        """The next packet. Whoever is not the last to be accepted has to be thrown out soon."""
        receiving = asyncio.ensure_future(link.receive())
        late = False
        try:
            while not receiving.done():
                await asyncio.wait([receiving], timeout=OVERLAP)
                if receiving.done():
                    break
                if late:
                    self._complaints.append(f"connection {number} still stands {OVERLAP} s after another was accepted")
                    return None
                late = number < self._accepted
        finally:
            receiving.cancel()
        packet = receiving.result()
        if packet and packet.type == PacketType.PUBLISH:
            self._received.add(int(packet.payload))
            link.send(mqtt.ack(PacketType.PUBACK, V5, packet.pid))
        return packet

    async def _publish(self, over: asyncio.Event) -> None:
        """One message after the other; what is not acknowledged is sent again on another connection."""
        number, link = 0, None
        while not over.is_set() or number not in self._acknowledged:
            if not link:
                link = await self._publisher()
                continue
            link.send(mqtt.publish(V5, self._topic, b"%d" % number, qos=1, pid=number % 60_000 + 1))
            answer = await link.expect(PacketType.PUBACK)
            if not answer:
                link.close()
                link = None
                continue
            if answer.reason < 0x80:
                self._acknowledged.add(number)
                if over.is_set():
                    break
                number += 1
            await asyncio.sleep(1 / PUBLISHED)
        if link:
            link.close()

    async def _publisher(self) -> Link | None:
        try:
            link = await Link.open(self._chance.choice(self._addresses))
        except (OSError, TimeoutError):
            await asyncio.sleep(0.1)
            return None
        link.send(mqtt.connect(V5, f"{self._id}p"))
        if (answer := await link.expect(PacketType.CONNACK)) and answer.reason == 0:
            return link
        link.close()
        await asyncio.sleep(0.1)
        return None

    async def _one_is_left(self, contenders: list[asyncio.Task]) -> None:
        """When nobody new comes, one connection remains and all others have ended."""
        deadline = asyncio.get_running_loop().time() + ANSWER + OVERLAP
        while sum(not task.done() for task in contenders) > 1 and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        left = sum(not task.done() for task in contenders)
        if left != 1:
            self._complaints.append(f"{left} connections stand in the end, instead of one; {self._accepted} were accepted, the others: "
                                    f"{dict(self._refusals)}")

    async def _everywhere_accepted(self) -> None:
        """The session is stuck nowhere: each node accepts it, and the last one delivers all that there is."""
        link = None
        for address in self._addresses:
            if link:
                link.close()
            for _ in range(ATTEMPTS):
                if link := await self._connect(address):
                    break
                await asyncio.sleep(0.2)
            if not link:
                self._complaints.append("in the end {}:{} does not accept the client: {}".format(*address, self._refusal))
        try:
            while link and not self._acknowledged <= self._received:
                async with asyncio.timeout(ANSWER):
                    packet = await link.receive()
                if not packet:
                    break
                if packet.type == PacketType.PUBLISH:
                    self._received.add(int(packet.payload))
                    link.send(mqtt.ack(PacketType.PUBACK, V5, packet.pid))
        except TimeoutError:
            pass
        if link:
            link.close()
