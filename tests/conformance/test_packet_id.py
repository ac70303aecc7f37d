# SPDX-License-Identifier: MIT
"""Packet identifiers: 2.3.1 of 3.1.1, 2.2.1 of 5.0."""
import pytest

from lib import mqtt as wire
from lib.marks import V5, V311, acknowledged_qos, every_version, only_5, spec
from lib.mqtt import PacketType as T

ODD = 0xBEEF


@spec("MQTT3 2.3.1-1", "MQTT5 2.2.1-3")
@every_version
@acknowledged_qos
def test_publish_with_identifier_zero(mqtt, v, topic, qos):
    peer = mqtt.connect(v)
    peer.send(wire.publish(v, topic, b"1", qos=qos, pid=0))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 2.3.1-1", "MQTT5 2.2.1-3")
@every_version
def test_subscribe_with_identifier_zero(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send(wire.subscribe(v, 0, [(topic, 0)]))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 2.3.1-1", "MQTT5 2.2.1-3")
@every_version
def test_unsubscribe_with_identifier_zero(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send(wire.unsubscribe(v, 0, [topic]))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 2.3.1-7", "MQTT3 3.8.4-2", "MQTT5 2.2.1-6", "MQTT5 3.8.4-2")
@every_version
def test_suback_has_the_identifier_of_its_subscribe(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_subscribe([(topic, 0)], pid=ODD)
    peer.expect(T.SUBACK, pid=ODD)


@spec("MQTT3 2.3.1-7", "MQTT3 3.10.4-4", "MQTT5 2.2.1-6", "MQTT5 3.10.4-5")
@every_version
def test_unsuback_has_the_identifier_of_its_unsubscribe(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_unsubscribe([topic], pid=ODD)
    peer.expect(T.UNSUBACK, pid=ODD)


@spec("MQTT3 2.3.1-6", "MQTT3 4.3.2-2", "MQTT5 2.2.1-5", "MQTT5 4.3.2-4")
@every_version
def test_puback_has_the_identifier_of_its_publish(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"1", qos=1, pid=ODD)
    peer.expect(T.PUBACK, pid=ODD)


@spec("MQTT3 2.3.1-6", "MQTT3 4.3.3-2", "MQTT5 2.2.1-5", "MQTT5 4.3.3-8", "MQTT5 4.3.3-11")
@every_version
def test_pubrec_and_pubcomp_have_the_identifier_of_the_publish(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"1", qos=2, pid=ODD)
    peer.expect(T.PUBREC, pid=ODD)
    peer.send_ack(T.PUBREL, ODD)
    peer.expect(T.PUBCOMP, pid=ODD)


@spec("MQTT3 2.3.1-6", "MQTT3 4.3.3-1", "MQTT5 2.2.1-5", "MQTT5 4.3.3-4")
@every_version
def test_pubrel_of_the_server_has_the_identifier_of_its_publish(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=2)
    mqtt.connect(v).publish(topic, b"1", qos=2)
    publish = peer.expect(T.PUBLISH, qos=2)
    peer.send_ack(T.PUBREC, publish.pid)
    peer.expect(T.PUBREL, pid=publish.pid)


@spec("MQTT3 2.3.1-5", "MQTT5 2.2.1-2")
@every_version
def test_qos_0_carries_no_identifier(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=2)
    peer.publish(topic, b"\x00\x07payload")
    packet = peer.receive(topic, b"\x00\x07payload", qos=0)
    assert packet.pid is None


@spec("MQTT3 2.3.1-4", "MQTT3 4.3.2-1", "MQTT3 4.3.3-1", "MQTT5 2.2.1-4", "MQTT5 4.3.2-1", "MQTT5 4.3.3-1")
@every_version
@acknowledged_qos
def test_server_uses_an_identifier_once_at_a_time(mqtt, v, topic, qos):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=qos)
    publisher = mqtt.connect(v)
    for i in range(10):
        publisher.publish(topic, b"%d" % i, qos=qos)
    packets = [peer.expect(T.PUBLISH, payload=b"%d" % i, qos=qos) for i in range(10)]
    assert len({p.pid for p in packets}) == 10


@spec("MQTT3 2.3.1-4", "MQTT5 2.2.1-4")
@every_version
def test_identifiers_of_unacknowledged_messages_stay_taken_over_a_reconnect(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    publisher = mqtt.connect(v)
    publisher.publish(topic, b"old", qos=1)
    old = peer.expect(T.PUBLISH, payload=b"old").pid
    peer.close()
    again = mqtt.connect(v, name, clean=False)
    assert again.expect(T.PUBLISH, payload=b"old", dup=True).pid == old
    publisher.publish(topic, b"new", qos=1)
    assert again.expect(T.PUBLISH, payload=b"new", dup=False).pid != old


@spec("MQTT3 2.3.1-2", "MQTT3 2.3.1-3", "MQTT5 2.2.1-3")
@every_version
def test_client_may_use_an_identifier_again_once_it_was_acknowledged(mqtt, v, topic):
    peer = mqtt.connect(v)
    for _ in range(3):
        peer.send_subscribe([(topic, 1)], pid=7)
        peer.expect(T.SUBACK, pid=7)
        peer.send_publish(f"{topic}/other", b"1", qos=1, pid=7)
        peer.expect(T.PUBACK, pid=7)
        peer.send_publish(f"{topic}/other", b"1", qos=2, pid=7)
        peer.expect(T.PUBREC, pid=7)
        peer.send_ack(T.PUBREL, 7)
        peer.expect(T.PUBCOMP, pid=7)
        peer.send_unsubscribe([topic], pid=7)
        peer.expect(T.UNSUBACK, pid=7)


@spec("MQTT3 2.3.1-4", "MQTT5 2.2.1-4")
@every_version
def test_identifiers_of_the_two_directions_are_independent(mqtt, v, topic):
    """A client's message may carry the identifier that the server has under way towards it."""
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=2)
    mqtt.connect(v).publish(topic, b"from server", qos=2)
    pid = peer.expect(T.PUBLISH, payload=b"from server").pid
    peer.send_publish(f"{topic}/other", b"from client", qos=2, pid=pid)
    peer.expect(T.PUBREC, pid=pid)
    peer.send_ack(T.PUBREC, pid)
    peer.expect(T.PUBREL, pid=pid)
    peer.send_ack(T.PUBREL, pid)
    peer.expect(T.PUBCOMP, pid=pid)
    peer.send_ack(T.PUBCOMP, pid)
    peer.expect_nothing()


@spec("MQTT5 2.2.2-1")
@only_5
def test_message_without_properties_has_property_length_zero(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic)
    mqtt.connect(V311).publish(topic, b"payload")
    packet = peer.receive(topic, b"payload")
    assert packet.size == 2 + 2 + len(topic) + 1 + len(b"payload")


@spec("MQTT5 2.2.2-1")
@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe", "publish"])
def test_packet_without_a_property_length_is_malformed(mqtt, kind):
    body = {"subscribe": b"\0\1", "unsubscribe": b"\0\1", "publish": wire.utf8("t")}[kind]
    first = {"subscribe": 0x82, "unsubscribe": 0xA2, "publish": 0x30}[kind]
    peer = mqtt.connect(V5)
    peer.send(wire.frame(first, body))
    peer.expect_error(0x81, 0x82)
