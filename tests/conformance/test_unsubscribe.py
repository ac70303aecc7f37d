# SPDX-License-Identifier: MIT
"""3.10 UNSUBSCRIBE, 3.11 UNSUBACK."""
import pytest

from lib.marks import acknowledged_qos, every_version, only_5, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop


@spec("MQTT3 3.10.4-4", "MQTT5 3.10.4-4", "MQTT5 3.10.4-5")
@every_version
def test_unsubscribe_is_answered(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic)
    peer.send_unsubscribe([topic], pid=99)
    peer.expect(T.UNSUBACK, pid=99)


@spec("MQTT3 3.10.4-5", "MQTT5 3.10.4-5")
@every_version
def test_unsubscribe_of_what_is_not_subscribed_is_answered(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_unsubscribe([topic], pid=99)
    peer.expect(T.UNSUBACK, pid=99)


@spec("MQTT5 3.11.3-2", "MQTT5 3.11.3-1", "MQTT5 3.10.4-6")
@only_5
def test_unsuback_has_the_codes_in_the_order_of_the_filters(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/a", f"{topic}/c")
    answer = peer.unsubscribe(f"{topic}/a", f"{topic}/b", f"{topic}/c", f"{topic}/a")
    assert answer.reasons == [0, 0x11, 0, 0x11]


@spec("MQTT3 3.10.4-1", "MQTT3 3.10.4-2", "MQTT5 3.10.4-1", "MQTT5 3.10.4-2")
@every_version
@pytest.mark.parametrize("filter_", ["", "/+", "/#"], ids=["plain", "plus", "hash"])
def test_nothing_arrives_after_unsubscribe(mqtt, v, topic, filter_):
    peer = mqtt.connect(v)
    peer.subscribe(topic + filter_, qos=1)
    peer.unsubscribe(topic + filter_)
    peer.publish(topic, b"1", qos=1)
    peer.publish(f"{topic}/x", b"1", qos=1)
    peer.expect_nothing()


@spec("MQTT3 3.10.4-1", "MQTT5 3.10.4-1")
@every_version
@pytest.mark.parametrize("other", ["+", "#", "A", "a/", "/a"], ids=["plus", "hash", "case", "slash_behind", "slash_before"])
def test_filters_are_compared_character_by_character(mqtt, v, topic, other):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/a", qos=1)
    peer.unsubscribe(f"{topic}/{other}")
    peer.publish(f"{topic}/a", b"1", qos=1)
    peer.receive(f"{topic}/a", b"1")


@spec("MQTT3 3.10.4-1", "MQTT5 3.10.4-1")
@every_version
def test_unsubscribe_of_one_of_overlapping_filters(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe((f"{topic}/a", 0), (f"{topic}/+", 1))
    peer.unsubscribe(f"{topic}/+")
    mqtt.connect(v).publish(f"{topic}/a", b"1", qos=1)
    peer.receive(f"{topic}/a", b"1", qos=0)
    peer.expect_nothing()


@spec("MQTT3 3.10.4-6", "MQTT5 3.10.4-6")
@every_version
def test_many_filters_have_one_unsuback(mqtt, v, topic):
    peer = mqtt.connect(v)
    names = [f"{topic}/{i}" for i in range(5)]
    peer.subscribe(*names, qos=1)
    peer.unsubscribe(*names[:4])
    for name in names:
        peer.publish(name, name.encode(), qos=1)
    peer.receive(names[4])
    peer.expect_nothing()


@spec("MQTT3 3.10.3-2", "MQTT5 3.10.3-2")
@every_version
def test_unsubscribe_without_filters(mqtt, v):
    peer = mqtt.connect(v)
    peer.send_unsubscribe([])
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 3.10.4-3", "MQTT5 3.10.4-3")
@every_version
@acknowledged_qos
def test_delivery_under_way_is_completed_after_unsubscribe(mqtt, v, topic, qos):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=qos)
    mqtt.connect(v).publish(topic, b"1", qos=qos)
    message = peer.expect(T.PUBLISH, payload=b"1")
    peer.unsubscribe(topic)
    peer.acknowledge(message)
    peer.expect_nothing()


@spec("MQTT3 3.10.4-3", "MQTT5 3.10.4-3")
@every_version
def test_delivery_under_way_is_sent_again_after_unsubscribe_and_reconnect(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    mqtt.connect(v).publish(topic, b"1", qos=1)
    pid = peer.expect(T.PUBLISH, payload=b"1").pid
    peer.unsubscribe(topic)
    peer.close()
    mqtt.connect(v, name, clean=False).receive(topic, b"1", dup=True, pid=pid)


@spec("MQTT5 3.11.3-2")
@only_5
def test_unsubscribe_takes_user_properties(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic)
    assert peer.unsubscribe(topic, props=[(Prop.USER_PROPERTY, ("a", "b"))]).reasons == [0]


@spec("MQTT5 4.13.1-1")
@only_5
@pytest.mark.parametrize("pair", [(Prop.SUBSCRIPTION_ID, 1), (Prop.REASON_STRING, "r")], ids=lambda p: p[0].name.lower())
def test_property_that_is_not_for_unsubscribe(mqtt, v, topic, pair):
    peer = mqtt.connect(v)
    peer.send_unsubscribe([topic], props=[pair])
    peer.expect_error(0x82, 0x81)
