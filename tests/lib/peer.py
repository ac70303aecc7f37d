# SPDX-License-Identifier: MIT
"""A blocking, scripted MQTT peer: the test says packet by packet what goes out and what must come back."""
import time
from collections import deque

from . import mqtt
from .mqtt import DecodeError, Packet, PacketType, Prop, Version
from .transport import TIMEOUT

SESSION_EXPIRY = 300


class Closed(AssertionError):
    """The server closed the connection where a packet was expected."""


class Peer:
    """One connection. `expect` takes the next packet and no other; `await_packet` leaves what comes before it for later.

    `publish` and `receive` run the whole QoS handshake, so that a test that is about something else stays short.
    """

    def __init__(self, stream, version: Version):
        self.stream, self.version = stream, Version(version)
        self.connack: Packet | None = None
        self.client_id = ""
        self._bytes, self._queue, self._last_pid = b"", deque(), 0

    # Sending

    def send(self, *packets: bytes) -> None:
        self.stream.send(b"".join(packets))

    def next_pid(self) -> int:
        self._last_pid = self._last_pid % 65535 + 1
        return self._last_pid

    def send_connect(self, client_id: str | bytes = "", **fields) -> None:
        self.client_id = client_id
        self.send(mqtt.connect(self.version, client_id, **fields))

    def send_publish(self, topic: str | bytes, payload: bytes = b"", *, qos: int = 0, pid: int | None = None, **fields) -> int | None:
        if qos and pid is None:
            pid = self.next_pid()
        self.send(mqtt.publish(self.version, topic, payload, qos=qos, pid=pid, **fields))
        return pid

    def send_ack(self, kind: PacketType, pid: int, reason: int | None = None, props=None) -> None:
        self.send(mqtt.ack(kind, self.version, pid, reason, props))

    def send_subscribe(self, filters, *, pid: int | None = None, **fields) -> int:
        pid = pid or self.next_pid()
        self.send(mqtt.subscribe(self.version, pid, filters, **fields))
        return pid

    def send_unsubscribe(self, filters, *, pid: int | None = None, **fields) -> int:
        pid = pid or self.next_pid()
        self.send(mqtt.unsubscribe(self.version, pid, filters, **fields))
        return pid

    # Receiving

    def _read(self, timeout: float) -> Packet | None:
        """The next packet off the wire, or None at the end of the stream. No packet in time is a TimeoutError."""
        deadline = time.monotonic() + timeout
        while True:
            size = self._complete()
            if size:
                raw, self._bytes = self._bytes[:size], self._bytes[size:]
                header = 1
                while raw[header] & 0x80:
                    header += 1
                return mqtt.decode(self.version, raw[0], raw[header + 1:], size)
            data = self.stream.recv(max(0.001, deadline - time.monotonic()))
            if not data:
                if self._bytes:
                    raise DecodeError(f"closed in the middle of a packet: {self._bytes.hex()}")
                return None
            self._bytes += data

    def _complete(self) -> int:
        """Size of the first packet in the buffer, 0 if it is not there as a whole."""
        length = 0
        for i in range(4):
            if len(self._bytes) < i + 2:
                return 0
            length |= (self._bytes[i + 1] & 0x7F) << 7 * i
            if not self._bytes[i + 1] & 0x80:
                size = i + 2 + length
                return size if len(self._bytes) >= size else 0
        raise DecodeError("Remaining Length of more than four bytes")

    def recv(self, timeout: float = TIMEOUT) -> Packet:
        if self._queue:
            return self._queue.popleft()
        return self._wire(timeout)

    def _wire(self, timeout: float) -> Packet:
        try:
            packet = self._read(timeout)
        except TimeoutError:
            raise AssertionError(f"no packet within {timeout} s") from None
        if packet is None:
            raise Closed("the server closed the connection")
        return packet

    def expect(self, kind: PacketType, timeout: float = TIMEOUT, **fields) -> Packet:
        packet = self.recv(timeout)
        assert packet.type == kind, f"{kind.name} expected, got {packet}"
        for name, wanted in fields.items():
            assert getattr(packet, name) == wanted, f"{name}={wanted!r} expected in {packet}"
        return packet

    def await_packet(self, kind: PacketType, timeout: float = TIMEOUT, **fields) -> Packet:
        """The first packet of that type and fields; others are kept, in order, for later calls."""
        for packet in self._queue:
            if packet.type == kind and all(getattr(packet, n) == w for n, w in fields.items()):
                self._queue.remove(packet)
                return packet
        deadline = time.monotonic() + timeout
        while True:
            packet = self._wire(max(0.001, deadline - time.monotonic()))
            if packet.type == kind and all(getattr(packet, n) == w for n, w in fields.items()):
                return packet
            assert packet.type != PacketType.DISCONNECT, f"{kind.name} {fields} expected, got {packet}"
            self._queue.append(packet)

    def expect_closed(self, timeout: float = TIMEOUT) -> None:
        """The server closes, and sends nothing before it does."""
        assert not self._queue, f"end of the connection expected, got {self._queue[0]}"
        try:
            packet = self._read(timeout)
        except TimeoutError:
            raise AssertionError(f"the server did not close within {timeout} s") from None
        assert packet is None, f"end of the connection expected, got {packet}"

    def expect_error(self, *reasons: int, timeout: float = TIMEOUT) -> Packet | None:
        """The server ends an established connection: version 5 says why, in a DISCONNECT, the others just close."""
        said = None
        if self.version == Version.V5:
            said = self.await_disconnect(timeout)
            assert said.reason in reasons, f"DISCONNECT {said.reason:#x}, expected {[hex(r) for r in reasons]}"
        else:
            self._queue.clear()
        self.expect_closed(timeout)
        return said

    def await_disconnect(self, timeout: float = TIMEOUT) -> Packet:
        """The DISCONNECT of the server, past what it may have sent before."""
        while (packet := self.recv(timeout)).type != PacketType.DISCONNECT:
            pass
        return packet

    def expect_refused(self, *reasons: int, timeout: float = TIMEOUT) -> Packet | None:
        """The server refuses a CONNECT: a CONNACK with one of the reasons, or none at all, and then the end."""
        try:
            packet = self.recv(timeout)
        except Closed:
            return None
        assert packet.type == PacketType.CONNACK, f"CONNACK or the end expected, got {packet}"
        assert packet.reason in reasons, f"CONNACK {packet.reason:#x}, expected {[hex(r) for r in reasons]}"
        assert not packet.session_present, "[MQTT-3.2.2-6]"
        self.expect_closed(timeout)
        return packet

    def barrier(self) -> None:
        """Returns once the server has dealt with everything sent so far on this connection."""
        self.send(mqtt.pingreq())
        self.await_packet(PacketType.PINGRESP)

    def expect_nothing(self, seconds: float = 0) -> None:
        """Nothing has come and nothing comes within `seconds` and before the answer to a PINGREQ."""
        deadline = time.monotonic() + seconds
        while not self._queue and (left := deadline - time.monotonic()) > 0:
            try:
                packet = self._read(left)
            except TimeoutError:
                break
            raise AssertionError(f"nothing expected, got {packet or 'the end of the connection'}")
        self.barrier()
        assert not self._queue, f"nothing expected, got {self._queue[0]}"

    def expect_silence(self, seconds: float) -> None:
        """Nothing comes and the connection stays open for so long, while this side sends nothing either."""
        assert not self._queue, f"nothing expected, got {self._queue[0]}"
        try:
            packet = self._read(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"nothing expected, got {packet or 'the end of the connection'}")

    def take_messages(self) -> list[Packet]:
        """All messages that the server has sent by now, in their order; they are not acknowledged."""
        self.barrier()
        messages = [p for p in self._queue if p.type == PacketType.PUBLISH]
        for packet in messages:
            self._queue.remove(packet)
        return messages

    # Whole exchanges

    def connect(self, client_id: str | bytes = "", *, expiry: int | None = None, props=(), **fields) -> Packet:
        """CONNECT accepted. `expiry` is the session expiry of version 5 and makes `clean` 0 mean what it does in 3.1.1."""
        props = list(props)
        if self.version == Version.V5:
            if expiry is None and fields.get("clean") is False:
                expiry = SESSION_EXPIRY
            if expiry is not None:
                props.append((Prop.SESSION_EXPIRY, expiry))
        self.send_connect(client_id, props=props, **fields)
        self.connack = self.expect(PacketType.CONNACK, reason=0)
        return self.connack

    def subscribe(self, *filters, qos: int = 0, **fields) -> Packet:
        """Each filter is a string, subscribed at `qos`, or a (filter, options byte) pair. None may be refused."""
        pairs = [f if isinstance(f, tuple) else (f, qos) for f in filters]
        suback = self.await_packet(PacketType.SUBACK, pid=self.send_subscribe(pairs, **fields))
        assert len(suback.reasons) == len(pairs) and max(suback.reasons) <= 2, f"refused: {suback}"
        return suback

    def unsubscribe(self, *filters, **fields) -> Packet:
        return self.await_packet(PacketType.UNSUBACK, pid=self.send_unsubscribe(filters, **fields))

    def publish(self, topic: str | bytes, payload: bytes = b"", *, qos: int = 0, **fields) -> Packet | None:
        """Publishes and runs the handshake; QoS 0 ends with a barrier, so that the server has the message in each case."""
        pid = self.send_publish(topic, payload, qos=qos, **fields)
        if qos == 0:
            return self.barrier()
        if qos == 1:
            return self.await_packet(PacketType.PUBACK, pid=pid)
        pubrec = self.await_packet(PacketType.PUBREC, pid=pid)
        if pubrec.reason < 0x80:
            self.send_ack(PacketType.PUBREL, pid)
            self.await_packet(PacketType.PUBCOMP, pid=pid)
        return pubrec

    def receive(self, topic: str | None = None, payload: bytes | None = None, timeout: float = TIMEOUT, **fields) -> Packet:
        """The next packet is this message; answers it as its QoS asks for."""
        if topic is not None:
            fields["topic"] = topic
        if payload is not None:
            fields["payload"] = payload
        packet = self.expect(PacketType.PUBLISH, timeout, **fields)
        self.acknowledge(packet)
        return packet

    def acknowledge(self, packet: Packet) -> None:
        if packet.qos == 1:
            self.send_ack(PacketType.PUBACK, packet.pid)
        elif packet.qos == 2:
            self.send_ack(PacketType.PUBREC, packet.pid)
            self.await_packet(PacketType.PUBREL, pid=packet.pid)
            self.send_ack(PacketType.PUBCOMP, packet.pid)

    def disconnect(self, reason: int | None = None, props=None) -> None:
        """DISCONNECT, and waits until the server has closed."""
        self.send(mqtt.disconnect(self.version, reason, props))
        self._queue.clear()
        self.expect_end()

    def expect_end(self, timeout: float = TIMEOUT) -> None:
        """The server closes, whatever it may send before."""
        while True:
            try:
                self.recv(timeout)
            except Closed:
                return

    def close(self) -> None:
        self.stream.close()

    def reset(self) -> None:
        self.stream.reset()
