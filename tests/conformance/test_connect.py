# SPDX-License-Identifier: MIT
"""3.1 CONNECT: protocol name and level, flags, payload, client id."""
import struct

import pytest

from lib import mqtt as wire
from lib.marks import V5, V31, V311, every_version, only_311, only_5, since_311, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, Will

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def refused_as_malformed(peer):
    """3.1.1 closes without a CONNACK [MQTT-3.1.4-1]; version 5 may say why, and 3.1 does not forbid a CONNACK."""
    if peer.version == V5:
        peer.expect_refused(0x81, 0x82)
    elif peer.version == V31:
        peer.expect_refused(1, 2, 4, 5)
    else:
        peer.expect_closed()


def header(v, flags, name=None, level=None):
    """A CONNECT up to the payload."""
    body = wire.utf8(name or ("MQIsdp" if v == V31 else "MQTT"))
    return body + struct.pack(">BBH", level or int(v), flags, 60) + (b"\0" if v == V5 else b"")


@spec("MQTT3 3.1.0-1", "MQTT5 3.1.0-1", "MQTT5 3.14.0-1", "MQTT5 3.2.0-1")
@every_version
@pytest.mark.parametrize("first", ["publish", "subscribe", "pingreq", "disconnect", "puback"])
def test_first_packet_is_not_connect(mqtt, v, topic, first):
    packet = {"publish": wire.publish(v, topic, b"1"), "subscribe": wire.subscribe(v, 1, [(topic, 0)]),
              "pingreq": wire.pingreq(), "disconnect": wire.disconnect(v), "puback": wire.ack(T.PUBACK, v, 1)}[first]
    peer = mqtt.open(v)
    peer.send(packet)
    peer.expect_closed()


@spec("MQTT5 3.1.0-1")
def test_first_packet_is_auth(mqtt):
    peer = mqtt.open(V5)
    peer.send(wire.auth(0x18, [(Prop.AUTH_METHOD, "SCRAM-SHA-256")]))
    peer.expect_closed()


@spec("MQTT3 3.1.0-1", "MQTT5 3.1.0-1")
@every_version
def test_publish_before_connect_has_no_effect(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic)
    peer = mqtt.open(v)
    peer.send(wire.publish(v, topic, b"too early"))
    peer.expect_closed()
    mqtt.connect(v).publish(topic, b"sentinel")
    watcher.receive(topic, b"sentinel")


@spec("MQTT3 3.1.0-2", "MQTT5 3.1.0-2")
@every_version
def test_second_connect(mqtt, v, client_id):
    name = client_id()
    peer = mqtt.connect(v, name)
    peer.send_connect(name)
    peer.expect_error(0x82)


@spec("MQTT3 3.1.0-1", "MQTT5 3.1.0-1")
@every_version
def test_no_connect_in_time(mqtt, start_broker, v):
    peer = mqtt.at(start_broker({"limits.connect_timeout": "1s"})).open(v)
    peer.expect_closed(timeout=5)


@spec("MQTT3 3.1.2-1", "MQTT5 3.1.2-1")
@since_311
@pytest.mark.parametrize("name", ["MQTX", "mqtt", "", "MQTTT", "MQT", "HTTP"])
def test_wrong_protocol_name(mqtt, v, name, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), name=name)
    peer.expect_refused(*((0x84, 0x81) if v == V5 else (1,)))


@spec("MQTT3 3.1.2-2", "MQTT5 3.1.2-2")
@pytest.mark.parametrize("level", [0, 1, 2, 6, 9, 127])
def test_unknown_protocol_level(mqtt, level, client_id):
    """A CONNACK that says so, in the form of 3.1.1 (0x01) or of version 5 (0x84), and the end."""
    stream = mqtt.open(V311).stream
    stream.send(wire.connect(V311, client_id(), level=level))
    answer = b""
    while data := stream.recv(5):
        answer += data
    assert answer in (b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00")


@spec("MQTT3 3.1.2-3", "MQTT3 3.1.4-1", "MQTT5 3.1.2-3", "MQTT5 3.1.4-1")
@since_311
def test_reserved_connect_flag(mqtt, v, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), flags=0b0000_0011)
    refused_as_malformed(peer)


@spec("MQTT3 3.1.2-11", "MQTT3 3.1.2-13", "MQTT3 3.1.4-1", "MQTT5 3.1.2-11", "MQTT5 3.1.4-1")
@since_311
@pytest.mark.parametrize("qos", [1, 2, 3])
def test_will_qos_without_will(mqtt, v, qos, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), flags=2 | qos << 3)
    refused_as_malformed(peer)


@spec("MQTT3 3.1.2-11", "MQTT3 3.1.2-15", "MQTT3 3.1.4-1", "MQTT5 3.1.2-13", "MQTT5 3.1.4-1")
@since_311
def test_will_retain_without_will(mqtt, v, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), flags=2 | 1 << 5)
    refused_as_malformed(peer)


@spec("MQTT3 3.1.2-14", "MQTT3 3.1.4-1", "MQTT5 3.1.2-12")
@every_version
def test_will_qos_3(mqtt, v, topic, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), will=Will(topic), flags=2 | 4 | 3 << 3)
    refused_as_malformed(peer)


@spec("MQTT3 3.1.2-9", "MQTT3 3.1.4-1", "MQTT5 3.1.2-9")
@every_version
@pytest.mark.parametrize("fields", ["none", "topic"])
def test_will_flag_without_its_fields(mqtt, v, topic, client_id, fields):
    body = header(v, 2 | 4) + wire.utf8(client_id())
    if fields == "topic":
        body += (b"\0" if v == V5 else b"") + wire.utf8(topic)
    peer = mqtt.open(v)
    peer.send(wire.frame(0x10, body))
    refused_as_malformed(peer)


@spec("MQTT3 3.1.2-11", "MQTT3 3.1.2-18", "MQTT3 3.1.2-20", "MQTT5 3.1.2-16", "MQTT5 3.1.2-18")
@since_311
@pytest.mark.parametrize("extra", [wire.utf8("user"), wire.utf8("user") + wire.utf8("password")], ids=["one", "two"])
def test_payload_fields_without_their_flags(mqtt, v, client_id, extra):
    peer = mqtt.open(v)
    peer.send(wire.frame(0x10, header(v, 2) + wire.utf8(client_id()) + extra))
    refused_as_malformed(peer)


@spec("MQTT3 3.1.2-19", "MQTT5 3.1.2-17")
@since_311
def test_user_name_flag_without_user_name(mqtt, v, client_id):
    peer = mqtt.open(v)
    peer.send(wire.frame(0x10, header(v, 2 | 1 << 7) + wire.utf8(client_id())))
    refused_as_malformed(peer)


@spec("MQTT3 3.1.2-21", "MQTT5 3.1.2-19")
@since_311
def test_password_flag_without_password(mqtt, v, client_id):
    peer = mqtt.open(v)
    peer.send(wire.frame(0x10, header(v, 2 | 1 << 7 | 1 << 6) + wire.utf8(client_id()) + wire.utf8("user")))
    refused_as_malformed(peer)


@spec("MQTT3 3.1.2-22", "MQTT3 3.1.4-1")
@only_311
def test_password_without_user_name_in_311(mqtt, v, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), password=b"secret")
    peer.expect_closed()


@spec("MQTT5 3.1.2-19")
@only_5
def test_password_without_user_name_in_5(mqtt, v, client_id):
    """Version 5 allows it; anonymous clients are allowed here, so the broker has nothing to object to."""
    mqtt.connect(v, client_id(), password=b"secret")


@spec("MQTT3 3.1.3-1", "MQTT3 3.1.2-9", "MQTT5 3.1.3-1", "MQTT5 3.1.2-9")
@every_version
def test_payload_fields_in_their_order(mqtt, v, topic, client_id):
    """All five fields at once: the will that is published shows that they were told apart."""
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=1)
    peer = mqtt.connect(v, client_id(), will=Will(topic, b"will", qos=1), username="user", password=b"secret")
    peer.reset()
    watcher.receive(topic, b"will", qos=1)


@spec("MQTT3 3.1.3-3", "MQTT5 3.1.3-3")
@every_version
def test_connect_without_client_id_field(mqtt, v):
    peer = mqtt.open(v)
    peer.send(wire.frame(0x10, header(v, 2)))
    refused_as_malformed(peer)


@spec("MQTT3 3.1.4-1", "MQTT5 3.1.4-1")
@every_version
def test_connect_cut_short_anywhere(mqtt, v, topic, client_id):
    whole = wire.connect(v, client_id(), will=Will(topic, b"will"), username="user", password=b"secret")
    body = whole[2:]
    for size in range(len(body)):
        peer = mqtt.open(v)
        peer.send(wire.frame(0x10, body[:size]))
        if size < 7 + (2 if v == V31 else 0):
            peer.expect_refused(0x81, 0x82, 0x84, 1)
        else:
            refused_as_malformed(peer)


@spec("MQTT3 3.1.3-5", "MQTT5 3.1.3-5")
@every_version
@pytest.mark.parametrize("size", [1, 2, 22, 23])
def test_client_id_sizes_that_a_server_takes(mqtt, v, size, client_id):
    mqtt.connect(v, client_id()[:size].ljust(size, "Z"))


@spec("MQTT3 3.1.3-5", "MQTT5 3.1.3-5")
@every_version
@pytest.mark.parametrize("name", [ALPHABET[i:i + 23] for i in range(0, len(ALPHABET), 23)])
def test_client_id_characters_that_a_server_takes(mqtt, v, name):
    mqtt.connect(v, name)


@since_311
@spec("MQTT3 3.1.3-5", "MQTT5 3.1.3-5")
@pytest.mark.parametrize("suffix", ["-" * 200, "/with/slashes", " blank", "é水😀", "#+$"],
                         ids=["long", "slashes", "blank", "unicode", "wildcards"])
def test_client_ids_that_real_clients_use(mqtt, v, client_id, suffix):
    mqtt.connect(v, client_id() + suffix)


@spec("MQTT3 3.1.3-6", "MQTT5 3.1.3-6")
@since_311
def test_empty_client_ids_are_different_clients(mqtt, v):
    first, second = mqtt.connect(v, ""), mqtt.connect(v, "")
    first.barrier()
    second.barrier()


@spec("MQTT3 3.1.3-9")
def test_empty_client_id_in_31(mqtt):
    peer = mqtt.open(V31)
    peer.send_connect("")
    peer.expect(T.CONNACK, reason=2)
    peer.expect_closed()


@spec("MQTT3 3.1.3-7", "MQTT3 3.1.3-8", "MQTT3 3.1.3-9", "MQTT3 3.2.2-4", "MQTT3 3.2.2-5")
@only_311
def test_empty_client_id_without_clean_session(mqtt, v):
    peer = mqtt.open(v)
    peer.send_connect("", clean=False)
    peer.expect(T.CONNACK, reason=2, session_present=False)
    peer.expect_closed()


@spec("MQTT5 3.1.3-7", "MQTT5 3.2.2-16")
@pytest.mark.parametrize("clean", [True, False], ids=["clean_start", "no_clean_start"])
def test_empty_client_id_gets_one_assigned(mqtt, clean):
    first, second = (mqtt.connect(V5, "", clean=clean) for _ in range(2))
    names = [p.connack.props.get(Prop.ASSIGNED_CLIENT_ID) for p in (first, second)]
    assert all(names) and names[0] != names[1]


@spec("MQTT5 3.1.3-7", "MQTT5 3.1.3-2")
def test_assigned_client_id_names_the_session(mqtt):
    first = mqtt.connect(V5, "", expiry=60)
    name = first.connack.props.get(Prop.ASSIGNED_CLIENT_ID)
    first.disconnect()
    again = mqtt.connect(V5, name, clean=False)
    assert again.connack.session_present
    assert Prop.ASSIGNED_CLIENT_ID not in again.connack.props


@spec("MQTT5 3.2.2-16")
def test_given_client_id_gets_none_assigned(mqtt):
    assert Prop.ASSIGNED_CLIENT_ID not in mqtt.connect(V5).connack.props


@spec("MQTT3 3.1.4-2", "MQTT5 3.1.4-3")
@every_version
def test_takeover(mqtt, v, client_id):
    name = client_id()
    first = mqtt.connect(v, name)
    second = mqtt.connect(v, name)
    first.expect_error(0x8E)
    second.barrier()


@spec("MQTT3 3.1.4-2", "MQTT5 3.1.4-3")
@pytest.mark.parametrize("old, new", [(V311, V5), (V5, V311), (V31, V5), (V5, V31)],
                         ids=["311_by_5", "5_by_311", "31_by_5", "5_by_31"])
def test_takeover_by_another_version(mqtt, old, new, client_id):
    name = client_id()
    first = mqtt.connect(old, name)
    second = mqtt.connect(new, name)
    first.expect_error(0x8E)
    second.barrier()


@spec("MQTT3 3.1.3-2", "MQTT5 3.1.3-2")
@every_version
def test_client_ids_differ_by_case(mqtt, v, client_id):
    name = client_id()
    lower, upper = mqtt.connect(v, name.lower()), mqtt.connect(v, name.upper())
    lower.barrier()
    upper.barrier()


@spec("MQTT3 3.1.4-5")
@only_311
def test_nothing_behind_a_rejected_connect_is_processed(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic)
    peer = mqtt.open(v)
    peer.send(wire.connect(v, "", clean=False), wire.publish(v, topic, b"rejected"))
    peer.expect(T.CONNACK, reason=2)
    peer.expect_closed()
    mqtt.connect(v).publish(topic, b"sentinel")
    watcher.receive(topic, b"sentinel")


@spec("MQTT5 3.1.4-6")
def test_nothing_behind_a_rejected_connect_is_processed_in_5(mqtt, topic, client_id):
    watcher = mqtt.connect(V5)
    watcher.subscribe(topic)
    peer = mqtt.open(V5)
    peer.send(wire.connect(V5, client_id(), props=[(Prop.AUTH_METHOD, "no such method")]), wire.publish(V5, topic, b"rejected"))
    peer.expect_refused(0x8C)
    mqtt.connect(V5).publish(topic, b"sentinel")
    watcher.receive(topic, b"sentinel")


@spec("MQTT3 3.2.2-4", "MQTT3 3.2.2-5", "MQTT5 3.1.4-2", "MQTT5 3.2.2-6", "MQTT5 3.2.2-7", "MQTT5 4.13.2-1")
@every_version
def test_client_that_is_not_authorised(mqtt, start_broker, v, client_id):
    peer = mqtt.at(start_broker({"auth.allow_anonymous": "no"})).open(v)
    peer.send_connect(client_id(), clean=False)
    packet = peer.expect(T.CONNACK, session_present=False)
    assert packet.reason in ((0x86, 0x87) if v == V5 else (4, 5))
    peer.expect_closed()
