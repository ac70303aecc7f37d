# SPDX-License-Identifier: MIT
"""Encoding of everything that a client sends, well-formed or not, and strict decoding of everything that a server sends."""
import struct
from dataclasses import dataclass, field

from .wire import (SERVER_REASONS, DecodeError, PacketType, Prop, Properties, Reader, Version, binary, properties,
                   utf8, varint)

__all__ = ["DecodeError", "Packet", "PacketType", "Prop", "Properties", "Version", "Will", "ack", "auth", "connect",
           "decode", "disconnect", "frame", "options", "pingreq", "publish", "subscribe", "unsubscribe", "utf8", "varint"]

V31, V311, V5 = Version.V31, Version.V311, Version.V5


@dataclass
class Will:
    topic: str | bytes
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    props: object = ()


@dataclass
class Packet:
    """One packet from the server. A field that its type does not have stays None."""
    type: PacketType
    flags: int
    size: int
    pid: int | None = None
    reason: int | None = None
    reasons: list[int] | None = None
    session_present: bool | None = None
    topic: str | None = None
    payload: bytes | None = None
    qos: int | None = None
    retain: bool | None = None
    dup: bool | None = None
    props: Properties = field(default_factory=Properties)


def frame(first: int, body: bytes = b"", length: bytes | None = None) -> bytes:
    """A packet from its first byte and body; `length` replaces the Remaining Length field."""
    return bytes([first]) + (varint(len(body)) if length is None else length) + body


def connect(version: Version, client_id: str | bytes = "", *, clean: bool = True, keep_alive: int = 60,
            username: str | bytes | None = None, password: bytes | None = None, will: Will | None = None, props=(),
            name: str | bytes | None = None, level: int | None = None, flags: int | None = None) -> bytes:
    """`name`, `level` and `flags` replace what the other arguments would give."""
    if flags is None:
        flags = clean << 1
        if will:
            flags |= 4 | will.qos << 3 | will.retain << 5
        flags |= (username is not None) << 7 | (password is not None) << 6
    if name is None:
        name = "MQIsdp" if version == V31 else "MQTT"
    body = utf8(name) + struct.pack(">BBH", int(version) if level is None else level, flags, keep_alive)
    if version == V5:
        body += properties(props)
    body += utf8(client_id)
    if will:
        if version == V5:
            body += properties(will.props)
        body += utf8(will.topic) + binary(will.payload)
    if username is not None:
        body += utf8(username)
    if password is not None:
        body += binary(password)
    return frame(0x10, body)


def publish(version: Version, topic: str | bytes, payload: bytes = b"", *, qos: int = 0, retain: bool = False,
            dup: bool = False, pid: int | None = None, props=()) -> bytes:
    body = utf8(topic)
    if pid is not None:
        body += struct.pack(">H", pid)
    if version == V5:
        body += properties(props)
    return frame(0x30 | dup << 3 | qos << 1 | retain, body + payload)


def ack(kind: PacketType, version: Version, pid: int, reason: int | None = None, props=None, flags: int | None = None) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP; without a reason in the short form that all versions share."""
    if flags is None:
        flags = 2 if kind == PacketType.PUBREL else 0
    body = struct.pack(">H", pid)
    if version == V5 and reason is not None:
        body += bytes([reason])
        if props is not None:
            body += properties(props)
    return frame(kind << 4 | flags, body)


def options(qos: int = 0, *, no_local: bool = False, retain_as_published: bool = False, retain_handling: int = 0) -> int:
    return qos | no_local << 2 | retain_as_published << 3 | retain_handling << 4


def subscribe(version: Version, pid: int, filters, *, props=(), flags: int = 2) -> bytes:
    """`filters` are (filter, options byte) pairs."""
    body = struct.pack(">H", pid)
    if version == V5:
        body += properties(props)
    return frame(0x80 | flags, body + b"".join(utf8(f) + bytes([o]) for f, o in filters))


def unsubscribe(version: Version, pid: int, filters, *, props=(), flags: int = 2) -> bytes:
    body = struct.pack(">H", pid)
    if version == V5:
        body += properties(props)
    return frame(0xA0 | flags, body + b"".join(utf8(f) for f in filters))


def pingreq() -> bytes:
    return frame(0xC0)


def disconnect(version: Version, reason: int | None = None, props=None) -> bytes:
    return frame(0xE0, _reason_body(version, reason, props))


def auth(reason: int | None = None, props=None) -> bytes:
    return frame(0xF0, _reason_body(V5, reason, props))


def _reason_body(version: Version, reason: int | None, props) -> bytes:
    if version != V5 or reason is None:
        return b""
    return bytes([reason]) + (properties(props) if props is not None else b"")


_FLAGS = {PacketType.PUBREL: 2}
_FROM_SERVER = {PacketType.CONNACK, PacketType.PUBLISH, PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL,
                PacketType.PUBCOMP, PacketType.SUBACK, PacketType.UNSUBACK, PacketType.PINGRESP}


def decode(version: Version, first: int, body: bytes, size: int) -> Packet:
    """Decodes what a server sent; raises DecodeError for whatever a server must not send."""
    kind = PacketType(first >> 4) if first >> 4 else None
    if kind not in _FROM_SERVER and not (version == V5 and kind in (PacketType.DISCONNECT, PacketType.AUTH)):
        raise DecodeError(f"a server must not send packet type {first >> 4}")
    packet = Packet(kind, first & 15, size)
    if kind != PacketType.PUBLISH and packet.flags != _FLAGS.get(kind, 0):
        raise DecodeError(f"reserved flags of {kind.name} are {packet.flags:#x}")
    reader = Reader(body)
    _DECODERS[kind](version, reader, packet)
    reader.end()
    reasons = packet.reasons if packet.reasons is not None else [] if packet.reason is None else [packet.reason]
    allowed = SERVER_REASONS.get(kind, {0}) if version == V5 else _V3_CODES.get(kind, {0})
    if not set(reasons) <= allowed:
        raise DecodeError(f"reason codes {reasons} are not allowed in {kind.name}")
    return packet


_V3_CODES = {PacketType.CONNACK: {0, 1, 2, 3, 4, 5}, PacketType.SUBACK: {0, 1, 2, 0x80}}


def _connack(version: Version, reader: Reader, packet: Packet) -> None:
    flags = reader.byte()
    if flags > 1 or (version == V31 and flags):
        raise DecodeError(f"reserved bits in the CONNACK flags {flags:#x}")
    packet.session_present, packet.reason = bool(flags), reader.byte()
    if version == V5:
        packet.props = reader.properties(packet.type)


def _publish(version: Version, reader: Reader, packet: Packet) -> None:
    packet.dup, packet.qos, packet.retain = bool(packet.flags & 8), packet.flags >> 1 & 3, bool(packet.flags & 1)
    if packet.qos == 3 or (packet.dup and not packet.qos):
        raise DecodeError(f"PUBLISH flags {packet.flags:#x}")
    packet.topic = reader.utf8()
    if packet.qos:
        packet.pid = reader.u16()
        if not packet.pid:
            raise DecodeError("packet identifier 0")
    if version == V5:
        packet.props = reader.properties(packet.type)
        if packet.props.get(Prop.TOPIC_ALIAS) == 0 or 0 in packet.props.all(Prop.SUBSCRIPTION_ID):
            raise DecodeError("topic alias or subscription identifier 0")
    if set("+#") & set(packet.topic):
        raise DecodeError(f"wildcard in the topic name {packet.topic}")
    packet.payload = reader.rest()


def _ack(version: Version, reader: Reader, packet: Packet) -> None:
    packet.pid = reader.u16()
    _reason(version, reader, packet)


def _reason(version: Version, reader: Reader, packet: Packet) -> None:
    packet.reason = 0
    if version == V5 and reader.left():
        packet.reason = reader.byte()
        if reader.left():
            packet.props = reader.properties(packet.type)


def _suback(version: Version, reader: Reader, packet: Packet) -> None:
    packet.pid = reader.u16()
    if version == V5:
        packet.props = reader.properties(packet.type)
    packet.reasons = list(reader.rest())


def _unsuback(version: Version, reader: Reader, packet: Packet) -> None:
    packet.pid = reader.u16()
    if version == V5:
        packet.props = reader.properties(packet.type)
        packet.reasons = list(reader.rest())


_DECODERS = {PacketType.CONNACK: _connack, PacketType.PUBLISH: _publish, PacketType.SUBACK: _suback,
             PacketType.UNSUBACK: _unsuback, PacketType.PINGRESP: lambda *_: None,
             PacketType.DISCONNECT: _reason, PacketType.AUTH: _reason}
_DECODERS |= {t: _ack for t in (PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP)}
