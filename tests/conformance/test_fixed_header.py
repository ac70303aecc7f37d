# SPDX-License-Identifier: MIT
"""Chapter 2: packet type, flags and Remaining Length."""
import struct

import pytest

from lib import mqtt as wire
from lib.marks import V5, every_version, only_5, since_311, spec, version_3
from lib.mqtt import PacketType as T
from lib.mqtt import Prop

# Type, right flags, a body that would do in every version.
FIXED_FLAGS = [(T.PUBACK, 0), (T.PUBREC, 0), (T.PUBREL, 2), (T.PUBCOMP, 0), (T.SUBSCRIBE, 2), (T.UNSUBSCRIBE, 2),
               (T.PINGREQ, 0), (T.DISCONNECT, 0)]
WRONG = [(kind, right ^ bit) for kind, right in FIXED_FLAGS for bit in (1, 2, 4, 8)]


def body_of(kind, v):
    props = b"\0" if v == V5 else b""
    if kind == T.SUBSCRIBE:
        return b"\0\1" + props + wire.utf8("t") + b"\0"
    if kind == T.UNSUBSCRIBE:
        return b"\0\1" + props + wire.utf8("t")
    return b"" if kind in (T.PINGREQ, T.DISCONNECT) else b"\0\1"


@spec("MQTT3 2.2.2-1", "MQTT3 2.2.2-2", "MQTT3 3.6.1-1", "MQTT3 3.8.1-1", "MQTT3 3.10.1-1", "MQTT3 3.14.1-1",
      "MQTT5 2.1.3-1", "MQTT5 3.6.1-1", "MQTT5 3.8.1-1", "MQTT5 3.10.1-1", "MQTT5 3.14.1-1")
@since_311
@pytest.mark.parametrize("kind, flags", WRONG, ids=[f"{k.name}-{f:04b}" for k, f in WRONG])
def test_reserved_flags(mqtt, v, kind, flags):
    peer = mqtt.connect(v)
    peer.send(wire.frame(kind << 4 | flags, body_of(kind, v)))
    peer.expect_error(0x81)


@spec("MQTT3 2.2.2-2", "MQTT5 2.1.3-1")
@since_311
@pytest.mark.parametrize("flags", [1, 2, 4, 8])
def test_reserved_flags_of_connect(mqtt, v, flags, client_id):
    packet = wire.connect(v, client_id())
    peer = mqtt.open(v)
    peer.send(bytes([0x10 | flags]) + packet[1:])
    peer.expect_refused(0x81, 0x82)


@spec("MQTT5 3.15.1-1")
@pytest.mark.parametrize("flags", [1, 2, 4, 8])
def test_reserved_flags_of_auth(mqtt, flags):
    peer = mqtt.connect(V5)
    peer.send(wire.frame(0xF0 | flags))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
@pytest.mark.parametrize("kind", [0, T.CONNACK, T.SUBACK, T.UNSUBACK, T.PINGRESP], ids=str)
def test_packet_type_that_only_a_server_sends(mqtt, v, kind):
    peer = mqtt.connect(v)
    peer.send(wire.frame(int(kind) << 4, b"" if kind in (0, T.PINGRESP) else b"\0\1\0\0"))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 4.8.0-1")
@version_3
def test_packet_type_15_is_forbidden_before_version_5(mqtt, v):
    peer = mqtt.connect(v)
    peer.send(wire.frame(0xF0))
    peer.expect_closed()


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1", "MQTT5 1.5.5-1")
@every_version
def test_remaining_length_of_five_bytes(mqtt, v):
    peer = mqtt.connect(v)
    peer.send(bytes([0xC0, 0x80, 0x80, 0x80, 0x80, 0x00]))
    peer.expect_error(0x81)


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
def test_remaining_length_of_five_bytes_before_connect(mqtt, v):
    peer = mqtt.open(v)
    peer.send(bytes([0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]))
    peer.expect_refused(0x81)


@spec("MQTT5 1.5.5-1")
@only_5
def test_remaining_length_is_minimal(mqtt, v):
    peer = mqtt.connect(v)
    peer.send(wire.frame(0xC0, length=wire.varint(0, width=2)))
    peer.expect_error(0x81)


@spec("MQTT5 1.5.5-1")
@pytest.mark.parametrize("width", [2, 3, 4])
def test_property_length_is_minimal(mqtt, topic, width):
    peer = mqtt.connect(V5)
    peer.send_publish(topic, b"1", props=wire.varint(0, width=width))
    peer.expect_error(0x81)


@spec("MQTT5 1.5.5-1")
def test_property_length_of_five_bytes(mqtt, topic):
    peer = mqtt.connect(V5)
    peer.send_publish(topic, b"1", props=b"\x80\x80\x80\x80\x00")
    peer.expect_error(0x81)


@spec("MQTT5 1.5.5-1")
def test_subscription_identifier_is_minimal(mqtt, topic):
    peer = mqtt.connect(V5)
    peer.send_subscribe([(topic, 0)], props=b"\x03" + bytes([Prop.SUBSCRIPTION_ID]) + b"\x81\x00")
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
@pytest.mark.parametrize("kind", [T.PUBACK, T.PUBREC, T.PUBREL, T.PUBCOMP, T.SUBSCRIBE, T.UNSUBSCRIBE], ids=lambda k: k.name)
@pytest.mark.parametrize("size", [0, 1])
def test_body_shorter_than_the_packet_identifier(mqtt, v, kind, size):
    peer = mqtt.connect(v)
    flags = 2 if kind in (T.PUBREL, T.SUBSCRIBE, T.UNSUBSCRIBE) else 0
    peer.send(wire.frame(kind << 4 | flags, b"\0" * size))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
@pytest.mark.parametrize("kind", [T.PINGREQ, T.DISCONNECT], ids=lambda k: k.name)
def test_body_where_there_is_none(mqtt, v, kind):
    peer = mqtt.connect(v)
    body = b"\0\0\0" if kind == T.DISCONNECT else b"\0"
    peer.send(wire.frame(kind << 4, body))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
@pytest.mark.parametrize("kind", [T.PUBACK, T.PUBREC, T.PUBCOMP], ids=lambda k: k.name)
def test_acknowledgement_with_bytes_left_over(mqtt, v, kind):
    peer = mqtt.connect(v)
    body = b"\0\1\0\0\0" if v == V5 else b"\0\1\0"
    peer.send(wire.frame(kind << 4, body))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
@pytest.mark.parametrize("claimed", [3, 200, 65535])
def test_string_longer_than_its_packet(mqtt, v, claimed):
    peer = mqtt.connect(v)
    peer.send(wire.frame(0x30, struct.pack(">H", claimed) + b"t"))
    peer.expect_error(0x81, 0x82)


@spec("MQTT5 4.13.1-1")
def test_properties_longer_than_their_packet(mqtt, topic):
    peer = mqtt.connect(V5)
    peer.send_publish(topic, b"", props=b"\x7f")
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
def test_packets_arrive_byte_by_byte(mqtt, v, topic, client_id):
    peer = mqtt.open(v)
    for packet in (wire.connect(v, client_id()), wire.subscribe(v, 1, [(topic, 1)]), wire.publish(v, topic, b"slow", qos=1, pid=2)):
        for byte in packet:
            peer.send(bytes([byte]))
    peer.expect(T.CONNACK, reason=0)
    peer.await_packet(T.SUBACK, pid=1)
    peer.await_packet(T.PUBACK, pid=2)
    peer.receive(topic, b"slow")


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
def test_many_packets_arrive_in_one_segment(mqtt, v, topic, client_id):
    peer = mqtt.open(v)
    count = 200
    peer.send(wire.connect(v, client_id()), wire.subscribe(v, 1, [(topic, 0)]),
              *[wire.publish(v, topic, b"%d" % i) for i in range(count)])
    peer.expect(T.CONNACK, reason=0)
    peer.await_packet(T.SUBACK, pid=1)
    for i in range(count):
        peer.receive(topic, b"%d" % i)


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
@pytest.mark.parametrize("size", [0, 100, 127, 128, 16_383, 16_384, 65_536, 1_000_000])
def test_payload_sizes_around_the_length_field(mqtt, v, topic, size):
    peer = mqtt.connect(v)
    peer.subscribe(topic)
    payload = bytes(i % 251 for i in range(size))
    peer.publish(topic, payload)
    peer.receive(topic, payload)
