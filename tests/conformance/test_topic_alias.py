# SPDX-License-Identifier: MIT
"""3.3.2.3.4 Topic Alias, from the client to the server."""
import pytest

from lib.marks import V5, every_qos, spec
from lib.mqtt import Prop

MAXIMUM = 10


def alias(number):
    return [(Prop.TOPIC_ALIAS, number)]


@spec("MQTT5 3.3.2-12", "MQTT5 3.2.2-17")
@every_qos
def test_alias_stands_for_its_topic(mqtt, topic, qos):
    peer = mqtt.connect(V5)
    peer.subscribe(topic)
    for name in (topic, "", ""):
        peer.publish(name, b"1", qos=qos, props=alias(1))
        assert peer.receive(topic, b"1").props == []


@spec("MQTT5 3.3.2-12")
def test_every_alias_up_to_the_maximum(mqtt, topic):
    peer = mqtt.connect(V5)
    maximum = peer.connack.props.get(Prop.TOPIC_ALIAS_MAXIMUM)
    assert maximum == MAXIMUM
    peer.subscribe(f"{topic}/#")
    for i in range(1, maximum + 1):
        peer.publish(f"{topic}/{i}", b"", props=alias(i))
        peer.receive(f"{topic}/{i}")
    for i in range(1, maximum + 1):
        peer.publish("", b"%d" % i, props=alias(i))
        peer.receive(f"{topic}/{i}", b"%d" % i)


@spec("MQTT5 3.3.2-12")
def test_alias_may_be_given_to_another_topic(mqtt, topic):
    peer = mqtt.connect(V5)
    peer.subscribe(f"{topic}/#")
    for name in ("a", "b"):
        peer.publish(f"{topic}/{name}", b"set", props=alias(3))
        peer.receive(f"{topic}/{name}", b"set")
        peer.publish("", b"used", props=alias(3))
        peer.receive(f"{topic}/{name}", b"used")


@spec("MQTT5 3.3.2-8")
@pytest.mark.parametrize("with_topic", [True, False], ids=["with_topic", "without_topic"])
def test_alias_zero(mqtt, topic, with_topic):
    peer = mqtt.connect(V5)
    peer.send_publish(topic if with_topic else "", b"1", props=alias(0))
    peer.expect_error(0x94, 0x82)


@spec("MQTT5 3.3.2-9", "MQTT5 3.2.2-17")
@pytest.mark.parametrize("number", [MAXIMUM + 1, 65535])
def test_alias_above_the_maximum(mqtt, topic, number):
    peer = mqtt.connect(V5)
    peer.send_publish(topic, b"1", props=alias(number))
    peer.expect_error(0x94)


@spec("MQTT5 3.2.2-18")
def test_alias_where_none_is_allowed(mqtt, start_broker, topic):
    peer = mqtt.at(start_broker({"limits.topic_alias_maximum": 0})).connect(V5)
    peer.send_publish(topic, b"1", props=alias(1))
    peer.expect_error(0x94, 0x82)


@spec("MQTT5 4.13.1-1", "MQTT5 3.3.2-12")
def test_alias_that_was_never_set(mqtt):
    peer = mqtt.connect(V5)
    peer.send_publish("", b"1", props=alias(1))
    peer.expect_error(0x94, 0x82)


@spec("MQTT5 3.3.2-7")
def test_aliases_end_with_the_connection(mqtt, topic, client_id):
    name = client_id()
    peer = mqtt.connect(V5, name, clean=False)
    peer.publish(topic, b"1", props=alias(1))
    peer.disconnect()
    again = mqtt.connect(V5, name, clean=False)
    again.send_publish("", b"1", props=alias(1))
    again.expect_error(0x94, 0x82)


@spec("MQTT5 3.3.2-7")
def test_aliases_belong_to_one_connection(mqtt, topic):
    first, second = mqtt.connect(V5), mqtt.connect(V5)
    first.subscribe(f"{topic}/#")
    first.publish(f"{topic}/first", b"1", props=alias(1))
    first.receive(f"{topic}/first")
    second.publish(f"{topic}/second", b"1", props=alias(1))
    first.receive(f"{topic}/second")
    first.publish("", b"2", props=alias(1))
    first.receive(f"{topic}/first", b"2")
