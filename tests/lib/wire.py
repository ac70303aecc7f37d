# SPDX-License-Identifier: MIT
"""Names and primitive types of the MQTT wire format, for 3.1, 3.1.1 and 5.0."""
import struct
from enum import IntEnum


class Version(IntEnum):
    V31 = 3
    V311 = 4
    V5 = 5


class PacketType(IntEnum):
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class Prop(IntEnum):
    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_ID = 0x0B
    SESSION_EXPIRY = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTH_METHOD = 0x15
    AUTH_DATA = 0x16
    REQUEST_PROBLEM_INFO = 0x17
    WILL_DELAY = 0x18
    REQUEST_RESPONSE_INFO = 0x19
    RESPONSE_INFO = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_ID_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A


# How the value of each property is written.
KIND = {p: "utf8" for p in (Prop.CONTENT_TYPE, Prop.RESPONSE_TOPIC, Prop.ASSIGNED_CLIENT_ID, Prop.AUTH_METHOD,
                            Prop.RESPONSE_INFO, Prop.SERVER_REFERENCE, Prop.REASON_STRING)}
KIND |= {p: "byte" for p in (Prop.PAYLOAD_FORMAT, Prop.REQUEST_PROBLEM_INFO, Prop.REQUEST_RESPONSE_INFO,
                             Prop.MAXIMUM_QOS, Prop.RETAIN_AVAILABLE, Prop.WILDCARD_AVAILABLE,
                             Prop.SUBSCRIPTION_ID_AVAILABLE, Prop.SHARED_AVAILABLE)}
KIND |= {p: "u16" for p in (Prop.SERVER_KEEP_ALIVE, Prop.RECEIVE_MAXIMUM, Prop.TOPIC_ALIAS_MAXIMUM, Prop.TOPIC_ALIAS)}
KIND |= {p: "u32" for p in (Prop.MESSAGE_EXPIRY, Prop.SESSION_EXPIRY, Prop.WILL_DELAY, Prop.MAXIMUM_PACKET_SIZE)}
KIND |= {p: "binary" for p in (Prop.CORRELATION_DATA, Prop.AUTH_DATA)}
KIND |= {Prop.SUBSCRIPTION_ID: "varint", Prop.USER_PROPERTY: "pair"}

_REASON_AND_USER = {Prop.REASON_STRING, Prop.USER_PROPERTY}
# What a server may put into each packet that it sends (2.2.2.2).
SERVER_PROPS = {
    PacketType.CONNACK: {Prop.SESSION_EXPIRY, Prop.ASSIGNED_CLIENT_ID, Prop.SERVER_KEEP_ALIVE, Prop.AUTH_METHOD,
                         Prop.AUTH_DATA, Prop.RESPONSE_INFO, Prop.SERVER_REFERENCE, Prop.RECEIVE_MAXIMUM,
                         Prop.TOPIC_ALIAS_MAXIMUM, Prop.MAXIMUM_QOS, Prop.RETAIN_AVAILABLE, Prop.MAXIMUM_PACKET_SIZE,
                         Prop.WILDCARD_AVAILABLE, Prop.SUBSCRIPTION_ID_AVAILABLE,
                         Prop.SHARED_AVAILABLE} | _REASON_AND_USER,
    PacketType.PUBLISH: {Prop.PAYLOAD_FORMAT, Prop.MESSAGE_EXPIRY, Prop.CONTENT_TYPE, Prop.RESPONSE_TOPIC,
                         Prop.CORRELATION_DATA, Prop.SUBSCRIPTION_ID, Prop.TOPIC_ALIAS, Prop.USER_PROPERTY},
    PacketType.DISCONNECT: {Prop.SERVER_REFERENCE} | _REASON_AND_USER,
    PacketType.AUTH: {Prop.AUTH_METHOD, Prop.AUTH_DATA} | _REASON_AND_USER,
} | {t: _REASON_AND_USER for t in (PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP,
                                   PacketType.SUBACK, PacketType.UNSUBACK)}
REPEATABLE = {PacketType.PUBLISH: {Prop.SUBSCRIPTION_ID, Prop.USER_PROPERTY}}

# Reason codes that a server may send, per packet (2.4 and the tables of chapter 3).
SERVER_REASONS = {
    PacketType.CONNACK: {0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
                         0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
    PacketType.PUBACK: {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PacketType.PUBREC: {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PacketType.PUBREL: {0, 0x92},
    PacketType.PUBCOMP: {0, 0x92},
    PacketType.SUBACK: {0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    PacketType.UNSUBACK: {0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    PacketType.DISCONNECT: {0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95,
                            0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2},
    PacketType.AUTH: {0, 0x18},
}


class DecodeError(Exception):
    """What the server sent is not the MQTT of the specification."""


def varint(value: int, width: int = 0) -> bytes:
    """A variable byte integer; `width` pads it to a (deliberately not minimal) number of bytes."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        more = value > 0 or len(out) + 1 < width
        out.append(low | (0x80 if more else 0))
        if not more:
            return bytes(out)


def binary(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def utf8(value: str | bytes) -> bytes:
    """A UTF-8 string; bytes are taken as they are, to send what is not UTF-8."""
    return binary(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)


def properties(props) -> bytes:
    """Properties from (id, value) pairs, in their order; bytes are taken as the whole field."""
    if isinstance(props, bytes):
        return props
    out = b"".join(varint(pid) + _property_value(KIND[pid], value) for pid, value in props)
    return varint(len(out)) + out


def _property_value(kind: str, value) -> bytes:
    match kind:
        case "byte":
            return struct.pack(">B", value)
        case "u16":
            return struct.pack(">H", value)
        case "u32":
            return struct.pack(">I", value)
        case "varint":
            return varint(value)
        case "utf8":
            return utf8(value)
        case "binary":
            return binary(value)
        case _:
            return utf8(value[0]) + utf8(value[1])


class Reader:
    """Reads the fields of one packet body and refuses whatever is cut short or left over."""

    def __init__(self, body: bytes):
        self.body, self.at = body, 0

    def left(self) -> int:
        return len(self.body) - self.at

    def take(self, size: int) -> bytes:
        if self.left() < size:
            raise DecodeError(f"cut short: {size} bytes wanted at {self.at} of {self.body.hex()}")
        self.at += size
        return self.body[self.at - size:self.at]

    def rest(self) -> bytes:
        return self.take(self.left())

    def byte(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return struct.unpack(">H", self.take(2))[0]

    def u32(self) -> int:
        return struct.unpack(">I", self.take(4))[0]

    def varint(self) -> int:
        start, value = self.at, 0
        for shift in (0, 7, 14, 21):
            low = self.byte()
            value |= (low & 0x7F) << shift
            if not low & 0x80:
                if len(varint(value)) != self.at - start:
                    raise DecodeError("variable byte integer is not minimal")
                return value
        raise DecodeError("variable byte integer is longer than four bytes")

    def binary(self) -> bytes:
        return self.take(self.u16())

    def utf8(self) -> str:
        try:
            text = self.binary().decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError(f"ill-formed UTF-8: {error}") from error
        if "\0" in text:
            raise DecodeError("U+0000 in a string")
        return text

    def properties(self, packet: PacketType) -> "Properties":
        field = Reader(self.take(self.varint()))
        found = Properties()
        while field.left():
            number = field.varint()
            if number not in KIND:
                raise DecodeError(f"unknown property {number:#x}")
            prop = Prop(number)
            if prop not in SERVER_PROPS.get(packet, set()):
                raise DecodeError(f"{prop.name} is not allowed in {packet.name} from a server")
            if prop in found and prop not in REPEATABLE.get(packet, {Prop.USER_PROPERTY}):
                raise DecodeError(f"{prop.name} is repeated")
            found.append((prop, field.value(KIND[prop])))
        return found

    def value(self, kind: str):
        if kind == "pair":
            return self.utf8(), self.utf8()
        return getattr(self, kind)()

    def end(self) -> None:
        if self.left():
            raise DecodeError(f"{self.left()} bytes too many")


class Properties(list):
    """Decoded properties as (id, value) pairs in the order of the wire."""

    def __contains__(self, prop) -> bool:
        return any(p == prop for p, _ in self)

    def get(self, prop: Prop, default=None):
        return next((v for p, v in self if p == prop), default)

    def all(self, prop: Prop) -> list:
        return [v for p, v in self if p == prop]
