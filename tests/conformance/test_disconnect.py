# SPDX-License-Identifier: MIT
"""3.14 DISCONNECT, from either side, and 4.13 errors."""
import pytest

from lib import mqtt as wire
from lib.marks import V5, V311, every_version, only_5, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop


@spec("MQTT3 3.14.4-1", "MQTT5 3.14.4-2")
@every_version
def test_server_closes_after_disconnect(mqtt, v):
    peer = mqtt.connect(v)
    peer.send(wire.disconnect(v))
    peer.expect_closed()


@spec("MQTT3 3.14.4-2", "MQTT5 3.14.4-1")
@every_version
def test_nothing_behind_a_disconnect_is_processed(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic)
    peer = mqtt.connect(v)
    peer.send(wire.publish(v, topic, b"before"), wire.disconnect(v), wire.publish(v, topic, b"behind"))
    peer.expect_closed()
    watcher.receive(topic, b"before")
    mqtt.connect(v).publish(topic, b"sentinel")
    watcher.receive(topic, b"sentinel")


@spec("MQTT5 3.14.2-1")
@only_5
@pytest.mark.parametrize("packet", [wire.disconnect(V5), wire.disconnect(V5, 0), wire.disconnect(V5, 0, []),
                                    wire.disconnect(V5, 0x04, [(Prop.REASON_STRING, "bye"), (Prop.USER_PROPERTY, ("a", "b"))])],
                         ids=["empty", "reason", "no_properties", "properties"])
def test_forms_of_disconnect(mqtt, v, packet):
    peer = mqtt.connect(v)
    peer.send(packet)
    peer.expect_closed()


@spec("MQTT5 3.14.2-1")
@only_5
@pytest.mark.parametrize("reason", [0x01, 0x18, 0x7F, 0x8B, 0x8E, 0xFF], ids=hex)
def test_disconnect_with_a_reason_that_is_not_for_clients(mqtt, v, reason):
    peer = mqtt.connect(v)
    peer.send(wire.disconnect(v, reason))
    peer.expect_error(0x81, 0x82)


@spec("MQTT5 4.13.1-1")
@only_5
@pytest.mark.parametrize("props", [[(Prop.SESSION_EXPIRY, 1)] * 2, [(Prop.SUBSCRIPTION_ID, 1)], [(Prop.REASON_STRING, "a")] * 2],
                         ids=["twice", "not_for_disconnect", "reason_string_twice"])
def test_bad_properties_in_disconnect(mqtt, v, props):
    peer = mqtt.connect(v, expiry=60)
    peer.send(wire.disconnect(v, 0, props))
    peer.expect_error(0x81, 0x82)


@spec("MQTT5 3.14.2-2", "MQTT5 3.14.4-1", "MQTT5 3.14.4-2", "MQTT5 4.13.1-1", "MQTT5 4.13.2-1")
@only_5
def test_disconnect_of_the_server_is_its_last_word(mqtt, v, topic):
    """With messages on their way: behind the DISCONNECT nothing comes, and it has no session expiry."""
    peer = mqtt.connect(v)
    peer.subscribe(topic)
    mqtt.connect(v).publish(topic, b"1")
    peer.send(wire.frame(0x8F, b"\0\1"))
    said = peer.expect_error(0x81)
    assert Prop.SESSION_EXPIRY not in said.props


@spec("MQTT5 3.14.0-1")
@only_5
def test_no_disconnect_instead_of_a_connack(mqtt, v, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), props=[(Prop.AUTH_METHOD, "no such method")])
    peer.expect_refused(0x8C)


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
def test_error_ends_only_the_connection_that_made_it(mqtt, v, topic):
    other = mqtt.connect(v)
    other.subscribe(topic)
    peer = mqtt.connect(v)
    peer.send(wire.publish(v, "a/#", b"1"))
    peer.expect_error(0x81, 0x82, 0x90)
    mqtt.connect(v).publish(topic, b"1")
    other.receive(topic, b"1")


@spec("MQTT3 4.8.0-2")
@pytest.mark.parametrize("v", [V311, V5], ids=["v3.1.1", "v5"])
def test_what_was_sent_before_an_error_counts(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic)
    peer = mqtt.connect(v)
    peer.send(wire.publish(v, topic, b"before"), wire.frame(0x8F, b"\0\1"), wire.publish(v, topic, b"behind"))
    peer.expect_end()
    watcher.receive(topic, b"before")
    mqtt.connect(v).publish(topic, b"sentinel")
    watcher.receive(topic, b"sentinel")


@spec("MQTT5 3.4.2-1", "MQTT5 3.5.2-1", "MQTT5 3.6.2-1", "MQTT5 3.7.2-1")
@only_5
@pytest.mark.parametrize("kind", [T.PUBACK, T.PUBREC, T.PUBREL, T.PUBCOMP], ids=lambda k: k.name)
def test_forms_of_an_acknowledgement(mqtt, v, topic, kind):
    """Short form, with a reason, with empty properties, with properties: the server takes them all."""
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=1 if kind == T.PUBACK else 2)
    publisher = mqtt.connect(v)
    forms = [(None, None), (0, None), (0, []), (0, [(Prop.REASON_STRING, "ok"), (Prop.USER_PROPERTY, ("a", "b"))])]
    for number, (reason, props) in enumerate(forms):
        if kind == T.PUBREL:
            peer.send_publish(f"{topic}/other", b"1", qos=2, pid=50)
            peer.expect(T.PUBREC, pid=50)
            peer.send_ack(kind, 50, reason, props)
            peer.expect(T.PUBCOMP, pid=50)
            continue
        publisher.publish(topic, b"%d" % number, qos=2)
        pid = peer.expect(T.PUBLISH, payload=b"%d" % number).pid
        if kind != T.PUBACK:
            peer.send_ack(T.PUBREC, pid, *((reason, props) if kind == T.PUBREC else (None, None)))
            peer.expect(T.PUBREL, pid=pid)
            peer.send_ack(T.PUBCOMP, pid, *((reason, props) if kind == T.PUBCOMP else (None, None)))
        else:
            peer.send_ack(kind, pid, reason, props)
    peer.expect_nothing()


@spec("MQTT5 4.13.1-1")
@only_5
@pytest.mark.parametrize("props", [[(Prop.TOPIC_ALIAS, 1)], [(Prop.REASON_STRING, "a")] * 2, b"\x7f"],
                         ids=["not_for_puback", "twice", "too_long"])
def test_bad_properties_in_an_acknowledgement(mqtt, v, topic, props):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=1)
    mqtt.connect(v).publish(topic, b"1", qos=1)
    peer.send_ack(T.PUBACK, peer.expect(T.PUBLISH).pid, 0, props)
    peer.expect_error(0x81, 0x82)
