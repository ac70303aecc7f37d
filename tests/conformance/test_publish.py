# SPDX-License-Identifier: MIT
"""3.3 PUBLISH: flags, topic name and version 5 properties, from publisher to subscriber."""
import pytest

from lib import mqtt as wire
from lib.clock import elapse
from lib.marks import V5, V31, V311, acknowledged_qos, every_qos, every_version, only_5, since_311, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop


@spec("MQTT3 3.3.1-4", "MQTT5 3.3.1-4")
@every_version
@pytest.mark.parametrize("flags", [0x6, 0x7, 0xE])
def test_qos_3(mqtt, v, topic, flags):
    peer = mqtt.connect(v)
    body = wire.utf8(topic) + b"\0\1" + (b"\0" if v == V5 else b"")
    peer.send(wire.frame(0x30 | flags, body))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 3.3.1-2", "MQTT5 3.3.1-2")
@since_311
def test_dup_with_qos_0(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"1", dup=True)
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 3.3.1-3", "MQTT5 3.3.1-3")
@every_version
@acknowledged_qos
def test_dup_is_not_passed_on(mqtt, v, topic, qos):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=2)
    mqtt.connect(v).publish(topic, b"1", qos=qos, dup=True)
    watcher.receive(topic, b"1", qos=qos, dup=False)


@spec("MQTT3 3.3.2-2", "MQTT3 4.7.1-1", "MQTT5 3.3.2-2", "MQTT5 4.7.0-1")
@every_version
@every_qos
@pytest.mark.parametrize("bad", ["#", "+", "a/#", "a/+/b", "a+", "a#b"])
def test_wildcard_in_topic_name(mqtt, v, bad, qos):
    peer = mqtt.connect(v)
    peer.send_publish(bad, b"1", qos=qos)
    peer.expect_error(0x81, 0x82, 0x90)


@spec("MQTT3 4.7.3-1", "MQTT5 4.7.3-1")
@every_version
def test_empty_topic_name(mqtt, v):
    peer = mqtt.connect(v)
    peer.send_publish("", b"1")
    peer.expect_error(0x81, 0x82, 0x90)


@spec("MQTT3 3.3.2-3", "MQTT5 3.3.2-3")
@every_version
@pytest.mark.parametrize("filter_", ["exact", "+", "#"])
def test_topic_name_arrives_as_published(mqtt, v, topic, filter_):
    watcher = mqtt.connect(v)
    watcher.subscribe(f"{topic}/{filter_}")
    mqtt.connect(v).publish(f"{topic}/exact", b"1")
    watcher.receive(f"{topic}/exact", b"1")


@spec("MQTT3 3.3.4-1", "MQTT5 3.3.4-1")
@every_version
def test_answer_to_publish_by_qos(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"0")
    peer.expect_nothing()
    peer.send_publish(topic, b"1", qos=1, pid=1)
    peer.expect(T.PUBACK, pid=1)
    peer.send_publish(topic, b"2", qos=2, pid=2)
    peer.expect(T.PUBREC, pid=2)
    peer.send_ack(T.PUBREL, 2)
    peer.expect(T.PUBCOMP, pid=2)
    peer.expect_nothing()


@spec("MQTT3 3.3.5-2")
@every_version
@acknowledged_qos
def test_message_that_may_not_be_published(mqtt, v, qos):
    """Topics of the broker itself are not the clients' to write: acknowledged all the same, refused, or closed."""
    watcher = mqtt.connect(v)
    watcher.subscribe("$SYS/broker/forged", qos=2)
    peer = mqtt.connect(v)
    peer.send_publish("$SYS/broker/forged", b"forged", qos=qos, pid=1)
    try:
        answer = peer.recv()
        if answer.type != T.DISCONNECT:
            assert answer.type == (T.PUBACK if qos == 1 else T.PUBREC)
            assert v != V5 or answer.reason in (0, 0x10, 0x80, 0x83, 0x87, 0x90)
    except AssertionError as closed:
        assert "closed" in str(closed)
    watcher.expect_nothing()


PROPERTIES = {
    "payload_format_0": ("MQTT5 3.3.2-4", [(Prop.PAYLOAD_FORMAT, 0)]),
    "payload_format_1": ("MQTT5 3.3.2-4", [(Prop.PAYLOAD_FORMAT, 1)]),
    "content_type": ("MQTT5 3.3.2-20", [(Prop.CONTENT_TYPE, "application/json; charset=utf-8")]),
    "empty_content_type": ("MQTT5 3.3.2-20", [(Prop.CONTENT_TYPE, "")]),
    "response_topic": ("MQTT5 3.3.2-15", [(Prop.RESPONSE_TOPIC, "answers/é/1")]),
    "correlation_data": ("MQTT5 3.3.2-16", [(Prop.CORRELATION_DATA, bytes(range(256)))]),
    "empty_correlation_data": ("MQTT5 3.3.2-16", [(Prop.CORRELATION_DATA, b"")]),
    "user_property": ("MQTT5 3.3.2-17", [(Prop.USER_PROPERTY, ("name", "välue"))]),
    "user_properties": ("MQTT5 3.3.2-18", [(Prop.USER_PROPERTY, p) for p in [("b", "1"), ("a", "2"), ("b", "0"), ("a", "2"), ("", "")]]),
}


@pytest.mark.parametrize("props", [pytest.param(props, marks=spec(id_), id=name) for name, (id_, props) in PROPERTIES.items()])
@every_qos
def test_property_arrives_unaltered(mqtt, topic, props, qos):
    watcher = mqtt.connect(V5)
    watcher.subscribe(topic, qos=qos)
    mqtt.connect(V5).publish(topic, b"text", qos=qos, props=props)
    assert watcher.receive(topic, b"text").props == props


@spec("MQTT5 3.3.2-4", "MQTT5 3.3.2-15", "MQTT5 3.3.2-16", "MQTT5 3.3.2-17", "MQTT5 3.3.2-18", "MQTT5 3.3.2-20")
def test_properties_arrive_unaltered_after_waiting(mqtt, topic, client_id):
    props = [pair for _, pairs in PROPERTIES.values() for pair in pairs if pair[0] == Prop.USER_PROPERTY]
    props += [(Prop.PAYLOAD_FORMAT, 1), (Prop.CONTENT_TYPE, "c"), (Prop.RESPONSE_TOPIC, "r"), (Prop.CORRELATION_DATA, b"d")]
    name = client_id()
    peer = mqtt.connect(V5, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    mqtt.connect(V5).publish(topic, b"text", qos=1, props=props)
    got = mqtt.connect(V5, name, clean=False).receive(topic, b"text").props
    assert sorted(got) == sorted(props)
    assert got.all(Prop.USER_PROPERTY) == [value for prop, value in props if prop == Prop.USER_PROPERTY]


@spec("MQTT5 3.3.2-17")
@pytest.mark.parametrize("old", [V31, V311], ids=["v3.1", "v3.1.1"])
def test_properties_do_not_reach_older_versions(mqtt, topic, old):
    watcher = mqtt.connect(old)
    watcher.subscribe(topic, qos=1)
    mqtt.connect(V5).publish(topic, b"text", qos=1, props=[(Prop.USER_PROPERTY, ("a", "b")), (Prop.CONTENT_TYPE, "c")])
    watcher.receive(topic, b"text", qos=1)


@spec("MQTT5 3.3.2-6")
@only_5
def test_message_expiry_reaches_a_connected_subscriber(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic)
    mqtt.connect(v).publish(topic, b"1", props=[(Prop.MESSAGE_EXPIRY, 100)])
    assert watcher.receive(topic, b"1").props.get(Prop.MESSAGE_EXPIRY) in (99, 100)


@spec("MQTT5 3.3.2-6")
@only_5
def test_message_expiry_is_reduced_by_the_time_of_waiting(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    mqtt.connect(v).publish(topic, b"1", qos=1, props=[(Prop.MESSAGE_EXPIRY, 100)])
    elapse(2)
    left = mqtt.connect(v, name, clean=False).receive(topic, b"1").props.get(Prop.MESSAGE_EXPIRY)
    assert 90 <= left <= 99


@spec("MQTT5 3.3.2-5")
@only_5
@acknowledged_qos
def test_expired_message_is_not_delivered(mqtt, v, topic, client_id, qos):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=2)
    peer.disconnect()
    publisher = mqtt.connect(v)
    publisher.publish(topic, b"short", qos=qos, props=[(Prop.MESSAGE_EXPIRY, 1)])
    publisher.publish(topic, b"long", qos=qos, props=[(Prop.MESSAGE_EXPIRY, 100)])
    publisher.publish(topic, b"for ever", qos=qos)
    elapse(2.5)
    again = mqtt.connect(v, name, clean=False)
    again.receive(topic, b"long")
    again.receive(topic, b"for ever")
    again.expect_nothing()


@spec("MQTT5 3.3.2-5")
@only_5
def test_message_that_waits_for_the_receive_maximum_expires(mqtt, v, topic):
    peer = mqtt.connect(v, props=[(Prop.RECEIVE_MAXIMUM, 1)])
    peer.subscribe(topic, qos=1)
    publisher = mqtt.connect(v)
    publisher.publish(topic, b"first", qos=1)
    publisher.publish(topic, b"short", qos=1, props=[(Prop.MESSAGE_EXPIRY, 1)])
    publisher.publish(topic, b"last", qos=1)
    first = peer.expect(T.PUBLISH, payload=b"first")
    elapse(2.5)
    peer.acknowledge(first)
    peer.receive(topic, b"last")


@spec("MQTT5 3.3.2-14")
@only_5
@pytest.mark.parametrize("bad", ["#", "+", "answers/#", "answers/+/x"])
def test_wildcard_in_response_topic(mqtt, v, topic, bad):
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"1", props=[(Prop.RESPONSE_TOPIC, bad)])
    peer.expect_error(0x81, 0x82, 0x90)


@spec("MQTT5 3.3.4-6")
@only_5
def test_subscription_identifier_from_a_client(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"1", props=[(Prop.SUBSCRIPTION_ID, 1)])
    peer.expect_error(0x81, 0x82)


@spec("MQTT5 4.13.1-1")
@pytest.mark.parametrize("pair", [(Prop.PAYLOAD_FORMAT, 0), (Prop.MESSAGE_EXPIRY, 1), (Prop.TOPIC_ALIAS, 1), (Prop.RESPONSE_TOPIC, "r"),
                                  (Prop.CORRELATION_DATA, b"d"), (Prop.CONTENT_TYPE, "c")], ids=lambda p: p[0].name.lower())
def test_publish_property_twice(mqtt, topic, pair):
    peer = mqtt.connect(V5)
    peer.send_publish(topic, b"1", props=[pair, pair])
    peer.expect_error(0x81, 0x82)


@spec("MQTT5 4.13.1-1")
@pytest.mark.parametrize("pair", [(Prop.SESSION_EXPIRY, 1), (Prop.REASON_STRING, "r"), (Prop.WILL_DELAY, 1), (Prop.RECEIVE_MAXIMUM, 1)],
                         ids=lambda p: p[0].name.lower())
def test_property_that_is_not_for_publish(mqtt, topic, pair):
    peer = mqtt.connect(V5)
    peer.send_publish(topic, b"1", props=[pair])
    peer.expect_error(0x81, 0x82)


@spec("MQTT5 3.4.2-1", "MQTT5 3.5.2-1")
@only_5
def test_acknowledgement_of_a_message_without_subscribers(mqtt, v, topic):
    peer = mqtt.connect(v)
    assert peer.publish(topic, b"1", qos=1).reason in (0, 0x10)
    assert peer.publish(topic, b"1", qos=2).reason in (0, 0x10)
    peer.subscribe(f"{topic}/taken")
    peer.send_publish(f"{topic}/taken", b"1", qos=1, pid=77)
    assert peer.await_packet(T.PUBACK, pid=77).reason == 0
